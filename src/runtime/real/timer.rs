//! One core's next point in time, kept by the ring.

use io_uring::types;

use super::ring::{Ring, Tag};
use crate::base::Ticks;

/// Timeouts that the ring holds. A later wish leaves an earlier timeout in place, whose firing is
/// then for nothing: shards that push their wish ahead with every turn cost no system call.
pub(super) struct Timer {
    armed: Vec<Armed>,
    numbers: u64,
}

struct Armed {
    number: u64,
    at: Ticks,
    /// What the kernel reads when the entry is submitted.
    _time: Box<types::Timespec>,
}

impl Timer {
    pub(super) fn new() -> Self {
        Self {
            armed: Vec::new(),
            numbers: 0,
        }
    }

    /// Makes sure that the core wakes at `next` at the latest.
    pub(super) fn set(&mut self, ring: &mut Ring, next: Option<Ticks>) {
        let Some(next) = next else { return };
        if self.armed.iter().any(|armed| armed.at <= next) {
            return;
        }
        self.numbers += 1;
        let time = types::Timespec::new()
            .sec(next.0 / 1_000_000_000)
            .nsec((next.0 % 1_000_000_000) as u32);
        let time = Box::new(time);
        // SAFETY: the box lives until the timeout has fired, which is after it was submitted.
        unsafe { ring.timeout(&raw const *time, Tag::Timer(self.numbers)) };
        self.armed.push(Armed {
            number: self.numbers,
            at: next,
            _time: time,
        });
    }

    pub(super) fn fired(&mut self, number: u64) {
        self.armed.retain(|armed| armed.number != number);
    }
}

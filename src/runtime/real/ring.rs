//! A ring of our own: it carries the disk's operations, the readiness of sockets, the timer and
//! the doorbell of one core, and the core sleeps in it.
//!
//! Why not glommio's rings: its files write only from its own buffers, its sockets poll through
//! one source object and one future per wait, and three rings are entered per turn. Here a wait
//! for readiness is one entry of a ring that is entered once per turn anyway.
//!
//! Why not glommio's sleep, woken by this ring's eventfd: that worked and was measured. 2026-11-22,
//! 2-core reference machine (a virtual one), `benches/bridge.rs`, a message to a sleeping core,
//! both ways in turn: through glommio 111 to 233 us and 60 to 76 us of processor time, in this ring
//! 53 to 65 us and 30 to 39 us; with deferred completions, in a later run, 81 to 88 us and 35 to
//! 38 us, where two plain pinned threads with eventfds took 69 to 85 us and 32 to 34 us. Glommio's
//! sleep interrupts every other core (membarrier), enters three rings, and needs a read of the
//! eventfd besides. glommio still makes the executor that the loop is a task of.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use io_uring::{IoUring, opcode, squeue, types};

use crate::base::Span;
use crate::runtime::system::{self, Errno};

/// Entries per submission; more wait in `backlog`.
const RING_ENTRIES: u32 = 256;

/// Completions taken at a time, so that a flood of them does not keep a turn from its events.
const REAP_MAX: usize = 256;

/// What a completion belongs to. The number is the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Readable(u64),
    Writable(u64),
    Acceptable(u64),
    Disk(u64),
    Timer(u64),
    Doorbell,
}

impl Tag {
    const NUMBER_BITS: u32 = 56;

    fn to_bits(self) -> u64 {
        let (kind, number) = match self {
            Self::Readable(number) => (1, number),
            Self::Writable(number) => (2, number),
            Self::Acceptable(number) => (3, number),
            Self::Disk(number) => (4, number),
            Self::Timer(number) => (5, number),
            Self::Doorbell => (6, 0),
        };
        debug_assert!(number >> Self::NUMBER_BITS == 0);
        kind << Self::NUMBER_BITS | number
    }

    fn from_bits(bits: u64) -> Option<Self> {
        let number = bits & ((1 << Self::NUMBER_BITS) - 1);
        match bits >> Self::NUMBER_BITS {
            1 => Some(Self::Readable(number)),
            2 => Some(Self::Writable(number)),
            3 => Some(Self::Acceptable(number)),
            4 => Some(Self::Disk(number)),
            5 => Some(Self::Timer(number)),
            6 => Some(Self::Doorbell),
            _ => None,
        }
    }
}

/// The end of something handed to the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) tag: Tag,
    /// As of the system call: a count, or an errno below zero.
    pub(super) result: i32,
}

/// What came of watching for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// One is there.
    Ended,
    /// Somebody else wanted the processor, and had it for so long.
    Crowded(Span),
    /// Nothing happened.
    Quiet,
}

/// To offer the processor takes a microsecond at most where nobody wants it.
const YIELD_ALONE_MAX: Span = Span::micros(5);

pub(super) struct Ring {
    ring: IoUring,
    /// Entries that found the submission queue full.
    backlog: VecDeque<squeue::Entry>,
}

impl Ring {
    /// Made on the thread that will use it: with a single issuer the kernel saves locks, and runs
    /// completions when we enter instead of interrupting us.
    pub(super) fn new() -> Result<Self, Errno> {
        let builder = || {
            let mut builder = IoUring::builder();
            builder.setup_clamp().setup_cqsize(RING_ENTRIES * 16);
            builder
        };
        // Linux 6.1 knows deferred completions, 6.0 a single issuer.
        let ring = builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .build(RING_ENTRIES)
            .or_else(|_| builder().build(RING_ENTRIES))
            .map_err(|error| system::errno_of(&error))?;
        Ok(Self {
            ring,
            backlog: VecDeque::new(),
        })
    }

    /// Asks for one completion when the descriptor has one of `events` (or was shut or reset).
    pub(super) fn poll(&mut self, descriptor: RawFd, events: i16, tag: Tag) {
        let entry = opcode::PollAdd::new(types::Fd(descriptor), events as u32)
            .build()
            .user_data(tag.to_bits());
        // SAFETY: a poll refers to no memory of ours.
        unsafe { self.push(entry) }
    }

    /// Ends a poll early: its completion comes at once, if it was not there already.
    pub(super) fn cancel_poll(&mut self, tag: Tag) {
        // Its own completion carries no tag, and is dropped.
        let entry = opcode::PollRemove::new(tag.to_bits()).build().user_data(0);
        // SAFETY: it refers to no memory of ours.
        unsafe { self.push(entry) }
    }

    /// Asks for one completion at this time of the monotonic clock.
    ///
    /// # Safety
    /// `time` stays valid until `submit` has returned.
    pub(super) unsafe fn timeout(&mut self, time: *const types::Timespec, tag: Tag) {
        let entry = opcode::Timeout::new(time)
            .flags(types::TimeoutFlags::ABS)
            .build()
            .user_data(tag.to_bits());
        // SAFETY: the caller keeps `time`; the kernel copies it when it is submitted.
        unsafe { self.push(entry) }
    }

    /// # Safety
    /// What the entry points to stays valid until its completion has been taken.
    pub(super) unsafe fn push_tagged(&mut self, entry: squeue::Entry, tag: Tag) {
        // SAFETY: the caller's.
        unsafe { self.push(entry.user_data(tag.to_bits())) }
    }

    /// # Safety
    /// As `push_tagged`.
    unsafe fn push(&mut self, entry: squeue::Entry) {
        if self.backlog.is_empty() {
            // SAFETY: the caller's.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
        }
        self.backlog.push_back(entry);
    }

    /// Hands everything over to the kernel.
    pub(super) fn submit(&mut self) -> Result<(), Errno> {
        loop {
            self.refill();
            let queue = self.ring.submission();
            if queue.is_empty() && !queue.taskrun() && !queue.cq_overflow() {
                return Ok(());
            }
            drop(queue);
            match self.ring.submit() {
                Ok(_) if self.backlog.is_empty() => return Ok(()),
                Ok(_) => {}
                Err(error) => match system::errno_of(&error) {
                    libc::EINTR => {}
                    // Too much is under way; completions must be taken first.
                    libc::EBUSY | libc::EAGAIN => return Ok(()),
                    errno => return Err(errno),
                },
            }
        }
    }

    fn refill(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: as when it was pushed; the owners wait for completions before they let go.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            self.backlog.pop_front();
        }
    }

    /// Moves completions that are there to `into`.
    pub(super) fn reap(&mut self, into: &mut VecDeque<Completion>) {
        for entry in self.ring.completion().take(REAP_MAX) {
            if let Some(tag) = Tag::from_bits(entry.user_data()) {
                let result = entry.result();
                into.push_back(Completion { tag, result });
            }
        }
    }

    /// Hands everything over and looks for a completion again and again, for so long at most, and
    /// lets whoever else wants the processor have it between: once somebody has, it looks no more.
    pub(super) fn poll_for(&mut self, at_most: Span) -> Result<Watch, Errno> {
        let mut now = system::ticks();
        let until = now + at_most;
        loop {
            self.submit()?;
            if !self.ring.completion().is_empty() {
                return Ok(Watch::Ended);
            }
            let before = system::ticks();
            std::thread::yield_now();
            now = system::ticks();
            let lost = now.since(before);
            if lost > YIELD_ALONE_MAX {
                return Ok(Watch::Crowded(lost));
            }
            if now >= until {
                return Ok(Watch::Quiet);
            }
        }
    }

    /// Hands everything over and waits until at least one completion is there.
    pub(super) fn wait(&mut self) -> Result<(), Errno> {
        self.refill();
        if !self.backlog.is_empty() {
            return self.submit();
        }
        match self.ring.submit_and_wait(1) {
            Ok(_) => Ok(()),
            Err(error) => match system::errno_of(&error) {
                libc::EINTR | libc::EBUSY | libc::EAGAIN => Ok(()),
                errno => Err(errno),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_its_trip_through_the_kernel() {
        for tag in [
            Tag::Readable(1),
            Tag::Writable((1 << 56) - 1),
            Tag::Acceptable(0),
            Tag::Disk(77),
            Tag::Timer(3),
            Tag::Doorbell,
        ] {
            assert_eq!(Tag::from_bits(tag.to_bits()), Some(tag));
        }
        assert_eq!(Tag::from_bits(9 << 56), None);
    }
}

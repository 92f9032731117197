//! What is to happen later. One heap per shard; the driver is told only the earliest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::Ticks;
use crate::runtime::ConnectionId;

use super::calls::Token;

/// Something to look at when its time has come. Nothing is ever taken out of the heap early:
/// whoever is woken looks whether there is still a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A fetch has waited as long as its client allows.
    FetchDeadline(Token),
    /// A connection may be idle, silent or stalled.
    Connection(ConnectionId),
    /// Whoever came too fast may come in.
    Door,
    /// Memory for frames may still be short, and whoever holds it may be silent.
    Memory,
    /// A member's session or a rebalance may be over.
    Groups,
    /// The next slice of `__consumer_offsets` is to be read.
    GroupLoad,
    /// Retention, cleaning, expiry of producers.
    Tick,
    /// A stop has waited long enough for replies that are owed.
    StopDeadline,
}

/// All timers of a shard.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Ticks, Timer)>>,
}

impl Timers {
    /// Wakes `timer` at `at` or soon after.
    pub fn set(&mut self, at: Ticks, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// The next timer whose time has come.
    pub fn pop_due(&mut self, now: Ticks) -> Option<Timer> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Ticks> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_the_order_of_their_times_and_never_early() {
        let mut timers = Timers::default();
        timers.set(Ticks(30), Timer::Tick);
        timers.set(Ticks(10), Timer::StopDeadline);

        assert_eq!(timers.next(), Some(Ticks(10)));
        assert_eq!(timers.pop_due(Ticks(9)), None);
        assert_eq!(timers.pop_due(Ticks(10)), Some(Timer::StopDeadline));
        assert_eq!(timers.pop_due(Ticks(29)), None);
        assert_eq!(timers.pop_due(Ticks(31)), Some(Timer::Tick));
        assert_eq!(timers.next(), None);
    }
}

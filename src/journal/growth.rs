//! How much memory the caches of a journal may take by now.
//!
//! Memory of the kernel's that nobody has touched can be very dear: on the 2-core reference machine
//! (a virtual one, whose host backs a page when it is first written) it cost 0.15 to 3.9 s of
//! processor time per GB, where memory used again costs none. So the caches begin small and grow
//! by what was made ready off the core: as what they give up shows that they have use for it, and
//! as fast as a bounded share of the processor's time can make it ready (`Haste`).
//!
//! Two caches share the bound: the tail's, and that of the windows that were read for readers far
//! behind it. Neither takes what the other has, until all is given out: then the tail takes from
//! the windows, down to their floor, and never the other way round.

use crate::base::limits::{
    CACHE_FLOOR_BYTES, CACHE_START_BYTES, COLD_FLOOR_BYTES, READY_BYTES_MAX,
};
use crate::base::{ByteCount, Span, Ticks};
use crate::runtime::{BlockPool, Haste};

/// By so much at a time.
const STEP: u64 = CACHE_START_BYTES.0;
/// A cache grows by so many times what it gave up, and so holds most of what comes.
const TIMES: u64 = 4;
/// So long the tail counts as missed.
const REMEMBERED: Span = Span::seconds(1);

/// What the caches had use for since they were last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Bytes that the tail's gave up.
    pub tail_left: u64,
    /// Somebody wanted what had left it, and would still be there if it had all it may have.
    pub tail_missed: bool,
    /// The windows' gave something up.
    pub cold_full: bool,
    /// Bytes that were read again after it had given them up.
    pub cold_again: u64,
}

/// One cache's part.
#[derive(Clone, Copy, Debug)]
struct Part {
    bound: u64,
    floor: u64,
    /// What it has earned and not got.
    owed: u64,
}

impl Part {
    fn earn(&mut self, given_up: u64) {
        let more = given_up.saturating_mul(TIMES);
        self.owed = self.owed.saturating_add(more).min(READY_BYTES_MAX.0);
    }

    fn earn_floor(&mut self) {
        self.owed = self.owed.max(self.floor.saturating_sub(self.bound));
    }

    fn is_poor(&self) -> bool {
        self.bound < self.floor
    }

    /// True if it got anything.
    fn take(&mut self, pool: &BlockPool, room: u64, haste: Haste) -> bool {
        let wanted = self.owed.min(room);
        if wanted < STEP {
            return false;
        }
        let granted = pool.claim(ByteCount(wanted), haste).0;
        self.bound += granted;
        self.owed -= granted;
        granted > 0
    }
}

#[derive(Debug)]
pub(super) struct Growth {
    tail: Part,
    cold: Part,
    most: u64,
    /// Until when the tail's cache counts as missed.
    missed_until: Ticks,
    /// The windows got something last.
    was_cold: bool,
    pool: BlockPool,
}

impl Growth {
    /// For caches that may take `most` together.
    pub fn new(now: Ticks, most: ByteCount, pool: BlockPool) -> Self {
        let cold = most.0 / 8;
        let tail = most.0 - cold;
        let part = |start: u64, floor: u64, most: u64| Part {
            bound: start.min(most),
            floor: floor.min(most),
            owed: 0,
        };
        Self {
            tail: part(CACHE_START_BYTES.0, CACHE_FLOOR_BYTES.0, tail),
            cold: part(CACHE_START_BYTES.0, COLD_FLOOR_BYTES.0, cold),
            most: most.0,
            missed_until: now,
            was_cold: false,
            pool,
        }
    }

    pub fn tail(&self) -> u64 {
        self.tail.bound
    }

    pub fn cold(&self) -> u64 {
        self.cold.bound
    }

    /// Grants what was earned by now, as far as there is memory for it.
    pub fn look(&mut self, now: Ticks, demand: Demand) {
        if demand.tail_left > 0 {
            self.tail.earn_floor();
            self.tail.earn(demand.tail_left);
        }
        if demand.tail_missed {
            self.missed_until = now + REMEMBERED;
        }
        if demand.cold_full {
            self.cold.earn_floor();
        }
        self.cold.earn(demand.cold_again);
        self.rob();
        self.grant(now < self.missed_until);
    }

    /// Where next to nothing is left, the tail takes what the windows have beyond their floor.
    fn rob(&mut self) {
        let spare = self.cold.bound.saturating_sub(self.cold.floor);
        if self.tail_room() < STEP && self.tail.owed >= STEP && spare > 0 {
            let moved = self.tail.owed.min(spare);
            self.cold.bound -= moved;
            self.tail.bound += moved;
            self.tail.owed -= moved;
        }
    }

    /// What the windows' floor needs is not the tail's, though they may not have it yet.
    fn tail_room(&self) -> u64 {
        let cold = self.cold.bound.max(self.cold.floor);
        self.most.saturating_sub(self.tail.bound + cold)
    }

    /// In turn, so that none takes everything that gets ready; but first whoever is below its
    /// floor, then whoever is missed. (Nobody reads windows again but because they are missed.)
    fn grant(&mut self, is_tail_missed: bool) {
        let tail = (self.tail.is_poor(), is_tail_missed);
        let cold = (self.cold.is_poor(), true);
        let is_cold_first = match tail == cold {
            true => !self.was_cold,
            false => cold > tail,
        };
        if is_cold_first {
            self.grant_cold();
        }
        let haste = match tail {
            (false, false) => Haste::Slow,
            _ => Haste::Quick,
        };
        let room = self.tail_room();
        if self.tail.take(&self.pool, room, haste) {
            self.was_cold = false;
        }
        if !is_cold_first {
            self.grant_cold();
        }
    }

    fn grant_cold(&mut self) {
        let room = self.most - self.tail.bound - self.cold.bound;
        if self.cold.take(&self.pool, room, Haste::Quick) {
            self.was_cold = true;
        }
    }
}

#[cfg(test)]
#[path = "growth_tests.rs"]
mod tests;

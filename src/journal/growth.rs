//! How much memory the caches of a journal may take by now.
//!
//! Memory of the kernel's that nobody has touched can be very dear: on the 2-core reference machine
//! (a virtual one, whose host backs a page when it is first written) it cost 0.15 to 3.9 s of
//! processor time per GB, where memory used again costs none. So the caches begin small and grow
//! by what was made ready off the core: slowly while there is more than they hold, and faster while
//! readers come for what has left them. How fast that is depends on what memory costs, for it is the
//! processor's time that is bounded (`Haste`).
//!
//! Two caches share the bound: the tail's, and that of the windows that were read for readers far
//! behind it. Neither takes what the other has, until all is given out: then the tail takes from
//! the windows, never the other way round.

use crate::base::limits::{
    CACHE_FLOOR_BYTES, CACHE_GROWTH_BYTES_PER_S, CACHE_GROWTH_WANTED_BYTES_PER_S,
    CACHE_START_BYTES, COLD_FLOOR_BYTES, READY_BYTES_MAX,
};
use crate::base::{ByteCount, Span, Ticks};
use crate::runtime::{BlockPool, Haste};

/// By so much at a time.
const STEP: u64 = CACHE_START_BYTES.0;
/// So long a cache counts as full after it gave something up, and as missed.
const REMEMBERED: Span = Span::seconds(1);

/// What the caches had use for since they were last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// The tail's gave something up.
    pub tail_full: bool,
    /// Somebody wanted what had left it, and would still be there if it had all it may have.
    pub tail_missed: bool,
    /// The windows' gave something up.
    pub cold_full: bool,
    /// Something was read again that it had given up.
    pub cold_missed: bool,
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
    fn earn(&mut self, bytes: u64) {
        self.owed = (self.owed + bytes).min(READY_BYTES_MAX.0);
    }

    fn earn_floor(&mut self) {
        self.owed = self.owed.max(self.floor.saturating_sub(self.bound));
    }

    fn take(&mut self, pool: &BlockPool, room: u64, haste: Haste) {
        let wanted = self.owed.min(room);
        if wanted >= STEP {
            let granted = pool.claim(ByteCount(wanted), haste).0;
            self.bound += granted;
            self.owed -= granted;
        }
    }
}

#[derive(Debug)]
pub(super) struct Growth {
    tail: Part,
    cold: Part,
    most: u64,
    looked: Ticks,
    /// Until when the tail's cache counts as full and as missed, and the windows' as missed.
    full_until: Ticks,
    missed_until: Ticks,
    cold_until: Ticks,
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
            looked: now,
            full_until: now,
            missed_until: now,
            cold_until: now,
            pool,
        }
    }

    pub fn tail(&self) -> u64 {
        self.tail.bound
    }

    pub fn cold(&self) -> u64 {
        self.cold.bound
    }

    /// Grants what was earned since the last look, as far as there is memory for it.
    pub fn look(&mut self, now: Ticks, demand: Demand) {
        // At most a second's worth at a time: after a quiet hour no burst may take it all at once.
        let passed = now.since(self.looked).min(Span::seconds(1));
        self.looked = now;
        if demand.tail_full {
            self.full_until = now + REMEMBERED;
            self.tail.earn_floor();
        }
        if demand.tail_missed {
            self.missed_until = now + REMEMBERED;
        }
        if demand.cold_full {
            self.cold.earn_floor();
        }
        if demand.cold_missed {
            self.cold_until = now + REMEMBERED;
        }
        if now < self.full_until {
            let is_missed = now < self.missed_until;
            let rate = match is_missed {
                true => CACHE_GROWTH_WANTED_BYTES_PER_S,
                false => CACHE_GROWTH_BYTES_PER_S,
            };
            self.tail.earn(share(rate, passed));
        }
        if now < self.cold_until {
            self.cold
                .earn(share(CACHE_GROWTH_WANTED_BYTES_PER_S, passed));
        }
        let haste = |until: Ticks| match now < until {
            true => Haste::Quick,
            false => Haste::Slow,
        };
        self.grant(haste(self.missed_until), haste(self.cold_until));
    }

    fn grant(&mut self, tail: Haste, cold: Haste) {
        let room = self.most - self.tail.bound - self.cold.bound;
        // What is left is less than anybody is given at a time.
        if room < STEP && self.tail.owed >= STEP && self.cold.bound > self.cold.floor {
            let moved = self.tail.owed.min(self.cold.bound - self.cold.floor);
            self.cold.bound -= moved;
            self.tail.bound += moved;
            self.tail.owed -= moved;
        }
        self.tail.take(&self.pool, room, tail);
        let room = self.most - self.tail.bound - self.cold.bound;
        self.cold.take(&self.pool, room, cold);
    }
}

/// What a rate gives in that time.
fn share(rate: ByteCount, passed: Span) -> u64 {
    let share = u128::from(rate.0) * u128::from(passed.0) / 1_000_000_000;
    share as u64
}

#[cfg(test)]
#[path = "growth_tests.rs"]
mod tests;

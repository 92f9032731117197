//! How fast the cache may take memory that it never had.
//!
//! Memory of the kernel's that nobody has touched can be very dear: on the 2-core reference machine
//! (a virtual one, whose host backs a page when it is first written) it cost 2.8 s of processor
//! time per GB, where memory used again costs none. Produced at full speed, 2026-11-22, paired: a
//! cache that grew with every group 0.83 M records/s, one that stayed at 256 MiB 4.3-4.9 M. So the
//! cache grows by a little per second by itself, and by what the pool has made ready off the core
//! (`BlockPool::claim`) once it is written to faster than that; and it gives its oldest blocks up
//! for the newest meanwhile.

use crate::base::limits::{CACHE_FLOOR_BYTES, CACHE_GROWTH_BYTES_PER_S, READY_ASKED_AT};
use crate::base::{ByteCount, Span, Ticks};
use crate::runtime::BlockPool;

/// So long a journal must be written to faster than the cache grows by itself.
const PACE_WAIT: Span = Span::millis(100);

/// A bound that rises, while it is pressed, from `CACHE_FLOOR_BYTES` to what was configured.
#[derive(Debug)]
pub(super) struct Growth {
    bound: u64,
    most: u64,
    looked: Ticks,
    pace: Pace,
    pool: BlockPool,
}

/// How fast the journal is written to.
#[derive(Debug)]
struct Pace {
    since: Ticks,
    /// All that had been written then.
    written: u64,
    is_fast: bool,
}

impl Pace {
    fn look(&mut self, now: Ticks, written: u64) {
        let passed = now.since(self.since);
        if passed >= PACE_WAIT {
            self.is_fast = written - self.written > slow_share(passed);
            (self.since, self.written) = (now, written);
        }
    }
}

/// What the cache may grow by itself in that time.
fn slow_share(passed: Span) -> u64 {
    let share = u128::from(CACHE_GROWTH_BYTES_PER_S.0) * u128::from(passed.0) / 1_000_000_000;
    share as u64
}

impl Growth {
    pub fn new(now: Ticks, most: ByteCount, pool: BlockPool) -> Self {
        let bound = CACHE_FLOOR_BYTES.0.min(most.0);
        Self {
            bound,
            most: most.0,
            looked: now,
            pace: Pace {
                since: now,
                written: 0,
                is_fast: false,
            },
            pool,
        }
    }

    /// The bound now, with so many bytes in use, of so many that were ever written.
    pub fn bound(&mut self, now: Ticks, used: u64, written: u64) -> u64 {
        // At most a second's worth at a time: after a quiet hour no burst may take it all at once.
        let passed = now.since(self.looked).min(Span::seconds(1));
        self.looked = now;
        self.pace.look(now, written);
        if used >= self.bound {
            self.bound = self.most.min(self.bound + slow_share(passed));
        }
        if self.pace.is_fast && used + READY_ASKED_AT.0 >= self.bound && self.bound < self.most {
            self.bound += self.pool.claim(ByteCount(self.most - self.bound)).0;
        }
        self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Keeper;

    const SECOND: Span = Span::seconds(1);
    const FLOOR: u64 = CACHE_FLOOR_BYTES.0;
    const RATE: u64 = CACHE_GROWTH_BYTES_PER_S.0;

    fn growth(most: u64) -> Growth {
        Growth::new(Ticks(0), ByteCount(most), BlockPool::default())
    }

    fn with_keeper(most: u64) -> Growth {
        let keeper = Keeper::start().expect("a thread");
        let pool = BlockPool::with_keeper(keeper);
        Growth::new(Ticks(0), ByteCount(most), pool)
    }

    #[test]
    fn the_bound_rises_by_its_rate_while_it_is_pressed_and_no_further_than_configured() {
        let mut growth = growth(FLOOR + 2 * RATE);
        let mut now = Ticks(0);

        let bounds = [1, 2, 3].map(|_| {
            now = now + SECOND;
            growth.bound(now, u64::MAX / 2, 0)
        });

        assert_eq!(bounds, [FLOOR + RATE, FLOOR + 2 * RATE, FLOOR + 2 * RATE]);
    }

    #[test]
    fn a_cache_that_is_not_full_earns_nothing() {
        let mut growth = growth(u64::MAX);

        let idle = growth.bound(Ticks(0) + Span::seconds(3_600), 0, 0);
        let pressed = growth.bound(Ticks(0) + Span::seconds(3_601), u64::MAX / 2, 0);

        assert_eq!(idle, FLOOR);
        assert_eq!(pressed, idle + RATE);
    }

    #[test]
    fn a_small_cache_is_never_larger_than_it_should_be() {
        let mut growth = growth(4096);

        assert_eq!(
            growth.bound(Ticks(0) + SECOND, u64::MAX / 2, u64::MAX),
            4096
        );
    }

    #[test]
    fn written_to_at_speed_it_grows_as_memory_gets_ready_and_never_past_what_was_configured() {
        let (ready, most) = (16 << 20, FLOOR + (24 << 20));
        let mut growth = with_keeper(most);
        let now = Ticks(0) + PACE_WAIT;
        let at_once = growth.bound(now, growth.bound, RATE);

        // Time stands still: what it grows by is what was made ready.
        while growth.bound < FLOOR + ready {
            let bound = growth.bound(now, growth.bound, RATE);
            assert!(bound <= most, "{bound} of {most}");
            std::hint::spin_loop();
        }

        assert_eq!(at_once, FLOOR + RATE / 10, "nothing was ready yet");
    }

    #[test]
    fn written_to_slowly_it_asks_for_nothing_to_be_ready() {
        let mut growth = with_keeper(u64::MAX / 4);
        let mut now = Ticks(0);

        for second in 1..=20 {
            now = now + SECOND;
            growth.bound(now, growth.bound, second * RATE);
        }

        assert_eq!(growth.bound, FLOOR + 20 * RATE);
        assert_eq!(growth.pool.asked_ready(), ByteCount(0));
    }
}

//! How fast the cache may take memory that it never had.
//!
//! Memory of the kernel's that nobody has touched can be very dear: on the 2-core reference machine
//! (a virtual one, whose host backs a page when it is first written) it cost 2.8 s of processor
//! time per GB, where memory used again costs none. Produced at full speed, 2026-11-22, paired: a
//! cache that grew with every group 0.83 M records/s, one that stayed at 256 MiB 4.3-4.9 M. So the
//! cache grows by a little per second, and gives its oldest blocks up for the newest meanwhile.

use crate::base::limits::{CACHE_FLOOR_BYTES, CACHE_GROWTH_BYTES_PER_S};
use crate::base::{ByteCount, Span, Ticks};

/// A bound that rises, while it is pressed, from `CACHE_FLOOR_BYTES` to what was configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    bound: u64,
    most: u64,
    looked: Ticks,
}

impl Growth {
    pub fn new(now: Ticks, most: ByteCount) -> Self {
        let bound = CACHE_FLOOR_BYTES.0.min(most.0);
        Self {
            bound,
            most: most.0,
            looked: now,
        }
    }

    /// The bound now, with so many bytes in use.
    pub fn bound(&mut self, now: Ticks, used: u64) -> u64 {
        // At most a second's worth at a time: after a quiet hour no burst may take it all at once.
        let passed = now.since(self.looked).min(Span::seconds(1));
        self.looked = now;
        if used >= self.bound {
            let more =
                u128::from(CACHE_GROWTH_BYTES_PER_S.0) * u128::from(passed.0) / 1_000_000_000;
            self.bound = self.most.min(self.bound + more as u64);
        }
        self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::seconds(1);

    #[test]
    fn the_bound_rises_by_its_rate_while_it_is_pressed_and_no_further_than_configured() {
        let most = ByteCount(CACHE_FLOOR_BYTES.0 + 2 * CACHE_GROWTH_BYTES_PER_S.0);
        let mut growth = Growth::new(Ticks(0), most);
        let mut now = Ticks(0);

        let bounds = [1, 2, 3].map(|_| {
            now = now + SECOND;
            growth.bound(now, u64::MAX)
        });

        let floor = CACHE_FLOOR_BYTES.0;
        let rate = CACHE_GROWTH_BYTES_PER_S.0;
        assert_eq!(bounds, [floor + rate, floor + 2 * rate, floor + 2 * rate]);
    }

    #[test]
    fn a_cache_that_is_not_full_earns_nothing() {
        let mut growth = Growth::new(Ticks(0), ByteCount(u64::MAX));

        let idle = growth.bound(Ticks(0) + Span::seconds(3_600), 0);
        let pressed = growth.bound(Ticks(0) + Span::seconds(3_601), u64::MAX);

        assert_eq!(idle, CACHE_FLOOR_BYTES.0);
        assert_eq!(pressed, idle + CACHE_GROWTH_BYTES_PER_S.0);
    }

    #[test]
    fn a_small_cache_is_never_larger_than_it_should_be() {
        let mut growth = Growth::new(Ticks(0), ByteCount(4096));

        assert_eq!(growth.bound(Ticks(0) + SECOND, u64::MAX), 4096);
    }
}

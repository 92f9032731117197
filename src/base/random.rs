//! Seeded random numbers: the same seed gives the same run, on every machine.

/// A splitmix64 stream. Small, fast, and good enough for schedules and faults; never for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    pub const fn with_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own, so that draws for one purpose do not shift another's.
    pub fn fork(&mut self, purpose: u64) -> Self {
        let seed = self.next_u64() ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self::with_seed(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`. `bound` must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below zero");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `count` draws, on average; never, if `count` is zero.
    pub fn one_in(&mut self, count: u64) -> bool {
        count > 0 && self.below(count) == 0
    }

    /// Fills `bytes` with noise.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let noise = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&noise[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream() {
        let mut left = Random::with_seed(7);
        let mut right = Random::with_seed(7);

        assert!((0..100).all(|_| left.next_u64() == right.next_u64()));
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut random = Random::with_seed(1);
        let mut seen = [0_u32; 5];

        (0..1_000).for_each(|_| seen[random.below(5) as usize] += 1);

        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }
}

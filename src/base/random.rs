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
impl Random {
    /// A stream for a test that may be run again: by THALWEG_FUZZ_SEED, which is printed.
    pub fn for_fuzz(purpose: &str) -> Self {
        let given = std::env::var("THALWEG_FUZZ_SEED").ok();
        let seed = given.map_or(20_261_130, |seed| seed.parse().expect("a number"));
        println!("{purpose}: THALWEG_FUZZ_SEED={seed}");
        Self::with_seed(seed)
    }

    /// Flips, overwrites, inserts, removes and repeats bytes, a few times over; counts that are
    /// read there become large ones.
    pub fn spoil(&mut self, bytes: &mut Vec<u8>) {
        const NASTY: [&[u8]; 4] = [
            b"\xff\xff\xff\xff",
            b"\xff\xff\xff\x7f",
            b"\0\0\0\x80",
            b"\0\x10\0\0",
        ];
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() as u64 + 1) as usize;
            let nasty = NASTY[self.below(4) as usize];
            match self.below(8) {
                0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                3 | 4 if at + 4 <= bytes.len() => {
                    let at = at / 4 * 4;
                    bytes[at..at + 4].copy_from_slice(nasty);
                }
                5 => drop(bytes.splice(at..at, nasty.iter().copied())),
                6 => bytes.truncate(at),
                _ => bytes.extend_from_within(at..),
            }
        }
    }
}

/// How often a fuzz test runs: THALWEG_FUZZ_RUNS, or so often.
#[cfg(test)]
pub fn fuzz_runs(default: u64) -> u64 {
    std::env::var("THALWEG_FUZZ_RUNS").map_or(default, |runs| runs.parse().expect("a number"))
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

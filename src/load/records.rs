//! What records look like: how long they are, and under which keys.

use crate::base::ByteCount;
use crate::base::random::Random;
use crate::wire::partitioner::partition_of;

/// Different lengths in one run: each needs tables of its own to be stamped.
pub const SIZES_MAX: usize = 16;
/// How long a key is: a decimal number with leading zeros.
pub const KEY_BYTES: usize = 10;
/// What YCSB calls zipfian: the n-th key comes up in proportion to n to the power of minus this.
const ZIPF_EXPONENT: f64 = 0.99;

/// The length of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordSizes {
    Fixed(ByteCount),
    /// Sixteen lengths at equal distances, both ends among them, equally often.
    Uniform {
        least: ByteCount,
        most: ByteCount,
    },
    /// Lengths and how often each comes up, in proportion.
    Weighted(Vec<(ByteCount, u32)>),
}

impl RecordSizes {
    /// Every length, and its weight.
    pub fn classes(&self) -> Vec<(usize, u64)> {
        match self {
            Self::Fixed(bytes) => vec![(bytes.as_usize(), 1)],
            Self::Uniform { least, most } => {
                let steps = SIZES_MAX as u64 - 1;
                let span = most.0.saturating_sub(least.0);
                let size = |step| ((least.0 + span * step / steps) as usize, 1);
                let mut all: Vec<(usize, u64)> = (0..=steps).map(size).collect();
                all.dedup();
                all
            }
            Self::Weighted(sizes) => {
                let class = |it: &(ByteCount, u32)| (it.0.as_usize(), u64::from(it.1));
                sizes.iter().map(class).collect()
            }
        }
    }

    pub fn least(&self) -> usize {
        let sizes = self.classes().into_iter().map(|it| it.0);
        sizes.min().unwrap_or_default()
    }
}

impl From<ByteCount> for RecordSizes {
    fn from(bytes: ByteCount) -> Self {
        Self::Fixed(bytes)
    }
}

/// Draws from classes by their weights.
pub fn draw(classes: &[(usize, u64)], random: &mut Random) -> usize {
    let total: u64 = classes.iter().map(|it| it.1).sum();
    let mut left = random.below(total.max(1));
    for (at, (_, weight)) in classes.iter().enumerate() {
        if left < *weight {
            return at;
        }
        left -= weight;
    }
    0
}

/// Which keys come up how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// No record has a key; partitions take turns.
    #[default]
    None,
    /// So many keys, equally often.
    Uniform(u32),
    /// So many keys, a few of them most of the time.
    Zipf(u32),
}

/// The keys of each partition of a topic, as Kafka's partitioner deals them.
pub struct KeySpread {
    partitions: Vec<PartitionKeys>,
}

#[derive(Default)]
struct PartitionKeys {
    /// Each key, and the weight of all up to it.
    keys: Vec<(u32, f64)>,
}

impl Keys {
    pub fn spread(self, partitions: u32) -> Option<KeySpread> {
        let (count, exponent) = match self {
            Self::None => return None,
            Self::Uniform(count) => (count, 0.0),
            Self::Zipf(count) => (count, ZIPF_EXPONENT),
        };
        let mut all: Vec<PartitionKeys> = Vec::new();
        all.resize_with(partitions as usize, PartitionKeys::default);
        for key in 0..count {
            let weight = f64::from(key + 1).powf(-exponent);
            let partition = &mut all[partition_of(&key_text(key), partitions as usize)];
            let before = partition.weight();
            partition.keys.push((key, before + weight));
        }
        Some(KeySpread { partitions: all })
    }
}

impl KeySpread {
    /// How much of the load a partition gets, against others.
    pub fn weight(&self, partition: u32) -> f64 {
        self.partitions[partition as usize].weight()
    }

    /// A key of this partition, by weight.
    pub fn draw(&self, partition: u32, random: &mut Random) -> [u8; KEY_BYTES] {
        let keys = &self.partitions[partition as usize];
        let at = random.below(1 << 53) as f64 / (1_u64 << 53) as f64 * keys.weight();
        let found = keys.keys.partition_point(|it| it.1 <= at);
        key_text(keys.keys.get(found).map_or(0, |it| it.0))
    }
}

impl PartitionKeys {
    fn weight(&self) -> f64 {
        self.keys.last().map_or(0.0, |it| it.1)
    }
}

fn key_text(key: u32) -> [u8; KEY_BYTES] {
    let mut text = [b'0'; KEY_BYTES];
    let mut rest = key;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_drawn_only_in_the_partition_that_it_belongs_to() {
        let spread = Keys::Zipf(1_000).spread(5).unwrap();
        let mut random = Random::with_seed(3);
        for partition in 0..5 {
            for _ in 0..200 {
                let key = spread.draw(partition, &mut random);

                assert_eq!(partition_of(&key, 5), partition as usize);
            }
        }
    }

    #[test]
    fn zipf_favours_few_keys_and_uniform_none() {
        let mut random = Random::with_seed(3);
        let mut times = |keys: Keys| {
            let spread = keys.spread(1).unwrap();
            let drawn = (0..10_000).filter(|_| spread.draw(0, &mut random) == *b"0000000000");
            drawn.count()
        };

        // A share of 1 / (1 + 2^-0.99 + ... + 100^-0.99) = 18.9 %, or of one hundredth.
        assert!((1_600..2_200).contains(&times(Keys::Zipf(100))));
        assert!((50..180).contains(&times(Keys::Uniform(100))));
    }

    #[test]
    fn sizes_are_drawn_by_their_weights() {
        let sizes = RecordSizes::Weighted(vec![(ByteCount(100), 9), (ByteCount(1_000), 1)]);
        let mut random = Random::with_seed(3);
        let classes = sizes.classes();

        let long = (0..10_000)
            .filter(|_| draw(&classes, &mut random) == 1)
            .count();

        assert!((850..1_150).contains(&long), "{long}");
        let uniform = RecordSizes::Uniform {
            least: ByteCount(100),
            most: ByteCount(400),
        };
        assert_eq!(uniform.classes().first(), Some(&(100, 1)));
        assert_eq!(uniform.classes().last(), Some(&(400, 1)));
        assert_eq!(uniform.classes().len(), SIZES_MAX);
    }
}

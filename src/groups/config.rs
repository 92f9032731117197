//! What an operator may set, under Kafka's names, and where a group belongs.

use crate::base::ByteCount;
use crate::base::limits::GROUP_MEMORY_BYTES;

/// The topic that holds groups and committed offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The coordinator's settings. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `offsets.topic.num.partitions`: read once, when the topic is created.
    pub offsets_partitions: u32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: u32,
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.max.size`
    pub members_max: u32,
    /// `offset.metadata.max.bytes`
    pub metadata_bytes_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub retention_check_ms: u32,
    /// Memory that groups and offsets of one shard may take; more of them are refused beyond it.
    pub memory: ByteCount,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            offsets_partitions: 50,
            initial_rebalance_delay_ms: 3_000,
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            members_max: i32::MAX as u32,
            metadata_bytes_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            retention_check_ms: 600_000,
            memory: GROUP_MEMORY_BYTES,
        }
    }
}

/// The partition of `__consumer_offsets` that a group belongs to: Java's `String.hashCode` (over
/// UTF-16 units), made positive as Kafka does, modulo `partitions`.
pub fn partition_of(group: &str, partitions: u32) -> u32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // Kafka's `Utils.abs`: the smallest number has no positive twin.
    let positive = if hash == i32::MIN {
        0
    } else {
        hash.unsigned_abs()
    };
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_belong_to_the_partitions_that_java_gives_them() {
        // `"hello".hashCode()` is 99162322, and "polygenelubricants" hashes to the smallest i32.
        assert_eq!(partition_of("hello", 50), 99_162_322 % 50);
        assert_eq!(partition_of("polygenelubricants", 50), 0);
        assert_eq!(partition_of("", 50), 0);
        // Surrogate pairs are two units: 0xD835 * 31 + 0xDD4F.
        assert_eq!(partition_of("\u{1D54F}", 50), (0xD835 * 31 + 0xDD4F) % 50);
    }
}

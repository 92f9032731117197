//! Broker-wide configuration that gives topics their defaults.
//!
//! Names, types, defaults and bounds as Apache Kafka 4.1's, but for `log.flush.interval.messages`.

use crate::log::config_table::{Bounds, ConfigKind};

use super::broker_key::{BrokerKey, key};

use Bounds::{Between, Fraction, OneOf, SomeOf};
use ConfigKind::{Boolean, Double, Int, List, Long, String};

const INT_MAX: i64 = i32::MAX as i64;

/// By name. `ConfigKey::broker_name` says which topic configuration each is the default of;
/// `BrokerConfig::topic_defaults` what log.retention.hours and its like come to.
pub const TOPIC_DEFAULTS: &[BrokerKey] = &[
    key(
        "compression.gzip.level",
        Int,
        "The level at which a broker would compress with gzip.",
    )
    .default("-1")
    .bounds(Bounds::Level(1, 9))
    .dynamic()
    .without_effect(),
    key(
        "compression.lz4.level",
        Int,
        "The level at which a broker would compress with lz4.",
    )
    .default("9")
    .bounds(Between(1, 17))
    .dynamic()
    .without_effect(),
    key(
        "compression.type",
        String,
        "How batches are stored. Only 'producer' is possible: as they came.",
    )
    .default("producer")
    .bounds(OneOf(&[
        "uncompressed",
        "zstd",
        "lz4",
        "snappy",
        "gzip",
        "producer",
    ]))
    .dynamic(),
    key(
        "compression.zstd.level",
        Int,
        "The level at which a broker would compress with zstd.",
    )
    .default("3")
    .bounds(Between(-131_072, 22))
    .dynamic()
    .without_effect(),
    key(
        "log.cleaner.delete.retention.ms",
        Long,
        "How long a compacted topic keeps tombstones.",
    )
    .default("86400000")
    .bounds(Between(0, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        "The longest that a record stays out of reach of compaction.",
    )
    .default("9223372036854775807")
    .bounds(Between(1, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.cleaner.min.cleanable.ratio",
        Double,
        "The part of a log that must be uncompacted before compaction runs.",
    )
    .default("0.5")
    .bounds(Fraction)
    .dynamic()
    .without_effect(),
    key(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        "The shortest time that a record stays uncompacted.",
    )
    .default("0")
    .bounds(Between(0, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.cleanup.policy",
        List,
        "What happens to old records of topics: delete, compact, or both.",
    )
    .default("delete")
    .bounds(SomeOf(&["compact", "delete"]))
    .dynamic(),
    key(
        "log.flush.interval.messages",
        Long,
        "1: acknowledged when flushed. More: acknowledged when written, and every so-many-th \
         record of a partition when flushed. Kafka's default is never.",
    )
    .default("1")
    .bounds(Between(1, i64::MAX))
    .dynamic(),
    key(
        "log.flush.interval.ms",
        Long,
        "If set: acknowledged when written, which survives the process but not the power, and \
         flushed so much later, or after one second.",
    )
    .bounds(Between(0, i64::MAX))
    .dynamic(),
    key(
        "log.index.interval.bytes",
        Int,
        "How densely Kafka indexes a segment.",
    )
    .default("4096")
    .bounds(Between(0, INT_MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.index.size.max.bytes",
        Int,
        "The size of Kafka's index files.",
    )
    .default("10485760")
    .bounds(Between(4, INT_MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.local.retention.bytes",
        Long,
        "Bytes that stay local with tiered storage.",
    )
    .default("-2")
    .bounds(Between(-2, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.local.retention.ms",
        Long,
        "How long records stay local with tiered storage.",
    )
    .default("-2")
    .bounds(Between(-2, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.message.timestamp.after.max.ms",
        Long,
        "How far a record's time may lie ahead of the broker's clock.",
    )
    .default("3600000")
    .bounds(Between(0, i64::MAX))
    .dynamic(),
    key(
        "log.message.timestamp.before.max.ms",
        Long,
        "How far a record's time may lie behind the broker's clock.",
    )
    .default("9223372036854775807")
    .bounds(Between(0, i64::MAX))
    .dynamic(),
    key(
        "log.message.timestamp.type",
        String,
        "Whose clock gives records their time: the producer's or the broker's.",
    )
    .default("CreateTime")
    .bounds(OneOf(&["CreateTime", "LogAppendTime"]))
    .dynamic(),
    key(
        "log.preallocate",
        Boolean,
        "Whether Kafka allocates segment files ahead. The journal always does.",
    )
    .default("false")
    .dynamic()
    .without_effect(),
    key(
        "log.retention.bytes",
        Long,
        "The bytes that a partition keeps; -1: no bound.",
    )
    .default("-1")
    .dynamic(),
    key(
        "log.retention.hours",
        Int,
        "How long records are kept, if no smaller unit is set; -1: for ever.",
    )
    .default("168")
    .bounds(Between(-1, INT_MAX)),
    key(
        "log.retention.minutes",
        Int,
        "How long records are kept, if log.retention.ms is not set; -1: for ever.",
    )
    .bounds(Between(-1, INT_MAX)),
    key(
        "log.retention.ms",
        Long,
        "How long records are kept; -1: for ever.",
    )
    .bounds(Between(-1, i64::MAX))
    .dynamic(),
    key(
        "log.roll.hours",
        Int,
        "How long Kafka fills a segment, if log.roll.ms is not set.",
    )
    .default("168")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "log.roll.jitter.hours",
        Int,
        "Spreads the times at which Kafka begins new segments.",
    )
    .default("0")
    .bounds(Between(0, INT_MAX))
    .without_effect(),
    key(
        "log.roll.jitter.ms",
        Long,
        "Spreads the times at which Kafka begins new segments.",
    )
    .bounds(Between(0, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.roll.ms",
        Long,
        "How long Kafka fills a segment before it begins another.",
    )
    .bounds(Between(1, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.segment.bytes",
        Int,
        "The size of Kafka's segment files. A journal's have one size.",
    )
    .default("1073741824")
    .bounds(Between(1048576, INT_MAX))
    .dynamic()
    .without_effect(),
    key(
        "log.segment.delete.delay.ms",
        Long,
        "How long Kafka keeps a file after it is given up.",
    )
    .default("60000")
    .bounds(Between(0, i64::MAX))
    .dynamic()
    .without_effect(),
    key(
        "message.max.bytes",
        Int,
        "The largest record batch of topics.",
    )
    .default("1048588")
    .bounds(Between(0, INT_MAX))
    .dynamic(),
    key(
        "min.insync.replicas",
        Int,
        "The replicas that must have a record before acks=all is answered; never more than there \
         are, which is one.",
    )
    .default("1")
    .bounds(Between(1, INT_MAX))
    .dynamic()
    .without_effect(),
    key(
        "unclean.leader.election.enable",
        Boolean,
        "Whether a replica that is out of sync may lead.",
    )
    .default("false")
    .dynamic()
    .without_effect(),
];

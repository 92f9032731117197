//! Every topic configuration of Apache Kafka 4.1: names, types, defaults and bounds as in its
//! `LogConfig` and `TopicConfig`, but for `flush.messages`, whose default is 1 here.

use std::fmt;

/// A configuration's type, as DescribeConfigs names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    Boolean,
    String,
    Short,
    Int,
    Long,
    Double,
    List,
}

/// Which values of its type a configuration may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    Any,
    /// First and last.
    Between(i64, i64),
    /// From 0 to 1.
    Fraction,
    /// First and last, or -1.
    Level(i64, i64),
    /// `*`, or a list of partition and broker with a colon between them.
    Replicas,
    OneOf(&'static [&'static str]),
    /// A list of any of these; it may be empty.
    SomeOf(&'static [&'static str]),
}

/// One topic configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigKey {
    pub name: &'static str,
    pub kind: ConfigKind,
    pub bounds: Bounds,
    pub default: &'static str,
    /// The broker-wide configuration that gives the default in Kafka; empty if none does.
    pub broker_name: &'static str,
    /// False: accepted and shown, without effect here.
    pub acts: bool,
    pub doc: &'static str,
}

impl ConfigKey {
    /// The key of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        let place = TOPIC_CONFIGS.binary_search_by_key(&name, |key| key.name);
        Some(&TOPIC_CONFIGS[place.ok()?])
    }

    /// The key whose default the broker's configuration of this name gives.
    pub fn of_broker(name: &str) -> Option<&'static Self> {
        let mut keys = TOPIC_CONFIGS.iter();
        keys.find(|key| !name.is_empty() && key.broker_name == name)
    }

    pub fn expected(&self) -> Expected {
        Expected {
            kind: self.kind,
            bounds: self.bounds,
        }
    }
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub kind: ConfigKind,
    pub bounds: Bounds,
}

impl Expected {
    /// None: not such a value. The number, if it is one; of a Boolean 0 or 1.
    pub fn check(&self, value: &str) -> Option<i64> {
        let number = match self.kind {
            ConfigKind::Boolean if is_true(value) => 1,
            ConfigKind::Boolean if value.eq_ignore_ascii_case("false") => 0,
            ConfigKind::Boolean => return None,
            ConfigKind::Short => i64::from(value.parse::<i16>().ok()?),
            ConfigKind::Int => i64::from(value.parse::<i32>().ok()?),
            ConfigKind::Long => value.parse::<i64>().ok()?,
            ConfigKind::Double => value.parse::<f64>().map(|_| 0).ok()?,
            ConfigKind::String | ConfigKind::List => 0,
        };
        let allowed = match self.bounds {
            Bounds::Any => true,
            Bounds::Between(first, last) => (first..=last).contains(&number),
            Bounds::Fraction => (0.0..=1.0).contains(&value.parse::<f64>().ok()?),
            Bounds::OneOf(words) => words.contains(&value),
            Bounds::SomeOf(words) => {
                value.is_empty() || items(value).all(|item| words.contains(&item))
            }
            Bounds::Level(first, last) => number == -1 || (first..=last).contains(&number),
            Bounds::Replicas => value == "*" || items(value).all(is_replica),
        };
        allowed.then_some(number)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind;
        match self.bounds {
            Bounds::Any => write!(f, "it must be a {kind:?}"),
            Bounds::Between(first, last) => {
                write!(f, "it must be a {kind:?} from {first} to {last}")
            }
            Bounds::Fraction => write!(f, "it must be a number from 0 to 1"),
            Bounds::OneOf(words) => write!(f, "it must be one of {words:?}"),
            Bounds::SomeOf(words) => write!(f, "it must be a list of some of {words:?}"),
            Bounds::Level(first, last) => {
                write!(
                    f,
                    "it must be a level from {first} to {last}, or -1 for the default"
                )
            }
            Bounds::Replicas => {
                write!(f, "it must be '*' or a list of PARTITION:BROKER")
            }
        }
    }
}

pub(super) fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

fn is_replica(item: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = item.split_once(':');
    item.is_empty() || pair.is_some_and(|(one, other)| is_number(one) && is_number(other))
}

pub(super) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

use Bounds::{Any, Between, Fraction, Level, OneOf, Replicas, SomeOf};
use ConfigKind::{Boolean, Double, Int, List, Long, String};

const INT_MAX: i64 = i32::MAX as i64;
/// Kafka's word for "not set" in a Long.
const LONG_MAX: &str = "9223372036854775807";

/// By name.
pub const TOPIC_CONFIGS: &[ConfigKey] = &[
    ConfigKey {
        name: "cleanup.policy",
        kind: List,
        bounds: SomeOf(&["compact", "delete"]),
        default: "delete",
        broker_name: "log.cleanup.policy",
        acts: true,
        doc: "What happens to old records: delete by age and size, compact by key, or \
              both. Records without a key are refused on a compacted topic.",
    },
    ConfigKey {
        name: "compression.gzip.level",
        kind: Int,
        bounds: Level(1, 9),
        default: "-1",
        broker_name: "compression.gzip.level",
        acts: false,
        doc: "The level at which a broker would compress with gzip.",
    },
    ConfigKey {
        name: "compression.lz4.level",
        kind: Int,
        bounds: Between(1, 17),
        default: "9",
        broker_name: "compression.lz4.level",
        acts: false,
        doc: "The level at which a broker would compress with lz4.",
    },
    ConfigKey {
        name: "compression.type",
        kind: String,
        bounds: OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        default: "producer",
        broker_name: "compression.type",
        acts: true,
        doc: "How batches are stored. Only 'producer' is possible: as they came.",
    },
    ConfigKey {
        name: "compression.zstd.level",
        kind: Int,
        bounds: Between(-131_072, 22),
        default: "3",
        broker_name: "compression.zstd.level",
        acts: false,
        doc: "The level at which a broker would compress with zstd.",
    },
    ConfigKey {
        name: "delete.retention.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: "86400000",
        broker_name: "log.cleaner.delete.retention.ms",
        acts: false,
        doc: "How long a compacted topic keeps tombstones.",
    },
    ConfigKey {
        name: "file.delete.delay.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: "60000",
        broker_name: "log.segment.delete.delay.ms",
        acts: false,
        doc: "How long Kafka keeps a file after it is given up. The journal reuses its \
              files.",
    },
    ConfigKey {
        name: "flush.messages",
        kind: Long,
        bounds: Between(1, i64::MAX),
        default: "1",
        broker_name: "log.flush.interval.messages",
        acts: true,
        doc: "1: acknowledged when flushed. More: acknowledged when written, which \
              survives the process but not the power, and every so-many-th record of \
              a partition when flushed. Apache Kafka's default is 9223372036854775807.",
    },
    ConfigKey {
        name: "flush.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: LONG_MAX,
        broker_name: "log.flush.interval.ms",
        acts: true,
        doc: "If set: acknowledged when written, which survives the process but not the \
              power, and flushed so much later, or after one second.",
    },
    ConfigKey {
        name: "follower.replication.throttled.replicas",
        kind: List,
        bounds: Replicas,
        default: "",
        broker_name: "",
        acts: false,
        doc: "Replicas whose replication is throttled on the followers' side.",
    },
    ConfigKey {
        name: "index.interval.bytes",
        kind: Int,
        bounds: Between(0, INT_MAX),
        default: "4096",
        broker_name: "log.index.interval.bytes",
        acts: false,
        doc: "How densely Kafka indexes a segment. The journal indexes every batch.",
    },
    ConfigKey {
        name: "leader.replication.throttled.replicas",
        kind: List,
        bounds: Replicas,
        default: "",
        broker_name: "",
        acts: false,
        doc: "Replicas whose replication is throttled on the leader's side.",
    },
    ConfigKey {
        name: "local.retention.bytes",
        kind: Long,
        bounds: Between(-2, i64::MAX),
        default: "-2",
        broker_name: "log.local.retention.bytes",
        acts: false,
        doc: "Bytes that stay local with tiered storage; -2: as retention.bytes.",
    },
    ConfigKey {
        name: "local.retention.ms",
        kind: Long,
        bounds: Between(-2, i64::MAX),
        default: "-2",
        broker_name: "log.local.retention.ms",
        acts: false,
        doc: "How long records stay local with tiered storage; -2: as retention.ms.",
    },
    ConfigKey {
        name: "max.compaction.lag.ms",
        kind: Long,
        bounds: Between(1, i64::MAX),
        default: LONG_MAX,
        broker_name: "log.cleaner.max.compaction.lag.ms",
        acts: false,
        doc: "The longest that a record stays out of reach of compaction.",
    },
    ConfigKey {
        name: "max.message.bytes",
        kind: Int,
        bounds: Between(0, INT_MAX),
        default: "1048588",
        broker_name: "message.max.bytes",
        acts: true,
        doc: "The largest record batch, in bytes.",
    },
    ConfigKey {
        name: "message.timestamp.after.max.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: "3600000",
        broker_name: "log.message.timestamp.after.max.ms",
        acts: true,
        doc: "How far a record's time may lie ahead of the broker's clock.",
    },
    ConfigKey {
        name: "message.timestamp.before.max.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: LONG_MAX,
        broker_name: "log.message.timestamp.before.max.ms",
        acts: true,
        doc: "How far a record's time may lie behind the broker's clock.",
    },
    ConfigKey {
        name: "message.timestamp.type",
        kind: String,
        bounds: OneOf(&["CreateTime", "LogAppendTime"]),
        default: "CreateTime",
        broker_name: "log.message.timestamp.type",
        acts: true,
        doc: "Whose clock gives records their time: the producer's (CreateTime) or the \
              broker's (LogAppendTime).",
    },
    ConfigKey {
        name: "min.cleanable.dirty.ratio",
        kind: Double,
        bounds: Fraction,
        default: "0.5",
        broker_name: "log.cleaner.min.cleanable.ratio",
        acts: false,
        doc: "The part of a log that must be uncompacted before compaction runs.",
    },
    ConfigKey {
        name: "min.compaction.lag.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: "0",
        broker_name: "log.cleaner.min.compaction.lag.ms",
        acts: false,
        doc: "The shortest time that a record stays uncompacted.",
    },
    ConfigKey {
        name: "min.insync.replicas",
        kind: Int,
        bounds: Between(1, INT_MAX),
        default: "1",
        broker_name: "min.insync.replicas",
        acts: false,
        doc: "The replicas that must have a record before acks=all is answered; never more \
              than there are, which is one.",
    },
    ConfigKey {
        name: "preallocate",
        kind: Boolean,
        bounds: Any,
        default: "false",
        broker_name: "log.preallocate",
        acts: false,
        doc: "Whether Kafka allocates segment files ahead. The journal always does.",
    },
    ConfigKey {
        name: "remote.log.copy.disable",
        kind: Boolean,
        bounds: Any,
        default: "false",
        broker_name: "",
        acts: false,
        doc: "Stops tiered storage from copying.",
    },
    ConfigKey {
        name: "remote.log.delete.on.disable",
        kind: Boolean,
        bounds: Any,
        default: "false",
        broker_name: "",
        acts: false,
        doc: "Deletes tiered data when tiered storage is disabled.",
    },
    ConfigKey {
        name: "remote.storage.enable",
        kind: Boolean,
        bounds: Any,
        default: "false",
        broker_name: "",
        acts: true,
        doc: "Tiered storage, which this broker does not have: only 'false' is possible.",
    },
    ConfigKey {
        name: "retention.bytes",
        kind: Long,
        bounds: Between(i64::MIN, i64::MAX),
        default: "-1",
        broker_name: "log.retention.bytes",
        acts: true,
        doc: "The bytes that a partition keeps; -1: no bound.",
    },
    ConfigKey {
        name: "retention.ms",
        kind: Long,
        bounds: Between(-1, i64::MAX),
        default: "604800000",
        broker_name: "log.retention.ms",
        acts: true,
        doc: "How long records are kept, in milliseconds; -1: for ever.",
    },
    ConfigKey {
        name: "segment.bytes",
        kind: Int,
        bounds: Between(1 << 20, INT_MAX),
        default: "1073741824",
        broker_name: "log.segment.bytes",
        acts: false,
        doc: "The size of Kafka's segment files. A journal's segments hold many partitions \
              and have one size.",
    },
    ConfigKey {
        name: "segment.index.bytes",
        kind: Int,
        bounds: Between(4, INT_MAX),
        default: "10485760",
        broker_name: "log.index.size.max.bytes",
        acts: false,
        doc: "The size of Kafka's index files.",
    },
    ConfigKey {
        name: "segment.jitter.ms",
        kind: Long,
        bounds: Between(0, i64::MAX),
        default: "0",
        broker_name: "log.roll.jitter.ms",
        acts: false,
        doc: "Spreads the times at which Kafka begins new segments.",
    },
    ConfigKey {
        name: "segment.ms",
        kind: Long,
        bounds: Between(1, i64::MAX),
        default: "604800000",
        broker_name: "log.roll.ms",
        acts: false,
        doc: "How long Kafka fills a segment before it begins another.",
    },
    ConfigKey {
        name: "unclean.leader.election.enable",
        kind: Boolean,
        bounds: Any,
        default: "false",
        broker_name: "unclean.leader.election.enable",
        acts: false,
        doc: "Whether a replica that is out of sync may lead.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_key_is_found() {
        assert!(TOPIC_CONFIGS.is_sorted_by_key(|key| key.name));
        assert!(
            TOPIC_CONFIGS
                .iter()
                .all(|key| ConfigKey::find(key.name) == Some(key))
        );
        assert_eq!(ConfigKey::find("nothing.of.the.kind"), None);
    }
}

//! Kafka's settings for parts that this broker does not have, which a running Kafka lets one
//! change: so they can be set here too, are kept and shown, and change nothing.
//!
//! `metric.reporters` is not among them: a program that is not run is refused.

use crate::log::config_table::{Bounds, ConfigKind};

use super::broker_key::{BrokerKey, key};

use Bounds::{Any, Between};
use ConfigKind::{Boolean, Double, Int, Long};

const INT_MAX: i64 = i32::MAX as i64;

/// By name; types, defaults and bounds as Apache Kafka 4.1.1's.
pub const IDLE_CONFIGS: &[BrokerKey] = &[
    idle(
        "background.threads",
        Int,
        "10",
        Between(1, INT_MAX),
        "Threads of Kafka for its files; cores decides here.",
    ),
    idle(
        "follower.replication.throttled.rate",
        Long,
        "9223372036854775807",
        Between(0, i64::MAX),
        "How fast throttled replicas may follow; one node has none.",
    ),
    idle(
        "leader.replication.throttled.rate",
        Long,
        "9223372036854775807",
        Between(0, i64::MAX),
        "How fast throttled replicas may be followed; one node has none.",
    ),
    idle(
        "log.cleaner.backoff.ms",
        Long,
        "15000",
        Between(0, i64::MAX),
        "How long Kafka's cleaner sleeps when there is nothing to compact.",
    ),
    idle(
        "log.cleaner.dedupe.buffer.size",
        Long,
        "134217728",
        Any,
        "Memory in which Kafka's cleaner remembers keys.",
    ),
    idle(
        "log.cleaner.io.buffer.load.factor",
        Double,
        "0.9",
        Any,
        "How full Kafka's cleaner lets that memory become.",
    ),
    idle(
        "log.cleaner.io.buffer.size",
        Int,
        "524288",
        Between(0, INT_MAX),
        "Memory in which Kafka's cleaner reads and writes.",
    ),
    idle(
        "log.cleaner.io.max.bytes.per.second",
        Double,
        "1.7976931348623157E308",
        Any,
        "How fast Kafka's cleaner may read and write.",
    ),
    idle(
        "log.cleaner.threads",
        Int,
        "1",
        Between(0, INT_MAX),
        "Threads of Kafka's cleaner; cores decides here.",
    ),
    idle(
        "num.recovery.threads.per.data.dir",
        Int,
        "2",
        Between(1, INT_MAX),
        "Threads of Kafka for a start and a stop; cores decides here.",
    ),
    idle(
        "num.replica.fetchers",
        Int,
        "1",
        Any,
        "Threads of Kafka for replication; one node has none.",
    ),
    idle(
        "remote.fetch.max.wait.ms",
        Int,
        "500",
        Between(1, INT_MAX),
        "How long a fetch waits for tiered storage.",
    ),
    idle(
        "remote.list.offsets.request.timeout.ms",
        Long,
        "30000",
        Between(1, i64::MAX),
        "How long a search by time waits for tiered storage.",
    ),
    idle(
        "remote.log.index.file.cache.total.size.bytes",
        Long,
        "1073741824",
        Between(1, i64::MAX),
        "Disk for indexes of tiered segments.",
    ),
    idle(
        "remote.log.manager.copier.thread.pool.size",
        Int,
        "10",
        Between(1, INT_MAX),
        "Threads of Kafka that copy to tiered storage.",
    ),
    idle(
        "remote.log.manager.copy.max.bytes.per.second",
        Long,
        "9223372036854775807",
        Between(1, i64::MAX),
        "How fast they may.",
    ),
    idle(
        "remote.log.manager.expiration.thread.pool.size",
        Int,
        "10",
        Between(1, INT_MAX),
        "Threads of Kafka that delete from tiered storage.",
    ),
    idle(
        "remote.log.manager.fetch.max.bytes.per.second",
        Long,
        "9223372036854775807",
        Between(1, i64::MAX),
        "How fast fetches may read from tiered storage.",
    ),
    idle(
        "remote.log.reader.threads",
        Int,
        "10",
        Between(1, INT_MAX),
        "Threads of Kafka that read from tiered storage.",
    ),
    idle(
        "replica.alter.log.dirs.io.max.bytes.per.second",
        Long,
        "9223372036854775807",
        Between(0, i64::MAX),
        "How fast partitions may move between disks; here they stay.",
    ),
    idle(
        "transaction.partition.verification.enable",
        Boolean,
        "true",
        Any,
        "Whether Kafka asks a transaction's coordinator before it appends.",
    ),
];

const fn idle(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    bounds: Bounds,
    doc: &'static str,
) -> BrokerKey {
    let row = key(name, kind, doc).default(default).bounds(bounds);
    row.dynamic().without_effect()
}

//! Configurations of groups (KIP-848, KIP-932, KIP-1071) and of subscriptions to client metrics
//! (KIP-714), as Apache Kafka 4.1 lists them. None can be set here yet: each shows its default.

use crate::log::ConfigKind;

use super::description::{Described, Source, Synonym};

/// One key: name, type, default, and what it is.
pub struct DefaultKey {
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    doc: &'static str,
    /// True: shown as its own synonym, as Kafka does for groups.
    named: bool,
}

const fn group(name: &'static str, default: &'static str, doc: &'static str) -> DefaultKey {
    DefaultKey {
        name,
        kind: ConfigKind::Int,
        default,
        doc,
        named: true,
    }
}

/// By name.
pub const GROUP_CONFIGS: &[DefaultKey] = &[
    group(
        "consumer.heartbeat.interval.ms",
        "5000",
        "How often members of a consumer group send heartbeats.",
    ),
    group(
        "consumer.session.timeout.ms",
        "45000",
        "After so long without a heartbeat a member of a consumer group has left.",
    ),
    DefaultKey {
        kind: ConfigKind::String,
        ..group(
            "share.auto.offset.reset",
            "latest",
            "Where a share group begins that has read nothing.",
        )
    },
    group(
        "share.heartbeat.interval.ms",
        "5000",
        "How often members of a share group send heartbeats.",
    ),
    DefaultKey {
        kind: ConfigKind::String,
        ..group(
            "share.isolation.level",
            "read_uncommitted",
            "Whether share groups see records of open transactions.",
        )
    },
    group(
        "share.record.lock.duration.ms",
        "30000",
        "How long a record that a share group has acquired is kept from others.",
    ),
    group(
        "share.session.timeout.ms",
        "45000",
        "After so long without a heartbeat a member of a share group has left.",
    ),
    group(
        "streams.heartbeat.interval.ms",
        "5000",
        "How often members of a streams group send heartbeats.",
    ),
    group(
        "streams.num.standby.replicas",
        "0",
        "Standby replicas of each task of a streams group.",
    ),
    group(
        "streams.session.timeout.ms",
        "45000",
        "After so long without a heartbeat a member of a streams group has left.",
    ),
];

const fn metrics(name: &'static str, kind: ConfigKind, default: &'static str) -> DefaultKey {
    DefaultKey {
        name,
        kind,
        default,
        doc: "Which clients would push which metrics how often; this broker receives none.",
        named: false,
    }
}

/// By name.
pub const CLIENT_METRICS_CONFIGS: &[DefaultKey] = &[
    metrics("interval.ms", ConfigKind::Int, "300000"),
    metrics("match", ConfigKind::List, ""),
    metrics("metrics", ConfigKind::List, ""),
];

/// The keys that `wanted` names (None: all), each with its default.
pub fn describe_defaults<'a>(
    keys: &'static [DefaultKey],
    wanted: Option<&'a [&'a str]>,
) -> impl Iterator<Item = Described> + 'a {
    let keys = keys.iter();
    let keys = keys.filter(move |key| wanted.is_none_or(|names| names.contains(&key.name)));
    keys.map(|key| {
        let synonym = key.named.then(|| Synonym {
            name: key.name.into(),
            value: key.default.to_owned(),
            source: Source::Default,
        });
        Described {
            name: key.name.into(),
            value: Some(key.default.to_owned()),
            source: Source::Default,
            kind: key.kind,
            read_only: false,
            doc: key.doc,
            synonyms: synonym.into_iter().collect(),
        }
    })
}

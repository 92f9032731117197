//! Changes as bytes.
//!
//! An entry of the metadata's stream: kind u8 (1: a change, 2: a part of a snapshot), format u8
//! (1), then for a change its JSON; for a part see `snapshot`. JSON because it stays readable by
//! `inspect` and by whoever must mend it; partitions are ranges: 100,000 of them are a line.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::{Change, ChangeKind, TopicChange};
use super::command::BrokerScope;
use super::metadata::Metadata;
use super::topic::{Run, Topic};
use crate::base::limits::PARTITIONS_PER_TOPIC_MAX;
use crate::base::{NodeId, ShardId, WallMs};
use crate::journal::StreamId;
use crate::log::{LeaderEpoch, Overrides, TopicConfig};

const KIND_CHANGE: u8 = 1;
pub(super) const KIND_SNAPSHOT: u8 = 2;
pub(super) const FORMAT: u8 = 1;
/// An entry, decoded as far as it can be without its predecessors.
pub(super) enum Logged<'a> {
    Change(ChangeRecord),
    /// What follows kind and format.
    Part(&'a [u8]),
}

#[derive(Serialize, Deserialize)]
pub(super) struct ChangeRecord {
    pub version: u64,
    change: KindRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindRecord {
    ClusterNamed { cluster_id: String },
    NodeRegistered { node: NodeId, shards: Vec<ShardId> },
    TopicCreated { topic: TopicRecord },
    TopicGrown { topic: TopicRecord, from: u32 },
    TopicConfigured { topic: TopicRecord },
    TopicDeleted { id: String },
    BrokerConfig(BrokerConfigRecord),
    ProducerIds { first: i64, count: u32 },
    RetentionClock { at_ms: i64 },
}

#[derive(Serialize, Deserialize)]
pub(super) struct TopicRecord {
    name: String,
    id: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    configs: Overrides,
    runs: Vec<RunRecord>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct BrokerConfigRecord {
    /// None: all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<NodeId>,
    configs: Overrides,
}

#[derive(Serialize, Deserialize)]
struct RunRecord {
    first: u32,
    count: u32,
    first_stream: StreamId,
    shards: Vec<ShardId>,
    epoch: i32,
}

/// What is wrong with an entry, in words.
pub(super) type Unreadable = &'static str;

pub(super) fn encode_change(change: &Change) -> Vec<u8> {
    let record = ChangeRecord {
        version: change.version,
        change: kind_record(&change.kind),
    };
    let mut out = vec![KIND_CHANGE, FORMAT];
    write_json(&record, &mut out);
    out
}

pub(super) fn decode(payload: &[u8]) -> Result<Logged<'_>, Unreadable> {
    let Some((&[kind, format], rest)) = payload.split_first_chunk() else {
        return Err("the entry is shorter than its head");
    };
    match (kind, format) {
        (KIND_CHANGE, FORMAT) => {
            let record = serde_json::from_slice(rest).map_err(|_| "the change is malformed")?;
            Ok(Logged::Change(record))
        }
        (KIND_SNAPSHOT, FORMAT) => Ok(Logged::Part(rest)),
        _ => Err("the entry is of a kind or format that this version does not know"),
    }
}

/// The change that a record speaks of, given the state that it follows.
pub(super) fn change_of(record: ChangeRecord, before: &Metadata) -> Result<Change, Unreadable> {
    let topic = |topic: TopicRecord, what: TopicChange| {
        let topic = Arc::new(topic_of(topic)?);
        Ok::<_, Unreadable>(ChangeKind::Topic { topic, what })
    };
    let kind = match record.change {
        KindRecord::ClusterNamed { cluster_id } => ChangeKind::ClusterNamed {
            cluster_id: cluster_id.into(),
        },
        KindRecord::NodeRegistered { node, shards } => ChangeKind::NodeRegistered {
            node,
            shards: shards.into(),
        },
        KindRecord::TopicCreated { topic: record } => topic(record, TopicChange::Created)?,
        KindRecord::TopicGrown {
            topic: record,
            from,
        } => topic(record, TopicChange::Grown { from })?,
        KindRecord::TopicConfigured { topic: record } => topic(record, TopicChange::Configured)?,
        KindRecord::TopicDeleted { id } => ChangeKind::Topic {
            topic: (before.topic_by_id(id_of(&id)?))
                .ok_or("the topic that is deleted is not known")?
                .clone(),
            what: TopicChange::Deleted,
        },
        KindRecord::BrokerConfig(record) => {
            let (scope, configs) = record.restored();
            ChangeKind::BrokerConfig { scope, configs }
        }
        KindRecord::ProducerIds { first, count } => ChangeKind::ProducerIds { first, count },
        KindRecord::RetentionClock { at_ms } => ChangeKind::RetentionClock { at: WallMs(at_ms) },
    };
    let version = record.version;
    Ok(Change { version, kind })
}

fn kind_record(kind: &ChangeKind) -> KindRecord {
    match kind {
        ChangeKind::ClusterNamed { cluster_id } => KindRecord::ClusterNamed {
            cluster_id: cluster_id.to_string(),
        },
        ChangeKind::NodeRegistered { node, shards } => KindRecord::NodeRegistered {
            node: *node,
            shards: shards.to_vec(),
        },
        ChangeKind::Topic { topic, what } => match what {
            TopicChange::Created => KindRecord::TopicCreated {
                topic: topic_record(topic),
            },
            TopicChange::Grown { from } => KindRecord::TopicGrown {
                topic: topic_record(topic),
                from: *from,
            },
            TopicChange::Configured => KindRecord::TopicConfigured {
                topic: topic_record(topic),
            },
            TopicChange::Deleted => KindRecord::TopicDeleted {
                id: topic.id.to_string(),
            },
        },
        ChangeKind::BrokerConfig { scope, configs } => {
            KindRecord::BrokerConfig(BrokerConfigRecord::of(*scope, configs))
        }
        ChangeKind::ProducerIds { first, count } => KindRecord::ProducerIds {
            first: *first,
            count: *count,
        },
        ChangeKind::RetentionClock { at } => KindRecord::RetentionClock { at_ms: at.0 },
    }
}

impl BrokerConfigRecord {
    pub fn of(scope: BrokerScope, configs: &Overrides) -> Self {
        let node = match scope {
            BrokerScope::Cluster => None,
            BrokerScope::Node(node) => Some(node),
        };
        let configs = configs.clone();
        Self { node, configs }
    }

    pub fn restored(self) -> (BrokerScope, Arc<Overrides>) {
        let scope = self.node.map_or(BrokerScope::Cluster, BrokerScope::Node);
        (scope, Arc::new(self.configs))
    }
}

pub(super) fn topic_record(topic: &Topic) -> TopicRecord {
    let run = |run: &Run| RunRecord {
        first: run.first,
        count: run.count,
        first_stream: run.first_stream,
        shards: run.shards.clone(),
        epoch: run.leader_epoch.0,
    };
    TopicRecord {
        name: topic.name.to_string(),
        id: topic.id.to_string(),
        configs: topic.overrides.clone(),
        runs: topic.runs.iter().map(run).collect(),
    }
}

pub(super) fn topic_of(record: TopicRecord) -> Result<Topic, Unreadable> {
    let run = |run: RunRecord| Run {
        first: run.first,
        count: run.count,
        first_stream: run.first_stream,
        shards: run.shards,
        leader_epoch: LeaderEpoch(run.epoch),
    };
    let runs: Vec<Run> = record.runs.into_iter().map(run).collect();
    let mut end = 0;
    for run in &runs {
        if run.first != end || run.count == 0 || run.shards.is_empty() {
            return Err("a topic's partitions do not follow each other");
        }
        if run.count > PARTITIONS_PER_TOPIC_MAX || run.first_stream.0 > u64::MAX / 2 {
            return Err("a topic's partitions are out of all bounds");
        }
        end = run
            .first
            .checked_add(run.count)
            .ok_or("too many partitions")?;
    }
    // Never a default in place of what is not understood: it might delete records.
    let config = TopicConfig::from_overrides(&record.configs)
        .map_err(|_| "a topic has a configuration that this version does not know")?;
    Ok(Topic {
        name: record.name.into(),
        id: id_of(&record.id)?,
        overrides: record.configs,
        config: Arc::new(config),
        runs,
    })
}

fn id_of(text: &str) -> Result<Uuid, Unreadable> {
    Uuid::parse_str(text).map_err(|_| "a topic id is malformed")
}

pub(super) fn write_json(record: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, record).expect("plain data has a JSON form, and memory takes it");
}

#[cfg(test)]
#[path = "encode_tests.rs"]
pub(super) mod tests;

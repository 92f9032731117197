//! Snapshots: everything that is decided, written in parts while decisions go on.
//!
//! A part, after kind and format: its number u32 little-endian, whether it is the last u8, then
//! JSON. Part 0 begins with what is not a topic. Changes may lie between the parts; those that are
//! newer than the snapshot follow from it, whichever side of the last part they lie on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::encode::{
    BrokerConfigRecord, FORMAT, KIND_SNAPSHOT, TopicRecord, Unreadable, topic_of, topic_record,
    write_json,
};
use super::metadata::Metadata;
use super::topic::Topic;
use crate::base::{NodeId, ShardId, WallMs};
use crate::journal::Index;

/// The topics of one part: about 50 KB and a third of a millisecond, lest a core that serves
/// clients stand still while it writes down 100,000 topics.
const TOPICS_PER_PART: usize = 256;

#[derive(Serialize, Deserialize)]
struct PartRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<HeadRecord>,
    topics: Vec<TopicRecord>,
}

#[derive(Clone, Serialize, Deserialize)]
struct HeadRecord {
    version: u64,
    cluster_id: String,
    nodes: Vec<(NodeId, Vec<ShardId>)>,
    next_stream: u64,
    next_producer_id: i64,
    retention_clock_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    brokers: Vec<BrokerConfigRecord>,
}

/// A snapshot being written.
pub(super) struct Writer {
    /// Where part 0 is, or will be.
    pub first: Index,
    /// Bytes of the parts so far.
    pub bytes: u64,
    head: HeadRecord,
    topics: Vec<Arc<Topic>>,
    part: u32,
    whole: bool,
}

impl Writer {
    /// Of everything in `metadata` now; part 0 will be at `first`.
    pub fn new(metadata: &Metadata, first: Index) -> Self {
        let nodes = metadata.nodes();
        let head = HeadRecord {
            version: metadata.version,
            cluster_id: metadata.cluster_id.to_string(),
            nodes: nodes
                .map(|(node, shards)| (node, shards.to_vec()))
                .collect(),
            next_stream: metadata.next_stream,
            next_producer_id: metadata.next_producer_id,
            retention_clock_ms: metadata.retention_clock.map(|at| at.0),
            brokers: (metadata.broker_configs.iter())
                .map(|(scope, configs)| BrokerConfigRecord::of(*scope, configs))
                .collect(),
        };
        Self {
            first,
            bytes: 0,
            head,
            topics: metadata.topics().cloned().collect(),
            part: 0,
            whole: false,
        }
    }

    /// All parts are written.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The next part as an entry, and whether it is the last. The same again until `advance`.
    pub fn part(&self) -> (Vec<u8>, bool) {
        let from = self.part as usize * TOPICS_PER_PART;
        let end = (from + TOPICS_PER_PART).min(self.topics.len());
        let last = end == self.topics.len();
        let topics = self.topics[from..end].iter();
        let record = PartRecord {
            head: (self.part == 0).then(|| self.head.clone()),
            topics: topics.map(|topic| topic_record(topic)).collect(),
        };
        let mut out = vec![KIND_SNAPSHOT, FORMAT];
        out.extend_from_slice(&self.part.to_le_bytes());
        out.push(u8::from(last));
        write_json(&record, &mut out);
        (out, last)
    }

    /// The part of so many bytes is staged.
    pub fn advance(&mut self, bytes: usize, last: bool) {
        self.bytes += bytes as u64;
        self.part += 1;
        self.whole = last;
    }
}

/// A part that was read, as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub number: u32,
    pub last: bool,
    json: &'a [u8],
}

impl<'a> Part<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let cut = "the part of a snapshot has no head";
        let (number, rest) = bytes.split_first_chunk().ok_or(cut)?;
        let (last, json) = rest.split_first().ok_or(cut)?;
        Ok(Self {
            number: u32::from_le_bytes(*number),
            last: *last != 0,
            json,
        })
    }

    /// Adds what the part says to the state that the parts before it have made.
    pub fn restore(&self, metadata: &mut Metadata) -> Result<(), Unreadable> {
        let record: PartRecord =
            serde_json::from_slice(self.json).map_err(|_| "the snapshot is malformed")?;
        match (self.number, record.head) {
            (0, Some(head)) => {
                let nodes = head.nodes.into_iter();
                *metadata = Metadata::default();
                metadata.version = head.version;
                metadata.cluster_id = head.cluster_id.into();
                metadata.nodes = nodes.map(|(node, shards)| (node, shards.into())).collect();
                metadata.next_stream = head.next_stream;
                metadata.next_producer_id = head.next_producer_id;
                metadata.retention_clock = head.retention_clock_ms.map(WallMs);
                let brokers = head.brokers.into_iter();
                metadata.broker_configs = brokers.map(BrokerConfigRecord::restored).collect();
            }
            (1.., None) => {}
            (0, None) | (1.., Some(_)) => {
                return Err("the snapshot's head is not in its first part");
            }
        }
        for topic in record.topics {
            metadata.restore_topic(Arc::new(topic_of(topic)?));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;

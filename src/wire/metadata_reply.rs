//! A Metadata reply in the making: entry by entry, so that nobody waits while it grows.
//!
//! With 140,000 partitions it is 5 MB and takes tens of milliseconds to encode. Arrays are counted
//! before their entries, so the caller says how many will come; what stands before and behind an
//! array is encoded once, with the array empty, and cut apart there.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use super::header::ReplyTo;
use super::messages::MetadataResponse;
use super::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use super::{WireError, reply};

/// Full pieces are handed over: growing one buffer would copy what is there again and again.
const PIECE_BYTES: usize = 64 << 10;
/// Tagged fields are there since this version, and arrays are counted in compact form.
const FLEXIBLE_SINCE: i16 = 9;
/// The cluster's authorized operations, four bytes behind the topics, in these versions.
const CLUSTER_OPERATIONS: std::ops::RangeInclusive<i16> = 8..=10;
/// A topic's authorized operations, four bytes behind its partitions.
const TOPIC_OPERATIONS_SINCE: i16 = 8;
/// The reply's own error code, two bytes behind the topics.
const ERROR_CODE_SINCE: i16 = 13;

/// The reply so far. First `topic` for each promised one, and for each its promised `partition`s.
#[derive(Debug)]
pub struct MetadataReply {
    to: ReplyTo,
    full: Vec<Bytes>,
    out: BytesMut,
    /// What comes behind the last topic.
    tail: Bytes,
    /// What comes behind the last partition of the topic at hand.
    topic_tail: Bytes,
    topics_left: usize,
    partitions_left: usize,
}

impl MetadataReply {
    /// Begins a reply of `topics` topics; `response` has everything but them.
    ///
    /// `Unencodable` when a field is set that this version does not have.
    pub fn begin(
        to: ReplyTo,
        response: &MetadataResponse,
        topics: usize,
    ) -> Result<Self, WireError> {
        debug_assert!(response.topics.is_empty(), "they come one by one");
        let mut out = BytesMut::with_capacity(PIECE_BYTES);
        out.extend_from_slice(&[0; 4]);
        to.write_header(&mut out);
        let behind = match to.version {
            version if CLUSTER_OPERATIONS.contains(&version) => 4,
            version if version >= ERROR_CODE_SINCE => 2,
            _ => 0,
        };
        let tail = encode_apart(to, response, behind, &mut out)?;
        put_count(to, topics, &mut out)?;
        Ok(Self {
            to,
            full: Vec::new(),
            out,
            tail,
            topic_tail: Bytes::new(),
            topics_left: topics,
            partitions_left: 0,
        })
    }

    /// The next topic, which has `partitions` partitions; `topic` has everything but them.
    ///
    /// `Unencodable` as for `begin`, and when more was promised before.
    pub fn topic(
        &mut self,
        topic: &MetadataResponseTopic,
        partitions: usize,
    ) -> Result<(), WireError> {
        debug_assert!(topic.partitions.is_empty(), "they come one by one");
        let left = self.topics_left.checked_sub(1);
        self.topics_left = left.ok_or(WireError::Unencodable)?;
        if self.partitions_left > 0 {
            return Err(WireError::Unencodable);
        }
        let operations = if self.to.version >= TOPIC_OPERATIONS_SINCE {
            4
        } else {
            0
        };
        self.topic_tail = encode_apart(self.to, topic, operations, &mut self.out)?;
        put_count(self.to, partitions, &mut self.out)?;
        self.partitions_left = partitions;
        self.end_topic();
        Ok(())
    }

    /// The next partition of the topic at hand.
    ///
    /// `Unencodable` as for `begin`, and when no more was promised.
    pub fn partition(&mut self, partition: &MetadataResponsePartition) -> Result<(), WireError> {
        let left = self.partitions_left.checked_sub(1);
        self.partitions_left = left.ok_or(WireError::Unencodable)?;
        encode(self.to, partition, &mut self.out)?;
        self.end_topic();
        if self.out.len() >= PIECE_BYTES {
            let next = BytesMut::with_capacity(PIECE_BYTES.saturating_add(1 << 10));
            self.full
                .push(std::mem::replace(&mut self.out, next).freeze());
        }
        Ok(())
    }

    fn end_topic(&mut self) {
        if self.partitions_left == 0 {
            self.out.extend_from_slice(&self.topic_tail);
            self.topic_tail = Bytes::new();
        }
    }

    /// The whole frame, in pieces; the first begins with length and correlation id.
    ///
    /// `Unencodable` when something promised is missing, or the frame would pass 2 GiB.
    pub fn finish(mut self) -> Result<Vec<Bytes>, WireError> {
        if self.topics_left > 0 || self.partitions_left > 0 {
            return Err(WireError::Unencodable);
        }
        self.out.extend_from_slice(&self.tail);
        let mut pieces = self.full;
        pieces.push(self.out.freeze());
        reply::close_frame(&mut pieces)?;
        Ok(pieces)
    }
}

fn encode<M: Encodable>(to: ReplyTo, message: &M, out: &mut BytesMut) -> Result<(), WireError> {
    let encoded = message.encode(out, to.version);
    encoded.map_err(|_| WireError::Unencodable)
}

/// Encodes what stands before the array into `out`; returns what stands behind it: `fixed` bytes,
/// and the tagged fields, of which there are none.
fn encode_apart<M: Encodable>(
    to: ReplyTo,
    message: &M,
    fixed: usize,
    out: &mut BytesMut,
) -> Result<Bytes, WireError> {
    encode(to, message, out)?;
    let (count, tags) = if to.version >= FLEXIBLE_SINCE {
        (1, 1)
    } else {
        (4, 0)
    };
    let behind = fixed.saturating_add(tags);
    let tail = out
        .len()
        .checked_sub(behind)
        .ok_or(WireError::Unencodable)?;
    // Copied, because a buffer that is split has no room left and would be moved for each topic.
    let kept = Bytes::copy_from_slice(out.get(tail..).unwrap_or_default());
    out.truncate(tail);
    let before = out.len().checked_sub(count).ok_or(WireError::Unencodable)?;
    out.truncate(before);
    Ok(kept)
}

/// An array's count, as its version writes it.
fn put_count(to: ReplyTo, count: usize, out: &mut BytesMut) -> Result<(), WireError> {
    let count = i32::try_from(count).map_err(|_| WireError::Unencodable)?;
    if to.version < FLEXIBLE_SINCE {
        out.extend_from_slice(&count.to_be_bytes());
        return Ok(());
    }
    // Compact: one more than the count, seven bits a byte, the lowest first.
    let mut rest = count.unsigned_abs().saturating_add(1);
    while rest >= 0x80 {
        out.extend_from_slice(&[(rest & 0x7F) as u8 | 0x80]);
        rest >>= 7;
    }
    out.extend_from_slice(&[rest as u8]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::messages::TopicName;
    use super::super::messages::metadata_response::MetadataResponseBroker;
    use super::super::{ApiKey, StrBytes, versions};
    use super::*;

    fn partition(index: i32) -> MetadataResponsePartition {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id((1000 + index % 2).into())
            .with_replica_nodes(vec![1000.into()])
            .with_isr_nodes(vec![1000.into()])
    }

    fn topic(name: &str, partitions: i32) -> MetadataResponseTopic {
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
            .with_partitions((0..partitions).map(partition).collect())
    }

    fn response(topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
        let broker = MetadataResponseBroker::default()
            .with_node_id(1000.into())
            .with_host(StrBytes::from_static_str("localhost"))
            .with_port(9092);
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(StrBytes::from_static_str("cluster")))
            .with_topics(topics)
    }

    fn check(topics: Vec<MetadataResponseTopic>) {
        let accepted = versions::find(ApiKey::Metadata as i16).unwrap().accepted;
        for version in accepted.min..=accepted.max {
            let to = ReplyTo {
                api: ApiKey::Metadata,
                version,
                correlation_id: 7,
            };
            let whole = reply::encode(to, &response(topics.clone())).unwrap();

            let mut slices = MetadataReply::begin(to, &response(vec![]), topics.len()).unwrap();
            for topic in &topics {
                let head = topic.clone().with_partitions(vec![]);
                slices.topic(&head, topic.partitions.len()).unwrap();
                for partition in &topic.partitions {
                    slices.partition(partition).unwrap();
                }
            }

            assert_eq!(
                slices.finish().unwrap().concat(),
                whole,
                "version {version}"
            );
        }
    }

    #[test]
    fn a_reply_in_slices_is_the_reply_in_one() {
        check(vec![]);
        check(vec![topic("empty", 0)]);
        check(vec![topic("a", 1), topic("none", 0), topic("b", 200)]);
        check(vec![
            topic("large", 20_000),
            topic("small", 127),
            topic("c", 128),
        ]);
    }

    #[test]
    fn a_broken_promise_is_no_reply() {
        let to = ReplyTo {
            api: ApiKey::Metadata,
            version: 12,
            correlation_id: 7,
        };
        let begin = || MetadataReply::begin(to, &response(vec![]), 1).unwrap();

        let mut too_many = begin();
        too_many.topic(&topic("a", 0), 0).unwrap();
        assert_eq!(
            too_many.partition(&partition(0)),
            Err(WireError::Unencodable)
        );
        assert_eq!(
            too_many.topic(&topic("b", 0), 0),
            Err(WireError::Unencodable)
        );
        let mut too_few = begin();
        too_few.topic(&topic("a", 0), 2).unwrap();
        too_few.partition(&partition(0)).unwrap();
        assert_eq!(too_few.finish(), Err(WireError::Unencodable));
        assert_eq!(begin().finish(), Err(WireError::Unencodable));
    }
}

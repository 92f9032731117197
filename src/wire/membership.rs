//! The consumers' own protocol, which travels inside JoinGroup and SyncGroup (KIP-62): what a
//! member subscribes to, what it is given, and Kafka's range assignor. For `load` and `cli`; a
//! broker passes these bytes on unread.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::WireError;

/// Every later version begins like this one.
const VERSION: i16 = 0;
/// By this name members offer the range assignor.
pub const RANGE: &str = "range";

/// Kafka's longest name of a topic.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// A topic's name and one of its partitions.
pub type PartitionOf = (String, i32);

/// Runs of `partitions`, as even as can be, the longer ones first (Kafka's range assignor).
pub fn ranges(partitions: &[i32], readers: usize) -> Vec<Vec<i32>> {
    let mut rest = partitions;
    let shares = (0..readers).map(|reader| {
        let left = readers.saturating_sub(reader);
        let (own, others) = rest.split_at(rest.len().div_ceil(left));
        rest = others;
        own.to_vec()
    });
    shares.collect()
}

/// The metadata of a member that reads these topics.
pub fn subscription(topics: &[&str]) -> Result<Bytes, WireError> {
    let topics = topics.iter().map(|it| StrBytes::from_string((*it).into()));
    inner(&ConsumerProtocolSubscription::default().with_topics(topics.collect()))
}

/// What a member is given, with `note` for whatever its leader has to say to it.
pub fn assignment(given: &[(String, Vec<i32>)], note: Option<Bytes>) -> Result<Bytes, WireError> {
    let of_topic = |(topic, partitions): &(String, Vec<i32>)| {
        TopicPartition::default()
            .with_topic(TopicName(StrBytes::from_string(topic.clone())))
            .with_partitions(partitions.clone())
    };
    let assigned = given.iter().map(of_topic).collect();
    inner(
        &ConsumerProtocolAssignment::default()
            .with_assigned_partitions(assigned)
            .with_user_data(note),
    )
}

/// The topics that a member subscribes to; none if the metadata is not a consumer's.
pub fn topics_in(metadata: &Bytes) -> Vec<String> {
    read_subscription(metadata).unwrap_or_default()
}

/// The partitions of an assignment; None if it is not a consumer's.
pub fn partitions_in(assignment: &Bytes) -> Option<Vec<PartitionOf>> {
    read_assignment(assignment).map(|(partitions, _)| partitions)
}

/// What the leader had to say to this member.
pub fn note_in(assignment: &Bytes) -> Option<Bytes> {
    read_assignment(assignment)?.1
}

fn read_subscription(metadata: &Bytes) -> Option<Vec<String>> {
    let mut at = behind_version(metadata)?;
    let mut topics = Vec::new();
    for _ in 0..count(&mut at)? {
        topics.push(topic(&mut at)?);
    }
    user_data(&mut at)?;
    Some(topics)
}

// Read here, not by the crate: its decoder sets memory aside for as many elements as a count
// claims, and these bytes are whatever another member sent. `tests/wire_fuzz.rs` guards this.
fn read_assignment(assignment: &Bytes) -> Option<(Vec<PartitionOf>, Option<Bytes>)> {
    let mut at = behind_version(assignment)?;
    let mut partitions = Vec::new();
    for _ in 0..count(&mut at)? {
        let name = topic(&mut at)?;
        for _ in 0..count(&mut at)? {
            partitions.push((name.clone(), at.try_get_i32().ok()?));
        }
    }
    let note = user_data(&mut at)?;
    Some((partitions, note))
}

/// Of elements that take bytes each: who reads them runs out of bytes before memory.
fn count(at: &mut Bytes) -> Option<usize> {
    usize::try_from(at.try_get_i32().ok()?).ok()
}

/// No longer than a topic's name can be, for it stands before each of its partitions.
fn topic(at: &mut Bytes) -> Option<String> {
    let length = usize::try_from(at.try_get_i16().ok()?).ok()?;
    if length > TOPIC_NAME_BYTES_MAX || length > at.len() {
        return None;
    }
    String::from_utf8(at.split_to(length).to_vec()).ok()
}

/// The outer None is an error, the inner one a null.
fn user_data(at: &mut Bytes) -> Option<Option<Bytes>> {
    let length = at.try_get_i32().ok()?;
    if length == -1 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    (length <= at.len()).then(|| Some(at.split_to(length)))
}

/// A message of the consumer's own protocol, its version before it.
fn inner<M: Encodable>(message: &M) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    message
        .encode(&mut out, VERSION)
        .map_err(|_| WireError::Unencodable)?;
    Ok(out.freeze())
}

fn behind_version(bytes: &Bytes) -> Option<Bytes> {
    let mut bytes = bytes.clone();
    if bytes.len() < 2 {
        return None;
    }
    bytes.advance(2);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_runs_as_even_as_can_be_with_the_longer_ones_first() {
        assert_eq!(ranges(&[0, 1, 2, 3, 4], 2), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(ranges(&[0], 3), [vec![0], vec![], vec![]]);
        assert_eq!(ranges(&[], 0), Vec::<Vec<i32>>::new());
    }

    #[test]
    fn an_assignment_reads_as_it_was_written() {
        let given = [("a".to_string(), vec![0, 2]), ("b".to_string(), vec![1])];

        let bytes = assignment(&given, Some(Bytes::from_static(b"hm"))).unwrap();

        let all = [("a", 0), ("a", 2), ("b", 1)].map(|it| (it.0.to_string(), it.1));
        assert_eq!(partitions_in(&bytes).unwrap(), all);
        assert_eq!(note_in(&bytes).unwrap(), "hm");
        assert_eq!(topics_in(&subscription(&["a", "b"]).unwrap()), ["a", "b"]);
    }

    #[test]
    fn what_is_no_assignment_holds_no_partitions() {
        assert_eq!(partitions_in(&Bytes::new()), None);
        assert_eq!(partitions_in(&Bytes::from_static(&[0, 0, 0xff])), None);
        assert_eq!(topics_in(&Bytes::from_static(&[7])), Vec::<String>::new());
    }
}

//! Offsets of a group, and places in a topic.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::Failure;
use crate::cli::client::{check, text};
use crate::cli::cluster::Cluster;
use crate::cli::coordinator::Coordinator;
use crate::wire::ErrorCode;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::{
    BrokerId, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};

/// Topic and number.
pub use crate::wire::membership::PartitionOf;

/// The timestamps by which ListOffsets asks for the ends of a partition.
pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;
/// The newest version that asks about one group; later ones ask about several.
const ONE_GROUP: i16 = 7;
/// How often a leader that is new or gone is asked for.
const TRIES_MAX: u32 = 40;
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// A request whose newest version is at hand.
const NEWEST: i16 = i16::MAX;

/// A member of a group, as its coordinator knows it.
#[derive(Clone, Debug)]
pub struct Identity {
    pub member_id: String,
    pub generation: i32,
}

impl Identity {
    /// Somebody who is no member: allowed to commit for a group that has none.
    pub fn nobody() -> Self {
        Self {
            member_id: String::new(),
            generation: -1,
        }
    }
}

/// What a group has committed, all topics.
pub fn committed(coordinator: &mut Coordinator) -> Result<BTreeMap<PartitionOf, i64>, Failure> {
    let request = OffsetFetchRequest::default()
        .with_group_id(coordinator.group_id())
        .with_topics(None);
    let reply = coordinator.ask(&request, ONE_GROUP, |reply| reply.error_code)?;
    check(reply.error_code, None, "the group's offsets")?;
    let mut found = BTreeMap::new();
    for topic in &reply.topics {
        for partition in &topic.partitions {
            check(partition.error_code, None, topic.name.0.as_str())?;
            if partition.committed_offset >= 0 {
                let at = (topic.name.0.to_string(), partition.partition_index);
                found.insert(at, partition.committed_offset);
            }
        }
    }
    Ok(found)
}

/// Commits; the coordinator's code tells whether `who` may.
pub fn commit(
    coordinator: &mut Coordinator,
    who: &Identity,
    offsets: &BTreeMap<PartitionOf, i64>,
) -> Result<i16, Failure> {
    let topics = topics_of(offsets.keys()).into_iter().map(|topic| {
        let own = offsets.iter().filter(|((name, _), _)| name == topic);
        let partitions = own.map(|((_, partition), offset)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_metadata(Some(text("")))
        });
        OffsetCommitRequestTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(partitions.collect())
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(coordinator.group_id())
        .with_member_id(text(&who.member_id))
        .with_generation_id_or_member_epoch(who.generation)
        .with_topics(topics.collect());
    let reply = coordinator.ask(&request, NEWEST, |reply| {
        let all = reply.topics.iter().flat_map(|topic| &topic.partitions);
        let mut codes = all.map(|partition| partition.error_code);
        codes.find(|code| *code != 0).unwrap_or(0)
    })?;
    let all = reply.topics.iter().flat_map(|topic| &topic.partitions);
    let mut codes = all.map(|partition| partition.error_code);
    Ok(codes.find(|code| *code != 0).unwrap_or(0))
}

/// Each topic once.
pub fn topics_of<'a>(partitions: impl Iterator<Item = &'a PartitionOf>) -> Vec<&'a str> {
    let mut topics: Vec<&str> = partitions.map(|(topic, _)| topic.as_str()).collect();
    topics.dedup();
    topics
}

/// The offset that each partition of `topic` has at a timestamp (or `LATEST`, `EARLIEST`); its end,
/// where nothing is as young as that.
pub fn at(
    bootstrap_server: &str,
    topic: &str,
    timestamp: i64,
) -> Result<BTreeMap<PartitionOf, i64>, Failure> {
    let mut cluster = Cluster::connect(bootstrap_server, topic, false)?;
    let partitions = cluster.partitions();
    let found = of_cluster(&mut cluster, topic, &partitions, timestamp)?;
    let named = |(partition, offset)| ((topic.to_owned(), partition), offset);
    Ok(found.into_iter().map(named).collect())
}

/// As `at`, for some partitions of a topic whose leaders are known.
pub fn of_cluster(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[i32],
    timestamp: i64,
) -> Result<BTreeMap<i32, i64>, Failure> {
    let mut found = asked(cluster, topic, partitions, timestamp)?;
    let without: Vec<i32> = (found.iter())
        .filter(|(_, offset)| **offset < 0)
        .map(|(partition, _)| *partition)
        .collect();
    if timestamp >= 0 && !without.is_empty() {
        found.extend(asked(cluster, topic, &without, LATEST)?);
    }
    Ok(found)
}

/// Asks again where a leader is new or has just gone: a topic's first moments are such.
fn asked(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[i32],
    timestamp: i64,
) -> Result<BTreeMap<i32, i64>, Failure> {
    let mut tries = 1;
    loop {
        let found = asked_once(cluster, topic, partitions, timestamp)?;
        let again = found.values().find_map(|answer| {
            let code = answer.err()?;
            let known = ErrorCode::from_i16(code);
            known.is_some_and(ErrorCode::is_retriable).then_some(code)
        });
        if again.is_none() || tries == TRIES_MAX {
            let plain = found.into_iter().map(|(partition, answer)| {
                let offset = answer.or_else(|code| check(code, None, topic).map(|()| 0))?;
                Ok((partition, offset))
            });
            return plain.collect();
        }
        tries += 1;
        std::thread::sleep(RETRY_WAIT);
        cluster.refresh(false)?;
    }
}

/// Offset or error code of each partition.
fn asked_once(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[i32],
    timestamp: i64,
) -> Result<BTreeMap<i32, Result<i64, i16>>, Failure> {
    let mut found = BTreeMap::new();
    for (leader, partitions) in cluster.by_leader(partitions) {
        let asked = partitions.iter().map(|partition| {
            ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        });
        let named = ListOffsetsTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(asked.collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![named]);
        let (_, reply) = cluster.client(leader)?.call(&request)?;
        for partition in reply.topics.iter().flat_map(|topic| &topic.partitions) {
            let answer = match partition.error_code {
                0 => Ok(partition.offset),
                code => Err(code),
            };
            found.insert(partition.partition_index, answer);
        }
    }
    Ok(found)
}

//! OffsetCommit 2-9, OffsetFetch 1-9, OffsetDelete 0.

use std::sync::Arc;

use bytes::Bytes;

use crate::cluster::Uuid;
use crate::groups::ask::{CommitAsk, Fetched, MemberAsk, NewOffset};
use crate::groups::{Answer, Ask, GroupError};
use crate::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::wire::messages::offset_fetch_response::*;
use crate::wire::messages::*;
use crate::wire::{ErrorCode, ReplyTo, StrBytes, WireError, reply};

use super::super::super::calls::Asked;
use super::super::super::machine::Shard;
use super::{Shape, code, code_of, owned, owned_or_null, text};

/// From here on one OffsetFetch asks about many groups (KIP-709).
const GROUPS_SINCE: i16 = 8;
/// Before, a generation of a group that is not there is a wrong generation (KIP-848).
const NO_GROUP_SINCE: i16 = 9;
/// Before, an error of the group stands at each of its partitions.
const GROUP_ERROR_SINCE: i16 = 2;
/// `retention_time_ms` that leaves it to the broker.
const NO_RETENTION: i64 = -1;

/// Topics with partitions, and what is wrong with those that no coordinator is asked about.
pub(super) type Places = Vec<(TopicName, Vec<(i32, Option<ErrorCode>)>)>;

/// One group of an OffsetFetch.
#[derive(Debug)]
pub(super) struct FetchOf {
    group: StrBytes,
    /// None: all that the group has.
    topics: Option<Vec<(TopicName, Vec<i32>)>>,
}

impl Shard {
    pub(in super::super) fn offset_commit(&mut self, asked: Asked, request: OffsetCommitRequest) {
        let (mut places, mut offsets) = (Places::new(), Vec::new());
        for topic in request.topics {
            let name: Arc<str> = owned(&topic.name.0);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for own in topic.partitions {
                let index = own.partition_index;
                let refused = self.check_place(&topic.name, index).err();
                partitions.push((index, refused));
                if refused.is_none() {
                    offsets.push(NewOffset {
                        place: (name.clone(), index),
                        offset: own.committed_offset,
                        leader_epoch: own.committed_leader_epoch,
                        metadata: owned_or_null(own.committed_metadata.as_ref()),
                    });
                }
            }
            places.push((topic.name, partitions));
        }
        let nothing = offsets.is_empty();
        let retention = request.retention_time_ms;
        let ask = Ask::Commit(CommitAsk {
            member: MemberAsk {
                group: owned(&request.group_id.0),
                member: owned(&request.member_id),
                instance: owned_or_null(request.group_instance_id.as_ref()),
                generation: request.generation_id_or_member_epoch,
            },
            retention_ms: (retention != NO_RETENTION).then_some(retention),
            offsets,
        });
        // Nothing is left to be committed: nobody need be asked.
        let asks = if nothing { Vec::new() } else { vec![ask] };
        self.ask_coordinators(asked, Shape::Commit(places), asks);
    }

    pub(in super::super) fn offset_fetch(&mut self, asked: Asked, request: OffsetFetchRequest) {
        let groups: Vec<FetchOf> = if asked.to.version >= GROUPS_SINCE {
            let groups = request.groups.into_iter();
            let of = |own: offset_fetch_request::OffsetFetchRequestGroup| FetchOf {
                group: own.group_id.0,
                topics: own.topics.map(|topics| {
                    let topics = topics.into_iter();
                    topics
                        .map(|topic| (topic.name, topic.partition_indexes))
                        .collect()
                }),
            };
            groups.map(of).collect()
        } else {
            vec![FetchOf {
                group: request.group_id.0,
                topics: request.topics.map(|topics| {
                    let topics = topics.into_iter();
                    topics
                        .map(|topic| (topic.name, topic.partition_indexes))
                        .collect()
                }),
            }]
        };
        let asks = groups.iter().map(fetch_ask).collect();
        self.ask_coordinators(asked, Shape::Fetch(groups), asks);
    }

    pub(in super::super) fn offset_delete(&mut self, asked: Asked, request: OffsetDeleteRequest) {
        let (mut shown, mut places) = (Places::new(), Vec::new());
        for topic in request.topics {
            let name: Arc<str> = owned(&topic.name.0);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for own in topic.partitions {
                let index = own.partition_index;
                let refused = self.check_place(&topic.name, index).err();
                partitions.push((index, refused));
                if refused.is_none() {
                    places.push((name.clone(), index));
                }
            }
            shown.push((topic.name, partitions));
        }
        let nothing = places.is_empty();
        let group = owned(&request.group_id.0);
        let ask = Ask::DeleteOffsets { group, places };
        let asks = if nothing { Vec::new() } else { vec![ask] };
        self.ask_coordinators(asked, Shape::DeleteOffsets(shown), asks);
    }

    fn check_place(&self, name: &TopicName, index: i32) -> Result<(), ErrorCode> {
        let topic = self.find_topic(name, Uuid::nil());
        let found = topic.and_then(|topic| self.find_partition(topic, index));
        found.map(|_| ()).map_err(|failure| failure.code)
    }
}

fn fetch_ask(of: &FetchOf) -> Ask {
    let places = of.topics.as_ref().map(|topics| {
        let of_topic = |(name, partitions): &(TopicName, Vec<i32>)| {
            let name: Arc<str> = owned(&name.0);
            let indexes = partitions.iter();
            indexes
                .map(|index| (name.clone(), *index))
                .collect::<Vec<_>>()
        };
        topics.iter().flat_map(of_topic).collect()
    });
    Ask::Fetch {
        group: owned(&of.group),
        places,
    }
}

/// Each partition's code. Those that no coordinator was asked about come first, as in Kafka.
fn with_codes(
    places: Places,
    results: Vec<Result<(), GroupError>>,
) -> Vec<(TopicName, Vec<(i32, i16)>)> {
    let mut results = results.into_iter();
    let mut topics: Vec<(TopicName, Vec<(i32, i16)>)> = Vec::with_capacity(places.len());
    let mut asked = Vec::with_capacity(places.len());
    for (name, partitions) in places {
        let (mut refused, mut answered) = (Vec::new(), Vec::new());
        for (index, error) in partitions {
            match error {
                Some(error) => refused.push((index, error.code())),
                None => {
                    let result = results.next().unwrap_or(Err(GroupError::NotAvailable));
                    answered.push((index, code_of(&result)));
                }
            }
        }
        if !refused.is_empty() {
            topics.push((name.clone(), refused));
        }
        asked.push((name, answered));
    }
    for (name, answered) in asked
        .into_iter()
        .filter(|(_, answered)| !answered.is_empty())
    {
        match topics.iter_mut().find(|(known, _)| *known == name) {
            Some((_, partitions)) => partitions.extend(answered),
            None => topics.push((name, answered)),
        }
    }
    topics
}

pub(super) fn commit_reply(
    to: ReplyTo,
    places: Places,
    mut answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let mut results = match answers.next() {
        Some(Answer::Committed(results)) => results,
        _ => Vec::new(),
    };
    if to.version < NO_GROUP_SINCE {
        for result in &mut results {
            if *result == Err(GroupError::GroupNotFound) {
                *result = Err(GroupError::IllegalGeneration);
            }
        }
    }
    let topics = with_codes(places, results)
        .into_iter()
        .map(|(name, partitions)| {
            let partition = |(index, code)| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            };
            OffsetCommitResponseTopic::default()
                .with_name(name)
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
    let response = OffsetCommitResponse::default().with_topics(topics.collect());
    reply::encode(to, &response)
}

pub(super) fn delete_reply(
    to: ReplyTo,
    places: Places,
    mut answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let results = match answers.next() {
        Some(Answer::OffsetsDeleted(Ok(results))) => results,
        Some(Answer::OffsetsDeleted(Err(error))) => {
            let response = OffsetDeleteResponse::default().with_error_code(code(error));
            return reply::encode(to, &response);
        }
        _ => Vec::new(),
    };
    let topics = with_codes(places, results)
        .into_iter()
        .map(|(name, partitions)| {
            let partition = |(index, code)| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            };
            OffsetDeleteResponseTopic::default()
                .with_name(name)
                .with_partitions(partitions.into_iter().map(partition).collect())
        });
    let response = OffsetDeleteResponse::default().with_topics(topics.collect());
    reply::encode(to, &response)
}

pub(super) fn fetch_reply(
    to: ReplyTo,
    groups: Vec<FetchOf>,
    answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let results = answers.map(|answer| match answer {
        Answer::Fetched(result) => result,
        _ => Err(GroupError::NotAvailable),
    });
    let mut response = OffsetFetchResponse::default();
    for (of, result) in groups.into_iter().zip(results) {
        if to.version >= GROUPS_SINCE {
            response.groups.push(fetched_group(of, result));
            continue;
        }
        let error = result.as_ref().err().copied();
        let asked = of.topics.clone();
        if to.version >= GROUP_ERROR_SINCE {
            response.error_code = error.map_or(ErrorCode::None.code(), code);
        } else if let Some(error) = error {
            response.topics = refused_topics(of, code(error));
        }
        for (name, found) in by_topic(asked.as_deref(), result.ok()) {
            let partitions = found.into_iter().map(|found| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(found.place.1)
                    .with_committed_offset(found.offset)
                    .with_committed_leader_epoch(found.leader_epoch)
                    .with_metadata(Some(metadata(&found)))
            });
            let topic = OffsetFetchResponseTopic::default()
                .with_name(name)
                .with_partitions(partitions.collect());
            response.topics.push(topic);
        }
    }
    reply::encode(to, &response)
}

fn fetched_group(
    of: FetchOf,
    result: Result<Vec<Fetched>, GroupError>,
) -> OffsetFetchResponseGroup {
    let error = code_of(&result);
    let topics = by_topic(of.topics.as_deref(), result.ok())
        .into_iter()
        .map(|(name, found)| {
            let partitions = found.into_iter().map(|found| {
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(found.place.1)
                    .with_committed_offset(found.offset)
                    .with_committed_leader_epoch(found.leader_epoch)
                    .with_metadata(Some(metadata(&found)))
            });
            OffsetFetchResponseTopics::default()
                .with_name(name)
                .with_partitions(partitions.collect())
        });
    OffsetFetchResponseGroup::default()
        .with_group_id(of.group.into())
        .with_topics(topics.collect())
        .with_error_code(error)
}

fn refused_topics(of: FetchOf, code: i16) -> Vec<OffsetFetchResponseTopic> {
    let topics = of.topics.unwrap_or_default().into_iter();
    let topic = |(name, partitions): (TopicName, Vec<i32>)| {
        let partitions = partitions.into_iter().map(|index| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(-1)
                .with_committed_leader_epoch(-1)
                .with_metadata(Some(StrBytes::default()))
                .with_error_code(code)
        });
        OffsetFetchResponseTopic::default()
            .with_name(name)
            .with_partitions(partitions.collect())
    };
    topics.map(topic).collect()
}

/// Neighbours of one topic together, in their order; a topic that was asked about without
/// partitions is there without any. Nothing where the group itself was refused.
fn by_topic(
    asked: Option<&[(TopicName, Vec<i32>)]>,
    found: Option<Vec<Fetched>>,
) -> Vec<(TopicName, Vec<Fetched>)> {
    let Some(found) = found else {
        return Vec::new();
    };
    let mut topics: Vec<(TopicName, Vec<Fetched>)> = Vec::new();
    let mut put = |name: TopicName, more: Vec<Fetched>| match topics.last_mut() {
        Some((last, partitions)) if *last == name => partitions.extend(more),
        Some(_) | None => topics.push((name, more)),
    };
    let mut found = found.into_iter();
    for (name, partitions) in asked.unwrap_or_default() {
        put(
            name.clone(),
            found.by_ref().take(partitions.len()).collect(),
        );
    }
    for found in found {
        put(TopicName(text(&found.place.0)), vec![found]);
    }
    topics
}

fn metadata(found: &Fetched) -> StrBytes {
    found.metadata.as_ref().map_or_else(StrBytes::default, text)
}

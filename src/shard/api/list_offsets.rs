//! ListOffsets 1-10: offsets by name (earliest, latest, ...) or by time.

use std::collections::BTreeMap;

use crate::base::ShardId;
use crate::cluster::Uuid;
use crate::log::{Isolation, LeaderEpoch, LogError, OffsetFound, OffsetSpec};
use crate::wire::messages::list_offsets_request::ListOffsetsPartition;
use crate::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::messages::{ListOffsetsRequest, ListOffsetsResponse, TopicName};
use crate::wire::{ErrorCode, reply};

use super::super::calls::{Asked, Call, Token};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{ListPart, Message, Place};

/// The version from which on replies carry leader epochs.
const EPOCHS_SINCE: i16 = 4;
/// Special timestamps and the versions that brought them: -3 (KIP-734), -4 (KIP-405), -5
/// (KIP-1005).
const SPECIAL_SINCE: [(i64, i16); 3] = [(-3, 7), (-4, 8), (-5, 9)];

/// A ListOffsets that awaits its owners' answers.
#[derive(Debug)]
pub struct ListOffsetsCall {
    asked: Asked,
    topics: Vec<TopicName>,
    parts: Vec<Part>,
    missing: usize,
}

#[derive(Debug)]
struct Part {
    topic: usize,
    index: i32,
    outcome: Option<Result<OffsetFound, Failure>>,
}

impl Shard {
    pub(super) fn list_offsets(&mut self, asked: Asked, request: ListOffsetsRequest) {
        let isolation = isolation(request.isolation_level);
        let mut call = ListOffsetsCall {
            asked,
            topics: Vec::new(),
            parts: Vec::new(),
            missing: 0,
        };
        let mut shares = BTreeMap::<ShardId, Vec<ListPart>>::new();
        for topic in request.topics {
            for partition in topic.partitions {
                let place = Place(call.parts.len() as u32);
                let mut part = Part {
                    topic: call.topics.len(),
                    index: partition.partition_index,
                    outcome: None,
                };
                match self.list_part(&topic.name, &partition, asked.to.version) {
                    Ok((shard, mut share)) => {
                        share.place = place;
                        share.isolation = isolation;
                        shares.entry(shard).or_default().push(share);
                    }
                    Err(failure) => part.outcome = Some(Err(failure)),
                }
                call.parts.push(part);
            }
            call.topics.push(topic.name);
        }
        self.note_routed(asked.connection, shares.keys().copied());
        call.missing = shares.len();
        if shares.is_empty() {
            return self.answer_list_offsets(call);
        }
        let token = self.calls.next_token();
        self.calls.open(token, Call::ListOffsets(Box::new(call)));
        for (shard, parts) in shares {
            self.tell(shard, Message::List { token, parts });
        }
    }

    fn list_part(
        &self,
        name: &TopicName,
        partition: &ListOffsetsPartition,
        version: i16,
    ) -> Result<(ShardId, ListPart), Failure> {
        let topic = self.find_topic(name, Uuid::nil())?;
        let place = self.find_partition(topic, partition.partition_index)?;
        let early =
            |(special, since): &(i64, i16)| *special == partition.timestamp && version < *since;
        if SPECIAL_SINCE.iter().any(early) {
            return Err(Failure::bare(ErrorCode::UnsupportedVersion));
        }
        let spec = OffsetSpec::from_wire(partition.timestamp)
            .ok_or(Failure::bare(ErrorCode::UnsupportedVersion))?;
        let part = ListPart {
            place: Place(0),
            stream: place.stream,
            spec,
            isolation: Isolation::ReadUncommitted,
            leader_epoch: leader_epoch(partition.current_leader_epoch),
        };
        Ok((place.shard, part))
    }

    /// An owner answers.
    pub(in super::super) fn listed(
        &mut self,
        token: Token,
        parts: Vec<(Place, Result<OffsetFound, LogError>)>,
    ) {
        let Some(Call::ListOffsets(call)) = self.calls.get_mut(token) else {
            return;
        };
        for (place, outcome) in parts {
            call.parts[place.0 as usize].outcome = Some(outcome.map_err(Failure::from));
        }
        call.missing -= 1;
        if call.missing > 0 {
            return;
        }
        if let Some(Call::ListOffsets(call)) = self.calls.close(token) {
            self.answer_list_offsets(*call);
            self.after_brief_call();
        }
    }

    fn answer_list_offsets(&mut self, call: ListOffsetsCall) {
        let asked = call.asked;
        let named = |name| ListOffsetsTopicResponse::default().with_name(name);
        let mut topics: Vec<_> = call.topics.into_iter().map(named).collect();
        for part in call.parts {
            let mut response =
                ListOffsetsPartitionResponse::default().with_partition_index(part.index);
            match part.outcome {
                Some(Ok(found)) => {
                    response.offset = found.offset;
                    response.timestamp = found.time;
                    if asked.to.version >= EPOCHS_SINCE {
                        response.leader_epoch = found.leader_epoch;
                    }
                }
                Some(Err(failure)) => {
                    response.error_code = failure.code.code();
                    response.offset = -1;
                    response.timestamp = -1;
                }
                None => unreachable!("an owner left out a part"),
            }
            topics[part.topic].partitions.push(response);
        }
        let response = ListOffsetsResponse::default().with_topics(topics);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}

/// `isolation_level` of a request.
pub(super) fn isolation(level: i8) -> Isolation {
    match level {
        1 => Isolation::ReadCommitted,
        _ => Isolation::ReadUncommitted,
    }
}

/// `current_leader_epoch` of a request; -1 is none.
pub(super) fn leader_epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch >= 0).then_some(LeaderEpoch(epoch))
}

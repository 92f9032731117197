//! ListOffsets 1-10: offsets by name (earliest, latest, ...) or by time.

use crate::log::{Isolation, LeaderEpoch, OffsetSpec};
use crate::wire::messages::list_offsets_request::ListOffsetsPartition;
use crate::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use crate::wire::{ErrorCode, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{Finding, Inquiry, InquiryPart};
use super::super::owner::offsets::OffsetAsk;
use super::inquiry::{InquiryCall, InquiryKind};

/// The version from which on replies carry leader epochs.
const EPOCHS_SINCE: i16 = 4;
/// Special timestamps and the versions that brought them: -3 (KIP-734), -4 (KIP-405), -5
/// (KIP-1005).
const SPECIAL_SINCE: [(i64, i16); 3] = [(-3, 7), (-4, 8), (-5, 9)];

impl Shard {
    pub(super) fn list_offsets(&mut self, asked: Asked, request: ListOffsetsRequest) {
        let isolation = isolation(request.isolation_level);
        let mut call = InquiryCall::new(asked, InquiryKind::Offsets);
        for topic in request.topics {
            call.topic(topic.name.clone());
            for partition in topic.partitions {
                let index = partition.partition_index;
                let ask = offset_ask(&partition, isolation, asked.to.version);
                // Who is there goes before what can be asked of it.
                let part = self.inquiry(&topic.name, index, Inquiry::Facts);
                let part = part.and_then(|(shard, part)| {
                    let inquiry = Inquiry::Offset(ask?);
                    Ok((shard, InquiryPart { inquiry, ..part }))
                });
                call.part(index, part);
            }
        }
        self.note_routed(asked.connection, call.owners());
        self.inquire(call);
    }

    pub(super) fn answer_list_offsets(&mut self, call: InquiryCall) {
        let asked = call.asked;
        let named = |name| ListOffsetsTopicResponse::default().with_name(name);
        let mut topics: Vec<_> = call.topics.into_iter().map(named).collect();
        for part in call.parts {
            let topic = part.topic;
            let mut response =
                ListOffsetsPartitionResponse::default().with_partition_index(part.index);
            match part.into_outcome() {
                Ok(Finding::Offset(found)) => {
                    response.offset = found.offset;
                    response.timestamp = found.time;
                    if asked.to.version >= EPOCHS_SINCE {
                        response.leader_epoch = found.leader_epoch;
                    }
                }
                Ok(other) => unreachable!("an offset was asked for: {other:?}"),
                Err(failure) => {
                    response.error_code = failure.code.code();
                    response.offset = -1;
                    response.timestamp = -1;
                }
            }
            topics[topic].partitions.push(response);
        }
        let response = ListOffsetsResponse::default().with_topics(topics);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}

fn offset_ask(
    partition: &ListOffsetsPartition,
    isolation: Isolation,
    version: i16,
) -> Result<OffsetAsk, Failure> {
    let early = |(special, since): &(i64, i16)| *special == partition.timestamp && version < *since;
    let spec = OffsetSpec::from_wire(partition.timestamp);
    let spec = spec.filter(|_| !SPECIAL_SINCE.iter().any(early));
    Ok(OffsetAsk {
        spec: spec.ok_or(Failure::bare(ErrorCode::UnsupportedVersion))?,
        isolation,
        claimed: leader_epoch(partition.current_leader_epoch),
    })
}

/// `isolation_level` of a request.
pub(super) fn isolation(level: i8) -> Isolation {
    match level {
        1 => Isolation::ReadCommitted,
        _ => Isolation::ReadUncommitted,
    }
}

/// `current_leader_epoch` of a request; -1 is none, and what lies below is older than any.
pub(super) fn leader_epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch != -1).then_some(LeaderEpoch(epoch))
}

//! OffsetForLeaderEpoch 2-4 (KIP-101, KIP-320): where an epoch ended.

use crate::log::LeaderEpoch;
use crate::wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use crate::wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use crate::wire::reply;

use super::super::calls::Asked;
use super::super::machine::Shard;
use super::super::message::{Finding, Inquiry};
use super::inquiry::{InquiryCall, InquiryKind};
use super::list_offsets::leader_epoch;

impl Shard {
    pub(super) fn offset_for_leader_epoch(
        &mut self,
        asked: Asked,
        request: OffsetForLeaderEpochRequest,
    ) {
        let mut call = InquiryCall::new(asked, InquiryKind::EpochEnds);
        for topic in request.topics {
            call.topic(topic.topic.clone());
            for partition in topic.partitions {
                let inquiry = Inquiry::EpochEnd {
                    claimed: leader_epoch(partition.current_leader_epoch),
                    asked: LeaderEpoch(partition.leader_epoch),
                };
                let index = partition.partition;
                call.part(index, self.inquiry(&topic.topic, index, inquiry));
            }
        }
        self.inquire(call);
    }

    pub(super) fn answer_offset_for_leader_epoch(&mut self, call: InquiryCall) {
        let named = |name| OffsetForLeaderTopicResult::default().with_topic(name);
        let mut topics: Vec<_> = call.topics.into_iter().map(named).collect();
        for part in call.parts {
            let (topic, index) = (part.topic, part.index);
            let unknown = EpochEndOffset::default()
                .with_partition(index)
                .with_leader_epoch(-1)
                .with_end_offset(-1);
            let result = match part.into_outcome() {
                // No epoch (-1) is asked for, or a later one than there is.
                Ok(Finding::EpochEnd(epoch, _)) if epoch.0 < 0 => unknown,
                Ok(Finding::EpochEnd(epoch, end)) => {
                    unknown.with_leader_epoch(epoch.0).with_end_offset(end.0)
                }
                Ok(other) => unreachable!("the end of an epoch was asked for: {other:?}"),
                Err(failure) => unknown.with_error_code(failure.code.code()),
            };
            topics[topic].partitions.push(result);
        }
        let response = OffsetForLeaderEpochResponse::default().with_topics(topics);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

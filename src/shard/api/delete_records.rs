//! DeleteRecords 0-2: the log start moves, durably, before the answer.

use crate::cluster::Uuid;
use crate::log::Offset;
use crate::wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use crate::wire::{ErrorCode, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{Finding, Inquiry};
use super::inquiry::{InquiryCall, InquiryKind};

/// `offset` of a request: everything that may be read.
const HIGH_WATERMARK: i64 = -1;

impl Shard {
    pub(super) fn delete_records(&mut self, asked: Asked, request: DeleteRecordsRequest) {
        let mut call = InquiryCall::new(asked, InquiryKind::DeleteRecords);
        for topic in request.topics {
            call.topic(topic.name.clone());
            for partition in topic.partitions {
                let before = match partition.offset {
                    HIGH_WATERMARK => None,
                    offset => Some(Offset(offset)),
                };
                let index = partition.partition_index;
                let inquiry = Inquiry::DeleteRecords { before };
                let found = self
                    .inquiry(&topic.name, index, inquiry)
                    .and_then(|found| self.may_lose_records(&topic.name).map(|()| found));
                call.part(index, found);
            }
        }
        self.inquire(call);
    }

    /// A topic that is only compacted keeps the newest record of each key.
    fn may_lose_records(&self, name: &TopicName) -> Result<(), Failure> {
        let topic = self.find_topic(name, Uuid::nil())?;
        let cleanup = self.topic_configs.of(topic).cleanup;
        if cleanup.compact && !cleanup.delete {
            return Err(Failure::bare(ErrorCode::PolicyViolation));
        }
        Ok(())
    }

    pub(super) fn answer_delete_records(&mut self, call: InquiryCall) {
        let named = |name| DeleteRecordsTopicResult::default().with_name(name);
        let mut topics: Vec<_> = call.topics.into_iter().map(named).collect();
        for part in call.parts {
            let (topic, index) = (part.topic, part.index);
            let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
            let result = match log_start(part.into_outcome()) {
                Ok(start) => result.with_low_watermark(start.0),
                Err(failure) => result
                    .with_low_watermark(-1)
                    .with_error_code(failure.code.code()),
            };
            topics[topic].partitions.push(result);
        }
        let response = DeleteRecordsResponse::default().with_topics(topics);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

fn log_start(outcome: Result<Finding, Failure>) -> Result<Offset, Failure> {
    match outcome? {
        Finding::LogStart(start) => Ok(start),
        other => unreachable!("records were to be deleted: {other:?}"),
    }
}

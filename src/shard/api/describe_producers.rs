//! DescribeProducers 0 (KIP-664): the idempotent producers that partitions remember.

use std::collections::BTreeSet;

use crate::cluster::check_topic_name;
use crate::log::ProducerFacts;
use crate::wire::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use crate::wire::messages::{DescribeProducersRequest, DescribeProducersResponse};
use crate::wire::{ErrorCode, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{Finding, Inquiry};
use super::inquiry::{InquiryCall, InquiryKind};

impl Shard {
    pub(super) fn describe_producers(&mut self, asked: Asked, request: DescribeProducersRequest) {
        let mut call = InquiryCall::new(asked, InquiryKind::Producers);
        // A partition may have thousands of producers: they are told once in a reply.
        let mut seen = BTreeSet::new();
        for topic in request.topics {
            call.topic(topic.name.clone());
            let checked = check_topic_name(&topic.name)
                .map_err(|why| Failure::because(ErrorCode::InvalidTopicException, why));
            for index in topic.partition_indexes {
                let found = match seen.insert((topic.name.clone(), index)) {
                    true => checked.clone(),
                    false => Err(Failure::named_twice()),
                };
                let found =
                    found.and_then(|()| self.inquiry(&topic.name, index, Inquiry::Producers));
                call.part(index, found);
            }
        }
        self.inquire(call);
    }

    pub(super) fn answer_describe_producers(&mut self, call: InquiryCall) {
        let named = |name| TopicResponse::default().with_name(name);
        let mut topics: Vec<_> = call.topics.into_iter().map(named).collect();
        for part in call.parts {
            let (topic, index) = (part.topic, part.index);
            let response = PartitionResponse::default()
                .with_partition_index(index)
                .with_error_message(None);
            let response = match part.into_outcome() {
                Ok(Finding::Producers(producers)) => {
                    let producers = producers.into_iter().map(state);
                    response.with_active_producers(producers.collect())
                }
                Ok(other) => unreachable!("producers were asked for: {other:?}"),
                Err(failure) => response
                    .with_error_code(failure.code.code())
                    .with_error_message(failure.words),
            };
            topics[topic].partitions.push(response);
        }
        let response = DescribeProducersResponse::default().with_topics(topics);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

/// No transaction is open, and no coordinator has written.
fn state(producer: ProducerFacts) -> ProducerState {
    ProducerState::default()
        .with_producer_id(producer.id.into())
        .with_producer_epoch(i32::from(producer.epoch))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_time)
        .with_coordinator_epoch(-1)
        .with_current_txn_start_offset(-1)
}

//! DescribeTopicPartitions 0 (KIP-966): topics in the order of their names, page by page.

use std::collections::BTreeSet;

use crate::base::limits::DESCRIBED_PARTITIONS_MAX;
use crate::cluster::{Topic, Uuid, check_topic_name};
use crate::wire::messages::describe_topic_partitions_request::{Cursor as From, TopicRequest};
use crate::wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::wire::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

/// Read, write, create, delete, alter and describe the topic and its configuration: without an
/// authorizer everybody may, and Kafka says so in these bits.
const ALL_OPERATIONS: i32 = 3576;

impl Shard {
    pub(super) fn describe_topic_partitions(
        &mut self,
        asked: Asked,
        request: DescribeTopicPartitionsRequest,
    ) {
        if !has_sound_cursor(&request) {
            return self.refuse_cursor(asked, request);
        }
        let names = self.names_from(&request);
        let mut response = DescribeTopicPartitionsResponse::default();
        let limit = request.response_partition_limit;
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut room = limit.clamp(1, DESCRIBED_PARTITIONS_MAX);
        for name in names {
            let first = match &request.cursor {
                Some(cursor) if *cursor.topic_name.0 == *name => {
                    u32::try_from(cursor.partition_index).unwrap_or(0)
                }
                Some(_) | None => 0,
            };
            // A full page ends in front of the next topic.
            if room == 0 {
                response.next_cursor = Some(cursor(&name, 0));
                break;
            }
            let (topic, next) = self.topic_page(&name, first, room);
            // A topic that is not there takes room too: a request may name very many.
            room -= topic.partitions.len().clamp(1, room);
            response.topics.push(topic);
            if let Some(next) = next {
                response.next_cursor = Some(cursor(&name, next));
                break;
            }
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    /// Every topic is refused, as Kafka does.
    fn refuse_cursor(&mut self, asked: Asked, request: DescribeTopicPartitionsRequest) {
        let topics = request.topics.into_iter().map(|topic| {
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(topic.name))
                .with_error_code(ErrorCode::InvalidRequest.code())
        });
        let response = DescribeTopicPartitionsResponse::default().with_topics(topics.collect());
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    /// The names that are asked for, or all, from the cursor on.
    fn names_from(&self, request: &DescribeTopicPartitionsRequest) -> Vec<String> {
        let from = request
            .cursor
            .as_ref()
            .map_or("", |cursor: &From| cursor.topic_name.as_str());
        if request.topics.is_empty() {
            let topics = self
                .known()
                .into_iter()
                .flat_map(|known| known.topics_from(from));
            let topics = topics.take(DESCRIBED_PARTITIONS_MAX + 1);
            return topics.map(|topic| topic.name.to_string()).collect();
        }
        let asked = request.topics.iter().map(|topic| topic.name.as_str());
        let asked: BTreeSet<&str> = asked.filter(|name| *name >= from).collect();
        asked.into_iter().map(str::to_owned).collect()
    }

    /// At most `room` partitions of a topic from `first` on, and where the next page begins.
    fn topic_page(
        &self,
        name: &str,
        first: u32,
        room: usize,
    ) -> (DescribeTopicPartitionsResponseTopic, Option<u32>) {
        let text = TopicName(StrBytes::from_string(name.to_owned()));
        let response = DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(text.clone()))
            .with_topic_authorized_operations(ALL_OPERATIONS);
        if check_topic_name(name).is_err() {
            let code = ErrorCode::InvalidTopicException.code();
            return (response.with_error_code(code), None);
        }
        let topic = match self.find_topic(&text, Uuid::nil()) {
            Ok(topic) => topic,
            Err(failure) => return (response.with_error_code(failure.code.code()), None),
        };
        let partitions = self.partitions_page(topic, first, room);
        let end = first as usize + partitions.len();
        let next = (end < topic.partition_count() as usize).then_some(end as u32);
        let response = response
            .with_topic_id(topic.id)
            .with_is_internal(topic.is_internal())
            .with_partitions(partitions);
        (response, next)
    }

    fn partitions_page(
        &self,
        topic: &Topic,
        first: u32,
        room: usize,
    ) -> Vec<DescribeTopicPartitionsResponsePartition> {
        // The node's own id, whoever asks: tools look it up among the nodes that DescribeCluster
        // lists, and shards are not among those.
        let id = self.broker_id();
        let places = topic.partitions_from(first).take(room);
        let partitions = places.map(|place| {
            let response = DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(place.partition as i32)
                .with_leader_epoch(place.leader_epoch.0)
                .with_replica_nodes(vec![id.into()])
                .with_eligible_leader_replicas(Some(Vec::new()))
                .with_last_known_elr(Some(Vec::new()));
            if self.is_leaderless(place.shard) {
                return response
                    .with_error_code(ErrorCode::LeaderNotAvailable.code())
                    .with_leader_id((-1).into())
                    .with_offline_replicas(vec![id.into()]);
            }
            response
                .with_leader_id(id.into())
                .with_isr_nodes(vec![id.into()])
        });
        partitions.collect()
    }
}

/// A cursor names a topic that is asked about, and no partition before the first.
fn has_sound_cursor(request: &DescribeTopicPartitionsRequest) -> bool {
    let topics = &request.topics;
    request.cursor.as_ref().is_none_or(|cursor| {
        let is_asked = |topic: &TopicRequest| topic.name == cursor.topic_name;
        cursor.partition_index >= 0 && (topics.is_empty() || topics.iter().any(is_asked))
    })
}

fn cursor(name: &str, partition: u32) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_partition_index(partition as i32)
}

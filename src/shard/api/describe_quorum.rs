//! DescribeQuorum 0-2 (KIP-595, KIP-836): the metadata is decided by this node alone.

use crate::cluster::Metadata;
use crate::wire::messages::describe_quorum_request::TopicData as AskedTopic;
use crate::wire::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use crate::wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

/// What Kafka calls the log of the metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// From here on errors have words.
const WORDS_SINCE: i16 = 2;
/// From here on voters say when they were heard of.
const TIMES_SINCE: i16 = 1;

impl Shard {
    pub(super) fn describe_quorum(&mut self, asked: Asked, request: DescribeQuorumRequest) {
        // Kafka knows the one partition only if it is asked for nothing else.
        let is_known = match &request.topics[..] {
            [
                AskedTopic {
                    topic_name,
                    partitions,
                    ..
                },
            ] => {
                let numbers = partitions.iter().map(|partition| partition.partition_index);
                topic_name.as_str() == METADATA_TOPIC && numbers.eq([0])
            }
            _ => false,
        };
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| match is_known {
                true => self.metadata_partition(asked.to.version),
                false => unknown_partition(partition.partition_index, asked.to.version),
            });
            TopicData::default()
                .with_partitions(partitions.collect())
                .with_topic_name(topic.topic_name)
        });
        let mut response = DescribeQuorumResponse::default().with_topics(topics.collect());
        if asked.to.version >= WORDS_SINCE {
            response.error_message = Some(StrBytes::default());
            if is_known {
                response.nodes = vec![self.quorum_node(asked)];
            }
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    /// Versions of the metadata are its offsets.
    fn metadata_partition(&self, version: i16) -> PartitionData {
        let end = self.known().map_or(0, Metadata::version) as i64;
        let id = self.broker_id();
        let mut voter = ReplicaState::default()
            .with_replica_id(id.into())
            .with_log_end_offset(end);
        if version >= TIMES_SINCE {
            voter.last_fetch_timestamp = self.now.wall.0;
            voter.last_caught_up_timestamp = self.now.wall.0;
        }
        let mut partition = PartitionData::default()
            .with_leader_id(id.into())
            .with_high_watermark(end)
            .with_current_voters(vec![voter]);
        if version >= WORDS_SINCE {
            partition.error_message = Some(StrBytes::default());
        }
        partition
    }

    fn quorum_node(&self, asked: Asked) -> Node {
        let endpoint = self.endpoint(asked.connection);
        let listener = Listener::default()
            .with_name(StrBytes::from_static_str("PLAINTEXT"))
            .with_host(endpoint.host)
            .with_port(endpoint.port);
        Node::default()
            .with_node_id(self.broker_id().into())
            .with_listeners(vec![listener])
    }
}

fn unknown_partition(index: i32, version: i16) -> PartitionData {
    let mut partition = PartitionData::default()
        .with_partition_index(index)
        .with_error_code(ErrorCode::UnknownTopicOrPartition.code());
    if version >= WORDS_SINCE {
        let words = "the quorum has one partition: 0 of __cluster_metadata, asked for alone";
        partition.error_message = Some(StrBytes::from_static_str(words));
    }
    partition
}

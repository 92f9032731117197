//! AlterPartitionReassignments 0-1 and ListPartitionReassignments 0 (KIP-455): on one node a
//! partition is where it can be, and no reassignment is ever under way.

use crate::cluster::Uuid;
use crate::wire::messages::alter_partition_reassignments_request::ReassignablePartition;
use crate::wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, TopicName,
};
use crate::wire::{ErrorCode, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;

/// From here on the reply repeats whether the replication factor may change.
const FACTOR_SINCE: i16 = 1;

impl Shard {
    pub(super) fn alter_partition_reassignments(
        &mut self,
        asked: Asked,
        request: AlterPartitionReassignmentsRequest,
    ) {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let response = ReassignablePartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_message(None);
                match self.reassign(&topic.name, partition) {
                    Ok(()) => response,
                    Err(failure) => response
                        .with_error_code(failure.code.code())
                        .with_error_message(failure.words),
                }
            });
            ReassignableTopicResponse::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        });
        let mut response = AlterPartitionReassignmentsResponse::default()
            .with_error_message(None)
            .with_responses(topics.collect());
        if asked.to.version >= FACTOR_SINCE {
            response.allow_replication_factor_change = request.allow_replication_factor_change;
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    /// Ok: the partition is there already.
    fn reassign(&self, topic: &TopicName, wanted: &ReassignablePartition) -> Result<(), Failure> {
        let index = wanted.partition_index;
        let found = self.find_topic(topic, Uuid::nil());
        let found = found.and_then(|topic| self.find_partition(topic, index));
        let place = found.map_err(|failure| {
            let words = format!("there is no partition {}-{index}", topic.0);
            Failure::because(failure.code, words)
        })?;
        let Some(replicas) = &wanted.replicas else {
            let words = "no reassignment is under way: one node has nowhere to move to";
            return Err(Failure::because(ErrorCode::NoReassignmentInProgress, words));
        };
        let shard = self
            .site()
            .replica(replicas)
            .map_err(|error| Failure::from(&error))?;
        let is_node = replicas.iter().all(|broker| broker.0 == self.broker_id());
        if shard == place.shard || is_node {
            return Ok(());
        }
        let words = "partitions do not move between the shards of a node yet";
        Err(Failure::because(ErrorCode::InvalidReplicaAssignment, words))
    }

    pub(super) fn list_partition_reassignments(
        &mut self,
        asked: Asked,
        _request: ListPartitionReassignmentsRequest,
    ) {
        let response = ListPartitionReassignmentsResponse::default().with_error_message(None);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}

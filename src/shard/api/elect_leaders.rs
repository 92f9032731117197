//! ElectLeaders 0-2 (KIP-460): the one replica leads, so there is nothing to elect.

use crate::cluster::{Metadata, Uuid};
use crate::wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::wire::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;

/// `election_type`.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;
/// From here on the reply has an error for the whole request.
const ERROR_SINCE: i16 = 1;

impl Shard {
    pub(super) fn elect_leaders(&mut self, asked: Asked, request: ElectLeadersRequest) {
        let kind = request.election_type;
        let topics = match request.topic_partitions {
            Some(topics) => topics
                .into_iter()
                .map(|one| (one.topic, one.partitions))
                .collect(),
            // Of all partitions Kafka leaves out those that need no election.
            None => {
                let topics = self.known().into_iter().flat_map(Metadata::topics);
                let name = |name: &str| TopicName(StrBytes::from_string(name.to_owned()));
                topics
                    .map(|topic| (name(&topic.name), Vec::new()))
                    .collect::<Vec<_>>()
            }
        };
        let results = topics.into_iter().map(|(topic, partitions)| {
            let results = partitions.into_iter().map(|index| {
                let failure = self.why_no_election(&topic, index, kind);
                PartitionResult::default()
                    .with_partition_id(index)
                    .with_error_code(failure.code.code())
                    .with_error_message(failure.words)
            });
            let results = results.collect();
            ReplicaElectionResult::default()
                .with_topic(topic)
                .with_partition_result(results)
        });
        let mut response =
            ElectLeadersResponse::default().with_replica_election_results(results.collect());
        if asked.to.version >= ERROR_SINCE && !matches!(kind, PREFERRED | UNCLEAN) {
            response.error_code = ErrorCode::InvalidRequest.code();
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    fn why_no_election(&self, topic: &TopicName, index: i32, kind: i8) -> Failure {
        if !matches!(kind, PREFERRED | UNCLEAN) {
            let words = format!("election type {kind}: preferred is 0, unclean is 1");
            return Failure::because(ErrorCode::InvalidRequest, words);
        }
        let found = self.find_topic(topic, Uuid::nil());
        let place = match found.and_then(|topic| self.find_partition(topic, index)) {
            Ok(place) => place,
            Err(failure) => {
                let words = format!("there is no partition {}-{index}", topic.0);
                return Failure::because(failure.code, words);
            }
        };
        if self.is_leaderless(place.shard) {
            let code = match kind {
                PREFERRED => ErrorCode::PreferredLeaderNotAvailable,
                _ => ErrorCode::EligibleLeadersNotAvailable,
            };
            let words = "the journal of the only replica has failed: restart the broker";
            return Failure::because(code, words);
        }
        let words = "the partition's only replica leads it";
        Failure::because(ErrorCode::ElectionNotNeeded, words)
    }
}

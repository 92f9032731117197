//! Records deleted, epochs, and the short true answers of one node.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use crate::wire::messages::create_acls_request::AclCreation;
use crate::wire::messages::delete_acls_request::DeleteAclsFilter;
use crate::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::wire::messages::delete_records_response::DeleteRecordsPartitionResult;
use crate::wire::messages::describe_log_dirs_request::DescribableLogDirTopic;
use crate::wire::messages::describe_producers_request::TopicRequest as ProducersTopic;
use crate::wire::messages::describe_quorum_request::{PartitionData, TopicData};
use crate::wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use crate::wire::messages::describe_user_scram_credentials_request::UserName;
use crate::wire::messages::elect_leaders_request::TopicPartitions;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::messages::update_features_request::FeatureUpdateKey;

fn deletion_of(topic: &str, parts: &[(i32, i64)]) -> DeleteRecordsRequest {
    let part = |(index, offset): &(i32, i64)| {
        DeleteRecordsPartition::default()
            .with_partition_index(*index)
            .with_offset(*offset)
    };
    let topic = DeleteRecordsTopic::default()
        .with_name(name(topic))
        .with_partitions(parts.iter().map(part).collect());
    DeleteRecordsRequest::default().with_topics(vec![topic])
}

impl Broker {
    pub(super) fn delete(
        &mut self,
        topic: &str,
        index: i32,
        offset: i64,
    ) -> DeleteRecordsPartitionResult {
        let socket = self.connect();
        let response = self.ask(socket, &deletion_of(topic, &[(index, offset)]), 2);
        response.topics[0].partitions[0].clone()
    }

    pub(super) fn earliest(&mut self, topic: &str, index: i32) -> i64 {
        let socket = self.connect();
        let part = ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_timestamp(-2);
        let topic = ListOffsetsTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![part]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let response = self.ask(socket, &request, 5);
        response.topics[0].partitions[0].offset
    }
}

#[test]
fn deleted_records_stay_deleted_through_a_power_cut() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for partition in 0..2 {
        for _ in 0..10 {
            broker.produce(socket, "t", partition, b"x");
        }
    }

    for (partition, offset, start) in [(0, 4, 4), (1, -1, 10)] {
        let result = broker.delete("t", partition, offset);
        assert_eq!((result.error_code, result.low_watermark), (0, start));
        broker.world.crash(true);
        broker.boot(2);
        assert_eq!(broker.earliest("t", partition), start, "{partition}");
    }
}

#[test]
fn records_are_deleted_in_every_version_and_never_beyond_the_end() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    for _ in 0..5 {
        broker.produce(socket, "t", 0, b"x");
    }
    for version in 0..=2 {
        let parts = [(0, i64::from(version)), (0, 6), (0, -2), (7, 0)];
        let response = broker.ask(socket, &deletion_of("t", &parts), version);
        let results = response.topics[0].partitions.iter();
        let found: Vec<_> = results
            .map(|one| (one.error_code, one.low_watermark))
            .collect();
        let beyond = ErrorCode::OffsetOutOfRange.code();
        let expected = [(0, i64::from(version)), (beyond, -1), (beyond, -1), (3, -1)];
        assert_eq!(found, expected, "{version}");
    }
    let none = broker.ask(socket, &deletion_of("none", &[(0, 0)]), 2);
    assert_eq!(none.topics[0].partitions[0].error_code, 3);
}

#[test]
fn a_deletion_is_not_answered_before_its_flush_completes() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    broker.produce(socket, "t", 0, b"x");

    broker.answers_after_the_flush(socket, &deletion_of("t", &[(0, -1)]), 2);
}

#[test]
fn an_epoch_ends_where_the_log_ends_in_every_version() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    broker.produce(socket, "t", 0, b"x");
    broker.produce(socket, "t", 0, b"x");
    let part = |index, current, epoch| {
        OffsetForLeaderPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch)
    };
    for version in 2..=4 {
        let parts = vec![
            part(0, -1, 0),
            part(0, 5, 0),
            part(0, -1, 7),
            part(9, -1, 0),
        ];
        let topic = OffsetForLeaderTopic::default()
            .with_topic(name("t"))
            .with_partitions(parts);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let response = broker.ask(socket, &request, version);
        let results = response.topics[0].partitions.iter();
        let found: Vec<_> = results
            .map(|one| (one.error_code, one.leader_epoch, one.end_offset))
            .collect();
        let unknown = ErrorCode::UnknownLeaderEpoch.code();
        assert_eq!(
            found,
            [(0, 0, 2), (unknown, -1, -1), (0, -1, -1), (3, -1, -1)]
        );
    }
}

#[test]
fn topics_are_described_page_by_page_without_gaps() {
    let mut broker = Broker::start(3);
    for (topic, partitions) in [("a", 3), ("b", 1), ("c", 5)] {
        broker.create_topic(topic, partitions);
    }
    let socket = broker.connect();
    for limit in 1..=10 {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let request = DescribeTopicPartitionsRequest::default()
                .with_response_partition_limit(limit)
                .with_cursor(cursor);
            let page = broker.ask(socket, &request, 0);
            let mut count = 0;
            for topic in &page.topics {
                assert_eq!(topic.error_code, 0);
                let name = topic.name.as_ref().expect("a name").to_string();
                for part in &topic.partitions {
                    assert_eq!(part.leader_id.0, 1000);
                    found.push((name.clone(), part.partition_index));
                    count += 1;
                }
            }
            assert!(count <= limit, "{count} of {limit}");
            let Some(next) = page.next_cursor else { break };
            cursor = Some(
                Cursor::default()
                    .with_topic_name(next.topic_name)
                    .with_partition_index(next.partition_index),
            );
        }
        let of = |topic: &str, count| (0..count).map(move |n| (topic.to_owned(), n)).collect();
        let expected: Vec<Vec<_>> = vec![of("a", 3), of("b", 1), of("c", 5)];
        assert_eq!(found, expected.concat(), "{limit}");
    }
    let named = |name: &&str| TopicRequest::default().with_name(super::name(name));
    let request = DescribeTopicPartitionsRequest::default()
        .with_response_partition_limit(2000)
        .with_topics(["b", "x", "a b"].iter().map(named).collect());
    let response = broker.ask(socket, &request, 0);
    let codes: Vec<i16> = response
        .topics
        .iter()
        .map(|topic| topic.error_code)
        .collect();
    assert_eq!(codes, [ErrorCode::InvalidTopicException.code(), 0, 3]);
}

#[test]
fn producers_are_described_with_their_last_sequence() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    for sequence in [0, 2] {
        let batch = BatchBuilder::new()
            .producer(77, 3, sequence)
            .value(1_760_000_000_000, b"a")
            .value(1_760_000_000_000, b"b")
            .build();
        let response = broker.ask(socket, &produce_of("t", 0, -1, batch), 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    let topic = |topic: &str, indexes: &[i32]| {
        ProducersTopic::default()
            .with_name(name(topic))
            .with_partition_indexes(indexes.to_vec())
    };
    let topics = vec![topic("t", &[0, 9]), topic("none", &[0]), topic("a b", &[0])];
    let request = DescribeProducersRequest::default().with_topics(topics);

    let response = broker.ask(socket, &request, 0);

    let parts: Vec<_> = response
        .topics
        .iter()
        .flat_map(|one| &one.partitions)
        .collect();
    let codes: Vec<i16> = parts.iter().map(|part| part.error_code).collect();
    assert_eq!(codes, [0, 3, 3, ErrorCode::InvalidTopicException.code()]);
    let [producer] = &parts[0].active_producers[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(producer.producer_id.0, 77);
    assert_eq!((producer.producer_epoch, producer.last_sequence), (3, 3));
    assert_eq!(producer.current_txn_start_offset, -1);
}

#[test]
fn log_dirs_show_what_each_partition_takes() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 3);
    let socket = broker.connect();
    broker.produce(socket, "t", 1, &[b'x'; 5_000]);
    broker.pass(crate::base::limits::TICK_WAIT);
    for version in 1..=4 {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let response = broker.ask(socket, &request, version);

        let dir = &response.results[0];
        let (usable, total) = (dir.usable_bytes, dir.total_bytes);
        match version {
            4 => assert!(0 < usable && usable < total, "{usable} of {total}"),
            _ => assert_eq!((usable, total), (-1, -1)),
        }
        let topic = &dir.topics[0];
        let sizes: Vec<i64> = topic
            .partitions
            .iter()
            .map(|one| one.partition_size)
            .collect();
        assert_eq!((sizes[0], sizes[2]), (0, 0));
        assert!((5_000..6_000).contains(&sizes[1]), "{sizes:?}");
    }
    let one = |topic: &str, partitions: &[i32]| {
        DescribableLogDirTopic::default()
            .with_topic(name(topic))
            .with_partitions(partitions.to_vec())
    };
    let request = DescribeLogDirsRequest::default()
        .with_topics(Some(vec![one("t", &[0, 9]), one("none", &[0])]));
    let response = broker.ask(socket, &request, 4);
    assert_eq!(response.results[0].topics.len(), 1);
    assert_eq!(response.results[0].topics[0].partitions.len(), 1);
}

#[test]
fn there_are_no_transactions_and_none_is_found() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    let ids = ["tx", ""].map(|id| TransactionalId(text(id))).to_vec();
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let response = broker.ask(socket, &request, 0);
    let states = response.transaction_states.iter();
    let codes: Vec<i16> = states.map(|state| state.error_code).collect();
    let missing = ErrorCode::TransactionalIdNotFound.code();
    assert_eq!(codes, [missing, ErrorCode::InvalidRequest.code()]);

    for version in 0..=2 {
        let states = vec![text("Ongoing"), text("Foo")];
        let request = ListTransactionsRequest::default().with_state_filters(states);
        let response = broker.ask(socket, &request, version);
        assert_eq!(response.error_code, 0);
        assert_eq!(response.unknown_state_filters, [text("Foo")]);
        assert!(response.transaction_states.is_empty());
    }
}

#[test]
fn the_quorum_is_this_node_alone() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    for version in 0..=2 {
        for (topic, partition, expected) in [
            ("__cluster_metadata", 0, 0),
            ("__cluster_metadata", 1, 3),
            ("t", 0, 3),
        ] {
            let part = PartitionData::default().with_partition_index(partition);
            let topic = TopicData::default()
                .with_topic_name(name(topic))
                .with_partitions(vec![part]);
            let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
            let response = broker.ask(socket, &request, version);

            let found = &response.topics[0].partitions[0];
            assert_eq!(found.error_code, expected);
            if expected == 0 {
                assert_eq!(found.leader_id.0, 1000);
                assert_eq!(found.current_voters.len(), 1);
                assert!(found.high_watermark > 0);
                assert_eq!(response.nodes.len(), usize::from(version == 2));
            }
        }
    }
}

#[test]
fn the_only_replica_leads_and_stays() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for version in 0..=2 {
        let asked = TopicPartitions::default()
            .with_topic(name("t"))
            .with_partitions(vec![0, 9]);
        let request = ElectLeadersRequest::default().with_topic_partitions(Some(vec![asked]));
        let response = broker.ask(socket, &request, version);
        let results = response.replica_election_results[0].partition_result.iter();
        let codes: Vec<i16> = results.map(|one| one.error_code).collect();
        assert_eq!(codes, [ErrorCode::ElectionNotNeeded.code(), 3]);
    }
    for version in 0..=1 {
        let part = |index, replicas: Option<&[i32]>| {
            let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect();
            ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(replicas.map(ids))
        };
        let parts = vec![
            part(0, Some(&[1000])),
            part(0, None),
            part(0, Some(&[7])),
            part(0, Some(&[1000, 1001])),
            part(9, Some(&[1000])),
        ];
        let topic = ReassignableTopic::default()
            .with_name(name("t"))
            .with_partitions(parts);
        let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
        let response = broker.ask(socket, &request, version);
        let results = response.responses[0].partitions.iter();
        let codes: Vec<i16> = results.map(|one| one.error_code).collect();
        let invalid = ErrorCode::InvalidReplicaAssignment.code();
        let none = ErrorCode::NoReassignmentInProgress.code();
        assert_eq!(codes, [0, none, invalid, invalid, 3]);
    }
    let request = ListPartitionReassignmentsRequest::default().with_topics(None);
    let response = broker.ask(socket, &request, 0);
    assert_eq!((response.error_code, response.topics.len()), (0, 0));
}

#[test]
fn without_security_acls_are_disabled_and_nothing_is_set_for_users() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    let disabled = ErrorCode::SecurityDisabled.code();
    for version in 1..=3 {
        let described = broker.ask(socket, &DescribeAclsRequest::default(), version);
        let creations = vec![AclCreation::default(); 2];
        let created = CreateAclsRequest::default().with_creations(creations);
        let created = broker.ask(socket, &created, version);
        let deleted = DeleteAclsRequest::default().with_filters(vec![DeleteAclsFilter::default()]);
        let deleted = broker.ask(socket, &deleted, version);
        assert_eq!(described.error_code, disabled);
        assert_eq!(created.results.len(), 2);
        assert!(created.results.iter().all(|one| one.error_code == disabled));
        assert_eq!(deleted.filter_results[0].error_code, disabled);
    }
    for version in 0..=1 {
        let request = DescribeClientQuotasRequest::default();
        let response = broker.ask(socket, &request, version);
        assert_eq!((response.error_code, response.entries), (0, Some(vec![])));
    }
    let users = ["a", "b", "a"].map(|user| UserName::default().with_name(text(user)));
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(users.to_vec()));
    let response = broker.ask(socket, &request, 0);
    let codes: Vec<i16> = response.results.iter().map(|one| one.error_code).collect();
    let duplicate = ErrorCode::DuplicateResource.code();
    assert_eq!(codes, [duplicate, ErrorCode::ResourceNotFound.code()]);
}

#[test]
fn there_are_no_features_to_update() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    for version in 0..=2 {
        let update = FeatureUpdateKey::default()
            .with_feature(text("metadata.version"))
            .with_max_version_level(27);
        let request = UpdateFeaturesRequest::default();
        let nothing = broker.ask(socket, &request, version);
        let request = request.with_feature_updates(vec![update]);
        let something = broker.ask(socket, &request, version);
        assert_eq!(nothing.error_code, 0);
        assert_eq!(something.error_code, ErrorCode::InvalidUpdateVersion.code());
        let words = something.error_message.expect("a reason");
        assert!(words.contains("metadata.version"), "{words}");
    }
}

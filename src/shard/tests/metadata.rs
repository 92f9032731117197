use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::create_topics_request::CreatableReplicaAssignment;
use crate::wire::messages::delete_topics_request::DeleteTopicState;
use crate::wire::messages::metadata_request::MetadataRequestTopic;

fn named(topics: &[&str]) -> MetadataRequest {
    let topic = |topic: &&str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    MetadataRequest::default()
        .with_topics(Some(topics.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(true)
}

#[test]
fn metadata_lists_one_broker_with_the_advertised_address_in_every_version() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 3);
    let socket = broker.connect();

    for version in 0..=13 {
        let mut request = named(&["t"]);
        if version < 4 {
            request.allow_auto_topic_creation = true;
        }
        let response = broker.ask(socket, &request, version);

        assert_eq!(response.brokers.len(), 1);
        let listed = &response.brokers[0];
        assert_eq!((listed.node_id.0, listed.port), (1000, 9092));
        assert_eq!(listed.host.as_str(), "localhost");
        assert_eq!(response.topics[0].partitions.len(), 3);
        let leaders = response.topics[0].partitions.iter();
        assert!(leaders.clone().all(|part| part.leader_id.0 == 1000));
    }
}

#[test]
fn metadata_creates_topics_that_are_asked_for_and_may_exist() {
    let mut broker = Broker::start(2);
    let socket = broker.connect_to(1);

    let response = broker.ask(socket, &named(&["fresh", "..", "a.b", "a_b", "fresh"]), 9);

    let found: Vec<(i16, usize)> = response
        .topics
        .iter()
        .map(|topic| (topic.error_code, topic.partitions.len()))
        .collect();
    let invalid = ErrorCode::InvalidTopicException.code();
    // What is asked about twice is answered once.
    assert_eq!(found, [(0, 1), (invalid, 0), (0, 1), (invalid, 0)]);
    let answer = broker.produce(socket, "fresh", 0, b"x");
    assert_eq!(answer.error_code, 0);

    let mut request = named(&["not made"]);
    request.allow_auto_topic_creation = false;
    let response = broker.ask(socket, &request, 9);
    assert_eq!(response.topics[0].error_code, invalid);
}

#[test]
fn a_created_topic_is_known_to_every_shard_before_the_answer() {
    let mut broker = Broker::start(3);
    let admin = broker.connect_to(2);
    let others: Vec<_> = (0..3).map(|shard| broker.connect_to(shard)).collect();
    for round in 0..20 {
        let topic = format!("t{round}");
        let response = broker.ask(admin, &creation(&topic, 3, &[]), 7);
        assert_eq!(response.topics[0].error_code, 0);
        for socket in &others {
            for partition in 0..3 {
                let answer = broker.produce(*socket, &topic, partition, b"x");
                assert_eq!(answer.error_code, 0);
            }
        }
    }
}

#[test]
fn create_topics_says_what_it_made() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();

    let made = broker.ask(socket, &creation("t", 3, &[("retention.ms", "1000")]), 7);
    let topic = &made.topics[0];
    assert_eq!((topic.error_code, topic.num_partitions), (0, 3));
    let configs = topic.configs.as_ref().expect("configs are shown");
    let set: Vec<_> = configs
        .iter()
        .filter(|config| config.config_source == 1)
        .collect();
    assert_eq!(set.len(), 1);
    assert!(configs.len() > 20, "defaults are shown too");
}

#[test]
fn create_topics_says_why_it_made_nothing() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let with = |change: fn(&mut CreatableTopic)| {
        let mut request = creation("u", 1, &[]);
        change(&mut request.topics[0]);
        request
    };
    let assigned = |brokers: &[i32]| {
        let mut request = creation("u", -1, &[]);
        let brokers = brokers.iter().map(|id| BrokerId(*id)).collect();
        request.topics[0].assignments =
            vec![CreatableReplicaAssignment::default().with_broker_ids(brokers)];
        request
    };
    let mut twice = creation("u", 1, &[]);
    twice.topics.push(twice.topics[0].clone());
    let cases = [
        (creation("t", 1, &[]), ErrorCode::TopicAlreadyExists),
        (creation("a b", 1, &[]), ErrorCode::InvalidTopicException),
        (creation("u", 0, &[]), ErrorCode::InvalidPartitions),
        (creation("u", 1 << 30, &[]), ErrorCode::InvalidPartitions),
        (
            with(|topic| topic.replication_factor = 3),
            ErrorCode::InvalidReplicationFactor,
        ),
        (
            with(|topic| topic.replication_factor = 0),
            ErrorCode::InvalidReplicationFactor,
        ),
        (
            creation("u", 1, &[("no.such", "1")]),
            ErrorCode::InvalidConfig,
        ),
        (
            creation("u", 1, &[("retention.ms", "soon")]),
            ErrorCode::InvalidConfig,
        ),
        (assigned(&[1000, 1001]), ErrorCode::InvalidReplicaAssignment),
        (assigned(&[7]), ErrorCode::InvalidReplicaAssignment),
        (twice, ErrorCode::InvalidRequest),
        (assigned(&[1001]), ErrorCode::None),
    ];
    for (request, expected) in cases {
        let response = broker.ask(socket, &request, 7);
        let topic = &response.topics[0];
        assert_eq!(topic.error_code, expected.code(), "{topic:?}");
        assert_eq!(topic.error_message.is_some(), expected != ErrorCode::None);
    }
}

#[test]
fn validate_only_makes_nothing() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();

    let response = broker.ask(socket, &creation("t", 2, &[]).with_validate_only(true), 5);

    let topic = &response.topics[0];
    assert_eq!((topic.error_code, topic.num_partitions), (0, 2));
    let all = broker.ask(socket, &MetadataRequest::default().with_topics(None), 9);
    assert!(all.topics.is_empty());
}

#[test]
fn topics_are_deleted_by_name_and_by_id_and_come_back_empty() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    for round in 0..4 {
        broker.create_topic("t", 2);
        for partition in 0..2 {
            let answer = broker.produce(socket, "t", partition, b"gone soon");
            assert_eq!((answer.error_code, answer.base_offset), (0, 0), "{round}");
        }
        let all = broker.ask(socket, &MetadataRequest::default().with_topics(None), 12);
        let id = all.topics[0].topic_id;
        let response = if round % 2 == 0 {
            let request = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
            broker.ask(socket, &request, 4)
        } else {
            let state = DeleteTopicState::default()
                .with_name(None)
                .with_topic_id(id);
            let request = DeleteTopicsRequest::default().with_topics(vec![state]);
            broker.ask(socket, &request, 6)
        };
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
        let answer = broker.produce(socket, "t", 0, b"x");
        assert_eq!(answer.error_code, 3);
    }
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
    let response = broker.ask(socket, &request, 4);
    assert_eq!(response.responses[0].error_code, 3);
}

#[test]
fn the_small_requests_have_their_answers_in_every_version() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    for version in 0..=4 {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = StrBytes::from_static_str("test");
            request.client_software_version = StrBytes::from_static_str("1.0");
        }
        let response = broker.ask(socket, &request, version);
        assert_eq!(response.error_code, 0);
        let served = crate::wire::ApiSet::ENGINE.advertised();
        assert_eq!(response.api_keys, served);
    }
    for version in 0..=2 {
        let response = broker.ask(socket, &DescribeClusterRequest::default(), version);
        assert_eq!((response.error_code, response.brokers.len()), (0, 1));
        assert_eq!(response.cluster_id.as_str(), "a-cluster");
    }
    for version in 0..=6 {
        let key = StrBytes::from_static_str("group");
        let request = match version {
            0..=3 => FindCoordinatorRequest::default().with_key(key),
            _ => FindCoordinatorRequest::default().with_coordinator_keys(vec![key]),
        };
        let response = broker.ask(socket, &request, version);
        let (code, node) = match version {
            0..=3 => (response.error_code, response.node_id.0),
            _ => {
                let found = &response.coordinators[0];
                (found.error_code, found.node_id.0)
            }
        };
        assert_eq!((code, node), (0, 1000));
    }
    for version in 0..=5 {
        let id = TransactionalId(StrBytes::from_static_str("tx"));
        let request = InitProducerIdRequest::default().with_transactional_id(Some(id));
        let response = broker.ask(socket, &request, version);
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
    }
}

#[test]
fn a_coordinator_that_is_not_to_be_had_is_told_with_the_reason() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    for (version, kind) in [(1, 1), (3, 7), (4, 1), (6, -1)] {
        let key = StrBytes::from_static_str("key");
        let request = FindCoordinatorRequest::default().with_key_type(kind);
        let request = match version {
            0..=3 => request.with_key(key),
            _ => request.with_coordinator_keys(vec![key]),
        };
        let response = broker.ask(socket, &request, version);
        let found = response.coordinators.first();
        let said = found.map_or(response.error_message.as_ref(), |one| {
            one.error_message.as_ref()
        });
        let expected = match kind {
            1 => "no transactions on this broker yet",
            _ => "a group is 0, a transaction 1",
        };
        assert!(
            said.expect("words").contains(expected),
            "{version}: {said:?}"
        );
    }
}

#[test]
fn a_kept_reply_to_all_topics_is_forgotten_when_a_topic_comes() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    for count in 0..4 {
        for _ in 0..2 {
            let all = broker.ask(socket, &MetadataRequest::default().with_topics(None), 9);
            assert_eq!(all.topics.len(), count);
        }
        broker.create_topic(&format!("t{count}"), 1);
    }
}

#[test]
fn a_reply_with_many_partitions_takes_many_turns_and_others_are_answered_between() {
    let mut broker = Broker::start(2);
    broker.create_topic("large", 9_000);
    broker.create_topic("small", 3);
    let (asking, again, other) = (broker.connect(), broker.connect(), broker.connect());
    let all = MetadataRequest::default().with_topics(None);
    broker.pass(Span::millis(1));

    let first = broker.send(asking, &all, 12);
    let second = broker.send(again, &all, 12);
    let little = broker.send(other, &named(&["small"]), 12);

    let (id, _) = broker.reply::<MetadataRequest>(other, 12);
    assert_eq!(id, little);
    for (socket, expected) in [(asking, first), (again, second)] {
        let (id, reply) = broker.reply::<MetadataRequest>(socket, 12);
        assert_eq!(id, expected);
        let topics = reply.topics.iter();
        let counts = topics.map(|topic| (topic.name.clone(), topic.partitions.len()));
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [(Some(name("large")), 9_000), (Some(name("small")), 3)]
        );
        let indexes = reply.topics[0]
            .partitions
            .iter()
            .map(|own| own.partition_index);
        assert!(indexes.eq(0..9_000), "each once, in order");
    }
}

#[test]
fn a_topic_that_comes_while_a_long_reply_is_made_is_in_the_next_one() {
    let mut broker = Broker::start(1);
    broker.create_topic("large", 9_000);
    let (asking, other) = (broker.connect(), broker.connect());
    let all = MetadataRequest::default().with_topics(None);

    broker.send(asking, &all, 12);
    broker.send(other, &creation("late", 1, &[]), 7);
    let (_, created) = broker.reply::<CreateTopicsRequest>(other, 7);
    let (_, during) = broker.reply::<MetadataRequest>(asking, 12);
    let after = broker.ask(asking, &all, 12);

    assert_eq!(created.topics[0].error_code, 0);
    assert_eq!(during.topics[0].partitions.len(), 9_000);
    assert_eq!(after.topics.len(), 2, "no old reply was kept");
}

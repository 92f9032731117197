use super::*;
use crate::shard::layout::Layout;

/// A client that says who it is.
fn hello(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_string(name.to_owned()))
        .with_client_software_version(StrBytes::from_string(version.to_owned()))
}

/// A connection dealt to `shard`, of a client that keeps a connection per broker id.
fn java(broker: &mut Broker, shard: u16) -> SocketId {
    let socket = broker.connect_to(shard);
    broker.ask(socket, &hello("apache-kafka-java", "4.1.1"), 4);
    socket
}

fn metadata(broker: &mut Broker, socket: SocketId, topic: &str) -> MetadataResponse {
    let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    broker.ask(socket, &request, 12)
}

/// The leader of each partition, by its index.
fn leaders(broker: &mut Broker, socket: SocketId, topic: &str) -> Vec<i32> {
    let response = metadata(broker, socket, topic);
    let partitions = &response.topics[0].partitions;
    partitions.iter().map(|part| part.leader_id.0).collect()
}

/// A partition of `topic` that `shard` owns.
fn partition_of(broker: &mut Broker, topic: &str, shard: u16) -> i32 {
    let socket = java(broker, 0);
    let leaders = leaders(broker, socket, topic);
    let id = 1000 + i32::from(shard);
    leaders
        .iter()
        .position(|leader| *leader == id)
        .expect("one") as i32
}

fn counts(broker: &Broker, shard: u16) -> crate::shard::steer::SteeringCounts {
    broker.world.machine(ShardId(shard)).expect("up").steering
}

#[test]
fn a_client_that_copes_sees_a_broker_per_shard_and_others_see_one() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 6);
    let cases = [
        ("apache-kafka-java", "3.9.0", true),
        ("librdkafka", "2.12.0", true),
        ("librdkafka", "2.0.2", false),
        ("kafkajs", "2.2.4", false),
    ];

    for (software, version, sees_shards) in cases {
        let socket = broker.connect();
        broker.ask(socket, &hello(software, version), 3);
        let response = metadata(&mut broker, socket, "t");

        let ids: Vec<i32> = response.brokers.iter().map(|one| one.node_id.0).collect();
        let places: Vec<_> = response
            .brokers
            .iter()
            .map(|one| (one.host.to_string(), one.port))
            .collect();
        assert!(
            places
                .iter()
                .all(|place| *place == ("localhost".to_owned(), 9092))
        );
        for part in &response.topics[0].partitions {
            assert!(ids.contains(&part.leader_id.0), "{software}");
            assert_eq!(part.replica_nodes, [part.leader_id], "{software}");
            assert_eq!(part.isr_nodes, [part.leader_id], "{software}");
        }
        let mut seen: Vec<_> = response.topics[0]
            .partitions
            .iter()
            .map(|one| one.leader_id.0)
            .collect();
        seen.sort_unstable();
        seen.dedup();
        let expected: &[i32] = if sees_shards {
            &[1000, 1001, 1002]
        } else {
            &[1000]
        };
        assert_eq!(
            (ids.as_slice(), seen.as_slice()),
            (expected, expected),
            "{software}"
        );

        // Tools size replication factors by this one.
        let nodes = broker.ask(
            socket,
            &DescribeClusterRequest::default().with_endpoint_type(1),
            1,
        );
        assert_eq!(nodes.brokers.len(), 1);
    }
}

#[test]
fn a_connection_without_api_versions_is_one_of_the_client_that_has_introduced_itself() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let all = MetadataRequest::default().with_topics(None);
    let brokers = |broker: &mut Broker, socket| broker.ask(socket, &all, 12).brokers.len();
    let before = broker.connect_to(1);
    assert_eq!(brokers(&mut broker, before), 1, "nobody has said anything");

    let named = broker.connect_to(0);
    broker.ask(named, &hello("kgo", "1.16.1"), 3);
    let [silent, old] = [0; 2].map(|_| broker.connect_to(1));

    assert_eq!(brokers(&mut broker, silent), 2);
    // Without flexible headers: another client of the same name.
    assert_eq!(broker.ask(old, &all, 8).brokers.len(), 1);
    assert_eq!(brokers(&mut broker, old), 1, "nobody is judged twice");
    assert_eq!(brokers(&mut broker, before), 1);
}

#[test]
fn all_topics_are_answered_from_the_cache_of_ones_own_kind() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let all = MetadataRequest::default().with_topics(None);

    for _ in 0..2 {
        for (software, brokers) in [("apache-kafka-java", 2), ("kafkajs", 1)] {
            let socket = broker.connect_to(0);
            broker.ask(socket, &hello(software, "3.0.0"), 3);
            let response = broker.ask(socket, &all, 12);
            assert_eq!(response.brokers.len(), brokers, "{software}");
        }
    }
}

#[test]
fn a_connection_moves_to_the_shard_of_its_first_request_and_stays_there() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let partition = partition_of(&mut broker, "t", 1);
    let socket = java(&mut broker, 0);
    let before = counts(&broker, 1);

    for number in 0..50 {
        let answer = broker.produce(socket, "t", partition, b"x");
        assert_eq!((answer.error_code, answer.base_offset), (0, number));
    }

    let after = counts(&broker, 1);
    assert_eq!(after.arrived - before.arrived, 1);
    assert_eq!(after.own - before.own, 49);
    assert_eq!(counts(&broker, 0).over_mesh, 1);
    assert_eq!(broker.values(socket, "t", partition).len(), 50);
}

#[test]
fn a_client_that_sees_one_broker_is_served_over_the_mesh_and_never_moved() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let partition = partition_of(&mut broker, "t", 1);
    let socket = broker.connect_to(0);

    for _ in 0..200 {
        broker.produce(socket, "t", partition, b"x");
    }

    assert_eq!(counts(&broker, 1).arrived, 0);
    assert_eq!(counts(&broker, 0).over_mesh, 200);
}

#[test]
fn a_pipelining_client_is_brought_to_rest_and_loses_nothing() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let partition = partition_of(&mut broker, "t", 1);
    let socket = java(&mut broker, 0);

    let mut sent = Vec::new();
    for number in 0..500 {
        let batch = batch_of(format!("{number}").as_bytes());
        sent.push(broker.send(socket, &produce_of("t", partition, -1, batch), 9));
    }

    for (offset, id) in sent.into_iter().enumerate() {
        let (replied, response) = broker.reply::<ProduceRequest>(socket, 9);
        assert_eq!(replied, id, "replies out of order");
        let part = &response.responses[0].partition_responses[0];
        assert_eq!((part.error_code, part.base_offset), (0, offset as i64));
    }
    assert_eq!(counts(&broker, 1).arrived, 1);
    let moved = counts(&broker, 1).own;
    assert!(
        moved > 400,
        "{moved} of 500 requests were served after the move"
    );
}

#[test]
fn a_fetch_that_waits_moves_its_connection_once_it_is_answered() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let partition = partition_of(&mut broker, "t", 1);
    let (consumer, producer) = (java(&mut broker, 0), java(&mut broker, 1));

    let fetch = fetch_of(&[("t", partition, 0)], 5_000, 1);
    broker.send(consumer, &fetch, 11);
    broker.pass(Span::millis(100));
    broker.produce(producer, "t", partition, b"first");

    let (_, response) = broker.reply::<FetchRequest>(consumer, 11);
    let part = &response.responses[0].partitions[0];
    assert_eq!(values_in(part.records.as_ref()), [b"first"]);
    assert_eq!(broker.values(consumer, "t", partition), [b"first"]);
    assert_eq!(counts(&broker, 1).arrived, 1);
}

#[test]
fn a_stop_in_the_middle_of_moves_answers_what_is_owed() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 8);
    let partition = partition_of(&mut broker, "t", 1);
    let sockets: Vec<_> = (0..20).map(|_| java(&mut broker, 0)).collect();

    let mut sent = Vec::new();
    for socket in &sockets {
        let request = produce_of("t", partition, -1, batch_of(b"x"));
        sent.push((*socket, broker.send(*socket, &request, 9)));
    }
    broker.pass(Span(700_000));
    broker.world.stop();
    broker.pass(Span::seconds(12));

    assert_eq!(broker.stopped, Some(0));
    let mut offsets = Vec::new();
    for (socket, id) in sent {
        // Who was asked before the stop is answered; who was still on its way is closed.
        if let Some(frame) = broker.frame_within(socket, PATIENCE) {
            assert_eq!(client::correlation_id(&frame), Some(id));
            let (_, response) = client::decode::<ProduceRequest>(9, frame).expect("it decodes");
            let part = &response.responses[0].partition_responses[0];
            assert_eq!(part.error_code, 0);
            offsets.push(part.base_offset);
        }
    }
    offsets.sort_unstable();
    offsets.dedup();
    broker.boot(2);
    let socket = broker.connect();
    let kept = broker.values(socket, "t", partition).len();
    assert!(kept >= offsets.len(), "{kept} kept of {offsets:?}");
}

#[test]
fn the_layout_core_shows_shards_to_everybody_and_node_to_nobody() {
    for (layout, brokers) in [(Layout::Core, 2), (Layout::Node, 1)] {
        let change: fn(&mut ShardConfig) = match layout {
            Layout::Core => |config| config.layout = Layout::Core,
            _ => |config| config.layout = Layout::Node,
        };
        let mut broker = Broker::start_with(2, change);
        broker.create_topic("t", 2);

        let silent = broker.connect();
        assert_eq!(metadata(&mut broker, silent, "t").brokers.len(), brokers);
        let socket = java(&mut broker, 0);
        assert_eq!(metadata(&mut broker, socket, "t").brokers.len(), brokers);
    }
}

/// Three shards with a port each; otherwise more than have ids.
fn with_ports() -> Broker {
    let mut broker = Broker::start_with(3, |config| {
        config.layout = Layout::Ports;
        config.ids_max = 2;
    });
    broker.create_topic("t", 6);
    broker
}

/// The ids of those shards, and their ports.
const PLACES: [(i32, i32); 3] = [(1000, 9092), (1001, 9093), (1002, 9094)];

#[test]
fn with_ports_every_client_sees_each_shard_at_its_own_and_the_node_at_the_first() {
    let mut broker = with_ports();
    let silent = broker.connect();
    let old = broker.connect();
    broker.ask(old, &hello("librdkafka", "2.0.2"), 3);

    for socket in [silent, old] {
        let all = MetadataRequest::default().with_topics(None);
        let one = metadata(&mut broker, socket, "t");
        for response in [one, broker.ask(socket, &all, 12)] {
            let brokers = response.brokers.iter();
            let found: Vec<_> = brokers.map(|one| (one.node_id.0, one.port)).collect();
            assert_eq!(found, PLACES);
            assert_eq!(response.controller_id.0, 1000);
        }
        let mut leaders = leaders(&mut broker, socket, "t");
        leaders.sort_unstable();
        assert_eq!(leaders, [1000, 1000, 1001, 1001, 1002, 1002]);
        let request = DescribeClusterRequest::default().with_endpoint_type(1);
        let nodes = broker.ask(socket, &request, 1).brokers;
        let found: Vec<_> = nodes
            .iter()
            .map(|one| (one.broker_id.0, one.port))
            .collect();
        assert_eq!(found, PLACES[..1]);
    }
}

#[test]
fn with_ports_a_coordinator_is_told_with_the_port_of_its_shard() {
    let mut broker = with_ports();
    let socket = broker.connect();
    let mut seen = std::collections::BTreeSet::new();

    for number in 0..20 {
        let key = text(&format!("group-{number}"));
        let alone = FindCoordinatorRequest::default().with_key(key.clone());
        let found = broker.ask(socket, &alone, 3);
        let among = FindCoordinatorRequest::default().with_coordinator_keys(vec![key]);
        let listed = broker.ask(socket, &among, 4).coordinators[0].clone();

        let place = (found.node_id.0, found.port);
        assert_eq!((listed.node_id.0, listed.port), place);
        seen.insert(place);
    }

    assert_eq!(seen.into_iter().collect::<Vec<_>>(), PLACES);
}

#[test]
fn with_ports_a_connection_stays_whatever_it_asks_for() {
    let mut broker = with_ports();
    let partition = partition_of(&mut broker, "t", 1);
    let socket = java(&mut broker, 0);
    let mut fetch = fetch_of(&[("t", partition, 0)], 0, 0);
    fetch.session_epoch = 0;
    let session = broker.ask(socket, &fetch, 11).session_id;
    assert_ne!(session, 0, "it will not leave, so it has a session at once");

    for _ in 0..200 {
        broker.produce(socket, "t", partition, b"x");
    }

    let arrived: u64 = (0..3).map(|shard| counts(&broker, shard).arrived).sum();
    assert_eq!(arrived, 0);
    assert!(counts(&broker, 0).over_mesh >= 200);
}

#[test]
fn a_groups_coordinator_is_the_shard_of_its_offsets_and_its_connection_moves_there() {
    let mut broker = Broker::start(2);
    let mut seen = std::collections::BTreeSet::new();
    let probe = java(&mut broker, 0);
    let find = |group: &str| {
        FindCoordinatorRequest::default()
            .with_key_type(0)
            .with_coordinator_keys(vec![StrBytes::from_string(group.to_owned())])
    };

    for number in 0..20 {
        let group = format!("group-{number}");
        let found = broker.ask(probe, &find(&group), 4).coordinators[0].clone();
        assert_eq!(found.error_code, 0, "{found:?}");
        seen.insert(found.node_id.0);
        let owner = (found.node_id.0 - 1000) as u16;
        let socket = java(&mut broker, 1 - owner);
        let before = counts(&broker, owner);

        let heartbeat = HeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group)))
            .with_member_id(StrBytes::from_static_str("nobody"));
        for _ in 0..2 {
            let code = broker.ask(socket, &heartbeat, 4).error_code;
            assert_eq!(code, crate::wire::ErrorCode::UnknownMemberId.code());
        }

        let after = counts(&broker, owner);
        assert_eq!(after.arrived - before.arrived, 1);
        assert_eq!(after.own - before.own, 1);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [1000, 1001]);
    let plain = broker.connect();
    let found = broker.ask(plain, &find("group-1"), 4);
    assert_eq!(found.coordinators[0].node_id.0, 1000);
}

#[test]
fn no_fetch_session_begins_on_a_connection_that_is_about_to_move() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let partition = partition_of(&mut broker, "t", 1);
    let socket = java(&mut broker, 0);
    let mut fetch = fetch_of(&[("t", partition, 0)], 0, 0);
    fetch.session_epoch = 0;

    let first = broker.ask(socket, &fetch, 11);
    assert_eq!((first.error_code, first.session_id), (0, 0));
    let second = broker.ask(socket, &fetch, 11);
    assert_ne!(second.session_id, 0, "it has moved, and has its session");

    let go_on = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_session_id(second.session_id)
        .with_session_epoch(1)
        .with_max_bytes(1 << 20);
    let third = broker.ask(socket, &go_on, 11);
    assert_eq!((third.error_code, third.session_id), (0, second.session_id));
}

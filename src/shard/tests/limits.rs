use super::*;
use crate::admin::{BrokerConfig, BrokerKey};
use crate::base::limits::{HANDSHAKE_WAIT, IDLE_WAIT, LINGER_WAIT, STALLED_SEND_WAIT};

#[test]
fn a_connection_that_says_nothing_is_closed_after_the_handshake_time() {
    let mut broker = Broker::start(1);
    let (silent, half) = (broker.connect(), broker.connect());
    broker
        .world
        .send(half, Bytes::from_static(&[0, 0, 0, 50, 0]));

    broker.pass(Span(HANDSHAKE_WAIT.0 - 1_000_000_000));
    assert!(broker.closed.is_empty());
    broker.pass(Span::seconds(2));

    assert!(broker.closed.contains(&silent));
    assert!(broker.closed.contains(&half));
}

#[test]
fn an_idle_connection_is_closed_and_a_waiting_fetch_is_not_idle() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let (idle, busy) = (broker.connect(), broker.connect());
    for socket in [idle, busy] {
        broker.ask(socket, &ApiVersionsRequest::default(), 0);
    }

    for _ in 0..IDLE_WAIT.0 / Span::seconds(30).0 + 5 {
        let response = broker.ask(busy, &fetch_of(&[("t", 0, 0)], 30_000, 1), 11);
        assert_eq!(response.responses[0].partitions[0].error_code, 0);
    }

    assert!(broker.closed.contains(&idle));
    assert!(!broker.closed.contains(&busy));
}

#[test]
fn a_client_that_never_reads_is_closed_and_holds_a_bounded_amount() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let (reader, writer) = (broker.connect(), broker.connect());
    for _ in 0..8 {
        broker.produce(writer, "t", 0, &[7; 900_000]);
    }
    broker.world.stall(reader, true);
    for _ in 0..60 {
        let request = fetch_of(&[("t", 0, 0)], 0, 1);
        broker.send(reader, &request, 11);
    }

    broker.pass(Span(STALLED_SEND_WAIT.0 * 2 + 5_000_000_000));

    assert!(broker.closed.contains(&reader));
    assert_eq!(broker.produce(writer, "t", 0, b"alive").error_code, 0);
}

#[test]
fn many_slow_readers_hold_a_bounded_amount_and_others_get_on() {
    let memory = ByteCount::mib(110);
    let mut broker = Broker::start_with(1, |config| config.request_memory = ByteCount::mib(110));
    broker.create_topic("t", 1);
    let (writer, honest) = (broker.connect(), broker.connect());
    for _ in 0..40 {
        broker.produce(writer, "t", 0, &[7; 900_000]);
    }
    let lent = |broker: &Broker| {
        let machine = broker.world.machine(ShardId(0)).expect("it is up");
        machine.connections.replies.lent()
    };
    let everything = |min_bytes| {
        let mut request = fetch_of(&[("t", 0, 0)], 20_000, min_bytes).with_max_bytes(i32::MAX);
        request.topics[0].partitions[0].partition_max_bytes = i32::MAX;
        request
    };
    let slow: Vec<SocketId> = (0..50).map(|_| broker.connect()).collect();
    for socket in &slow {
        broker.world.stall(*socket, true);
        broker.send(*socket, &everything(1), 11);
    }

    broker.pass(Span::seconds(1));

    let first_batches = slow.len() as u64 * 1_000_000;
    assert!(lent(&broker) > memory.0 / 4, "they hold {}", lent(&broker));
    assert!(
        lent(&broker) < memory.0 + first_batches,
        "they hold {}",
        lent(&broker)
    );
    // It asks for more than there is left: what it is sent is less, and at once.
    let began = broker.world.now();
    let response = broker.ask(honest, &everything(30_000_000), 11);
    let records = response.responses[0].partitions[0].records.as_ref();
    assert!(!values_in(records).is_empty());
    assert!(broker.world.now().since(began) < Span::seconds(1));

    broker.pass(Span(STALLED_SEND_WAIT.0 * 2 + 5_000_000_000));
    assert!(slow.iter().any(|socket| broker.closed.contains(socket)));
    assert_eq!(lent(&broker), 0);
}

#[test]
fn a_thousand_pipelined_requests_are_all_answered_in_order() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    let mut ids = Vec::new();
    for number in 0..1_000 {
        ids.push(match number % 3 {
            0 => broker.send(socket, &produce_of("t", 0, 1, batch_of(b"p")), 9),
            1 => broker.send(socket, &fetch_of(&[("t", 1, 0)], 1, 1), 11),
            _ => broker.send(socket, &MetadataRequest::default(), 9),
        });
    }

    for id in ids {
        let frame = broker.frame_within(socket, PATIENCE).expect("a reply");
        assert_eq!(client::correlation_id(&frame), Some(id));
    }
}

#[test]
fn a_frame_that_comes_byte_by_byte_is_understood() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    let frame = client::encode(&ApiVersionsRequest::default(), 0, 5, "slow").unwrap();
    for at in 0..frame.len() {
        broker.world.send(socket, frame.slice(at..at + 1));
        broker.pass(Span::millis(1));
    }

    let (id, _) = broker.reply::<ApiVersionsRequest>(socket, 0);

    assert_eq!(id, 5);
}

#[test]
fn a_peer_that_finishes_sending_still_gets_its_replies() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for partition in 0..2 {
        broker.send(socket, &produce_of("t", partition, -1, batch_of(b"bye")), 9);
    }
    broker.world.finish_sending(socket);

    for _ in 0..2 {
        let (_, response) = broker.reply::<ProduceRequest>(socket, 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    assert!(broker.is_closed(socket));
}

#[test]
fn when_memory_is_short_large_frames_take_turns_and_all_finish() {
    let mut broker = Broker::start(1);
    broker.create_topic_with("t", 1, &[("max.message.bytes", "8388608")]);
    let sockets: Vec<_> = (0..60).map(|_| broker.connect()).collect();
    let request = produce_of("t", 0, -1, batch_of(&vec![7; 6 << 20]));
    let frame = client::encode(&request, 9, 1, "big").unwrap();
    let (front, back) = (frame.slice(..5 << 20), frame.slice(5 << 20..));
    sockets
        .iter()
        .for_each(|socket| broker.world.send(*socket, front.clone()));
    broker.pass(Span::millis(100));
    sockets
        .iter()
        .for_each(|socket| broker.world.send(*socket, back.clone()));

    for socket in sockets {
        let (_, response) = broker.reply::<ProduceRequest>(socket, 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
}

#[test]
fn clients_that_stop_in_the_middle_of_a_frame_do_not_stop_the_others() {
    let mut broker = Broker::start_with(1, |config| config.request_memory = ByteCount::mib(110));
    broker.create_topic("t", 1);
    let honest = broker.connect();
    let mut front = (90_i32 << 20).to_be_bytes().to_vec();
    front.resize(3 << 20, 0);
    let front = Bytes::from(front);
    for _ in 0..60 {
        let hostile = broker.connect();
        broker.world.send(hostile, front.clone());
    }
    broker.pass(Span::seconds(1));

    let began = broker.world.now();
    for _ in 0..20 {
        assert_eq!(broker.produce(honest, "t", 0, &[7; 500_000]).error_code, 0);
    }

    assert!(broker.world.now().since(began) < Span::seconds(30));
}

#[test]
fn ten_thousand_idle_sockets_harm_nobody_and_own_no_memory() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let honest = broker.connect();
    for _ in 0..10_000 {
        broker.connect();
    }
    broker.pass(Span::seconds(1));

    assert_eq!(broker.produce(honest, "t", 0, b"x").error_code, 0);
    for shard in 0..2 {
        let machine = broker.world.machine(ShardId(shard)).expect("it is up");
        assert_eq!(machine.connections.memory.held(), 0);
    }
    broker.pass(Span(HANDSHAKE_WAIT.0 + 1_000_000_000));
    assert_eq!(broker.closed.len(), 10_000);
}

#[test]
fn a_refused_connection_gets_what_it_was_owed_and_is_gone_soon_whatever_it_still_sends() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let id = broker.send(socket, &produce_of("t", 0, -1, batch_of(b"owed")), 9);
    broker.world.send(socket, Bytes::from_static(&[255; 4]));
    broker.world.send(socket, Bytes::from(vec![0; 100_000]));

    let (replied, response) = broker.reply::<ProduceRequest>(socket, 9);
    assert_eq!(replied, id);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    assert!(broker.is_closed(socket));
    broker.pass(Span(LINGER_WAIT.0 + 1_000_000_000));

    for shard in 0..2 {
        let machine = broker.world.machine(ShardId(shard)).expect("it is up");
        let connection = crate::runtime::ConnectionId(socket.0);
        assert!(machine.connections.get(connection).is_none());
    }
}

fn with_three_connections(config: &mut ShardConfig) {
    let mut broker = BrokerConfig::default();
    let key = BrokerKey::find("max.connections").expect("a key");
    broker.set(key, "3").expect("a value");
    config.follow(std::sync::Arc::new(broker));
}

#[test]
fn one_connection_too_many_is_closed_whichever_shard_it_comes_to() {
    let mut broker = Broker::start_with(3, with_three_connections);
    let mut sockets: Vec<_> = (0..3).map(|_| broker.connect()).collect();
    let serve = |broker: &mut Broker, socket| {
        let response = broker.ask(socket, &ApiVersionsRequest::default(), 0);
        assert_eq!(response.error_code, 0);
    };
    sockets
        .iter()
        .for_each(|socket| serve(&mut broker, *socket));
    for _ in 0..6 {
        let refused = broker.connect();
        broker.send(refused, &ApiVersionsRequest::default(), 0);
        assert!(broker.frame_within(refused, Span::seconds(1)).is_none());
        assert!(broker.closed.contains(&refused));

        // Whoever goes makes room.
        let gone = sockets.remove(0);
        broker.world.finish_sending(gone);
        assert!(broker.is_closed(gone));
        let next = broker.connect();
        serve(&mut broker, next);
        sockets.push(next);
    }
}

fn with(config: &mut ShardConfig, name: &str, value: &str) {
    let mut broker = BrokerConfig::default();
    let key = BrokerKey::find(name).expect("a key");
    broker.set(key, value).expect("a value");
    config.follow(std::sync::Arc::new(broker));
}

/// A connection that asked once, after so long; and one that never asked.
fn idle_for(change: fn(&mut ShardConfig), span: Span) -> (bool, bool) {
    let mut broker = Broker::start_with(1, change);
    let (idle, silent) = (broker.connect(), broker.connect());
    broker.ask(idle, &ApiVersionsRequest::default(), 0);
    broker.pass(span);
    let closed = |socket| broker.closed.contains(&socket);
    (closed(idle), closed(silent))
}

#[test]
fn below_none_connections_may_be_idle_for_ever_but_not_without_a_first_request() {
    let never = |config: &mut ShardConfig| with(config, "connections.max.idle.ms", "-1");
    let least = |config: &mut ShardConfig| {
        with(config, "connections.max.idle.ms", "-9223372036854775808");
    };
    let days = Span::seconds(3 * 86_400);

    assert_eq!(idle_for(never, days), (false, true));
    assert_eq!(idle_for(least, days), (false, true));
    assert_eq!(idle_for(|_| {}, days), (true, true));
}

#[test]
fn a_short_idle_time_holds_as_well_as_a_long_one() {
    let soon = |config: &mut ShardConfig| with(config, "connections.max.idle.ms", "3000");
    let least = |config: &mut ShardConfig| with(config, "connections.max.idle.ms", "101");
    let longest = |config: &mut ShardConfig| {
        with(config, "connections.max.idle.ms", "9223372036854775807");
    };

    assert_eq!(idle_for(soon, Span::millis(2_900)), (false, false));
    assert_eq!(idle_for(soon, Span::millis(3_100)), (true, false));
    assert_eq!(idle_for(least, Span::seconds(1)), (true, false));
    assert_eq!(idle_for(longest, Span::seconds(86_400)), (false, true));
}

#[test]
fn a_connection_is_idle_from_its_last_reply_on_however_long_that_took() {
    let least = |config: &mut ShardConfig| with(config, "connections.max.idle.ms", "101");
    let mut broker = Broker::start_with(1, least);
    broker.create_topic("t", 1);
    let socket = broker.connect();

    let response = broker.ask(socket, &fetch_of(&[("t", 0, 0)], 20_000, 1), 11);
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
    broker.pass(Span::millis(90));
    assert!(!broker.closed.contains(&socket), "idle since its request");
    broker.pass(Span::millis(20));
    assert!(broker.closed.contains(&socket));
}

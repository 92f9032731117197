use super::*;
use crate::wire::ErrorCode;

#[test]
fn a_produce_is_not_answered_before_its_flush_completes() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    broker.produce(socket, "t", 0, b"warm");

    broker.answers_after_the_flush(socket, &produce_of("t", 0, -1, batch_of(b"slow")), 9);
}

#[test]
fn what_is_not_flushed_is_not_fetched() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let (writer, reader) = (broker.connect(), broker.connect());
    let slow = DiskFaults {
        slow: 1,
        latency_max: Span::seconds(1),
        ..DiskFaults::NONE
    };
    broker.world.disk(ShardId(0)).set_faults(slow);

    broker.send(writer, &produce_of("t", 0, -1, batch_of(b"slow")), 9);
    let early = broker.ask(reader, &fetch_of(&[("t", 0, 0)], 100, 1), 11);

    assert_eq!(early.responses[0].partitions[0].high_watermark, 0);
    assert!(values_in(early.responses[0].partitions[0].records.as_ref()).is_empty());
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_on_any_number_of_cores() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 6);
    let mut expected = vec![Vec::new(); 6];
    for cores in [1, 3, 2] {
        let socket = broker.connect();
        for round in 0..10 {
            for (partition, values) in (0..).zip(&mut expected) {
                let value = format!("{cores} {partition} {round}").into_bytes();
                let answer = broker.produce(socket, "t", partition, &value);
                assert_eq!(answer.error_code, 0);
                values.push(value);
            }
        }
        broker.send(socket, &produce_of("t", 0, -1, batch_of(b"unknown")), 9);

        broker.world.crash(true);
        broker.boot(cores);

        let socket = broker.connect();
        for (partition, values) in (0..).zip(&mut expected) {
            let found = broker.values(socket, "t", partition);
            assert!(found.starts_with(values), "partition {partition}");
            *values = found;
        }
    }
}

#[test]
fn a_stop_answers_what_is_owed_and_the_next_start_has_it() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let (left, right) = (broker.connect_to(0), broker.connect_to(1));
    for (socket, partition) in [(left, 1), (right, 0)] {
        broker.send(
            socket,
            &produce_of("t", partition, -1, batch_of(b"last")),
            9,
        );
    }
    broker.send(left, &fetch_of(&[("t", 0, 0)], 20_000, 1 << 20), 11);
    broker.pass(Span::millis(1));

    broker.world.stop();
    let began = broker.world.now();
    for socket in [left, right] {
        let (_, response) = broker.reply::<ProduceRequest>(socket, 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    assert!(broker.frame_within(left, PATIENCE).is_some());
    while broker.stopped.is_none() {
        assert!(broker.world.now().since(began) < Span::seconds(10));
        broker.pass(Span::millis(10));
    }

    assert_eq!(broker.stopped, Some(0));
    broker.boot(2);
    let socket = broker.connect();
    assert_eq!(broker.values(socket, "t", 0), [b"last"]);
    assert_eq!(broker.values(socket, "t", 1), [b"last"]);
}

#[test]
fn a_failed_device_answers_its_producers_and_leaves_its_partitions_without_a_leader() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect_to(0);
    let failing = DiskFaults {
        write_error: 1,
        ..DiskFaults::NONE
    };
    broker.world.disk(ShardId(1)).set_faults(failing);

    let codes: Vec<i16> = (0..2)
        .map(|partition| broker.produce(socket, "t", partition, b"x").error_code)
        .collect();
    let storage = ErrorCode::KafkaStorageError.code();
    assert!(codes == [0, storage] || codes == [storage, 0], "{codes:?}");
    broker.pass(Span::millis(10));
    let all = broker.ask(socket, &MetadataRequest::default().with_topics(None), 12);

    let leaders: Vec<i32> = all.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.leader_id.0)
        .collect();
    assert!(
        leaders == [1000, -1] || leaders == [-1, 1000],
        "{leaders:?}"
    );
    assert_eq!(broker.stopped, None);
}

#[test]
fn when_shard_0s_device_fails_the_process_ends_with_74() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    let failing = DiskFaults {
        write_error: 1,
        ..DiskFaults::NONE
    };
    broker.world.disk(ShardId(0)).set_faults(failing);

    for partition in 0..2 {
        broker.send(socket, &produce_of("t", partition, -1, batch_of(b"x")), 9);
    }
    broker.pass(Span::seconds(11));

    assert_eq!(broker.stopped, Some(74));
}

#[test]
fn a_topic_that_asks_for_less_is_acknowledged_when_written() {
    let mut broker = Broker::start(1);
    broker.create_topic_with("relaxed", 1, &[("flush.messages", "1000000")]);
    let socket = broker.connect();
    for number in 0..20 {
        let answer = broker.produce(socket, "relaxed", 0, &[number]);
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (0, i64::from(number))
        );
    }

    broker.world.crash(false);
    broker.boot(1);

    let socket = broker.connect();
    assert_eq!(
        broker.values(socket, "relaxed", 0).len(),
        20,
        "a kill lost some"
    );
}

#[test]
fn a_full_disk_refuses_producers_and_serves_readers() {
    let faults = DiskFaults {
        capacity: ByteCount::mib(64),
        ..DiskFaults::NONE
    };
    let mut broker = Broker::start_on(1, faults);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let mut appended = 0;
    let refused = (0..200).find_map(|_| {
        let answer = broker.produce(socket, "t", 0, &[7; 900_000]);
        appended += i64::from(answer.error_code == 0);
        (answer.error_code != 0).then_some(answer.error_code)
    });

    assert_eq!(refused, Some(ErrorCode::KafkaStorageError.code()));
    assert_eq!(broker.values(socket, "t", 0).len() as i64, appended);
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
    let deleted = broker.ask(socket, &request, 5);
    assert_eq!(deleted.responses[0].error_code, 0);
    broker.pass(Span::seconds(20));
    broker.create_topic("again", 1);
    assert_eq!(broker.produce(socket, "again", 0, b"x").error_code, 0);
}

#[test]
fn an_idle_broker_stops_at_once() {
    let mut broker = Broker::start(2);
    broker.pass(Span::seconds(5));
    let began = broker.world.now();

    broker.world.stop();
    while broker.stopped.is_none() {
        broker.pass(Span::millis(1));
    }

    assert!(broker.world.now().since(began) < Span::millis(100));
}

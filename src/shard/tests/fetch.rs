use super::*;
use crate::base::WallMs;
use crate::wire::ErrorCode;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};

#[test]
fn a_waiting_fetch_is_woken_by_a_produce_through_another_shard() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let (reader, writer) = (broker.connect_to(0), broker.connect_to(1));
    for partition in 0..2 {
        let parts = [("t", 0, partition), ("t", 1, 0)];
        let began = broker.world.now();
        broker.send(reader, &fetch_of(&parts, 20_000, 1), 11);
        broker.pass(Span::millis(200));
        broker.produce(writer, "t", partition as i32, b"news");

        let (_, response) = broker.reply::<FetchRequest>(reader, 11);

        assert!(broker.world.now().since(began) < Span::seconds(1));
        let values: Vec<_> = response
            .responses
            .iter()
            .flat_map(|topic| values_in(topic.partitions[0].records.as_ref()))
            .collect();
        assert_eq!(values, [b"news"]);
    }
}

#[test]
fn a_fetch_with_too_little_data_is_answered_at_its_deadline() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let socket = broker.connect();
    broker.produce(socket, "t", 0, b"little");
    let parts = [("t", 0, 0), ("t", 1, 0), ("t", 2, 0), ("t", 3, 0)];
    let began = broker.world.now();

    let response = broker.ask(socket, &fetch_of(&parts, 500, 1_000_000), 11);

    let waited = broker.world.now().since(began);
    assert!(waited >= Span::millis(500), "{waited:?}");
    assert!(waited < Span::millis(600), "{waited:?}");
    let records = response.responses[0].partitions[0].records.as_ref();
    assert_eq!(values_in(records), [b"little"]);
}

#[test]
fn min_bytes_holds_for_the_whole_fetch_over_all_shards() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let (reader, writer) = (broker.connect_to(0), broker.connect_to(1));
    broker.send(
        reader,
        &fetch_of(&[("t", 0, 0), ("t", 1, 0)], 20_000, 2_500),
        11,
    );
    for round in 0..4 {
        assert!(broker.frame_within(reader, Span::millis(50)).is_none());
        broker.produce(writer, "t", round % 2, &[7; 600]);
    }

    let (_, response) = broker.reply::<FetchRequest>(reader, 11);

    let bytes: usize = response
        .responses
        .iter()
        .filter_map(|topic| topic.partitions[0].records.as_ref())
        .map(Bytes::len)
        .sum();
    assert!(bytes >= 2_500, "{bytes}");
}

#[test]
fn a_fetch_over_all_shards_is_woken_whenever_the_records_come() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 3);
    let reader = broker.connect_to(0);
    let writers = [1, 2].map(|shard| broker.connect_to(shard));
    let news = batch_of(b"news");
    let all_bytes = 3 * news.len() as i32;

    // From before the shards have the question until long after.
    for step in 0..200 {
        let began = broker.world.now();
        let parts = [0, 1, 2].map(|partition| ("t", partition, step));
        broker.send(reader, &fetch_of(&parts, 20_000, all_bytes), 11);
        broker.pass(Span(step as u64 * 5_000));
        for partition in 0..3 {
            let request = produce_of("t", partition, -1, news.clone());
            broker.send(writers[partition as usize % 2], &request, 9);
        }

        let (_, response) = broker.reply::<FetchRequest>(reader, 11);

        let waited = broker.world.now().since(began);
        assert!(waited < Span::seconds(1), "step {step}: {waited:?}");
        let topics = response.responses.iter();
        let parts = topics.flat_map(|topic| &topic.partitions);
        let found: usize = parts
            .map(|part| values_in(part.records.as_ref()).len())
            .sum();
        assert_eq!(found, 3, "step {step}");
        for writer in [0, 0, 1].map(|at| writers[at]) {
            broker.reply::<ProduceRequest>(writer, 9);
        }
    }
}

#[test]
fn the_first_batch_comes_whole_and_limits_hold_for_the_rest() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for partition in 0..2 {
        for _ in 0..5 {
            broker.produce(socket, "t", partition, &[1; 10_000]);
        }
    }
    let counts = |broker: &mut Broker, max_bytes| {
        let request = fetch_of(&[("t", 0, 0), ("t", 1, 0)], 0, 1).with_max_bytes(max_bytes);
        let response = broker.ask(socket, &request, 11);
        let parts = response.responses.iter();
        let counts = parts.map(|topic| values_in(topic.partitions[0].records.as_ref()).len());
        counts.collect::<Vec<_>>()
    };

    assert_eq!(counts(&mut broker, 1), [1, 0]);
    assert_eq!(counts(&mut broker, 25_000), [2, 0]);
    assert_eq!(counts(&mut broker, 75_000), [5, 2]);
    assert_eq!(counts(&mut broker, 1_000_000), [5, 5]);
}

#[test]
fn errors_of_a_fetch_are_answered_at_once_and_per_partition() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let cases = [
        (("t", 0, 0), ErrorCode::None),
        (("t", 0, 5), ErrorCode::OffsetOutOfRange),
        (("t", 0, -1), ErrorCode::OffsetOutOfRange),
        (("t", 9, 0), ErrorCode::UnknownTopicOrPartition),
        (("none", 0, 0), ErrorCode::UnknownTopicOrPartition),
    ];
    let parts: Vec<_> = cases.iter().map(|(part, _)| *part).collect();
    let began = broker.world.now();

    let response = broker.ask(socket, &fetch_of(&parts, 20_000, 1), 11);

    assert!(broker.world.now().since(began) < Span::seconds(1));
    for (topic, (part, expected)) in response.responses.iter().zip(cases) {
        assert_eq!(topic.partitions[0].error_code, expected.code(), "{part:?}");
    }
}

#[test]
fn a_fetch_by_topic_id_finds_the_topic_and_says_when_there_is_none() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    broker.produce(socket, "t", 0, b"by id");
    let all = broker.ask(socket, &MetadataRequest::default().with_topics(None), 12);
    let id = all.topics[0].topic_id;

    for (id, expected) in [(id, 0), (uuid::Uuid::from_u128(5), 100)] {
        let mut request = fetch_of(&[("t", 0, 0)], 0, 1);
        request.topics[0].topic = TopicName::default();
        request.topics[0].topic_id = id;
        let response = broker.ask(socket, &request, 13);
        assert_eq!(response.responses[0].partitions[0].error_code, expected);
    }
}

#[test]
fn a_deleted_topic_ends_the_fetches_that_wait_for_it() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let (reader, admin) = (broker.connect_to(1), broker.connect_to(0));
    broker.send(
        reader,
        &fetch_of(&[("t", 0, 0), ("t", 1, 0)], 20_000, 1),
        11,
    );
    broker.pass(Span::millis(50));
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);

    let deleted = broker.ask(admin, &request, 5);
    let (_, response) = broker.reply::<FetchRequest>(reader, 11);

    assert_eq!(deleted.responses[0].error_code, 0);
    let codes: Vec<i16> = response
        .responses
        .iter()
        .map(|topic| topic.partitions[0].error_code)
        .collect();
    assert!(codes.contains(&3), "{codes:?}");
}

#[test]
fn list_offsets_knows_both_ends_and_finds_times() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for time in [10, 20, 30] {
        let batch = BatchBuilder::new()
            .value(1_760_000_000_000 + time, b"v")
            .build();
        let response = broker.ask(socket, &produce_of("t", 1, -1, batch), 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    let cases = [
        (-1, 3, 0),
        (-2, 0, 0),
        (-3, 2, 0),
        (-4, 0, 0),
        (-5, -1, 0),
        (1_760_000_000_015, 1, 0),
        (1_760_000_000_031, -1, 0),
        (-9, -1, ErrorCode::UnsupportedVersion.code()),
    ];

    for (time, offset, code) in cases {
        let part = ListOffsetsPartition::default()
            .with_partition_index(1)
            .with_timestamp(time);
        let topic = ListOffsetsTopic::default()
            .with_name(name("t"))
            .with_partitions(vec![part]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic]);
        let response = broker.ask(socket, &request, 9);
        let part = &response.topics[0].partitions[0];
        assert_eq!((part.offset, part.error_code), (offset, code), "{time}");
    }
}

#[test]
fn what_the_cache_has_given_up_is_read_from_the_disk() {
    let mut broker = Broker::start_with(2, |config| {
        config.journal.cache_bytes = ByteCount::mib(1);
    });
    broker.create_topic("t", 2);
    let socket = broker.connect();
    let expected: Vec<Vec<u8>> = (0..40).map(|number| vec![number; 300_000]).collect();
    for value in &expected {
        assert_eq!(broker.produce(socket, "t", 1, value).error_code, 0);
    }

    assert_eq!(broker.values(socket, "t", 1), expected);

    broker.world.crash(true);
    broker.boot(1);
    let socket = broker.connect();
    assert_eq!(broker.values(socket, "t", 1), expected);
}

#[test]
fn records_past_their_retention_are_given_up_and_said_to_be() {
    let mut broker = Broker::start(1);
    let configs = [("retention.ms", "60000"), ("segment.ms", "1000")];
    broker.create_topic_with("short", 1, &configs);
    broker.create_topic("long", 1);
    let socket = broker.connect();
    let now = broker.world.clocks().wall.0;
    let batch = |value: &[u8]| BatchBuilder::new().value(now, value).build();
    for _ in 0..60 {
        for topic in ["short", "long"] {
            let request = produce_of(topic, 0, -1, batch(&[7; 400_000]));
            let response = broker.ask(socket, &request, 9);
            assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
        }
    }

    broker.pass(Span::seconds(400));

    let gone = broker.ask(socket, &fetch_of(&[("short", 0, 0)], 0, 1), 11);
    let part = &gone.responses[0].partitions[0];
    assert_eq!(part.error_code, ErrorCode::OffsetOutOfRange.code());
    assert_eq!(broker.values(socket, "long", 0).len(), 60);
}

#[test]
fn a_clock_that_jumped_deletes_nothing_until_somebody_says_that_it_is_right() {
    const DAY_MS: i64 = 86_400_000;
    let mut broker = Broker::start(1);
    let configs = [("retention.ms", "86400000"), ("segment.ms", "1000")];
    broker.create_topic_with("t", 1, &configs);
    let socket = broker.connect();
    let now = broker.world.clocks().wall.0;
    for _ in 0..40 {
        let batch = BatchBuilder::new().value(now, &[7; 400_000]).build();
        let response = broker.ask(socket, &produce_of("t", 0, -1, batch), 9);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }

    broker.world.jump_wall_clock(30 * DAY_MS);
    broker.pass(Span::seconds(400));
    broker.world.crash(true);
    broker.boot(1);
    broker.pass(Span::seconds(400));
    let socket = broker.connect();
    assert_eq!(broker.values(socket, "t", 0).len(), 40);

    broker.change = |config| config.clock_accepted = Some(WallMs(i64::MAX / 2));
    broker.world.crash(true);
    broker.boot(1);
    broker.pass(Span::seconds(400));
    let socket = broker.connect();
    let gone = broker.ask(socket, &fetch_of(&[("t", 0, 0)], 0, 1), 11);
    let part = &gone.responses[0].partitions[0];
    assert_eq!(part.error_code, ErrorCode::OffsetOutOfRange.code());
}

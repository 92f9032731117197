use super::*;
use crate::wire::ErrorCode;
use crate::wire::batch::{Codec, NewRecord};

#[test]
fn what_is_produced_is_fetched_in_order_through_any_shard() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let (left, right) = (broker.connect_to(0), broker.connect_to(1));

    for round in 0..5 {
        for partition in 0..4 {
            let socket = if round % 2 == 0 { left } else { right };
            let value = format!("{partition} {round}");
            let answer = broker.produce(socket, "t", partition, value.as_bytes());
            assert_eq!((answer.error_code, answer.base_offset), (0, round));
        }
    }

    for partition in 0..4 {
        let expected: Vec<_> = (0..5)
            .map(|round| format!("{partition} {round}").into_bytes())
            .collect();
        assert_eq!(broker.values(left, "t", partition), expected);
        assert_eq!(broker.values(right, "t", partition), expected);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order_and_appended_in_it() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();

    let mut sent = Vec::new();
    for number in 0..200 {
        let batch = batch_of(format!("{number}").as_bytes());
        sent.push(broker.send(socket, &produce_of("t", number % 2, -1, batch), 9));
        if number % 10 == 0 {
            sent.push(broker.send(socket, &ApiVersionsRequest::default(), 0));
        }
    }

    let mut offsets = [0, 0];
    let mut number = 0;
    for id in sent {
        let frame = broker.frame_within(socket, PATIENCE).expect("a reply");
        assert_eq!(client::correlation_id(&frame), Some(id));
        if let Ok((_, response)) = client::decode::<ProduceRequest>(9, frame)
            && let Some(topic) = response.responses.first()
        {
            let part = &topic.partition_responses[0];
            assert_eq!(part.base_offset, offsets[number % 2]);
            offsets[number % 2] += 1;
            number += 1;
        }
    }
    assert_eq!(offsets, [100, 100]);
}

#[test]
fn acks_0_gets_no_reply_and_is_appended_all_the_same() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();

    for partition in 0..2 {
        broker.send(
            socket,
            &produce_of("t", partition, 0, batch_of(b"quiet")),
            7,
        );
    }
    let answer = broker.produce(socket, "t", 0, b"loud");

    assert_eq!(answer.base_offset, 1);
    assert_eq!(broker.values(socket, "t", 1), [b"quiet"]);
    assert!(!broker.is_closed(socket));
}

#[test]
fn acks_0_with_an_error_closes_the_connection() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();

    broker.send(socket, &produce_of("none", 0, 0, batch_of(b"x")), 7);

    assert!(broker.is_closed(socket));
}

#[test]
fn each_partition_of_a_request_gets_its_own_error() {
    let mut broker = Broker::start(2);
    broker.create_topic_with("small", 1, &[("max.message.bytes", "1000")]);
    let socket = broker.connect();
    let whole = batch_of(b"fine");
    let mut torn = whole.to_vec();
    torn[70] ^= 1;
    let cases = [
        ("small", 0, -1, whole.clone(), ErrorCode::None),
        (
            "small",
            0,
            -1,
            batch_of(&[7; 1_000]),
            ErrorCode::MessageTooLarge,
        ),
        ("small", 0, -1, Bytes::from(torn), ErrorCode::CorruptMessage),
        ("small", 0, -1, Bytes::new(), ErrorCode::InvalidRecord),
        (
            "small",
            1,
            -1,
            whole.clone(),
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            "small",
            -1,
            -1,
            whole.clone(),
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            "..",
            0,
            -1,
            whole.clone(),
            ErrorCode::UnknownTopicOrPartition,
        ),
        ("small", 0, 2, whole.clone(), ErrorCode::InvalidRequiredAcks),
        ("small", 0, 1, whole, ErrorCode::None),
    ];

    for (topic, partition, acks, batch, expected) in cases {
        let request = produce_of(topic, partition, acks, batch);
        let response = broker.ask(socket, &request, 9);
        let part = &response.responses[0].partition_responses[0];
        assert_eq!(
            part.error_code,
            expected.code(),
            "{topic} {partition} {acks}"
        );
    }
    assert_eq!(broker.values(socket, "small", 0), [b"fine", b"fine"]);
}

#[test]
fn zstandard_needs_produce_7_and_no_more_replicas_are_asked_for_than_there_are() {
    let mut broker = Broker::start(1);
    broker.create_topic_with("t", 1, &[("min.insync.replicas", "2")]);
    let socket = broker.connect();
    let zstd = BatchBuilder::new()
        .codec(Codec::Zstd)
        .value(1_760_000_000_000, b"x")
        .build();
    let cases = [
        (3, 1, zstd.clone(), ErrorCode::UnsupportedCompressionType),
        (7, 1, zstd, ErrorCode::None),
        (7, -1, batch_of(b"x"), ErrorCode::None),
    ];

    for (version, acks, batch, expected) in cases {
        let response = broker.ask(socket, &produce_of("t", 0, acks, batch), version);
        let part = &response.responses[0].partition_responses[0];
        assert_eq!(part.error_code, expected.code());
    }
}

#[test]
fn the_record_for_which_a_batch_is_refused_is_named() {
    let mut broker = Broker::start(1);
    broker.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")]);
    broker.create_topic("dated", 1);
    let socket = broker.connect();
    let keyed = NewRecord {
        key: Some(b"k"),
        ..NewRecord::default()
    };
    let keyless = BatchBuilder::new().record(keyed).value(0, b"x").build();
    let late = BatchBuilder::new().value(5, b"x").value(i64::MAX / 2, b"y");
    let cases = [
        ("compacted", keyless, ErrorCode::InvalidRecord, "no key"),
        (
            "dated",
            late.build(),
            ErrorCode::InvalidTimestamp,
            "message.timestamp.after.max.ms",
        ),
    ];

    for (topic, batch, code, words) in cases {
        for version in [3, 7, 8, 9, 11] {
            let response = broker.ask(socket, &produce_of(topic, 0, -1, batch.clone()), version);
            let part = &response.responses[0].partition_responses[0];
            let blamed = part.record_errors.iter().map(|one| {
                let said = one.batch_index_error_message.as_ref().expect("words");
                assert!(said.contains(words), "{said}");
                one.batch_index
            });
            let expected: &[i32] = if version < 8 { &[] } else { &[1] };
            assert_eq!(part.error_code, code.code(), "{topic}");
            assert_eq!(blamed.collect::<Vec<_>>(), expected, "{topic} {version}");
        }
    }
}

#[test]
fn an_idempotent_producers_retry_is_answered_with_its_first_offset() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let granted = broker.ask(socket, &no_transactions(), 4);
    assert_eq!((granted.error_code, granted.producer_epoch), (0, 0));
    let id = granted.producer_id.0;
    let batch = |sequence, value: &[u8]| {
        BatchBuilder::new()
            .producer(id, 0, sequence)
            .value(1_760_000_000_000, value)
            .build()
    };

    let steps = [(0, 0, 0), (1, 0, 1), (0, 0, 0), (3, 45, -1), (2, 0, 2)];
    for (sequence, code, offset) in steps {
        let request = produce_of("t", 0, -1, batch(sequence, b"v"));
        let response = broker.ask(socket, &request, 9);
        let part = &response.responses[0].partition_responses[0];
        assert_eq!((part.error_code, part.base_offset), (code, offset));
    }
    assert_eq!(broker.values(socket, "t", 0).len(), 3);
}

#[test]
fn every_shard_hands_out_producer_ids_of_its_own() {
    let mut broker = Broker::start(2);
    let mut seen = std::collections::BTreeSet::new();

    for shard in [0, 1, 0, 1] {
        let socket = broker.connect_to(shard);
        let ids: Vec<i32> = (0..10)
            .map(|_| broker.send(socket, &no_transactions(), 4))
            .collect();
        for _ in ids {
            let (_, granted) = broker.reply::<InitProducerIdRequest>(socket, 4);
            assert_eq!(granted.error_code, 0);
            assert!(seen.insert(granted.producer_id.0), "an id given twice");
        }
    }
}

fn no_transactions() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None)
}

#[test]
fn batches_that_lie_about_themselves_are_refused_with_kafkas_codes() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = batch_of(b"honest").to_vec();
        change(&mut bytes);
        let sum = crate::base::crc::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&sum.to_be_bytes());
        Bytes::from(bytes)
    };
    let twice = [&batch_of(b"a")[..], &batch_of(b"b")[..]].concat();
    let control = BatchBuilder::new().control().value(0, b"x").build();
    let invalid = ErrorCode::InvalidRecord;
    let corrupt = ErrorCode::CorruptMessage;
    let cases = [
        ("magic 0", changed(|bytes| bytes[16] = 0), invalid),
        ("magic 1", changed(|bytes| bytes[16] = 1), invalid),
        ("magic 9", changed(|bytes| bytes[16] = 9), corrupt),
        ("count", changed(|bytes| bytes[60] = 2), invalid),
        ("last delta", changed(|bytes| bytes[26] = 3), invalid),
        ("length", changed(|bytes| bytes[11] -= 1), invalid),
        ("negative length", changed(|bytes| bytes[8] = 0x80), corrupt),
        ("two batches", Bytes::from(twice), invalid),
        ("control", control, invalid),
        ("few bytes", Bytes::from_static(&[0; 30]), invalid),
    ];

    for (what, batch, expected) in cases {
        let response = broker.ask(socket, &produce_of("t", 0, -1, batch), 9);
        let part = &response.responses[0].partition_responses[0];
        assert_eq!(part.error_code, expected.code(), "{what}");
        assert!(part.error_message.is_some(), "{what}");
    }
    assert!(broker.values(socket, "t", 0).is_empty());
}

#[test]
fn a_request_of_many_partitions_is_answered_part_by_part_in_its_order() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 8);
    let socket = broker.connect();
    let mut request = produce_of("t", 0, -1, batch_of(b"x"));
    let part = request.topic_data[0].partition_data[0].clone();
    let parts = [3, 99, 0, 7, 3, 5].map(|index| part.clone().with_index(index));
    request.topic_data[0].partition_data = parts.to_vec();

    let response = broker.ask(socket, &request, 13 - 1);

    let answers: Vec<_> = response.responses[0]
        .partition_responses
        .iter()
        .map(|part| (part.index, part.error_code, part.base_offset))
        .collect();
    let expected = [
        (3, 0, 0),
        (99, 3, -1),
        (0, 0, 0),
        (7, 0, 0),
        (3, 0, 1),
        (5, 0, 0),
    ];
    assert_eq!(answers, expected);
}

/// One batch of `bytes` for each of the first `partitions` of `topic`.
fn large(topic: &str, partitions: i32, bytes: usize, mark: u8) -> ProduceRequest {
    let value = vec![mark; bytes];
    let part = |index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch_of(&value)))
    };
    let topic = TopicProduceData::default()
        .with_name(name(topic))
        .with_partition_data((0..partitions).map(part).collect());
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

#[test]
fn a_large_produce_takes_turns_keeps_its_order_and_lets_others_in_between() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 6);
    let (large_one, other) = (broker.connect(), broker.connect());
    broker.pass(Span::millis(1));

    let first = broker.send(large_one, &large("t", 6, 900_000, 1), 9);
    let second = broker.send(large_one, &large("t", 6, 10, 2), 9);
    let mut beside = 0;
    while broker.frame_within(large_one, Span::millis(0)).is_none() {
        broker.produce(other, "t", 5, b"beside");
        beside += 1;
        assert!(beside < 1_000, "the large one is never answered");
    }

    let (id, reply) = broker.reply::<ProduceRequest>(large_one, 9);
    assert_eq!(id, second, "{first} was answered before");
    assert_eq!(reply.responses[0].partition_responses.len(), 6);
    assert!(beside > 0);
    for partition in 0..5 {
        let marks: Vec<u8> = (broker.values(other, "t", partition).iter())
            .map(|value| value[0])
            .collect();
        assert_eq!(marks, [1, 2], "partition {partition}");
    }
}

#[test]
fn a_large_produce_whose_client_goes_away_harms_nobody() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 6);
    let (large_one, other) = (broker.connect(), broker.connect());
    broker.pass(Span::millis(1));

    broker.send(large_one, &large("t", 6, 900_000, 1), 9);
    broker.pass(Span::millis(1));
    broker.world.reset(large_one);
    broker.produce(other, "t", 0, b"after");

    assert_eq!(
        broker.values(other, "t", 0).last().map(Vec::as_slice),
        Some(&b"after"[..])
    );
}

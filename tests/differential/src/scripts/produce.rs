//! Produce and InitProducerId.

use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, ProducerId, TransactionalId};
use thalweg::wire::batch::{Codec, NewRecord};

use super::Case;
use super::broker::wait_transactions;
use super::help::*;
use crate::run::{Outcome, Run};

const API: ApiKey = ApiKey::Produce;

pub const CASES: &[Case] = &[
    Case::new(API, "batches", batches),
    Case::new(API, "unknown-topic", unknown),
    Case::new(API, "bad-names", bad_names).until(12),
    Case::new(API, "acks", acks),
    Case::new(API, "too-large", too_large),
    Case::new(API, "damaged", damaged),
    Case::new(API, "headers-that-lie", headers_that_lie),
    Case::new(API, "old-magic", old_magic),
    Case::new(API, "codecs", codecs),
    Case::new(API, "timestamps", timestamps),
    Case::new(API, "log-append-time", log_append_time),
    Case::new(API, "compacted", compacted),
    Case::new(API, "sequences", sequences),
    Case::new(API, "epochs", epochs),
    Case::new(API, "many-partitions", many_partitions),
    Case::new(API, "transactional-without-id", transactional_batch),
    Case::new(API, "transactional", transactional_with_id).alone(),
    Case::new(API, "min-insync", min_insync),
    Case::new(ApiKey::InitProducerId, "idempotent", idempotent),
    Case::new(ApiKey::InitProducerId, "epoch-of-its-own", own_epoch).since(3),
    Case::new(ApiKey::InitProducerId, "transactions", transactions).alone(),
];

fn batches(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    for (label, count) in [("one", 1), ("ten", 10), ("thousand", 1000)] {
        let request = produce(version, &topic, vec![(0, Some(batch(run, count)))]);
        run.ask(label, &request, version)?;
    }
    let base = records(run, 3).base_offset(77).build();
    run.ask(
        "an offset of the sender's",
        &produce(version, &topic, vec![(1, Some(base))]),
        version,
    )?;
    Ok(())
}

fn unknown(run: &mut Run, version: i16) -> Outcome {
    let nowhere = unknown_topic(run);
    run.ask(
        "topic",
        &produce(version, &nowhere, vec![(0, Some(batch(run, 1)))]),
        version,
    )?;
    let topic = run.topic(1)?;
    for index in [1, -1, i32::MAX, i32::MIN] {
        let request = produce(version, &topic, vec![(index, Some(batch(run, 1)))]);
        run.ask(&format!("partition {index}"), &request, version)?;
    }
    Ok(())
}

fn bad_names(run: &mut Run, version: i16) -> Outcome {
    for name in ["", ".", "..", "a b", "a/b", "é"] {
        let request = produce(version, &named(name), vec![(0, Some(batch(run, 1)))]);
        run.ask(&format!("{name:?}"), &request, version)?;
    }
    Ok(())
}

fn acks(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let request = produce(version, &topic, vec![(0, Some(batch(run, 1)))]);
    for acks in [1, -1, 2, -2, i16::MAX] {
        run.ask(
            &format!("acks {acks}"),
            &request.clone().with_acks(acks),
            version,
        )?;
    }
    // No reply: the next one on the connection belongs to the next request.
    run.send_on(0, &request.clone().with_acks(0), version)?;
    run.ask("after acks 0", &request, version)?;
    run.ask("no time", &request.with_timeout_ms(0).with_acks(1), version)?;
    Ok(())
}

fn too_large(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic_with("topic", 1, &[("max.message.bytes", "1000")])?;
    let sized = |run: &Run, bytes: usize| {
        let builder = records(run, 0).value(run.now, &vec![b'x'; bytes]);
        produce(version, &topic, vec![(0, Some(builder.build()))])
    };
    run.ask("small", &sized(run, 100), version)?;
    run.ask("large", &sized(run, 2_000), version)?;
    // 61 bytes of header and 8 or 9 around the value.
    for bytes in 927..=933 {
        run.ask(&format!("{bytes} bytes"), &sized(run, bytes), version)?;
    }
    Ok(())
}

fn damaged(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let good = batch(run, 2);
    let mut wrong = good.to_vec();
    wrong[17] ^= 1;
    let mut flipped = good.to_vec();
    *flipped.last_mut().expect("not empty") ^= 1;
    let two = [&good[..], &good[..]].concat();
    let cases: [(&str, Vec<u8>); 7] = [
        ("wrong sum", wrong),
        ("flipped bit", flipped),
        ("two batches", two),
        ("cut", good[..good.len() - 1].to_vec()),
        ("only a header", good[..61].to_vec()),
        ("short of a header", good[..30].to_vec()),
        ("empty", Vec::new()),
    ];
    for (label, bytes) in cases {
        let request = produce(version, &topic, vec![(0, Some(bytes.into()))]);
        // A closed connection is an answer, too.
        let _ = run.ask(label, &request, version);
    }
    Ok(())
}

fn headers_that_lie(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let good = batch(run, 3);
    let cases: [(&str, usize, &[u8]); 12] = [
        ("count more", 57, &4i32.to_be_bytes()),
        ("count less", 57, &2i32.to_be_bytes()),
        ("count zero", 57, &0i32.to_be_bytes()),
        ("count negative", 57, &(-1i32).to_be_bytes()),
        ("last delta more", 23, &9i32.to_be_bytes()),
        ("last delta less", 23, &1i32.to_be_bytes()),
        ("control", 21, &0x20i16.to_be_bytes()),
        ("codec 5", 21, &5i16.to_be_bytes()),
        ("codec 7", 21, &7i16.to_be_bytes()),
        ("unused attributes", 21, &0x100i16.to_be_bytes()),
        ("leader epoch", 12, &5i32.to_be_bytes()),
        ("delete horizon", 21, &0x40i16.to_be_bytes()),
    ];
    for (label, at, bytes) in cases {
        let batch = tampered(&good, at, bytes);
        let _ = run.ask(
            label,
            &produce(version, &topic, vec![(0, Some(batch))]),
            version,
        );
    }
    for (label, length) in [
        ("length more", 1),
        ("length less", -1),
        ("length huge", 1 << 30),
    ] {
        let length = i32::try_from(good.len() - 12).expect("small") + length;
        let batch = tampered(&good, 8, &length.to_be_bytes());
        let _ = run.ask(
            label,
            &produce(version, &topic, vec![(0, Some(batch))]),
            version,
        );
    }
    Ok(())
}

fn old_magic(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    for magic in [0, 1, 3, -1i8] {
        let batch = tampered(&batch(run, 1), 16, &magic.to_be_bytes());
        let request = produce(version, &topic, vec![(0, Some(batch))]);
        let _ = run.ask(&format!("magic {magic}"), &request, version);
    }
    Ok(())
}

fn codecs(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let batch = records(run, 20).codec(codec).build();
        run.ask(
            codec.name(),
            &produce(version, &topic, vec![(0, Some(batch))]),
            version,
        )?;
    }
    Ok(())
}

fn timestamps(run: &mut Run, version: i16) -> Outcome {
    const HOUR: i64 = 3_600_000;
    let topic = run.topic(1)?;
    let at = |time: i64| {
        let batch = records_at(time);
        produce(version, &topic, vec![(0, Some(batch))])
    };
    let now = run.now;
    for (label, time) in [
        ("now", now),
        ("half an hour ahead", now + HOUR / 2),
        ("two hours ahead", now + 2 * HOUR),
        ("two days ago", now - 48 * HOUR),
        ("none", -1),
        ("below none", -2),
    ] {
        run.ask(label, &at(time), version)?;
    }
    let strict = run.topic_with(
        "strict",
        1,
        &[("message.timestamp.before.max.ms", "3600000")],
    )?;
    let late = produce(
        version,
        &strict,
        vec![(0, Some(records_at(now - 48 * HOUR)))],
    );
    run.ask("too long ago", &late, version)?;
    Ok(())
}

fn records_at(time: i64) -> bytes::Bytes {
    thalweg::wire::batch::BatchBuilder::new()
        .value(time, b"dated")
        .build()
}

fn log_append_time(run: &mut Run, version: i16) -> Outcome {
    let configs = [("message.timestamp.type", "LogAppendTime")];
    let topic = run.topic_with("topic", 1, &configs)?;
    for time in [run.now, 5, -1] {
        let request = produce(version, &topic, vec![(0, Some(records_at(time)))]);
        run.ask(&format!("{}", time == run.now), &request, version)?;
    }
    Ok(())
}

fn compacted(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic_with("topic", 1, &[("cleanup.policy", "compact")])?;
    let keyed = |key: Option<&[u8]>, codec: Codec| {
        let record = NewRecord {
            timestamp: run.now,
            key,
            value: Some(b"v"),
            headers: &[],
        };
        let builder = records(run, 0).codec(codec);
        produce(
            version,
            &topic,
            vec![(0, Some(builder.record(record).build()))],
        )
    };
    let requests = [
        ("a key", keyed(Some(b"k"), Codec::None)),
        ("an empty key", keyed(Some(b""), Codec::None)),
        ("no key", keyed(None, Codec::None)),
        ("a key, gzip", keyed(Some(b"k"), Codec::Gzip)),
        ("no key, gzip", keyed(None, Codec::Gzip)),
    ];
    for (label, request) in requests {
        run.ask(label, &request, version)?;
    }
    Ok(())
}

fn sequences(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    let (id, epoch) = producer(run)?;
    let sent = |run: &Run, partition: i32, sequence: i32| {
        let batch = records(run, 2).producer(id, epoch, sequence).build();
        produce(version, &topic, vec![(partition, Some(batch))])
    };
    let sequences = [0, 2, 2, 0, 4, 6, 8, 10, 12, 10, 0, 20, 13, 14, -1];
    for (at, sequence) in sequences.into_iter().enumerate() {
        run.ask(
            &format!("{at}, sequence {sequence}"),
            &sent(run, 0, sequence),
            version,
        )?;
    }
    run.ask("a first one that is not 0", &sent(run, 1, 5), version)?;
    run.ask("and its successor", &sent(run, 1, 7), version)?;
    // The same sequence with another count is no duplicate.
    let batch = records(run, 3).producer(id, epoch, 14).build();
    run.ask(
        "longer",
        &produce(version, &topic, vec![(0, Some(batch))]),
        version,
    )?;
    Ok(())
}

fn epochs(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let (id, _) = producer(run)?;
    let sent = |run: &Run, id: i64, epoch: i16, sequence: i32| {
        let batch = records(run, 1).producer(id, epoch, sequence).build();
        produce(version, &topic, vec![(0, Some(batch))])
    };
    for (epoch, sequence) in [
        (3, 0),
        (3, 1),
        (2, 2),
        (4, 2),
        (4, 0),
        (4, 1),
        (3, 2),
        (-1, 0),
    ] {
        let label = format!("epoch {epoch}, sequence {sequence}");
        let _ = run.ask(&label, &sent(run, id, epoch, sequence), version);
    }
    run.ask(
        "an id that nobody gave",
        &sent(run, id + 500_000, 0, 0),
        version,
    )?;
    Ok(())
}

fn many_partitions(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(3)?;
    let good = batch(run, 2);
    let mut bad = good.to_vec();
    bad[17] ^= 1;
    let parts = vec![
        (2, Some(good.clone())),
        (0, Some(bad.into())),
        (7, Some(good.clone())),
        (1, Some(good.clone())),
    ];
    run.ask("good and bad", &produce(version, &topic, parts), version)?;
    let mut twice = produce(version, &topic, vec![(0, Some(good.clone()))]);
    let other = produce(version, &unknown_topic(run), vec![(0, Some(good.clone()))]);
    twice.topic_data.extend(other.topic_data);
    run.ask("two topics", &twice, version)?;
    run.ask("no topics", &twice.with_topic_data(Vec::new()), version)?;
    run.ask(
        "no partitions",
        &produce(version, &topic, Vec::new()),
        version,
    )?;
    Ok(())
}

fn transactional_batch(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let (id, epoch) = producer(run)?;
    let batch = records(run, 1)
        .producer(id, epoch, 0)
        .transactional()
        .build();
    let _ = run.ask(
        "no id",
        &produce(version, &topic, vec![(0, Some(batch))]),
        version,
    );
    Ok(())
}

fn transactional_with_id(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    wait_transactions(run)?;
    let (id, epoch) = producer(run)?;
    let records = records(run, 1).producer(id, epoch, 0).transactional();
    let request = produce(version, &topic, vec![(0, Some(records.build()))]);
    let name = TransactionalId(run.name("transactions"));
    let _ = run.ask(
        "with an id",
        &request.with_transactional_id(Some(name)),
        version,
    );
    Ok(())
}

fn min_insync(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic_with("topic", 1, &[("min.insync.replicas", "2")])?;
    let request = produce(version, &topic, vec![(0, Some(batch(run, 1)))]);
    run.ask("acks all", &request, version)?;
    run.ask("acks 1", &request.with_acks(1), version)?;
    Ok(())
}

fn idempotent(run: &mut Run, version: i16) -> Outcome {
    producer(run)?;
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    for timeout in [60_000, 0, -1, i32::MAX] {
        let request = request.clone().with_transaction_timeout_ms(timeout);
        run.ask(&format!("time-out {timeout}"), &request, version)?;
    }
    Ok(())
}

fn own_epoch(run: &mut Run, version: i16) -> Outcome {
    let (id, epoch) = producer(run)?;
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000);
    for (label, id, epoch) in [
        ("its own", id, epoch),
        ("an id alone", id, -1),
        ("an epoch alone", -1, 3),
        ("negative", -2, -2),
    ] {
        let request = request.clone().with_producer_epoch(epoch);
        run.ask(label, &request.with_producer_id(ProducerId(id)), version)?;
    }
    Ok(())
}

fn transactions(run: &mut Run, version: i16) -> Outcome {
    let request = InitProducerIdRequest::default();
    let empty = Some(TransactionalId("".into()));
    let empty = request
        .with_transactional_id(empty)
        .with_transaction_timeout_ms(60_000);
    run.ask("empty id", &empty, version)?;
    wait_transactions(run)?;
    let named = TransactionalId(run.name("transactions"));
    let named = empty.with_transactional_id(Some(named));
    run.ask("an id", &named, version)?;
    Ok(())
}

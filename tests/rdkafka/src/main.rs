//! rdkafka (librdkafka 2.12 under Rust) produces and consumes 100,000 records.
//!
//! `client-rdkafka BOOTSTRAP`. Shown: keys, headers, null keys and values, every codec, timestamps
//! of the sender's choice, idempotence, records of 900 KB, too large ones, and reading from the
//! beginning, the end, an offset and a time. Partitions are assigned by hand: no group takes part.

mod client;
mod record;

use client::{Acknowledged, Client};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use record::Record;

const PARTITIONS: i32 = 6;
const PER_CODEC: usize = 20_000;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

type Check = fn(&Client, &mut Acknowledged);

fn main() {
    let bootstrap = std::env::args()
        .nth(1)
        .expect("usage: client-rdkafka BOOTSTRAP");
    let client = Client::new(&bootstrap, PARTITIONS);
    let mut acknowledged = Acknowledged::new();
    let checks: [(&str, Check); 6] = [
        ("a topic is created", |client, _| client.create_topic()),
        ("every codec is acknowledged", produce_with_every_codec),
        ("all is read from the beginning", read_from_the_beginning),
        ("an offset, the end and a time", read_from_places),
        ("large and too large records", large_records),
        ("idempotent", idempotent_records_keep_their_order),
    ];
    for (name, check) in checks {
        check(&client, &mut acknowledged);
        println!("rdkafka: {name}: ok");
    }
    println!("rdkafka: PASSED: {} records", PER_CODEC * CODECS.len());
}

fn produce_with_every_codec(client: &Client, acknowledged: &mut Acknowledged) {
    for (index, codec) in CODECS.iter().enumerate() {
        let producer = client.producer(&[("compression.type", codec), ("linger.ms", "5")]);
        for number in index * PER_CODEC..(index + 1) * PER_CODEC {
            let record = Record::numbered(number, codec);
            producer.send(number as i32 % PARTITIONS, record);
        }
        for (place, outcome) in producer.finish() {
            let record = outcome.unwrap_or_else(|error| panic!("{codec}: {error}"));
            let twice = acknowledged.insert(place, record);
            assert!(twice.is_none(), "{place:?} was acknowledged twice");
        }
    }
    assert_eq!(acknowledged.len(), PER_CODEC * CODECS.len());
}

fn read_from_the_beginning(client: &Client, acknowledged: &mut Acknowledged) {
    let everywhere: Vec<_> = (0..PARTITIONS).map(|p| (p, Offset::Beginning)).collect();
    let mut next = [0; PARTITIONS as usize];
    let mut count = 0;
    client.read(&everywhere, |message| {
        let expected = &mut next[message.partition() as usize];
        assert_eq!(message.offset(), *expected, "a hole or a step back");
        *expected += 1;
        let place = (message.partition(), message.offset());
        let record = acknowledged
            .get(&place)
            .expect("what is read was acknowledged");
        record.assert_is(message);
        count += 1;
    });
    assert_eq!(count, PER_CODEC * CODECS.len());
}

fn read_from_places(client: &Client, acknowledged: &mut Acknowledged) {
    let end = acknowledged.keys().filter(|place| place.0 == 4).count() as i64;
    let offsets = |from: Offset| {
        let mut found = Vec::new();
        client.read(&[(4, from)], |message| found.push(message.offset()));
        found
    };

    assert_eq!(
        offsets(Offset::Offset(end - 50)),
        (end - 50..end).collect::<Vec<_>>()
    );
    assert_eq!(
        offsets(Offset::OffsetTail(7)),
        (end - 7..end).collect::<Vec<_>>()
    );
    assert!(offsets(Offset::End).is_empty());
    for offset in [0, 1, end / 2, end - 1] {
        // Neighbours in a partition lie several milliseconds apart: ask between them, too.
        let stamp = acknowledged[&(4, offset)].stamp;
        assert_eq!(client.offset_at(4, stamp), Offset::Offset(offset));
        assert_eq!(client.offset_at(4, stamp - 1), Offset::Offset(offset));
    }
    let from = client.offset_at(4, acknowledged[&(4, end - 9)].stamp);
    assert_eq!(offsets(from), (end - 9..end).collect::<Vec<_>>());
}

fn large_records(client: &Client, _: &mut Acknowledged) {
    for codec in CODECS {
        let settings = [
            ("compression.type", codec),
            ("message.max.bytes", "8000000"),
        ];
        let record = Record::incompressible(900_000);
        let (place, outcome) = client.send_one(&settings, 1, record.clone());
        outcome.unwrap_or_else(|error| panic!("900 KB with {codec}: {error}"));
        client.read(&[(place.0, Offset::Offset(place.1))], |message| {
            assert!(
                message.payload() == record.value.as_deref(),
                "{codec}: changed"
            );
        });

        let (_, outcome) = client.send_one(&settings, 1, Record::incompressible(2_000_000));
        match outcome {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)) => {}
            other => panic!("2 MB with {codec}: {:?}", other.map(|record| record.stamp)),
        }
    }
}

fn idempotent_records_keep_their_order(client: &Client, acknowledged: &mut Acknowledged) {
    let from = acknowledged.keys().filter(|place| place.0 == 0).count() as i64;
    // Batches of few records, five requests in flight: the sequence numbers have work to do.
    let settings = [("enable.idempotence", "true"), ("batch.num.messages", "10")];
    let producer = client.producer(&settings);
    let sent: Vec<_> = (0..5_000)
        .map(|number| Record::numbered(number, "idempotent"))
        .collect();
    for record in &sent {
        producer.send(0, record.clone());
    }
    for (_, outcome) in producer.finish() {
        outcome.expect("an idempotent record is acknowledged");
    }

    let mut sent = sent.iter();
    client.read(&[(0, Offset::Offset(from))], |message| {
        sent.next()
            .expect("no record comes twice")
            .assert_is(message);
    });
    assert_eq!(sent.len(), 0, "records are missing");
}

//! Record batches that lie: refused with Kafka's code, and nothing of them is in the log.

use bytes::Bytes;
use thalweg::wire::batch::{BatchBuilder, BatchHeader, Codec};

use super::support::client::{Heard, now, produce_request};
use super::support::{Client, PATIENCE, batch_of, wait_for};
use super::{CACHE_BYTES, MIB, Siege, reply_on};

const CORRUPT: i16 = 2;
const INVALID_RECORD: i16 = 87;

/// The batch with `change` made to its header, its checksum true again.
pub fn changed(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(batch).expect("a batch");
    change(&mut header);
    let mut bytes = header.encode().to_vec();
    bytes.extend(&batch[bytes.len()..]);
    mend(&mut bytes);
    Bytes::from(bytes)
}

/// Writes the checksum that the bytes have.
pub fn mend(bytes: &mut [u8]) {
    if bytes.len() > 21 {
        let sum = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    }
}

type Change = fn(&mut BatchHeader);

/// Headers that lie: what, Kafka's code, the lie.
const LYING_HEADERS: &[(&str, i16, Change)] = &[
    ("a length beyond the end", CORRUPT, |h| h.batch_length += 1),
    ("a huge length", CORRUPT, |h| h.batch_length = i32::MAX),
    ("a negative length", CORRUPT, |h| h.batch_length = -1),
    ("a length of nothing", CORRUPT, |h| h.batch_length = 0),
    ("a length too low", INVALID_RECORD, |h| h.batch_length -= 1),
    ("a count too high", INVALID_RECORD, |h| h.count += 1),
    ("a count too low", INVALID_RECORD, |h| h.count -= 1),
    ("a count of 0", INVALID_RECORD, |h| h.count = 0),
    ("a negative count", INVALID_RECORD, |h| h.count = i32::MIN),
    ("a wrong last delta", INVALID_RECORD, |h| {
        h.last_offset_delta = 7
    }),
    ("a last delta of -1", INVALID_RECORD, |h| {
        h.last_offset_delta = -1
    }),
    ("magic 0", INVALID_RECORD, |h| h.magic = 0),
    ("magic 1", INVALID_RECORD, |h| h.magic = 1),
    ("magic 9", CORRUPT, |h| h.magic = 9),
    ("magic -1", CORRUPT, |h| h.magic = -1),
    ("a producer without epoch", INVALID_RECORD, |h| {
        h.producer_id = 5
    }),
    ("codec 5", 76, |h| h.attributes |= 5),
    ("codec 7", 76, |h| h.attributes |= 7),
];

/// Batches that lie by what they are.
fn lying_batches() -> Vec<(&'static str, i16, Bytes)> {
    let good = batch_of(&[b"one", b"two", b"three"]);
    let mut wrong_sum = good.to_vec();
    wrong_sum[80] ^= 1;
    let twice = Bytes::from([&good[..], &good[..]].concat());
    let more = Bytes::from([&good[..], b"more"].concat());
    let one = || BatchBuilder::new().value(now(), b"x");
    let later = now() + 3_700_000;
    let future = BatchBuilder::new().value(later, b"later").build();
    let large = batch_of(&[&vec![7; 2 << 20]]);
    vec![
        ("a wrong sum", CORRUPT, Bytes::from(wrong_sum)),
        ("a control batch", INVALID_RECORD, one().control().build()),
        (
            "a transaction of nobody",
            INVALID_RECORD,
            one().transactional().build(),
        ),
        ("two batches", INVALID_RECORD, twice),
        ("bytes behind the batch", INVALID_RECORD, more),
        ("half a header", CORRUPT, good.slice(..30)),
        ("ten bytes", CORRUPT, good.slice(..10)),
        ("an empty record set", INVALID_RECORD, Bytes::new()),
        ("2 MiB in a batch", 10, large),
        ("a time an hour ahead", 32, future),
    ]
}

#[test]
fn batches_that_lie_get_kafkas_codes_and_leave_the_log_as_it_was() {
    let siege = Siege::begin("hostile-batches");
    let mut client = siege.connect();
    client.create_topic("t", 1);
    assert_eq!(client.produce("t", 0, Some(batch_of(&[b"first"]))), (0, 0));

    let good = batch_of(&[b"one", b"two", b"three"]);
    let headers = LYING_HEADERS.iter();
    let headers = headers.map(|(what, code, lie)| (*what, *code, changed(&good, lie)));
    for (what, code, batch) in headers.chain(lying_batches()) {
        assert_eq!(client.produce("t", 0, Some(batch)).0, code, "{what}");
        assert_eq!(client.list_offset("t", 0, -1), (0, 1), "after {what}");
    }
    // Kafka itself never answers this one.
    assert_eq!(
        client.produce("t", 0, None).0,
        INVALID_RECORD,
        "a null record set"
    );
    for acks in [2, 7, -2, i16::MAX, i16::MIN] {
        let request = produce_request("t", 0, Some(batch_of(&[b"x"]))).with_acks(acks);
        let reply = client.call(&request, 9);
        let code = reply.responses[0].partition_responses[0].error_code;
        assert_eq!(code, 21, "acks {acks}");
    }
    assert_eq!(client.produce("t", 0, Some(batch_of(&[b"last"]))), (0, 1));
    let expected = [
        (0, Bytes::from_static(b"first")),
        (1, Bytes::from_static(b"last")),
    ];
    assert_eq!(client.read_all("t", 0), expected);
    drop(client);

    siege.end(32 * MIB);
}

#[test]
fn an_error_without_acknowledgement_closes_the_connection_as_kafka_does() {
    let siege = Siege::begin("hostile-acks");
    let mut client = siege.connect();
    client.create_topic("t", 1);
    let silent = |batch| produce_request("t", 0, Some(batch)).with_acks(0);

    client.send(&silent(batch_of(&[b"good"])), 9);
    assert_eq!(
        client.list_offset("t", 0, -2).0,
        0,
        "no reply came before this one"
    );
    let lie = changed(&batch_of(&[b"bad"]), |header| header.count = 9);
    client.send(&silent(lie), 9);

    assert_eq!(client.hear(), Heard::Closed);
    let mut client = siege.connect();
    // Nobody was told when it became durable.
    wait_for("the record without acknowledgement", || {
        (client.list_offset("t", 0, -1) == (0, 1)).then_some(())
    });
    assert_eq!(client.read_all("t", 0), [(0, Bytes::from_static(b"good"))]);
    drop(client);
    siege.end(32 * MIB);
}

#[test]
fn a_decompression_bomb_is_stored_and_its_search_by_time_stays_small() {
    const VALUE_BYTES: usize = 160 << 20;
    let siege = Siege::begin("hostile-bomb");
    let mut client = siege.connect();
    let value = vec![0; VALUE_BYTES];
    let before = siege.growth();
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let topic = format!("{codec:?}");
        client.create_topic(&topic, 1);
        let (early, late) = (now() - 1_000, now());
        let bomb = BatchBuilder::new().codec(codec);
        let bomb = bomb.value(early, &value).value(late, b"behind it").build();
        let stored = bomb.len();
        assert!(stored < 1 << 20, "{codec:?}: {stored} bytes");
        assert_eq!(client.produce(&topic, 0, Some(bomb)), (0, 0));

        check_search(&mut client, &topic, late);

        let fetched = client.fetch(&topic, 0, 0);
        assert_eq!(
            (fetched.code, fetched.records.len()),
            (0, stored),
            "as it came"
        );
    }
    let rise = siege.growth().saturating_sub(before);
    println!("memory rose by {} KiB", rise >> 10);
    assert!(
        rise < CACHE_BYTES + 32 * MIB,
        "{rise} bytes for a search in a bomb of {VALUE_BYTES}"
    );
    drop(client);

    siege.end(64 * MIB);
}

/// The answer may be rough (the batch's first offset) or an error: but it comes, and soon.
fn check_search(client: &mut Client, topic: &str, time: i64) {
    let began = std::time::Instant::now();
    let (code, offset) = client.list_offset(topic, 0, time);
    let took = began.elapsed();

    println!("{topic}: code {code}, offset {offset} after {took:?}");
    assert!(code != 0 || (0..=1).contains(&offset), "offset {offset}");
    assert!(took < PATIENCE / 3, "{took:?}");
}

#[test]
fn garbage_that_claims_a_codec_is_stored_and_searched_without_harm() {
    let siege = Siege::begin("hostile-codec");
    let mut client = siege.connect();
    client.create_topic("t", 1);
    let good = BatchBuilder::new()
        .value(now() - 50, b"a")
        .value(now(), b"b")
        .build();
    for codec in 1..=4 {
        let garbage = changed(&good, |header| header.attributes |= codec);
        // The broker does not decompress what it stores; a reader finds out.
        assert_eq!(client.produce("t", 0, Some(garbage)).0, 0, "codec {codec}");
        let (code, offset) = client.list_offset("t", 0, now() - 1);
        println!("codec {codec}: code {code}, offset {offset}");
        assert!(client.try_metadata().is_ok(), "codec {codec}");
    }
    client.send(&produce_request("t", 0, Some(good)), 9);
    reply_on(&mut client, "a produce after the garbage");
    drop(client);
    siege.end(32 * MIB);
}

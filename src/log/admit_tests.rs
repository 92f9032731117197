use bytes::Bytes;

use super::*;
use crate::log::config::Overrides;
use crate::wire::batch::{BatchBuilder, Codec, NewRecord, check_produced};

const NOW: WallMs = WallMs(1_000_000_000_000);

fn config(overrides: &[(&str, &str)]) -> TopicConfig {
    let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let overrides: Overrides = overrides.iter().map(pair).collect();
    TopicConfig::from_overrides(&overrides).expect("a valid configuration")
}

fn checked(builder: BatchBuilder) -> CheckedBatch {
    check_produced(&builder.build()).expect("a valid batch")
}

fn batch_at(times: &[i64]) -> CheckedBatch {
    let add = |builder: BatchBuilder, time: &i64| builder.value(*time, b"value");
    checked(times.iter().fold(BatchBuilder::new(), add))
}

fn keyed(key: Option<&[u8]>, codec: Codec) -> CheckedBatch {
    let record = NewRecord {
        timestamp: NOW.0,
        key,
        ..NewRecord::default()
    };
    checked(BatchBuilder::new().codec(codec).record(record))
}

fn refused_time(overrides: &[(&str, &str)], times: &[i64]) -> Option<i64> {
    match admit(&config(overrides), &batch_at(times), NOW) {
        Ok(()) => None,
        Err(LogError::InvalidTimestamp { time, .. }) => Some(time),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_of_exactly_max_message_bytes_is_taken_and_one_byte_more_is_not() {
    let batch = batch_at(&[NOW.0]);
    let bytes = batch.bytes.len() as u64;

    let exact = config(&[("max.message.bytes", &bytes.to_string())]);
    assert_eq!(admit(&exact, &batch, NOW), Ok(()));
    let max = bytes - 1;
    let less = config(&[("max.message.bytes", &max.to_string())]);
    assert_eq!(
        admit(&less, &batch, NOW),
        Err(LogError::TooLarge { bytes, max })
    );
}

#[test]
fn a_time_more_than_an_hour_ahead_is_refused_and_any_past_time_taken_by_default() {
    let hour = 3_600_000;

    assert_eq!(refused_time(&[], &[NOW.0 + hour]), None);
    assert_eq!(
        refused_time(&[], &[NOW.0 + hour + 1]),
        Some(NOW.0 + hour + 1)
    );
    assert_eq!(refused_time(&[], &[0]), None);
    assert_eq!(refused_time(&[], &[-1]), None);
}

#[test]
fn with_a_bound_on_the_past_every_record_counts_not_only_the_first() {
    let bound = [("message.timestamp.before.max.ms", "1000")];

    assert_eq!(refused_time(&bound, &[NOW.0 - 1_000]), None);
    let times = [NOW.0, NOW.0 - 1_001, NOW.0];
    assert_eq!(refused_time(&bound, &times), Some(NOW.0 - 1_001));
}

#[test]
fn a_refused_time_tells_its_record_and_what_the_topic_takes() {
    let bounds = [
        ("message.timestamp.before.max.ms", "1000"),
        ("message.timestamp.after.max.ms", "500"),
    ];
    let refused = |overrides: &[(&str, &str)], times: &[i64]| {
        admit(&config(overrides), &batch_at(times), NOW).expect_err("a refusal")
    };
    let expected = |record, time, earliest| LogError::InvalidTimestamp {
        record: Some(record),
        time,
        earliest,
        latest: NOW.0 + 500,
    };

    let (late, early) = (NOW.0 + 501, NOW.0 - 1_001);
    assert_eq!(refused(&bounds[1..], &[1, late, 2]), expected(1, late, 0));
    let earliest = NOW.0 - 1_000;
    assert_eq!(
        refused(&bounds, &[NOW.0, NOW.0, early]),
        expected(2, early, earliest)
    );
    // The records do not say what their header does.
    let mut lying = batch_at(&[NOW.0]);
    lying.header.max_timestamp = late;
    let refusal = admit(&config(&bounds), &lying, NOW);
    assert_eq!(
        refusal,
        Err(LogError::InvalidTimestamp {
            record: None,
            time: late,
            earliest,
            latest: NOW.0 + 500,
        })
    );
}

#[test]
fn append_times_of_the_broker_make_the_producers_times_irrelevant() {
    let stamping = [("message.timestamp.type", "LogAppendTime")];

    assert_eq!(refused_time(&stamping, &[NOW.0 * 2]), None);
}

#[test]
fn a_batch_that_claims_append_times_of_its_own_is_refused() {
    let mut batch = batch_at(&[NOW.0]);
    batch.header.attributes |= LOG_APPEND_TIME_BIT;

    let refused = admit(&config(&[]), &batch, NOW);
    assert_eq!(refused, Err(LogError::ClaimsAppendTime));
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key_compressed_or_not() {
    let compacted = config(&[("cleanup.policy", "compact")]);

    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Lz4,
        Codec::Snappy,
        Codec::Zstd,
    ] {
        assert_eq!(admit(&compacted, &keyed(Some(b"k"), codec), NOW), Ok(()));
        let refused = admit(&compacted, &keyed(None, codec), NOW);
        assert_eq!(refused, Err(LogError::NoKey { record: 0 }), "{codec:?}");
    }
    assert_eq!(admit(&config(&[]), &keyed(None, Codec::None), NOW), Ok(()));
}

#[test]
fn a_transactional_batch_is_refused_while_there_are_no_transactions() {
    let builder = BatchBuilder::new().producer(1, 0, 0).transactional();
    let batch = checked(builder.value(NOW.0, b"value"));

    assert_eq!(
        admit(&config(&[]), &batch, NOW),
        Err(LogError::InvalidTransactionState)
    );
}

/// The batch as it will lie in the journal.
fn stored(stamped: &Stamped, batch: &CheckedBatch) -> Bytes {
    [stamped.head(), stamped.body(batch)].concat().into()
}

#[test]
fn a_stored_batch_has_its_place_and_its_producers_times_and_still_sums_up() {
    let batch = checked(BatchBuilder::new().producer(9, 2, 40).value(NOW.0, b"v"));
    let place = (Offset(1_234), LeaderEpoch(5));

    let stamped = Stamped::new(&config(&[]), &batch, place, NOW);

    let stored = check_produced(&stored(&stamped, &batch)).expect("a valid batch");
    assert_eq!(stored.header.base_offset, 1_234);
    assert_eq!(stored.header.leader_epoch, 5);
    assert_eq!(stored.header.max_timestamp, NOW.0);
    assert_eq!(stamped.body_sum(), crc::crc32c(stamped.body(&batch)));
    assert_eq!(stamped.append_time(), -1);
}

#[test]
fn a_stamped_batch_has_the_append_time_and_both_its_sums_hold() {
    let stamping = config(&[("message.timestamp.type", "LogAppendTime")]);
    let batch = checked(BatchBuilder::new().value(17, b"one").value(18, b"two"));
    let place = (Offset(1_234), LeaderEpoch(5));

    let stamped = Stamped::new(&stamping, &batch, place, NOW);

    let stored = stored(&stamped, &batch);
    let header = check_produced(&stored).expect("a valid batch").header;
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.base_offset, header.leader_epoch), (1_234, 5));
    assert_eq!(
        (header.max_timestamp, stamped.append_time()),
        (NOW.0, NOW.0)
    );
    assert_eq!(stamped.body_sum(), crc::crc32c(stamped.body(&batch)));
    let times = records(&stored, 1_000).expect("records");
    assert!(times.flatten().all(|record| record.timestamp == NOW.0));
}

#[test]
fn a_time_that_the_header_does_not_state_is_taken_from_the_records() {
    let place = (Offset(0), LeaderEpoch(0));
    let unstated = |times: &[i64]| {
        let mut batch = batch_at(times);
        batch.header.max_timestamp = -1;
        Stamped::new(&config(&[]), &batch, place, NOW).time_max()
    };

    assert_eq!(unstated(&[5, 9, 7]), 9);
    assert_eq!(unstated(&[-1]), NOW.0, "no times at all: when it came");
    let never = NOW.0 * 2;
    assert_eq!(unstated(&[5, never]), NOW.0, "it would be kept for ever");
}

#[test]
fn a_note_tells_recovery_producer_and_append_time() {
    let batch = checked(
        BatchBuilder::new()
            .producer(i64::MAX, 32_000, i32::MAX)
            .value(5, b"v"),
    );
    let claim = claim_of(&batch.header);
    let place = (Offset(0), LeaderEpoch(0));
    let stamping = config(&[("message.timestamp.type", "LogAppendTime")]);

    let plain = Stamped::new(&config(&[]), &batch, place, NOW);
    let stamped = Stamped::new(&stamping, &batch, place, NOW);

    assert!(claim.is_some());
    assert_eq!(decode_note(&plain.note(), 1, plain.time_max()), (claim, -1));
    assert_eq!(
        decode_note(&stamped.note(), 1, stamped.time_max()),
        (claim, NOW.0)
    );
    let anonymous = Stamped::new(&config(&[]), &batch_at(&[5]), place, NOW);
    assert_eq!(decode_note(&anonymous.note(), 1, 5), (None, -1));
}

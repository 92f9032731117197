use super::*;
use bytes::Bytes;

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

fn batch_of(count: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    for index in 0..count {
        builder = builder.value(1_000 + index as i64, b"value");
    }
    builder.build()
}

/// Changes a batch and makes its CRC true again.
fn resealed(batch: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = batch.to_vec();
    change(&mut bytes);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[track_caller]
fn check_refused(records: impl Into<Bytes>, expected: BatchError) {
    assert_eq!(check_produced(&records.into()).unwrap_err(), expected);
}

#[test]
fn a_batch_has_the_bytes_that_kafka_writes() {
    let batch = BatchBuilder::new()
        .producer(5, 1, 9)
        .value(7, b"hi")
        .build();

    let expected = [
        0, 0, 0, 0, 0, 0, 0, 0, // base offset
        0, 0, 0, 58, // length
        255, 255, 255, 255, // leader epoch
        2,   // magic
        0, 0, 0, 0, // CRC, below
        0, 0, // attributes
        0, 0, 0, 0, // last offset delta
        0, 0, 0, 0, 0, 0, 0, 7, // base timestamp
        0, 0, 0, 0, 0, 0, 0, 7, // max timestamp
        0, 0, 0, 0, 0, 0, 0, 5, // producer id
        0, 1, // producer epoch
        0, 0, 0, 9, // base sequence
        0, 0, 0, 1, // count
        16, 0, 0, 0, 1, 4, b'h', b'i', 0, // length 8, attributes, deltas, null key, value
    ];
    assert_eq!(batch[..17], expected[..17]);
    assert_eq!(batch[21..], expected[21..]);
    assert_eq!(batch[17..21], crc32c::crc32c(&expected[21..]).to_be_bytes());
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(header.encode(), batch[..61]);
    assert_eq!(
        (header.producer_id, header.base_sequence, header.count),
        (5, 9, 1)
    );
}

#[test]
fn a_batch_is_read_back_under_every_codec() {
    for codec in CODECS {
        let value = vec![b'x'; 100_000];
        let headers = [("one", Some(&b"1"[..])), ("none", None)];
        let mut builder = BatchBuilder::new().codec(codec).base_offset(500);
        for index in 0..10 {
            builder.push(NewRecord {
                timestamp: 1_000 + index,
                key: (index % 2 == 0).then_some(b"key"),
                value: (index != 3).then_some(&value),
                headers: &headers,
            });
        }

        let batch = builder.build();

        let checked = check_produced(&batch).unwrap();
        assert_eq!(checked.codec, codec);
        let read: Result<Vec<Record>, _> = records(&batch, 10 << 20).unwrap().collect();
        let read = read.unwrap_or_else(|error| panic!("{codec:?}: {error}"));
        assert_eq!(read.len(), 10);
        assert_eq!((read[4].offset, read[4].timestamp), (504, 1_004));
        assert_eq!(read[4].key.as_deref(), Some(&b"key"[..]));
        assert_eq!(read[4].value.as_deref(), Some(&value[..]));
        assert_eq!((&read[3].key, &read[3].value), (&None, &None));
        assert_eq!(&read[3].headers[0].0[..], b"one");
        assert_eq!(read[3].headers[1].1, None);
    }
}

#[test]
fn snappy_without_framing_is_read_too() {
    let plain = batch_of(3);
    let packed = snap::raw::Encoder::new()
        .compress_vec(&plain[61..])
        .unwrap();
    let batch = resealed(&plain, |bytes| {
        bytes.truncate(61);
        bytes.extend_from_slice(&packed);
        let length = bytes.len() as u32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[22] |= 2;
    });

    assert_eq!(
        records(&batch, 1 << 20)
            .unwrap()
            .filter(Result::is_ok)
            .count(),
        3
    );
}

#[test]
fn a_decompression_bomb_ends_at_the_bound() {
    for codec in CODECS {
        let value = vec![0; 32 << 20];
        let batch = BatchBuilder::new().codec(codec).value(0, &value).build();

        let results: Vec<_> = records(&batch, 1 << 20).unwrap().collect();

        assert_eq!(results.len(), 1, "{codec:?}");
        assert!(results[0].is_err(), "{codec:?}");
    }
}

#[test]
fn a_zstd_window_beyond_the_bound_is_refused_before_it_is_filled() {
    // Frames of one run-length block, whose headers ask for windows of 2 TiB, 2 GiB and 16 MiB
    // or for a single segment of 4 GiB.
    let headers: [&[u8]; 4] = [
        b"\x00\xf8",
        b"\x00\xa8",
        b"\x00\x70",
        b"\xa0\xff\xff\xff\xff",
    ];
    for header in headers {
        let frame = [b"\x28\xb5\x2f\xfd", header, b"\x03\x00\x10\x00"].concat();
        let batch = resealed(&batch_of(1), |bytes| {
            bytes.truncate(61);
            bytes.extend_from_slice(&frame);
            let length = bytes.len() as u32 - 12;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[22] |= 4;
        });

        let first = records(&batch, 1 << 20).unwrap().next().unwrap();

        assert_eq!(first, Err(BatchError::Decompression), "{header:02x?}");
    }
}

#[test]
fn broken_compressed_records_are_an_error_and_never_a_panic() {
    let mut random = crate::base::random::Random::with_seed(11);
    for codec in CODECS {
        let mut builder = BatchBuilder::new().codec(codec);
        for index in 0..50u8 {
            builder.push(NewRecord {
                value: Some(&[index; 40]),
                ..NewRecord::default()
            });
        }
        let batch = builder.build();
        for _ in 0..300 {
            let mut bytes = batch.to_vec();
            let place = 61 + random.below(bytes.len() as u64 - 61) as usize;
            bytes[place] = random.below(256) as u8;

            let read = records(&bytes.into(), 1 << 20).map(|all| all.count());

            assert!(read.is_ok_and(|count| count <= 50));
        }
    }
}

#[test]
fn a_produced_batch_must_tell_the_truth_about_itself() {
    let good = batch_of(3);
    let size = good.len();
    let length = (size - 12) as i32;

    check_refused(Bytes::new(), BatchError::Empty);
    check_refused(&b"0123456789"[..], BatchError::TooShort { found: 10 });
    check_refused(good.slice(..40), BatchError::TooShort { found: 40 });
    let claims = |claimed, found| BatchError::LengthMismatch { claimed, found };
    check_refused(good.slice(..size - 1), claims(length, size - 1));
    for claimed in [-1, 0, 48, i32::MAX, i32::MIN] {
        let lying = resealed(&good, |bytes| {
            bytes[8..12].copy_from_slice(&claimed.to_be_bytes())
        });
        check_refused(lying, claims(claimed, size));
    }
    check_refused([&good[..], &good[..]].concat(), BatchError::MoreThanOne);
    for magic in [0, 1] {
        let old = resealed(&good, |bytes| bytes[16] = magic);
        check_refused(old, BatchError::OldMagic { found: magic as i8 });
    }
    check_refused(
        resealed(&good, |bytes| bytes[16] = 9),
        BatchError::UnknownMagic { found: 9 },
    );
    check_refused(
        resealed(&good, |bytes| bytes[22] = 5),
        BatchError::UnknownCodec { bits: 5 },
    );
    check_refused(
        resealed(&good, |bytes| bytes[22] = 0x20),
        BatchError::ControlFromClient,
    );
    check_refused(
        resealed(&good, |bytes| bytes[22] = 0x10),
        BatchError::BadProducerFields,
    );
    let no_epoch = BatchBuilder::new().producer(5, -1, 0).value(0, b"").build();
    check_refused(no_epoch, BatchError::BadProducerFields);
}

#[test]
fn the_count_is_the_last_delta_plus_one_and_positive() {
    let good = batch_of(3);
    for (count, delta) in [(2, 2), (3, 3), (0, -1), (-1, -2), (i32::MIN, i32::MAX)] {
        let lying = resealed(&good, |bytes| {
            bytes[57..61].copy_from_slice(&i32::to_be_bytes(count));
            bytes[23..27].copy_from_slice(&i32::to_be_bytes(delta));
        });

        check_refused(
            lying,
            BatchError::CountMismatch {
                count,
                last_offset_delta: delta,
            },
        );
    }
}

#[test]
fn every_flipped_bit_behind_the_crc_is_noticed() {
    let good = batch_of(2);
    for bit in 17 * 8..good.len() * 8 {
        let mut bytes = good.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);

        assert!(check_produced(&bytes.into()).is_err(), "bit {bit}");
    }
}

#[test]
fn the_patched_head_leaves_the_crc_true() {
    let batch = batch_of(2);
    let header = BatchHeader::parse(&batch).unwrap();

    let head = patched_head(&header, 77, 4);

    let stored: Bytes = [&head[..], &batch[BATCH_HEAD_BYTES..]].concat().into();
    let checked = check_produced(&stored).unwrap();
    assert_eq!(
        (checked.header.base_offset, checked.header.leader_epoch),
        (77, 4)
    );
    assert_eq!(checked.header.last_offset(), 78);
}

#[test]
fn stamping_the_append_time_keeps_the_crc_true_without_summing_the_records() {
    for count in [1, 2, 1_000] {
        let batch = batch_of(count);
        let mut header = BatchHeader::parse(&batch).unwrap();

        header.stamp_append_time(&batch, 123_456);

        let stored: Bytes = [&header.encode()[..], &batch[61..]].concat().into();
        let checked = check_produced(&stored).unwrap();
        assert_eq!(
            checked.header.timestamp_type(),
            TimestampType::LogAppendTime
        );
        let first = records(&stored, 1 << 20).unwrap().next().unwrap().unwrap();
        assert_eq!(first.timestamp, 123_456);
    }
}

#[test]
fn sequences_wrap_to_zero() {
    let batch = BatchBuilder::new()
        .producer(1, 0, i32::MAX)
        .value(0, b"")
        .value(0, b"")
        .build();

    assert_eq!(BatchHeader::parse(&batch).unwrap().last_sequence(), 0);
}

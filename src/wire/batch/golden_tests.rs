//! Batches that Kafka's own Java client (4.1.1) wrote, and what is in them.
//!
//! Made with `MemoryRecords.builder`: base offset 100, producer 77, epoch 3, sequence 12, three
//! records, headers and nulls among them.

use super::*;
use bytes::Bytes;

const JAVA: [(Codec, &str); 4] = [
    (
        Codec::Gzip,
        "000000000000006400000074ffffffff02a1152e750001000000020000018bcfe568000000018bcf\
         e56805000000000000004d00030000000c000000031f8b08000000000000fffbc5c2c0c0c0969d5a\
         7983a56214100d589832980c99f2182518b89818798a5393f3f352184418d85838d2f3f352191900\
         58bffd0857010000",
    ),
    (
        Codec::Snappy,
        "000000000000006400000084ffffffff02137cce340002000000020000018bcfe568000000018bcf\
         e56805000000000000004d00030000000c0000000382534e41505059000000000100000001000000\
         3fd7022cfa04000000066b6579d80478fe0100fe0100fe0100fe0100aa01007c0402680231026e01\
         18000a02010c7365636f6e64001400060408676f6e650100",
    ),
    (
        Codec::Lz4,
        "000000000000006400000073ffffffff02eeb3acd10003000000020000018bcfe568000000018bcf\
         e56805000000000000004d00030000000c0000000304224d1860408233000000cffa04000000066b\
         6579d804780100ff19f0110402680231026e0118000a02010c7365636f6e64001400060408676f6e\
         65010000000000",
    ),
    (
        Codec::Zstd,
        "000000000000006400000071ffffffff023103bf900004000000020000018bcfe568000000018bcf\
         e56805000000000000004d00030000000c0000000328b52ffd0058a40100c402fa04000000066b65\
         79d804780402680231026e0118000a02010c7365636f6e64001400060408676f6e6501000100282a\
         4802010000",
    ),
];
/// The sum of the same batch without compression: everything but base offset and leader epoch.
const JAVA_PLAIN_CRC: u32 = 0x8425a03f;

fn bytes_of(hex: &str) -> Bytes {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// The three records as the builder takes them.
fn same_batch(codec: Codec) -> Bytes {
    let start = 1_700_000_000_000;
    let long = [b'x'; 300];
    let headers = [("h", Some(&b"1"[..])), ("n", None)];
    let first = NewRecord {
        timestamp: start,
        key: Some(b"key"),
        value: Some(&long),
        headers: &headers,
    };
    let last = NewRecord {
        timestamp: start + 3,
        key: Some(b"gone"),
        ..NewRecord::default()
    };
    let builder = BatchBuilder::new().codec(codec).base_offset(100);
    let builder = builder.producer(77, 3, 12).record(first);
    builder.value(start + 5, b"second").record(last).build()
}

#[test]
fn the_builder_writes_what_java_writes_to_the_last_byte() {
    let header = BatchHeader::parse(&same_batch(Codec::None)).unwrap();

    assert_eq!(header.crc, JAVA_PLAIN_CRC);
}

#[test]
fn compressed_batches_of_java_are_read() {
    let ours = records(&same_batch(Codec::None), 1 << 20).unwrap();
    let expected: Vec<Record> = ours.map(Result::unwrap).collect();
    assert_eq!(expected.len(), 3);
    for (codec, hex) in JAVA {
        let batch = bytes_of(hex);

        let checked = check_produced(&batch).unwrap();
        let read: Result<Vec<Record>, _> = records(&batch, 1 << 20).unwrap().collect();

        assert_eq!(checked.codec, codec);
        assert_eq!(read.as_ref(), Ok(&expected), "{codec:?}");
    }
}

//! Segments of a few groups, walked over in pieces.

use super::super::entry::Index;
use super::super::format::{HEADER_BYTES, ROW_BYTES, group_bytes};
use super::*;

const INCARNATION: u64 = 9;

/// Appends a group with one row of `length` payload bytes.
fn group(out: &mut Vec<u8>, sequence: u64, stream: u64, first: i64, length: usize) {
    let mut bytes = vec![0; group_bytes(length, 1)];
    let table_at = HEADER_BYTES + length;
    let row = Row {
        count: 1,
        length: length as u32,
        ..Row::bare(Kind::Entry, StreamId(stream), Index(first))
    };
    row.write(&mut bytes[table_at..table_at + ROW_BYTES]);
    let header = Header {
        incarnation: INCARNATION,
        sequence: Sequence(sequence),
        flushed: Sequence(0),
        segment: 3,
        at: out.len() as u32,
        session: 1,
        length: bytes.len() as u32,
        table_at: table_at as u32,
        rows: 1,
        previous: 0,
    };
    header.seal(&mut bytes);
    out.extend(bytes);
}

/// Walks over the bytes; the streams, first indexes and places of the rows found.
fn walk(bytes: &[u8], refused: impl Fn(u64) -> bool) -> (Vec<(u64, i64, u32)>, u32) {
    let mut segment = Segment::new(3, FileId(3));
    segment.used = bytes.len() as u32;
    let mut rescan = Rescan::of(&segment, INCARNATION);
    while let Some((file, at, length)) = rescan.piece() {
        let end = (at.0 + length.0).min(bytes.len() as u64);
        let error = DiskError {
            call: "read",
            file,
            at,
            errno: 5,
        };
        match (at.0..end).step_by(UNIT).any(&refused) {
            true => rescan.took(Err(error)),
            false => rescan.took(Ok(&bytes[at.0 as usize..end as usize])),
        }
    }
    let lost = rescan.lost;
    let index = rescan.finish().expect("few places are bad");
    let rows = index.entries.iter();
    let rows = rows.map(|entry| (entry.row.stream.0, entry.row.first.0, entry.at));
    (rows.collect(), lost)
}

fn segment() -> Vec<u8> {
    let mut bytes = Vec::new();
    group(&mut bytes, 1, 16, 0, 100);
    group(&mut bytes, 2, 17, 0, 6_000);
    group(&mut bytes, 3, 16, 1, 100);
    bytes
}

#[test]
fn every_row_of_a_whole_segment_is_found_at_its_place() {
    let (rows, lost) = walk(&segment(), |_| false);

    assert_eq!(
        rows,
        [(16, 0, 64), (17, 0, 4096 + 64), (16, 1, 3 * 4096 + 64)]
    );
    assert_eq!(lost, 0);
}

#[test]
fn a_group_with_a_bad_header_or_table_costs_its_own_rows_only() {
    for at in [4096 + 30, 4096 + 64 + 6_000 + 8] {
        let mut bytes = segment();
        bytes[at] ^= 1;

        let (rows, lost) = walk(&bytes, |_| false);

        assert_eq!(rows, [(16, 0, 64), (16, 1, 3 * 4096 + 64)], "a bit at {at}");
        assert_eq!(lost, 2);
    }
}

#[test]
fn a_unit_that_the_device_refuses_costs_the_group_that_it_is_part_of() {
    let (rows, lost) = walk(&segment(), |at| at == 8192);

    assert_eq!(rows, [(16, 0, 64), (16, 1, 3 * 4096 + 64)]);
    assert_eq!(lost, 2);
}

#[test]
fn a_group_longer_than_a_window_is_read_whole() {
    let mut bytes = Vec::new();
    group(&mut bytes, 1, 16, 0, 100);
    group(&mut bytes, 2, 17, 0, 3 << 20);
    group(&mut bytes, 3, 16, 1, 100);

    let (rows, lost) = walk(&bytes, |_| false);

    assert_eq!((rows.len(), lost), (3, 0));
}

#[test]
fn a_device_that_refuses_everything_is_given_up() {
    let mut segment = Segment::new(3, FileId(3));
    segment.used = 128 << 20;
    let mut rescan = Rescan::of(&segment, INCARNATION);
    let mut reads = 0;

    while let Some((file, at, _)) = rescan.piece() {
        reads += 1;
        rescan.took(Err(DiskError {
            call: "read",
            file,
            at,
            errno: 5,
        }));
    }

    assert!(reads < 2 * UNREADABLE_IN_RESCAN_MAX + 10, "{reads} reads");
    assert!(rescan.finish().is_err());
}

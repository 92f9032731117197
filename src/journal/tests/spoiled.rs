//! Seeded fuzzing of everything that reads the journal's own forms from a disk: superblock, group,
//! footer's page, checkpoint.
//!
//! Whatever the bytes: no panic, and memory for the bytes that are there, never for a count that
//! they claim. Half of them are summed again after they were spoiled, as if they had been written
//! so, for a sum that does not fit ends the reading before it has begun.
//!
//! THALWEG_FUZZ_SEED repeats a run, THALWEG_FUZZ_RUNS sets the executions of each test.

use bytes::Bytes;

use crate::base::crc::crc32c;
use crate::base::random::{Random, fuzz_runs};
use crate::journal::checkpoint::{read_state, read_table, write_parts};
use crate::journal::entry::{Index, Sequence, StreamId, Term};
use crate::journal::format::{HEADER_BYTES, Header, Kind, ROW_BYTES, Row, UNIT, padded, put, rows};
use crate::journal::index::FOOTER_ROW_BYTES;
use crate::journal::pages::{
    Footer, PageCache, PageId, ROWS_PER_PAGE, RUNS_PER_PAGE, RowRecord, RunRecord, seal_page,
};
use crate::journal::parts::Part;
use crate::journal::superblock::Superblock;
use crate::runtime::counting::rise;

const INCARNATION: u64 = 77;

/// Spoils what `make` makes time and again, and mends its sum every other time. `read` says whether
/// it is taken.
fn check_spoiled(
    purpose: &str,
    make: impl Fn(&mut Random) -> Vec<u8>,
    mend: impl Fn(&mut [u8]),
    read: impl Fn(&[u8]) -> bool,
) {
    // The dearest form is a state of parts, 48 bytes each: they are 72 in memory, in a list that
    // has doubled. The floor is the first node of a map, or what a list begins with.
    let bound = |length: usize| 1_024 + 4 * length;
    let mut random = Random::for_fuzz(purpose);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..fuzz_runs(3_000) {
        let mut bytes = make(&mut random);
        assert!(read(&bytes), "{purpose}: sound bytes are refused");
        random.spoil(&mut bytes);
        if random.one_in(2) {
            mend(&mut bytes);
        }

        let (is_taken, rise) = rise(|| read(&bytes));

        assert!(
            rise <= bound(bytes.len()),
            "{purpose}: {rise} bytes of memory for {} bytes: {bytes:02x?}",
            bytes.len()
        );
        taken += u64::from(is_taken);
        refused += u64::from(!is_taken);
    }
    println!("{purpose}: {taken} taken, {refused} refused");
    assert!(taken > 0 && refused > 0, "{purpose}: one way only");
}

fn some_row(random: &mut Random, payload: &[u8]) -> Row {
    let head = random.below(payload.len() as u64 + 1) as usize;
    Row {
        term: Term(3),
        count: 1 + random.below(5) as u32,
        length: payload.len() as u32,
        head_sum: crc32c(&payload[..head]),
        head_length: head as u16,
        body_sum: crc32c(&payload[head..]),
        ..Row::bare(
            Kind::Entry,
            StreamId(16 + random.below(4)),
            Index(random.below(1_000) as i64),
        )
    }
}

fn group(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    let mut table = Vec::new();
    for _ in 0..random.below(20) {
        let mut payload = vec![0; random.below(300) as usize];
        random.fill(&mut payload);
        let mut row = [0; ROW_BYTES];
        some_row(random, &payload).write(&mut row);
        bytes.extend(payload);
        table.extend(row);
    }
    let header = Header {
        incarnation: INCARNATION,
        sequence: Sequence(9),
        flushed: Sequence(8),
        segment: 2,
        at: UNIT as u32,
        session: 1,
        length: padded(bytes.len() + table.len()) as u32,
        table_at: bytes.len() as u32,
        rows: (table.len() / ROW_BYTES) as u32,
        previous: 5,
    };
    bytes.extend(table);
    bytes.resize(header.length as usize, 0);
    header.seal(&mut bytes);
    bytes
}

/// As a scan reads what may be a group: header, sum, rows, payloads.
fn read_group(bytes: &[u8]) -> bool {
    let Ok(header) = Header::read(bytes) else {
        return false;
    };
    let Some(group) = bytes.get(..header.length as usize) else {
        return false;
    };
    if header.sum(group) != Header::stored_sum(group) {
        return false;
    }
    let Some(rows) = rows(&header, group) else {
        return false;
    };
    rows.iter().all(|(row, at)| {
        let _ = (row.end(), row.head().end());
        let payload = group.get(*at as usize..(*at + row.length) as usize);
        payload.is_some_and(|payload| row.fits(payload))
    })
}

#[test]
fn spoiled_groups_never_panic_and_are_read_in_bounded_memory() {
    let mend = |bytes: &mut [u8]| {
        if let Ok(header) = Header::read(bytes)
            && let Some(group) = bytes.get_mut(..header.length as usize)
        {
            let sum = header.sum(group);
            put(group, 60, sum.to_le_bytes());
        }
    };

    check_spoiled("group", group, mend, read_group);
}

fn superblock(random: &mut Random) -> Vec<u8> {
    let superblock = Superblock {
        generation: random.next_u64(),
        table: random.one_in(2).then_some((7, 3 * UNIT as u32)),
        ..Superblock::fresh(INCARNATION)
    };
    let mut bytes = vec![0; UNIT];
    superblock.write(&mut bytes);
    bytes
}

#[test]
fn spoiled_superblocks_never_panic_and_are_read_in_bounded_memory() {
    let mend = |bytes: &mut [u8]| {
        if bytes.len() >= 52 {
            let sum = crc32c(&bytes[..48]);
            put(bytes, 48, sum.to_le_bytes());
        }
    };
    let read = |bytes: &[u8]| match Superblock::read(bytes) {
        Some(Ok(superblock)) => superblock.at().0 <= UNIT as u64,
        Some(Err(_)) | None => false,
    };

    check_spoiled("superblock", superblock, mend, read);
}

const PAGE: PageId = PageId {
    segment: 4,
    page: 16,
};

/// Two pages of a footer, as they are fetched.
fn pages(random: &mut Random) -> Vec<u8> {
    let footer = Footer {
        at: 0,
        runs: RUNS_PER_PAGE,
        rows: ROWS_PER_PAGE,
    };
    let mut bytes = vec![0; 2 * UNIT];
    let (runs, rest) = bytes.split_at_mut(UNIT);
    for number in 0..RUNS_PER_PAGE {
        let record = RunRecord {
            stream: StreamId(16 + u64::from(number)),
            first: Index(random.below(100) as i64),
            end: Index(200),
            time_max: -1,
            bytes: 700,
            row_start: number,
            rows: 1,
            link: (random.below(9) as u32, 0),
        };
        record.write(&mut runs[footer.run(number).1..]);
    }
    for number in 0..ROWS_PER_PAGE {
        let row = some_row(random, b"a payload");
        let record = RowRecord {
            row,
            at: 64,
            number,
        };
        record.write(&mut rest[footer.row(number).1..]);
    }
    mend_pages(&mut bytes);
    bytes
}

fn mend_pages(bytes: &mut [u8]) {
    for (number, page) in bytes.chunks_exact_mut(UNIT).enumerate() {
        let page_number = PAGE.page + number as u32;
        let id = PageId {
            page: page_number,
            ..PAGE
        };
        seal_page(page, INCARNATION, id);
    }
}

/// As a bunch of pages is taken in, and all that a reader may take out of them.
fn read_pages(bytes: &[u8]) -> bool {
    let footer = Footer {
        at: 0,
        runs: RUNS_PER_PAGE,
        rows: ROWS_PER_PAGE,
    };
    let mut cache = PageCache::default();
    let bunch = Bytes::copy_from_slice(bytes);
    let is_whole = bytes.len() == 2 * UNIT && cache.insert(INCARNATION, PAGE, &bunch);
    if let Some(page) = cache.get(PAGE) {
        for number in 0..RUNS_PER_PAGE {
            let record = RunRecord::read(&page[footer.run(number).1..]);
            let _ = record.part(PAGE.segment, number).live_bytes();
        }
    }
    let second = PageId {
        page: PAGE.page + 1,
        ..PAGE
    };
    let rows = cache.get(second).map(|page| {
        let mut rows = page[64..].chunks_exact(FOOTER_ROW_BYTES);
        rows.all(|bytes| RowRecord::read(bytes).is_some_and(|read| read.row.end() >= Index(0)))
    });
    is_whole && rows == Some(true)
}

#[test]
fn spoiled_pages_of_a_footer_never_panic_and_are_read_in_bounded_memory() {
    check_spoiled("footer", pages, mend_pages, read_pages);
}

fn part(first: i64, segment: u32) -> Part {
    let row = Row {
        count: 5,
        length: 70,
        ..Row::bare(Kind::Entry, StreamId(16), Index(first))
    };
    Part::of(&row, segment, 3)
}

fn state(random: &mut Random) -> Vec<u8> {
    let mut parts = Vec::new();
    for number in 0..random.below(12) as i64 {
        let segment = 100 * number as u32 + random.below(20) as u32;
        let plain = part(number * 10, segment + 2);
        parts.push(match random.one_in(2) {
            true => plain.joined(&part(
                number * 10 + 5,
                segment + 3 + random.below(70) as u32,
            )),
            false => plain,
        });
    }
    let mut bytes = Vec::new();
    write_parts(&parts, &mut bytes);
    bytes.extend_from_slice(b"the caller's");
    bytes
}

#[test]
fn spoiled_states_of_streams_never_panic_and_are_read_in_bounded_memory() {
    let row = Row::bare(Kind::Checkpoint, StreamId(16), Index(0));
    let read = |bytes: &[u8]| {
        let Some(state) = read_state(&row, bytes) else {
            return false;
        };
        // All that an index makes of a part.
        state.parts.iter().for_each(|part| {
            let _ = (part.spread(), part.segments().count(), part.live_bytes());
        });
        true
    };

    check_spoiled("state", state, |_| {}, read);
}

#[test]
fn spoiled_tables_of_segments_never_panic_and_are_read_in_bounded_memory() {
    let table = |random: &mut Random| {
        let mut bytes = vec![0; 32 * random.below(20) as usize];
        random.fill(&mut bytes);
        bytes.extend([1; 32]);
        bytes
    };
    let read = |bytes: &[u8]| {
        let table = read_table(bytes);
        let footers = table.values().filter_map(|segment| segment.footer);
        footers.for_each(|footer| {
            let _ = (footer.bytes(), footer.run(u32::MAX), footer.row(u32::MAX));
        });
        !table.is_empty()
    };

    check_spoiled("table", table, |_| {}, read);
}

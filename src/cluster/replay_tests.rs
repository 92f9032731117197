use bytes::Bytes;

use super::super::encode::encode_change;
use super::super::encode::tests::world;
use super::super::snapshot::Writer;
use super::*;
use crate::base::random::{Random, fuzz_runs};
use crate::journal::{EntryHead, Index, StreamId, Term};
use crate::runtime::counting::rise;

fn slice(payload: &[u8]) -> Slice {
    let head = EntryHead {
        stream: StreamId::METADATA,
        first: Index(0),
        term: Term(0),
        count: 1,
        time_max: -1,
        note: [0; 16],
        length: payload.len() as u32,
    };
    Slice {
        head,
        payload: Bytes::copy_from_slice(payload),
    }
}

/// The payloads of a log of changes, and those of one that begins with a snapshot.
fn logs() -> [Vec<Vec<u8>>; 2] {
    let (metadata, changes) = world(4, 6);
    let changes: Vec<Vec<u8>> = changes.iter().map(encode_change).collect();
    let mut writer = Writer::new(&metadata, Index(0));
    let mut parts = Vec::new();
    while !writer.is_whole() {
        let (part, last) = writer.part();
        writer.advance(part.len(), last);
        parts.push(part);
    }
    [changes, parts]
}

/// Puts a number that is as large as they come in the place of one that is there.
fn exaggerate(bytes: &mut Vec<u8>, random: &mut Random) {
    const LARGE: [&str; 5] = [
        "99999",
        "100000",
        "4294967295",
        "9223372036854775807",
        "18446744073709551615",
    ];
    let from = random.below(bytes.len() as u64) as usize;
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let start = from + start;
    let digits = bytes[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let end = start + digits.count();
    let large = LARGE[random.below(5) as usize];
    bytes.splice(start..end, large.bytes());
}

/// Memory for the bytes that are there, never for a count that they claim. The dearest are a
/// topic's: 100 bytes or so become its name, twice, and a configuration of its own.
#[test]
fn spoiled_logs_of_metadata_never_panic_and_are_read_in_bounded_memory() {
    let bound = |bytes: usize| 8_192 + 32 * bytes;
    let logs = logs();
    let mut random = Random::for_fuzz("metadata");
    let (mut taken, mut refused) = (0, 0);
    for run in 0..fuzz_runs(4_000) {
        let mut log = logs[run as usize % 2].clone();
        let number = random.below(log.len() as u64) as usize;
        match random.one_in(2) {
            true => random.spoil(&mut log[number]),
            false => exaggerate(&mut log[number], &mut random),
        }
        let slices: Vec<Slice> = log.iter().map(|payload| slice(payload)).collect();
        let bytes: usize = log.iter().map(Vec::len).sum();

        let (is_taken, rise) = rise(|| replay(&slices).is_ok());

        assert!(
            rise <= bound(bytes),
            "{rise} bytes of memory for {bytes}: {}",
            String::from_utf8_lossy(&log[number])
        );
        taken += u64::from(is_taken);
        refused += u64::from(!is_taken);
    }
    println!("metadata: {taken} taken, {refused} refused");
    assert!(taken > 0 && refused > 0, "one way only");
}

//! Harm to stored bytes: kept, reported, and everything else served.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use thalweg::base::random::Random;
use thalweg::base::{ByteCount, Position};
use thalweg::journal::{
    EntryHead, Index, Journal, ReadRequest, ReadToken, Settings, Slice, StreamId,
};
use thalweg::runtime::sim::{DiskFaults, SimDisk};
use thalweg::runtime::{BlockPool, Directory, FileId};

use crate::bench::{Bench, START, check_slice, open, settings};
use crate::model::{Model, Staged, payload_of};
use crate::{Replayable, number_from};

/// What befalls one place.
#[derive(Clone, Copy, Debug)]
enum Harm {
    BitTurned,
    /// The device refuses to read it.
    SectorSpoilt,
    /// A write that was meant for elsewhere landed on it.
    PageOfAnother,
}

/// The last twice, for it does the most.
const HARMS: [Harm; 4] = [
    Harm::BitTurned,
    Harm::SectorSpoilt,
    Harm::PageOfAnother,
    Harm::PageOfAnother,
];

/// An entry's place in the model.
type Known = (StreamId, Index);

/// A journal at rest after some work, everything flushed and sealed; then one place is harmed.
fn run(seed: u64) -> (usize, usize) {
    let _replayable = Replayable { seed };
    let mut random = Random::with_seed(seed);
    let settings = settings(&mut random);
    let mut disk = SimDisk::new(random.next_u64(), DiskFaults::NONE);
    let opened = open(&mut disk, settings, START, None).expect("an empty disk opens");
    let (journal, _) = opened.expect("nothing crashed");
    let mut bench = Bench::new(disk, journal, Model::default(), random.next_u64(), START);
    for _ in 0..200 + random.below(1_000) {
        bench.step();
    }
    bench.come_to_rest();
    let mut disk = bench.disk;
    disk.kill();
    let whole = disk.clone();
    let place = match HARMS[seed as usize % HARMS.len()] {
        Harm::BitTurned => disk.rot(),
        Harm::SectorSpoilt => disk.spoil(),
        Harm::PageOfAnother => disk.misplace(),
    };
    let Some(harm) = place else {
        return (0, 0);
    };
    let opened = open(&mut disk, settings, bench.now, None)
        .unwrap_or_else(|error| panic!("harm at {harm:?} keeps it from opening: {error:?}"));
    let (journal, _) = opened.expect("nothing crashed");
    let at_risk = entries_of_group(whole, settings, &bench.model, harm);
    check(&mut disk, journal, &bench.model, harm, &at_risk)
}

/// The entries that lie in the harmed group, those carried there from older segments among them.
fn entries_of_group(
    mut disk: SimDisk,
    settings: Settings,
    model: &Model,
    (file, at): (FileId, Position),
) -> BTreeSet<Known> {
    let opened = open(&mut disk, settings, START, None).expect("a whole disk opens");
    let (journal, _) = opened.expect("nothing crashed");
    let mut directory = disk.directory(BlockPool::default(), None);
    let segments = journal.segments();
    let Some(segment) = segments.iter().find(|segment| segment.file == file) else {
        return BTreeSet::new();
    };
    let check = journal.check_segment(&mut directory, segment);
    let groups = check.expect("a whole segment").groups.into_iter();
    let mut groups = groups.map(|(start, length)| start.0..start.0 + length.0);
    let Some(group) = groups.find(|group| group.contains(&at.0)) else {
        return BTreeSet::new();
    };
    let bytes = read(&mut directory, file, group);
    let starts = starts_of_payloads(model);
    let windows = bytes.windows(START_BYTES);
    windows
        .filter_map(|start| starts.get(start).copied())
        .collect()
}

/// So much of a payload tells whose it is.
const START_BYTES: usize = 16;

fn starts_of_payloads(model: &Model) -> BTreeMap<Vec<u8>, Known> {
    let entries = model.streams.iter().flat_map(|(id, stream)| {
        let entries = stream.entries.iter();
        entries.map(|entry| (*id, &entry.head))
    });
    let starts = entries.map(|(id, head)| {
        let start = payload_of(head)[..START_BYTES].to_vec();
        (start, (id, head.first))
    });
    starts.collect()
}

fn read(directory: &mut dyn Directory, file: FileId, range: Range<u64>) -> Vec<u8> {
    let length = ByteCount(range.end - range.start);
    let block = directory.read(file, Position(range.start), length);
    block.expect("a whole disk").filled_bytes().to_vec()
}

/// Everything is served but what the harmed group held, and what is missing is reported.
fn check(
    disk: &mut SimDisk,
    journal: Journal,
    model: &Model,
    harm: (FileId, Position),
    at_risk: &BTreeSet<Known>,
) -> (usize, usize) {
    let damage = journal.damage().len();
    let mut bench = Bench::new(disk.clone(), journal, model.clone(), 1, START);
    let (mut missing, mut served) = (0, 0);
    for (id, stream) in &model.streams {
        if stream.dropped.is_some() {
            continue;
        }
        let kept = |entry: &&Staged| entry.head.end().0 > stream.first();
        let mut behind = false;
        for entry in stream.entries.iter().filter(kept).rev() {
            let head = &entry.head;
            let outcome = read_one(&mut bench, *id, head.first, head.end());
            if let Outcome::Served(slice) = &outcome {
                assert_eq!(slice.head, *head, "another was served");
                check_slice(model, &slice.head, &slice.payload);
                served += 1;
                behind = true;
                continue;
            }
            missing += 1;
            assert!(
                at_risk.contains(&(*id, head.first)),
                "harm at {harm:?} cost {head:?} of group {}, which lay elsewhere",
                entry.group
            );
            // Of a stream that has nothing behind it nobody can say what it lost.
            let skipped = matches!(outcome, Outcome::Skipped) && behind;
            assert!(
                !skipped || is_named(&bench.journal, head),
                "harm at {harm:?}: nobody is told that {head:?} is gone: {:?}",
                bench.journal.damage()
            );
        }
    }
    let lost = missing > 0 && journal_lost(&bench, model);
    assert!(
        !lost || damage > 0,
        "entries are gone without a report: {harm:?}"
    );
    (missing, served)
}

/// True if some stream ends, or begins, elsewhere than the model says.
fn journal_lost(bench: &Bench, model: &Model) -> bool {
    model.streams.iter().any(|(id, stream)| {
        let range = bench.journal.range(*id);
        stream.dropped.is_none() && range.is_none_or(|(_, end)| end != Index(stream.end()))
    })
}

/// True if the journal says that the entry is lost.
fn is_named(journal: &Journal, head: &EntryHead) -> bool {
    let mut streams = journal.damage().iter().flat_map(|damage| &damage.streams);
    streams.any(|(stream, from, to)| {
        *stream == head.stream && *from <= head.first && head.end() <= *to
    })
}

#[derive(Debug)]
enum Outcome {
    Served(Slice),
    /// With an error.
    Refused,
    /// A reader is given what follows.
    Skipped,
}

/// The entry that begins at `from`.
fn read_one(bench: &mut Bench, stream: StreamId, from: Index, until: Index) -> Outcome {
    let Some((first, _)) = bench.journal.range(stream) else {
        return Outcome::Skipped;
    };
    let request = ReadRequest {
        token: ReadToken(1),
        stream,
        from: from.max(first),
        until,
        bytes_max: ByteCount(0),
        first_whole: true,
    };
    let mut done = bench.journal.read(request);
    for _ in 0..100 {
        if let Some(done) = done {
            return match done.result {
                Ok(slices) => slices
                    .into_iter()
                    .next()
                    .map_or(Outcome::Skipped, Outcome::Served),
                Err(_) => Outcome::Refused,
            };
        }
        bench.turn();
        for ticket in bench.disk.under_way() {
            let ended = bench.disk.finish(ticket);
            bench.journal.completed(bench.now, ended);
        }
        done = bench.journal.take_finished().pop();
    }
    panic!("a read does not end");
}

#[test]
fn harm_to_one_place_is_reported_and_everything_else_is_served() {
    if let Some(seed) = number_from("THALWEG_SIM_SEED") {
        println!("missing, served: {:?}", run(seed));
        return;
    }
    let wanted = number_from("THALWEG_CRASH_STATES").unwrap_or(400) / 20;
    let (mut missing, mut served) = (0, 0);
    for seed in 1..=wanted {
        let counts = run(seed);
        missing += counts.0;
        served += counts.1;
    }
    println!("{wanted} harmed journals: {missing} entries refused, {served} served");
    assert!(missing > 0, "no harm was ever done");
}

//! Harm to stored bytes: kept, reported, and everything else served.

use std::collections::BTreeSet;

use thalweg::base::random::Random;
use thalweg::base::{ByteCount, Position};
use thalweg::journal::{Index, Journal, ReadRequest, ReadToken, Slice, StreamId};
use thalweg::runtime::sim::{DiskFaults, SimDisk};
use thalweg::runtime::{BlockPool, Directory, FileId};

use crate::bench::{Bench, START, check_slice, open, settings};
use crate::model::Model;
use crate::{Replayable, number_from};

/// A journal at rest after some work, everything flushed and sealed; then one bit turns.
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
    let Some((file, at)) = disk.rot() else {
        return (0, 0);
    };
    let opened = open(&mut disk, settings, bench.now, None)
        .unwrap_or_else(|error| panic!("harm at {file:?} {at:?} keeps it from opening: {error:?}"));
    let (journal, _) = opened.expect("nothing crashed");
    check(&mut disk, journal, &bench.model, (file, at))
}

/// Everything is served but what one group held, and what is missing is reported.
fn check(
    disk: &mut SimDisk,
    journal: Journal,
    model: &Model,
    harm: (FileId, Position),
) -> (usize, usize) {
    let damage = journal.damage().len();
    let mut bench = Bench::new(disk.clone(), journal, model.clone(), 1, START);
    let (mut missing, mut served) = (0, 0);
    let mut groups = BTreeSet::new();
    for (id, stream) in &model.streams {
        if stream.dropped.is_some() {
            continue;
        }
        for entry in &stream.entries {
            if entry.head.end().0 <= stream.first() {
                continue;
            }
            match read_one(&mut bench, *id, entry.head.first, entry.head.end()) {
                Some(slice) if slice.head == entry.head => {
                    check_slice(model, &slice.head, &slice.payload);
                    served += 1;
                }
                Some(slice) => panic!("{:?} was served for {:?}", slice.head, entry.head),
                None => {
                    missing += 1;
                    groups.insert(entry.group);
                }
            }
        }
    }
    // What a footer lists stands in the groups, too.
    let allowed = usize::from(!is_footer_page(disk, harm));
    assert!(
        groups.len() <= allowed,
        "one bit at {harm:?} cost the groups {groups:?}"
    );
    let lost = missing > 0 && journal_lost(&bench, model);
    assert!(
        !lost || damage > 0,
        "entries are gone without a report: {harm:?}"
    );
    (missing, served)
}

/// True if the harmed page is one of a footer's, as its magic says.
fn is_footer_page(disk: &mut SimDisk, (file, at): (FileId, Position)) -> bool {
    let page = Position(at.0 / 4096 * 4096);
    let mut directory = disk.directory(BlockPool::default(), None);
    let block = directory
        .read(file, page, ByteCount(4096))
        .expect("the page is there");
    // A bit of the magic itself tells a footer from a group.
    at.0 - page.0 >= 4 && block.filled_bytes().starts_with(b"TWF1")
}

/// True if some stream ends, or begins, elsewhere than the model says.
fn journal_lost(bench: &Bench, model: &Model) -> bool {
    model.streams.iter().any(|(id, stream)| {
        let range = bench.journal.range(*id);
        stream.dropped.is_none() && range.is_none_or(|(_, end)| end != Index(stream.end()))
    })
}

/// The entry that begins at `from`; None if it can not be read.
fn read_one(bench: &mut Bench, stream: StreamId, from: Index, until: Index) -> Option<Slice> {
    let first = bench.journal.range(stream)?.0;
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
            return done.result.ok()?.into_iter().next();
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
fn harm_to_one_bit_is_reported_and_everything_else_is_served() {
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

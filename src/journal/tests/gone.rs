//! Segments whose files are gone, and checkpoints that are lost: what is told of it, and what is
//! still served.

use std::collections::BTreeMap;

use super::world::{World, settings};
use crate::journal::checkpoint::Round;
use crate::journal::{Index, JournalError, StreamId};
use crate::runtime::{Directory, FileId};

const FIRST_STREAM: u64 = 20;

/// Where entries lie: the segment by stream and index.
type Places = BTreeMap<(StreamId, i64), u32>;

/// Entries of 3,000 bytes, of so many streams in turn; about 80 fill a segment.
fn fill(world: &mut World, streams: u64, entries: u64) {
    for number in 0..entries {
        world.stage_patiently(FIRST_STREAM + number % streams, 1, 3_000);
        world.step();
    }
    world.settle();
}

fn places(world: &World) -> Places {
    let place = |stream: StreamId, first: i64| {
        let stream = world.journal.book.streams.get(stream).expect("it is known");
        let part = stream.part_at(Index(first)).expect("it is kept");
        stream.parts[part].segment
    };
    let staged = world.staged.iter();
    let places = staged.map(|it| ((it.stream, it.first), place(it.stream, it.first)));
    places.collect()
}

/// Takes a segment's file away, and starts anew.
fn lose(world: &mut World, segment: u32) -> FileId {
    let file = world.journal.book.segments[&segment].file;
    world.disk.remove(file).expect("it can be removed");
    world.reopen().expect("a journal opens without a segment");
    file
}

/// All entries are read, but for those that lay in the lost segment: these are refused.
fn check_served(world: &mut World, places: &Places, lost: u32) {
    for ((stream, first), segment) in places {
        let end = world.end_of(stream.0);
        let read = world.read(*stream, *first, end, 1);
        match read {
            Ok(slices) => {
                let found = slices.first().map(|slice| slice.head.first.0);
                assert_eq!(found, Some(*first), "{stream:?}");
                assert_ne!(*segment, lost, "{stream:?} {first} is gone");
            }
            Err(error) => {
                let is_lost = matches!(error, JournalError::Lost { .. });
                assert!(is_lost, "{stream:?} {first}: {error:?}");
                assert_eq!(*segment, lost, "{stream:?} {first} is refused");
            }
        }
    }
}

/// All entries that lay in the lost segment are told.
fn check_told(world: &World, places: &Places, lost: u32) {
    let damage = world.journal.damage();
    let mut gone = places.iter().filter(|(_, segment)| **segment == lost);
    let is_told = |stream: StreamId, first: i64| {
        let mut told = damage.iter().flat_map(|damage| &damage.streams);
        told.any(|(of, from, to)| *of == stream && from.0 <= first && first < to.0)
    };
    let untold = gone.find(|((stream, first), _)| !is_told(*stream, *first));
    assert_eq!(untold, None, "{damage:?}");
}

#[test]
fn a_segment_that_no_restart_needs_and_that_is_gone_is_told_with_what_lay_in_it() {
    let mut world = World::with(1, settings());
    fill(&mut world, 10, 800);
    let places = places(&world);
    let first = world.journal.segments()[0].first;
    assert!(world.journal.checkpoints.replay_from > 1);

    for start in 0..2 {
        let file = match start {
            0 => lose(&mut world, 1),
            _ => {
                world.reopen().expect("it opens");
                FileId(0)
            }
        };
        let damage = world.journal.damage();
        let told: Vec<_> = damage.iter().map(|it| (it.gone, it.file)).collect();
        match start {
            0 => {
                assert_eq!(told, [(true, file)]);
                assert_eq!(damage[0].first, first);
                check_told(&world, &places, 1);
            }
            // Since the checkpoints after the damage, nothing is thought to be there.
            _ => assert!(told.is_empty(), "{told:?}"),
        }
        check_served(&mut world, &places, 1);
        world.check_counts();
        world.settle();
    }
}

#[test]
fn a_segment_that_a_restart_needs_and_that_is_gone_is_told_and_gives_no_index_again() {
    let mut world = World::with(2, settings());
    world.journal.checkpoints.streams_min = 1;
    fill(&mut world, 20, 2_000);
    let places = places(&world);
    let ends: Vec<i64> = (20..40).map(|stream| world.end_of(stream)).collect();
    let needed = world.journal.checkpoints.replay_from;
    let segments = &world.journal.book.segments;
    assert!(needed > 1 && segments[&needed].footer.is_some());
    assert!(segments[&needed].saved > 0);

    let file = lose(&mut world, needed);

    let damage = world.journal.damage();
    let told: Vec<_> = damage.iter().map(|it| (it.gone, it.file)).collect();
    assert_eq!(told, [(true, file)]);
    check_told(&world, &places, needed);
    for start in 0..2 {
        let found: Vec<i64> = (20..40).map(|stream| world.end_of(stream)).collect();
        assert_eq!(found, ends, "start {start}");
        check_served(&mut world, &places, needed);
        world.settle();
        world.reopen().expect("it opens");
    }
}

#[test]
fn a_segment_that_no_table_names_and_that_is_gone_is_told() {
    let mut world = World::with(3, settings());
    // As if one were under way: none begins, and no table is ever written.
    world.journal.checkpoints.round = Round::Superblock { replay_from: 1 };
    fill(&mut world, 10, 800);
    let places = places(&world);

    lose(&mut world, 3);

    assert_eq!(world.journal.damage().len(), 1);
    check_told(&world, &places, 3);
    check_served(&mut world, &places, 3);
}

/// With more streams than a turn takes, a round of checkpoints fills several groups, of which the
/// last holds the table.
#[test]
fn a_lost_group_of_checkpoints_costs_no_entry_that_lies_elsewhere() {
    let mut world = World::with(4, settings());
    fill(&mut world, 600, 1_300);
    world.journal.checkpoints.begin_whole();
    world.settle();
    let (segment, table_at) = world.journal.turn.superblock.table.expect("a table");
    let open = world.journal.segments().pop().expect("a segment");
    assert_eq!(open.number, segment);
    let check = world.journal.check_segment(&mut world.disk, &open);
    let groups = check.expect("it is whole").groups;
    let states = groups
        .iter()
        .rev()
        .find(|(at, _)| at.0 < u64::from(table_at));
    let (states, _) = states.expect("a group of states");
    let elsewhere: Places = places(&world)
        .into_iter()
        .filter(|(_, place)| *place != segment)
        .collect();

    world.disk.corrupt(open.file, states.0 + 20);
    for _ in 0..2 {
        world.reopen().expect("it opens");
        check_served(&mut world, &elsewhere, segment);
        world.settle();
        check_served(&mut world, &elsewhere, segment);
    }
}

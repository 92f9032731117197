//! A medium that is wrong once, or for ever, at one place.

use super::world::World;
use crate::base::Span;
use crate::base::limits::LOST_GROUP_INDEXES;
use crate::journal::{Index, JournalError, StreamId};
use crate::runtime::FileId;

const UNIT: u64 = 4096;

/// Stages one entry and lets it be flushed, and no seal follow. Returns its payload.
fn flush_one(world: &mut World, stream: u64) -> Vec<u8> {
    let placed = world.stage_patiently(stream, 1, 5_000);
    while world.journal.flushed() < placed.group {
        world.step();
    }
    world.staged.last().expect("just staged").payload.clone()
}

/// The places of the header, of a payload's byte and of the table's last row's sum in the group of
/// a payload that is alone in it.
fn places(world: &World, payload: &[u8]) -> (FileId, [u64; 3]) {
    let (file, at) = world.disk.place_of(&payload[..64]);
    let header = at / UNIT * UNIT;
    (
        file,
        [header + 20, at + 700, at + payload.len() as u64 + 50],
    )
}

#[test]
fn a_flushed_group_at_the_tail_that_is_misread_once_is_not_cut() {
    for which in 0..3 {
        for times in 1..=2 {
            let mut world = World::new(11);
            flush_one(&mut world, 20);
            let last = flush_one(&mut world, 20);
            let (file, places) = places(&world, &last);

            world.disk.under_way.clear();
            world.disk.misread = Some((file, places[which], times));
            world.reopen().expect("it opens");

            assert_eq!(world.end_of(20), 2, "place {which}, {times} times");
            assert!(world.journal.damage().is_empty());
            world.check_all();
        }
    }
}

#[test]
fn a_group_at_the_tail_that_can_not_be_read_once_is_not_cut() {
    let mut world = World::new(12);
    flush_one(&mut world, 20);
    let last = flush_one(&mut world, 20);
    let (file, [header, ..]) = places(&world, &last);

    world.disk.refused = vec![(file, header, 2)];
    world.reopen().expect("it opens");

    assert_eq!(world.end_of(20), 2);
}

#[test]
fn a_unit_that_can_not_be_read_costs_its_group_and_no_other() {
    // The unit of the header and table's start, or a later one, of payload only.
    for offset in [0, UNIT + 100] {
        let mut world = World::new(13);
        flush_one(&mut world, 20);
        let payload = flush_one(&mut world, 20);
        flush_one(&mut world, 20);
        world.settle();
        let (file, [header, ..]) = places(&world, &payload);

        world.disk.refused = vec![(file, header / UNIT * UNIT + offset, u32::MAX)];
        world.reopen().expect("it opens");

        assert_eq!(world.journal.damage().len(), 1, "at {offset}");
        assert_eq!(world.end_of(20), 3);
        for (index, good) in [(0, true), (1, false), (2, true)] {
            let read = world.read(StreamId(20), index, 3, 1);
            assert_eq!(
                read.is_ok(),
                good,
                "entry {index}, harm at {offset}: {read:?}"
            );
        }
    }
}

/// Which of the entries of stream 20 can not be read.
fn unreadable(world: &mut World) -> Vec<i64> {
    let end = world.end_of(20);
    let fails = |index: &i64| world.read(StreamId(20), *index, end, 1).is_err();
    (0..end).filter(fails).collect()
}

#[test]
fn a_group_that_went_astray_into_the_file_made_ready_costs_itself_and_no_other() {
    let mut world = World::new(19);
    flush_one(&mut world, 20);
    let payload = flush_one(&mut world, 20);
    flush_one(&mut world, 20);
    world.settle();
    let (file, [header, ..]) = places(&world, &payload);
    let ready = FileId(file.0 + 1);

    world.disk.stray(file, ready, header / UNIT * UNIT);
    world.reopen().expect("it opens");

    assert_eq!(world.journal.damage().len(), 1);
    assert_eq!(world.end_of(20), 3);
    assert_eq!(unreadable(&mut world), [1]);
}

#[test]
fn a_group_that_went_astray_over_the_first_of_another_segment_costs_the_two_and_no_other() {
    let mut world = World::new(20);
    let first = flush_one(&mut world, 20);
    while world.journal.segments().len() < 2 {
        flush_one(&mut world, 20);
    }
    let rolled = world.end_of(20);
    for _ in 0..5 {
        flush_one(&mut world, 20);
    }
    world.settle();
    let (older, _) = places(&world, &first);
    let newer = world.journal.segments()[1].file;
    assert_ne!(older, newer);

    world.disk.stray(newer, older, 0);
    world.reopen().expect("it opens");

    let lost = unreadable(&mut world);
    assert_eq!(world.end_of(20), rolled + 5);
    assert!(rolled > 20, "{rolled} entries in the first segment");
    assert!(lost.len() <= 4, "unreadable of {}: {lost:?}", rolled + 5);
    assert!(!world.journal.damage().is_empty());
}

#[test]
fn a_read_of_what_damage_took_says_where_the_stream_goes_on() {
    let mut world = World::new(14);
    flush_one(&mut world, 20);
    let payload = flush_one(&mut world, 20);
    flush_one(&mut world, 20);
    world.settle();
    let (file, [header, ..]) = places(&world, &payload);
    world.disk.corrupt(file, header);
    world.reopen().expect("it opens");

    let before = world.read(StreamId(20), 0, 3, 1 << 20).expect("it reads");
    let at = world.read(StreamId(20), 1, 3, 1 << 20);
    let after = world.read(StreamId(20), 2, 3, 1 << 20).expect("it reads");

    assert_eq!((before.len(), after.len()), (1, 1));
    let Err(JournalError::Lost { first, end, .. }) = at else {
        panic!("a gap was read as {at:?}");
    };
    assert_eq!((first.0, end.0), (1, 2));
}

#[test]
fn indexes_that_a_lost_group_may_have_had_are_never_given_again() {
    let mut world = World::new(15);
    flush_one(&mut world, 20);
    flush_one(&mut world, 21);
    let payload = flush_one(&mut world, 20);
    flush_one(&mut world, 22);
    world.settle();
    let (file, [header, ..]) = places(&world, &payload);
    world.disk.corrupt(file, header);

    for _ in 0..3 {
        world.reopen().expect("it opens");
        // Only the last entry of 22 proves that it lost none.
        let ends = [20, 21, 22].map(|stream| world.end_of(stream));
        assert_eq!(ends, [1 + LOST_GROUP_INDEXES, 1 + LOST_GROUP_INDEXES, 1]);
        let read = world.read(StreamId(20), 1, 1 + LOST_GROUP_INDEXES, 1);
        assert!(matches!(read, Err(JournalError::Lost { .. })), "{read:?}");
        world.settle();
    }
    world.stage_patiently(20, 1, 100);
    world.settle();
    world.reopen().expect("it opens");

    assert_eq!(world.end_of(20), 2 + LOST_GROUP_INDEXES);
    let read = world.read(
        StreamId(20),
        1 + LOST_GROUP_INDEXES,
        2 + LOST_GROUP_INDEXES,
        1,
    );
    assert_eq!(read.map(|slices| slices.len()), Ok(1));
}

#[test]
fn a_stream_that_lost_its_first_entries_still_begins_with_them() {
    let mut world = World::new(21);
    let payload = flush_one(&mut world, 20);
    flush_one(&mut world, 20);
    flush_one(&mut world, 21);
    world.settle();
    let (file, [header, ..]) = places(&world, &payload);
    world.disk.corrupt(file, header);

    for start in 0..3 {
        world.reopen().expect("it opens");
        let ranges = [20, 21].map(|stream| world.journal.range(StreamId(stream)));
        let begun = |end| Some((Index(0), Index(end)));
        assert_eq!(ranges, [begun(2), begun(1)], "start {start}");
        let told = world.caller.streams[&StreamId(20)].clone();
        assert_eq!((told.first, told.end), (0, 2), "start {start}");
        let read = world.read(StreamId(20), 0, 2, 1 << 20);
        let Err(JournalError::Lost { first, end, .. }) = read else {
            panic!("what is lost was read as {read:?}");
        };
        assert_eq!((first.0, end.0), (0, 1), "start {start}");
        let damage = world.journal.damage();
        assert_eq!(damage.len(), 1, "start {start}");
        // Later the checkpoints that followed the damage tell of the stream.
        let named = [(StreamId(20), Index(0), Index(1))];
        assert!(start > 0 || damage[0].streams == named, "{damage:?}");
        world.settle();
    }
    world.trim(20, 1);
    world.settle();
    world.reopen().expect("it opens");

    let range = world.journal.range(StreamId(20));
    assert_eq!(range, Some((Index(1), Index(2))));
    let read = world.read(StreamId(20), 1, 2, 1 << 20);
    assert_eq!(read.map(|slices| slices.len()), Ok(1));
}

#[test]
fn the_ends_that_a_loss_raised_are_saved_for_all_streams_before_a_footer_hides_the_loss() {
    for sealed in 1..6 {
        let mut world = World::new(18);
        for stream in 20..29 {
            flush_one(&mut world, stream);
        }
        let payload = flush_one(&mut world, 20);
        flush_one(&mut world, 40);
        world.settle();
        let (file, [header, ..]) = places(&world, &payload);
        world.disk.corrupt(file, header);

        for start in 0..3 {
            world.reopen().expect("it opens");
            world.journal.checkpoints.streams_min = 1;
            let ends: Vec<i64> = (20..29).map(|stream| world.end_of(stream)).collect();
            assert_eq!(
                ends,
                [1 + LOST_GROUP_INDEXES; 9],
                "start {start}, {sealed} segments"
            );
            let newest = |world: &World| world.journal.book.segments.keys().next_back().copied();
            let (first, mut turns) = (newest(&world).expect("a segment"), 0);
            while newest(&world).expect("a segment") < first + sealed {
                world.stage_patiently(40, 1, 3_000);
                world.step();
                turns += 1;
                assert!(turns < 10_000, "no segment ends");
            }
            world.settle();
        }
    }
}

#[test]
fn one_unreadable_slot_of_the_superblock_is_survived_and_two_are_not() {
    let mut world = World::new(16);
    for _ in 0..400 {
        world.stage_patiently(20, 1, 3_000);
        world.step();
    }
    world.settle();
    world.journal.close();
    world.settle();
    for slot in 0..2 {
        world.disk.refused = vec![(FileId(0), slot * UNIT, u32::MAX)];
        world.reopen().expect("one slot is enough");
        assert_eq!(world.end_of(20), 400);
        world.settle();
    }

    world.disk.refused = vec![(FileId(0), 0, u32::MAX), (FileId(0), UNIT, u32::MAX)];
    let refused = world.reopen();

    assert!(
        matches!(refused, Err(JournalError::Device(_))),
        "{refused:?}"
    );
}

#[test]
fn a_cold_read_that_is_wrong_once_is_repeated() {
    let mut world = World::new(17);
    let payload = flush_one(&mut world, 20);
    world.settle();
    world.reopen().expect("it opens");
    world.now.ticks = world.now.ticks + Span::seconds(1);
    let (file, [_, inside, _]) = places(&world, &payload);

    world.disk.misread = Some((file, inside, 2));
    let read = world.read(StreamId(20), 0, 1, 1).expect("it reads");
    assert_eq!(read[0].payload, payload);

    world.disk.misread = Some((file, inside, u32::MAX));
    let read = world.read(StreamId(20), 0, 1, 1);
    assert!(matches!(read, Err(JournalError::Lost { .. })), "{read:?}");
}

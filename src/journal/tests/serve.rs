//! What a journal does while it runs.

use super::world::{World, settings};
use crate::base::{ByteCount, Span};
use crate::journal::{Index, JournalError, StreamId};

#[test]
fn what_is_staged_can_be_read_once_it_is_flushed() {
    let mut world = World::new(1);

    for number in 0..50 {
        world.stage_patiently(
            16 + number % 3,
            1 + number as u32 % 4,
            100 + number as usize * 37,
        );
    }

    world.check_all();
}

#[test]
fn nothing_is_flushed_before_the_device_says_so() {
    let mut world = World::new(2);
    let placed = world.stage(16, 1, 100).expect("room");

    world.turn();

    assert!(world.journal.flushed() < placed.group);
    world.settle();
    assert!(world.journal.flushed() >= placed.group);
}

#[test]
fn what_gathers_during_a_flush_leaves_as_one_group() {
    let mut world = World::new(3);
    world.stage_patiently(16, 1, 100);
    world.turn();

    let groups: Vec<_> = (0..10)
        .map(|_| world.stage_patiently(17, 1, 100).group)
        .collect();

    assert!(
        groups.windows(2).all(|pair| pair[0] == pair[1]),
        "{groups:?}"
    );
}

#[test]
fn entries_larger_than_a_chunk_are_whole() {
    let mut world = World::new(4);

    for length in [10, 70_000, 64 << 10, 100, 130_000, 5] {
        world.stage_patiently(16, 1, length);
    }

    world.check_all();
}

#[test]
fn an_entry_larger_than_a_segment_is_refused() {
    let mut world = World::new(5);

    let refused = world.stage(16, 1, 300_000);

    assert_eq!(refused, Err(JournalError::TooLarge { length: 300_000 }));
}

#[test]
fn segments_follow_each_other_and_all_of_them_are_read() {
    let mut world = World::new(6);

    for number in 0..400 {
        world.stage_patiently(16 + number % 5, 1, 3_000);
        world.step();
    }

    assert!(world.disk.used() > 4 * settings().segment_bytes.0);
    world.check_all();
}

#[test]
fn reads_below_the_cache_come_from_the_device_and_are_exact() {
    let mut settings = settings();
    settings.cache_bytes = ByteCount::kib(16);
    let mut world = World::with(7, settings);
    for number in 0..300 {
        world.stage_patiently(16 + number % 5, 1, 2_000);
        world.step();
    }
    world.settle();

    world.check_all();

    assert!(world.disk.reads > 20, "only {} reads", world.disk.reads);
}

#[test]
fn a_read_stops_at_its_bound_but_brings_the_first_entry_whole() {
    let mut world = World::new(8);
    for _ in 0..10 {
        world.stage_patiently(16, 2, 1_000);
    }
    world.settle();

    let few = world.read(StreamId(16), 3, 20, 2_500).expect("a read");
    let one = world.read(StreamId(16), 3, 20, 10).expect("a read");

    let firsts: Vec<_> = few.iter().map(|slice| slice.head.first.0).collect();
    assert_eq!(firsts, [2, 4]);
    assert_eq!(one.len(), 1);
    assert_eq!(
        world.read(StreamId(16), 21, 30, 10).err(),
        Some(JournalError::OutOfRange)
    );
    assert_eq!(
        world.read(StreamId(99), 0, 30, 10).err(),
        Some(JournalError::OutOfRange)
    );
}

#[test]
fn a_search_finds_the_first_entry_that_is_late_enough() {
    let mut world = World::new(9);
    for number in 0..200 {
        world.stage_patiently(16 + number % 2, 1, 3_000);
        world.step();
    }
    world.settle();

    let found = world.search(16, Some(355), 100).expect("a search");
    let latest = world.search(16, None, 50).expect("a search");
    let none = world.search(16, Some(5_000), 100).expect("a search");

    assert_eq!(found[0].head.first, Index(36));
    assert_eq!(latest[0].head.first, Index(49));
    assert!(none.is_empty());
}

#[test]
fn a_failed_write_is_final_and_nothing_in_it_is_flushed() {
    for fault in 0..3 {
        let mut world = World::new(10);
        world.stage_patiently(16, 1, 100);
        world.settle();
        let flushed = world.journal.flushed();
        world.journal.tune(1, false);
        world.stage(16, 1, 100).expect("room");
        match fault {
            0 => world.disk.write_error = true,
            1 => world.disk.short_write = true,
            _ => world.disk.flush_error = true,
        }

        world.settle();

        assert!(world.journal.failure().is_some(), "fault {fault}");
        assert_eq!(world.journal.flushed(), flushed);
        assert_eq!(world.stage(16, 1, 100), Err(JournalError::Stopped));
        assert!(world.journal.at_rest());
        assert!(
            world.read(StreamId(16), 0, 1, 1_000).is_ok(),
            "old data is still served"
        );
    }
}

#[test]
fn an_idle_journal_seals_after_fifty_milliseconds_and_then_sleeps() {
    let mut world = World::new(11);
    world.stage_patiently(16, 1, 100);
    while world.step() {}
    let before = world.journal.flushed();
    assert!(!world.journal.at_rest());

    let at = world.journal.wake_at().expect("a wish to seal");
    assert!(at <= world.now.ticks + Span::millis(50));
    world.settle();

    assert_eq!(world.journal.flushed().0, before.0 + 1);
    assert!(world.journal.at_rest());
    assert_eq!(world.journal.wake_at(), None);
}

#[test]
fn too_much_staged_is_busy_and_goes_on_after_a_completion() {
    let mut settings = settings();
    settings.segment_bytes = ByteCount::mib(64);
    settings.chunk_bytes = ByteCount::mib(2);
    let mut world = World::with(12, settings);
    world.settle();

    let refused = (0..100).find_map(|_| world.stage(16, 1, 1 << 20).err());

    assert_eq!(refused, Some(JournalError::Busy));
    world.settle();
    assert!(world.stage(16, 1, 1 << 20).is_ok());
}

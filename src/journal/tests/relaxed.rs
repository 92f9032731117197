//! Entries that nobody wants flushed at once.

use super::world::World;
use crate::base::{Span, Ticks};
use crate::runtime::{DiskDone, DiskError, DiskOp};

/// Stages an entry, relaxed or not, and hands its group to the device.
fn stage(world: &mut World, relaxed: bool) {
    world.relaxed = relaxed;
    world.stage(16, 1, 500).expect("there is room");
    world.turn();
}

/// Ends what is under way, and what that brings.
fn finish_all(world: &mut World) {
    while world.step() {}
}

/// How each group's write was handed over: true for a durable one.
fn writes(world: &World) -> Vec<bool> {
    let durable = |op: &DiskOp| match op {
        DiskOp::Write { durable, .. } => Some(*durable),
        _ => None,
    };
    world.disk.under_way.iter().filter_map(durable).collect()
}

fn settled(seed: u64) -> World {
    let mut world = World::new(seed);
    world.settle();
    world
}

#[test]
fn a_relaxed_group_is_written_plainly_and_not_flushed() {
    let mut world = settled(1);
    let before = (world.journal.flushed(), world.disk.flushes);

    stage(&mut world, true);
    assert_eq!(writes(&world), [false]);
    finish_all(&mut world);

    assert_eq!((world.journal.flushed(), world.disk.flushes), before);
    assert_eq!(world.journal.written().0, before.0.0 + 1);
}

#[test]
fn one_strict_entry_makes_its_group_a_durable_write() {
    let mut world = settled(2);
    for relaxed in [true, false, true] {
        world.relaxed = relaxed;
        world.stage(16, 1, 500).expect("there is room");
    }

    world.turn();

    assert_eq!(writes(&world), [true]);
}

#[test]
fn a_strict_group_behind_a_relaxed_one_is_flushed_with_it_and_not_before() {
    let mut world = settled(3);
    let flushes = world.disk.flushes;
    stage(&mut world, true);
    finish_all(&mut world);
    let relaxed = world.journal.written();

    stage(&mut world, false);
    assert_eq!(writes(&world), [false], "one flush is for both");
    world.step();
    assert!(world.journal.written() > relaxed);
    assert!(world.journal.flushed() < relaxed);
    finish_all(&mut world);

    assert_eq!(world.disk.flushes, flushes + 1);
    assert_eq!(world.journal.flushed(), world.journal.written());
}

#[test]
fn a_relaxed_group_that_is_still_being_written_holds_a_strict_one_back() {
    let mut world = settled(4);
    stage(&mut world, true);
    stage(&mut world, false);
    assert_eq!(writes(&world), [false, false]);
    let before = world.journal.flushed();

    let strict = world.disk.under_way.pop().expect("two writes");
    let relaxed = world.disk.under_way.pop().expect("two writes");
    world.disk.under_way.push(strict);
    world.step();

    assert_eq!(
        (world.journal.written(), world.journal.flushed()),
        (before, before)
    );
    world.disk.under_way.push(relaxed);
    finish_all(&mut world);
    assert_eq!(world.journal.flushed().0, before.0 + 2);
}

#[test]
fn a_busy_journal_flushes_relaxed_groups_when_their_time_is_up() {
    let mut world = settled(5);
    let (flushes, start) = (world.disk.flushes, world.now.ticks);
    let mut flushed_at: Option<Ticks> = None;

    for _ in 0..10 {
        stage(&mut world, true);
        finish_all(&mut world);
        if world.disk.flushes > flushes {
            flushed_at.get_or_insert(world.now.ticks);
        }
        world.now.ticks = world.now.ticks + Span::millis(1);
    }

    // Five milliseconds is what they ask for.
    assert_eq!(flushed_at, Some(start + Span::millis(5)));
    assert!(world.disk.flushes <= flushes + 2, "not one for each");
}

#[test]
fn an_idle_journal_wakes_to_flush_and_then_seals() {
    let mut world = settled(6);
    stage(&mut world, true);
    finish_all(&mut world);
    let relaxed = world.journal.written();
    assert!(world.journal.wake_at().is_some());

    world.settle();

    assert!(world.journal.at_rest());
    assert_eq!(world.journal.flushed().0, relaxed.0 + 1, "the seal");
}

#[test]
fn a_clean_stop_waits_for_no_time_to_flush() {
    let mut world = settled(7);
    stage(&mut world, true);
    world.journal.close();

    finish_all(&mut world);

    assert!(world.journal.at_rest());
}

#[test]
fn a_write_that_ends_well_behind_a_failed_flush_does_not_count() {
    let mut world = settled(8);
    let before = world.journal.flushed();
    stage(&mut world, false);
    stage(&mut world, false);
    let Some(DiskOp::Write {
        ticket, file, at, ..
    }) = world.disk.under_way.pop()
    else {
        panic!("two writes are under way: {:?}", world.disk.under_way);
    };

    let error = DiskError {
        call: "flush",
        file,
        at,
        errno: 5,
    };
    let result = Err(error);
    world
        .journal
        .completed(world.now, DiskDone { ticket, result });
    finish_all(&mut world);

    assert!(world.journal.at_rest());
    assert_eq!(
        (world.journal.written(), world.journal.flushed()),
        (before, before)
    );
}

//! What a journal keeps when the power fails.

use super::world::{World, settings};
use crate::base::ByteCount;
use crate::journal::{JournalError, Settings, StreamId};
use crate::runtime::FileId;

#[test]
fn a_clean_stop_keeps_everything_and_rewrites_nothing() {
    let mut world = World::new(1);
    for number in 0..100 {
        world.stage_patiently(16 + number % 7, 1, 500);
    }
    world.close();
    let before = world.caller.clone();

    world.reopen().expect("a clean journal opens");

    assert_eq!(world.caller.streams, before.streams);
    world.check_all();
}

#[test]
fn every_flushed_entry_survives_any_crash() {
    for seed in 0..100 {
        let mut world = World::with(seed, small());
        let durable = seed % 2 == 0;
        for round in 0..6 {
            world.journal.tune(1 + (seed / 2 % 2) as usize, durable);
            world.journal.checkpoints.streams_min = 2;
            let steps = world.random.below(250);
            for _ in 0..steps {
                random_act(&mut world);
            }
            println!("seed {seed} round {round}");
            world.crash_and_reopen();
        }
    }
}

/// Segments so small that a run seals, indexes, checkpoints and frees them all the time.
fn small() -> Settings {
    Settings {
        segment_bytes: ByteCount::kib(128),
        chunk_bytes: ByteCount::kib(32),
        cache_bytes: ByteCount::kib(64),
        index_cache_bytes: ByteCount::kib(64),
        parts_max: 4,
        ..settings()
    }
}

/// Runs of a few relaxed and a few strict entries: whole groups of either kind, and mixed ones.
fn relaxed(world: &mut World) -> bool {
    world.relaxed ^ world.random.one_in(4)
}

fn random_act(world: &mut World) {
    let youngest = 16 + world.history.len() as u64 / 2;
    let mut stream = youngest + world.random.below(6);
    let dropped = |world: &World, stream: u64| {
        let gone = world.journal.range(StreamId(stream)).is_none();
        gone && world.history.contains_key(&StreamId(stream))
    };
    while dropped(world, stream) {
        stream += 1;
    }
    match world.random.below(14) {
        0..=5 => {
            world.relaxed = relaxed(world);
            let length = world.random.below(9_000) as usize;
            let count = 1 + world.random.below(5) as u32;
            world.stage_patiently(stream, count, length);
        }
        6 => {
            let end = world.end_of(stream);
            let first = world.random.below(end as u64 + 1) as i64;
            if end > 0 {
                world.trim(stream, first);
            }
        }
        12 => {
            for _ in 0..20 {
                world.step();
            }
        }
        13 if world.random.one_in(4) && world.end_of(stream) > 0 => world.drop_stream(stream),
        7 => world.now.ticks.0 += 60_000_000,
        _ => {
            world.step();
        }
    }
}

#[test]
fn a_crash_inside_recovery_changes_nothing() {
    for seed in 0..20 {
        let mut world = World::with(seed, small());
        for _ in 0..150 {
            random_act(&mut world);
        }
        let flushed = world.journal.flushed();
        world.disk.crash(&mut world.random);

        for writes in 0..30 {
            world.disk.boot_writes_left = Some(writes);
            let opened = world.reopen().is_ok();
            world.disk.boot_writes_left = None;
            world.disk.crash(&mut world.random);
            if opened {
                break;
            }
        }

        world.reopen().expect("the last start succeeds");
        world.forget_lost(flushed);
        world.check_all();
    }
}

#[test]
fn damage_in_the_middle_is_reported_and_the_rest_is_served() {
    for byte in [20, 70, 4090] {
        let mut settings = settings();
        settings.segment_bytes = ByteCount::mib(1);
        let mut world = World::with(byte, settings);
        for number in 0..40 {
            world.stage_patiently(16 + number % 2, 1, 5_000);
            world.settle();
        }
        world.disk.corrupt(FileId(1), 16 * 4096 + byte);
        let end = world.end_of(16);

        world.disk.crash(&mut world.random);
        world.reopen().expect("a damaged journal opens");

        assert!(!world.journal.damage().is_empty(), "byte {byte}");
        assert_eq!(world.end_of(16), end);
        world.settle();
        let slices = world.read(crate::journal::StreamId(16), end - 3, end, 100_000);
        assert_eq!(slices.expect("a read").len(), 3);
    }
}

#[test]
fn a_large_cut_tail_never_comes_back() {
    for seed in 0..30 {
        let mut world = World::new(seed);
        world.settings.cache_bytes = ByteCount::kib(64);
        world.journal.tune(2, false);
        world.journal.checkpoints.streams_min = 1;
        for _ in 0..200 {
            let length = world.random.below(60_000) as usize;
            let _ = world.stage(16, 1, length);
            world.step();
        }
        world.crash_and_reopen();
        world.crash_and_reopen();
        for _ in 0..30 {
            world.stage_patiently(16, 1, 20_000);
            world.step();
        }
        world.settle();
        world.crash_and_reopen();
    }
}

#[test]
fn damage_in_a_sealed_segment_costs_the_entry_it_hit_and_no_other() {
    let mut world = World::with(5, small());
    for _ in 0..100 {
        world.stage_patiently(16, 1, 8_000);
        world.step();
    }
    world.close();
    world.disk.corrupt(FileId(1), 9 * 4096 + 500);
    world.reopen().expect("a journal opens");

    let read: Vec<_> = (0..100)
        .map(|at| world.read(StreamId(16), at, at + 1, 1))
        .collect();

    let bad: Vec<_> = read.iter().filter(|result| result.is_err()).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(matches!(bad[0], Err(JournalError::Lost { .. })), "{bad:?}");
}

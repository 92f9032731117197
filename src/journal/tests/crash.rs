//! What a journal keeps when the power fails.

use super::world::World;
use crate::base::ByteCount;
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
    for seed in 0..60 {
        let mut world = World::new(seed);
        let durable = seed % 2 == 0;
        for round in 0..6 {
            world.journal.tune(1 + (seed / 2 % 2) as usize, durable);
            let steps = world.random.below(60);
            for _ in 0..steps {
                random_act(&mut world);
            }
            println!("seed {seed} round {round}");
            world.crash_and_reopen();
        }
    }
}

fn random_act(world: &mut World) {
    let stream = 16 + world.random.below(6);
    match world.random.below(12) {
        0..=5 => {
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
        7 => world.now.ticks.0 += 60_000_000,
        _ => {
            world.step();
        }
    }
}

#[test]
fn a_crash_inside_recovery_changes_nothing() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        for _ in 0..40 {
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
        let mut world = World::new(byte);
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

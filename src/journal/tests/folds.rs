//! Streams with parts in more segments than are known one by one.

use super::world::{World, settings};
use crate::base::ByteCount;
use crate::journal::{Index, Settings, StreamId};

const PARTS_MAX: usize = 6;

fn few_parts() -> Settings {
    Settings {
        cache_bytes: ByteCount::kib(128),
        index_cache_bytes: ByteCount::kib(64),
        parts_max: PARTS_MAX,
        ..settings()
    }
}

/// Forty streams in some fifty segments.
fn folded_world(seed: u64) -> World {
    let mut world = World::with(seed, few_parts());
    for number in 0..8_000 {
        world.stage_patiently(16 + number % 40, 2, 1_500);
        if number % 10 == 9 {
            // Groups of ten, so that little is padding and nothing is carried about.
            world.step();
        }
    }
    world.settle();
    world
}

#[test]
fn a_stream_in_many_segments_keeps_few_parts_and_all_of_it_is_read() {
    let mut world = folded_world(1);

    let segments = world.journal.book.segments.len();
    assert!(segments > 4 * PARTS_MAX, "{segments} segments");
    let (most, folded) = world.parts();
    // The one in the open segment may come before another can be folded.
    assert!(most <= PARTS_MAX + 2, "{most} parts");
    assert!(folded >= 40, "{folded} folded parts");
    world.check_all();
    let found = world.search(16 + 7, Some(205), 200).expect("a search");
    assert!(found[0].head.time_max >= 205);
}

#[test]
fn folded_parts_outlive_a_crash_and_a_clean_stop() {
    let mut world = folded_world(2);
    let before = world.parts();

    world.crash_and_reopen();
    world.check_all();
    world.close();
    world.reopen().expect("a journal opens");

    world.check_all();
    assert!(world.parts().1 >= before.1 / 2, "{:?}", world.parts());
}

#[test]
fn reading_at_boot_takes_folded_parts_apart() {
    let mut world = folded_world(3);
    world.close();
    world.reopen().expect("a journal opens");

    let slices = world
        .journal
        .read_at_boot(&mut world.disk, StreamId(16), Index(0))
        .expect("a read");

    let firsts: Vec<i64> = slices.iter().map(|slice| slice.head.first.0).collect();
    assert_eq!(firsts, (0..400).step_by(2).collect::<Vec<i64>>());
}

#[test]
fn a_bad_footer_within_a_folded_part_costs_no_entry() {
    for bad in 1..6 {
        let mut world = folded_world(4);
        world.close();
        world.reopen().expect("a journal opens");
        let segments = world.journal.book.segments.values();
        let folded = segments.filter(|segment| segment.folded > 0);
        let places = folded.map(|it| (it.file, it.footer.expect("a footer").at));
        let places: Vec<_> = places.skip(bad).step_by(6).collect();
        for (file, at) in places {
            world.disk.corrupt(file, u64::from(at) + 300);
        }

        world.check_all();
    }
}

#[test]
fn trimmed_and_dropped_streams_give_back_every_segment_of_their_folded_parts() {
    let mut world = folded_world(5);
    for stream in 16..46 {
        world.drop_stream(stream);
    }
    for stream in 46..56 {
        let end = world.end_of(stream);
        world.trim(stream, end);
    }
    world.settle();

    world.check_counts();
    let held = world.journal.book.segments.values();
    let held = held.filter(|segment| segment.parts > 0).count();
    assert_eq!(held, 0);
}

/// A slow stream has an entry in every segment that a fast one fills and gives up again.
#[test]
fn segments_are_cleaned_out_of_folded_parts() {
    for seed in 0..4 {
        let mut world = World::with(seed, few_parts());
        world.journal.checkpoints.streams_min = 1;
        for number in 0..8_000 {
            world.stage_patiently(16, 1, 2_000);
            if number % 40 == 0 {
                world.stage_patiently(17 + number / 40 % 3, 1, 50);
            }
            world.step();
            if number % 100 == 99 {
                let end = world.end_of(16);
                world.trim(16, (end - 3_000).max(0));
            }
            if number % 2_000 == 1_777 {
                world.check_counts();
                world.crash_and_reopen();
            }
        }

        assert!(world.journal.cleaner.carried_bytes > 0, "seed {seed}");
        let bound = 60 * settings().segment_bytes.0;
        assert!(world.disk.used() < bound, "{} in use", world.disk.used());
        world.check_all();
        world.crash_and_reopen();
        world.check_all();
        assert!(world.journal.range(StreamId(17)).is_some());
    }
}

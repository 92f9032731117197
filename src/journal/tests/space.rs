//! What a journal keeps in memory and on disk, and what a restart reads.

use super::world::{World, settings};
use crate::base::ByteCount;
use crate::journal::{Index, JournalError, Settings, StreamId};
use crate::runtime::FileId;

fn tight() -> Settings {
    Settings {
        cache_bytes: ByteCount::kib(128),
        ..settings()
    }
}

#[test]
fn a_restart_reads_the_tail_and_takes_the_rest_from_checkpoints() {
    let mut world = World::with(1, tight());
    for number in 0..3_000 {
        world.stage_patiently(16 + number % 10, 1, 3_000);
        world.step();
    }
    world.close();
    let before = world.caller.streams.clone();
    world.disk.read_bytes = 0;

    world.reopen().expect("a clean journal opens");

    let used = world.disk.used();
    let read = world.disk.read_bytes;
    assert_eq!(world.replayed.restored, 10);
    assert!(
        world.replayed.entries < 300,
        "{} entries replayed",
        world.replayed.entries
    );
    assert!(read < used / 3, "{read} bytes read of {used}");
    assert_eq!(world.caller.streams, before);
    world.check_all();
}

#[test]
fn a_restart_takes_up_thousands_of_streams_in_few_reads_and_says_how_far_it_is() {
    let streams = 2_000;
    let mut world = World::with(8, tight());
    for number in 0..4 * streams {
        world.stage_patiently(16 + number % streams, 1, 200);
        if number % 10 == 0 {
            world.step();
        }
    }
    world.settle();
    world.disk.crash(&mut world.random);
    world.disk.reads = 0;

    world.reopen().expect("a journal opens after a crash");

    let (reads, segments) = (world.disk.reads, world.journal.book.segments.len() as u64);
    assert!(
        world.replayed.restored > 1_000,
        "{}",
        world.replayed.restored
    );
    assert!(
        reads < 40 * segments,
        "{reads} reads of {segments} segments"
    );
    let (done, all) = world.replayed.progress;
    assert!(done == all && all >= 4, "{done} of {all}");
}

#[test]
fn sealed_segments_are_read_through_their_footers() {
    let mut world = World::with(2, tight());
    for number in 0..2_000 {
        world.stage_patiently(16 + number % 40, 2, 600);
        world.step();
    }
    world.settle();
    let indexes = world
        .journal
        .book
        .segments
        .values()
        .filter(|s| s.index.is_some())
        .count();
    assert!(indexes <= 3, "{indexes} indexes in memory");

    world.check_all();
    let found = world.search(16 + 7, Some(205), 100).expect("a search");

    assert_eq!(found[0].head.first.0, 22);
}

/// A journal whose streams lie over several sealed segments, the indexes of which are on disk only.
fn sealed_world() -> World {
    let mut world = World::with(9, tight());
    for number in 0..2_000 {
        world.stage_patiently(16 + number % 40, 2, 600);
        world.step();
    }
    world.close();
    world.reopen().expect("a journal opens");
    world
}

/// Harms a page of a footer, and a group of the same segment if asked to.
fn harm(world: &mut World, page: u64, group: bool) {
    let mut segments = world.journal.book.segments.values();
    let sealed = segments.find(|segment| segment.index.is_none() && segment.parts > 0);
    let segment = sealed.expect("a segment with a footer");
    let footer = segment.footer.expect("a footer");
    assert!(page < u64::from(footer.pages()));
    let (file, at) = (segment.file, u64::from(footer.at) + page * 4096);
    world.disk.corrupt(file, at + 200);
    if group {
        // The middle of the segment: some group's header, payload or table.
        world.disk.corrupt(file, u64::from(footer.at) / 8192 * 4096);
    }
}

#[test]
fn a_bad_page_of_a_footer_costs_no_entry() {
    for page in [0, 1, 3] {
        let mut world = sealed_world();
        harm(&mut world, page, false);

        world.check_all();
    }
}

#[test]
fn a_bad_page_of_a_footer_is_done_without_at_boot() {
    for page in [0, 1, 3] {
        let mut world = sealed_world();
        harm(&mut world, page, false);
        let (_, end) = world.journal.range(StreamId(16)).expect("a stream");

        let slices = world
            .journal
            .read_at_boot(&mut world.disk, StreamId(16), Index(0));

        let slices = slices.expect("it reads");
        let whole = slices
            .windows(2)
            .all(|pair| pair[0].head.end() == pair[1].head.first);
        assert!(whole && slices[0].head.first == Index(0), "page {page}");
        assert_eq!(slices.last().map(|slice| slice.head.end()), Some(end));
    }
}

#[test]
fn a_bad_page_and_a_bad_group_of_one_segment_cost_the_groups_entries_only() {
    let mut world = sealed_world();
    harm(&mut world, 0, true);
    let (mut lost, mut found) = (0, 0);

    for stream in 16..56 {
        let (_, end) = world.journal.range(StreamId(stream)).expect("a stream");
        for first in (0..end.0).step_by(2) {
            let read = world.read(StreamId(stream), first, first + 2, 20_000);
            let slices = read.unwrap_or_default();
            match slices.first().map(|slice| slice.head.first.0) {
                Some(at) if at == first => found += 1,
                Some(other) => panic!("{other} was served for {first} of {stream}"),
                None => lost += 1,
            }
        }
    }

    assert_eq!(found + lost, 2_000);
    assert!((1..40).contains(&lost), "{lost} entries of one group");
}

#[test]
fn segments_whose_streams_are_trimmed_are_used_again() {
    let mut world = World::with(3, tight());
    let segment = settings().segment_bytes.0;

    for number in 0..6_000 {
        let stream = 16 + number % 8;
        world.stage_patiently(stream, 1, 2_000);
        world.step();
        if number % 50 == 49 {
            for stream in 16..24 {
                let end = world.end_of(stream);
                world.trim(stream, (end - 40).max(0));
            }
        }
    }

    assert!(
        world.disk.used() < 10 * segment,
        "{} bytes in use",
        world.disk.used()
    );
    world.close();
    world.reopen().expect("a journal opens");
    world.check_all();
}

fn newest(world: &World) -> u32 {
    let mut segments = world.journal.book.segments.keys();
    *segments.next_back().expect("one")
}

/// Fills segments and gives them up, so that new ones begin in their files.
fn world_in_used_files(seed: u64) -> World {
    let mut world = World::with(seed, tight());
    for number in 0..4_000 {
        world.stage_patiently(16 + number % 8, 1, 2_000);
        world.step();
        if number % 50 == 49 {
            for stream in 16..24 {
                let end = world.end_of(stream);
                world.trim(stream, (end - 40).max(0));
            }
        }
    }
    world
}

#[test]
fn of_a_used_file_only_the_front_is_prepared() {
    let world = world_in_used_files(10);

    let begun = u64::from(newest(&world));
    assert!(begun > 30, "{begun} segments");
    let whole = world.disk.prepared_bytes / settings().segment_bytes.0;
    assert!(whole < begun / 2, "{whole} of {begun} segments");
}

#[test]
fn a_lost_first_group_of_a_used_file_costs_that_group_alone() {
    let mut told = 0;
    for seed in 0..20 {
        let mut world = world_in_used_files(seed);
        let before = newest(&world);
        world.disk.lose_front = true;
        while newest(&world) == before {
            world.stage_patiently(16, 1, 2_000);
            world.step();
        }
        world.settle();
        let file = world.disk.lost.expect("it was lost");
        let first = Index(world.end_of(17));
        for _ in 0..10 {
            world.stage_patiently(17, 1, 2_000);
            world.settle();
        }
        let is_open = world.journal.book.segments[&newest(&world)].file == file;
        world.disk.crash(&mut world.random);

        world.reopen().expect("a journal opens after a crash");

        // A segment whose footer is there is not scanned: its loss shows when it is read.
        let damage = world.journal.damage();
        assert_eq!(
            damage.len(),
            usize::from(is_open),
            "seed {seed}: {damage:?}"
        );
        assert!(damage.iter().all(|it| it.file == file), "seed {seed}");
        told += damage.len();
        let read = world.read(StreamId(17), first.0, first.0 + 10, 100_000);
        let indexes: Vec<_> = read
            .expect("it reads")
            .iter()
            .map(|it| it.head.first.0)
            .collect();
        assert_eq!(
            indexes,
            (first.0..first.0 + 10).collect::<Vec<_>>(),
            "seed {seed}"
        );
    }
    assert!(told > 3, "{told} were told at the start");
}

#[test]
fn what_a_used_file_still_holds_is_never_taken_for_its_new_segments() {
    for seed in 0..40 {
        let mut world = world_in_used_files(seed);
        // Up to the first groups of a segment that begins in a used file, and on from there: its
        // groups are torn, or were never written, over those of the segment before.
        let before = newest(&world);
        while newest(&world) == before {
            world.stage_patiently(16, 1, 2_000);
            world.step();
        }
        for _ in 0..seed % 4 {
            world.stage_patiently(17, 1, 2_000);
            world.step();
        }
        world.crash_and_reopen();
        world.stage_patiently(18, 1, 2_000);
        world.settle();
        world.crash_and_reopen();
    }
}

#[test]
fn a_stream_that_was_wholly_trimmed_keeps_its_place() {
    let mut world = World::with(4, tight());
    for _ in 0..10 {
        world.stage_patiently(16, 1, 1_000);
    }
    world.trim(16, 10);
    for _ in 0..1_000 {
        world.stage_patiently(17, 1, 2_000);
        world.step();
        let end = world.end_of(17);
        world.trim(17, (end - 20).max(0));
    }
    world.close();

    world.reopen().expect("a journal opens");

    let range = world
        .journal
        .range(StreamId(16))
        .map(|(first, end)| (first.0, end.0));
    assert_eq!(range, Some((10, 10)));
}

#[test]
fn a_trickle_takes_twice_its_data_and_four_segments() {
    let mut world = World::with(6, tight());
    let segment = settings().segment_bytes.0;
    let (kept, length) = (1_500, 100);
    world.stage_patiently(99, 1, 500);

    for number in 0..8_000_u64 {
        let stream = 16 + number % 3;
        world.stage_patiently(stream, 1, length);
        while world.step() {}
        if number % 100 == 99 {
            for stream in 16..19 {
                let end = world.end_of(stream);
                world.trim(stream, (end - kept / 3).max(0));
            }
        }
        let bound = 2 * kept as u64 * length as u64 + 4 * segment + 8_192;
        assert!(
            world.disk.used() <= bound,
            "{} bytes in use at {number}",
            world.disk.used()
        );
    }

    assert!(world.journal.cleaner.carried_bytes > 0);
    world.check_all();
    world.close();
    world.reopen().expect("a journal opens");
    world.check_all();
}

#[test]
fn a_full_disk_refuses_entries_but_takes_trims_and_then_goes_on() {
    let mut world = World::with(7, tight());
    let segment = settings().segment_bytes.0;
    world.settings.reserve_bytes = ByteCount(segment);
    world.close();
    world.reopen().expect("a journal opens");
    world.disk.capacity = Some(6 * segment + 8_192);

    let mut refused = None;
    for number in 0..10_000 {
        match world.stage(16 + number % 4, 1, 2_000) {
            Ok(_) => {
                world.step();
            }
            Err(JournalError::Busy) => {
                world.step();
            }
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    assert_eq!(refused, Some(JournalError::Full));
    assert!(
        world.disk.used() <= 5 * segment + 8_192,
        "the reserve was touched"
    );
    world.check_all();

    for stream in 16..20 {
        let end = world.end_of(stream);
        world.trim(stream, end - 1);
    }
    world.settle();
    world.now.ticks.0 += 1_000_000_000;
    world.settle();

    for number in 0..50 {
        world.stage_patiently(16 + number % 4, 1, 2_000);
    }
    world.check_all();
}

#[test]
fn a_journal_whose_superblock_is_lost_is_found_again() {
    let mut world = World::with(9, tight());
    for number in 0..2_000 {
        world.stage_patiently(16 + number % 10, 1, 2_000);
        world.step();
        if number % 100 == 99 {
            let end = world.end_of(16);
            world.trim(16, (end - 10).max(0));
        }
    }
    world.close();
    world.disk.corrupt(FileId(0), 20);
    world.disk.corrupt(FileId(0), 4_116);

    world.reopen().expect("a journal opens");

    world.check_all();
    assert!(world.stage(16, 1, 100).is_ok());
}

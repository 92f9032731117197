//! Reads of what left the cache long ago: which share, which run ahead, and which stay small.

use super::world::{World, settings};
use crate::base::ByteCount;
use crate::journal::{Index, JournalError, ReadRequest, ReadToken, StreamId};

const STREAMS: u64 = 3;
const LENGTH: usize = 3_000;
/// Three windows: less than is kept.
const ENTRIES: u64 = 60;

/// Streams that take turns, of which nothing is in memory.
fn cold(entries: u64) -> World {
    let mut world = World::new(31);
    for number in 0..entries {
        world.stage_patiently(16 + number % STREAMS, 1, LENGTH);
        world.step();
    }
    world.settle();
    world.reopen().expect("it opens");
    world.disk.reads = 0;
    world.disk.read_bytes = 0;
    world
}

/// Begins a read of a stream's first entries; true if it has ended at once.
fn begin(world: &mut World, token: u64, stream: u64, bytes_max: u64) -> bool {
    let (stream, end) = (StreamId(stream), world.end_of(stream));
    let request = ReadRequest {
        token: ReadToken(token),
        stream,
        from: Index(0),
        until: Index(end),
        bytes_max: ByteCount(bytes_max),
        first_whole: true,
    };
    world.journal.read(request).is_some()
}

#[test]
fn readers_of_the_same_bytes_share_what_is_read() {
    let mut world = cold(ENTRIES);
    let bytes = ENTRIES * LENGTH as u64;

    for reader in 0..12 {
        let at_once = begin(&mut world, reader, 16 + reader % STREAMS, bytes);
        assert!(!at_once, "nothing is in memory");
    }
    world.settle();
    let shared = world.disk.read_bytes;
    let again = begin(&mut world, 99, 16, bytes);

    let answers: Vec<_> = world.finished.iter().map(|done| &done.result).collect();
    assert_eq!(answers.len(), 12);
    for slices in answers {
        let slices = slices.as_ref().expect("a read succeeds");
        assert_eq!(slices.len() as u64, ENTRIES / STREAMS);
    }
    assert!(shared < 2 * bytes, "{shared} read for {bytes}");
    assert!(again, "it has been read just now");
    world.check_all();
}

#[test]
fn a_reader_in_sequence_finds_the_next_window_in_memory() {
    let mut world = cold(4 * ENTRIES);
    let end = world.end_of(16);
    let mut waited = Vec::new();

    let mut from = 0;
    while from < end {
        let before = world.disk.read_bytes;
        let read = world.read(StreamId(16), from, end, 2 * LENGTH as u64);
        from = read
            .expect("a read succeeds")
            .last()
            .expect("some")
            .head
            .end()
            .0;
        // What is read of the index is less.
        waited.push(world.disk.read_bytes - before >= 16 << 10);
        world.settle();
    }

    let (first, rest) = waited.split_at(waited.len() / 3);
    assert!(first.contains(&true), "nothing was in memory");
    assert!(!rest.contains(&true), "it waited: {waited:?}");
    world.check_all();
}

#[test]
fn a_reader_of_few_bytes_gets_just_those() {
    let mut world = World::new(32);
    for number in 0..1_000 {
        let stream = if number % 100 == 0 { 16 } else { 17 };
        world.stage_patiently(stream, 1, LENGTH);
        world.step();
    }
    world.settle();
    world.reopen().expect("it opens");
    world.disk.read_bytes = 0;
    let end = world.end_of(16);

    let slices = world.read_range(StreamId(16), 0, end);

    let read = world.disk.read_bytes;
    assert_eq!(slices.len(), 10);
    // Each with its neighbours in the same sectors, and the index; a window each would be 640 KiB.
    assert!(read <= 160 << 10, "{read} bytes read");
}

#[test]
fn a_place_that_can_not_be_read_takes_nothing_else_with_it() {
    let mut world = cold(ENTRIES);
    let bad = world.staged[31].clone();
    let (file, at) = world.disk.place_of(&bad.payload);
    let middle = at + LENGTH as u64 / 2;
    world.disk.refused = vec![(file, middle, u32::MAX)];
    let mut lost = Vec::new();

    for stream in 16..16 + STREAMS {
        let (mut from, end) = (0, world.end_of(stream));
        while from < end {
            from = match world.read(StreamId(stream), from, end, 8 * LENGTH as u64) {
                Ok(slices) => slices.last().expect("some").head.end().0,
                Err(JournalError::Lost { first, end, .. }) => {
                    lost.push((StreamId(stream), first.0));
                    end.0
                }
                Err(error) => panic!("{error:?}"),
            };
        }
    }

    assert!(lost.contains(&(bad.stream, bad.first)), "{lost:?}");
    // Neighbours that share a sector of four KiB with the bad place go with it.
    assert!(lost.len() <= 3, "{lost:?}");
}

#[test]
fn bytes_that_came_wrong_once_are_read_again() {
    let mut world = cold(ENTRIES);
    let (file, at) = world.disk.place_of(&world.staged[10].payload.clone());
    world.disk.misread = Some((file, at + 100, 1));

    world.check_all();

    assert_eq!(
        world.disk.misread.expect("it was set").2,
        0,
        "it never came"
    );
}

#[test]
fn what_the_open_segment_has_gained_since_is_read() {
    let mut settings = settings();
    settings.cache_bytes = ByteCount::kib(8);
    let mut world = World::with(33, settings);

    for number in 0..200 {
        world.stage_patiently(16 + number % STREAMS, 1, LENGTH);
        world.settle();
        if number % 7 == 0 {
            world.check_all();
        }
    }
}

use super::*;
use crate::log::test_world::{P, World, ask, batch, config};
use crate::wire::batch::{BatchBuilder, BatchHeader, Codec, check_produced};

/// Four batches, offsets 0..2, 2..5, 5..6, 6..8, durable.
fn world() -> World {
    let mut world = World::with(&[]);
    for times in [&[10, 20][..], &[15, 40, 30], &[40], &[25, 26]] {
        world.append(&batch(times)).expect("appended");
    }
    world.flush();
    world
}

fn time(world: &mut World, time: i64) -> (i64, i64) {
    let found = world.list(OffsetSpec::Time(time));
    (found.offset, found.time)
}

#[test]
fn a_fetch_inside_a_batch_returns_the_whole_batch_and_what_follows() {
    let mut world = world();

    let slices = world.read(3).expect("read");

    let bases: Vec<i64> = slices.iter().map(|slice| slice.head.first.0).collect();
    assert_eq!(bases, [2, 5, 6]);
    let header = BatchHeader::parse(&slices[0].payload).expect("a batch");
    assert_eq!((header.base_offset, header.leader_epoch), (2, 0));
    assert!(
        slices
            .iter()
            .all(|slice| check_produced(&slice.payload).is_ok())
    );
}

#[test]
fn what_is_not_durable_is_not_shown_though_its_place_is_no_error() {
    let mut world = world();
    world.append(&batch(&[50])).expect("appended");

    assert!(world.read(8).expect("read").is_empty());
    assert!(world.read(9).expect("read").is_empty());
    let (start, end) = (Offset(0), Offset(8));
    let refused = world.read(10).map(|_| ());
    assert_eq!(refused, Err(LogError::OffsetOutOfRange { start, end }));
    assert_eq!(world.read(7).expect("read").len(), 1);
}

#[test]
fn below_the_log_start_there_is_nothing() {
    let mut world = world();
    world.trim(Some(3)).expect("trimmed");

    let (start, end) = (Offset(3), Offset(8));
    let refused = world.read(2).map(|_| ());
    assert_eq!(refused, Err(LogError::OffsetOutOfRange { start, end }));
    assert_eq!(world.read(3).expect("read").len(), 3);
}

#[test]
fn the_leader_epoch_of_a_client_is_checked_when_it_sends_one() {
    let mut world = world();
    let current = LeaderEpoch(4);
    world.partitions.configure(P, current, config(&[]));
    let plan = |epoch| {
        let leader_epoch = Some(LeaderEpoch(epoch));
        let ask = ReadAsk {
            leader_epoch,
            ..ask(0)
        };
        world
            .partitions
            .plan_read(P, &ask)
            .map(|plan| plan.leader_epoch)
    };

    assert_eq!(plan(3), Err(LogError::FencedLeaderEpoch { current }));
    assert_eq!(plan(4), Ok(current));
    assert_eq!(plan(5), Err(LogError::UnknownLeaderEpoch { current }));
}

#[test]
fn the_ends_of_a_partition_are_listed() {
    let mut world = world();
    world.trim(Some(3)).expect("trimmed");
    world.append(&batch(&[1])).expect("appended");

    assert_eq!(world.list(OffsetSpec::Latest).offset, 8);
    assert_eq!(world.list(OffsetSpec::Earliest).offset, 3);
    assert_eq!(world.list(OffsetSpec::EarliestLocal).offset, 3);
    assert_eq!(world.list(OffsetSpec::LatestTiered), OffsetFound::NONE);
}

#[test]
fn a_time_finds_the_first_record_at_or_after_it_within_its_batch() {
    let mut world = world();

    assert_eq!(time(&mut world, 0), (0, 10));
    assert_eq!(time(&mut world, 10), (0, 10));
    assert_eq!(time(&mut world, 11), (1, 20));
    assert_eq!(time(&mut world, 21), (3, 40));
    assert_eq!(time(&mut world, 40), (3, 40));
    assert_eq!(time(&mut world, 41), (-1, -1));
}

#[test]
fn the_largest_time_finds_the_first_record_that_has_it() {
    let mut world = world();

    let found = world.list(OffsetSpec::MaxTimestamp);

    assert_eq!((found.offset, found.time), (3, 40));
    let mut empty = World::with(&[]);
    assert_eq!(empty.list(OffsetSpec::MaxTimestamp), OffsetFound::NONE);
    assert_eq!(empty.list(OffsetSpec::Time(0)), OffsetFound::NONE);
}

#[test]
fn a_time_is_found_inside_compressed_batches_too() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut world = World::with(&[]);
        let builder = BatchBuilder::new().codec(codec);
        let bytes = builder.value(5, b"a").value(9, b"b").value(7, b"c").build();
        world
            .append(&check_produced(&bytes).expect("valid"))
            .expect("appended");
        world.flush();

        assert_eq!(time(&mut world, 6), (1, 9), "{codec:?}");
    }
}

#[test]
fn under_append_times_every_record_has_its_batches_time() {
    let mut world = World::with(&[("message.timestamp.type", "LogAppendTime")]);
    let stamp = world.now.wall.0;
    let (appended, _) = world.append(&batch(&[1, 2, 3])).expect("appended");
    world.flush();

    assert_eq!(appended.log_append_time, stamp);
    assert_eq!(time(&mut world, stamp), (0, stamp));
    assert_eq!(time(&mut world, stamp + 1), (-1, -1));
}

#[test]
fn a_batch_that_can_not_be_walked_answers_with_its_first_offset() {
    let mut world = world();
    let mut slice = world.read(2).expect("read").swap_remove(0);
    slice.payload = slice.payload.slice(..62);
    let plan = SearchPlan {
        stream: P,
        log_start: Offset(0),
        until: Offset(8),
        time: Some(21),
    };

    assert_eq!(plan.resolve(Some(&slice)).offset, 2);
    slice.payload = slice.payload.slice(..5);
    assert_eq!(plan.resolve(Some(&slice)).offset, 2);
}

#[test]
fn an_epoch_ends_where_the_next_one_began_to_write() {
    let mut world = world();
    world.partitions.configure(P, LeaderEpoch(3), config(&[]));
    let end = |world: &World, epoch| {
        let found = world.partitions.epoch_end(P, None, LeaderEpoch(epoch));
        found.map(|(epoch, offset)| (epoch.0, offset.0))
    };

    assert_eq!(end(&world, 0), Ok((0, 8)));
    assert_eq!(end(&world, 2), Ok((0, 8)));
    assert_eq!(end(&world, 3), Ok((3, 8)));
    assert_eq!(end(&world, 4), Ok((-1, -1)));
    world.append(&batch(&[1])).expect("appended");
    world.flush();
    assert_eq!(end(&world, 0), Ok((0, 8)));
    assert_eq!(end(&world, 3), Ok((3, 9)));
    world.crash();
    assert_eq!(end(&world, 2), Ok((0, 8)));
}

use super::*;
use crate::journal::StreamId;
use crate::log::OffsetSpec;
use crate::log::test_world::{P, World, batch, config};

const HOUR_MS: i64 = 3_600_000;

fn at(ticks_ms: u64, wall: i64) -> Now {
    Now {
        ticks: Ticks(0) + Span::millis(ticks_ms),
        wall: WallMs(wall),
    }
}

/// Applies retention as if the clock showed `wall`.
fn retain(world: &mut World, wall: i64) -> u64 {
    let time = RetentionTime {
        at: WallMs(wall),
        held_back_ms: 0,
        ticks: world.now.ticks,
    };
    let removed = world.partitions.retain(&mut world.journal, time, 10);
    removed.expect("retention runs")
}

/// Fills about `segments` segments of the journal with batches whose times count up from 0.
fn filled(overrides: &[(&str, &str)], batches: i64) -> World {
    let mut world = World::with(overrides);
    for n in 0..batches {
        let big = crate::wire::batch::BatchBuilder::new().value(n, &[0; 30_000]);
        let big = crate::wire::batch::check_produced(&big.build()).expect("valid");
        world.append(&big).expect("appended");
        world.flush();
    }
    world
}

#[test]
fn a_clock_that_jumps_forward_moves_retention_by_no_more_than_the_time_run() {
    let clock = RetentionClock::started(None, None, at(0, 1_000_000));

    assert_eq!(clock.read(at(5_000, 1_005_000)).at, WallMs(1_005_000));
    let jumped = clock.read(at(5_000, 1_000_000_000));
    assert_eq!(jumped.at, WallMs(1_005_000));
    assert!(jumped.is_jump());
}

#[test]
fn a_clock_that_goes_back_takes_retention_with_it() {
    let clock = RetentionClock::started(None, None, at(0, 1_000_000));

    let back = clock.read(at(5_000, 400_000));

    assert_eq!((back.at, back.is_jump()), (WallMs(400_000), false));
}

#[test]
fn a_restart_adds_ten_minutes_and_no_more_until_the_jump_is_accepted() {
    let week = 168 * HOUR_MS;
    let now = at(7, week);
    let hour = Some(WallMs(HOUR_MS));

    let held = RetentionClock::started(hour, None, now);
    assert_eq!(held.read(now).at, WallMs(HOUR_MS + 600_000));
    assert!(held.read(now).is_jump());

    let accepted = RetentionClock::started(hour, Some(WallMs(week - 30_000)), now);
    assert_eq!(accepted.read(now).at, WallMs(week));
    assert!(!accepted.read(now).is_jump());
}

#[test]
fn an_acceptance_holds_for_the_jump_before_it_and_for_no_later_one() {
    let (week, year) = (168 * HOUR_MS, 8_760 * HOUR_MS);
    let now = at(7, year);
    let accepted = Some(WallMs(week));

    let clock = RetentionClock::started(Some(WallMs(HOUR_MS)), accepted, now);
    assert_eq!(clock.read(now).at, WallMs(week + 600_000));
    assert!(clock.read(now).is_jump());

    let later = Some(WallMs(2 * week));
    let clock = RetentionClock::started(later, accepted, at(7, 2 * week));
    assert_eq!(clock.read(at(7, 2 * week)).at, WallMs(2 * week));
}

#[test]
fn a_clock_that_was_set_right_after_a_restart_is_believed() {
    let before = WallMs(1_000 * HOUR_MS);
    let clock = RetentionClock::started(Some(before), None, at(0, 0));

    assert_eq!(clock.read(at(10, 0)).at, WallMs(0));
    assert_eq!(
        clock.read(at(20, before.0 + 5_000)).at,
        WallMs(before.0 + 5_000)
    );
}

#[test]
fn extents_go_whole_once_all_of_them_is_too_old() {
    let mut world = filled(&[("retention.ms", "1000")], 20);
    let (extent, sealed) = world.journal.oldest_extent(P).expect("an extent");
    assert!(sealed && extent.end.0 < 19, "{extent:?}");

    assert_eq!(retain(&mut world, extent.time_max + 1_000), 0);
    let removed = retain(&mut world, extent.time_max + 1_001);

    assert_eq!(removed, extent.end.0 as u64);
    assert_eq!(world.facts(P).log_start, Offset(extent.end.0));
    world.flush();
    world.crash();
    assert_eq!(world.facts(P).log_start, Offset(extent.end.0));
}

#[test]
fn the_newest_extent_goes_too_when_it_is_too_old_and_offsets_go_on() {
    let mut world = filled(&[("retention.ms", "1000")], 20);

    assert_eq!(retain(&mut world, 1_020), 20);

    assert_eq!((world.facts(P).log_start, world.end(P)), (Offset(20), 20));
    world.append(&batch(&[5])).expect("appended");
    assert_eq!(world.end(P), 21);
}

#[test]
fn by_size_the_oldest_go_as_long_as_enough_remains() {
    let keep = 300_000;
    let mut world = filled(
        &[
            ("retention.bytes", &keep.to_string()),
            ("retention.ms", "-1"),
        ],
        40,
    );
    let before = world.facts(P).bytes.0;

    assert!(retain(&mut world, i64::MAX) > 0);

    let after = world.facts(P).bytes.0;
    assert!(after < before && after >= keep, "{before} -> {after}");
    let (oldest, _) = world.journal.oldest_extent(P).expect("an extent");
    assert!(after - oldest.bytes.0 < keep);
}

#[test]
fn what_is_not_visible_yet_is_never_given_up() {
    let mut world = World::with(&[("retention.ms", "1")]);
    world.append(&batch(&[5])).expect("appended");

    assert_eq!(retain(&mut world, HOUR_MS), 0);
    world.flush();
    assert_eq!(retain(&mut world, HOUR_MS), 1);
}

#[test]
fn for_ever_and_compacted_topics_keep_everything() {
    for kept in [("retention.ms", "-1"), ("cleanup.policy", "compact")] {
        let mut world = World::with(&[]);
        world.append(&batch(&[5])).expect("appended");
        world.flush();
        world
            .partitions
            .configure(P, crate::log::LeaderEpoch(0), config(&[kept]));

        assert_eq!(retain(&mut world, i64::MAX), 0, "{kept:?}");
    }
}

#[test]
fn retention_comes_round_to_every_partition() {
    let mut world = World::with(&[("retention.ms", "1")]);
    for n in 30..60 {
        world.create(StreamId(n), &[("retention.ms", "1")]);
        world
            .append_to(StreamId(n), &batch(&[5]))
            .expect("appended");
    }
    world.flush();

    let removed: u64 = (0..4).map(|_| retain(&mut world, HOUR_MS)).sum();

    assert_eq!(removed, 30);
}

#[test]
fn records_without_times_expire_by_when_they_came() {
    let mut world = World::with(&[("retention.ms", "1000")]);
    world.append(&batch(&[-1, -1])).expect("appended");
    world.flush();
    let came = world.now.wall.0;

    assert_eq!(retain(&mut world, came + 1_000), 0);
    assert_eq!(retain(&mut world, came + 1_001), 2);
}

/// Of the batches of one record each that the partition had, the first is lost.
fn without_its_first(values: &[&[u8]]) -> World {
    let mut world = World::with(&[]);
    for value in values {
        let batch = crate::wire::batch::BatchBuilder::new().value(1, value);
        let batch = crate::wire::batch::check_produced(&batch.build()).expect("valid");
        world.append(&batch).expect("appended");
        world.flush();
    }
    let in_header = 20;
    assert!(world.disk.rot_page_of(values[0], in_header));
    world.crash();
    world
}

#[test]
fn retention_and_deletions_pass_a_lost_beginning_and_nothing_else_does() {
    const YEAR_MS: i64 = 8_760 * HOUR_MS;
    let ways: [fn(&mut World); 2] = [
        |world| assert_eq!(world.trim(Some(1)), Ok(Offset(1))),
        |world| assert_eq!(retain(world, YEAR_MS), 3),
    ];
    for (way, start) in ways.into_iter().zip([1, 3]) {
        let mut world = without_its_first(&[b"the first", b"the second", b"the third"]);
        for _ in 0..3 {
            let read = world.read(0);
            let Err(LogError::Journal(JournalError::Lost { first, end, .. })) = read else {
                panic!("what is lost was read as {read:?}");
            };
            assert_eq!((first.0, end.0), (0, 1));
            assert_eq!(world.list(OffsetSpec::Earliest).offset, 0);
            assert_eq!(world.read(1).map(|slices| slices.len()), Ok(2));
            world.flush();
            world.crash();
        }

        way(&mut world);
        world.flush();
        world.crash();

        assert_eq!(world.facts(P).log_start, Offset(start));
        assert_eq!(world.list(OffsetSpec::Earliest).offset, start);
        let left = world.read(start).map(|slices| slices.len() as i64);
        assert_eq!(left, Ok(3 - start));
    }
}

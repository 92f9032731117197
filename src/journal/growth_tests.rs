use super::*;
use crate::runtime::Keeper;

/// Often enough that nothing which is earned is beyond what may be owed.
const LOOKS_PER_SECOND: u64 = 64;
const BETWEEN_LOOKS: Span = Span(Span::seconds(1).0 / LOOKS_PER_SECOND);
const START: u64 = CACHE_START_BYTES.0;
const FLOOR: u64 = CACHE_FLOOR_BYTES.0;
const RATE: u64 = CACHE_GROWTH_BYTES_PER_S.0;

const FULL: Demand = Demand {
    tail_full: true,
    tail_missed: false,
    cold_full: false,
    cold_missed: false,
};
const MISSED: Demand = Demand {
    tail_missed: true,
    ..FULL
};

fn growth(most: u64) -> Growth {
    Growth::new(Ticks(0), ByteCount(most), BlockPool::default())
}

const AGAIN: Demand = Demand {
    tail_full: false,
    tail_missed: false,
    cold_full: true,
    cold_missed: true,
};

/// Less than a step is owed, and not given yet.
fn assert_about(bound: u64, expected: u64) {
    assert!(bound.abs_diff(expected) < STEP, "{bound}, not {expected}");
}

/// The windows' bound after so many seconds of it.
fn cold_after(growth: &mut Growth, seconds: u64, demand: Demand) -> u64 {
    tail_after(growth, seconds, demand);
    growth.cold()
}

/// The tail's bound after so many seconds of it.
fn tail_after(growth: &mut Growth, seconds: u64, demand: Demand) -> u64 {
    for _ in 0..seconds * LOOKS_PER_SECOND {
        growth.look(growth.looked + BETWEEN_LOOKS, demand);
    }
    growth.tail()
}

#[test]
fn it_takes_its_floor_at_once_and_then_a_little_per_second_while_it_is_full() {
    let mut growth = growth(u64::MAX / 4);

    let bounds = [1, 1, 1, 10].map(|seconds| tail_after(&mut growth, seconds, FULL));

    for (bound, seconds) in bounds.into_iter().zip([1, 2, 3, 13]) {
        assert_about(bound, FLOOR + seconds * RATE);
    }
}

#[test]
fn a_cache_that_is_not_full_earns_nothing() {
    let mut growth = growth(u64::MAX / 4);

    let idle = tail_after(&mut growth, 3_600, Demand::default());
    let missed = Demand {
        tail_missed: true,
        ..Demand::default()
    };

    assert_eq!(idle, START);
    assert_eq!(tail_after(&mut growth, 10, missed), START);
    assert_eq!(growth.cold(), START);
}

#[test]
fn it_grows_faster_while_readers_want_what_has_left() {
    let mut growth = growth(u64::MAX / 4);
    tail_after(&mut growth, 1, FULL);

    let before = growth.tail();
    let after = tail_after(&mut growth, 4, MISSED);

    assert_about(after - before, 4 * CACHE_GROWTH_WANTED_BYTES_PER_S.0);
}

#[test]
fn windows_grow_by_what_is_read_again() {
    let mut growth = growth(u64::MAX / 4);
    let first = Demand {
        cold_missed: false,
        ..AGAIN
    };

    let floor = cold_after(&mut growth, 10, first);
    let after = cold_after(&mut growth, 10, AGAIN);

    assert_eq!(floor, COLD_FLOOR_BYTES.0);
    assert_about(after - floor, 10 * CACHE_GROWTH_WANTED_BYTES_PER_S.0);
    assert_eq!(growth.tail(), START);
}

#[test]
fn together_they_take_what_was_configured_and_the_tail_has_the_last_word() {
    // Nothing fits exactly.
    let most = (1 << 30) + (5 << 20);
    let mut growth = growth(most);
    let cold = cold_after(&mut growth, 1_000, AGAIN);

    let tail = tail_after(&mut growth, 1_000, FULL);
    let left = growth.cold();
    cold_after(&mut growth, 1_000, AGAIN);

    assert!(cold + START > most - STEP, "{cold}");
    assert!(tail + left > most - STEP, "{tail} {left}");
    assert!(tail + left <= most, "{tail} {left}");
    assert_eq!(left, COLD_FLOOR_BYTES.0);
    assert_eq!(growth.tail(), tail, "windows never take from the tail");
}

#[test]
fn a_small_cache_has_all_it_may_have_from_the_start() {
    let mut growth = growth(4096);

    assert_eq!(tail_after(&mut growth, 10, MISSED), 4096 / 8 * 7);
    assert_eq!(growth.cold(), 4096 / 8);
}

#[test]
fn with_a_keeper_it_grows_as_memory_gets_ready() {
    let pool = BlockPool::with_keeper(Keeper::start().expect("a thread"));
    let mut growth = Growth::new(Ticks(0), ByteCount(1 << 30), pool);
    growth.look(Ticks(1), FULL);
    let at_once = growth.tail();

    // Time stands still: what it grows by is what was made ready.
    while growth.tail() < FLOOR {
        growth.look(Ticks(1), FULL);
        std::hint::spin_loop();
    }

    assert_eq!(at_once, START, "nothing was ready yet");
    assert_eq!(growth.tail(), FLOOR);
}

#[test]
fn nobody_has_memory_made_ready_who_earned_none() {
    let pool = BlockPool::with_keeper(Keeper::start().expect("a thread"));
    let mut growth = Growth::new(Ticks(0), ByteCount(1 << 30), pool);

    tail_after(&mut growth, 20, Demand::default());

    assert_eq!(growth.pool.asked_ready(), ByteCount(0));
}

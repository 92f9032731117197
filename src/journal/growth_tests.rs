use super::*;
use crate::runtime::Keeper;

const SECOND: Span = Span::seconds(1);
const START: u64 = CACHE_START_BYTES.0;
const FLOOR: u64 = CACHE_FLOOR_BYTES.0;
const MIB: u64 = 1 << 20;
const PLENTY: u64 = u64::MAX / 4;

fn growth(most: u64) -> Growth {
    Growth::new(Ticks(0), ByteCount(most), BlockPool::default())
}

fn keeping(most: u64) -> Growth {
    let pool = BlockPool::with_keeper(Keeper::start().expect("a thread"));
    Growth::new(Ticks(0), ByteCount(most), pool)
}

/// The tail's gave up so many bytes.
fn left(bytes: u64) -> Demand {
    Demand {
        tail_left: bytes,
        ..Demand::default()
    }
}

/// So many bytes of windows that had gone were read again.
fn again(bytes: u64) -> Demand {
    Demand {
        cold_full: true,
        cold_again: bytes,
        ..Demand::default()
    }
}

/// The tail's bound after so many times of it.
fn tail_after(growth: &mut Growth, times: u64, demand: Demand) -> u64 {
    (0..times).for_each(|_| growth.look(Ticks(1), demand));
    growth.tail()
}

/// The windows' bound, likewise.
fn cold_after(growth: &mut Growth, times: u64, demand: Demand) -> u64 {
    tail_after(growth, times, demand);
    growth.cold()
}

#[test]
fn it_takes_its_floor_at_once_and_then_several_times_what_it_gave_up() {
    let mut growth = growth(PLENTY);

    let first = tail_after(&mut growth, 1, left(4096));
    let then = tail_after(&mut growth, 100, left(8 * MIB));

    assert!((FLOOR..FLOOR + STEP).contains(&first), "{first}");
    let expected = FLOOR + 100 * TIMES * 8 * MIB;
    assert!(then.abs_diff(expected) < STEP, "{then}, not {expected}");
}

#[test]
fn a_cache_that_gives_nothing_up_earns_nothing() {
    let mut growth = growth(PLENTY);
    let missed = Demand {
        tail_missed: true,
        ..Demand::default()
    };

    assert_eq!(tail_after(&mut growth, 1_000, Demand::default()), START);
    assert_eq!(tail_after(&mut growth, 1_000, missed), START);
    assert_eq!(growth.cold(), START);
}

#[test]
fn a_trickle_takes_no_more_than_it_could_fill() {
    let mut growth = growth(PLENTY);

    let bound = tail_after(&mut growth, 1_000, left(1_000));

    assert!(bound <= FLOOR + TIMES * 1_000_000, "{bound}");
}

#[test]
fn windows_grow_by_what_is_read_again() {
    let mut growth = growth(PLENTY);

    let floor = cold_after(&mut growth, 10, again(0));
    let after = cold_after(&mut growth, 10, again(2 * MIB));

    assert_eq!(floor, COLD_FLOOR_BYTES.0);
    assert_eq!(after - floor, 10 * TIMES * 2 * MIB);
    assert_eq!(growth.tail(), START);
}

#[test]
fn together_they_take_what_was_configured_and_the_tail_has_the_last_word() {
    // Nothing fits exactly.
    let most = (1 << 30) + 5 * MIB;
    let mut growth = growth(most);
    let cold = cold_after(&mut growth, 1_000, again(2 * MIB));

    let tail = tail_after(&mut growth, 1_000, left(2 * MIB));
    let kept = growth.cold();
    cold_after(&mut growth, 1_000, again(2 * MIB));

    assert!(cold + START > most - STEP, "{cold}");
    assert!(tail + kept > most - STEP, "{tail} {kept}");
    assert!(tail + kept <= most, "{tail} {kept}");
    assert_eq!(kept, COLD_FLOOR_BYTES.0);
    assert_eq!(growth.tail(), tail, "windows never take from the tail");
}

#[test]
fn a_tail_that_came_first_leaves_the_windows_their_floor() {
    let most = (1 << 30) + 5 * MIB;
    let mut growth = growth(most);
    let tail = tail_after(&mut growth, 1_000, left(8 * MIB));

    let cold = cold_after(&mut growth, 1_000, again(2 * MIB));

    assert!(
        (COLD_FLOOR_BYTES.0..COLD_FLOOR_BYTES.0 + STEP).contains(&cold),
        "{cold}"
    );
    assert!(
        tail + cold <= most && tail + cold > most - 2 * STEP,
        "{tail} {cold}"
    );
}

#[test]
fn a_small_cache_has_all_it_may_have_from_the_start() {
    let mut growth = growth(4096);

    assert_eq!(tail_after(&mut growth, 10, left(MIB)), 4096 / 8 * 7);
    assert_eq!(growth.cold(), 4096 / 8);
}

#[test]
fn with_a_keeper_it_grows_as_memory_gets_ready() {
    let mut growth = keeping(1 << 30);
    growth.look(Ticks(1), left(1));
    let at_once = growth.tail();

    while growth.tail() < FLOOR {
        growth.look(Ticks(1), left(1));
        std::hint::spin_loop();
    }

    assert_eq!(at_once, START, "nothing was ready yet");
    assert!(growth.tail() < FLOOR + STEP);
}

/// Tries it several times: while this thread is kept from the processor more gets ready than both
/// would have, and then nobody goes short.
#[test]
fn where_memory_is_short_both_get_their_floors_and_those_who_are_missed_their_part() {
    let tries: Vec<_> = (0..5).map(|_| parts_where_memory_is_short()).collect();

    let missed_first = |((tail, cold), _): &((u64, u64), (u64, u64))| cold > tail;
    let alike = |(_, (tail, cold)): &((u64, u64), (u64, u64))| {
        *tail > 0 && tail.abs_diff(*cold) <= 64 * MIB
    };
    assert!(
        tries.iter().all(|((tail, _), _)| *tail >= FLOOR),
        "{tries:?}"
    );
    assert!(tries.iter().any(missed_first), "{tries:?}");
    assert!(tries.iter().any(alike), "{tries:?}");
}

/// What tail and windows have while only the windows are missed, and what they get while both are.
fn parts_where_memory_is_short() -> ((u64, u64), (u64, u64)) {
    let mut growth = keeping(1 << 30);
    let both = Demand {
        cold_full: true,
        cold_again: 64 * MIB,
        ..left(64 * MIB)
    };
    // Time stands still: there is never as much as they would have.
    while growth.tail() + growth.cold() < 320 * MIB {
        growth.look(Ticks(1), both);
        std::hint::spin_loop();
    }
    let (tail, cold) = (growth.tail(), growth.cold());

    let both_missed = Demand {
        tail_missed: true,
        ..both
    };
    growth.look(Ticks(1) + SECOND, both_missed);
    while growth.tail() + growth.cold() < 480 * MIB {
        growth.look(Ticks(1) + SECOND, both_missed);
        std::hint::spin_loop();
    }
    ((tail, cold), (growth.tail() - tail, growth.cold() - cold))
}

#[test]
fn nobody_has_memory_made_ready_who_earned_none() {
    let mut growth = keeping(1 << 30);

    tail_after(&mut growth, 20, Demand::default());

    assert_eq!(growth.pool.asked_ready(), ByteCount(0));
}

use super::*;
use crate::journal::entry::{Index, StreamId};
use crate::journal::format::{Kind, Row};

const SEGMENT: u32 = 1 << 20;
const WINDOW: u32 = SEGMENT / 4;
const STRIDE: u32 = WINDOW - WINDOW / 16;

/// Four windows of 256 KiB are kept.
fn windows() -> Windows {
    Windows::new(ByteCount(SEGMENT.into()))
}

fn place_in(segment: u32, at: u32, length: u32) -> Place {
    Place {
        row: Row {
            length,
            ..Row::bare(Kind::Entry, StreamId(16), Index(0))
        },
        segment,
        at,
    }
}

fn place(at: u32, length: u32) -> Place {
    place_in(7, at, length)
}

/// Segment 7 may be read whole.
fn whole(segment: u32) -> u32 {
    if segment == 7 { SEGMENT } else { 0 }
}

fn numbers(windows: &mut Windows) -> Vec<u32> {
    let due = windows.take_due();
    due.iter().map(|(id, ..)| id.number).collect()
}

fn id(number: u32) -> WindowId {
    WindowId { segment: 7, number }
}

/// Reads what is due.
fn arrive(windows: &mut Windows) {
    for (id, start, end) in windows.take_due() {
        windows.ended(id, Ok(Bytes::from(vec![0; (end - start) as usize])));
    }
}

#[test]
fn a_window_is_read_once_an_eighth_of_it_was_asked_for() {
    let mut windows = windows();
    let length = WINDOW / 8 / 4;
    let ask = |windows: &mut Windows, count: u32| {
        let place = place(count * length, length);
        windows.seek(&place, whole)
    };

    let alone = [0, 1, 2].map(|count| ask(&mut windows, count));
    let coming = ask(&mut windows, 3);
    let due = numbers(&mut windows);
    let waits = ask(&mut windows, 0);

    assert!(alone.iter().all(|found| matches!(found, Found::Alone)));
    assert!(matches!(coming, Found::Coming(window) if window == id(0)));
    assert_eq!(due, [0]);
    assert!(matches!(waits, Found::Coming(window) if window == id(0)));
    assert!(numbers(&mut windows).is_empty(), "it is read already");
}

#[test]
fn whoever_comes_in_sequence_has_the_next_one_read_ahead() {
    let mut windows = windows();
    windows.seek(&place(0, WINDOW / 8), whole);
    let first = numbers(&mut windows);

    windows.seek(&place(STRIDE, 10), whole);
    let second = numbers(&mut windows);
    windows.seek(&place(STRIDE + 10, 10), whole);
    let same = numbers(&mut windows);
    windows.seek(&place(2 * STRIDE, 10), whole);
    let third = numbers(&mut windows);

    assert_eq!((first, second), (vec![0], vec![1, 2]));
    assert_eq!((same, third), (vec![], vec![3]));
}

#[test]
fn nothing_is_read_that_may_still_change() {
    let mut windows = windows();
    let limit = |segment| if segment == 7 { STRIDE + 8192 } else { 0 };
    windows.seek(&place(0, WINDOW / 8), limit);
    windows.seek(&place(STRIDE, 10), limit);

    let due = windows.take_due();

    let ends: Vec<_> = due.iter().map(|(.., end)| *end).collect();
    assert_eq!(ends, [STRIDE + 8192, STRIDE + 8192]);
}

#[test]
fn a_window_that_ends_too_early_is_read_anew() {
    let mut windows = windows();
    windows.seek(&place(0, WINDOW / 8), |_| WINDOW / 2);
    arrive(&mut windows);

    let found = windows.seek(&place(WINDOW / 2, WINDOW / 8), whole);

    assert!(matches!(found, Found::Coming(window) if window == id(0)));
    assert_eq!(windows.take_due(), [(id(0), 0, WINDOW)]);
    assert_eq!(windows.bytes(), u64::from(WINDOW));
}

#[test]
fn what_lies_in_no_window_whole_is_read_alone() {
    let mut windows = windows();
    let across = place(STRIDE - 4096, 2 * WINDOW / 16);

    assert!(matches!(windows.seek(&across, whole), Found::Alone));
    assert!(numbers(&mut windows).is_empty());
}

/// Asks for the first bytes of the only window of a segment; true if it is here.
fn ask_in(windows: &mut Windows, segment: u32) -> bool {
    let found = windows.seek(&place_in(segment, 0, WINDOW / 8), |_| WINDOW);
    arrive(windows);
    matches!(found, Found::Here(..))
}

#[test]
fn the_youngest_stay_and_the_bound_holds() {
    let mut windows = windows();

    for segment in (0..200).step_by(2) {
        ask_in(&mut windows, segment);
        assert!(ask_in(&mut windows, segment), "it came just now");
        assert!(windows.bytes() <= KEPT_MIN * u64::from(WINDOW));
    }
}

#[test]
fn who_goes_round_in_more_than_there_is_room_for_finds_a_part_of_it() {
    let mut windows = windows();
    windows.keep(32 * u64::from(WINDOW));
    // Every second one, so that nothing is in sequence.
    let all: Vec<u32> = (0..64).map(|number| 2 * number).collect();

    let mut found = 0;
    for round in 0..12 {
        for segment in &all {
            let is_here = ask_in(&mut windows, *segment);
            found += usize::from(is_here && round >= 2);
        }
    }

    // A half fits; to keep just the newest would find none.
    let share = found * 100 / (10 * all.len());
    assert!((20..=50).contains(&share), "{share} %");
}

#[test]
fn what_is_being_read_stays_and_others_are_turned_away() {
    let mut windows = windows();
    for number in 0..4 {
        windows.seek(&place(number * STRIDE, WINDOW / 8), whole);
    }
    let due = numbers(&mut windows);
    let elsewhere = place_in(9, 0, WINDOW / 8);

    let found = windows.seek(&elsewhere, |_| SEGMENT);

    assert_eq!(due, [0, 1, 2, 3]);
    assert!(matches!(found, Found::Alone));
    assert!(numbers(&mut windows).is_empty());
}

#[test]
fn a_window_that_can_not_be_read_is_not_tried_again() {
    let mut windows = windows();
    windows.seek(&place(0, WINDOW / 8), whole);
    windows.take_due();
    let error = DiskError {
        call: "read",
        file: crate::runtime::FileId(1),
        at: crate::base::Position(0),
        errno: 5,
    };
    windows.ended(id(0), Err(error));

    let found = windows.seek(&place(100, WINDOW / 8), whole);

    assert!(matches!(found, Found::Alone));
    assert!(numbers(&mut windows).is_empty());
    assert_eq!(windows.bytes(), 0);
}

#[test]
fn after_a_window_was_given_up_an_eighth_is_to_be_asked_for_again() {
    let mut windows = windows();
    let (segment, number) = (2, 0);
    ask_in(&mut windows, segment);
    let mut others = (4..).step_by(2);
    while !windows.gone.contains(&WindowId { segment, number }) {
        ask_in(
            &mut windows,
            others.next().expect("there is always one more"),
        );
    }
    let little = place_in(segment, 0, 100);

    let found = windows.seek(&little, |_| WINDOW);

    assert!(matches!(found, Found::Alone));
    assert!(numbers(&mut windows).is_empty());
}

#[test]
fn a_copy_that_was_bad_says_nothing_of_the_one_being_read() {
    let mut windows = windows();
    windows.seek(&place(0, WINDOW / 8), whole);
    let due = windows.take_due();

    windows.refuse(id(0));
    windows.ended(id(0), Ok(Bytes::from(vec![0; WINDOW as usize])));
    let bytes = windows.bytes();
    windows.refuse(id(0));

    assert_eq!(due.len(), 1);
    assert_eq!(bytes, u64::from(WINDOW));
    assert_eq!(windows.bytes(), 0);
}

#[test]
fn a_segment_that_is_freed_takes_its_windows_with_it() {
    let mut windows = windows();
    ask_in(&mut windows, 2);
    ask_in(&mut windows, 4);

    windows.forget_segment(2);

    assert_eq!(windows.bytes(), u64::from(WINDOW));
    assert!(ask_in(&mut windows, 4));
}

#[test]
fn what_is_read_again_after_it_was_given_up_is_told() {
    let mut windows = windows();
    // Every second one, so that nothing is in sequence.
    let all = [2, 4, 6, 8, 10];

    all.iter()
        .for_each(|segment| _ = ask_in(&mut windows, *segment));
    let once = windows.take_demand();
    all.iter()
        .for_each(|segment| _ = ask_in(&mut windows, *segment));
    let twice = windows.take_demand();
    windows.keep(6 * u64::from(WINDOW));
    all.iter()
        .for_each(|segment| _ = ask_in(&mut windows, *segment));
    windows.take_demand();
    all.iter()
        .for_each(|segment| _ = ask_in(&mut windows, *segment));
    let with_room = windows.take_demand();
    windows.keep(0);

    assert_eq!(once, (true, 0));
    assert!(
        twice.0 && twice.1 > 0 && twice.1.is_multiple_of(u64::from(WINDOW)),
        "{twice:?}"
    );
    assert_eq!(with_room, (false, 0));
    assert_eq!(windows.bytes(), KEPT_MIN * u64::from(WINDOW));
}

use super::*;

const STREAM: u32 = 3;

/// Five acknowledged batches of ten records.
fn ledger() -> Ledger {
    let offsets = (0..5).map(|number| number * 10).collect();
    Ledger {
        batch_records: 10,
        streams: HashMap::from([(STREAM, offsets)]),
        ..Ledger::default()
    }
}

fn check(ledger: &Ledger, runs: &[(u64, u64)]) -> Verdict {
    let mut reading = Reading::default();
    for (first, count) in runs {
        reading.records(Seen {
            stream: STREAM,
            first: *first,
            count: *count,
        });
    }
    reading.judge(ledger, true)
}

#[test]
fn every_record_once_and_in_order_holds() {
    let verdict = check(&ledger(), &[(0, 10), (10, 30), (40, 10)]);

    assert!(verdict.holds(), "{verdict:?}");
    assert_eq!((verdict.acknowledged, verdict.read), (50, 50));
}

#[test]
fn one_missing_record_is_lost() {
    let verdict = check(&ledger(), &[(0, 17), (18, 32)]);

    assert!(!verdict.holds());
    assert_eq!(verdict.lost, 1);
}

#[test]
fn a_missing_end_is_lost() {
    assert_eq!(check(&ledger(), &[(0, 40)]).lost, 10);
    assert_eq!(check(&ledger(), &[]).lost, 50);
}

#[test]
fn a_record_that_comes_again_is_duplicated() {
    let verdict = check(&ledger(), &[(0, 20), (19, 1), (20, 30)]);

    assert_eq!(
        (verdict.duplicated, verdict.reordered, verdict.lost),
        (1, 0, 0)
    );
}

#[test]
fn a_record_that_comes_late_is_reordered_and_not_lost() {
    let verdict = check(&ledger(), &[(0, 4), (5, 1), (4, 1), (6, 44)]);

    assert_eq!(
        (verdict.reordered, verdict.duplicated, verdict.lost),
        (1, 0, 0)
    );
}

#[test]
fn what_was_refused_may_be_missing() {
    let mut ledger = ledger();
    ledger.streams.get_mut(&STREAM).unwrap()[2] = NOT_ACKNOWLEDGED;

    let verdict = check(&ledger, &[(0, 20), (30, 20)]);

    assert!(verdict.holds(), "{verdict:?}");
    assert_eq!(verdict.acknowledged, 40);
}

#[test]
fn an_offset_that_was_not_the_acknowledged_one_is_misplaced() {
    let mut reading = Reading::default();
    reading.batch_at(STREAM, 1, 11);
    reading.records(Seen {
        stream: STREAM,
        first: 0,
        count: 50,
    });

    assert_eq!(reading.judge(&ledger(), true).misplaced, 1);
}

#[test]
fn a_stream_of_nobody_is_corrupt() {
    let mut reading = Reading::default();
    reading.records(Seen {
        stream: STREAM,
        first: 0,
        count: 50,
    });
    reading.records(Seen {
        stream: 9,
        first: 0,
        count: 1,
    });

    assert_eq!(reading.judge(&ledger(), true).corrupt, 1);
}

#[test]
fn what_was_deleted_for_its_age_is_not_lost_and_what_is_younger_is() {
    let mut ledger = ledger();
    ledger.begins = vec![20];
    let mut reading = Reading::default();
    reading.records(Seen {
        stream: STREAM,
        first: 30,
        count: 20,
    });

    let verdict = reading.judge(&ledger, true);

    assert_eq!((verdict.expired, verdict.lost), (20, 10), "{verdict:?}");
}

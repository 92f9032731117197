use std::time::Duration;

use super::stub::{Lie, Stub};
use crate::base::ByteCount;
use crate::load::{Length, Observer, Outcome, Plan, Verdict, Workload, run};

/// The batch at which a lying broker lies: late enough to be in the measured part.
const AT: u64 = 40;
const BATCH_RECORDS: u64 = 9;

struct Nobody;

impl Observer for Nobody {}

/// 9 records of 100 bytes to a batch, 3 partitions, no warm-up.
fn plan(stub: &Stub) -> Plan {
    Plan {
        partitions: 3,
        request_batches: 1,
        batch_bytes: ByteCount(1_050),
        warm_up: Duration::ZERO,
        length: Length::Records(1_800),
        ..Plan::new(stub.address, "t")
    }
}

fn outcome(lie: Lie, change: impl FnOnce(&mut Plan)) -> Outcome {
    let stub = Stub::that(lie);
    let mut plan = plan(&stub);
    change(&mut plan);
    run(&plan, &mut Nobody).unwrap()
}

fn check_caught(lie: Lie, found: impl Fn(&Outcome) -> u64) {
    let outcome = outcome(lie, |_| {});

    assert!(!outcome.holds(), "{lie:?}: {:?}", outcome.verdict);
    assert!(found(&outcome) > 0, "{lie:?}: {:?}", outcome.verdict);
}

#[test]
fn an_honest_broker_holds_in_every_workload() {
    for workload in [
        Workload::Produce,
        Workload::Both,
        Workload::EndToEnd,
        Workload::Consume,
    ] {
        let outcome = outcome(Lie::None, |plan| {
            plan.workload = workload;
            plan.consumers = 2;
            plan.producers = if workload == Workload::EndToEnd { 1 } else { 2 };
            plan.fill = ByteCount::kib(64);
        });

        assert!(
            outcome.holds(),
            "{workload:?}: {:?} {:?}",
            outcome.verdict,
            outcome.failure
        );
        assert!(outcome.verdict.read > 0, "{workload:?}");
        assert!(
            outcome.produced.records + outcome.consumed.records > 0,
            "{workload:?}"
        );
    }
}

#[test]
fn all_records_of_a_counted_run_are_acknowledged_and_read_back() {
    let outcome = outcome(Lie::None, |plan| plan.producers = 2);

    assert_eq!(outcome.batch_records as u64, BATCH_RECORDS);
    assert_eq!(outcome.verdict.acknowledged, 1_800);
    assert_eq!(outcome.verdict.read, 1_800);
}

#[test]
fn an_idempotent_producer_numbers_its_batches_without_a_gap() {
    for rate in [None, Some(20_000)] {
        let outcome = outcome(Lie::None, |plan| {
            plan.idempotent = true;
            plan.rate = rate;
        });

        assert!(
            outcome.holds(),
            "{:?} {:?}",
            outcome.errors(),
            outcome.failure
        );
    }
}

#[test]
fn a_broker_that_acknowledges_what_it_does_not_keep_fails_the_ledger() {
    check_caught(Lie::ForgetBatch(AT), |it| {
        u64::from(it.verdict.lost == BATCH_RECORDS)
    });
}

#[test]
fn a_broker_that_loses_the_very_last_batch_fails_the_ledger() {
    check_caught(Lie::ForgetBatch(200), |it| {
        u64::from(it.verdict.lost == BATCH_RECORDS)
    });
}

#[test]
fn a_broker_that_drops_one_record_fails_the_ledger() {
    check_caught(Lie::ForgetRecord(AT), |it| u64::from(it.verdict.lost == 1));
}

#[test]
fn a_broker_that_repeats_a_batch_or_a_record_fails_the_ledger() {
    check_caught(Lie::RepeatBatch(AT), |it| {
        u64::from(it.verdict.duplicated == BATCH_RECORDS)
    });
    check_caught(Lie::RepeatRecord(AT), |it| {
        u64::from(it.verdict.duplicated == 1)
    });
}

#[test]
fn a_broker_that_reorders_batches_or_records_fails_the_ledger() {
    check_caught(Lie::SwapBatch(AT), |it| {
        u64::from(it.verdict.reordered == BATCH_RECORDS)
    });
    check_caught(Lie::SwapRecords(AT), |it| it.verdict.reordered);
}

#[test]
fn a_broker_that_changes_a_bit_fails_the_ledger() {
    check_caught(Lie::FlipBit(AT), |it| it.verdict.corrupt);
    check_caught(Lie::FlipBitAndSum(AT), |it| {
        u64::from(it.verdict.corrupt == 1)
    });
}

/// A thousand records to a batch, a thousand batches, and one record of the million is wrong.
fn check_one_in_a_million(lie: Lie, wrong: impl Fn(&Verdict) -> u64) {
    let outcome = outcome(lie, |plan| {
        plan.record_bytes = ByteCount(60).into();
        plan.batch_bytes = ByteCount(69_000);
        plan.length = Length::Records(1_000_000);
    });

    let verdict = &outcome.verdict;
    assert!(verdict.acknowledged >= 1_000_000, "{lie:?}: {verdict:?}");
    assert!(!outcome.holds(), "{lie:?}: {verdict:?}");
    assert_eq!(wrong(verdict), 1, "{lie:?}: {verdict:?}");
}

#[test]
fn one_record_in_a_million_that_is_dropped_repeated_reordered_or_changed_is_found() {
    check_one_in_a_million(Lie::ForgetRecord(600), |it| it.lost);
    check_one_in_a_million(Lie::RepeatRecord(600), |it| it.duplicated);
    check_one_in_a_million(Lie::SwapRecords(600), |it| it.reordered);
    check_one_in_a_million(Lie::FlipBitAndSum(600), |it| it.corrupt);
}

#[test]
fn a_run_with_a_refused_batch_holds_its_ledger_and_reports_no_speed() {
    let outcome = outcome(Lie::Refuse(AT), |_| {});

    assert!(outcome.verdict.holds(), "{:?}", outcome.verdict);
    assert_eq!(outcome.errors().get(&6), Some(&1));
    assert!(!outcome.holds());
}

/// A second's silence amid five seconds at 1,000 records/s: a fifth of all records had to wait.
fn stalled(rate: Option<u64>) -> Outcome {
    let stall = Lie::Stall(AT, Duration::from_secs(1));
    let outcome = outcome(stall, |plan| {
        plan.rate = rate;
        plan.in_flight = 1;
        plan.length = Length::Records(4_500);
        plan.batch_bytes = ByteCount(400);
    });
    assert!(
        outcome.holds(),
        "{:?} {:?}",
        outcome.verdict,
        outcome.failure
    );
    outcome
}

#[test]
fn the_open_loop_shows_a_stall_that_the_closed_loop_hides() {
    let at = |outcome: &Outcome, quantile| {
        Duration::from_nanos(outcome.produced.latencies.value_at_quantile(quantile))
    };

    let open = stalled(Some(3_000));
    let closed = stalled(None);

    assert!(
        at(&open, 0.999) > Duration::from_millis(900),
        "{:?}",
        at(&open, 0.999)
    );
    assert!(
        at(&open, 0.9) > Duration::from_millis(500),
        "{:?}",
        at(&open, 0.9)
    );
    assert!(
        at(&closed, 0.999) < Duration::from_millis(500),
        "{:?}",
        at(&closed, 0.999)
    );
    // It is not hidden altogether: the longest silence says so in both.
    assert!(closed.produced.silence_ns_max > 900_000_000);
}

//! Consumers that are members of groups, each against a stub with a coordinator.

use std::time::Duration;

use super::stub::{Lie, Stub};
use crate::base::ByteCount;
use crate::load::{Length, Observer, Outcome, Plan, Workload, run};

struct Nobody;

impl Observer for Nobody {}

fn outcome(lie: Lie, brokers: usize, change: impl FnOnce(&mut Plan)) -> Outcome {
    let stub = Stub::of_brokers(brokers, lie);
    let mut plan = Plan {
        workload: Workload::Both,
        joins: true,
        groups: 2,
        consumers: 3,
        request_batches: 1,
        batch_bytes: ByteCount(2_000),
        warm_up: Duration::ZERO,
        length: Length::Records(9_000),
        fill: ByteCount::kib(512),
        ..Plan::new(stub.address, "t")
    };
    change(&mut plan);
    run(&plan, &mut Nobody).unwrap()
}

fn check_exactly_once(outcome: &Outcome) {
    let (verdict, failure) = (&outcome.verdict, &outcome.failure);
    assert!(outcome.holds(), "{verdict:?} {failure:?}");
    assert_eq!(outcome.groups.len(), 2);
    for group in &outcome.groups {
        assert_eq!((group.members, group.rebalances, group.reread), (3, 0, 0));
        assert_eq!(group.read, verdict.acknowledged, "{group:?}");
        assert!(group.read >= 4_000, "{group:?}");
    }
}

#[test]
fn without_a_rebalance_each_group_reads_everything_exactly_once() {
    for brokers in [1, 2] {
        check_exactly_once(&outcome(Lie::None, brokers, |_| {}));
        check_exactly_once(&outcome(Lie::None, brokers, |plan| {
            plan.workload = Workload::Consume;
            plan.length = Length::Time(Duration::from_secs(20));
        }));
    }
}

#[test]
fn a_member_that_comes_and_goes_makes_others_read_again_and_nobody_miss_a_record() {
    let outcome = outcome(Lie::None, 1, |plan| {
        plan.rejoin_every = Some(Duration::from_millis(200));
        plan.rate = Some(3_000);
    });

    let (verdict, failure) = (&outcome.verdict, &outcome.failure);
    assert!(outcome.holds(), "{verdict:?} {failure:?}");
    for group in &outcome.groups {
        assert!(group.rebalances > 0 && group.reread > 0, "{group:?}");
        assert_eq!(group.read - group.reread, verdict.acknowledged, "{group:?}");
    }
}

#[test]
fn a_broker_that_lies_to_a_group_fails_its_ledger() {
    for lie in [
        Lie::ForgetBatch(40),
        Lie::RepeatBatch(40),
        Lie::SwapBatch(40),
    ] {
        let outcome = outcome(lie, 1, |_| {});

        assert!(!outcome.verdict.holds(), "{lie:?}: {:?}", outcome.verdict);
        for group in &outcome.groups {
            assert!(!group.verdict.holds(), "{lie:?}: {group:?}");
        }
    }
}

#[test]
fn a_backlog_is_caught_up_with_while_producers_go_on() {
    let outcome = outcome(Lie::None, 1, |plan| {
        plan.groups = 1;
        plan.consumers = 1;
        plan.rate = Some(5_000);
        plan.backlog = ByteCount::kib(512);
        plan.lead = Duration::from_millis(300);
        plan.length = Length::Time(Duration::from_secs(20));
    });

    let (verdict, failure) = (&outcome.verdict, &outcome.failure);
    assert!(outcome.holds(), "{verdict:?} {failure:?}");
    assert!(
        outcome.elapsed < Duration::from_secs(15),
        "it did not end by itself"
    );
    assert!(!outcome.produced.before.is_empty(), "no latencies before");
    assert!(!outcome.produced.latencies.is_empty(), "none during");
    assert_eq!(outcome.groups[0].read, verdict.acknowledged);
}

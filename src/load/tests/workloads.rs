//! What a run can be made of, each against a stub that keeps everything, or not.

use std::time::Duration;

use super::stub::{Lie, Stub};
use crate::base::ByteCount;
use crate::load::{Keys, Length, Observer, Outcome, Plan, RecordSizes, Workload, run};
use crate::wire::batch::Codec;

struct Nobody;

impl Observer for Nobody {}

fn plan(stub: &Stub) -> Plan {
    Plan {
        partitions: 6,
        request_batches: 1,
        batch_bytes: ByteCount(2_000),
        warm_up: Duration::ZERO,
        length: Length::Records(6_000),
        ..Plan::new(stub.address, "t")
    }
}

fn outcome(stub: &Stub, change: impl FnOnce(&mut Plan)) -> Outcome {
    let mut plan = plan(stub);
    change(&mut plan);
    run(&plan, &mut Nobody).unwrap()
}

/// Runs the change as produce, both and consume; each must hold, and see every record.
fn check_holds(brokers: usize, change: impl Fn(&mut Plan)) {
    for workload in [Workload::Produce, Workload::Both, Workload::Consume] {
        let stub = Stub::of_brokers(brokers, Lie::None);

        let outcome = outcome(&stub, |plan| {
            plan.workload = workload;
            plan.consumers = 2;
            plan.producers = 2;
            plan.fill = ByteCount::kib(256);
            change(plan);
            // The stub knows one producer id.
            if plan.idempotent {
                plan.producers = 1;
            }
        });

        let (verdict, failure) = (&outcome.verdict, &outcome.failure);
        assert!(outcome.holds(), "{workload:?}: {verdict:?} {failure:?}");
        assert!(verdict.read >= 1_000, "{workload:?}: {verdict:?}");
        assert_eq!(verdict.unpromised, 0, "{workload:?}: {verdict:?}");
    }
}

#[test]
fn a_run_leaves_no_topic_behind_even_if_it_could_not_begin() {
    for (lie, is_run) in [(Lie::None, true), (Lie::NoEnds, false)] {
        let stub = Stub::that(lie);

        let ran = run(&plan(&stub), &mut Nobody);

        assert_eq!(ran.is_ok(), is_run, "{lie:?}: {:?}", ran.err());
        assert_eq!(stub.partitions(), 0, "{lie:?}");
    }
}

#[test]
fn requests_go_to_the_leader_of_each_partition() {
    check_holds(3, |_| {});
    check_holds(3, |plan| plan.request_batches = 4);
    check_holds(2, |plan| plan.idempotent = true);
}

#[test]
fn several_topics_share_a_request() {
    check_holds(1, |plan| {
        plan.topics = 3;
        plan.partitions = 2;
        plan.request_batches = 4;
    });
    check_holds(2, |plan| {
        plan.topics = 3;
        plan.partitions = 2;
        plan.idempotent = true;
    });
}

#[test]
fn records_of_many_lengths_are_told_apart() {
    check_holds(1, |plan| {
        plan.record_bytes = RecordSizes::Uniform {
            least: ByteCount(50),
            most: ByteCount(300),
        };
    });
}

#[test]
fn keyed_records_are_dealt_by_their_keys() {
    check_holds(1, |plan| plan.keys = Keys::Uniform(100));
    check_holds(2, |plan| {
        plan.keys = Keys::Zipf(100);
        plan.idempotent = true;
    });
    check_holds(1, |plan| {
        plan.keys = Keys::Zipf(20);
        plan.rate = (plan.workload != Workload::Consume).then_some(30_000);
    });
}

#[test]
fn every_codec_is_read_back_as_it_was_sent() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        check_holds(1, |plan| {
            plan.compression = codec;
            plan.request_batches = 3;
        });
        check_holds(1, |plan| {
            plan.compression = codec;
            plan.idempotent = true;
            plan.keys = Keys::Zipf(50);
        });
    }
}

#[test]
fn a_broker_that_lies_about_compressed_batches_fails_the_ledger_too() {
    for lie in [
        Lie::ForgetBatch(40),
        Lie::RepeatBatch(40),
        Lie::SwapBatch(40),
        Lie::FlipBit(40),
    ] {
        let outcome = outcome(&Stub::that(lie), |plan| plan.compression = Codec::Lz4);

        assert!(!outcome.verdict.holds(), "{lie:?}: {:?}", outcome.verdict);
    }
}

#[test]
fn every_group_reads_everything() {
    let stub = Stub::of_brokers(2, Lie::None);

    let outcome = outcome(&stub, |plan| {
        plan.workload = Workload::Consume;
        plan.consumers = 2;
        plan.groups = 3;
        plan.fill = ByteCount::kib(64);
        plan.length = Length::Time(Duration::from_millis(300));
    });

    // Each of three groups reads all that is there at least once.
    let filled = outcome.verdict.acknowledged;
    assert!(
        outcome.holds(),
        "{:?} {:?}",
        outcome.verdict,
        outcome.failure
    );
    assert!(
        outcome.consumed.records >= 3 * filled,
        "{:?}",
        outcome.consumed.records
    );
}

#[test]
fn a_group_that_misses_a_record_fails_the_ledger_though_another_saw_it() {
    let outcome = outcome(&Stub::that(Lie::SwapBatch(40)), |plan| {
        plan.workload = Workload::Both;
        plan.consumers = 1;
        plan.groups = 2;
    });

    assert!(!outcome.verdict.holds(), "{:?}", outcome.verdict);
}

#[test]
fn a_linger_makes_batches_of_what_comes_in_its_time() {
    let outcome = outcome(&Stub::that(Lie::None), |plan| {
        plan.rate = Some(2_000);
        plan.linger = Some(Duration::from_millis(5));
        plan.length = Length::Records(600);
    });

    assert!(
        outcome.holds(),
        "{:?} {:?}",
        outcome.verdict,
        outcome.failure
    );
    assert_eq!(outcome.batch_records, 10);
}

#[test]
fn what_cannot_be_made_ahead_is_refused_with_the_reason() {
    let stub = Stub::that(Lie::None);
    let mut plan = plan(&stub);
    plan.compression = Codec::Zstd;
    plan.producers = 1_000;
    plan.batch_bytes = ByteCount::kib(64);

    let said = run(&plan, &mut Nobody).unwrap_err().to_string();

    assert!(said.contains("more than 1 GiB"), "{said}");
}

#[test]
fn producers_ask_for_the_acknowledgement_that_was_chosen() {
    for workload in [Workload::Produce, Workload::Both, Workload::EndToEnd] {
        for (acks, keys) in [(1, Keys::None), (-1, Keys::None), (-1, Keys::Uniform(9))] {
            let stub = Stub::that(Lie::None);

            let outcome = outcome(&stub, |plan| {
                (plan.workload, plan.acks, plan.keys) = (workload, acks, keys);
                plan.consumers = 1;
            });

            assert!(outcome.holds(), "{workload:?}: {:?}", outcome.failure);
            assert_eq!(stub.asked().1, [acks], "{workload:?} {keys:?}");
        }
    }
}

#[test]
fn so_many_more_connections_are_opened_as_are_to_be_idle() {
    let connections = |idle: u32| {
        let stub = Stub::that(Lie::None);
        let outcome = outcome(&stub, |plan| plan.idle = idle);
        assert!(outcome.holds(), "{:?}", outcome.failure);
        stub.asked().0
    };

    assert_eq!(connections(7), connections(0) + 7);
}

#[test]
fn a_rate_that_nothing_would_heed_is_refused() {
    let stub = Stub::that(Lie::None);
    for workload in [Workload::Consume, Workload::EndToEnd] {
        let mut plan = plan(&stub);
        plan.workload = workload;
        plan.rate = Some(1_000);

        let said = run(&plan, &mut Nobody).unwrap_err().to_string();

        assert!(said.contains("a rate is for"), "{workload:?}: {said}");
    }
}

#[test]
fn a_run_that_nobody_would_answer_is_refused() {
    let stub = Stub::that(Lie::None);
    for workload in [Workload::Produce, Workload::EndToEnd] {
        let mut plan = plan(&stub);
        plan.workload = workload;
        plan.acks = 0;

        let said = run(&plan, &mut Nobody).unwrap_err().to_string();

        assert!(said.contains("never answered"), "{workload:?}: {said}");
    }
}

/// Takes its time to sample the broker, as reading `/metrics` does.
struct Slow;

impl Observer for Slow {
    fn measuring_begins(&mut self) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_lead_nothing_is_measured_before_the_measured_part() {
    let stub = Stub::that(Lie::None);
    let mut plan = plan(&stub);
    plan.warm_up = Duration::from_millis(50);
    plan.length = Length::Time(Duration::from_millis(100));

    let outcome = run(&plan, &mut Slow).unwrap();

    assert!(!outcome.produced.latencies.is_empty());
    assert!(outcome.produced.before.is_empty());
}

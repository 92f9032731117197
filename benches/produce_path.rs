//! How fast the real broker makes records durable: pre-encoded batches over loopback.
//!
//! `cargo bench --bench produce_path`; THALWEG_BENCH_DIR names a folder on the device to measure.
//! Every run's ledger must hold. The device is measured before and after; the larger counts. For
//! one batch in flight it is measured anew around each of several short runs, because on a machine
//! that others share its latency changes from one second to the next.

#[path = "support/broker.rs"]
mod broker;
mod support;

use std::time::Duration;

use broker::Broker;
use support::{Size, print_head};
use thalweg::base::ByteCount;
use thalweg::load::{Length, Outcome, Plan};
use thalweg::runtime::probe::DeviceFinding;

const SEED: u64 = 1;

fn main() {
    let size = Size::from_args(1, 1);
    print_head(SEED);
    let broker = Broker::start("produce_path");
    let before = broker.device(size.is_full);

    let mut runs = Vec::new();
    for producers in [1, 3] {
        let mut plan = plan(&broker, &size);
        plan.producers = producers;
        runs.push((
            format!("64 KiB batches, 6 partitions, {producers} producers"),
            plan,
        ));
    }
    let done: Vec<_> = runs
        .iter()
        .map(|(name, plan)| (name, broker.run(plan)))
        .collect();

    let after = broker.device(size.is_full);
    let best = before.best().max(after.best()) / 1e6;
    println!("device's flushed rate {best:.0} MB/s; {}", bare(&before));
    println!("device afterwards: {}", bare(&after));
    for (name, (outcome, cpu_seconds)) in &done {
        print(name, outcome, *cpu_seconds, best);
    }
    one_in_flight(&broker, &size);
}

/// One batch of one record in flight, and what the device does with one flushed write in the
/// same second.
fn one_in_flight(broker: &Broker, size: &Size) {
    let (rounds, seconds) = if size.is_full { (9, 2.0) } else { (1, 0.2) };
    let plan = Plan {
        // One leader: a connection to each of two would have two batches in flight.
        partitions: 1,
        batch_bytes: ByteCount(200),
        request_batches: 1,
        in_flight: 1,
        warm_up: Duration::from_millis(100),
        length: Length::Time(Duration::from_secs_f64(seconds)),
        ..plan(broker, size)
    };
    let mut before = broker.device(false);
    let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (outcome, _) = broker.run(&plan);
        let after = broker.device(false);
        let us = |quantile| outcome.produced.latencies.value_at_quantile(quantile) as f64 / 1e3;
        let between = |of: fn(&DeviceFinding) -> u64| (of(&before) + of(&after)) as f64 / 2e3;
        let (bare50, bare99) = (between(|it| it.single_p50.0), between(|it| it.single_p99.0));
        println!(
            "one batch of one record in flight: p50 {:.0} us, p99 {:.0} us; bare p50 \
             {bare50:.0} us, p99 {bare99:.0} us",
            us(0.5),
            us(0.99),
        );
        p50s.push(us(0.5) / bare50);
        p99s.push(us(0.99) / bare99);
        before = after;
    }
    for (name, mut ratios) in [("p50", p50s), ("p99", p99s)] {
        ratios.sort_unstable_by(f64::total_cmp);
        println!(
            "one in flight: {name} is {:.2} times the bare write and flush ({:.2} to {:.2}, median \
             of {rounds} rounds)",
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1]
        );
    }
}

fn plan(broker: &Broker, size: &Size) -> Plan {
    let (warm_up, seconds) = if size.is_full {
        (2.0, 10.0)
    } else {
        (0.1, 0.4)
    };
    Plan {
        warm_up: Duration::from_secs_f64(warm_up),
        length: Length::Time(Duration::from_secs_f64(seconds)),
        seed: SEED,
        ..Plan::new(broker.address, "produce-path")
    }
}

fn bare(device: &DeviceFinding) -> String {
    let us = |span: thalweg::base::Span| span.0 as f64 / 1e3;
    let (p50, p99) = (us(device.single_p50), us(device.single_p99));
    format!("4 KiB written and flushed p50 {p50:.0} us, p99 {p99:.0} us")
}

fn p50_us(outcome: &Outcome) -> f64 {
    outcome.produced.latencies.value_at_quantile(0.5) as f64 / 1e3
}

fn print(name: &str, outcome: &Outcome, cpu_seconds: f64, device_mb_s: f64) {
    let seconds = outcome.elapsed.as_secs_f64();
    let bytes = outcome.produced.bytes as f64;
    let speed = bytes / seconds / 1e6;
    let p99 = outcome.produced.latencies.value_at_quantile(0.99) as f64 / 1e3;
    println!(
        "{name}: {:.0} records/s, {speed:.1} MB/s, {:.1} % of the device, p50 {:.0} us, \
         p99 {p99:.0} us, {:.2} broker CPU s/GB, {} records read back",
        outcome.produced.records as f64 / seconds,
        100.0 * speed / device_mb_s,
        p50_us(outcome),
        cpu_seconds / (bytes / 1e9),
        outcome.verdict.read
    );
}

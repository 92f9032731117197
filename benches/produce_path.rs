//! How fast the real broker makes records durable: pre-encoded batches over loopback.
//!
//! `cargo bench --bench produce_path`; THALWEG_BENCH_DIR names a folder on the device to measure.
//! Every run's ledger must hold. The device is measured before and after; the larger counts.

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
    let mut plan = plan(&broker, &size);
    plan.batch_bytes = ByteCount(200);
    plan.request_batches = 1;
    plan.in_flight = 1;
    runs.push(("one batch of one record in flight".to_string(), plan));
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
    let one = done.last().map_or(0.0, |(_, (outcome, _))| p50_us(outcome));
    let bare = before.single_p50.0.max(after.single_p50.0) as f64 / 1e3;
    println!(
        "one in flight: p50 is {:.2} times the bare write and flush",
        one / bare
    );
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

//! How fast the real broker hands out what it holds in memory, over loopback.
//!
//! `cargo bench --bench fetch_path`. The set is read once per pass, every pass is judged.

#[path = "support/broker.rs"]
mod broker;
mod support;

use std::time::Duration;

use broker::Broker;
use support::{Size, print_head};
use thalweg::base::ByteCount;
use thalweg::load::{Length, Plan, Workload};

const SEED: u64 = 1;

fn main() {
    let size = Size::from_args(1, 1);
    print_head(SEED);
    let broker = Broker::start("fetch_path");
    let fill = if size.is_full {
        ByteCount::mib(4_096)
    } else {
        ByteCount::mib(8)
    };
    let (warm_up, seconds) = if size.is_full {
        (2.0, 10.0)
    } else {
        (0.1, 0.4)
    };
    for consumers in [1, 3] {
        let plan = Plan {
            workload: Workload::Consume,
            consumers,
            in_flight: 2,
            fill,
            warm_up: Duration::from_secs_f64(warm_up),
            length: Length::Time(Duration::from_secs_f64(seconds)),
            seed: SEED,
            ..Plan::new(broker.address, "fetch-path")
        };
        let (outcome, cpu_seconds) = broker.run(&plan);
        let seconds = outcome.elapsed.as_secs_f64();
        let bytes = outcome.consumed.bytes as f64;
        let at = |quantile| outcome.consumed.latencies.value_at_quantile(quantile) as f64 / 1e3;
        println!(
            "{fill} of 64 KiB batches, 6 partitions, {consumers} consumers: {:.0} records/s, \
             {:.1} MB/s, p50 {:.0} us, p99 {:.0} us a fetch, {:.2} broker CPU s/GB",
            outcome.consumed.records as f64 / seconds,
            bytes / seconds / 1e6,
            at(0.5),
            at(0.99),
            cpu_seconds / (bytes / 1e9)
        );
    }
}

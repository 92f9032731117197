//! How much of its speed a client keeps whose requests all come by one connection, so that what the
//! other shard owns goes over the mesh: against the same client with a connection per shard.
//!
//! `cargo bench --bench mesh_hop`; THALWEG_BENCH_DIR names a folder on the device to measure.
//! The two brokers take turns, and every run's ledger must hold.

#[path = "support/broker.rs"]
mod broker;
mod support;

use std::time::Duration;

use broker::Broker;
use support::{Size, print_head};
use thalweg::base::ByteCount;
use thalweg::load::{Length, Plan, Workload};

const SEED: u64 = 1;
/// What must be kept.
const SHARE_MIN: f64 = 0.6;

/// One kind of traffic.
struct Case {
    name: &'static str,
    change: fn(&mut Plan),
}

const CASES: [Case; 3] = [
    Case {
        name: "produce, 64 KiB batches, six to a request",
        change: |_| {},
    },
    Case {
        name: "produce, 1 KiB batches, one to a request",
        change: |plan| {
            plan.batch_bytes = ByteCount(1 << 10);
            plan.request_batches = 1;
            plan.in_flight = 64;
        },
    },
    Case {
        name: "fetch from memory",
        change: |plan| {
            plan.workload = Workload::Consume;
            plan.consumers = 1;
            plan.in_flight = 2;
        },
    },
];

fn main() {
    let size = Size::from_args(1, 5);
    print_head(SEED);
    let start =
        |name, layout| Broker::start_as(name, "2", &format!("listener-layout = \"{layout}\"\n"));
    let steered = start("mesh_hop_core", "core");
    let shared = start("mesh_hop_node", "node");

    for case in CASES {
        let mut shares = Vec::new();
        for round in 0..size.runs {
            let rate = |broker: &Broker| rate(broker, &plan(broker, &case, &size));
            // Who goes first changes, so that neither always finds the device rested.
            let (one, each) = if round % 2 == 0 {
                let one = rate(&shared);
                (one, rate(&steered))
            } else {
                let each = rate(&steered);
                (rate(&shared), each)
            };
            println!(
                "{}: one connection {one:.1} MB/s, one per shard {each:.1} MB/s, {:.2}",
                case.name,
                one / each
            );
            shares.push(one / each);
        }
        shares.sort_by(f64::total_cmp);
        let median = shares[shares.len() / 2];
        println!("{}: median {median:.2}, wanted {SHARE_MIN}", case.name);
    }
}

fn rate(broker: &Broker, plan: &Plan) -> f64 {
    let (outcome, _) = broker.run(plan);
    let done = match plan.workload {
        Workload::Consume => outcome.consumed.bytes,
        _ => outcome.produced.bytes,
    };
    done as f64 / outcome.elapsed.as_secs_f64() / 1e6
}

fn plan(broker: &Broker, case: &Case, size: &Size) -> Plan {
    let (warm_up, seconds, fill) = if size.is_full {
        (1.0, 4.0, 512 << 20)
    } else {
        (0.05, 0.2, 4 << 20)
    };
    let mut plan = Plan {
        warm_up: Duration::from_secs_f64(warm_up),
        length: Length::Time(Duration::from_secs_f64(seconds)),
        seed: SEED,
        ..Plan::new(broker.address, "mesh-hop")
    };
    plan.fill = ByteCount(fill);
    (case.change)(&mut plan);
    plan
}

use std::time::Duration;

use serde_json::Value;
use thalweg::load::Outcome;

use super::Report;
use crate::process::DiskSample;
use crate::watch::Samples;

/// What a run of ten seconds leaves, with so many records lost.
fn outcome(lost: u64) -> Outcome {
    let mut outcome = Outcome {
        elapsed: Duration::from_secs(10),
        rate_wanted: Some(1_000),
        ..Outcome::default()
    };
    outcome.verdict.lost = lost;
    for second in 1..=10 {
        let since = Duration::from_secs(second);
        outcome.samples.push((since, 1_000 * second, 0));
        outcome.pace.push((since, Duration::from_micros(second)));
    }
    let side = &mut outcome.produced;
    (side.records, side.requests, side.bytes) = (10_000, 1_000, 1_000_000);
    side.silence_ns_max = 7_000_000;
    for histogram in [&mut side.latencies, &mut side.slips, &mut side.before] {
        histogram.saturating_record(1_000_000);
    }
    outcome
}

fn sampled() -> (Samples, Samples) {
    let sample = || Samples {
        broker: crate::process::ProcessSample::of_self(),
        own: crate::process::ProcessSample::of_self(),
        ..Samples::default()
    };
    (sample(), sample())
}

const SAID: [&str; 5] = ["records/s", "MB/s", "p50", "longest stall", "s/GB"];

/// What the JSON says of the side, of the run and of the broker.
const WRITTEN: [(&str, &str); 10] = [
    ("/produced", "records_per_second"),
    ("/produced", "megabytes_per_second"),
    ("/produced", "latency_us"),
    ("/produced", "slip_us"),
    ("/produced", "silence_ms_max"),
    ("/produced", "before_us"),
    ("", "own_cpu_seconds_per_gb"),
    ("", "step"),
    ("/broker", "cpu_seconds_per_gb"),
    ("/broker", "cpu_cores"),
];

fn check(lost: u64, is_told: bool) {
    let report = Report::new("a run", "a broker", &outcome(lost), sampled());

    let table = report.table();
    for words in SAID {
        assert_eq!(table.contains(words), is_told, "{words}: {table}");
    }
    let json = serde_json::to_value(&report).unwrap();
    for (place, name) in WRITTEN {
        let value = &json.pointer(place).unwrap()[name];
        assert_eq!(*value != Value::Null, is_told, "{place}/{name}: {value}");
    }
    assert_eq!(!report.samples.is_empty(), is_told);
    assert_eq!(!table.contains("No speed is reported"), is_told, "{table}");
}

#[test]
fn a_run_whose_ledger_fails_leaves_no_rate_and_no_latency_in_table_and_json() {
    check(0, true);
    check(1, false);
}

#[test]
fn what_a_broker_elsewhere_does_with_cpu_memory_and_disk_is_left_out_and_not_zero() {
    let (mut before, mut after) = sampled();
    (before.broker, after.broker) = (None, None);

    let report = Report::new("a run", "far", &outcome(0), (before, after));

    let table = report.table();
    assert!(table.contains("records/s"), "{table}");
    for word in ["  broker ", "resident", "its disk"] {
        assert!(!table.contains(word), "{word}: {table}");
    }
    assert_eq!(report.broker.cpu_seconds_per_gb, None);
    assert_eq!(report.broker.resident_mib, None);
}

#[test]
fn a_run_that_only_reads_has_no_bytes_per_byte_and_no_flushes_per_acknowledgement() {
    let (mut before, mut after) = sampled();
    before.disk = Some(DiskSample::default());
    after.disk = Some(DiskSample {
        written_bytes: 0,
        flushes: 50,
        ..DiskSample::default()
    });
    let mut reads = outcome(0);
    reads.consumed = std::mem::take(&mut reads.produced);

    let table = Report::new("a run", "a broker", &reads, (before, after)).table();

    assert!(
        table.contains("  its disk       5 flushes/s (everybody's"),
        "{table}"
    );
}

//! What the demo's load reached, for people and for programs.

use serde_json::{Value, json};

use crate::cli::table::Table;
use crate::load::Outcome;

use super::watch::Watch;

/// One figure: what people read, and what programs do.
struct Figure {
    name: &'static str,
    text: String,
    key: &'static str,
    value: Value,
}

/// The figures of a load whose ledger holds.
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// `device` is the disk's flushed rate in bytes per second, measured just before.
    pub fn new(outcome: &Outcome, watch: &Watch, device: f64) -> Self {
        let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
        let produced = &outcome.produced;
        let records = produced.records as f64 / seconds;
        let bytes = produced.bytes as f64 / seconds;
        let ms = |quantile: f64| produced.latencies.value_at_quantile(quantile) as f64 / 1e6;
        let mut report = Self {
            figures: Vec::new(),
        };
        report.add(
            "records/s, acknowledged on disk",
            0,
            "records_per_s",
            records,
        );
        report.add("MB/s", 1, "mb_per_s", bytes / 1e6);
        report.share(bytes / device);
        report.ms("acknowledgement p50", "acknowledged_p50_ms", ms(0.5));
        report.ms("acknowledgement p99", "acknowledged_p99_ms", ms(0.99));
        report.costs(watch, produced.bytes as f64 / 1e9);
        if let (Some(before), Some(after)) = (watch.disk_before, watch.disk_after) {
            let flushes = (after.flushes - before.flushes) as f64 / seconds;
            report.add("flushes/s of the disk", 0, "flushes_per_s", flushes);
        }
        let verdict = &outcome.verdict;
        let counts = [verdict.lost, verdict.duplicated, verdict.reordered];
        report.figures.push(Figure {
            name: "records lost, doubled, out of order",
            text: counts.map(|count| count.to_string()).join(", "),
            key: "lost_doubled_reordered",
            value: json!(counts),
        });
        report
    }

    fn costs(&mut self, watch: &Watch, gigabytes: f64) {
        let (Some(before), Some(after)) = (watch.broker_before, watch.broker_after) else {
            return;
        };
        let cpu = (after.cpu_seconds - before.cpu_seconds) / gigabytes.max(1e-9);
        self.add("broker CPU s/GB", 2, "broker_cpu_s_per_gb", cpu);
        self.figures.push(Figure {
            name: "broker resident",
            text: format!("{} MiB", after.resident_bytes >> 20),
            key: "broker_resident_bytes",
            value: json!(after.resident_bytes),
        });
    }

    fn add(&mut self, name: &'static str, digits: usize, key: &'static str, value: f64) {
        let text = format!("{value:.digits$}");
        let value = json!(value);
        self.figures.push(Figure {
            name,
            text,
            key,
            value,
        });
    }

    fn share(&mut self, share: f64) {
        self.figures.push(Figure {
            name: "share of the disk's flushed rate",
            text: format!("{:.0} %", 100.0 * share),
            key: "share_of_flushed_rate",
            value: json!(share),
        });
    }

    fn ms(&mut self, name: &'static str, key: &'static str, ms: f64) {
        self.figures.push(Figure {
            name,
            text: format!("{ms:.2} ms"),
            key,
            value: json!(ms),
        });
    }

    pub fn to_table(&self) -> Table {
        let mut table = Table::new(&["measured", ""]);
        for figure in &self.figures {
            table.row(vec![figure.name.to_owned(), figure.text.clone()]);
        }
        table
    }

    pub fn to_json(&self) -> Value {
        let pairs = self.figures.iter();
        pairs
            .map(|figure| (figure.key.to_owned(), figure.value.clone()))
            .collect()
    }
}

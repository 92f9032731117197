//! What a run came to: as a table, and as JSON.

mod ledger;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use thalweg::load::{Outcome, Side};

pub use ledger::{GroupReport, LedgerReport};

use crate::limits::{Marks, Shares};
use crate::metrics::ShardsReport;
use crate::pace::Step;
use crate::watch::Samples;

/// Percentiles in microseconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
}

/// Of a run that does not hold only the counts are told: it has no speed and no latency.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct SideReport {
    pub records: u64,
    pub requests: u64,
    pub records_per_second: Option<f64>,
    /// Whole batches, 10^6 bytes.
    pub megabytes_per_second: Option<f64>,
    pub latency_us: Option<Percentiles>,
    /// How late sends left against their schedule. Open loops only.
    pub slip_us: Option<Percentiles>,
    /// The longest time without a reply on any connection.
    pub silence_ms_max: Option<f64>,
    /// Of the producers alone, before groups began to read a backlog.
    pub before_us: Option<Percentiles>,
}

/// What the broker's process and disk did in the measured part of a run that holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct BrokerReport {
    pub cpu_seconds_per_gb: Option<f64>,
    pub cpu_cores: Option<f64>,
    pub resident_mib: Option<f64>,
    pub context_switches_per_second: Option<f64>,
    /// Of everybody on the broker's disk.
    pub disk_bytes_per_byte: Option<f64>,
    pub flushes_per_second: Option<f64>,
    pub flushes_per_acknowledgement: Option<f64>,
    /// A Thalweg that tells of its shards.
    #[serde(default)]
    pub shards: Option<ShardsReport>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    pub name: String,
    pub broker_name: String,
    /// Of a comparison, from 1; 0 of a run by itself.
    #[serde(default)]
    pub round: usize,
    pub seconds: f64,
    pub batch_records: u32,
    pub batch_bytes: u64,
    /// Until all partitions of all topics had leaders.
    pub topics_made_in_seconds: f64,
    pub produced: Option<SideReport>,
    pub consumed: Option<SideReport>,
    pub own_cpu_seconds_per_gb: Option<f64>,
    pub broker: BrokerReport,
    /// What part of the machine's own limits this was, if they were measured.
    pub shares: Option<Shares>,
    pub ledger: LedgerReport,
    pub groups: Vec<GroupReport>,
    /// Records per second that were asked for. Open loops only.
    pub rate_wanted: Option<f64>,
    /// The largest step of the p99 from second to second, in a run of some length.
    pub step: Option<Step>,
    /// Kafka error codes, and how many batches each answered.
    pub errors: BTreeMap<i16, u64>,
    pub failure: Option<String>,
    /// Seconds since the run began, records produced, records consumed. None if it does not hold.
    pub samples: Vec<(f64, u64, u64)>,
}

impl Report {
    pub fn new(
        name: &str,
        broker_name: &str,
        outcome: &Outcome,
        samples: (Samples, Samples),
    ) -> Self {
        let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
        let holds = outcome.holds();
        let side = |it: &Side| (it.requests > 0).then(|| SideReport::new(it, seconds, holds));
        // Both ways of a 1:1 run are one GB: what was produced, or else what was consumed.
        let moved = match outcome.produced.bytes {
            0 => outcome.consumed.bytes,
            bytes => bytes,
        };
        let gigabytes = (moved as f64 / 1e9).max(1e-9);
        let own = used(samples.0.own, samples.1.own, |it| it.cpu_seconds);
        let seen = &outcome.samples;
        Self {
            name: name.to_string(),
            broker_name: broker_name.to_string(),
            round: 0,
            seconds,
            batch_records: outcome.batch_records,
            batch_bytes: outcome.batch_bytes.0,
            topics_made_in_seconds: outcome.made_in.as_secs_f64(),
            produced: side(&outcome.produced),
            consumed: side(&outcome.consumed),
            own_cpu_seconds_per_gb: own.map(|it| it / gigabytes).filter(|_| holds),
            broker: match holds {
                true => BrokerReport::new(outcome, samples, seconds, gigabytes),
                false => BrokerReport::default(),
            },
            shares: None,
            ledger: LedgerReport::new(&outcome.verdict),
            groups: outcome.groups.iter().map(GroupReport::new).collect(),
            rate_wanted: outcome.rate_wanted.map(|it| it as f64),
            step: Step::largest(&pace(outcome)).filter(|_| holds),
            errors: outcome.errors(),
            failure: outcome.failure.as_ref().map(ToString::to_string),
            samples: seen
                .iter()
                .filter(|_| holds)
                .map(|it| (it.0.as_secs_f64(), it.1, it.2))
                .collect(),
        }
    }

    /// Whether it may be called a result.
    pub fn holds(&self) -> bool {
        self.ledger.holds && self.failure.is_none() && self.errors.is_empty()
    }

    /// Held against the machine's own limits.
    pub fn against(mut self, marks: Marks) -> Self {
        let speed = |side: &Option<SideReport>| side.as_ref()?.megabytes_per_second;
        let produced = speed(&self.produced);
        let latencies = self
            .produced
            .as_ref()
            .filter(|_| produced.is_some())
            .and(self.main_side())
            .and_then(|it| it.latency_us.as_ref())
            .map(|it| (it.p50, it.p99));
        self.shares = Some(Shares::of(
            marks,
            produced,
            speed(&self.consumed),
            latencies,
        ));
        self
    }

    /// Records per second, if the run may say any.
    pub fn produced_rate(&self) -> Result<f64, String> {
        let rate = self.produced.as_ref().and_then(|it| it.records_per_second);
        rate.ok_or_else(|| format!("a run that does not hold:\n{}", self.table()))
    }

    /// The side that the workload is about.
    pub fn main_side(&self) -> Option<&SideReport> {
        self.consumed.as_ref().or(self.produced.as_ref())
    }

    pub fn table(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} on {}: {:.2} s, batches of {} records, {} bytes; topics made in {:.2} s",
            self.name,
            self.broker_name,
            self.seconds,
            self.batch_records,
            self.batch_bytes,
            self.topics_made_in_seconds
        );
        for (name, side) in [("produced", &self.produced), ("consumed", &self.consumed)] {
            if let Some(side) = side {
                side.write(name, &mut out);
            }
        }
        self.write_rate(&mut out);
        if let Some(step) = self.step {
            let _ = writeln!(
                out,
                "  p99 by second  {:.2}-fold from {:.0} s on at the most: {} before, {} after",
                step.fold(),
                step.at_seconds,
                time(step.before_us),
                time(step.after_us)
            );
        }
        self.broker.write(&mut out);
        if let Some(shares) = &self.shares {
            shares.write(&mut out);
        }
        if let Some(cpu) = self.own_cpu_seconds_per_gb {
            let _ = writeln!(out, "  load generator {cpu:.2} CPU s/GB");
        }
        self.ledger.write(&mut out);
        self.groups.iter().for_each(|it| it.write(&mut out));
        for (code, count) in &self.errors {
            let _ = writeln!(
                out,
                "  refused        {count} batches with Kafka error {code}"
            );
        }
        if let Some(failure) = &self.failure {
            let _ = writeln!(out, "  BROKE OFF      {failure}");
        }
        if !self.holds() {
            out.push_str("  No speed is reported: the run does not hold.\n");
        }
        out
    }
}

impl Report {
    fn write_rate(&self, out: &mut String) {
        let reached = self.produced.as_ref().and_then(|it| it.records_per_second);
        if let (Some(wanted), Some(reached)) = (self.rate_wanted, reached) {
            let share = 100.0 * reached / wanted;
            let wanted = grouped(wanted);
            let _ = writeln!(out, "  of the rate    {share:.1} % of {wanted} records/s");
        }
    }
}

impl SideReport {
    fn new(side: &Side, seconds: f64, holds: bool) -> Self {
        let counts = Self {
            records: side.records,
            requests: side.requests,
            ..Self::default()
        };
        if !holds {
            return counts;
        }
        Self {
            records_per_second: Some(side.records as f64 / seconds),
            megabytes_per_second: Some(side.bytes as f64 / 1e6 / seconds),
            latency_us: Some(Percentiles::of(&side.latencies)),
            slip_us: (!side.slips.is_empty()).then(|| Percentiles::of(&side.slips)),
            silence_ms_max: Some(side.silence_ns_max as f64 / 1e6),
            before_us: (!side.before.is_empty()).then(|| Percentiles::of(&side.before)),
            ..counts
        }
    }

    fn write(&self, name: &str, out: &mut String) {
        if let (Some(rate), Some(speed)) = (self.records_per_second, self.megabytes_per_second) {
            let _ = writeln!(
                out,
                "  {name:<14} {} records/s, {speed:.1} MB/s",
                grouped(rate)
            );
        }
        if let (Some(latency), Some(before)) = (&self.latency_us, &self.before_us) {
            let fold = latency.p99 / before.p99.max(1.0);
            let _ = writeln!(out, "    alone before {}", before.line());
            let _ = writeln!(out, "    p99 is {fold:.2} times that of before");
        }
        if let Some(latency) = &self.latency_us {
            let _ = writeln!(out, "    latency      {}", latency.line());
        }
        if let Some(slip) = &self.slip_us {
            let _ = writeln!(out, "    sent late by {}", slip.line());
        }
        if let Some(silence) = self.silence_ms_max {
            let _ = writeln!(
                out,
                "    longest stall {silence:.1} ms without a reply on a connection"
            );
        }
    }
}

impl Percentiles {
    pub fn of(latencies: &thalweg::load::Latencies) -> Self {
        let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: latencies.max() as f64 / 1e3,
        }
    }

    fn line(&self) -> String {
        format!(
            "p50 {} p90 {} p99 {} p99.9 {} p99.99 {} max {}",
            time(self.p50),
            time(self.p90),
            time(self.p99),
            time(self.p99_9),
            time(self.p99_99),
            time(self.max)
        )
    }
}

impl BrokerReport {
    fn new(
        outcome: &Outcome,
        (before, after): (Samples, Samples),
        seconds: f64,
        gigabytes: f64,
    ) -> Self {
        let cpu = used(before.broker, after.broker, |it| it.cpu_seconds);
        // Less than none: threads have ended and taken their counts with them.
        let switches = used(before.broker, after.broker, |it| it.context_switches as f64)
            .filter(|it| *it >= 0.0);
        let written = used(before.disk, after.disk, |it| it.written_bytes as f64);
        let flushes = used(before.disk, after.disk, |it| it.flushes as f64);
        let produced = outcome.produced.bytes as f64;
        let acknowledgements = outcome.produced.requests as f64;
        let told = before.metrics.as_ref().zip(after.metrics.as_ref());
        Self {
            cpu_seconds_per_gb: cpu.map(|it| it / gigabytes),
            cpu_cores: cpu.map(|it| it / seconds),
            resident_mib: after
                .broker
                .map(|it| it.resident_bytes as f64 / f64::from(1 << 20)),
            context_switches_per_second: switches.map(|it| it / seconds),
            disk_bytes_per_byte: written.filter(|_| produced > 0.0).map(|it| it / produced),
            flushes_per_second: flushes.map(|it| it / seconds),
            flushes_per_acknowledgement: flushes
                .filter(|_| acknowledgements > 0.0)
                .map(|it| it / acknowledgements),
            shards: told
                .map(|(before, after)| ShardsReport::between(before, after, acknowledgements)),
        }
    }

    fn write(&self, out: &mut String) {
        if let (Some(cores), Some(resident)) = (self.cpu_cores, self.resident_mib) {
            let per_gb = self
                .cpu_seconds_per_gb
                .map_or(String::new(), |it| format!("{it:.2}"));
            let switches = self.context_switches_per_second;
            let switches =
                switches.map_or(String::new(), |it| format!(", {it:.0} context switches/s"));
            let _ = writeln!(
                out,
                "  broker         {per_gb} CPU s/GB ({cores:.2} cores), \
                 {resident:.0} MiB resident{switches}"
            );
        }
        if let Some(flushes) = self.flushes_per_second {
            // A run that only reads has neither.
            let bytes = self.disk_bytes_per_byte;
            let bytes = bytes.map_or(String::new(), |it| {
                format!("{it:.2} bytes written per byte, ")
            });
            let each = self.flushes_per_acknowledgement;
            let each = each.map_or(String::new(), |it| format!(", {it:.2} per acknowledgement"));
            let _ = writeln!(
                out,
                "  its disk       {bytes}{flushes:.0} flushes/s{each} (everybody's on that disk)"
            );
        }
        if let Some(shards) = &self.shards {
            shards.write(out);
        }
    }
}

/// (seconds since the run began, p99 of the second before in microseconds)
fn pace(outcome: &Outcome) -> Vec<(f64, f64)> {
    let pace = outcome.pace.iter();
    pace.map(|it| (it.0.as_secs_f64(), it.1.as_secs_f64() * 1e6))
        .collect()
}

fn used<T: Copy>(before: Option<T>, after: Option<T>, of: impl Fn(&T) -> f64) -> Option<f64> {
    Some(of(&after?) - of(&before?))
}

fn time(microseconds: f64) -> String {
    match microseconds {
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// A whole number with its thousands apart.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number);
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit != '-' {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

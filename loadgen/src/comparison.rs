//! Several brokers' runs of one plan, side by side: medians, and ratios within each round.

use std::fmt::Write;

use crate::limits::Marks;
use crate::report::{Report, grouped};

/// One broker's runs, in the order of the rounds.
pub struct Lane {
    pub name: &'static str,
    pub reports: Vec<Report>,
}

/// The first lane against each of the others.
pub struct Comparison {
    lanes: Vec<Lane>,
    marks: Marks,
}

/// A figure of a report.
#[derive(Clone, Copy)]
pub struct Figure {
    pub name: &'static str,
    of: fn(&Report) -> Option<f64>,
}

/// Least, median and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

pub const RECORDS: Figure = Figure {
    name: "records/s",
    of: |it| it.main_side()?.records_per_second,
};
pub const MEGABYTES: Figure = Figure {
    name: "MB/s",
    of: |it| it.main_side()?.megabytes_per_second,
};
pub const P50: Figure = Figure {
    name: "p50 us",
    of: |it| latency(it, |side| side.p50),
};
pub const P99: Figure = Figure {
    name: "p99 us",
    of: |it| latency(it, |side| side.p99),
};
pub const P99_9: Figure = Figure {
    name: "p99.9 us",
    of: |it| latency(it, |side| side.p99_9),
};
pub const STALL: Figure = Figure {
    name: "longest stall ms",
    of: |it| it.main_side()?.silence_ms_max,
};
pub const SHARD_STALL: Figure = Figure {
    name: "longest stall of a shard ms",
    of: |it| it.broker.shards.as_ref()?.longest_stall_ms(),
};
pub const STEERED: Figure = Figure {
    name: "% of requests steered to their shard",
    of: |it| Some(100.0 * it.broker.shards.as_ref()?.steered_share?),
};
pub const BROKER_CPU: Figure = Figure {
    name: "broker CPU s/GB",
    of: |it| it.broker.cpu_seconds_per_gb,
};
pub const OWN_CPU: Figure = Figure {
    name: "load generator CPU s/GB",
    of: |it| it.own_cpu_seconds_per_gb,
};
pub const RESIDENT: Figure = Figure {
    name: "broker MiB resident",
    of: |it| it.broker.resident_mib,
};
pub const FLUSHES: Figure = Figure {
    name: "flushes per acknowledgement",
    of: |it| it.broker.flushes_per_acknowledgement,
};
pub const DISK_BYTES: Figure = Figure {
    name: "disk bytes per byte",
    of: |it| it.broker.disk_bytes_per_byte,
};
pub const OF_FLUSHED: Figure = Figure {
    name: "% of the device's flushed rate",
    of: |it| Some(100.0 * it.shares?.produced_of_flushed?),
};

const ALL: [Figure; 14] = [
    RECORDS,
    MEGABYTES,
    P50,
    P99,
    P99_9,
    STALL,
    SHARD_STALL,
    STEERED,
    BROKER_CPU,
    OWN_CPU,
    RESIDENT,
    FLUSHES,
    DISK_BYTES,
    OF_FLUSHED,
];

/// A run that does not hold has no latency either.
fn latency(report: &Report, of: fn(&crate::report::Percentiles) -> f64) -> Option<f64> {
    report.main_side()?.latency_us.as_ref().map(of)
}

impl Comparison {
    pub fn new(lanes: Vec<Lane>, marks: Marks) -> Self {
        Self { lanes, marks }
    }

    pub fn values(&self, lane: &str, figure: Figure) -> Option<Spread> {
        let lane = self.lanes.iter().find(|it| it.name == lane)?;
        Spread::of(lane.reports.iter().filter_map(figure.of).collect())
    }

    /// The first lane's figure over the rival's, round by round.
    pub fn ratio(&self, rival: &str, figure: Figure) -> Option<Spread> {
        let ours = self.lanes.first()?;
        let theirs = self.lanes.iter().find(|it| it.name == rival)?;
        let pairs = ours.reports.iter().zip(&theirs.reports);
        let ratios = pairs.filter_map(|(ours, theirs)| {
            let (ours, theirs) = ((figure.of)(ours)?, (figure.of)(theirs)?);
            (theirs > 0.0).then(|| ours / theirs)
        });
        Spread::of(ratios.collect())
    }

    pub fn summary(&self) -> String {
        let mut out = String::from("\nmedian of all rounds; in brackets least and most\n");
        for figure in ALL {
            let seen = self
                .lanes
                .iter()
                .any(|it| self.values(it.name, figure).is_some());
            if seen {
                let _ = writeln!(out, "{}", figure.name);
            }
            for lane in &self.lanes {
                if let Some(values) = self.values(lane.name, figure) {
                    let (least, median, most) = values.short();
                    let _ = writeln!(out, "  {:<14} {median:>14}  [{least} .. {most}]", lane.name);
                }
            }
            for rival in self.lanes.iter().skip(1) {
                if let Some(Spread {
                    least,
                    median,
                    most,
                }) = self.ratio(rival.name, figure)
                {
                    let pair = format!("{} / {}", self.lanes[0].name, rival.name);
                    let _ = writeln!(
                        out,
                        "  {pair:<29} {median:>7.2} x [{least:.2} .. {most:.2}]"
                    );
                }
            }
        }
        let marks = self.marks;
        if marks != Marks::default() {
            let _ = writeln!(
                out,
                "the machine: flushed {:.0} MB/s, one flushed write {:.0} us (p99 {:.0}), \
                 loopback {:.0} MB/s",
                marks.flushed_mb_s, marks.flush_p50_us, marks.flush_p99_us, marks.loopback_mb_s
            );
        }
        out
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self {
            least: *values.first()?,
            median: *values.get(values.len() / 2)?,
            most: *values.last()?,
        })
    }

    fn short(self) -> (String, String, String) {
        (short(self.least), short(self.median), short(self.most))
    }
}

pub fn short(value: f64) -> String {
    match value {
        many if many >= 1_000.0 => grouped(many),
        some if some >= 100.0 => format!("{some:.0}"),
        few => format!("{few:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::SideReport;

    fn lane(name: &'static str, rates: &[f64]) -> Lane {
        let report = |rate: &f64| {
            let mut report = Report {
                produced: Some(SideReport {
                    records_per_second: Some(*rate),
                    ..SideReport::default()
                }),
                ..Report::default()
            };
            report.ledger.holds = true;
            report
        };
        Lane {
            name,
            reports: rates.iter().map(report).collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // A machine that slows down by half in every round: the ratio stays.
        let lanes = vec![
            lane("a", &[400.0, 200.0, 100.0]),
            lane("b", &[100.0, 50.0, 25.0]),
        ];
        let comparison = Comparison::new(lanes, Marks::default());

        let four = Spread {
            least: 4.0,
            median: 4.0,
            most: 4.0,
        };
        assert_eq!(comparison.ratio("b", RECORDS), Some(four));
        assert_eq!(
            comparison.values("b", RECORDS).map(|it| it.median),
            Some(50.0)
        );
        assert!(comparison.summary().contains("4.00 x [4.00 .. 4.00]"));
        assert_eq!(comparison.ratio("b", OF_FLUSHED), None);
    }
}

//! Several brokers' runs of one plan, side by side: medians, and ratios within each round.

use std::fmt::Write;

use crate::limits::Bounds;
use crate::report::{Report, grouped};

/// One broker's runs.
pub struct Lane {
    pub name: String,
    /// In order. None: a run that could not be made.
    pub rounds: Vec<Option<Report>>,
}

/// The first lane against each of the others.
pub struct Comparison {
    lanes: Vec<Lane>,
    machine: Bounds,
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
pub const OF_LOOPBACK: Figure = Figure {
    name: "% of one loopback stream",
    of: |it| Some(100.0 * it.shares?.consumed_of_loopback?),
};
pub const P50_OF_FLUSH: Figure = Figure {
    name: "p50 in flushed writes of 4 KiB",
    of: |it| it.shares?.p50_of_flush,
};
pub const P99_OF_FLUSH: Figure = Figure {
    name: "p99 in flushed writes of 4 KiB",
    of: |it| it.shares?.p99_of_flush,
};

const ALL: [Figure; 17] = [
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
    OF_LOOPBACK,
    P50_OF_FLUSH,
    P99_OF_FLUSH,
];

/// A run that does not hold has no latency either.
fn latency(report: &Report, of: fn(&crate::report::Percentiles) -> f64) -> Option<f64> {
    report.main_side()?.latency_us.as_ref().map(of)
}

impl Lane {
    /// Runs that were made and do not hold.
    fn failed(&self) -> usize {
        let made = self.rounds.iter().flatten();
        made.filter(|it| !it.holds()).count()
    }

    /// None in a round without a figure. A broker that lost a record in one round has no figures
    /// at all: what it does in the others is not what it promises.
    fn figures(&self, figure: Figure) -> Option<Vec<Option<f64>>> {
        let of = |it: &Option<Report>| it.as_ref().and_then(figure.of);
        (self.failed() == 0).then(|| self.rounds.iter().map(of).collect())
    }
}

impl Comparison {
    pub fn new(lanes: Vec<Lane>, machine: Bounds) -> Self {
        Self { lanes, machine }
    }

    fn lane(&self, name: &str) -> Option<&Lane> {
        self.lanes.iter().find(|it| it.name == name)
    }

    pub fn values(&self, lane: &str, figure: Figure) -> Option<Spread> {
        let figures = self.lane(lane)?.figures(figure)?;
        Spread::of(figures.into_iter().flatten().collect())
    }

    /// The first lane's figure over the rival's, round by round.
    pub fn ratio(&self, rival: &str, figure: Figure) -> Option<Spread> {
        let ours = self.lanes.first()?.figures(figure)?;
        let theirs = self.lane(rival)?.figures(figure)?;
        let pairs = ours.into_iter().zip(theirs);
        let ratios = pairs.filter_map(|(ours, theirs)| {
            let (ours, theirs) = (ours?, theirs?);
            (theirs > 0.0).then(|| ours / theirs)
        });
        Spread::of(ratios.collect())
    }

    pub fn summary(&self) -> String {
        let mut out = String::from("\nmedian of all rounds; in brackets least and most\n");
        for lane in self.lanes.iter().filter(|it| it.failed() > 0) {
            let (failed, all) = (lane.failed(), lane.rounds.len());
            let _ = writeln!(
                out,
                "{}: {failed} of {all} runs do not hold: no figures of it, and no ratio",
                lane.name
            );
        }
        for figure in ALL {
            self.write(figure, &mut out);
        }
        self.machine.write(&mut out);
        out
    }

    /// Nothing where nobody has such a figure.
    fn write(&self, figure: Figure, out: &mut String) {
        let lanes = self.lanes.iter();
        let values = lanes.filter_map(|it| Some((it, self.values(&it.name, figure)?)));
        for (at, (lane, values)) in values.enumerate() {
            if at == 0 {
                let _ = writeln!(out, "{}", figure.name);
            }
            let (least, median, most) = values.short();
            let _ = writeln!(out, "  {:<14} {median:>14}  [{least} .. {most}]", lane.name);
        }
        for rival in self.lanes.iter().skip(1) {
            if let Some(Spread {
                least,
                median,
                most,
            }) = self.ratio(&rival.name, figure)
            {
                let pair = format!("{} / {}", self.lanes[0].name, rival.name);
                let _ = writeln!(
                    out,
                    "  {pair:<29} {median:>7.2} x [{least:.2} .. {most:.2}]"
                );
            }
        }
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
        let above = *values.get(half)?;
        Some(Self {
            least: *values.first()?,
            // Of two the mean: the larger would flatter whoever is being divided.
            median: if odd {
                above
            } else {
                (values[half - 1] + above) / 2.0
            },
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
    use crate::limits::Marks;
    use crate::report::SideReport;

    /// A round without a rate could not be made.
    fn lane(name: &str, rates: &[Option<f64>]) -> Lane {
        let report = |rate: f64| {
            let mut report = Report {
                produced: Some(SideReport {
                    records_per_second: Some(rate),
                    ..SideReport::default()
                }),
                ..Report::default()
            };
            report.ledger.holds = true;
            report
        };
        Lane {
            name: name.to_string(),
            rounds: rates.iter().map(|it| it.map(report)).collect(),
        }
    }

    fn rates(rates: [f64; 3]) -> Vec<Option<f64>> {
        rates.map(Some).to_vec()
    }

    fn compared(lanes: Vec<Lane>) -> Comparison {
        Comparison::new(lanes, Bounds::default())
    }

    fn spread(least: f64, median: f64, most: f64) -> Option<Spread> {
        Some(Spread {
            least,
            median,
            most,
        })
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // A machine that slows down by half in every round: the ratio stays.
        let comparison = compared(vec![
            lane("a", &rates([400.0, 200.0, 100.0])),
            lane("b", &rates([100.0, 50.0, 25.0])),
        ]);

        assert_eq!(comparison.ratio("b", RECORDS), spread(4.0, 4.0, 4.0));
        assert_eq!(comparison.values("b", RECORDS), spread(25.0, 50.0, 100.0));
        assert!(comparison.summary().contains("4.00 x [4.00 .. 4.00]"));
        assert_eq!(comparison.ratio("b", OF_FLUSHED), None);
    }

    #[test]
    fn a_round_that_could_not_be_made_does_not_shift_the_others() {
        let comparison = compared(vec![
            lane("a", &[None, Some(200.0), Some(100.0)]),
            lane("b", &rates([100.0, 50.0, 50.0])),
        ]);

        assert_eq!(comparison.ratio("b", RECORDS), spread(2.0, 3.0, 4.0));
        assert_eq!(comparison.values("a", RECORDS), spread(100.0, 150.0, 200.0));
    }

    #[test]
    fn one_run_that_does_not_hold_leaves_its_broker_without_figures_and_ratios() {
        for liar in ["a", "b"] {
            let mut lanes = vec![
                lane("a", &rates([400.0, 200.0, 100.0])),
                lane("b", &rates([100.0, 50.0, 25.0])),
            ];
            let lies = lanes.iter_mut().find(|it| it.name == liar).unwrap();
            lies.rounds[1].as_mut().unwrap().ledger.holds = false;
            let comparison = compared(lanes);

            let said = comparison.summary();

            let told = format!("{liar}: 1 of 3 runs do not hold: no figures of it, and no ratio");
            assert!(said.contains(&told), "{said}");
            assert!(!said.contains(" x ["), "{said}");
            assert!(!said.contains(&format!("\n  {liar} ")), "{said}");
            assert_eq!(comparison.values(liar, RECORDS), None);
            let other = if liar == "a" { "b" } else { "a" };
            assert!(comparison.values(other, RECORDS).is_some());
        }
    }

    #[test]
    fn a_broker_elsewhere_has_no_line_of_cpu_and_memory_and_no_ratio_of_them() {
        let mut lanes = vec![
            lane("near", &rates([4.0, 4.0, 4.0])),
            lane("far", &rates([1.0, 1.0, 1.0])),
        ];
        for report in lanes[0].rounds.iter_mut().flatten() {
            report.broker.cpu_seconds_per_gb = Some(0.5);
            report.broker.resident_mib = Some(600.0);
        }

        let said = compared(lanes).summary();

        let (_, of_broker) = said.split_once("broker CPU s/GB\n").unwrap();
        assert!(
            of_broker.contains("near") && of_broker.contains("600"),
            "{said}"
        );
        assert!(!of_broker.contains("far"), "{said}");
    }

    #[test]
    fn what_the_machine_can_do_is_told_if_it_was_measured() {
        let marks = Marks {
            flushed_mb_s: 2_180.0,
            ..Marks::default()
        };

        let said = Comparison::new(Vec::new(), marks.into()).summary();

        assert!(said.contains("the machine: flushed 2180 MB/s"), "{said}");
        let unknown = compared(Vec::new()).summary();
        assert!(!unknown.contains("the machine"), "{unknown}");
    }
}

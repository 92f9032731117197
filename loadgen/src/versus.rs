//! One plan against several brokers in alternation, in one session: what counts is the ratio.
//!
//! These machines are noisy: an absolute figure means nothing across runs, so every round runs
//! each broker once, and ratios are taken within a round.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use thalweg::load::{Outcome, Plan};

use crate::limits::{DeviceRate, device_rate};
use crate::presets::Preset;
use crate::report::{Report, grouped};
use crate::rivals::{Broker, Kafka, Thalweg};
use crate::runs::{Output, fresh_topic, measure, write};
use crate::settings::Settings;
use crate::watch::Local;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// Kafka as it comes: acknowledged from the page cache
    Kafka,
    /// Kafka with flush.messages=1: acknowledged from the disk, as Thalweg does
    KafkaFlushed,
}

#[derive(Args)]
pub struct VersusArguments {
    /// A scenario by name; `loadgen presets` lists them
    #[arg(long)]
    preset: String,
    /// The preset's small size
    #[arg(long)]
    smoke: bool,
    /// Whom to compare with
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "kafka,kafka-flushed"
    )]
    against: Vec<Rival>,
    /// How often each broker runs
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// A folder for all brokers' data, on the device that is to be measured
    #[arg(long)]
    data_dir: PathBuf,
    /// Thalweg's binary; the one beside this if not given
    #[arg(long)]
    thalweg_bin: Option<PathBuf>,
    /// Leave Thalweg out and compare the rivals with each other
    #[arg(long)]
    without_thalweg: bool,
    /// Thalweg's cores; all if not given
    #[arg(long)]
    cores: Option<usize>,
    /// Kafka's heap
    #[arg(long, default_value = "2g")]
    heap: String,
    /// Seconds of load before Kafka's first round, so that its code is compiled
    #[arg(long, default_value_t = 20.0)]
    kafka_warm_up: f64,
    /// Do not measure the device before and after
    #[arg(long)]
    no_limits: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    output: Output,
}

struct Contender {
    broker: Broker,
    name: &'static str,
    data: PathBuf,
    reports: Vec<Report>,
}

impl VersusArguments {
    pub fn run(self) -> Result<(), String> {
        let preset = Preset::named(&self.preset)?;
        let settings = self.settings.clone().or(preset.settings(self.smoke));
        fs::create_dir_all(&self.data_dir)
            .map_err(|e| format!("{}: {e}", self.data_dir.display()))?;
        let before = self.device()?;
        let mut contenders = self.start()?;
        self.warm_kafka(&contenders, &settings)?;

        let mut outcomes = Vec::new();
        for round in 0..self.repeats {
            for contender in &mut contenders {
                eprintln!(
                    "round {} of {}: {}",
                    round + 1,
                    self.repeats,
                    contender.name
                );
                let (report, outcome) = contender.measure(preset.name, &settings)?;
                print!("{}", report.table());
                contender.reports.push(report);
                outcomes.push(outcome);
            }
        }
        let after = self.device()?;
        print!("{}", summary(&contenders, &before, &after));
        let reports: Vec<Report> = contenders
            .iter()
            .flat_map(|it| it.reports.clone())
            .collect();
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        write(&self.output, &settings, &reports, &outcomes)?;
        match reports.iter().filter(|it| !it.holds()).count() {
            0 => Ok(()),
            failed => Err(format!("{failed} of {} runs do not hold", reports.len())),
        }
    }

    fn device(&self) -> Result<DeviceRate, String> {
        if self.no_limits {
            return Ok(DeviceRate::default());
        }
        eprintln!("measuring the device");
        device_rate(&self.data_dir, 0.3).map_err(|e| format!("{}: {e}", self.data_dir.display()))
    }

    fn start(&self) -> Result<Vec<Contender>, String> {
        let mut contenders = Vec::new();
        if !self.without_thalweg {
            let data = self.data_dir.join("thalweg");
            let thalweg = Thalweg {
                binary: self.thalweg_bin.clone(),
                data_dir: data.clone(),
                port: None,
                cores: self.cores,
            };
            contenders.push(Contender::new(thalweg.start()?, "thalweg", data));
        }
        for rival in &self.against {
            let (name, flush) = match rival {
                Rival::Kafka => ("kafka", false),
                Rival::KafkaFlushed => ("kafka-flushed", true),
            };
            let data = self.data_dir.join(name);
            let heap = self.heap.clone();
            let kafka = Kafka {
                data_dir: data.clone(),
                port: None,
                flush,
                heap,
                settings: Vec::new(),
            };
            contenders.push(Contender::new(kafka.start()?, name, data));
        }
        Ok(contenders)
    }

    fn warm_kafka(&self, contenders: &[Contender], settings: &Settings) -> Result<(), String> {
        for contender in contenders.iter().filter(|it| it.name != "thalweg") {
            eprintln!("warming {} for {} s", contender.name, self.kafka_warm_up);
            let seconds = Some(self.kafka_warm_up);
            let settings = Settings {
                seconds,
                records: None,
                rate: None,
                ..settings.clone()
            };
            let plan = contender.plan("warm", &settings);
            measure("warm", contender.name, &plan, Local::default())?;
        }
        Ok(())
    }
}

impl Contender {
    fn new(broker: Broker, name: &'static str, data: PathBuf) -> Self {
        Self {
            broker,
            name,
            data,
            reports: Vec::new(),
        }
    }

    fn plan(&self, name: &str, settings: &Settings) -> Plan {
        settings.plan(self.broker.address, &fresh_topic(name))
    }

    fn measure(&self, name: &str, settings: &Settings) -> Result<(Report, Outcome), String> {
        let local = Local {
            pid: Some(self.broker.pid()),
            data: Some(self.data.clone()),
        };
        measure(name, self.name, &self.plan(name, settings), local)
            .map_err(|error| format!("{}: {error}", self.name))
    }
}

/// A figure of a report.
struct Figure {
    name: &'static str,
    of: fn(&Report) -> Option<f64>,
}

const FIGURES: [Figure; 6] = [
    Figure {
        name: "records/s",
        of: |it| it.main_side()?.records_per_second,
    },
    Figure {
        name: "MB/s",
        of: |it| it.main_side()?.megabytes_per_second,
    },
    Figure {
        name: "p50 us",
        of: |it| Some(it.main_side()?.latency_us.p50),
    },
    Figure {
        name: "p99 us",
        of: |it| Some(it.main_side()?.latency_us.p99),
    },
    Figure {
        name: "p99.9 us",
        of: |it| Some(it.main_side()?.latency_us.p99_9),
    },
    Figure {
        name: "broker CPU s/GB",
        of: |it| it.broker.cpu_seconds_per_gb,
    },
];

/// Medians, and for every rival the ratio of the first contender's figure to its own within each
/// round, as median and spread.
fn summary(contenders: &[Contender], before: &DeviceRate, after: &DeviceRate) -> String {
    let mut out = String::from("\nmedian of all rounds; in brackets least and most\n");
    for figure in &FIGURES {
        let _ = writeln!(out, "{}", figure.name);
        for contender in contenders {
            let values = contender.reports.iter().filter_map(figure.of).collect();
            if let Some((least, median, most)) = spread(values) {
                let (least, median, most) = (short(least), short(median), short(most));
                let _ = writeln!(
                    out,
                    "  {:<14} {median:>14}  [{least} .. {most}]",
                    contender.name
                );
            }
        }
        let Some((first, rivals)) = contenders.split_first() else {
            continue;
        };
        for rival in rivals {
            let pairs = first.reports.iter().zip(&rival.reports);
            let ratios = pairs
                .filter_map(|(ours, theirs)| Some((figure.of)(ours)? / (figure.of)(theirs)?))
                .collect();
            if let Some((least, median, most)) = spread(ratios) {
                let pair = format!("{} / {}", first.name, rival.name);
                let _ = writeln!(
                    out,
                    "  {pair:<29} {median:>7.2} x [{least:.2} .. {most:.2}]"
                );
            }
        }
    }
    let device = before.best_mb_s.max(after.best_mb_s);
    if device > 0.0 {
        let (before, after) = (before.best_mb_s, after.best_mb_s);
        let _ = writeln!(
            out,
            "device's flushed rate {before:.0} MB/s before, {after:.0} after"
        );
        for contender in contenders {
            let speed = |it: &Report| it.produced.as_ref()?.megabytes_per_second;
            if let Some((_, median, _)) =
                spread(contender.reports.iter().filter_map(speed).collect())
            {
                let share = 100.0 * median / device;
                let _ = writeln!(out, "  {:<14} {share:>13.1} % of it", contender.name);
            }
        }
    }
    out
}

/// Least, median and most.
fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((
        *values.first()?,
        *values.get(values.len() / 2)?,
        *values.last()?,
    ))
}

fn short(value: f64) -> String {
    if value >= 1_000.0 {
        grouped(value)
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_least_median_and_most() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(spread(Vec::new()), None);
    }
}

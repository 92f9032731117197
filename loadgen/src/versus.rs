//! One plan against several brokers in alternation, in one session: what counts is the ratio.
//!
//! These machines are noisy: an absolute figure means nothing across runs, so every round runs
//! each broker once, and ratios are taken within a round.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use thalweg::load::Outcome;

use crate::contenders::{Contender, Field};
use crate::limits::DeviceRate;
use crate::presets::Preset;
use crate::report::{Report, grouped};
use crate::runs::{Output, origin, write};
use crate::settings::Settings;

#[derive(Args)]
pub struct VersusArguments {
    /// A scenario by name; `loadgen presets` lists them
    #[arg(long)]
    preset: String,
    /// The preset's small size
    #[arg(long)]
    smoke: bool,
    /// How often each broker runs
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Write the summary, with machine, date, commit and command, to a file
    #[arg(long)]
    summary: Option<PathBuf>,
    #[command(flatten)]
    field: Field,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    output: Output,
}

impl VersusArguments {
    pub fn run(self) -> Result<(), String> {
        let preset = Preset::named(&self.preset)?;
        let settings = self.settings.clone().or(preset.settings(self.smoke));
        let before = self.field.device()?;
        let mut contenders = self.field.start(&settings)?;
        for round in 1..=self.repeats {
            for contender in &mut contenders {
                eprintln!("round {round} of {}: {}", self.repeats, contender.name);
                print!("{}", contender.run(preset.name, &settings)?.table());
            }
        }
        let after = self.field.device()?;
        let summary = summary(&contenders, &before, &after);
        print!("{summary}");
        if let Some(file) = &self.summary {
            let about = format!("{} ({})\n{}", preset.name, preset.about, origin());
            fs::write(file, about + &summary).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        finish(&contenders, &settings, &self.output)
    }
}

/// Writes what was asked for; an error if any run does not hold.
pub fn finish(
    contenders: &[Contender],
    settings: &Settings,
    output: &Output,
) -> Result<(), String> {
    let runs = || contenders.iter().flat_map(|it| &it.runs);
    let reports: Vec<Report> = runs().map(|it| it.0.clone()).collect();
    let outcomes: Vec<&Outcome> = runs().map(|it| &it.1).collect();
    write(output, settings, &reports, &outcomes)?;
    match reports.iter().filter(|it| !it.holds()).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} runs do not hold", reports.len())),
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
            let values = contender.reports().filter_map(figure.of).collect();
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
            let pairs = first.reports().zip(rival.reports());
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
            if let Some((_, median, _)) = spread(contender.reports().filter_map(speed).collect()) {
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

//! One plan against several brokers in alternation, in one session: what counts is the ratio.
//!
//! These machines are noisy: an absolute figure means nothing across runs, so every round runs
//! each broker once, and ratios are taken within a round.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use thalweg::load::Outcome;

use crate::comparison::Comparison;
use crate::contenders::{Contender, Field};
use crate::limits::Bounds;
use crate::presets::Preset;
use crate::report::Report;
use crate::runs::{Output, Session, origin, write};
use crate::scale::Point;
use crate::settings::Settings;

/// For each of the cells of a measurement of the device.
const SECONDS_EACH: f64 = 0.3;

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
        self.field.check()?;
        let before = self.field.measure(SECONDS_EACH)?;
        let mut contenders = match preset.cores() {
            [] => self.field.start(&settings)?,
            cores => self.field.start_with_cores(cores)?,
        };
        in_turn(self.repeats, &mut contenders, |round, contender| {
            eprintln!("round {round} of {}: {}", self.repeats, contender.name);
            print!("{}", contender.run(preset.name, &settings)?.table());
            Ok(())
        })?;
        let machine = Bounds::of(before, self.field.measure(SECONDS_EACH)?);
        for contender in &mut contenders {
            contender.hold_against(machine.marks);
        }
        let lanes = contenders.iter().map(Contender::lane).collect();
        let summary = Comparison::new(lanes, machine.clone()).summary();
        print!("{summary}");
        if let Some(file) = &self.summary {
            let about = format!("{} ({})\n{}", preset.name, preset.about, origin());
            fs::write(file, about + &summary).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        finish(&contenders, &settings, &machine, &[], &self.output)
    }
}

/// Everybody once in each round, in the same order: each figure of one has its rival's from the
/// same minute. Ends at the first error.
pub fn in_turn<T>(
    rounds: usize,
    all: &mut [T],
    mut run: impl FnMut(usize, &mut T) -> Result<(), String>,
) -> Result<(), String> {
    for round in 1..=rounds {
        for one in &mut *all {
            run(round, one)?;
        }
    }
    Ok(())
}

/// Writes what was asked for; an error if any run does not hold, and then no chart: whoever is
/// missing on it would not be missed.
pub fn finish(
    contenders: &[Contender],
    settings: &Settings,
    machine: &Bounds,
    points: &[Point],
    output: &Output,
) -> Result<(), String> {
    let runs = || contenders.iter().flat_map(|it| it.rounds.iter().flatten());
    let reports: Vec<Report> = runs().map(|it| it.0.clone()).collect();
    let outcomes: Vec<&Outcome> = runs().map(|it| &it.1).collect();
    let failed = reports.iter().filter(|it| !it.holds()).count();
    let output = Output {
        plot: output.plot.clone().filter(|_| failed == 0),
        ..output.clone()
    };
    let session = Session {
        settings,
        reports: &reports,
        outcomes: &outcomes,
        machine: Some(machine),
        points,
        troubles: &[],
    };
    write(&output, &session)?;
    match failed {
        0 => Ok(()),
        _ => Err(format!(
            "{failed} of {} runs do not hold: no ratio with them, and no chart",
            reports.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_alternate_in_every_round() {
        let mut said = Vec::new();

        let ran = in_turn(3, &mut ["us", "them"], |round, who| {
            said.push(format!("{round} {who}"));
            match said.len() {
                5 => Err("it broke".to_string()),
                _ => Ok(()),
            }
        });

        assert_eq!(said, ["1 us", "1 them", "2 us", "2 them", "3 us"]);
        assert_eq!(ran, Err("it broke".to_string()));
    }
}

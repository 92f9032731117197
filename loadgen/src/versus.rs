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
use crate::presets::Preset;
use crate::report::Report;
use crate::runs::{Output, origin, write};
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
        let before = self.field.marks(SECONDS_EACH)?;
        let mut contenders = match preset.cores() {
            [] => self.field.start(&settings)?,
            cores => self.field.start_with_cores(cores)?,
        };
        for round in 1..=self.repeats {
            for contender in &mut contenders {
                eprintln!("round {round} of {}: {}", self.repeats, contender.name);
                print!("{}", contender.run(preset.name, &settings, before)?.table());
            }
        }
        let after = self.field.marks(SECONDS_EACH)?;
        let lanes = contenders.iter().map(Contender::lane).collect();
        let summary = Comparison::new(lanes, before.or_better(after)).summary();
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

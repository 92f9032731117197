//! Everything under `loadgen/results`, made anew in one go of about half an hour.
//!
//! All brokers run side by side from beginning to end and take turns, so that each figure of one
//! has its rival's from the same minute.

mod page;
mod scaling;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use thalweg::load::Outcome;

use crate::comparison::Comparison;
use crate::contenders::{Contender, Field};
use crate::entrants::{Entrant, OWN};
use crate::limits::Bounds;
use crate::presets::Preset;
use crate::report::Report;
use crate::runs::{self, Output, origin};
use crate::settings::{Kind, Settings};
use crate::versus::in_turn;

/// For each of the cells of a measurement of the device, before every preset, and
/// after it.
const SECONDS_EACH: f64 = 0.12;

/// Who takes part in a preset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Party {
    Everybody,
    /// Where flushing is not in question, or would take too long.
    Unflushed,
    /// Where nobody else can follow.
    Alone,
}

/// The presets, and who runs them. Partitions have a chart of their own, cores a table.
const PROGRAMME: [(&str, Party); 21] = [
    ("two-million", Party::Everybody),
    ("two-million-3", Party::Everybody),
    ("batch-16k", Party::Everybody),
    ("batch-1k", Party::Everybody),
    ("fetch-1", Party::Unflushed),
    ("fetch-3", Party::Unflushed),
    ("one-in-flight", Party::Everybody),
    ("end-to-end", Party::Everybody),
    ("open-50k", Party::Everybody),
    ("open-50k-batched", Party::Everybody),
    ("bulk", Party::Unflushed),
    ("both", Party::Unflushed),
    ("groups", Party::Unflushed),
    ("backlog", Party::Unflushed),
    ("small-batches", Party::Everybody),
    ("unbatched", Party::Everybody),
    ("connections-10k", Party::Unflushed),
    ("soak", Party::Unflushed),
    ("topics-8k", Party::Alone),
    ("partitions-140k", Party::Alone),
    ("linkedin-peak", Party::Alone),
];

const CORES: &str = "cores";
/// The chart of partitions, and its figures.
const SCALING: &str = "partitions-scaling";

/// How a preset is made smaller than it is meant to be.
struct Smaller {
    preset: &'static str,
    how: fn(Settings) -> Settings,
    words: &'static str,
}

const SMALLER: [Smaller; 2] = [
    Smaller {
        preset: "backlog",
        how: |it| Settings {
            backlog: Some(2 << 30),
            seconds: Some(60.0),
            ..it
        },
        words: "2 GiB here",
    },
    Smaller {
        preset: "soak",
        how: |it| Settings {
            seconds: Some(60.0),
            ..it
        },
        words: "60 seconds here; Kafka looks every second for what to delete, and not every five \
                minutes as by default",
    },
];

fn smaller(name: &str) -> Option<&'static Smaller> {
    SMALLER.iter().find(|it| it.preset == name)
}

/// Whether the table shows how long, and not how much: where a rate is kept up, or one thing is
/// done at a time. Readers beside a rate are there to keep up or to catch up with it, and what
/// counts is how much they read.
fn is_about_latency(settings: &Settings) -> bool {
    match settings.workload {
        Some(Kind::EndToEnd) => true,
        Some(Kind::Both) => false,
        Some(Kind::Produce | Kind::Consume) | None => {
            settings.rate.is_some() || settings.in_flight == Some(1)
        }
    }
}

#[derive(Args)]
pub struct ResultsArguments {
    /// Where the tables and charts go
    #[arg(long, default_value = "loadgen/results")]
    out: PathBuf,
    /// Only these presets; all others stay as they are. The chart of partitions is
    /// `partitions-scaling`
    #[arg(long, value_delimiter = ',')]
    presets: Vec<String>,
    /// Run nothing: write the page anew from the JSON that is there
    #[arg(long)]
    page_only: bool,
    /// How often each broker runs each preset
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Seconds of measuring in each run
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before measuring in each run
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Partitions of the scaling chart, one run each
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,10,100,1000,4000,10000,140000"
    )]
    steps: Vec<u32>,
    /// The presets' small sizes, to try the command itself
    #[arg(long)]
    smoke: bool,
    #[command(flatten)]
    field: Field,
}

impl ResultsArguments {
    pub fn run(self) -> Result<(), String> {
        if self.page_only {
            return self.write_page();
        }
        let begun = Instant::now();
        self.check()?;
        fs::create_dir_all(&self.out).map_err(|e| format!("{}: {e}", self.out.display()))?;
        let mut contenders = self.field.start(&self.settings("two-million")?)?;
        // Those that take part in everything come first.
        contenders.sort_by_key(|it| !Party::Unflushed.has(&it.name));
        let mut troubles = 0;
        for (name, party) in PROGRAMME {
            if self.presets.is_empty() || self.presets.iter().any(|it| it == name) {
                troubles += self.chapter(name, party, &mut contenders)?;
            }
        }
        if self.presets.is_empty() || self.presets.iter().any(|it| it == SCALING) {
            troubles += self.scaling(&mut contenders)?;
        }
        drop(contenders);
        // That they could not even begin must not cost the others their page.
        let cores = if self.wants_cores()? {
            self.cores()
        } else {
            Ok(0)
        };
        self.write_page()?;
        eprintln!("{:.0} s in all", begun.elapsed().as_secs_f64());
        match troubles + cores? {
            0 => Ok(()),
            count => Err(format!("{count} runs came to nothing; the page says which")),
        }
    }

    fn check(&self) -> Result<(), String> {
        let own = PROGRAMME.iter().map(|it| it.0).chain([CORES, SCALING]);
        let own: Vec<&str> = own.collect();
        let mut wanted = self.presets.iter();
        if let Some(other) = wanted.find(|it| !own.contains(&it.as_str())) {
            let own = own.join(", ");
            return Err(format!("the page has no {other}; it has {own}"));
        }
        let mut entrants = self.field.entrants()?.into_iter();
        match entrants.find(|it| !page::COLUMNS.contains(&it.name())) {
            Some(other) => Err(format!(
                "the page has no column for {}, only for {}",
                other.name(),
                page::COLUMNS.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// Thalwegs that run already have the cores that they have.
    fn wants_cores(&self) -> Result<bool, String> {
        let is_started = |it: &Entrant| matches!(it, Entrant::Started(_));
        let starts_all = self.field.entrants()?.iter().all(is_started);
        let is_named = self.presets.iter().any(|it| it == CORES);
        Ok(is_named || (self.presets.is_empty() && starts_all))
    }

    fn write_page(&self) -> Result<(), String> {
        let page = page::compose(&self.out)?;
        print!("{page}");
        write_text(&self.out.join("README.md"), &page)
    }

    fn settings(&self, name: &str) -> Result<Settings, String> {
        let preset = Preset::named(name)?.settings(self.smoke);
        let short = Settings {
            seconds: Some(self.seconds),
            warm_up: Some(self.warm_up),
            ..Settings::default()
        };
        Ok(match (self.smoke, smaller(name)) {
            (true, _) => preset,
            (false, Some(smaller)) => (smaller.how)(short.or(preset)),
            (false, None) => short.or(preset),
        })
    }

    /// Thalweg with two cores and with one, in turn.
    fn cores(&self) -> Result<usize, String> {
        let cores = Preset::named(CORES)?.cores();
        let mut contenders = self.field.start_with_cores(cores)?;
        self.chapter(CORES, Party::Everybody, &mut contenders)
    }

    /// How many runs could not be made, or do not hold.
    fn chapter(
        &self,
        name: &str,
        party: Party,
        contenders: &mut [Contender],
    ) -> Result<usize, String> {
        let preset = Preset::named(name)?;
        let settings = self.settings(name)?;
        let before = self.field.measure(SECONDS_EACH)?;
        let mut troubles = Vec::new();
        let mut some: Vec<&mut Contender> = contenders
            .iter_mut()
            .filter(|it| party.has(&it.name))
            .collect();
        in_turn(self.repeats, &mut some, |round, contender| {
            let of = self.repeats;
            eprintln!("{name}, round {round} of {of}: {}", contender.name);
            match contender.run(name, &settings) {
                Ok(report) => print!("{}", report.table()),
                Err(error) => troubles.push(error),
            }
            Ok(())
        })?;
        let machine = Bounds::of(before, self.field.measure(SECONDS_EACH)?);
        for contender in &mut some {
            contender.hold_against(machine.marks);
        }
        let lanes = some.iter().map(|it| it.lane()).collect();
        let comparison = Comparison::new(lanes, machine.clone());
        let rounds = some.iter_mut().map(|it| std::mem::take(&mut it.rounds));
        let runs: Vec<(Report, Outcome)> = rounds.flatten().flatten().collect();
        let outcomes: Vec<&Outcome> = runs.iter().map(|it| &it.1).collect();
        let reports: Vec<Report> = runs.iter().map(|it| it.0.clone()).collect();
        let session = runs::Session {
            settings: &settings,
            reports: &reports,
            outcomes: &outcomes,
            machine: Some(&machine),
            points: &[],
            troubles: &troubles,
        };
        self.write_chapter(preset, &session, &comparison)?;
        let failed = reports.iter().filter(|it| !it.holds()).count();
        Ok(troubles.len() + failed)
    }

    fn write_chapter(
        &self,
        preset: &Preset,
        session: &runs::Session<'_>,
        comparison: &Comparison,
    ) -> Result<(), String> {
        let charts = Output {
            plot: Some(self.out.join(preset.name)),
            svg_only: true,
            ..Output::default()
        };
        runs::write(&charts, session)?;
        self.write_figures(preset.name, session)?;
        // What somebody had to say was of the runs before.
        let _ = fs::remove_file(self.out.join(format!("{}.md", preset.name)));
        let head = format!("{} ({})\n{}", preset.name, preset.about, origin());
        write_text(
            &self.out.join(format!("{}.txt", preset.name)),
            &(head + &comparison.summary()),
        )
    }

    /// NAME.json. What happened ten times a second is in the chart.
    fn write_figures(&self, name: &str, session: &runs::Session<'_>) -> Result<(), String> {
        let reports: Vec<Report> = session
            .reports
            .iter()
            .map(|it| Report {
                samples: Vec::new(),
                ..it.clone()
            })
            .collect();
        let figures = Output {
            json: Some(self.out.join(format!("{name}.json"))),
            ..Output::default()
        };
        runs::write(
            &figures,
            &runs::Session {
                reports: &reports,
                ..*session
            },
        )
    }
}

impl Party {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Unflushed => name != "kafka-flushed",
            Self::Alone => name == OWN,
        }
    }
}

fn write_text(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_latency_of_the_presets_that_are_about_it() {
        let names = PROGRAMME.iter().map(|it| it.0);
        let is_timed = |name: &&str| {
            let preset = Preset::named(name).expect("a preset");
            is_about_latency(&preset.settings(false))
        };
        let timed: Vec<&str> = names.filter(is_timed).collect();

        let expected = [
            "one-in-flight",
            "end-to-end",
            "open-50k",
            "open-50k-batched",
            "unbatched",
            "connections-10k",
        ];
        assert_eq!(timed, expected);
    }
}

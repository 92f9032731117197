//! Everything under `loadgen/results`, made anew in one go of about half an hour.
//!
//! All brokers run side by side from beginning to end and take turns, so that each figure of one
//! has its rival's from the same minute.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use thalweg::load::Outcome;

use crate::comparison::{
    BROKER_CPU, Comparison, Figure, MEGABYTES, OF_FLUSHED, P50, P99, P99_9, RECORDS, short,
};
use crate::contenders::{Contender, Field};
use crate::limits::Marks;
use crate::plot::draw_scaling;
use crate::presets::Preset;
use crate::report::Report;
use crate::runs::{Output, origin, write};
use crate::scale::{Race, SHAPE, describe};
use crate::settings::{Kind, Settings};

/// For each of the cells of a measurement of the device, before every preset.
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
            seconds: Some(20.0),
            ..it
        },
        words: "20 seconds here; Kafka by default looks every five minutes for what to delete, \
                so mostly not in these, and has less to do",
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
    /// Only these presets, and no scaling chart; those of the page that is there are lost
    #[arg(long, value_delimiter = ',')]
    presets: Vec<String>,
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

/// What came of one preset.
struct Chapter {
    preset: &'static Preset,
    comparison: Comparison,
    is_about_latency: bool,
    /// Runs that could not be made, or did not hold.
    troubles: Vec<String>,
}

impl ResultsArguments {
    pub fn run(self) -> Result<(), String> {
        let begun = Instant::now();
        fs::create_dir_all(&self.out).map_err(|e| format!("{}: {e}", self.out.display()))?;
        let mut contenders = self.field.start(&self.settings("two-million")?)?;
        // Those that take part in everything come first.
        contenders.sort_by_key(|it| !Party::Unflushed.has(it.name));
        let mut chapters = Vec::new();
        for (name, party) in PROGRAMME {
            if self.presets.is_empty() || self.presets.iter().any(|it| it == name) {
                chapters.push(self.chapter(name, party, &mut contenders)?);
            }
        }
        let is_whole = self.presets.is_empty();
        let curves = is_whole
            .then(|| self.scaling(&mut contenders))
            .transpose()?;
        drop(contenders);
        let is_wanted = is_whole || self.presets.iter().any(|it| it == CORES);
        let cores = is_wanted.then(|| self.cores());
        let page = self.page(&chapters, curves.as_deref(), cores.as_ref());
        write_text(&self.out.join("README.md"), &page)?;
        print!("{page}");
        eprintln!("{:.0} s in all", begun.elapsed().as_secs_f64());
        // That they could not even begin must not cost the others their page.
        let cores = cores.transpose()?;
        let chapters = chapters.iter().chain(&cores);
        let troubles = chapters.map(|it| it.troubles.len()).sum::<usize>();
        match troubles {
            0 => Ok(()),
            count => Err(format!("{count} runs came to nothing; the page says which")),
        }
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
    fn cores(&self) -> Result<Chapter, String> {
        let cores = Preset::named(CORES)?.cores();
        let mut contenders = self.field.start_with_cores(cores)?;
        self.chapter(CORES, Party::Everybody, &mut contenders)
    }

    fn chapter(
        &self,
        name: &str,
        party: Party,
        contenders: &mut [Contender],
    ) -> Result<Chapter, String> {
        let preset = Preset::named(name)?;
        let settings = self.settings(name)?;
        let marks = self.field.marks(SECONDS_EACH)?;
        let mut troubles = Vec::new();
        for round in 1..=self.repeats {
            for contender in contenders.iter_mut().filter(|it| party.has(it.name)) {
                eprintln!(
                    "{name}, round {round} of {}: {}",
                    self.repeats, contender.name
                );
                match contender.run(name, &settings, marks) {
                    Ok(report) if report.holds() => print!("{}", report.table()),
                    Ok(report) => troubles.push(format!("```\n{}```", report.table())),
                    Err(error) => troubles.push(error),
                }
            }
        }
        let taking_part = contenders.iter_mut().filter(|it| party.has(it.name));
        let lanes = taking_part.map(|it| it.lane()).collect();
        let comparison = Comparison::new(lanes, marks);
        let runs: Vec<_> = contenders
            .iter_mut()
            .flat_map(|it| std::mem::take(&mut it.runs))
            .collect();
        self.write_chapter(preset, &settings, &comparison, &runs)?;
        Ok(Chapter {
            preset,
            comparison,
            is_about_latency: is_about_latency(&settings),
            troubles,
        })
    }

    fn write_chapter(
        &self,
        preset: &Preset,
        settings: &Settings,
        comparison: &Comparison,
        runs: &[(Report, Outcome)],
    ) -> Result<(), String> {
        let outcomes: Vec<&Outcome> = runs.iter().map(|it| &it.1).collect();
        let reports: Vec<Report> = runs.iter().map(|it| it.0.clone()).collect();
        let charts = Output {
            plot: Some(self.out.join(preset.name)),
            svg_only: true,
            ..Output::default()
        };
        write(&charts, settings, &reports, &outcomes)?;
        // What happened ten times a second is in the chart.
        let reports: Vec<Report> = reports
            .into_iter()
            .map(|it| Report {
                samples: Vec::new(),
                ..it
            })
            .collect();
        let figures = Output {
            json: Some(self.out.join(format!("{}.json", preset.name))),
            ..Output::default()
        };
        write(&figures, settings, &reports, &outcomes)?;
        let head = format!("{} ({})\n{}", preset.name, preset.about, origin());
        write_text(
            &self.out.join(format!("{}.txt", preset.name)),
            &(head + &comparison.summary()),
        )
    }

    fn scaling(&self, contenders: &mut [Contender]) -> Result<String, String> {
        let base = self.settings(SHAPE)?;
        let race = Race {
            steps: &self.steps,
            rivals_up_to: 4_000,
            base: &base,
            marks: Marks::default(),
        };
        // One run each: the flushed rival has no place in a chart of partitions.
        let unflushed = contenders.iter().filter(|it| Party::Unflushed.has(it.name));
        let count = unflushed.count();
        let curves = race.run(&mut contenders[..count])?;
        let output = Output {
            svg_only: true,
            ..Output::default()
        };
        let said = describe(&curves);
        draw_scaling(&self.out.join("partitions"), output.formats(), curves)?;
        Ok(said)
    }

    fn page(
        &self,
        chapters: &[Chapter],
        curves: Option<&str>,
        cores: Option<&Result<Chapter, String>>,
    ) -> String {
        let mut out = String::from(
            "# Results\n\n\
             Written by `loadgen results`: every broker runs in the same minutes on the same\n\
             machine, and what counts is the ratio, taken within each round: median, and in\n\
             brackets least and most. Kafka is warm. A run whose ledger does not hold has no\n\
             figures. Each preset's `.txt` has all its figures, its `.json` every run.\n\n",
        );
        let _ = writeln!(out, "```\n{}```\n", origin());
        out.push_str(
            "| preset | | Thalweg | Kafka | Thalweg / Kafka | Kafka, flushed | Thalweg / it |\n\
             |---|---|---|---|---|---|---|\n",
        );
        for chapter in chapters {
            chapter.write_rows(&mut out);
        }
        out.push('\n');
        for chapter in chapters {
            let Preset { name, about, .. } = chapter.preset;
            let size = smaller(name).map_or(String::new(), |it| format!(" ({})", it.words));
            let _ = writeln!(out, "## {name}\n\n{about}{size}\n");
            let _ = writeln!(out, "![latency]({name}-latency.svg)");
            let _ = writeln!(out, "![throughput]({name}-throughput.svg)\n");
            chapter.write_troubles(&mut out);
        }
        if let Some(curves) = curves {
            let _ = writeln!(
                out,
                "## Partitions\n\n![scaling](partitions-scaling.svg)\n\n```\n{curves}```\n"
            );
        }
        if let Some(Ok(cores)) = cores {
            let _ = writeln!(out, "## Cores\n\n```{}```", cores.comparison.summary());
            cores.write_troubles(&mut out);
        }
        out
    }
}

impl Party {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Unflushed => name != "kafka-flushed",
            Self::Alone => name == "thalweg",
        }
    }
}

impl Chapter {
    fn write_troubles(&self, out: &mut String) {
        for trouble in &self.troubles {
            let _ = writeln!(out, "A run came to nothing: {trouble}\n");
        }
    }

    fn write_rows(&self, out: &mut String) {
        let figures: &[Figure] = match self.is_about_latency {
            true => &[P50, P99, P99_9, BROKER_CPU],
            false => &[RECORDS, MEGABYTES, BROKER_CPU, OF_FLUSHED],
        };
        for (at, figure) in figures.iter().enumerate() {
            let name = if at == 0 { self.preset.name } else { "" };
            let value = |lane| match self.comparison.values(lane, *figure) {
                Some(spread) => short(spread.median),
                None => "-".to_string(),
            };
            let ratio = |lane| match self.comparison.ratio(lane, *figure) {
                Some(it) => format!("{:.2} [{:.2} .. {:.2}]", it.median, it.least, it.most),
                None => "-".to_string(),
            };
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                figure.name,
                value("thalweg"),
                value("kafka"),
                ratio("kafka"),
                value("kafka-flushed"),
                ratio("kafka-flushed")
            );
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

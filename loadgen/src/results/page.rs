//! The page of results, from what the runs left beside it: nothing on it is typed in.
//!
//! Of each preset there is the JSON of its last session, and whatever a person has to say of that
//! session in NAME.md. So a preset that is run again later changes its own rows alone.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use thalweg::base::ByteCount;

use super::{CORES, PROGRAMME, SCALING, is_about_latency, smaller};
use crate::comparison::{
    BROKER_CPU, Comparison, Figure, Lane, MEGABYTES, OF_FLUSHED, P50, P99, P99_9, RECORDS, short,
};
use crate::limits::Bounds;
use crate::presets::Preset;
use crate::process::Machine;
use crate::report::Report;
use crate::settings::{Kind, Settings};

/// Who has a column.
pub const COLUMNS: [&str; 3] = ["thalweg", "kafka", "kafka-flushed"];

const HEAD: &str = "\
# Results

Written by `loadgen results` from the `.json` of each preset, which has every run: the brokers of a
preset run in the same minutes on the same machine, and what counts is the ratio, taken within each
round: median, and in brackets least and most. Kafka is warm. A broker of which one run's ledger
does not hold has no figures. Each preset's `.txt` has all its figures.

What was measured when:

";

/// The part of a preset's JSON that is needed here.
#[derive(Deserialize)]
struct Session {
    machine: Machine,
    date: String,
    commit: Option<String>,
    command: Vec<String>,
    settings: Shape,
    #[serde(default)]
    limits: Option<Bounds>,
    reports: Vec<Report>,
    #[serde(default)]
    troubles: Vec<String>,
}

/// What decides which figures are shown.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Shape {
    workload: Option<Kind>,
    rate: Option<u64>,
    in_flight: Option<u32>,
}

struct Chapter {
    preset: &'static Preset,
    session: Session,
    comparison: Comparison,
    /// A person's words.
    note: Option<String>,
}

/// The page, of all presets whose JSON lies in `folder`.
///
/// # Errors
/// Words: a file that cannot be read, or that no run wrote.
pub fn compose(folder: &Path) -> Result<String, String> {
    let mut chapters = Vec::new();
    for (name, _) in PROGRAMME {
        chapters.extend(Chapter::read(folder, name)?);
    }
    let cores = Chapter::read(folder, CORES)?;
    let scaling = read(&folder.join(format!("{SCALING}.txt")))?;
    let mut out = HEAD.to_string();
    write_sessions(chapters.iter().chain(&cores), &mut out);
    out.push_str(
        "| preset | | Thalweg | Kafka | Thalweg / Kafka | Kafka, flushed | Thalweg / it |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for chapter in &chapters {
        chapter.write_rows(&mut out);
    }
    out.push('\n');
    for chapter in &chapters {
        chapter.write(&mut out);
    }
    if let Some(text) = scaling {
        let _ = writeln!(
            out,
            "## Partitions\n\n![scaling]({SCALING}.svg)\n\n```\n{text}```\n"
        );
    }
    if let Some(cores) = cores {
        let _ = writeln!(out, "## Cores\n\n```{}```", cores.comparison.summary());
        cores.write_troubles(&mut out);
    }
    Ok(out)
}

/// None if there is no such file.
fn read(file: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Presets that were run by one command at one commit stand together.
fn write_sessions<'a>(chapters: impl Iterator<Item = &'a Chapter>, out: &mut String) {
    let mut sessions: Vec<Vec<&Chapter>> = Vec::new();
    for chapter in chapters {
        let is_own = |it: &&mut Vec<&Chapter>| it[0].session.is_one_with(&chapter.session);
        match sessions.iter_mut().find(is_own) {
            Some(session) => session.push(chapter),
            None => sessions.push(vec![chapter]),
        }
    }
    for chapters in sessions {
        let Session {
            machine,
            commit,
            command,
            ..
        } = &chapters[0].session;
        let dates = || chapters.iter().map(|it| it.session.date.as_str());
        let (first, last) = (dates().min(), dates().max());
        let names: Vec<&str> = chapters.iter().map(|it| it.preset.name).collect();
        let _ = writeln!(
            out,
            "```\n{} x {}, {}, Linux {}\n{}, commit {}\nloadgen {}\n```\n\n{}\n",
            machine.cores,
            machine.cpu,
            ByteCount(machine.memory_bytes),
            machine.kernel,
            match (first, last) {
                (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
                (only, _) => only.unwrap_or_default().to_string(),
            },
            commit.as_deref().unwrap_or("unknown"),
            command.join(" "),
            names.join(", ")
        );
    }
}

impl Session {
    fn is_one_with(&self, other: &Self) -> bool {
        (&self.machine, &self.commit, &self.command)
            == (&other.machine, &other.commit, &other.command)
    }

    /// Of brokers in the order in which they took part.
    fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = Vec::new();
        for report in &self.reports {
            let known = lanes.iter().position(|it| it.name == report.broker_name);
            let at = known.unwrap_or(lanes.len());
            if known.is_none() {
                lanes.push(Lane {
                    name: report.broker_name.clone(),
                    rounds: Vec::new(),
                });
            }
            let rounds = &mut lanes[at].rounds;
            // Older files have no number: then no round is missing.
            let before = report.round.checked_sub(1).unwrap_or(rounds.len());
            rounds.resize_with(before.max(rounds.len()), || None);
            rounds.push(Some(report.clone()));
        }
        lanes
    }

    /// What was measured, or what the runs were held against.
    fn bounds(&self) -> Bounds {
        let known = || self.reports.iter().find_map(|it| it.shares);
        let limits = self.limits.clone();
        limits.unwrap_or_else(|| Bounds::from(known().unwrap_or_default().marks))
    }
}

impl Chapter {
    /// None if the preset was never run.
    fn read(folder: &Path, name: &str) -> Result<Option<Self>, String> {
        let file = folder.join(format!("{name}.json"));
        let Some(text) = read(&file)? else {
            return Ok(None);
        };
        let session: Session =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(Some(Self {
            preset: Preset::named(name)?,
            comparison: Comparison::new(session.lanes(), session.bounds()),
            session,
            note: read(&folder.join(format!("{name}.md")))?,
        }))
    }

    fn is_about_latency(&self) -> bool {
        let Shape {
            workload,
            rate,
            in_flight,
        } = self.session.settings;
        is_about_latency(&Settings {
            workload,
            rate,
            in_flight,
            ..Settings::default()
        })
    }

    fn write(&self, out: &mut String) {
        let Preset { name, about, .. } = self.preset;
        let size = smaller(name).map_or(String::new(), |it| format!(" ({})", it.words));
        let _ = writeln!(out, "## {name}\n\n{about}{size}\n");
        let _ = writeln!(out, "![latency]({name}-latency.svg)");
        let _ = writeln!(out, "![throughput]({name}-throughput.svg)\n");
        if let Some(note) = &self.note {
            let _ = writeln!(out, "{}\n", note.trim_end());
        }
        self.write_troubles(out);
    }

    fn write_troubles(&self, out: &mut String) {
        for trouble in &self.session.troubles {
            let _ = writeln!(out, "A run came to nothing: {trouble}\n");
        }
        for report in self.session.reports.iter().filter(|it| !it.holds()) {
            let _ = writeln!(out, "A run does not hold:\n\n```\n{}```\n", report.table());
        }
    }

    fn write_rows(&self, out: &mut String) {
        let figures: &[Figure] = match self.is_about_latency() {
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
            let [own, kafka, flushed] = COLUMNS;
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                figure.name,
                value(own),
                value(kafka),
                ratio(kafka),
                value(flushed),
                ratio(flushed)
            );
        }
    }
}

#[cfg(test)]
#[path = "page/tests.rs"]
mod tests;

//! One run from the command line: settings to plan, plan to outcome, outcome to report.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use thalweg::base::ByteCount;
use thalweg::load::{Latencies, Outcome, run};

use crate::limits::{Bounds, Marks, Measured};
use crate::metrics::MetricsUrl;
use crate::plot::{Formats, draw};
use crate::presets::{PRESETS, Preset};
use crate::process::Machine;
use crate::report::Report;
use crate::scale::Point;
use crate::settings::{Kind, Settings, parse_address};
use crate::watch::{Local, Watch};

/// For each of the cells of a measurement of the device before a run, and after it.
const SECONDS_EACH: f64 = 0.12;

/// What every command that drives a broker takes.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// The broker
    #[arg(
        long,
        visible_alias = "bootstrap-server",
        default_value = "127.0.0.1:9092",
        value_parser = parse_address
    )]
    pub broker: SocketAddr,
    /// A scenario by name; `loadgen presets` lists them
    #[arg(long)]
    pub preset: Option<String>,
    /// The preset's small size
    #[arg(long)]
    pub smoke: bool,
    /// A workload file in TOML
    #[arg(long)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
    /// Topic to make; a new name if not given
    #[arg(long)]
    pub topic: Option<String>,
    /// Leave the topic behind
    #[arg(long)]
    pub keep_topic: bool,
    /// The broker's process, if it is local: its CPU and memory are reported
    #[arg(long)]
    pub broker_pid: Option<u32>,
    /// The broker's data directory, if it is local: its disk's flushes are reported
    #[arg(long)]
    pub broker_data: Option<PathBuf>,
    /// Where a local Thalweg serves metrics, such as http://127.0.0.1:9644/metrics: the longest
    /// stall of each shard and the share of steered requests are reported
    #[arg(long, value_name = "URL", value_parser = MetricsUrl::parse)]
    pub broker_metrics: Option<MetricsUrl>,
    /// What `loadgen limits --json` wrote: figures are printed as a share of it. Without it, and
    /// with --broker-data, the device is measured for two seconds before the run and after it, and
    /// the larger counts
    #[arg(long)]
    pub limits: Option<PathBuf>,
    /// Do not measure the device
    #[arg(long)]
    pub no_limits: bool,
    #[command(flatten)]
    pub output: Output,
}

/// Where a report goes besides the terminal.
#[derive(Args, Clone, Debug, Default)]
pub struct Output {
    /// Write the report as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write the latencies as HdrHistogram percentiles; of several runs each to a file of its own,
    /// with broker and round in its name
    #[arg(long)]
    pub hgrm: Option<PathBuf>,
    /// Write latency and throughput charts, SVG and PNG, with this name
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// No PNG beside each SVG
    #[arg(long)]
    pub svg_only: bool,
}

impl Output {
    pub fn formats(&self) -> Formats {
        if self.svg_only {
            Formats::Svg
        } else {
            Formats::SvgAndPng
        }
    }
}

/// Everything a report needs to be read years later.
#[derive(Serialize)]
struct Document<'a> {
    machine: Machine,
    /// UTC.
    date: String,
    /// What git calls the tree that this was run in; the binary is believed to be built from it.
    commit: Option<String>,
    command: Vec<String>,
    settings: &'a Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<&'a Bounds>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    points: &'a [Point],
    reports: &'a [Report],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    troubles: &'a [String],
}

/// What is to be written down.
pub struct Session<'a> {
    pub settings: &'a Settings,
    pub reports: &'a [Report],
    /// They belong to the reports.
    pub outcomes: &'a [&'a Outcome],
    /// If it was measured before the runs and after them.
    pub machine: Option<&'a Bounds>,
    /// Of the brokers' curves, if the runs are steps of one.
    pub points: &'a [Point],
    /// Runs that could not be made, in words.
    pub troubles: &'a [String],
}

impl RunArguments {
    pub fn run(self, workload: Option<Kind>) -> Result<(), String> {
        let (name, settings) = self.settings(workload)?;
        let settings = settings.at_its_load(|probe| {
            let plan = probe.plan(self.broker, &fresh_topic("probe"));
            let (report, _) = measure("probe", &self.broker.to_string(), &plan, Local::default())?;
            report.produced_rate()
        })?;
        let topic = self.topic.clone().unwrap_or_else(|| fresh_topic(&name));
        let mut plan = settings.plan(self.broker, &topic);
        plan.keep_topic = self.keep_topic;
        let local = Local {
            pid: self.broker_pid,
            data: self.broker_data.clone(),
            metrics: self.broker_metrics.clone(),
        };
        // Asked once before the run: an address that is wrong is told at once.
        local.metrics.as_ref().map(MetricsUrl::read).transpose()?;
        let before = self.machine()?;
        pin(settings.pin.as_deref())?;
        let (mut report, outcome) = measure(&name, &self.broker.to_string(), &plan, local)?;
        let machine = match before {
            // A file says the same after the run.
            Some(before) => Some(Bounds::of(before, self.machine()?.unwrap_or_default())),
            None => None,
        };
        if let Some(machine) = &machine {
            report = report.against(machine.marks);
        }
        print!("{}", report.table());
        let session = Session {
            settings: &settings,
            reports: std::slice::from_ref(&report),
            outcomes: &[&outcome],
            machine: machine.as_ref(),
            points: &[],
            troubles: &[],
        };
        write(&self.output, &session)?;
        if report.holds() {
            Ok(())
        } else {
            Err("the run does not hold".into())
        }
    }

    fn machine(&self) -> Result<Option<Measured>, String> {
        match (&self.limits, &self.broker_data) {
            (Some(file), _) => Ok(Some(Marks::from_file(file)?.into())),
            (None, Some(folder)) if !self.no_limits => {
                Measured::now(folder, SECONDS_EACH).map(Some)
            }
            (None, _) => Ok(None),
        }
    }

    /// Flags before the file before the preset, and a name for the whole.
    fn settings(&self, workload: Option<Kind>) -> Result<(String, Settings), String> {
        let mut settings = Settings {
            workload,
            ..self.settings.clone()
        };
        settings.workload = settings.workload.or(self.settings.workload);
        let mut name = "run".to_string();
        if let Some(file) = &self.file {
            settings = settings.or(Settings::from_file(file)?);
            name = file
                .file_stem()
                .map_or(name, |it| it.to_string_lossy().into_owned());
        }
        if let Some(preset) = &self.preset {
            let preset = Preset::named(preset)?;
            settings = settings.or(preset.settings_for_one(self.smoke)?);
            name = preset.name.to_string();
        }
        Ok((name, settings))
    }
}

/// Runs a plan and says what it came to.
pub fn measure(
    name: &str,
    broker: &str,
    plan: &thalweg::load::Plan,
    local: Local,
) -> Result<(Report, Outcome), String> {
    let mut watch = Watch::new(local);
    let outcome = run(plan, &mut watch).map_err(|error| error.to_string())?;
    let samples = watch.finish();
    Ok((Report::new(name, broker, &outcome, samples), outcome))
}

/// Keeps the threads that are started from now on to these cores.
pub fn pin(cores: Option<&[usize]>) -> Result<(), String> {
    let Some(cores) = cores else {
        return Ok(());
    };
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core).map_err(|e| format!("core {core}: {e}"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|e| format!("cores {cores:?}: {e}"))
}

/// A topic that is not there yet: by name, time and process.
pub fn fresh_topic(name: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |it| it.as_micros());
    format!("loadgen-{name}-{now:x}-{}", std::process::id())
}

pub fn list_presets() {
    for preset in PRESETS {
        println!(
            "{:<18} scenario {:<3} {}",
            preset.name, preset.scenario, preset.about
        );
    }
}

/// Writes what was asked for. A run that does not hold has no percentiles to write.
pub fn write(output: &Output, session: &Session<'_>) -> Result<(), String> {
    let (reports, outcomes) = (session.reports, session.outcomes);
    if let Some(file) = &output.json {
        let command = std::env::args().skip(1).collect();
        let document = Document {
            machine: Machine::here(),
            date: date(),
            commit: commit(),
            command,
            settings: session.settings,
            limits: session.machine,
            points: session.points,
            reports,
            troubles: session.troubles,
        };
        let text = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
        fs::write(file, text + "\n").map_err(|e| format!("{}: {e}", file.display()))?;
    }
    if let Some(file) = &output.hgrm {
        let files = percentile_files(file, reports);
        for (file, outcome) in files.iter().zip(outcomes).filter(|it| it.1.holds()) {
            let side = if outcome.consumed.latencies.is_empty() {
                &outcome.produced.latencies
            } else {
                &outcome.consumed.latencies
            };
            write_percentiles(file, side).map_err(|e| format!("{}: {e}", file.display()))?;
        }
    }
    if let Some(file) = &output.plot {
        draw(file, output.formats(), reports, outcomes)?;
    }
    Ok(())
}

/// Where each run's percentiles go: of one run to the file that was named, of several to
/// FILE-BROKER-ROUND.hgrm, or FILE-RUN-BROKER-ROUND.hgrm where the runs have several names.
fn percentile_files(file: &Path, reports: &[Report]) -> Vec<PathBuf> {
    if reports.len() <= 1 {
        return vec![file.to_path_buf()];
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let extension = file
        .extension()
        .map_or("hgrm".into(), |it| it.to_string_lossy());
    let has_names = reports.iter().any(|it| it.name != reports[0].name);
    let place = |(at, own): (usize, &Report)| {
        let is_alike = |it: &&Report| (&it.name, &it.broker_name) == (&own.name, &own.broker_name);
        let round = reports[..=at].iter().filter(is_alike).count();
        let name = if has_names {
            format!("-{}", own.name)
        } else {
            String::new()
        };
        let broker = &own.broker_name;
        file.with_file_name(format!("{stem}{name}-{broker}-{round}.{extension}"))
    };
    reports.iter().enumerate().map(place).collect()
}

/// Where a result comes from, for people: machine, date, commit, command.
pub fn origin() -> String {
    let machine = Machine::here();
    let command: Vec<String> = std::env::args().skip(1).collect();
    format!(
        "{} x {}, {}, Linux {}\n{}, commit {}\nloadgen {}\n",
        machine.cores,
        machine.cpu,
        ByteCount(machine.memory_bytes),
        machine.kernel,
        date(),
        commit().as_deref().unwrap_or("unknown"),
        command.join(" ")
    )
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| said.trim().to_string())
}

/// Now, as year-month-day and hour:minute, UTC.
fn date() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |it| it.as_secs());
    let (year, month, day) = civil(now / 86_400);
    let (hour, minute) = (now / 3_600 % 24, now / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// Days since 1970 in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut left = days;
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

/// HdrHistogram's own text format, in milliseconds, as its plotter reads it.
fn write_percentiles(file: &Path, latencies: &Latencies) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(fs::File::create(file)?);
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in latencies.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / 1e6;
        let quantile = step.quantile_iterated_to();
        let inverse = 1.0 / (1.0 - quantile);
        writeln!(
            out,
            "{value:>12.3} {quantile:>14.12} {total:>10} {inverse:>14.2}"
        )?;
    }
    let (mean, deviation) = (latencies.mean() / 1e6, latencies.stdev() / 1e6);
    writeln!(
        out,
        "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]"
    )?;
    let (max, count) = (latencies.max() as f64 / 1e6, latencies.len());
    writeln!(
        out,
        "#[Max     = {max:>12.3}, Total count    = {count:>12}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_across_leap_years() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(19_723), (2024, 1, 1));
        assert_eq!(civil(20_088), (2024, 12, 31));
    }

    #[test]
    fn threads_that_are_started_later_are_kept_to_the_given_cores() {
        let allowed = || {
            let set = nix::sched::sched_getaffinity(Pid::from_raw(0)).unwrap();
            let cores = (0..CpuSet::count()).filter(|it| set.is_set(*it) == Ok(true));
            cores.collect::<Vec<_>>()
        };
        let last = *allowed().last().unwrap();
        // In a thread of its own, so that the other tests keep all cores.
        let pinned = std::thread::spawn(move || {
            pin(Some(&[last])).unwrap();
            std::thread::spawn(allowed).join().unwrap()
        });

        assert_eq!(pinned.join().unwrap(), [last]);
        let said = pin(Some(&[CpuSet::count()])).unwrap_err();
        assert!(said.starts_with("core "), "{said}");
    }

    #[test]
    fn each_run_of_each_broker_has_percentiles_of_its_own() {
        let report = |name: &str, broker: &str| Report {
            name: name.to_string(),
            broker_name: broker.to_string(),
            ..Report::default()
        };
        let file = Path::new("out/run.hgrm");
        let files = |reports: &[Report]| -> Vec<String> {
            let files = percentile_files(file, reports);
            files.iter().map(|it| it.display().to_string()).collect()
        };

        let one = files(&[report("p", "a")]);
        let rounds = ["a", "b", "a", "b"].map(|broker| report("p", broker));
        let steps = files(&[report("p-1", "a"), report("p-10", "a")]);

        assert_eq!(one, ["out/run.hgrm"]);
        let expected = ["a-1", "b-1", "a-2", "b-2"].map(|it| format!("out/run-{it}.hgrm"));
        assert_eq!(files(&rounds), expected);
        assert_eq!(steps, ["out/run-p-1-a-1.hgrm", "out/run-p-10-a-1.hgrm"]);
    }
}

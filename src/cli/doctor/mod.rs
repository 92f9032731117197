//! `thalweg doctor`: compares machine, data directory and addresses with what a broker needs.
//!
//! It changes nothing, but for `--accept-clock`, which is a request to change something; a scratch
//! file by which the file system is tried is removed at once. `machine` and `storage` judge what
//! `runtime::probe` found and touch nothing themselves; `address` has to connect to know.

mod address;
mod clock;
mod finding;
mod machine;
mod storage;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use self::finding::{Finding, State};
use super::arguments::Output;
use super::{Failure, data_dir, has_colours};
use crate::runtime::probe;

/// Flags of `doctor`. Those that `serve` has too mean the same here; of several listeners each is
/// looked at by a call of its own.
#[derive(Args, Clone, Debug)]
pub struct Doctor {
    /// The data directory that the broker uses, or will use.
    #[arg(long, value_name = "DIR", default_value = "./thalweg-data")]
    pub data_dir: PathBuf,
    /// Where the broker listens, or will listen.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092")]
    pub listen: String,
    /// The name and port that clients are told, if it is not the one they connect to.
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Cores that the broker will run on [default: the CPUs this process may use].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub cores: Option<u16>,
    /// How it shows itself; with `ports` each shard's port is looked at.
    #[arg(long, value_name = "LAYOUT", value_parser = ["auto", "core", "node", "ports"])]
    pub listener_layout: Option<String>,
    /// Shards of a new data directory [default: as many as cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: Option<u16>,
    /// Believe the wall clock again after it jumped forward and retention stopped; the broker of
    /// the data directory must be stopped.
    #[arg(long)]
    pub accept_clock: bool,
    /// For people, or for programs.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

/// Looks, prints what it found, and returns 0, or 1 if a broker could not run well here.
pub fn run(options: &Doctor) -> Result<u8, Failure> {
    if options.accept_clock {
        return clock::accept(options);
    }
    let mut findings = machine::look(options.cores);
    findings.extend(storage::look(&options.data_dir));
    findings.extend(address::look(
        &options.listen,
        options.advertise.as_deref(),
        ports(options),
    )?);
    match options.output {
        Output::Text => print_text(&findings),
        Output::Json => println!("{}", to_json(&findings)),
    }
    Ok(u8::from(count(&findings, State::Problem) > 0))
}

/// How many ports the broker takes, from that of `--listen` on.
fn ports(options: &Doctor) -> usize {
    if options.listener_layout.as_deref() != Some("ports") {
        return 1;
    }
    let cores = options.cores.map(usize::from);
    let cores = cores.unwrap_or_else(|| probe::processors().cores().len());
    let directories = [options.data_dir.clone()];
    let shards = data_dir::shards_to_be(&directories, options.shards.map(usize::from), cores);
    // A manifest that can not be read is `storage`'s to tell.
    shards.unwrap_or(cores)
}

fn count(findings: &[Finding], state: State) -> usize {
    let alike = findings.iter().filter(|finding| finding.state == state);
    alike.count()
}

fn print_text(findings: &[Finding]) {
    let colours = has_colours(&std::io::stdout());
    let width = findings.iter().map(|finding| finding.what.len()).max();
    let width = width.unwrap_or(0);
    let mut area = "";
    for finding in findings {
        if finding.area != area {
            area = finding.area;
            println!("{area}");
        }
        println!("{}", finding.to_text(width, colours));
    }
    let (problems, advice) = (
        count(findings, State::Problem),
        count(findings, State::Advice),
    );
    println!("{problems} problems, {advice} pieces of advice. Nothing was changed.");
}

fn to_json(findings: &[Finding]) -> serde_json::Value {
    json!({
        "problems": count(findings, State::Problem),
        "advice": count(findings, State::Advice),
        "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
    })
}

/// The directory itself, or the nearest one above it that is there: where it would be made.
fn nearest(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find(|above| above.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
}

//! The rig's command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rig::broker::Recipe;
use rig::campaign::{Campaign, Failure, Ground, fresh};
use rig::flush_ledger;
use rig::power::{self, Cut, PowerRig};
use rig::restart::{Shape, run_restart};

/// Sparse: only what is written takes place.
const IMAGE_BYTES: u64 = 4 << 30;

/// Kills and power cuts for a broker under load, every acknowledgement checked
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// kill -9 under load, restart, check
    Kills(Trial),
    /// Cuts the power of the broker's disk under load, restarts, checks (root)
    PowerCuts(Trial),
    /// One batch in flight: as many flushes as acknowledgements (root)
    FlushLedger(Trial),
    /// kill -9 with very many partitions: how long the restart takes, and what it finds
    Restart(Restart),
    /// The power rig on trial, without a broker (root)
    SelfTest {
        /// Scratch
        folder: PathBuf,
    },
    /// The power rig's own daemon
    #[command(hide = true)]
    VolatileDisk { image: PathBuf, mount: PathBuf },
}

#[derive(Args)]
struct Trial {
    /// Scratch
    #[arg(long)]
    folder: PathBuf,
    /// How often to strike; for the ledger, how many batches
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// Printed first; the same seed gives the same strikes, as far as a real process can
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Value of THALWEG_FAULTS, for a broker built with the feature `faults`
    #[arg(long, default_value = "")]
    faults: String,
    /// The status with which the broker ends when told to; a Java program's is 143
    #[arg(long, default_value_t = 0)]
    stop_code: i32,
    /// The broker has a planted bug: succeed if it is caught, fail if not
    #[arg(long)]
    expect_caught: bool,
    /// Cores of the first start, of the second, and so on in a circle
    #[arg(long, value_delimiter = ',', default_value = "2")]
    cores: Vec<usize>,
    /// The broker, with {dir}, {address}, {port} and {cores} to be filled in
    #[arg(last = true, required = true)]
    broker: Vec<String>,
}

#[derive(Args)]
struct Restart {
    /// Scratch
    #[arg(long)]
    folder: PathBuf,
    #[arg(long, default_value_t = 140_000)]
    partitions: u32,
    /// That share the partitions
    #[arg(long, default_value_t = 14)]
    topics: u32,
    /// Batches of 1 KiB to each partition before the kill
    #[arg(long, default_value_t = 30)]
    batches: u32,
    #[arg(long, default_value_t = 2)]
    cores: usize,
    /// Seconds within which the restart must answer
    #[arg(long, default_value_t = 10.0)]
    limit: f64,
    /// The broker, with {dir}, {address}, {port} and {cores} to be filled in
    #[arg(last = true, required = true)]
    broker: Vec<String>,
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(summary) => {
            println!("rig: PASSED: {summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("rig: FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<String, String> {
        if let Self::Kills(trial) | Self::PowerCuts(trial) | Self::FlushLedger(trial) = &self {
            println!("rig: --seed {}", trial.seed);
        }
        match self {
            Self::Kills(trial) => {
                let folder = fresh(&trial.folder)?;
                let expect_caught = trial.expect_caught;
                let campaign = trial.campaign(Ground::Kills(folder.join("data")));
                verdict(campaign.run(), expect_caught)
            }
            Self::PowerCuts(trial) => {
                power::own_mounts()?;
                let rig = PowerRig::new(&fresh(&trial.folder)?, IMAGE_BYTES, daemon()?)?;
                let expect_caught = trial.expect_caught;
                let campaign = trial.campaign(Ground::PowerCuts(Box::new(rig)));
                verdict(campaign.run(), expect_caught)
            }
            Self::FlushLedger(trial) => {
                power::own_mounts()?;
                let mut rig = PowerRig::new(&fresh(&trial.folder)?, IMAGE_BYTES, daemon()?)?;
                let batches = trial.count as u64;
                let outcome = flush_ledger::run(&mut rig, &trial.recipe(), batches, trial.seed);
                verdict(outcome, trial.expect_caught)
            }
            Self::Restart(restart) => restart.run(),
            Self::SelfTest { folder } => self_test(&fresh(&folder)?),
            Self::VolatileDisk { image, mount } => {
                let served = power::serve(&image, &mount).map_err(|e| e.to_string());
                served.map(|()| std::process::exit(0))
            }
        }
    }
}

impl Trial {
    fn recipe(&self) -> Recipe {
        Recipe {
            command: self.broker.clone(),
            faults: self.faults.clone(),
            stop_code: self.stop_code,
            log: self.folder.join("broker.log"),
        }
    }

    fn campaign(self, ground: Ground) -> Campaign {
        Campaign {
            recipe: self.recipe(),
            ground,
            strikes: self.count,
            cores: self.cores,
            seed: self.seed,
        }
    }
}

impl Restart {
    fn run(self) -> Result<String, String> {
        let folder = fresh(&self.folder)?;
        let recipe = Recipe {
            command: self.broker,
            faults: String::new(),
            stop_code: 0,
            log: folder.join("broker.log"),
        };
        let shape = Shape {
            topics: self.topics,
            partitions: self.partitions,
            batches: self.batches,
            cores: self.cores,
            limit: Duration::from_secs_f64(self.limit),
        };
        let outcome = run_restart(&recipe, &folder.join("data"), shape);
        outcome.map_err(|failure| failure.to_string())
    }
}

/// With a planted bug, being caught breaking an acknowledgement is the good end; anything else,
/// such as a broker that does not start, is not.
fn verdict(outcome: Result<String, Failure>, expect_caught: bool) -> Result<String, String> {
    match (outcome, expect_caught) {
        (Ok(summary), false) => Ok(summary),
        (Ok(summary), true) => Err(format!("the planted bug was NOT caught: {summary}")),
        (Err(Failure::Broken(what)), true) => Ok(format!("the planted bug was caught: {what}")),
        (Err(failure), _) => Err(failure.to_string()),
    }
}

fn self_test(folder: &Path) -> Result<String, String> {
    power::own_mounts()?;
    let mut rig = PowerRig::new(folder, IMAGE_BYTES, daemon()?)?;
    for (flushes, cut) in [
        (true, Cut::DropAll),
        (true, Cut::KeepSome(1)),
        (true, Cut::KeepSome(2)),
        (false, Cut::DropAll),
        (false, Cut::KeepSome(3)),
    ] {
        let trial = power::trial(&mut rig, flushes, cut)?;
        println!("a writer that flushes: {flushes}, {cut:?}: {trial:?}");
        if flushes != (trial.lost == 0) {
            return Err("the rig proves nothing: see the line above".into());
        }
    }
    Ok("flushed records survive power cuts, unflushed ones are missed".into())
}

/// This program, as the daemon of a power rig.
fn daemon() -> Result<Vec<OsString>, String> {
    let program = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    Ok(vec![program.into(), "volatile-disk".into()])
}

//! The same scripts of requests against Apache Kafka and Thalweg; every field of every reply is
//! compared, and every difference is either listed with its reason (`listed`) or a failure. Our
//! errors must have words wherever the protocol has room for them (`words`).
//!
//! A new script is a function in `scripts/` and a line in its table; the versions it runs over
//! come from `thalweg::wire::versions`.

mod broker;
mod compare;
mod connection;
mod listed;
mod normal;
mod report;
mod run;
mod scripts;
mod steady;
mod tree;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use broker::Broker;

#[derive(Parser)]
struct Arguments {
    /// Thalweg's binary
    #[arg(long)]
    thalweg: PathBuf,
    /// The load generator's binary, which fetches and starts Kafka
    #[arg(long)]
    loadgen: PathBuf,
    /// A folder for both brokers' data and logs; removed at the end if all is well
    #[arg(long)]
    folder: PathBuf,
    /// Only scripts whose `Api version case` contains one of these; the list of differences is
    /// then not searched for lines that no longer occur
    #[arg(long)]
    only: Vec<String>,
    /// Prints the differences that are listed, too
    #[arg(long)]
    show_listed: bool,
    /// Prints every step and its answers, too
    #[arg(long)]
    show_answers: bool,
    /// More lines for Kafka's server.properties, as key=value
    #[arg(long = "kafka-set", value_name = "KEY=VALUE")]
    kafka_settings: Vec<String>,
    /// More flags for `thalweg serve`
    #[arg(long = "thalweg-flag", value_name = "FLAG", allow_hyphen_values = true)]
    thalweg_flags: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("differential: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let folder = &arguments.folder;
    let mut ours = Broker::thalweg(&arguments.thalweg, folder, &arguments.thalweg_flags)?;
    let mut kafka = Broker::kafka(&arguments.loadgen, folder, &arguments.kafka_settings)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|error| error.to_string())?.as_millis() as i64;

    let plan = scripts::plan(&kafka, &ours, &arguments.only)?;
    let began = Instant::now();
    let mut results = scripts::play(&plan, [&kafka, &ours], now);
    println!("played in {:.0?}", began.elapsed());
    steady::settle(&plan, [&kafka, &ours], now, &mut results);
    let report = report::Report {
        whole: arguments.only.is_empty(),
        show_listed: arguments.show_listed,
        show_answers: arguments.show_answers,
    };
    let mut well = report.print(&plan, &results);
    for broker in [&mut kafka, &mut ours] {
        if !broker.lives() {
            println!("{:?} did not survive", broker.side);
            well = false;
        }
    }
    if well {
        // What cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(well)
}

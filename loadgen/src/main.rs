//! The load generator: drives any Kafka-protocol broker and tells the truth about what it did.
//!
//! The engine is the room `load` of the library; this package adds presets, rivals, reports and
//! plots. Begin at `command`.

mod command;
mod comparison;
mod contenders;
mod entrants;
mod limits;
mod metrics;
mod pace;
mod plot;
mod plug;
mod presets;
use thalweg::load::process;
mod report;
mod results;
mod rivals;
mod running;
mod runs;
mod scale;
mod settings;
mod settle;
mod smoke;
mod values;
mod versus;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match command::Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("loadgen: {message}");
            ExitCode::FAILURE
        }
    }
}

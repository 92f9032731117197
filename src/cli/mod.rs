//! The command line: `serve`, and what talks to a broker.
//!
//! Knows: flags, output for people, exit codes, the data directory's manifest file.
//! Must not know: how a shard decides anything.
//! May use: every room. Used by: `main`.
//!
//! Exit codes: 0 done; 1 the command failed; 2 wrong usage; 64 to 78 as in sysexits.h, where one
//! fits (69 a requirement of this machine is missing, 73 the data directory can not be used, 74 the
//! disk failed, 75 try again later, 78 the configuration is wrong).
//! Begin at `arguments`, then the file of each command.

pub mod arguments;
pub mod bind;
pub mod client;
pub mod cluster;
pub mod config;
pub mod config_file;
pub mod consume;
pub mod coordinator;
pub mod data_dir;
pub mod demo;
pub mod doctor;
pub mod group;
pub mod inspect;
pub mod listen;
pub mod metrics;
pub mod produce;
pub mod requirements;
pub mod serve;
pub mod settings;
pub mod table;
pub mod time;
pub mod topic;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::runtime::end_with_closed_pipe;

use arguments::{Arguments, Command};

/// What ends a command before its work is done: a sentence for people, and an exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub code: u8,
}

impl Failure {
    /// The command failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// A requirement of this machine is missing (EX_UNAVAILABLE).
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 69,
        }
    }

    /// The configuration is wrong (EX_CONFIG).
    pub fn config(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 78,
        }
    }

    /// The data directory can not be used (EX_CANTCREAT).
    pub fn data_dir(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 73,
        }
    }
}

/// What is written there may have colours: people read it, and have not asked for none
/// (no-color.org).
fn has_colours(stream: &impl IsTerminal) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|said| !said.is_empty());
    stream.is_terminal() && !unwanted
}

/// Runs the program on its real arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A broker, and the demo that ends its broker itself, outlive who reads their words.
    if !matches!(arguments.command, Command::Serve(_) | Command::Demo(_)) {
        end_with_closed_pipe();
    }
    let result = match arguments.command {
        Command::Serve(options) => serve::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Topic(command) => topic::run(&command),
        Command::Produce(options) => produce::run(&options),
        Command::Consume(options) => consume::run(&options),
        Command::Config(command) => config::run(&command),
        Command::Group(command) => group::run(&command),
        Command::Inspect(options) => inspect::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Completions { shell } => {
            let mut stdout = std::io::stdout().lock();
            clap_complete::generate(shell, &mut Arguments::command(), "thalweg", &mut stdout);
            Ok(0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("thalweg: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

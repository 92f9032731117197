//! The command line: `serve`, and what talks to a broker.
//!
//! Knows: flags, output for people, exit codes, the data directory's manifest file.
//! Must not know: how a shard decides anything.
//! May use: every room. Used by: `main`.
//!
//! Exit codes are those of `EXIT_CODES`; README and `--help` list the same.
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
pub mod listeners;
pub mod logs;
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

use crate::runtime::{end_with_closed_pipe, keep_freed_memory};

use arguments::{Arguments, Command};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 69;
const CANT_CREATE: u8 = 73;
/// `shard` ends a broker with it.
const DISK_FAILED: u8 = 74;
const TRY_AGAIN: u8 = 75;
const CONFIG: u8 = 78;

/// Every exit code and what it says, for scripts; from 64 on those of sysexits.h.
pub const EXIT_CODES: [(u8, &str); 8] = [
    (0, "done"),
    (FAILED, "failed"),
    (USAGE, "wrong usage"),
    (UNAVAILABLE, "the machine lacks something"),
    (CANT_CREATE, "the data directory can not be used"),
    (DISK_FAILED, "the disk failed"),
    (
        TRY_AGAIN,
        "a broker can not be reached or is not ready: try again later",
    ),
    (CONFIG, "the configuration is wrong"),
];

/// The exit codes for `--help`, a line each.
fn exit_codes_help() -> String {
    let lines = EXIT_CODES.map(|(code, words)| format!("\n  {code:>2}  {words}"));
    format!("Exit codes:{}", lines.concat())
}

/// What ends a command before its work is done: a sentence for people, and an exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub code: u8,
}

impl Failure {
    /// The command failed, and would again.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: FAILED,
        }
    }

    /// What was typed can not be (what clap itself refuses ends with the same code).
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
        }
    }

    /// It may work later, unchanged (EX_TEMPFAIL): no broker answers, or it says so.
    pub fn try_again(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: TRY_AGAIN,
        }
    }

    /// A requirement of this machine is missing (EX_UNAVAILABLE).
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: UNAVAILABLE,
        }
    }

    /// The configuration is wrong (EX_CONFIG).
    pub fn config(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: CONFIG,
        }
    }

    /// The data directory can not be used (EX_CANTCREAT).
    pub fn data_dir(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: CANT_CREATE,
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
    keep_freed_memory();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_and_help_list_every_exit_code() {
        let readme = include_str!("../../README.md").split_whitespace();
        let readme = readme.collect::<Vec<_>>().join(" ");
        let help = Arguments::command().render_help().to_string();

        let codes = EXIT_CODES.map(|(code, words)| format!("{code} {words}"));

        // What follows the list in README must not be one more code.
        let list = format!("exit codes for scripts: {}. Colours", codes.join(", "));
        assert!(readme.contains(&list), "README should say: {list}");
        assert!(help.ends_with(&(exit_codes_help() + "\n")), "{help}");
    }

    #[test]
    fn every_failure_ends_with_a_code_that_is_listed_and_every_code_is_used() {
        let kinds: [fn(&'static str) -> Failure; 6] = [
            Failure::failed,
            Failure::usage,
            Failure::unavailable,
            Failure::data_dir,
            Failure::try_again,
            Failure::config,
        ];
        let mut used: Vec<u8> = kinds.iter().map(|kind| kind("").code).collect();
        used.extend([0, DISK_FAILED]);
        used.sort_unstable();

        assert_eq!(used, EXIT_CODES.map(|(code, _)| code));
    }
}

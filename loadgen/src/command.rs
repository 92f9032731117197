//! The command line.

use clap::{Parser, Subcommand};

use crate::rivals;

/// Drives any Kafka-protocol broker and tells the truth about what it did.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetches and starts Apache Kafka, to compare with
    Kafka {
        #[command(subcommand)]
        command: rivals::KafkaCommand,
    },
}

impl Arguments {
    pub fn run(self) -> Result<(), String> {
        match self.command {
            Command::Kafka { command } => command.run(),
        }
    }
}

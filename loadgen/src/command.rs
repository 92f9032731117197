//! The command line.

use clap::{Parser, Subcommand};

use crate::limits::LimitsArguments;
use crate::plug::{PlugArguments, VolatileDisk};
use crate::results::ResultsArguments;
use crate::rivals;
use crate::runs::{RunArguments, list_presets};
use crate::scale::ScaleArguments;
use crate::settings::Kind;
use crate::smoke::SmokeArguments;
use crate::versus::VersusArguments;

/// Drives any Kafka-protocol broker and tells the truth about what it did.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Produces, and reads everything back
    Produce(RunArguments),
    /// Fills a topic and reads it over and over
    Consume(RunArguments),
    /// One record at a time: sent, acknowledged, received
    E2e(RunArguments),
    /// A preset or a workload file
    Run(RunArguments),
    /// Lists the presets
    Presets,
    /// Runs every preset at its small size, each of which must hold
    Smoke(SmokeArguments),
    /// One preset against several brokers in alternation; starts those that do not run already
    Versus(Box<VersusArguments>),
    /// The same load over more and more partitions, all brokers on one chart
    Scale(Box<ScaleArguments>),
    /// Writes the tables and charts of loadgen/results anew, everything in one session
    Results(Box<ResultsArguments>),
    /// Cuts the power of brokers under load and counts the acknowledged records lost (root)
    PullThePlug(PlugArguments),
    /// The disk that forgets, of pull-the-plug
    #[command(hide = true)]
    VolatileDisk(VolatileDisk),
    /// What this machine's disk, loopback and cores can do
    Limits(LimitsArguments),
    /// Fetches and starts Apache Kafka, to compare with
    Kafka {
        #[command(subcommand)]
        command: rivals::KafkaCommand,
    },
}

impl Arguments {
    pub fn run(self) -> Result<(), String> {
        match self.command {
            Command::Produce(run) => run.run(Some(Kind::Produce)),
            Command::Consume(run) => run.run(Some(Kind::Consume)),
            Command::E2e(run) => run.run(Some(Kind::EndToEnd)),
            Command::Run(run) => run.run(None),
            Command::Presets => {
                list_presets();
                Ok(())
            }
            Command::Smoke(smoke) => smoke.run(),
            Command::Versus(versus) => versus.run(),
            Command::Scale(scale) => scale.run(),
            Command::Results(results) => results.run(),
            Command::PullThePlug(plug) => plug.run(),
            Command::VolatileDisk(disk) => disk.serve(),
            Command::Limits(limits) => limits.run(),
            Command::Kafka { command } => command.run(),
        }
    }
}

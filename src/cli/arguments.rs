//! Flags, as people type them.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::config::Config;
use super::doctor::Doctor;
use super::exit_codes_help;
use super::group::Group;
use super::inspect::Inspect;
use super::time::parse_time;

/// A distributed commit log that speaks the Kafka protocol.
#[derive(Debug, Parser)]
#[command(name = "thalweg", version, about, propagate_version = true)]
#[command(after_help = format!("Example:\n  thalweg demo\n\n{}", exit_codes_help()))]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a broker.
    #[command(
        after_help = "Examples:\n  thalweg serve --data-dir ./thalweg-data --cores 2\n  \
        thalweg serve --config server.properties --override log.retention.hours=24"
    )]
    Serve(Serve),
    /// Create, list, describe, alter and delete topics, on any Kafka broker.
    #[command(
        subcommand,
        after_help = "Example:\n  thalweg topic create orders --partitions 6"
    )]
    Topic(Topic),
    /// Send lines of standard input to a topic, one record each.
    #[command(
        after_help = "Example:\n  printf 'a:1\\nb:2\\n' | thalweg produce orders \\\n      \
        --key-separator :"
    )]
    Produce(Produce),
    /// Print the records of a topic.
    #[command(after_help = "Example:\n  thalweg consume orders --from-beginning --max-messages 10")]
    Consume(Consume),
    /// Start a broker on a scratch directory, try it, and measure it.
    #[command(after_help = "Example:\n  thalweg demo --stay")]
    Demo(Demo),
    /// Compare this machine, a data directory and its addresses with what a broker needs.
    #[command(
        after_help = "Example:\n  thalweg doctor --data-dir ./thalweg-data --listen localhost:9092"
    )]
    Doctor(Doctor),
    /// Show and change configs of topics and brokers, on any Kafka broker.
    #[command(
        subcommand,
        after_help = "Example:\n  thalweg config set --topic orders retention.ms=3600000"
    )]
    Config(Config),
    /// List, describe, move and delete consumer groups, on any Kafka broker.
    #[command(subcommand, after_help = "Example:\n  thalweg group describe billing")]
    Group(Group),
    /// Show what a stopped data directory holds, and what of it can not be read.
    #[command(after_help = "Example:\n  thalweg inspect ./thalweg-data --verify")]
    Inspect(Inspect),
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  thalweg completions bash > \\\n      \
        ~/.local/share/bash-completion/completions/thalweg")]
    Completions { shell: clap_complete::Shell },
}

/// Flags of `serve`.
#[derive(Args, Clone, Debug)]
pub struct Serve {
    /// A configuration file: .toml with our names, or Kafka's .properties. Flags override it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any key of the configuration file, such as log.retention.hours=24; may be given several
    /// times.
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub overrides: Vec<(String, String)>,
    /// Where everything is kept; made if it is not there [default: ./thalweg-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Where clients connect. An IPv6 address stands in brackets [default: localhost:9092]. Several
    /// listeners are NAME://HOST:PORT with commas, and best written in a file, with
    /// listener.security.protocol.map.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// The name and port that clients are told, if it is not the one they connect to. Of several
    /// listeners NAME://HOST:PORT with commas.
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// What clients take this node for: auto, core, node, or ports, which gives each shard a port
    /// of its own, from that of --listen on [default: auto].
    #[arg(long, value_name = "LAYOUT")]
    pub listener_layout: Option<String>,
    /// Cores to run on, one thread each [default: the CPUs this process may use].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub cores: Option<u16>,
    /// Shards of a new data directory [default: as many as cores]. An existing one keeps its own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: Option<u16>,
    /// Memory for what was written last, so that reads of it need no disk, over all shards
    /// (such as 512MiB) [default: 40 % of memory].
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub cache_bytes: Option<u64>,
    /// Serve metrics and health over HTTP here: /metrics, /livez, /readyz.
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics: Option<String>,
    /// Let metrics be served on an address that others can reach; nobody is asked who he is.
    #[arg(long)]
    pub metrics_allow_remote: bool,
    /// Where the file system can't do direct I/O, go through the page cache with fdatasync.
    #[arg(long)]
    pub allow_buffered: bool,
    /// For a developer's machine: --allow-buffered, and new groups wait for no further members.
    #[arg(long)]
    pub dev: bool,
    /// Partitions of a topic that is created without saying how many [default: 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub num_partitions: Option<u32>,
    /// Create topics that clients ask for and that do not exist [default: true].
    #[arg(long, value_name = "BOOL")]
    pub auto_create_topics: Option<bool>,
    /// Stop when standard input ends, and remove the data directory: for demos and tests.
    #[arg(long, hide = true)]
    pub until_input_ends: bool,
    /// How it tells what runs, before the first client can connect: for people, or one JSON object.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
    /// How logs are written to standard error.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

/// Flags of every command that talks to a broker.
#[derive(Args, Clone, Debug)]
pub struct Broker {
    /// A broker to ask first.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092")]
    pub bootstrap_server: String,
    /// For people, or for programs.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub enum Topic {
    /// Create a topic.
    #[command(after_help = "Example:\n  thalweg topic create orders --partitions 6")]
    Create {
        name: String,
        /// Partitions [default: the broker's num.partitions].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// Copies of each partition [default: the broker's].
        #[arg(long, value_name = "R", value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,
        /// A topic config, such as retention.ms=3600000; may be given several times.
        #[arg(long = "config", value_name = "KEY=VALUE", value_parser = parse_pair)]
        configs: Vec<(String, String)>,
        #[command(flatten)]
        broker: Broker,
    },
    /// List topics.
    #[command(after_help = "Example:\n  thalweg topic list --output json")]
    List {
        #[command(flatten)]
        broker: Broker,
    },
    /// Show partitions, leaders and ids of one topic, or of all.
    #[command(after_help = "Example:\n  thalweg topic describe orders")]
    Describe {
        name: Option<String>,
        #[command(flatten)]
        broker: Broker,
    },
    /// Add partitions to a topic, and change its configs.
    #[command(
        after_help = "Example:\n  thalweg topic alter orders --partitions 12 \\\n      \
        --config retention.ms=3600000"
    )]
    Alter {
        name: String,
        /// How many there are to be; partitions are never taken away.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// A config to set; may be given several times.
        #[arg(long = "config", value_name = "KEY=VALUE", value_parser = parse_pair)]
        configs: Vec<(String, String)>,
        /// A config to go back to its default; may be given several times.
        #[arg(long = "unset", value_name = "KEY")]
        unset: Vec<String>,
        #[command(flatten)]
        broker: Broker,
    },
    /// Delete a topic and everything in it.
    #[command(after_help = "Example:\n  thalweg topic delete orders")]
    Delete {
        name: String,
        #[command(flatten)]
        broker: Broker,
    },
}

/// Flags of `produce`.
#[derive(Args, Clone, Debug)]
pub struct Produce {
    pub topic: String,
    /// What stands between a record's key and its value; without it lines are values.
    #[arg(long, value_name = "S", value_parser = NonEmptyStringValueParser::new())]
    pub key_separator: Option<String>,
    /// A header of every record; may be given several times.
    #[arg(long = "header", value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub headers: Vec<(String, String)>,
    #[arg(long, value_enum, value_name = "CODEC", default_value = "none")]
    pub compression: Compression,
    /// Wait for the leader's acknowledgement (1), for all in-sync replicas' (all, or -1), or for
    /// nothing (0): then nobody tells whether the records arrived.
    #[arg(
        long,
        value_name = "A",
        default_value = "all",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = parse_acks)]
    pub acks: i16,
    /// The partition for every record [default: by key, or in turn].
    #[arg(long, value_name = "P")]
    pub partition: Option<i32>,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Flags of `consume`.
#[derive(Args, Clone, Debug)]
pub struct Consume {
    pub topic: String,
    /// Begin with the oldest record that is kept; without it, with the next that arrives.
    #[arg(long, conflicts_with = "offset")]
    pub from_beginning: bool,
    /// Begin at this offset of each partition.
    #[arg(long, value_name = "N")]
    pub offset: Option<i64>,
    /// Begin with the first record of that time or later (2026-11-22T18:30:00Z, or milliseconds
    /// since 1970).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    #[arg(conflicts_with_all = ["offset", "from_beginning"])]
    pub at: Option<i64>,
    /// Read as a member of this group: share the partitions with its other members, go on where it
    /// stopped, and commit what was printed.
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["offset", "at", "partition"])]
    pub group: Option<String>,
    /// Only this partition.
    #[arg(long, value_name = "P")]
    pub partition: Option<i32>,
    /// Stop after this many records.
    #[arg(long, value_name = "N")]
    pub max_messages: Option<u64>,
    /// Stop at the place where the topic ended when the command began.
    #[arg(long)]
    pub until_end: bool,
    /// How records are printed; `--output json` asks for json too.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Values, one a line.
    Text,
    /// One object a line, with partition, offset, timestamp, key and headers.
    Json,
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// Keep the broker running at the end, until Ctrl-C.
    #[arg(long)]
    pub stay: bool,
    /// Two seconds of load instead of fifteen.
    #[arg(long)]
    pub quick: bool,
    /// For people, or for programs: one JSON value a line, the report last.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

fn parse_acks(text: &str) -> Result<i16, String> {
    match text {
        "all" | "-1" => Ok(-1),
        "1" => Ok(1),
        "0" => Ok(0),
        _ => Err(format!("'{text}' is none of all, 1 and 0")),
    }
}

pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not of the form KEY=VALUE")),
    }
}

/// A count of bytes with an optional unit: `4096`, `64KiB`, `512MiB`, `2GiB`.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" | "k" => 10,
        "MiB" | "M" | "m" => 20,
        "GiB" | "G" | "g" => 30,
        other => return Err(format!("unknown unit '{other}'; use KiB, MiB or GiB")),
    };
    let count: u64 = digits
        .parse()
        .map_err(|_| format!("'{text}' does not begin with a number"))?;
    count
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("'{text}' is too large"))
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;

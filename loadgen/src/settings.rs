//! What a run may be told: by a flag, by a workload file, by a preset. The first that says it
//! decides.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use thalweg::base::ByteCount;
use thalweg::load::{Length, Plan, Workload};

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Produce,
    Consume,
    Both,
    EndToEnd,
}

/// Everything about a run that can be left open. As a workload file these are TOML keys.
#[derive(clap::Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// What to do
    #[arg(long, value_enum)]
    pub workload: Option<Kind>,
    /// Partitions of the topic
    #[arg(long)]
    pub partitions: Option<u32>,
    /// Bytes of a record's value, at least 20
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub record_bytes: Option<u64>,
    /// Bytes of a batch as it travels, filled with as many records as fit; k and m are binary
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub batch_bytes: Option<u64>,
    /// Batches in one request, each for another partition
    #[arg(long)]
    pub request_batches: Option<u32>,
    /// Producing connections
    #[arg(long)]
    pub producers: Option<u32>,
    /// Consuming connections
    #[arg(long)]
    pub consumers: Option<u32>,
    /// Requests in flight on each connection
    #[arg(long)]
    pub in_flight: Option<u32>,
    /// -1, 0 or 1
    #[arg(long, allow_hyphen_values = true)]
    pub acks: Option<i16>,
    /// Producers ask for an id and number their batches, as Java's does by default
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub idempotent: Option<bool>,
    /// Records per second, all producers together: an open loop
    #[arg(long)]
    pub rate: Option<u64>,
    /// Seconds before measuring
    #[arg(long)]
    pub warm_up: Option<f64>,
    /// Seconds of measuring
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Records to measure, instead of seconds
    #[arg(long)]
    pub records: Option<u64>,
    /// What a topic is filled with before it is consumed
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub fill: Option<u64>,
    /// Most bytes of one fetch reply
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub fetch_bytes: Option<u64>,
    /// Most bytes of one partition in a fetch reply
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub fetch_partition_bytes: Option<u64>,
    /// For the noise in records
    #[arg(long)]
    pub seed: Option<u64>,
}

impl Settings {
    /// What this says, and where it says nothing what `other` says.
    pub fn or(self, other: Self) -> Self {
        Self {
            workload: self.workload.or(other.workload),
            partitions: self.partitions.or(other.partitions),
            record_bytes: self.record_bytes.or(other.record_bytes),
            batch_bytes: self.batch_bytes.or(other.batch_bytes),
            request_batches: self.request_batches.or(other.request_batches),
            producers: self.producers.or(other.producers),
            consumers: self.consumers.or(other.consumers),
            in_flight: self.in_flight.or(other.in_flight),
            acks: self.acks.or(other.acks),
            idempotent: self.idempotent.or(other.idempotent),
            rate: self.rate.or(other.rate),
            warm_up: self.warm_up.or(other.warm_up),
            // A flag for records beats a preset's seconds, and the other way round.
            seconds: self.seconds.or(if self.records.is_some() {
                None
            } else {
                other.seconds
            }),
            records: self.records.or(if self.seconds.is_some() {
                None
            } else {
                other.records
            }),
            fill: self.fill.or(other.fill),
            fetch_bytes: self.fetch_bytes.or(other.fetch_bytes),
            fetch_partition_bytes: self.fetch_partition_bytes.or(other.fetch_partition_bytes),
            seed: self.seed.or(other.seed),
        }
    }

    pub fn from_file(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))
    }

    /// The plan against one broker; what nobody said is the engine's default.
    pub fn plan(&self, address: SocketAddr, topic: &str) -> Plan {
        let base = Plan::new(address, topic);
        let bytes = |value: Option<u64>, base: ByteCount| value.map_or(base, ByteCount);
        let partitions = self.partitions.unwrap_or(base.partitions);
        let workload = match self.workload {
            None | Some(Kind::Produce) => Workload::Produce,
            Some(Kind::Consume) => Workload::Consume,
            Some(Kind::Both) => Workload::Both,
            Some(Kind::EndToEnd) => Workload::EndToEnd,
        };
        let reads = matches!(workload, Workload::Consume | Workload::Both);
        let seconds = Duration::from_secs_f64(self.seconds.unwrap_or(10.0));
        Plan {
            partitions,
            workload,
            record_bytes: bytes(self.record_bytes, base.record_bytes),
            batch_bytes: bytes(self.batch_bytes, base.batch_bytes),
            request_batches: self
                .request_batches
                .unwrap_or(base.request_batches.min(partitions)),
            producers: self.producers.unwrap_or(base.producers),
            consumers: self.consumers.unwrap_or(u32::from(reads)),
            in_flight: self.in_flight.unwrap_or(base.in_flight),
            acks: self.acks.unwrap_or(base.acks),
            idempotent: self.idempotent.unwrap_or(base.idempotent),
            rate: self.rate,
            warm_up: self.warm_up.map_or(base.warm_up, Duration::from_secs_f64),
            length: self.records.map_or(Length::Time(seconds), Length::Records),
            fill: bytes(self.fill, base.fill),
            fetch_bytes: bytes(self.fetch_bytes, base.fetch_bytes),
            fetch_partition_bytes: bytes(self.fetch_partition_bytes, base.fetch_partition_bytes),
            seed: self.seed.unwrap_or(base.seed),
            ..base
        }
    }
}

/// An address by number or by name; the first that a name stands for.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|e| format!("{text}: {e}"))?;
    found.next().ok_or_else(|| format!("{text}: no such host"))
}

/// A number with an optional binary k, m or g.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let short = lower.trim_end_matches('b').trim_end_matches('i');
    let (digits, shift) = match short.char_indices().last() {
        Some((at, 'k')) => (&short[..at], 10),
        Some((at, 'm')) => (&short[..at], 20),
        Some((at, 'g')) => (&short[..at], 30),
        _ => (short, 0),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|_| format!("{text}: not an amount"))?;
    number
        .checked_shl(shift)
        .filter(|it| it >> shift == number)
        .ok_or(format!("{text}: too much"))
}

/// In a workload file an amount may be a number or a text such as "64k".
fn bytes_in_toml<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Number(u64),
        Text(String),
    }
    match Amount::deserialize(from)? {
        Amount::Number(number) => Ok(Some(number)),
        Amount::Text(text) => parse_bytes(&text)
            .map(Some)
            .map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_binary_and_refuse_nonsense() {
        assert_eq!(parse_bytes("64k"), Ok(65_536));
        assert_eq!(parse_bytes("1 MiB"), Ok(1 << 20));
        assert_eq!(parse_bytes("100"), Ok(100));
        assert!(parse_bytes("a lot").is_err());
        assert!(parse_bytes("99999999999999999g").is_err());
    }

    #[test]
    fn a_workload_file_says_what_flags_say_and_refuses_unknown_keys() {
        let said: Settings = toml::from_str("workload = \"both\"\nbatch-bytes = \"64k\"").unwrap();

        assert_eq!(
            (said.workload, said.batch_bytes),
            (Some(Kind::Both), Some(65_536))
        );
        assert!(toml::from_str::<Settings>("partition = 3").is_err());
    }

    #[test]
    fn a_flag_for_records_beats_a_presets_seconds() {
        let flag = Settings {
            records: Some(5),
            ..Settings::default()
        };
        let preset = Settings {
            seconds: Some(10.0),
            ..Settings::default()
        };

        let plan = flag.or(preset).plan(([127, 0, 0, 1], 9092).into(), "t");

        assert_eq!(plan.length, Length::Records(5));
    }

    #[test]
    fn the_workload_files_that_are_shipped_can_be_run() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
        let files = std::fs::read_dir(folder).unwrap();
        for file in files {
            let said = Settings::from_file(&file.unwrap().path()).unwrap();

            let plan = said.plan(([127, 0, 0, 1], 9092).into(), "t");

            assert!(plan.check().is_ok(), "{plan:?}");
        }
    }
}

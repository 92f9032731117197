//! What a run may be told: by a flag, by a workload file, by a preset. The first that says it
//! decides.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use thalweg::base::ByteCount;
use thalweg::load::{Keys, Length, Plan, Workload};

use crate::values::{Compression, KeyChoice, Lengths, bytes_in_toml, parse_bytes};

/// How long a probe for the full load takes at most.
const PROBE_SECONDS: f64 = 5.0;

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Produce,
    Consume,
    Both,
    EndToEnd,
}

impl Kind {
    fn workload(self) -> Workload {
        match self {
            Self::Produce => Workload::Produce,
            Self::Consume => Workload::Consume,
            Self::Both => Workload::Both,
            Self::EndToEnd => Workload::EndToEnd,
        }
    }
}

/// Everything about a run that can be left open. As a workload file these are TOML keys.
#[derive(clap::Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// What to do
    #[arg(long, value_enum)]
    pub workload: Option<Kind>,
    /// Topics to make
    #[arg(long)]
    pub topics: Option<u32>,
    /// Partitions of each topic
    #[arg(long)]
    pub partitions: Option<u32>,
    /// Topic configs, such as retention.bytes=1000000
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub configs: Option<Vec<String>>,
    /// Bytes of a record's value, at least 20: `100`, evenly `100..1k`, by weight `100:9,1k:1`
    #[arg(long)]
    pub record_bytes: Option<Lengths>,
    /// none, uniform:COUNT or zipf:COUNT; keyed records go to the partition of their key
    #[arg(long)]
    pub keys: Option<KeyChoice>,
    /// Batches are compressed ahead, and values are then words and not noise
    #[arg(long, value_enum)]
    pub compression: Option<Compression>,
    /// Bytes of a batch as it travels, filled with as many records as fit; k and m are binary
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub batch_bytes: Option<u64>,
    /// With a rate: milliseconds after which a batch is sent, full or not
    #[arg(long)]
    pub linger_ms: Option<f64>,
    /// Batches in one request, each for another partition
    #[arg(long)]
    pub request_batches: Option<u32>,
    /// Producing connections
    #[arg(long)]
    pub producers: Option<u32>,
    /// Consuming connections of each group
    #[arg(long)]
    pub consumers: Option<u32>,
    /// Consumer groups, each of which reads everything; their members join them
    #[arg(long)]
    pub groups: Option<u32>,
    /// Consumers join no group: each takes its share of the partitions unasked
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub assign: Option<bool>,
    /// How often everything is read, such as 3.5, by consumers that join no group
    #[arg(long, conflicts_with = "groups")]
    pub fan_out: Option<f64>,
    /// Seconds after which the first member of each group goes without a word, and comes back
    #[arg(long)]
    pub rejoin_every: Option<f64>,
    /// Connections that are opened before and do nothing
    #[arg(long)]
    pub idle: Option<u32>,
    /// Cores that the load generator's threads may run on; all if not given
    #[arg(long, value_delimiter = ',')]
    pub pin: Option<Vec<usize>>,
    /// Requests in flight on each connection
    #[arg(long)]
    pub in_flight: Option<u32>,
    /// -1 or 1: with 0 nobody would know what was stored
    #[arg(long, allow_hyphen_values = true)]
    pub acks: Option<i16>,
    /// Producers ask for an id and number their batches, as Java's does by default
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub idempotent: Option<bool>,
    /// Records per second, all producers together: an open loop
    #[arg(long)]
    pub rate: Option<u64>,
    /// Instead of a rate: an open loop at this part of what a closed loop reaches just before
    #[arg(long, conflicts_with = "rate")]
    pub load: Option<f64>,
    /// What groups find in the topic when they begin to read; the run ends when they caught up
    #[arg(long, value_parser = parse_bytes)]
    #[serde(deserialize_with = "bytes_in_toml")]
    pub backlog: Option<u64>,
    /// Seconds in which the producers are measured alone before groups read a backlog
    #[arg(long)]
    pub lead: Option<f64>,
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
            topics: self.topics.or(other.topics),
            partitions: self.partitions.or(other.partitions),
            configs: self.configs.or(other.configs),
            record_bytes: self.record_bytes.or(other.record_bytes),
            keys: self.keys.or(other.keys),
            compression: self.compression.or(other.compression),
            batch_bytes: self.batch_bytes.or(other.batch_bytes),
            linger_ms: self.linger_ms.or(other.linger_ms),
            request_batches: self.request_batches.or(other.request_batches),
            producers: self.producers.or(other.producers),
            consumers: self.consumers.or(other.consumers),
            groups: self.groups.or(other.groups),
            assign: self.assign.or(other.assign),
            fan_out: self.fan_out.or(other.fan_out),
            rejoin_every: self.rejoin_every.or(other.rejoin_every),
            load: self.load.or(other.load),
            backlog: self.backlog.or(other.backlog),
            lead: self.lead.or(other.lead),
            idle: self.idle.or(other.idle),
            pin: self.pin.or(other.pin),
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

    /// With the rate that a part of the full load is. `rate_of` runs a probe and says how many
    /// records per second it produced.
    pub fn at_its_load(
        mut self,
        rate_of: impl FnOnce(&Self) -> Result<f64, String>,
    ) -> Result<Self, String> {
        let Some(share) = self.load.filter(|_| self.rate.is_none()) else {
            return Ok(self);
        };
        let seconds = self.seconds.unwrap_or(PROBE_SECONDS).min(PROBE_SECONDS);
        let full = rate_of(&Self {
            load: None,
            records: None,
            seconds: Some(seconds),
            ..self.clone()
        })?;
        self.rate = Some((full * share).max(1.0) as u64);
        Ok(self)
    }

    /// How many groups, and the share that the last one reads: what is left of the last time.
    fn groups(&self, base: &Plan) -> (u32, f64) {
        let groups = f64::from(self.groups.unwrap_or(base.groups));
        let fan_out = self.fan_out.unwrap_or(groups).max(f64::MIN_POSITIVE);
        (fan_out.ceil() as u32, fan_out + 1.0 - fan_out.ceil())
    }

    /// The plan against one broker; what nobody said is the engine's default.
    pub fn plan(&self, address: SocketAddr, topic: &str) -> Plan {
        let base = Plan::new(address, topic);
        let bytes = |value: Option<u64>, base: ByteCount| value.map_or(base, ByteCount);
        let partitions = self.partitions.unwrap_or(base.partitions);
        let workload = self.workload.unwrap_or(Kind::Produce).workload();
        let reads = matches!(workload, Workload::Consume | Workload::Both);
        let seconds = Duration::from_secs_f64(self.seconds.unwrap_or(10.0));
        let topics = self.topics.unwrap_or(base.topics);
        let keys = self.keys.map_or(base.keys, |it| it.0);
        // What is keyed travels one batch to a request.
        let request_batches = match keys {
            Keys::None => base.request_batches.min(partitions.saturating_mul(topics)),
            Keys::Uniform(_) | Keys::Zipf(_) => 1,
        };
        let pair = |it: &String| {
            let (key, value) = it.split_once('=').unwrap_or((it, ""));
            (key.to_string(), value.to_string())
        };
        let record_bytes = self.record_bytes.clone();
        let (groups, last_group_share) = self.groups(&base);
        Plan {
            topics,
            partitions,
            configs: self.configs.iter().flatten().map(pair).collect(),
            workload,
            record_bytes: record_bytes.map_or(base.record_bytes, |it| it.0),
            keys,
            compression: self
                .compression
                .map_or(base.compression, Compression::codec),
            linger: self.linger_ms.map(|it| Duration::from_secs_f64(it / 1e3)),
            batch_bytes: bytes(self.batch_bytes, base.batch_bytes),
            request_batches: self.request_batches.unwrap_or(request_batches),
            producers: self.producers.unwrap_or(base.producers),
            consumers: self.consumers.unwrap_or(u32::from(reads)),
            groups,
            last_group_share,
            joins: reads && self.groups.is_some() && self.assign != Some(true),
            rejoin_every: self.rejoin_every.map(Duration::from_secs_f64),
            backlog: bytes(self.backlog, base.backlog),
            lead: self.lead.map_or(base.lead, Duration::from_secs_f64),
            idle: self.idle.unwrap_or(base.idle),
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_fan_out_is_so_many_readings_of_which_the_last_may_be_of_a_part() {
        let check = |fan_out: Option<f64>, groups: Option<u32>, expected: (u32, f64)| {
            let said = Settings {
                workload: Some(Kind::Both),
                fan_out,
                groups,
                ..Settings::default()
            };
            let plan = said.plan(([127, 0, 0, 1], 9092).into(), "t");
            assert_eq!((plan.groups, plan.last_group_share), expected);
            assert_eq!(plan.joins, groups.is_some());
        };

        check(Some(3.5), None, (4, 0.5));
        check(Some(2.0), None, (2, 1.0));
        check(None, Some(3), (3, 1.0));
        check(None, None, (1, 1.0));
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

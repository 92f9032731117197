//! What to do: the whole of a run, decided before it starts.

use std::net::SocketAddr;
use std::time::Duration;

use super::LoadError;
use super::records::{Keys, RecordSizes, SIZES_MAX};
use super::stamp::STAMP_BYTES;
use crate::base::ByteCount;
use crate::wire::batch::Codec;

/// A batch that Kafka accepts by default is at most 1 MiB and 12 bytes; brokers are asked for more.
const BATCH_BYTES_MAX: u64 = 8 << 20;

/// Keyed and compressed batches are made ahead: so much memory at most.
const MADE_AHEAD_BYTES_MAX: u64 = 1 << 30;
/// Compressed batches made ahead for each stream. More than can be in doubt at one place: their
/// numbers are told apart modulo this.
pub const PACKED_PER_STREAM: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    Produce,
    /// Fill the topic, then read it over and over.
    Consume,
    /// Produce, and read the tail as it grows.
    Both,
    /// One batch at a time: sent, acknowledged, received.
    EndToEnd,
}

/// How long the measured part lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    Time(Duration),
    /// So many records over all producers, or read over all consumers.
    Records(u64),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub address: SocketAddr,
    /// Made by the run, and deleted after it unless `keep_topic`. With several topics, the
    /// beginning of their names.
    pub topic: String,
    pub topics: u32,
    /// Of each topic.
    pub partitions: u32,
    /// Topic configs, for all of them.
    pub configs: Vec<(String, String)>,
    pub workload: Workload,
    /// A record's value. Framing adds 8 to 10 bytes.
    pub record_bytes: RecordSizes,
    pub keys: Keys,
    /// The batch as it travels, or would without compression, head included, filled with as many
    /// records as fit.
    pub batch_bytes: ByteCount,
    /// Compressed ahead; values are then words and not noise.
    pub compression: Codec,
    /// Of an open loop: a batch is sent when it has waited so long, full or not.
    pub linger: Option<Duration>,
    /// Batches in one Produce request, each for another partition.
    pub request_batches: u32,
    /// Producing connections, each of them a producer that sends to every partition in turn.
    pub producers: u32,
    /// Requests that a producer, or a consumer, has in flight.
    pub in_flight: u32,
    /// 1 or -1, as Kafka's `acks`. With 0 there is no reply: nothing is promised that the ledger
    /// could be held to, and nothing says when a request was done.
    pub acks: i16,
    /// Producers ask for an id and number their batches, as Java's does by default.
    pub idempotent: bool,
    /// Consumers of each group, which share the partitions.
    pub consumers: u32,
    /// Groups of consumers, each of which reads everything.
    pub groups: u32,
    /// The last group reads this share of the partitions only; the others all.
    pub last_group_share: f64,
    /// Whether consumers join their group and get their partitions there; otherwise they take
    /// their share of them unasked.
    pub joins: bool,
    /// Of groups that are joined: how often the first member goes away without a word, and comes
    /// back.
    pub rejoin_every: Option<Duration>,
    /// Connections that are opened before and do nothing.
    pub idle: u32,
    /// `fetch.max.bytes`.
    pub fetch_bytes: ByteCount,
    /// `max.partition.fetch.bytes`.
    pub fetch_partition_bytes: ByteCount,
    /// Records per second over all producers: an open loop. Without it as fast as it goes.
    pub rate: Option<u64>,
    pub warm_up: Duration,
    pub length: Length,
    /// For `Consume`: what the topic is filled with before.
    pub fill: ByteCount,
    /// For `Both` with groups that are joined: what lies in the topic already when the groups
    /// begin to read; the run ends when they have caught up with the producers.
    pub backlog: ByteCount,
    /// How long the producers are measured by themselves before that, after the warm-up.
    pub lead: Duration,
    pub seed: u64,
    pub keep_topic: bool,
}

impl Plan {
    /// A small produce run against `address`.
    pub fn new(address: SocketAddr, topic: &str) -> Self {
        Self {
            address,
            topic: topic.to_string(),
            topics: 1,
            partitions: 6,
            configs: Vec::new(),
            workload: Workload::Produce,
            record_bytes: RecordSizes::Fixed(ByteCount(100)),
            keys: Keys::None,
            batch_bytes: ByteCount::kib(64),
            compression: Codec::None,
            linger: None,
            request_batches: 6,
            producers: 1,
            in_flight: 5,
            acks: 1,
            idempotent: false,
            consumers: 0,
            groups: 1,
            last_group_share: 1.0,
            joins: false,
            rejoin_every: None,
            idle: 0,
            fetch_bytes: ByteCount::mib(50),
            fetch_partition_bytes: ByteCount::mib(1),
            rate: None,
            warm_up: Duration::from_secs(1),
            length: Length::Time(Duration::from_secs(10)),
            fill: ByteCount::mib(256),
            backlog: ByteCount(0),
            lead: Duration::ZERO,
            seed: 1,
            keep_topic: false,
        }
    }

    pub fn all_partitions(&self) -> u64 {
        u64::from(self.topics) * u64::from(self.partitions)
    }

    /// With those that only make the backlog, whose streams are their own.
    pub fn all_producers(&self) -> u32 {
        match self.backlog.0 {
            0 => self.producers,
            _ => self.producers * 2,
        }
    }

    /// Whether old records may be deleted while the run goes on.
    pub fn expires(&self) -> bool {
        self.configs.iter().any(|it| it.0.starts_with("retention."))
    }

    /// The name of the `index`-th topic. With several, all names are of one length.
    pub fn topic_name(&self, index: u32) -> String {
        match self.topics {
            1 => self.topic.clone(),
            _ => format!("{}-{index:05}", self.topic),
        }
    }

    /// Whether batches must be put together anew for every request.
    pub fn is_mixed(&self) -> bool {
        self.topics > 1 || self.keys != Keys::None || self.compression != Codec::None
    }

    /// Records that a batch may have: with a linger, what comes in that time.
    pub fn batch_records_max(&self) -> u32 {
        match (self.linger, self.rate) {
            (Some(linger), Some(rate)) => {
                let each = rate as f64 / f64::from(self.producers);
                (each * linger.as_secs_f64()).clamp(1.0, f64::from(u32::MAX)) as u32
            }
            (None, _) | (_, None) => u32::MAX,
        }
    }

    /// Refuses what cannot be run, before anything is touched.
    pub fn check(&self) -> Result<(), LoadError> {
        self.check_records()?;
        refuse(self.partitions == 0, "at least one partition")?;
        refuse(
            !matches!(self.topics, 1..=99_999),
            "1 to 99,999 topics: their numbers have five digits",
        )?;
        refuse(self.in_flight == 0, "at least one request in flight")?;
        refuse(
            self.request_batches == 0 || u64::from(self.request_batches) > self.all_partitions(),
            "a request carries 1 batch to one batch per partition",
        )?;
        refuse(
            self.acks == 0,
            "acks=0 is never answered: nobody would know what was stored, nor when",
        )?;
        refuse(!matches!(self.acks, -1 | 1), "acks is -1 or 1")?;
        refuse(self.rate == Some(0), "a rate of zero never ends")?;
        refuse(
            self.rate.is_some() && matches!(self.workload, Workload::Consume | Workload::EndToEnd),
            "a rate is for the workloads produce and both: a consumer reads as fast as it can, and \
             end to end each batch waits for the one before",
        )?;
        refuse(
            self.producers == 0,
            "at least one producer, also to fill a topic",
        )?;
        self.check_groups()?;
        refuse(
            u64::from(self.all_producers()) * self.all_partitions() > u64::from(u32::MAX),
            "more than 2^32 streams (producers times partitions)",
        )
    }

    fn check_groups(&self) -> Result<(), LoadError> {
        let reads = matches!(self.workload, Workload::Consume | Workload::Both);
        refuse(
            (self.consumers == 0 || self.groups == 0) && reads,
            "this workload needs a consumer",
        )?;
        refuse(
            self.backlog.0 > 0 && !(self.joins && self.workload == Workload::Both),
            "a backlog is for the workload both, and for groups that are joined",
        )?;
        refuse(
            self.rejoin_every.is_some() && !self.joins,
            "only a member of a group can join it again",
        )
    }

    fn check_records(&self) -> Result<(), LoadError> {
        refuse(
            self.record_bytes.least() < STAMP_BYTES,
            "a record needs 20 bytes for its stamp",
        )?;
        refuse(
            self.record_bytes.classes().len() > SIZES_MAX,
            "at most 16 different lengths of records",
        )?;
        refuse(
            self.batch_bytes.0 > BATCH_BYTES_MAX,
            "a batch is at most 8 MiB",
        )?;
        refuse(
            matches!(self.keys, Keys::Uniform(0) | Keys::Zipf(0)),
            "at least one key",
        )?;
        refuse(
            self.keys != Keys::None && self.request_batches > 1,
            "keyed batches travel one to a request",
        )?;
        let shapes = match self.keys {
            Keys::None => 0,
            Keys::Uniform(_) | Keys::Zipf(_) => u64::from(self.partitions),
        };
        let packed = match self.compression {
            Codec::None => 0,
            _ => u64::from(self.producers) * self.all_partitions() * PACKED_PER_STREAM,
        };
        refuse(
            (shapes + packed).saturating_mul(self.batch_bytes.0) > MADE_AHEAD_BYTES_MAX,
            "keyed batches are made ahead for every partition, compressed ones 16 for every \
             partition of every producer: that is more than 1 GiB",
        )
    }
}

fn refuse(bad: bool, why: &'static str) -> Result<(), LoadError> {
    match bad {
        true => Err(LoadError::Plan(why)),
        false => Ok(()),
    }
}

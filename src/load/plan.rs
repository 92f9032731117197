//! What to do: the whole of a run, decided before it starts.

use std::net::SocketAddr;
use std::time::Duration;

use super::LoadError;
use super::stamp::STAMP_BYTES;
use crate::base::ByteCount;

/// A batch that Kafka accepts by default is at most 1 MiB and 12 bytes; brokers are asked for more.
const BATCH_BYTES_MAX: u64 = 8 << 20;

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
    /// Made by the run, and deleted after it unless `keep_topic`.
    pub topic: String,
    pub partitions: u32,
    pub workload: Workload,
    /// A record's value. Its key is absent; framing adds 8 to 10 bytes.
    pub record_bytes: ByteCount,
    /// The batch as it travels, head included, filled with as many records as fit.
    pub batch_bytes: ByteCount,
    /// Batches in one Produce request, each for another partition.
    pub request_batches: u32,
    /// Producing connections, each of them a producer that sends to every partition in turn.
    pub producers: u32,
    /// Requests that a producer, or a consumer, has in flight.
    pub in_flight: u32,
    /// 1, -1, or 0, as Kafka's `acks`.
    pub acks: i16,
    /// Producers ask for an id and number their batches, as Java's does by default.
    pub idempotent: bool,
    /// Consuming connections, which share the partitions.
    pub consumers: u32,
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
    pub seed: u64,
    pub keep_topic: bool,
}

impl Plan {
    /// A small produce run against `address`.
    pub fn new(address: SocketAddr, topic: &str) -> Self {
        Self {
            address,
            topic: topic.to_string(),
            partitions: 6,
            workload: Workload::Produce,
            record_bytes: ByteCount(100),
            batch_bytes: ByteCount::kib(64),
            request_batches: 6,
            producers: 1,
            in_flight: 5,
            acks: 1,
            idempotent: false,
            consumers: 0,
            fetch_bytes: ByteCount::mib(50),
            fetch_partition_bytes: ByteCount::mib(1),
            rate: None,
            warm_up: Duration::from_secs(1),
            length: Length::Time(Duration::from_secs(10)),
            fill: ByteCount::mib(256),
            seed: 1,
            keep_topic: false,
        }
    }

    /// Refuses what cannot be run, before anything is touched.
    pub fn check(&self) -> Result<(), LoadError> {
        let refuse = |bad: bool, why| {
            if bad {
                Err(LoadError::Plan(why))
            } else {
                Ok(())
            }
        };
        refuse(
            self.record_bytes.0 < STAMP_BYTES as u64,
            "a record needs 20 bytes for its stamp",
        )?;
        refuse(
            self.batch_bytes.0 > BATCH_BYTES_MAX,
            "a batch is at most 8 MiB",
        )?;
        refuse(self.partitions == 0, "at least one partition")?;
        refuse(self.in_flight == 0, "at least one request in flight")?;
        refuse(
            self.request_batches == 0 || self.request_batches > self.partitions,
            "a request carries 1 batch to one batch per partition",
        )?;
        refuse(!matches!(self.acks, -1..=1), "acks is -1, 0 or 1")?;
        refuse(self.rate == Some(0), "a rate of zero never ends")?;
        refuse(
            self.producers == 0,
            "at least one producer, also to fill a topic",
        )?;
        refuse(
            self.consumers == 0 && matches!(self.workload, Workload::Consume | Workload::Both),
            "this workload needs a consumer",
        )?;
        refuse(
            u64::from(self.producers) * u64::from(self.partitions) > u64::from(u32::MAX),
            "more than 2^32 streams (producers times partitions)",
        )
    }
}

//! A broker of several shards in a simulated world, and clients that speak real frames to it.

mod admin;
mod answers;
mod broker_configs;
mod configs;
mod damage;
mod durable;
mod fetch;
mod groups;
mod hostile;
mod limits;
mod listening;
mod loggers;
mod metadata;
mod produce;
mod sessions;
mod steering;

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::protocol::Request as Message;

use crate::admin::Loggers;
use crate::base::{ByteCount, NodeId, ShardId, Span};
use crate::journal::Settings;
use crate::runtime::Watched;
use crate::runtime::sim::{DiskFaults, Notice, SocketId, World};
use crate::wire::batch::{BatchBuilder, records};
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::produce_response::PartitionProduceResponse;
use crate::wire::messages::*;
use crate::wire::{StrBytes, client};

use super::address::Addresses;
use super::{Shard, ShardConfig, ShardError};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Long enough for anything that is not stuck.
const PATIENCE: Span = Span::seconds(40);

pub struct Broker {
    pub world: World<Shard>,
    shards: u16,
    change: fn(&mut ShardConfig),
    correlation: i32,
    /// The exit code, once it has stopped.
    pub stopped: Option<u8>,
    pub closed: Vec<SocketId>,
    received: std::collections::BTreeMap<SocketId, Vec<u8>>,
}

impl Broker {
    /// Up and listening.
    pub fn start(shards: u16) -> Self {
        Self::start_on(shards, DiskFaults::NONE)
    }

    pub fn start_on(shards: u16, faults: DiskFaults) -> Self {
        Self::start_so(shards, faults, |_| {})
    }

    /// With another configuration.
    pub fn start_with(shards: u16, change: fn(&mut ShardConfig)) -> Self {
        Self::start_so(shards, DiskFaults::NONE, change)
    }

    fn start_so(shards: u16, faults: DiskFaults, change: fn(&mut ShardConfig)) -> Self {
        let mut broker = Self {
            world: World::new(7, shards, faults),
            shards,
            change,
            correlation: 0,
            stopped: None,
            closed: Vec::new(),
            received: Default::default(),
        };
        broker.boot(usize::from(shards));
        broker
    }

    /// Starts the process again, on so many cores.
    pub fn boot(&mut self, cores: usize) {
        let (shards, change) = (self.shards, self.change);
        let loggers = Arc::<Watched<Loggers>>::default();
        let made: Result<(), _> =
            self.world
                .boot(cores, None, |boot| -> Result<Shard, ShardError> {
                    let mut config = config(shards);
                    config.loggers = loggers.clone();
                    change(&mut config);
                    Shard::open(boot, config)
                });
        made.unwrap_or_else(|_| panic!("the broker does not boot"));
        self.stopped = None;
        self.pass(Span::seconds(1));
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Span) {
        let until = self.world.now() + span;
        while let Some(notice) = self.world.next(until) {
            self.note(notice);
        }
    }

    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Readable(socket) => {
                let bytes = self.world.take(socket);
                self.received.entry(socket).or_default().extend(bytes);
            }
            Notice::Closed(socket) => self.closed.push(socket),
            Notice::Timer(_) => {}
            Notice::Stopped(code) => self.stopped = Some(code),
        }
    }

    pub fn connect(&mut self) -> SocketId {
        self.world.connect().expect("the broker listens")
    }

    /// A connection to a given shard.
    pub fn connect_to(&mut self, shard: u16) -> SocketId {
        loop {
            let socket = self.connect();
            self.pass(Span::millis(1));
            let machine = self.world.machine(ShardId(shard)).expect("it is up");
            let id = crate::runtime::ConnectionId(socket.0);
            if machine.connections.get(id).is_some() {
                return socket;
            }
        }
    }

    /// Sends without waiting; returns the correlation id.
    pub fn send<R: Message>(&mut self, socket: SocketId, request: &R, version: i16) -> i32 {
        self.correlation += 1;
        let id = self.correlation;
        let frame = client::encode(request, version, id, "test").expect("it encodes");
        self.world.send(socket, frame);
        id
    }

    /// The next frame for a client, if it comes within `span`.
    pub fn frame_within(&mut self, socket: SocketId, span: Span) -> Option<Bytes> {
        let until = self.world.now() + span;
        loop {
            if let Some(frame) = self.take_frame(socket) {
                return Some(frame);
            }
            if self.closed.contains(&socket) {
                return None;
            }
            let notice = self.world.next(until)?;
            self.note(notice);
        }
    }

    fn take_frame(&mut self, socket: SocketId) -> Option<Bytes> {
        let received = self.received.get_mut(&socket)?;
        let length = i32::from_be_bytes(*received.first_chunk()?) as usize;
        if received.len() < 4 + length {
            return None;
        }
        let rest = received.split_off(4 + length);
        let frame = std::mem::replace(received, rest);
        Some(Bytes::from(frame).slice(4..))
    }

    /// The next reply, which must be to a request of type `R`.
    pub fn reply<R: Message>(&mut self, socket: SocketId, version: i16) -> (i32, R::Response) {
        let frame = self.frame_within(socket, PATIENCE).expect("a reply");
        client::decode::<R>(version, frame).expect("it decodes")
    }

    /// Sends and waits for the reply.
    pub fn ask<R: Message>(&mut self, socket: SocketId, request: &R, version: i16) -> R::Response {
        let id = self.send(socket, request, version);
        let (replied, response) = self.reply::<R>(socket, version);
        assert_eq!(replied, id, "replies out of order");
        response
    }

    pub fn create_topic(&mut self, name: &str, partitions: i32) {
        self.create_topic_with(name, partitions, &[]);
    }

    pub fn create_topic_with(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let socket = self.connect();
        let response = self.ask(socket, &creation(name, partitions, configs), 7);
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    /// Produces one value and returns what the partition answered.
    pub fn produce(
        &mut self,
        socket: SocketId,
        topic: &str,
        partition: i32,
        value: &[u8],
    ) -> PartitionProduceResponse {
        let request = produce_of(topic, partition, -1, batch_of(value));
        let response = self.ask(socket, &request, 9);
        response.responses[0].partition_responses[0].clone()
    }

    /// The values of one partition from an offset on, in one fetch that does not wait.
    pub fn values(&mut self, socket: SocketId, topic: &str, partition: i32) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        loop {
            let from = values.len() as i64;
            let request = fetch_of(&[(topic, partition, from)], 0, 0);
            let response = self.ask(socket, &request, 11);
            let part = &response.responses[0].partitions[0];
            assert_eq!(part.error_code, 0, "{part:?}");
            let more = values_in(part.records.as_ref());
            if more.is_empty() {
                return values;
            }
            values.extend(more);
        }
    }

    /// Asks a broker of one shard at rest, on a disk so slow that it can be seen: the answer does
    /// not come before everything that was written for it has ended, and comes then.
    pub fn answers_after_the_flush<R: Message>(
        &mut self,
        socket: SocketId,
        request: &R,
        version: i16,
    ) {
        self.pass(Span::seconds(1));
        let slow = DiskFaults {
            slow: 1,
            latency_max: Span::millis(100),
            ..DiskFaults::NONE
        };
        self.world.disk(ShardId(0)).set_faults(slow);
        self.send(socket, request, version);
        while !self.world.disk(ShardId(0)).is_writing() {
            assert!(self.frame_within(socket, Span(10_000)).is_none());
        }
        let mut answered = None;
        while self.world.disk(ShardId(0)).is_writing() {
            assert!(answered.is_none(), "answered while the write was under way");
            answered = self.frame_within(socket, Span::millis(1));
        }
        assert!(answered.is_some() || self.frame_within(socket, PATIENCE).is_some());
    }

    pub fn is_closed(&mut self, socket: SocketId) -> bool {
        self.pass(Span::millis(10));
        self.closed.contains(&socket)
    }
}

pub fn config(shards: u16) -> ShardConfig {
    let journal = Settings {
        segment_bytes: ByteCount::mib(8),
        chunk_bytes: ByteCount::mib(2),
        cache_bytes: ByteCount::mib(16),
        index_cache_bytes: ByteCount::mib(4),
        reserve_bytes: ByteCount::mib(8),
        parts_max: 32,
        incarnation: 1,
    };
    let addresses = Addresses::of_one("localhost", 9092);
    let shards = (0..shards).map(ShardId).collect();
    ShardConfig::new(NodeId(1), "a-cluster".into(), shards, addresses, journal)
}

pub fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

pub fn creation(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> CreateTopicsRequest {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let config = |(name, value): &(&str, &str)| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(-1)
        .with_configs(configs.iter().map(config).collect());
    CreateTopicsRequest::default().with_topics(vec![topic])
}

pub fn batch_of(value: &[u8]) -> Bytes {
    BatchBuilder::new().value(1_760_000_000_000, value).build()
}

pub fn produce_of(topic: &str, partition: i32, acks: i16, batch: Bytes) -> ProduceRequest {
    let part = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(name(topic))
        .with_partition_data(vec![part]);
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// A Fetch of (topic, partition, offset)s.
pub fn fetch_of(parts: &[(&str, i32, i64)], wait_ms: i32, min_bytes: i32) -> FetchRequest {
    let topic = |(topic, partition, offset): &(&str, i32, i64)| {
        let part = FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20);
        FetchTopic::default()
            .with_topic(name(topic))
            .with_partitions(vec![part])
    };
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(min_bytes)
        .with_max_bytes(50 << 20)
        .with_topics(parts.iter().map(topic).collect())
}

/// The values of the records of a fetched set of batches.
pub fn values_in(set: Option<&Bytes>) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    let mut rest = set.cloned().unwrap_or_default();
    while rest.len() >= 12 {
        let length = i32::from_be_bytes(*rest[8..].first_chunk().unwrap()) as usize + 12;
        let batch = rest.split_to(length);
        for record in records(&batch, 64 << 20).expect("a whole batch") {
            let record = record.expect("a whole record");
            values.push(record.value.unwrap_or_default().to_vec());
        }
    }
    values
}

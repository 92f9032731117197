//! What a shard is told before it starts.

use std::sync::Arc;

use crate::admin::{BrokerConfig, Loggers};
use crate::base::limits::{
    FETCH_BYTES_MAX, FETCH_SESSIONS_MAX, FRAME_BYTES_MAX, IDLE_WAIT, LISTENER_IDS_MAX,
    PARTITIONS_PER_TOPIC_MAX, REQUEST_MEMORY_BYTES, REQUEST_MEMORY_BYTES_MIN,
};
use crate::base::{ByteCount, NodeId, ShardId, Span, WallMs};
use crate::groups::GroupConfig;
use crate::journal::Settings;
use crate::log::PartitionsSettings;
use crate::runtime::Watched;

use super::address::Addresses;
use super::layout::Layout;

/// The configuration of one shard. The same for all shards of a process, but for `journal`.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    pub node: NodeId,
    /// Used for the very first start; afterwards the metadata has it.
    pub cluster_id: String,
    /// Every shard of the manifest, in order.
    pub shards: Vec<ShardId>,
    /// Where clients connect, and what they are told.
    pub addresses: Addresses,
    /// `listener.layout`: what clients take this node for.
    pub layout: Layout,
    /// `listener.ids.max`: more shards than this share broker ids, unless each has a port.
    pub ids_max: u16,
    pub journal: Settings,
    pub partitions: PartitionsSettings,
    pub defaults: Defaults,
    pub connections: ConnectionLimits,
    /// What the operator set, by Kafka's names: DescribeConfigs shows it, and topics that set
    /// nothing of their own follow it.
    pub broker: Arc<BrokerConfig>,
    /// What the process logs. All shards have the same one.
    pub loggers: Arc<Watched<Loggers>>,
    /// When somebody last said that the wall clock is right, if ever.
    pub clock_accepted: Option<WallMs>,
    pub groups: GroupConfig,
    /// `request.memory.bytes`: memory of this shard for frames and requests under way.
    pub request_memory: ByteCount,
}

/// Broker-wide settings that requests fall back on, under Kafka's names.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// `num.partitions`
    pub partitions: u32,
    /// `auto.create.topics.enable`
    pub auto_create_topics: bool,
    /// `delete.topic.enable`
    pub delete_topics: bool,
    /// `fetch.max.bytes`
    pub fetch_bytes_max: ByteCount,
    /// This shard's part of `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions: usize,
}

/// What connections may do, under Kafka's names.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// `socket.request.max.bytes`
    pub frame_bytes_max: ByteCount,
    /// `connections.max.idle.ms`; None: connections may be idle for ever.
    pub idle: Option<Span>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX,
            idle: Some(IDLE_WAIT),
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            partitions: 1,
            auto_create_topics: true,
            delete_topics: true,
            fetch_bytes_max: FETCH_BYTES_MAX,
            fetch_sessions: FETCH_SESSIONS_MAX,
        }
    }
}

impl ShardConfig {
    /// Kafka's defaults for one node.
    pub fn new(
        node: NodeId,
        cluster_id: String,
        shards: Vec<ShardId>,
        addresses: Addresses,
        journal: Settings,
    ) -> Self {
        Self {
            node,
            cluster_id,
            shards,
            addresses,
            layout: Layout::Auto,
            ids_max: LISTENER_IDS_MAX,
            journal,
            partitions: PartitionsSettings::default(),
            defaults: Defaults::default(),
            connections: ConnectionLimits::default(),
            broker: Arc::default(),
            loggers: Arc::default(),
            clock_accepted: None,
            groups: GroupConfig::default(),
            request_memory: REQUEST_MEMORY_BYTES,
        }
    }

    /// Takes over what the operator set.
    pub fn follow(&mut self, broker: Arc<BrokerConfig>) {
        let number = |name| {
            broker
                .number(name)
                .and_then(|count| u64::try_from(count).ok())
        };
        let partitions = number("num.partitions").unwrap_or(1);
        self.defaults = Defaults {
            partitions: partitions.min(u64::from(PARTITIONS_PER_TOPIC_MAX)) as u32,
            auto_create_topics: broker.is_on("auto.create.topics.enable"),
            delete_topics: broker.is_on("delete.topic.enable"),
            fetch_bytes_max: number("fetch.max.bytes").map_or(FETCH_BYTES_MAX, |bytes| {
                ByteCount(bytes).min(FETCH_BYTES_MAX)
            }),
            fetch_sessions: self.defaults.fetch_sessions,
        };
        let slots = number("max.incremental.fetch.session.cache.slots");
        if let Some(slots) = slots {
            let shards = self.shards.len().max(1);
            self.defaults.fetch_sessions = (slots as usize).div_ceil(shards);
        }
        self.groups = groups_as(&broker);
        self.connections = ConnectionLimits {
            frame_bytes_max: number("socket.request.max.bytes").map_or(FRAME_BYTES_MAX, |bytes| {
                ByteCount(bytes).min(FRAME_BYTES_MAX)
            }),
            // Kafka's way to say never is a number below zero, which is none here.
            idle: number("connections.max.idle.ms").map(Span::millis),
        };
        self.layout = Layout::of(&broker);
        self.ids_max = number("listener.ids.max")
            .and_then(|count| u16::try_from(count).ok())
            .unwrap_or(LISTENER_IDS_MAX);
        if let Some(time) = number("producer.id.expiration.ms") {
            self.partitions.producer_expiration = Span::millis(time);
        }
        if let Some(bytes) = number("index.cache.bytes") {
            self.journal.index_cache_bytes = ByteCount(bytes);
        }
        self.groups = groups_of(&broker, self.groups);
        self.request_memory = self.request_memory_of(&broker);
        self.broker = broker;
    }

    /// `request.memory.bytes`, or this shard's part of `queued.max.request.bytes`; never less than
    /// one request needs.
    fn request_memory_of(&self, broker: &BrokerConfig) -> ByteCount {
        let number = |name| {
            broker
                .number(name)
                .and_then(|count| u64::try_from(count).ok())
        };
        let shards = self.shards.len().max(1) as u64;
        let own = broker.given("request.memory.bytes").is_some();
        let queued = number("queued.max.request.bytes").filter(|_| !own);
        let queued = queued.map(|bytes| bytes / shards);
        let bytes = queued.or(number("request.memory.bytes"));
        ByteCount(bytes.unwrap_or(REQUEST_MEMORY_BYTES.0)).max(REQUEST_MEMORY_BYTES_MIN)
    }
}

/// The coordinator's settings; what was not set stays as in `before`.
fn groups_of(broker: &BrokerConfig, before: GroupConfig) -> GroupConfig {
    let int = |name| {
        broker
            .number(name)
            .and_then(|count| i32::try_from(count).ok())
    };
    let count = |name| {
        broker
            .number(name)
            .and_then(|count| u32::try_from(count).ok())
    };
    let minutes = broker.number("offsets.retention.minutes");
    let delay = count("group.initial.rebalance.delay.ms");
    let metadata = count("offset.metadata.max.bytes").map(|bytes| bytes as usize);
    GroupConfig {
        offsets_partitions: count("offsets.topic.num.partitions")
            .unwrap_or(before.offsets_partitions),
        initial_rebalance_delay_ms: delay.unwrap_or(before.initial_rebalance_delay_ms),
        session_timeout_ms_min: int("group.min.session.timeout.ms")
            .unwrap_or(before.session_timeout_ms_min),
        session_timeout_ms_max: int("group.max.session.timeout.ms")
            .unwrap_or(before.session_timeout_ms_max),
        members_max: count("group.max.size").unwrap_or(before.members_max),
        metadata_bytes_max: metadata.unwrap_or(before.metadata_bytes_max),
        offsets_retention_ms: minutes.map_or(before.offsets_retention_ms, |count| count * 60_000),
        ..before
    }
}

/// What the operator set for classic groups; memory is not Kafka's to set.
fn groups_as(broker: &BrokerConfig) -> GroupConfig {
    let own = GroupConfig::default();
    let number = |name, default: i64| broker.number(name).unwrap_or(default);
    let int = |name, default: i32| i32::try_from(number(name, default.into())).unwrap_or(default);
    let count = |name, default: u32| u32::try_from(number(name, default.into())).unwrap_or(default);
    let retention = number(
        "offsets.retention.minutes",
        own.offsets_retention_ms / 60_000,
    );
    let metadata = count("offset.metadata.max.bytes", own.metadata_bytes_max as u32);
    GroupConfig {
        offsets_partitions: count("offsets.topic.num.partitions", own.offsets_partitions),
        initial_rebalance_delay_ms: count(
            "group.initial.rebalance.delay.ms",
            own.initial_rebalance_delay_ms,
        ),
        session_timeout_ms_min: int("group.min.session.timeout.ms", own.session_timeout_ms_min),
        session_timeout_ms_max: int("group.max.session.timeout.ms", own.session_timeout_ms_max),
        members_max: count("group.max.size", own.members_max),
        metadata_bytes_max: metadata as usize,
        offsets_retention_ms: retention.saturating_mul(60_000),
        retention_check_ms: count(
            "offsets.retention.check.interval.ms",
            own.retention_check_ms,
        ),
        memory: own.memory,
    }
}

//! What a shard is told before it starts.

use std::sync::Arc;

use crate::admin::BrokerConfig;
use crate::base::limits::{LISTENER_IDS_MAX, REQUEST_MEMORY_BYTES};
use crate::base::{ByteCount, NodeId, ShardId, WallMs};
use crate::groups::GroupConfig;
use crate::journal::Settings;
use crate::log::PartitionsSettings;

use super::address::Listener;
use super::layout::Layout;

/// The configuration of one shard. The same for all shards of a process, but for `journal`.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    pub node: NodeId,
    /// Used for the very first start; afterwards the metadata has it.
    pub cluster_id: String,
    /// Every shard of the manifest, in order.
    pub shards: Vec<ShardId>,
    pub listener: Listener,
    /// `listener.layout`: what clients take this node for.
    pub layout: Layout,
    /// `listener.ids.max`: more shards than this share broker ids.
    pub ids_max: u16,
    pub journal: Settings,
    pub partitions: PartitionsSettings,
    pub defaults: Defaults,
    /// What the operator set, by Kafka's names: DescribeConfigs shows it, and topics that set
    /// nothing of their own follow it.
    pub broker: Arc<BrokerConfig>,
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
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            partitions: 1,
            auto_create_topics: true,
        }
    }
}

impl ShardConfig {
    /// Kafka's defaults for one node.
    pub fn new(
        node: NodeId,
        cluster_id: String,
        shards: Vec<ShardId>,
        listener: Listener,
        journal: Settings,
    ) -> Self {
        Self {
            node,
            cluster_id,
            shards,
            listener,
            layout: Layout::Auto,
            ids_max: LISTENER_IDS_MAX,
            journal,
            partitions: PartitionsSettings::default(),
            defaults: Defaults::default(),
            broker: Arc::default(),
            clock_accepted: None,
            groups: GroupConfig::default(),
            request_memory: REQUEST_MEMORY_BYTES,
        }
    }
}

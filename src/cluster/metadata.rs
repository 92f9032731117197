//! The metadata: a deterministic state machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::change::{Change, ChangeKind, TopicChange};
use super::command::BrokerScope;
use super::name::collision_key;
use super::topic::{PartitionPlace, Topic};
use crate::base::{NodeId, ShardId, WallMs};
use crate::journal::StreamId;
use crate::log::{LeaderEpoch, Overrides, TopicConfig};

/// Everything that is decided. Every shard has a copy, brought up to date by `Change`s; topics are
/// shared between the copies, so that a clone is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub(super) version: u64,
    pub(super) cluster_id: Arc<str>,
    pub(super) nodes: BTreeMap<NodeId, Arc<[ShardId]>>,
    pub(super) topics: BTreeMap<Arc<str>, Arc<Topic>>,
    names_by_id: BTreeMap<Uuid, Arc<str>>,
    /// Topics whose name has a period or an underscore, by what metrics make of it.
    collisions: BTreeMap<String, Arc<str>>,
    /// Partitions per shard.
    loads: BTreeMap<ShardId, u32>,
    partitions: u32,
    /// What was set for brokers while they ran; none of them empty.
    pub(super) broker_configs: BTreeMap<BrokerScope, Arc<Overrides>>,
    /// Rises for ever, so that no stream is used twice.
    pub(super) next_stream: u64,
    pub(super) next_producer_id: i64,
    pub(super) retention_clock: Option<WallMs>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            version: 0,
            cluster_id: "".into(),
            nodes: BTreeMap::new(),
            topics: BTreeMap::new(),
            names_by_id: BTreeMap::new(),
            collisions: BTreeMap::new(),
            loads: BTreeMap::new(),
            partitions: 0,
            broker_configs: BTreeMap::new(),
            next_stream: StreamId::FIRST_FREE,
            next_producer_id: 0,
            retention_clock: None,
        }
    }
}

impl Metadata {
    /// Takes a change over. Changes come in the order of their versions, without gaps.
    pub fn apply_change(&mut self, change: &Change) {
        let due = self.version + 1;
        assert_eq!(change.version, due, "a change is missing or repeated");
        self.version = due;
        match &change.kind {
            ChangeKind::ClusterNamed { cluster_id } => self.cluster_id = cluster_id.clone(),
            ChangeKind::NodeRegistered { node, shards } => {
                self.nodes.insert(*node, shards.clone());
            }
            ChangeKind::Topic { topic, what } => self.apply_topic(topic, *what),
            ChangeKind::BrokerConfig { scope, configs } => match configs.is_empty() {
                true => drop(self.broker_configs.remove(scope)),
                false => drop(self.broker_configs.insert(*scope, configs.clone())),
            },
            ChangeKind::ProducerIds { first, count } => {
                self.next_producer_id = first.saturating_add(i64::from(*count));
            }
            ChangeKind::RetentionClock { at } => self.retention_clock = Some(*at),
        }
    }

    fn apply_topic(&mut self, topic: &Arc<Topic>, what: TopicChange) {
        if let Some(before) = self.topics.remove(&topic.name) {
            self.count(&before, false);
        }
        self.next_stream = self.next_stream.max(topic.streams_end());
        if what == TopicChange::Deleted {
            self.names_by_id.remove(&topic.id);
            if let Some(key) = collision_key(&topic.name) {
                self.collisions.remove(&key);
            }
            return;
        }
        self.count(topic, true);
        self.topics.insert(topic.name.clone(), topic.clone());
        self.names_by_id.insert(topic.id, topic.name.clone());
        if let Some(key) = collision_key(&topic.name) {
            self.collisions.insert(key, topic.name.clone());
        }
    }

    /// Puts a topic of a snapshot back.
    pub(super) fn restore_topic(&mut self, topic: Arc<Topic>) {
        self.apply_topic(&topic, TopicChange::Created);
    }

    fn count(&mut self, topic: &Topic, added: bool) {
        let change = |number: &mut u32, count: u32| match added {
            true => *number = number.saturating_add(count),
            false => *number = number.saturating_sub(count),
        };
        change(&mut self.partitions, topic.partition_count());
        for (shard, count) in topic.runs.iter().flat_map(|run| run.counts()) {
            change(self.loads.entry(shard).or_default(), count);
        }
        // A shard without partitions is not in it: copies are equal whatever their past.
        self.loads.retain(|_, load| *load > 0);
    }

    /// Rises by one with every change; replies can be cached by it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Empty before the first start.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topic(self.names_by_id.get(&id)?)
    }

    /// The topic whose name metrics could not tell from `name`, if there is another such.
    pub fn collision(&self, name: &str) -> Option<&str> {
        let other = self.collisions.get(&collision_key(name)?)?;
        (**other != *name).then_some(other)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> + '_ {
        self.topics.values()
    }

    /// Topics from this name on, by name: where a list that was cut off goes on.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> + '_ {
        let from = (std::ops::Bound::Included(name), std::ops::Bound::Unbounded);
        self.topics.range::<str, _>(from).map(|(_, topic)| topic)
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Of all topics together.
    pub fn partition_count(&self) -> u32 {
        self.partitions
    }

    pub fn partition(&self, topic: &str, partition: u32) -> Option<PartitionPlace> {
        self.topic(topic)?.partition(partition)
    }

    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &[ShardId])> + '_ {
        self.nodes.iter().map(|(node, shards)| (*node, &**shards))
    }

    /// How many partitions a shard has.
    pub fn load(&self, shard: ShardId) -> u32 {
        self.loads.get(&shard).copied().unwrap_or(0)
    }

    /// What was set for a broker, or for all of them, while it ran.
    pub fn broker_overrides(&self, scope: BrokerScope) -> &Overrides {
        static NOTHING: Overrides = Overrides::new();
        self.broker_configs.get(&scope).map_or(&NOTHING, |set| set)
    }

    /// What was last noted of the retention clock.
    pub fn retention_clock(&self) -> Option<WallMs> {
        self.retention_clock
    }

    /// The partitions of one shard, as `log::Partitions::reconcile` takes them. `config` says what
    /// is in force for a topic: what was set for it, over what the broker has by default.
    pub fn partitions_of<'a>(
        &'a self,
        shard: ShardId,
        config: impl Fn(&Topic) -> Arc<TopicConfig> + 'a,
    ) -> impl Iterator<Item = (StreamId, LeaderEpoch, Arc<TopicConfig>)> + 'a {
        self.topics.values().flat_map(move |topic| {
            let here = topic.partitions().filter(move |place| place.shard == shard);
            let config = config(topic);
            here.map(move |place| (place.stream, place.leader_epoch, config.clone()))
        })
    }
}

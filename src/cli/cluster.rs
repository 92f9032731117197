//! A cluster as a client sees it: who leads which partition, and a connection to each leader.

use std::collections::BTreeMap;

use crate::wire::StrBytes;
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::{MetadataRequest, TopicName};

use super::Failure;
use super::client::{Client, address_of, check};

/// One topic's leaders, and connections to them, made when first used.
#[derive(Debug)]
pub struct Cluster {
    bootstrap_server: String,
    topic: String,
    pub topic_id: uuid::Uuid,
    /// Broker id to `HOST:PORT`.
    addresses: BTreeMap<i32, String>,
    /// Partition to leader's broker id.
    leaders: BTreeMap<i32, i32>,
    clients: BTreeMap<i32, Client>,
}

impl Cluster {
    /// Asks `bootstrap_server` about `topic`. `create`: make it, where the broker allows that.
    pub fn connect(bootstrap_server: &str, topic: &str, create: bool) -> Result<Self, Failure> {
        let mut cluster = Self {
            bootstrap_server: bootstrap_server.to_owned(),
            topic: topic.to_owned(),
            topic_id: uuid::Uuid::nil(),
            addresses: BTreeMap::new(),
            leaders: BTreeMap::new(),
            clients: BTreeMap::new(),
        };
        cluster.refresh(create)?;
        Ok(cluster)
    }

    /// Asks again who leads what.
    pub fn refresh(&mut self, create: bool) -> Result<(), Failure> {
        let name = TopicName(StrBytes::from_string(self.topic.clone()));
        let wanted = MetadataRequestTopic::default().with_name(Some(name));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(create);
        let (_, reply) = Client::connect(&self.bootstrap_server)?.call(&request)?;
        for broker in &reply.brokers {
            let address = address_of(broker.host.as_str(), broker.port);
            self.addresses.insert(broker.node_id.0, address);
        }
        for topic in &reply.topics {
            check(topic.error_code, None, &self.topic)?;
            self.topic_id = topic.topic_id;
            for partition in &topic.partitions {
                self.leaders
                    .insert(partition.partition_index, partition.leader_id.0);
            }
        }
        Ok(())
    }

    pub fn partitions(&self) -> Vec<i32> {
        self.leaders.keys().copied().collect()
    }

    /// Fails if the topic does not have this partition.
    pub fn check_partition(&self, partition: i32) -> Result<(), Failure> {
        if self.leaders.contains_key(&partition) {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "{} has no partition {partition}; it has {}, counted from 0",
            self.topic,
            self.leaders.len()
        )))
    }

    /// The partitions grouped by the broker that leads them.
    pub fn by_leader(&self, partitions: &[i32]) -> BTreeMap<i32, Vec<i32>> {
        let mut groups: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            let leader = self.leaders.get(partition).copied().unwrap_or(-1);
            groups.entry(leader).or_default().push(*partition);
        }
        groups
    }

    /// The connection to `broker`.
    pub fn client(&mut self, broker: i32) -> Result<&mut Client, Failure> {
        let address = self.addresses.get(&broker).ok_or_else(|| {
            Failure::try_again(format!(
                "a partition of {} has no leader now; 'thalweg topic describe {}' shows which",
                self.topic, self.topic
            ))
        })?;
        match self.clients.entry(broker) {
            std::collections::btree_map::Entry::Occupied(held) => Ok(held.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                Ok(place.insert(Client::connect_told(address)?))
            }
        }
    }
}

//! What is set for the running broker, and what follows on this shard: in force before the answer.

use crate::admin::InForce;
use crate::base::Span;

use super::config::ShardConfig;
use super::door::Bounds;
use super::machine::Shard;
use super::topic_configs::TopicConfigs;

impl Shard {
    /// The broker's values, by our copy of the metadata.
    pub(super) fn in_force(&self) -> InForce<'_> {
        let ShardConfig { broker, node, .. } = &self.config;
        InForce::of(broker, *node, self.metadata.as_ref())
    }

    /// The metadata came: what it says of brokers is in force before partitions are opened.
    pub(super) fn take_over_configs(&mut self) {
        self.topic_configs = TopicConfigs::new(self.in_force());
        self.follow_bounds();
    }

    /// The metadata's word on brokers has changed: topics that set nothing of their own follow.
    ///
    /// A walk over every topic and the partitions of those that change, as Kafka's own; a hundred
    /// thousand partitions are some milliseconds, once per change.
    pub(super) fn broker_configured(&mut self) {
        let after = TopicConfigs::new(self.in_force());
        let before = std::mem::replace(&mut self.topic_configs, after);
        self.follow_bounds();
        let Some(metadata) = &self.metadata else {
            return;
        };
        for topic in metadata.topics() {
            let config = self.topic_configs.of(topic);
            if config == before.of(topic) {
                continue;
            }
            for place in topic.partitions().filter(|place| place.shard == self.id) {
                let partitions = &mut self.owner.partitions;
                partitions.configure(place.stream, place.leader_epoch, config.clone());
            }
        }
    }

    /// Bounds that are not topics'.
    pub(super) fn follow_bounds(&mut self) {
        let broker = self.in_force();
        let bounds = Bounds::new(broker, &self.config.addresses);
        let expiration = broker.number("producer.id.expiration.ms");
        let expiration = expiration.and_then(|time| u64::try_from(time).ok());
        self.door.follow(bounds);
        self.let_in();
        if let Some(time) = expiration {
            self.owner
                .partitions
                .expire_producers_after(Span::millis(time));
        }
    }
}

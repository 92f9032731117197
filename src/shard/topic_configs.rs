//! What is in force for each topic: what was set for it, over what the broker has by default.

use std::sync::Arc;

use crate::admin::InForce;
use crate::cluster::Topic;
use crate::log::{Overrides, TopicConfig};

/// The broker's defaults for topics (`log.retention.ms` and so on), and what follows.
#[derive(Debug)]
pub struct TopicConfigs {
    defaults: Overrides,
    /// Of a topic for which nothing was set.
    plain: Arc<TopicConfig>,
}

impl TopicConfigs {
    /// From what the operator set, and what was set for the broker while it ran.
    pub fn new(broker: InForce<'_>) -> Self {
        let mut defaults = broker.topic_defaults();
        let plain = TopicConfig::from_overrides(&defaults).or_else(|error| {
            // Values are checked when they are set. What an older version allowed, or two changes
            // at once that do not fit together, does not keep this one from starting.
            tracing::error!(%error, "what was set for the running broker is not followed");
            defaults = InForce::fixed(broker.fixed).topic_defaults();
            TopicConfig::from_overrides(&defaults)
        });
        let plain = plain.unwrap_or_else(|error| {
            tracing::error!(%error, "the broker's defaults for topics are not followed");
            defaults.clear();
            TopicConfig::default()
        });
        Self {
            defaults,
            plain: Arc::new(plain),
        }
    }

    /// What is in force for `topic`.
    pub fn of(&self, topic: &Topic) -> Arc<TopicConfig> {
        if self.defaults.is_empty() {
            return topic.config.clone();
        }
        if topic.overrides.is_empty() {
            return self.plain.clone();
        }
        match self.plain.with(&topic.overrides) {
            Ok(config) => Arc::new(config),
            // What the metadata has was valid when it was set.
            Err(_) => topic.config.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{BrokerConfig, BrokerKey};

    fn topic(overrides: &[(&str, &str)]) -> Topic {
        let own = overrides.iter();
        let own = own.map(|(name, value)| (name.to_string(), value.to_string()));
        Topic::for_test(own.collect())
    }

    #[test]
    fn a_topic_follows_the_broker_but_for_what_was_set_for_it() {
        let mut broker = BrokerConfig::default();
        for (name, value) in [("log.retention.hours", "2"), ("message.max.bytes", "7")] {
            let key = BrokerKey::find(name).expect("a key");
            broker.set(key, value).expect("a value");
        }
        let dynamic = Overrides::from([("log.retention.ms".to_owned(), "9".to_owned())]);
        let fixed = InForce::fixed(&broker);

        let told = TopicConfigs::new(fixed);
        let changed = TopicConfigs::new(InForce {
            cluster: &dynamic,
            ..fixed
        });
        let own = topic(&[("retention.ms", "5"), ("max.message.bytes", "6")]);

        assert_eq!(told.of(&topic(&[])).retention_ms, Some(7_200_000));
        assert_eq!(changed.of(&topic(&[])).retention_ms, Some(9));
        assert_eq!(told.of(&own).retention_ms, Some(5));
        assert_eq!(told.of(&topic(&[])).max_message_bytes, 7);
        assert_eq!(told.of(&own).max_message_bytes, 6);
        assert_eq!(told.of(&topic(&[("flush.ms", "5")])).max_message_bytes, 7);
    }
}

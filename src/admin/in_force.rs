//! The broker's values as they are in force: what was set while it runs, for it and for all
//! brokers, over what it was started with.

use std::collections::BTreeSet;

use crate::base::NodeId;
use crate::cluster::{BrokerScope, Metadata};
use crate::log::{ConfigKey, Overrides, TOPIC_CONFIGS};

use super::broker_config::BrokerConfig;
use super::broker_key::BrokerKey;
use super::description::Source;
use super::listener_key::ListenerKey;

/// One broker's values, by where they come from.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'a> {
    /// Set for this broker by AlterConfigs or IncrementalAlterConfigs.
    pub own: &'a Overrides,
    /// Set for all brokers, likewise.
    pub cluster: &'a Overrides,
    /// Set by the file and the flags.
    pub fixed: &'a BrokerConfig,
}

/// A topic's default that a broker-wide value gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefault {
    /// The broker's configuration that gives it, such as `log.retention.hours`.
    pub broker_name: &'static str,
    /// In the topic configuration's unit.
    pub value: String,
    pub source: Source,
}

/// Topic configurations that Kafka lets several broker-wide ones give, the first that is set; and
/// what one of each is worth in milliseconds.
pub(super) const IN_SEVERAL_UNITS: [(&str, &[(&str, i64)]); 3] = [
    (
        "retention.ms",
        &[
            ("log.retention.ms", 1),
            ("log.retention.minutes", 60_000),
            ("log.retention.hours", 3_600_000),
        ],
    ),
    (
        "segment.ms",
        &[("log.roll.ms", 1), ("log.roll.hours", 3_600_000)],
    ),
    (
        "segment.jitter.ms",
        &[
            ("log.roll.jitter.ms", 1),
            ("log.roll.jitter.hours", 3_600_000),
        ],
    ),
];

static NOTHING: Overrides = Overrides::new();

impl<'a> InForce<'a> {
    /// Of a broker for which nothing was set since it was started.
    pub fn fixed(fixed: &'a BrokerConfig) -> Self {
        Self {
            own: &NOTHING,
            cluster: &NOTHING,
            fixed,
        }
    }

    /// As the metadata has it; None: there is no metadata yet.
    pub fn of(fixed: &'a BrokerConfig, node: NodeId, known: Option<&'a Metadata>) -> Self {
        let set = |scope| known.map_or(&NOTHING, |known| known.broker_overrides(scope));
        Self {
            own: set(BrokerScope::Node(node)),
            cluster: set(BrokerScope::Cluster),
            fixed,
        }
    }

    /// As it would be if this were set instead for the scope.
    pub fn with(self, scope: BrokerScope, configs: &'a Overrides) -> Self {
        match scope {
            BrokerScope::Cluster => Self {
                cluster: configs,
                ..self
            },
            BrokerScope::Node(_) => Self {
                own: configs,
                ..self
            },
        }
    }

    /// Everything that was set under this name, what is in force first.
    pub fn set(self, name: &str) -> impl Iterator<Item = (Source, &'a str)> + use<'a> {
        let layers = [
            (Source::DynamicBroker, self.own.get(name)),
            (Source::DynamicDefaultBroker, self.cluster.get(name)),
        ];
        let dynamic = layers.into_iter();
        let dynamic = dynamic.filter_map(|(source, value)| Some((source, value?.as_str())));
        let fixed = self.fixed.given(name);
        dynamic.chain(fixed.map(|value| (Source::StaticBroker, value)))
    }

    /// The value in force of a key of the table, its default included.
    pub fn value(self, key: &'static BrokerKey) -> Option<&'a str> {
        let set = self.set(key.name).next();
        set.map(|(_, value)| value).or(key.default)
    }

    /// The same, by a name of the key.
    pub fn value_of(self, name: &str) -> Option<&'a str> {
        self.value(BrokerKey::find(name)?)
    }

    /// As a number; of a Boolean 0 or 1.
    pub fn number(self, name: &str) -> Option<i64> {
        let key = BrokerKey::find(name)?;
        key.expected().check(self.value(key)?.trim())
    }

    /// The value in force of a key of one listener; None: it is set for none of its own.
    pub fn listener_number(self, listener: &str, name: &str) -> Option<i64> {
        let key = BrokerKey::find(name)?;
        let (_, value) = self.set(&ListenerKey::new(listener, key).name()).next()?;
        key.expected().check(value.trim())
    }

    /// The keys of single listeners that were set, each once, by name.
    pub fn listener_keys(self) -> impl Iterator<Item = ListenerKey<'a>> {
        let dynamic = self.own.keys().chain(self.cluster.keys());
        let names = dynamic.map(String::as_str).chain(self.fixed.names());
        let names: BTreeSet<&str> = names.collect();
        names.into_iter().filter_map(ListenerKey::read)
    }

    /// What topics have by default, where the broker was told so.
    pub fn topic_defaults(self) -> Overrides {
        let defaults = TOPIC_CONFIGS.iter().filter_map(|key| {
            let default = self.topic_default(key).next()?;
            Some((key.name.to_owned(), default.value))
        });
        defaults.collect()
    }

    /// What the broker was told that is a default of this key; what is in force first.
    pub fn topic_default(self, key: &ConfigKey) -> impl Iterator<Item = TopicDefault> + use<'a> {
        let own = [(key.broker_name, 1)];
        let several = IN_SEVERAL_UNITS.iter().find(|(name, _)| *name == key.name);
        let names: Vec<(&'static str, i64)> =
            several.map_or(own.to_vec(), |(_, names)| names.to_vec());
        let of = [
            Source::DynamicBroker,
            Source::DynamicDefaultBroker,
            Source::StaticBroker,
        ];
        of.into_iter().filter_map(move |source| {
            names.iter().find_map(|(broker_name, unit)| {
                let mut set = self.set(broker_name);
                let (_, value) = set.find(|(from, _)| *from == source)?;
                let value = match value.parse::<i64>() {
                    Ok(count) if *unit > 1 => count.saturating_mul(*unit).max(-1).to_string(),
                    Ok(_) | Err(_) => value.to_owned(),
                };
                Some(TopicDefault {
                    broker_name,
                    value,
                    source,
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[(&str, &str)]) -> BrokerConfig {
        let mut config = BrokerConfig::default();
        for (name, value) in values {
            let key = BrokerKey::find(name).expect("a key");
            config.set(key, value).expect("a value");
        }
        config
    }

    fn overrides(name: &str, value: &str) -> Overrides {
        Overrides::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn retention_takes_the_smallest_unit_that_is_set_as_kafka_does() {
        let check = |values: &[(&str, &str)], expected: Option<&str>| {
            let config = with(values);
            let defaults = InForce::fixed(&config).topic_defaults();
            let found = defaults.get("retention.ms").map(String::as_str);
            assert_eq!(found, expected, "{values:?}");
        };

        check(&[], None);
        check(&[("log.retention.hours", "2")], Some("7200000"));
        let both = [("log.retention.hours", "2"), ("log.retention.minutes", "3")];
        check(&both, Some("180000"));
        let all = [("log.retention.minutes", "3"), ("log.retention.ms", "4")];
        check(&all, Some("4"));
        check(&[("log.retention.hours", "-1")], Some("-1"));
    }

    #[test]
    fn what_is_set_for_the_broker_goes_before_all_brokers_and_both_before_the_file() {
        let fixed = with(&[("message.max.bytes", "1")]);
        let (own, cluster) = (
            overrides("message.max.bytes", "3"),
            overrides("message.max.bytes", "2"),
        );
        let values = InForce {
            own: &own,
            cluster: &cluster,
            fixed: &fixed,
        };

        let set: Vec<_> = values.set("message.max.bytes").collect();

        let expected = [
            (Source::DynamicBroker, "3"),
            (Source::DynamicDefaultBroker, "2"),
            (Source::StaticBroker, "1"),
        ];
        assert_eq!(set, expected);
        assert_eq!(values.number("message.max.bytes"), Some(3));
        assert_eq!(values.number("num.partitions"), Some(1));
        let defaults = values.topic_defaults();
        let default = defaults.get("max.message.bytes").map(String::as_str);
        assert_eq!(default, Some("3"));
    }
}

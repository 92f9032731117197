//! The values of a broker's configuration: what a file and flags set, and what follows.

use std::collections::BTreeMap;
use std::fmt;

use crate::log::config_table::Expected;
use crate::log::{ConfigKey, Overrides, TOPIC_CONFIGS};

use super::broker_key::BrokerKey;

/// What was set when the broker was started (`STATIC_BROKER_CONFIG`). Only valid values are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerConfig {
    set: BTreeMap<&'static str, String>,
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerConfigError {
    /// Not of the key's type, or out of its bounds.
    Invalid {
        key: &'static BrokerKey,
        value: String,
    },
    /// One of Kafka's values, which this broker can not do, and why.
    Impossible {
        key: &'static BrokerKey,
        value: String,
        why: &'static str,
    },
}

/// A topic's default that a broker-wide value gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefault {
    /// The broker's configuration that gives it, such as `log.retention.hours`.
    pub broker_name: &'static str,
    /// In the topic configuration's unit.
    pub value: String,
}

/// Topic configurations that Kafka lets several broker-wide ones give, the first that is set; and
/// what one of each is worth in milliseconds.
const IN_SEVERAL_UNITS: [(&str, &[(&str, i64)]); 3] = [
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

impl BrokerConfig {
    /// Sets a value; the newest counts.
    pub fn set(&mut self, key: &'static BrokerKey, value: &str) -> Result<(), BrokerConfigError> {
        let value = value.trim();
        check(key, value)?;
        self.set.insert(key.name, value.to_owned());
        Ok(())
    }

    /// What was set, if anything was.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// The value in force: what was set, or the default. None: not set, and no default.
    pub fn value(&self, key: &'static BrokerKey) -> Option<&str> {
        self.given(key.name).or(key.default)
    }

    /// The value in force of a key that is in the table, as a number; of a Boolean 0 or 1.
    pub fn number(&self, name: &str) -> Option<i64> {
        let key = BrokerKey::find(name)?;
        let expected = key.expected();
        expected.check(self.value(key)?)
    }

    /// The value in force of a Boolean key.
    pub fn is_on(&self, name: &str) -> bool {
        self.number(name) == Some(1)
    }

    /// What topics have by default, where the broker was told so; `dynamic` is what
    /// IncrementalAlterConfigs set for the broker since, by the broker's names, and goes first.
    pub fn topic_defaults(&self, dynamic: &BTreeMap<String, String>) -> Overrides {
        let defaults = TOPIC_CONFIGS.iter().filter_map(|key| {
            let default = self.topic_default(key, dynamic)?;
            Some((key.name.to_owned(), default.value))
        });
        defaults.collect()
    }

    /// As `topic_defaults`, for one key, with the name that gives it.
    pub fn topic_default(
        &self,
        key: &ConfigKey,
        dynamic: &BTreeMap<String, String>,
    ) -> Option<TopicDefault> {
        let own = [(key.broker_name, 1)];
        let several = IN_SEVERAL_UNITS.iter().find(|(name, _)| *name == key.name);
        let names = several.map_or(&own[..], |(_, names)| names);
        names.iter().find_map(|(broker_name, unit)| {
            let value = dynamic.get(*broker_name).map(String::as_str);
            let value = value.or(self.given(broker_name))?;
            let value = match value.parse::<i64>() {
                Ok(count) if *unit > 1 => count.saturating_mul(*unit).max(-1).to_string(),
                Ok(_) | Err(_) => value.to_owned(),
            };
            Some(TopicDefault { broker_name, value })
        })
    }
}

impl BrokerKey {
    pub fn expected(&self) -> Expected {
        Expected {
            kind: self.kind,
            bounds: self.bounds,
        }
    }
}

/// Whether a key may have this value: its type, its bounds, and what this broker can do.
pub fn check(key: &'static BrokerKey, value: &str) -> Result<(), BrokerConfigError> {
    let value = value.trim();
    let Some(number) = key.expected().check(value) else {
        let value = value.to_owned();
        return Err(BrokerConfigError::Invalid { key, value });
    };
    let why = match key.name {
        "compression.type" if value != "producer" => "batches are stored as they came: 'producer'",
        "authorizer.class.name" if !value.is_empty() => {
            "there is no security yet, and everybody may do everything: remove it only if that \
             is meant"
        }
        "remote.log.storage.system.enable" if number == 1 => "there is no tiered storage: 'false'",
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" if number == 0 => {
            "records are kept for some time, or for ever with -1"
        }
        _ => return Ok(()),
    };
    let value = value.to_owned();
    Err(BrokerConfigError::Impossible { key, value, why })
}

impl fmt::Display for BrokerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { key, value } => write!(
                f,
                "Invalid value {value} for configuration {}: {}",
                key.name,
                key.expected()
            ),
            Self::Impossible { key, value, why } => {
                write!(f, "{}={value} is not possible: {why}", key.name)
            }
        }
    }
}

impl std::error::Error for BrokerConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::BROKER_CONFIGS;

    fn with(values: &[(&str, &str)]) -> BrokerConfig {
        let mut config = BrokerConfig::default();
        for (name, value) in values {
            let key = BrokerKey::find(name).expect("a key");
            config.set(key, value).expect("a value");
        }
        config
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in BrokerKey::all() {
            if let Some(default) = key.default {
                assert_eq!(check(key, default), Ok(()), "{}", key.name);
            }
        }
        assert_eq!(BrokerConfig::default().number("num.partitions"), Some(1));
        assert!(BrokerConfig::default().is_on("auto.create.topics.enable"));
    }

    #[test]
    fn every_topic_default_has_a_topic_key_of_the_same_default_and_bounds() {
        for key in TOPIC_CONFIGS
            .iter()
            .filter(|key| !key.broker_name.is_empty())
        {
            let broker = BrokerKey::find(key.broker_name).expect(key.broker_name);
            let in_units = IN_SEVERAL_UNITS.iter().any(|(name, _)| *name == key.name);
            if !in_units && key.name != "flush.ms" {
                assert_eq!(broker.default, Some(key.default), "{}", key.name);
            }
            assert_eq!(broker.acts, key.acts, "{}", key.name);
            assert_eq!(broker.kind, key.kind, "{}", key.name);
        }
        assert!(BROKER_CONFIGS.len() > 40);
    }

    #[test]
    fn retention_takes_the_smallest_unit_that_is_set_as_kafka_does() {
        let none = BTreeMap::new();
        let retention = |config: &BrokerConfig, dynamic: &BTreeMap<String, String>| {
            config.topic_defaults(dynamic).get("retention.ms").cloned()
        };
        let hours = with(&[("log.retention.hours", "2")]);
        let both = with(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]);
        let all = with(&[("log.retention.minutes", "3"), ("log.retention.ms", "4")]);
        let ever = with(&[("log.retention.hours", "-1")]);
        let dynamic = BTreeMap::from([("log.retention.ms".to_owned(), "5".to_owned())]);

        assert_eq!(retention(&BrokerConfig::default(), &none), None);
        assert_eq!(retention(&hours, &none), Some("7200000".to_owned()));
        assert_eq!(retention(&both, &none), Some("180000".to_owned()));
        assert_eq!(retention(&all, &none), Some("4".to_owned()));
        assert_eq!(retention(&ever, &none), Some("-1".to_owned()));
        assert_eq!(retention(&both, &dynamic), Some("5".to_owned()));
    }

    #[test]
    fn what_this_broker_can_not_do_is_refused_with_the_reason() {
        let refusal = |name, value| {
            let key = BrokerKey::find(name).expect("a key");
            let error = check(key, value).expect_err(value);
            error.to_string()
        };

        assert!(refusal("compression.type", "zstd").contains("as they came"));
        assert!(refusal("authorizer.class.name", "a.b.C").contains("no security"));
        assert!(refusal("default.replication.factor", "3").contains("from 1 to 1"));
        assert!(refusal("num.partitions", "many").contains("it must be a Int from 1"));
        assert!(refusal("log.retention.ms", "0").contains("for ever"));
    }
}

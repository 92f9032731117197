//! The values of a broker's configuration: what a file and flags set, and what follows.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::log::config_table::Expected;

use super::broker_key::BrokerKey;
use super::listener_key::ListenerKey;

/// What was set when the broker was started (`STATIC_BROKER_CONFIG`). Only valid values are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerConfig {
    /// By Kafka's names.
    set: BTreeMap<String, String>,
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

impl BrokerConfig {
    /// Sets a value; the newest counts.
    pub fn set(&mut self, key: &'static BrokerKey, value: &str) -> Result<(), BrokerConfigError> {
        let value = value.trim();
        check(key, value)?;
        self.set.insert(key.name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Sets a value for one listener.
    pub fn set_for_listener(
        &mut self,
        of: &ListenerKey<'_>,
        value: &str,
    ) -> Result<(), BrokerConfigError> {
        let value = value.trim();
        check(of.key, value)?;
        self.set.insert(of.name(), value.to_owned());
        Ok(())
    }

    /// Kafka's names of everything that was set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().map(String::as_str)
    }

    /// What was set, if anything was.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// The value in force: what was set, or the default. None: not set, and no default.
    pub fn value(&self, key: &'static BrokerKey) -> Option<&str> {
        self.given(key.name).or(key.default)
    }

    /// The same, by a name of the key.
    pub fn value_of(&self, name: &str) -> Option<&str> {
        self.value(BrokerKey::find(name)?)
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
}

impl BrokerKey {
    pub fn expected(&self) -> Expected {
        Expected {
            kind: self.kind,
            bounds: self.bounds,
        }
    }
}

/// Kafka's `connection.failed.authentication.delay.ms`, for the sake of which it does not start
/// with a shorter idle time.
const AUTHENTICATION_DELAY_MS: i64 = 100;

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
        "max.connections.per.ip.overrides" if ip_limits(value).is_none() => {
            "it must be a list of ADDRESS:COUNT, each address once, such as 10.0.0.7:5, [::1]:9; \
             names are not looked up"
        }
        "connections.max.idle.ms" if (0..=AUTHENTICATION_DELAY_MS).contains(&number) => {
            "it must be above 100, which is how long a failed client is kept waiting, or below 0 \
             for connections that may be idle for ever"
        }
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" if number == 0 => {
            "records are kept for some time, or for ever with -1"
        }
        _ => return Ok(()),
    };
    let value = value.to_owned();
    Err(BrokerConfigError::Impossible { key, value, why })
}

/// What `max.connections.per.ip.overrides` says; None: nothing that can be read.
pub fn ip_limits(value: &str) -> Option<BTreeMap<IpAddr, u32>> {
    let items = value.split(',').map(str::trim);
    let mut limits = BTreeMap::new();
    for item in items.filter(|item| !item.is_empty()) {
        let (address, count) = item.rsplit_once(':')?;
        let address = address.trim().trim_matches(['[', ']']);
        let address: IpAddr = address.parse().ok()?;
        let count = count.trim().parse::<i32>().ok()?;
        let count = u32::try_from(count).ok()?;
        if limits.insert(address.to_canonical(), count).is_some() {
            return None;
        }
    }
    Some(limits)
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
    use super::super::in_force::IN_SEVERAL_UNITS;
    use super::*;
    use crate::admin::BROKER_CONFIGS;
    use crate::log::TOPIC_CONFIGS;

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
        assert!(refusal("max.connection.creation.rate", "0").contains("from 1"));
        let idle = "connections.max.idle.ms";
        for wrong in ["0", "1", "100"] {
            assert!(refusal(idle, wrong).contains("above 100"), "{wrong}");
        }
        let key = BrokerKey::find(idle).expect("a key");
        for right in ["-1", "-9223372036854775808", "101", "9223372036854775807"] {
            assert_eq!(check(key, right), Ok(()), "{right}");
        }
        let overrides = "max.connections.per.ip.overrides";
        for wrong in ["a.host:3", "10.0.0.1", "10.0.0.1:-1", "::1:2,[::1]:3", ":5"] {
            assert!(refusal(overrides, wrong).contains("10.0.0.7:5"), "{wrong}");
        }
    }

    #[test]
    fn limits_of_single_addresses_are_read_in_both_families() {
        let limits = ip_limits("10.0.0.7:5, [::1]:9,::ffff:10.0.0.8:0").expect("readable");

        let expected = [("::1", 9), ("10.0.0.7", 5), ("10.0.0.8", 0)];
        for (address, count) in expected {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(limits.get(&address), Some(&count), "{address}");
        }
        assert_eq!(ip_limits(""), Some(BTreeMap::new()));
    }
}

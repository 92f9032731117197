//! A topic's configuration: Kafka's names, defaults and bounds.

use std::collections::BTreeMap;
use std::fmt;

use super::config_table::{ConfigKey, is_true, items};
use crate::base::Span;
use crate::base::limits::UNFLUSHED_WAIT_MAX;
use crate::wire::batch::TimestampType;

/// What was set for a topic, by name; what is not in it has its default. Names and values are
/// valid: they passed `TopicConfig::from_overrides`.
pub type Overrides = BTreeMap<String, String>;

/// `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub delete: bool,
    /// Every record must have a key. Compaction itself is not built yet: all records stay.
    pub compact: bool,
}

/// The values in force for one topic, of the keys that this broker acts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    pub cleanup: CleanupPolicy,
    pub max_message_bytes: u32,
    /// None keeps for ever.
    pub retention_ms: Option<i64>,
    /// Per partition; None is unbounded.
    pub retention_bytes: Option<u64>,
    pub flush_messages: i64,
    /// `i64::MAX`: not set.
    pub flush_ms: i64,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
}

/// Why a configuration is refused (INVALID_CONFIG).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No topic configuration has this name.
    UnknownName { name: String },
    /// The value is not of the key's type or out of its bounds.
    InvalidValue { key: &'static str, value: String },
    /// A lower bound is above its upper bound.
    Crossed {
        low: &'static str,
        high: &'static str,
    },
    /// Items are added to or taken out of something that is no list.
    NotAList { name: String },
    /// The value is one of Kafka's, but this broker can not do it.
    NotSupported { key: &'static str, value: String },
}

impl Default for TopicConfig {
    /// What `TOPIC_CONFIGS` says; a test holds the two together.
    fn default() -> Self {
        Self {
            cleanup: CleanupPolicy {
                delete: true,
                compact: false,
            },
            max_message_bytes: 1_048_588,
            retention_ms: Some(604_800_000),
            retention_bytes: None,
            flush_messages: 1,
            flush_ms: i64::MAX,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
        }
    }
}

impl TopicConfig {
    /// Defaults, then `overrides`; names, types and bounds are checked.
    pub fn from_overrides(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::default().with(overrides)
    }

    /// This with `overrides` put over it; names, types and bounds are checked.
    pub fn with(&self, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut config = *self;
        for (name, value) in overrides {
            let key =
                ConfigKey::find(name).ok_or(ConfigError::UnknownName { name: name.clone() })?;
            config.set(key, value.trim())?;
        }
        check_lags(overrides)?;
        Ok(config)
    }

    /// How long a batch may stay unflushed with which `unflushed` records of its partition are, as
    /// it is acknowledged when written; None: it is acknowledged when flushed. As with Kafka, every
    /// `flush.messages`-th record waits for a flush. If only `flush.ms` is set, no count does.
    pub fn flush_within(&self, unflushed: u64) -> Option<Span> {
        let counted = self.flush_messages > 1;
        let reached = counted && unflushed >= self.flush_messages as u64;
        if reached || (!counted && self.flush_ms == i64::MAX) {
            return None;
        }
        let wanted = self.flush_ms.clamp(0, 1_000_000) as u64;
        Some(Span::millis(wanted).min(UNFLUSHED_WAIT_MAX))
    }

    fn set(&mut self, key: &'static ConfigKey, value: &str) -> Result<(), ConfigError> {
        let invalid = || ConfigError::InvalidValue {
            key: key.name,
            value: value.to_string(),
        };
        let number = key.expected().check(value).ok_or_else(invalid)?;
        match key.name {
            "cleanup.policy" => {
                let has = |policy| items(value).any(|item| item == policy);
                self.cleanup = CleanupPolicy {
                    delete: has("delete"),
                    compact: has("compact"),
                };
            }
            "max.message.bytes" => self.max_message_bytes = number as u32,
            "retention.ms" => self.retention_ms = (number >= 0).then_some(number),
            "retention.bytes" => self.retention_bytes = u64::try_from(number).ok(),
            "flush.messages" => self.flush_messages = number,
            "flush.ms" => self.flush_ms = number,
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                };
            }
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = number,
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = number,
            "compression.type" if value != "producer" => return Err(not_supported(key, value)),
            "remote.storage.enable" if is_true(value) => return Err(not_supported(key, value)),
            // Kafka's, without effect here (`ConfigKey::acts`).
            _ => {}
        }
        Ok(())
    }
}

/// A record would have to be compacted before it may be.
fn check_lags(overrides: &Overrides) -> Result<(), ConfigError> {
    let (low, high) = ("min.compaction.lag.ms", "max.compaction.lag.ms");
    let value = |name: &str| {
        let default = ConfigKey::find(name).map(|key| key.default);
        let value = overrides.get(name).map(String::as_str).or(default);
        value.and_then(|value| value.trim().parse::<i64>().ok())
    };
    match value(low) > value(high) {
        true => Err(ConfigError::Crossed { low, high }),
        false => Ok(()),
    }
}

fn not_supported(key: &'static ConfigKey, value: &str) -> ConfigError {
    ConfigError::NotSupported {
        key: key.name,
        value: value.to_string(),
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { name } => write!(f, "Unknown topic config name: {name}"),
            Self::InvalidValue { key, value } => {
                write!(f, "Invalid value {value} for configuration {key}")?;
                let expected = ConfigKey::find(key).map(ConfigKey::expected);
                expected.map_or(Ok(()), |expected| write!(f, ": {expected}"))
            }
            Self::Crossed { low, high } => write!(f, "{low} must not be above {high}"),
            Self::NotAList { name } => {
                write!(
                    f,
                    "{name} is not a list: items can be neither added nor taken out"
                )
            }
            Self::NotSupported { key, value } => {
                write!(f, "{key}={value} is not supported by this broker yet")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;

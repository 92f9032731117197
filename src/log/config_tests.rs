use super::*;
use crate::log::TOPIC_CONFIGS;

fn with(name: &str, value: &str) -> Result<TopicConfig, ConfigError> {
    let overrides = Overrides::from([(name.to_string(), value.to_string())]);
    TopicConfig::from_overrides(&overrides)
}

#[test]
fn every_default_of_the_table_is_valid_and_changes_nothing() {
    for key in TOPIC_CONFIGS {
        assert_eq!(
            with(key.name, key.default),
            Ok(TopicConfig::default()),
            "{key:?}"
        );
    }
}

#[test]
fn a_name_that_kafka_does_not_have_is_refused() {
    let name = "retention.hours".to_string();

    assert_eq!(with(&name, "1"), Err(ConfigError::UnknownName { name }));
}

#[test]
fn values_outside_their_bounds_or_of_another_type_are_refused() {
    for (name, value) in [
        ("retention.ms", "-2"),
        ("retention.ms", "a week"),
        ("retention.ms", "9223372036854775808"),
        ("max.message.bytes", "-1"),
        ("max.message.bytes", "2147483648"),
        ("segment.bytes", "1048575"),
        ("min.insync.replicas", "0"),
        ("cleanup.policy", ""),
        ("cleanup.policy", "delete,shred"),
        ("message.timestamp.type", "createtime"),
        ("preallocate", "yes"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("compression.type", "brotli"),
        ("compression.zstd.level", "23"),
    ] {
        let refused = matches!(with(name, value), Err(ConfigError::InvalidValue { .. }));
        assert!(refused, "{name}={value}");
    }
}

#[test]
fn what_this_broker_can_not_do_is_refused_and_not_ignored() {
    for (name, value) in [
        ("compression.type", "zstd"),
        ("remote.storage.enable", "true"),
    ] {
        let refused = matches!(with(name, value), Err(ConfigError::NotSupported { .. }));
        assert!(refused, "{name}={value}");
    }
}

#[test]
fn what_is_set_is_in_force() {
    let cleanup = CleanupPolicy {
        delete: true,
        compact: true,
    };
    assert_eq!(
        with("cleanup.policy", "compact, delete").map(|c| c.cleanup),
        Ok(cleanup)
    );
    assert_eq!(with("retention.ms", "-1").map(|c| c.retention_ms), Ok(None));
    assert_eq!(
        with("retention.bytes", "5").map(|c| c.retention_bytes),
        Ok(Some(5))
    );
    assert_eq!(with("preallocate", "TRUE"), Ok(TopicConfig::default()));
}

#[test]
fn acknowledging_before_the_flush_must_be_asked_for() {
    assert!(!TopicConfig::default().is_relaxed());
    assert_eq!(
        with("flush.messages", "1").map(|c| c.is_relaxed()),
        Ok(false)
    );
    assert_eq!(
        with("flush.messages", "2").map(|c| c.is_relaxed()),
        Ok(true)
    );
    assert_eq!(with("flush.ms", "1000").map(|c| c.is_relaxed()), Ok(true));
}

#[test]
fn a_refusal_says_what_would_be_right() {
    let refused = with("retention.ms", "-2")
        .expect_err("a refusal")
        .to_string();

    assert!(
        refused.contains("retention.ms") && refused.contains("from -1 to"),
        "{refused}"
    );
}

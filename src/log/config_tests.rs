use super::*;
use crate::base::Span;
use crate::base::limits::UNFLUSHED_WAIT_MAX;
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
        ("cleanup.policy", "delete,shred"),
        ("message.timestamp.type", "createtime"),
        ("preallocate", "yes"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("compression.type", "brotli"),
        ("compression.zstd.level", "23"),
        ("compression.gzip.level", "0"),
        ("follower.replication.throttled.replicas", "0:1,2"),
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
fn a_topic_with_no_cleanup_policy_keeps_everything_as_in_kafka() {
    let none = CleanupPolicy {
        delete: false,
        compact: false,
    };
    assert_eq!(with("cleanup.policy", "").map(|c| c.cleanup), Ok(none));
}

#[test]
fn throttled_replicas_are_all_or_a_list_of_pairs() {
    for value in ["", "*", "0:1", "0:1, 12:3"] {
        let set = with("leader.replication.throttled.replicas", value);
        assert_eq!(set, Ok(TopicConfig::default()), "{value}");
    }
}

#[test]
fn the_shortest_lag_of_compaction_is_not_above_the_longest() {
    let set = |low: &str, high: &str| {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let low = pair("min.compaction.lag.ms", low);
        let high = pair("max.compaction.lag.ms", high);
        TopicConfig::from_overrides(&Overrides::from([low, high]))
    };

    assert!(matches!(set("10", "5"), Err(ConfigError::Crossed { .. })));
    assert!(set("5", "5").is_ok());
}

#[test]
fn acknowledging_before_the_flush_must_be_asked_for() {
    let within = |name, value| with(name, value).map(|config| config.flush_within(1));

    assert_eq!(TopicConfig::default().flush_within(1), None);
    assert_eq!(within("flush.messages", "1"), Ok(None));
    assert_eq!(within("flush.messages", "2"), Ok(Some(UNFLUSHED_WAIT_MAX)));
    assert_eq!(within("flush.ms", "20"), Ok(Some(Span::millis(20))));
    assert_eq!(within("flush.ms", "90000"), Ok(Some(UNFLUSHED_WAIT_MAX)));
}

#[test]
fn every_so_many_messages_one_waits_for_a_flush() {
    let many = with("flush.messages", "100").expect("a configuration");

    assert_eq!(many.flush_within(99), Some(UNFLUSHED_WAIT_MAX));
    assert_eq!(many.flush_within(100), None);
    assert_eq!(
        with("flush.ms", "20").map(|c| c.flush_within(1 << 40)),
        Ok(Some(Span::millis(20)))
    );
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

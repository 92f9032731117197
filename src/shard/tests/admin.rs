//! Configurations and partitions: described, changed, in force at once, kept.

use super::configs::{APPEND, BROKER, DELETE, Edits, SET, TOPIC, describe_of, edit_of};
use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::alter_configs_request::{
    AlterConfigsResource, AlterableConfig as Replaced,
};
use crate::wire::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use crate::wire::messages::metadata_request::MetadataRequestTopic;

const GROUP: i8 = 32;
const SUBTRACT: i8 = 3;

fn growth_of(topic: &str, count: i32) -> CreatePartitionsRequest {
    let topic = CreatePartitionsTopic::default()
        .with_name(name(topic))
        .with_count(count)
        .with_assignments(None);
    CreatePartitionsRequest::default().with_topics(vec![topic])
}

impl Broker {
    /// The value of a topic's configuration and its source.
    fn config(&mut self, topic: &str, key: &str) -> (String, i8) {
        let described = self.described(TOPIC, topic);
        let mut configs = described.iter();
        let found = configs.find(|config| config.name.as_str() == key);
        let found = found.expect("every key is described");
        let value = found.value.as_ref().expect("a value");
        (value.to_string(), found.config_source)
    }

    fn grow(&mut self, topic: &str, count: i32) -> (i16, String) {
        let socket = self.connect();
        let response = self.ask(socket, &growth_of(topic, count), 3);
        let result = &response.results[0];
        let words = result.error_message.clone().unwrap_or_default();
        (result.error_code, words.to_string())
    }

    fn partitions_of(&mut self, topic: &str) -> usize {
        let socket = self.connect();
        let named = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![named]));
        self.ask(socket, &request, 9).topics[0].partitions.len()
    }
}

#[test]
fn describe_configs_shows_every_key_with_its_source_in_every_version() {
    let mut broker = Broker::start(2);
    broker.create_topic_with("t", 1, &[("retention.ms", "1000")]);
    let socket = broker.connect();
    for version in 1..=4 {
        let mut request = describe_of(TOPIC, "t", None);
        request.include_documentation = version >= 3;
        let response = broker.ask(socket, &request, version);

        let result = &response.results[0];
        assert_eq!(result.error_code, 0);
        assert_eq!(result.configs.len(), crate::log::TOPIC_CONFIGS.len());
        let is_set = |config: &&_| {
            let config: &describe_configs_response::DescribeConfigsResourceResult = config;
            config.config_source == 1
        };
        let set: Vec<_> = result.configs.iter().filter(is_set).collect();
        assert_eq!(set.len(), 1);
        assert_eq!(set[0].value.as_deref(), Some("1000"));
        assert_eq!(set[0].synonyms[0].name.as_str(), "retention.ms");
        let documented = set[0]
            .documentation
            .as_ref()
            .is_some_and(|doc| !doc.is_empty());
        assert_eq!(documented, version >= 3);
        assert_eq!(set[0].config_type, if version >= 3 { 5 } else { 0 });
    }
}

#[test]
fn describe_configs_of_what_is_not_there_says_what_is_wrong() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    let cases = [
        (TOPIC, "none", ErrorCode::UnknownTopicOrPartition),
        (TOPIC, "a b", ErrorCode::InvalidTopicException),
        (TOPIC, "", ErrorCode::InvalidTopicException),
        (BROKER, "7", ErrorCode::InvalidRequest),
        (BROKER, "x", ErrorCode::InvalidRequest),
        (BROKER, "-2147483648", ErrorCode::InvalidRequest),
        (BROKER, "1001", ErrorCode::None),
        (BROKER, "", ErrorCode::None),
        (GROUP, "", ErrorCode::InvalidRequest),
        (GROUP, "g", ErrorCode::None),
        (3, "t", ErrorCode::InvalidRequest),
    ];
    for (kind, resource, expected) in cases {
        let response = broker.ask(socket, &describe_of(kind, resource, None), 4);
        assert_eq!(
            response.results[0].error_code,
            expected.code(),
            "{kind} {resource}"
        );
    }
    let few = describe_of(BROKER, "1000", Some(&["num.partitions", "no.such"]));
    let response = broker.ask(socket, &few, 4);
    assert_eq!(response.results[0].configs.len(), 1);
    assert_eq!(response.results[0].configs[0].value.as_deref(), Some("1"));
}

#[test]
fn a_changed_configuration_is_in_force_on_every_shard_before_the_answer() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 3);
    let socket = broker.connect_to(2);
    let large = vec![b'x'; 5_000];
    for bytes in ["1000", "9000", "1000"] {
        let admin = broker.connect_to(1);
        let request = edit_of(TOPIC, "t", &[("max.message.bytes", SET, Some(bytes))]);
        let response = broker.ask(admin, &request, 1);
        assert_eq!(response.responses[0].error_code, 0);

        for partition in 0..3 {
            let answer = broker.produce(socket, "t", partition, &large);
            let expected = match bytes {
                "1000" => ErrorCode::MessageTooLarge.code(),
                _ => 0,
            };
            assert_eq!(answer.error_code, expected, "{bytes} {partition}");
        }
    }
}

#[test]
fn edits_add_up_and_the_old_form_replaces_everything() {
    let mut broker = Broker::start(2);
    broker.create_topic_with("t", 1, &[("segment.ms", "5000")]);

    broker.edit(TOPIC, "t", &[("cleanup.policy", APPEND, Some("compact"))]);
    broker.edit(TOPIC, "t", &[("retention.ms", SET, Some("7000"))]);
    assert_eq!(
        broker.config("t", "cleanup.policy"),
        ("delete,compact".into(), 1)
    );
    broker.edit(TOPIC, "t", &[("cleanup.policy", SUBTRACT, Some("delete"))]);
    broker.edit(TOPIC, "t", &[("segment.ms", DELETE, None)]);
    assert_eq!(broker.config("t", "cleanup.policy"), ("compact".into(), 1));
    assert_eq!(broker.config("t", "retention.ms"), ("7000".into(), 1));
    assert_eq!(broker.config("t", "segment.ms"), ("604800000".into(), 5));

    let socket = broker.connect();
    for version in 0..=2 {
        let config = Replaced::default()
            .with_name(text("segment.ms"))
            .with_value(Some(text(&format!("{}", 6_000 + i32::from(version)))));
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        let response = broker.ask(socket, &request, version);
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    }
    assert_eq!(broker.config("t", "segment.ms"), ("6002".into(), 1));
    assert_eq!(broker.config("t", "retention.ms"), ("604800000".into(), 5));
}

#[test]
fn edits_that_are_wrong_change_nothing_and_say_why() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let config = ErrorCode::InvalidConfig.code();
    let request = ErrorCode::InvalidRequest.code();
    let cases: [(Edits<'_>, i16, &str); 8] = [
        (&[("no.such", SET, Some("1"))], config, "no.such"),
        (&[("retention.ms", SET, Some("soon"))], config, "Long"),
        (&[("retention.ms", SET, None)], request, "no value"),
        (&[("retention.ms", APPEND, Some("1"))], config, "not a list"),
        (&[("retention.ms", 9, Some("1"))], request, "operation 9"),
        (
            &[("segment.ms", SET, Some("1")), ("segment.ms", DELETE, None)],
            request,
            "more than once",
        ),
        (&[("no.such", DELETE, None)], 0, ""),
        (&[], 0, ""),
    ];
    for (edits, expected, part) in cases {
        let (code, words) = broker.edit(TOPIC, "t", edits);
        assert_eq!(code, expected, "{edits:?} {words}");
        assert!(words.contains(part), "{edits:?} {words}");
    }
    let unknown = broker.edit(TOPIC, "none", &[("retention.ms", SET, Some("1"))]);
    assert_eq!(unknown.0, ErrorCode::UnknownTopicOrPartition.code());
    let described = broker.described(TOPIC, "t");
    assert!(described.iter().all(|config| config.config_source == 5));
}

#[test]
fn validate_only_changes_no_configuration_and_adds_no_partition() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();

    let mut alter = edit_of(TOPIC, "t", &[("retention.ms", SET, Some("5"))]);
    alter.validate_only = true;
    let altered = broker.ask(socket, &alter, 1);
    let mut wrong = edit_of(TOPIC, "t", &[("retention.ms", SET, Some("-5"))]);
    wrong.validate_only = true;
    let refused = broker.ask(socket, &wrong, 1);
    let grown = broker.ask(socket, &growth_of("t", 5).with_validate_only(true), 3);

    assert_eq!(altered.responses[0].error_code, 0);
    assert_eq!(
        refused.responses[0].error_code,
        ErrorCode::InvalidConfig.code()
    );
    assert_eq!(grown.results[0].error_code, 0);
    assert_eq!(broker.config("t", "retention.ms").1, 5);
    assert_eq!(broker.partitions_of("t"), 2);
}

#[test]
fn a_topic_grows_by_partitions_that_take_records_at_once() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    for version in 0..=3 {
        let count = 2 + i32::from(version);
        let response = broker.ask(socket, &growth_of("t", count), version);
        assert_eq!(response.results[0].error_code, 0, "{response:?}");

        let answer = broker.produce(socket, "t", count - 1, b"new");
        assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    }
}

#[test]
fn a_topic_does_not_shrink_and_assignments_must_fit() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 3);
    let socket = broker.connect();
    for count in [3, 2, 0, -1, i32::MIN] {
        let (code, words) = broker.grow("t", count);
        assert_eq!(code, ErrorCode::InvalidPartitions.code(), "{count}");
        assert!(words.contains("has 3 partitions"), "{words}");
    }
    assert_eq!(
        broker.grow("t", 1 << 30).0,
        ErrorCode::InvalidPartitions.code()
    );
    assert_eq!(
        broker.grow("none", 3).0,
        ErrorCode::UnknownTopicOrPartition.code()
    );
    let assigned = |lists: &[&[i32]]| {
        let one = |list: &&[i32]| {
            let ids = list.iter().map(|id| BrokerId(*id)).collect();
            CreatePartitionsAssignment::default().with_broker_ids(ids)
        };
        let mut request = growth_of("t", 5);
        request.topics[0].assignments = Some(lists.iter().map(one).collect());
        request
    };
    let cases: [(&[&[i32]], ErrorCode); 6] = [
        (&[&[1000]], ErrorCode::InvalidReplicaAssignment),
        (&[], ErrorCode::InvalidReplicaAssignment),
        (&[&[1000], &[]], ErrorCode::InvalidReplicaAssignment),
        (&[&[1000], &[7]], ErrorCode::InvalidReplicaAssignment),
        (
            &[&[1000], &[1000, 1001]],
            ErrorCode::InvalidReplicaAssignment,
        ),
        (&[&[1000], &[1001]], ErrorCode::None),
    ];
    for (lists, expected) in cases {
        let response = broker.ask(socket, &assigned(lists), 3);
        assert_eq!(response.results[0].error_code, expected.code(), "{lists:?}");
    }
    let mut twice = growth_of("t", 9);
    twice.topics.push(twice.topics[0].clone());
    let response = broker.ask(socket, &twice, 3);
    assert_eq!(response.results.len(), 1);
    assert_eq!(
        response.results[0].error_code,
        ErrorCode::InvalidRequest.code()
    );
}

#[test]
fn configurations_and_partitions_survive_a_power_cut() {
    let mut broker = Broker::start(2);
    broker.create_topic_with("t", 1, &[("segment.ms", "5000")]);
    for round in 1..=3_i32 {
        let retention = format!("{}", round * 1_000_000);
        let edited = broker.edit(TOPIC, "t", &[("retention.ms", SET, Some(&retention))]);
        assert_eq!(edited.0, 0);
        assert_eq!(broker.grow("t", 1 + round).0, 0);

        broker.world.crash(true);
        broker.boot(2);

        assert_eq!(broker.config("t", "retention.ms"), (retention, 1));
        assert_eq!(broker.config("t", "segment.ms"), ("5000".into(), 1));
        assert_eq!(broker.partitions_of("t"), 1 + round as usize);
    }
}

#[test]
fn edits_of_one_topic_that_come_at_once_through_different_shards_all_count() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 1);
    let keys = ["retention.ms", "segment.ms", "flush.ms"];
    let sockets: Vec<_> = (0..3).map(|shard| broker.connect_to(shard)).collect();

    for (socket, key) in sockets.iter().zip(keys) {
        broker.send(
            *socket,
            &edit_of(TOPIC, "t", &[(key, SET, Some("123456"))]),
            1,
        );
    }
    for socket in &sockets {
        let (_, response) = broker.reply::<IncrementalAlterConfigsRequest>(*socket, 1);
        assert_eq!(response.responses[0].error_code, 0);
    }

    for key in keys {
        assert_eq!(broker.config("t", key), ("123456".into(), 1));
    }
}

#[test]
fn what_can_be_configured_is_listed() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let listed = |broker: &mut Broker, kinds: &[i8], version: i16| {
        let request = ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
        let response = broker.ask(socket, &request, version);
        let resources = response.config_resources.iter();
        let found = resources.map(|one| (one.resource_name.to_string(), one.resource_type));
        (response.error_code, found.collect::<Vec<_>>())
    };

    let (t, own) = ("t".to_owned(), "1000".to_owned());
    let all = vec![(t.clone(), 2), (own.clone(), 4), (own, 8)];
    assert_eq!(listed(&mut broker, &[], 1), (0, all));
    assert_eq!(listed(&mut broker, &[TOPIC, TOPIC], 1), (0, vec![(t, 2)]));
    assert_eq!(listed(&mut broker, &[3], 1), (35, vec![]));
    assert_eq!(listed(&mut broker, &[], 0), (0, vec![]));
}

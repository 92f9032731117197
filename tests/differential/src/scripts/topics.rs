//! CreateTopics, DeleteTopics, CreatePartitions and the topics of Metadata.

use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::Case;
use super::help::*;
use crate::run::{Outcome, Run, Topic};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::CreateTopics, "plain", plain),
    Case::new(ApiKey::CreateTopics, "names", names),
    Case::new(ApiKey::CreateTopics, "counts", counts),
    Case::new(ApiKey::CreateTopics, "good-configs", good_configs),
    Case::new(ApiKey::CreateTopics, "bad-configs", bad_configs),
    Case::new(ApiKey::CreateTopics, "assignments", assignments),
    Case::new(ApiKey::CreateTopics, "validate-only", validate_only),
    Case::new(ApiKey::DeleteTopics, "by-name", by_name),
    Case::new(ApiKey::DeleteTopics, "by-id", by_id).since(6),
    Case::new(ApiKey::CreatePartitions, "counts", partition_counts),
    Case::new(
        ApiKey::CreatePartitions,
        "assignments",
        partition_assignments,
    ),
    Case::new(
        ApiKey::CreatePartitions,
        "validate-only",
        partitions_validate_only,
    ),
];

fn wanted(name: StrBytes, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(30_000)
}

/// -1 for a count asks for the broker's own from version 4 on.
const OWN_COUNTS: i16 = 4;

fn plain(run: &mut Run, version: i16) -> Outcome {
    let one = wanted(run.name("one"), 3, 1);
    run.ask("one", &create(vec![one.clone()]), version)?;
    run.ask("again", &create(vec![one.clone()]), version)?;
    let two = wanted(run.name("two"), 1, 1);
    run.ask("one old, one new", &create(vec![one, two.clone()]), version)?;
    run.ask("none", &create(Vec::new()), version)?;
    let three = wanted(run.name("three"), 1, 1);
    run.ask(
        "one twice",
        &create(vec![three.clone(), three, two]),
        version,
    )?;
    run.ask(
        "its own counts",
        &create(vec![wanted(run.name("own"), -1, -1)]),
        version,
    )?;
    let collides = run.name("a.b");
    run.ask("a dot", &create(vec![wanted(collides, 1, 1)]), version)?;
    let collides = run.name("a_b");
    run.ask(
        "an underscore",
        &create(vec![wanted(collides, 1, 1)]),
        version,
    )?;
    Ok(())
}

fn names(run: &mut Run, version: i16) -> Outcome {
    let long = StrBytes::from_string("n".repeat(250));
    run.ask("250 characters", &create(vec![wanted(long, 1, 1)]), version)?;
    for name in [
        "",
        ".",
        "..",
        "a b",
        "a/b",
        "é",
        "a\0b",
        "a,b",
        "__consumer_offsets\n",
    ] {
        let request = create(vec![wanted(name.into(), 1, 1)]);
        run.ask(&format!("{name:?}"), &request, version)?;
    }
    let length = 249 - run.name("").len();
    let longest = run.name(&"n".repeat(length));
    run.ask(
        "249 characters",
        &create(vec![wanted(longest, 1, 1)]),
        version,
    )?;
    Ok(())
}

fn counts(run: &mut Run, version: i16) -> Outcome {
    for (partitions, replicas) in [
        (0, 1),
        (-2, 1),
        (1, 0),
        (1, -2),
        (1, 2),
        (1, 3),
        (i32::MIN, 1),
        (-1, 1),
        (1, -1),
        (1, 99),
    ] {
        let name = run.name(&format!("p{partitions}r{replicas}"));
        let request = create(vec![wanted(name, partitions, replicas)]);
        run.ask(
            &format!("{partitions} partitions, {replicas} replicas"),
            &request,
            version,
        )?;
    }
    Ok(())
}

fn with_config(
    topic: CreatableTopic,
    key: &'static str,
    value: Option<&'static str>,
) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(key.into())
        .with_value(value.map(StrBytes::from_static_str));
    topic.with_configs(vec![config])
}

fn good_configs(run: &mut Run, version: i16) -> Outcome {
    let good = [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("retention.ms", "1000"),
        ("retention.bytes", "1000000"),
        ("max.message.bytes", "0"),
        ("min.insync.replicas", "2"),
        ("message.timestamp.type", "LogAppendTime"),
        ("segment.bytes", "1048576"),
        ("segment.ms", "1"),
        ("flush.messages", "1"),
        ("unclean.leader.election.enable", "true"),
        ("min.cleanable.dirty.ratio", "0.75"),
        ("compression.type", "producer"),
        ("delete.retention.ms", "5"),
        ("preallocate", "true"),
        ("follower.replication.throttled.replicas", "*"),
    ];
    for (at, (key, value)) in good.into_iter().enumerate() {
        let topic = wanted(run.name(&at.to_string()), 1, 1);
        let request = create(vec![with_config(topic, key, Some(value))]);
        run.ask(&format!("{key}={value}"), &request, version)?;
    }
    Ok(())
}

fn bad_configs(run: &mut Run, version: i16) -> Outcome {
    let bad = [
        ("no.such.key", Some("1")),
        ("", Some("1")),
        ("retention.ms", Some("-2")),
        ("retention.ms", Some("soon")),
        ("retention.ms", Some("")),
        ("retention.ms", Some("9223372036854775808")),
        ("retention.ms", None),
        ("cleanup.policy", Some("shred")),
        ("cleanup.policy", Some("")),
        ("max.message.bytes", Some("-1")),
        ("min.insync.replicas", Some("0")),
        ("message.timestamp.type", Some("Never")),
        ("segment.bytes", Some("13")),
        ("compression.type", Some("rar")),
        ("min.cleanable.dirty.ratio", Some("1.5")),
        ("preallocate", Some("maybe")),
        ("flush.messages", Some("0")),
        ("follower.replication.throttled.replicas", Some("x")),
        ("message.format.version", Some("3.0")),
    ];
    for (at, (key, value)) in bad.into_iter().enumerate() {
        let topic = wanted(run.name(&at.to_string()), 1, 1);
        let request = create(vec![with_config(topic, key, value)]);
        run.ask(&format!("{key}={value:?}"), &request, version)?;
    }
    let config = |value: &'static str| {
        CreatableTopicConfig::default()
            .with_name("retention.ms".into())
            .with_value(Some(value.into()))
    };
    let twice = wanted(run.name("twice"), 1, 1).with_configs(vec![config("1"), config("2")]);
    run.ask("one key twice", &create(vec![twice]), version)?;
    Ok(())
}

/// A label, partitions, replicas, and each partition's brokers.
type Assigned = (&'static str, i32, i16, &'static [(i32, &'static [i32])]);

fn assigned(parts: &[(i32, &[i32])]) -> Vec<CreatableReplicaAssignment> {
    let parts = parts.iter().map(|(partition, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*partition)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    parts.collect()
}

fn assignments(run: &mut Run, version: i16) -> Outcome {
    let cases: &[Assigned] = &[
        ("good", -1, -1, &[(0, &[1000]), (1, &[1000])]),
        ("with counts", 1, 1, &[(0, &[1000])]),
        ("unknown broker", -1, -1, &[(0, &[7])]),
        ("no broker", -1, -1, &[(0, &[])]),
        ("a broker twice", -1, -1, &[(0, &[1000, 1000])]),
        ("a gap", -1, -1, &[(0, &[1000]), (2, &[1000])]),
        ("a partition twice", -1, -1, &[(0, &[1000]), (0, &[1000])]),
        ("negative", -1, -1, &[(-1, &[1000])]),
        ("negative broker", -1, -1, &[(0, &[-1])]),
    ];
    for (label, partitions, replicas, parts) in cases {
        let topic = wanted(run.name(&label.replace(' ', "-")), *partitions, *replicas);
        let request = create(vec![topic.with_assignments(assigned(parts))]);
        run.ask(label, &request, version)?;
    }
    Ok(())
}

fn validate_only(run: &mut Run, version: i16) -> Outcome {
    let topic = wanted(run.name("one"), 3, 1);
    for label in ["once", "again"] {
        let request = create(vec![topic.clone()]).with_validate_only(true);
        run.ask(label, &request, version)?;
    }
    let bad = with_config(topic.clone(), "retention.ms", Some("soon"));
    run.ask(
        "bad config",
        &create(vec![bad]).with_validate_only(true),
        version,
    )?;
    let bad = topic.clone().with_replication_factor(3);
    run.ask(
        "too many replicas",
        &create(vec![bad]).with_validate_only(true),
        version,
    )?;
    run.ask("then in earnest", &create(vec![topic.clone()]), version)?;
    run.ask(
        "it exists",
        &create(vec![topic]).with_validate_only(true),
        version,
    )?;
    let own = wanted(run.name("own"), -1, -1);
    if version >= OWN_COUNTS {
        run.ask(
            "its own counts",
            &create(vec![own]).with_validate_only(true),
            version,
        )?;
    }
    Ok(())
}

fn delete(version: i16, names: &[TopicName]) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(30_000);
    match version {
        ..6 => request.with_topic_names(names.to_vec()),
        _ => {
            let named =
                |name: &TopicName| DeleteTopicState::default().with_name(Some(name.clone()));
            request.with_topics(names.iter().map(named).collect())
        }
    }
}

fn by_name(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let nowhere = unknown_topic(run);
    run.ask("none", &delete(version, &[]), version)?;
    run.ask(
        "unknown",
        &delete(version, std::slice::from_ref(&nowhere.name)),
        version,
    )?;
    for name in ["", "..", "a b"] {
        run.ask(
            &format!("{name:?}"),
            &delete(version, &[named(name).name]),
            version,
        )?;
    }
    run.ask(
        "some",
        &delete(version, &[topic.name.clone(), nowhere.name]),
        version,
    )?;
    run.ask(
        "gone",
        &delete(version, std::slice::from_ref(&topic.name)),
        version,
    )?;
    let other = run.topic_with("other", 1, &[])?;
    run.ask(
        "twice",
        &delete(version, &[other.name.clone(), other.name]),
        version,
    )?;
    Ok(())
}

fn by_id(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let nowhere = unknown_topic(run);
    let of = |states: Vec<DeleteTopicState>| delete(version, &[]).with_topics(states);
    let id = |topic: &Topic| {
        DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(topic.id)
    };
    let nothing = DeleteTopicState::default().with_name(None);
    run.ask("unknown", &of(vec![id(&nowhere)]), version)?;
    run.ask("neither id nor name", &of(vec![nothing]), version)?;
    let both = id(&topic).with_name(Some(topic.name.clone()));
    run.ask("both id and name", &of(vec![both]), version)?;
    run.ask("known", &of(vec![id(&topic)]), version)?;
    run.ask("gone", &of(vec![id(&topic)]), version)?;
    Ok(())
}

fn more(topic: &Topic, count: i32) -> CreatePartitionsRequest {
    let wanted = CreatePartitionsTopic::default()
        .with_name(topic.name.clone())
        .with_count(count)
        .with_assignments(None);
    CreatePartitionsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(30_000)
}

fn partition_counts(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    for count in [2, 1, 0, -1, 3] {
        run.ask(&format!("{count}"), &more(&topic, count), version)?;
    }
    run.wait_led(&topic.name, 3)?;
    run.ask("3 again", &more(&topic, 3), version)?;
    run.ask("unknown topic", &more(&unknown_topic(run), 3), version)?;
    run.ask("a bad name", &more(&named(".."), 3), version)?;
    run.ask("nothing", &more(&topic, 3).with_topics(Vec::new()), version)?;
    let mut twice = more(&topic, 4);
    twice.topics.extend(more(&topic, 5).topics);
    run.ask("one topic twice", &twice, version)?;
    Ok(())
}

fn partition_assignments(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let cases: &[(&str, i32, &[&[i32]])] = &[
        ("unknown broker", 2, &[&[7]]),
        ("no broker", 2, &[&[]]),
        ("too few", 3, &[&[1000]]),
        ("too many", 2, &[&[1000], &[1000]]),
        ("two replicas", 2, &[&[1000, 1000]]),
        ("good", 3, &[&[1000], &[1000]]),
    ];
    for (label, count, parts) in cases {
        let parts = parts.iter().map(|brokers| {
            let ids = brokers.iter().map(|id| BrokerId(*id)).collect();
            CreatePartitionsAssignment::default().with_broker_ids(ids)
        });
        let mut request = more(&topic, *count);
        request.topics[0].assignments = Some(parts.collect());
        run.ask(label, &request, version)?;
    }
    Ok(())
}

fn partitions_validate_only(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    for count in [3, 1, 0] {
        let request = more(&topic, count).with_validate_only(true);
        run.ask(&format!("{count}"), &request, version)?;
    }
    run.ask("in earnest", &more(&topic, 3), version)?;
    Ok(())
}

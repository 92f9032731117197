//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs and ListConfigResources.

use kafka_protocol::messages::alter_configs_request as whole;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request as edited;
use kafka_protocol::messages::{
    AlterConfigsRequest, ApiKey, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::Case;
use crate::run::{Outcome, Run};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::DescribeConfigs, "topic", topic),
    Case::new(ApiKey::DescribeConfigs, "broker", broker),
    Case::new(ApiKey::DescribeConfigs, "others", others),
    Case::new(ApiKey::DescribeConfigs, "bad", bad_descriptions),
    Case::new(ApiKey::AlterConfigs, "topic", alter_topic),
    Case::new(ApiKey::AlterConfigs, "bad", bad_alterations),
    Case::new(ApiKey::IncrementalAlterConfigs, "topic", edit_topic),
    Case::new(ApiKey::IncrementalAlterConfigs, "bad", bad_edits),
    Case::new(ApiKey::IncrementalAlterConfigs, "others", edit_others),
    Case::new(ApiKey::IncrementalAlterConfigs, "loggers", edit_loggers),
    Case::new(ApiKey::ListConfigResources, "kinds", kinds),
];

pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const LOGGER: i8 = 8;
const METRICS: i8 = 16;
const GROUP: i8 = 32;
pub(super) const SET: i8 = 0;
pub(super) const DELETE: i8 = 1;
pub(super) const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;
/// Both brokers' id.
pub(super) const OWN: &str = "1000";

pub(super) type Keys<'a> = Option<&'a [&'static str]>;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn resource(kind: i8, name: &str, keys: Keys<'_>) -> DescribeConfigsResource {
    let keys = keys.map(|keys| keys.iter().map(|key| (*key).into()).collect());
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys)
}

pub(super) fn describe(kind: i8, name: &str, keys: Keys<'_>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default()
        .with_resources(vec![resource(kind, name, keys)])
        .with_include_synonyms(true)
}

/// Waits until a key has this value: Kafka answers an alteration before it is in force.
pub(super) fn in_force(
    run: &Run,
    (kind, name): (i8, &str),
    key: &'static str,
    value: Option<&str>,
) -> Outcome {
    let request = describe(kind, name, Some(&[key]));
    run.wait(&format!("{key} in force"), |run| {
        let reply = run.quietly(&request, 4)?;
        let mut configs = reply.results.iter().flat_map(|result| &result.configs);
        let found = configs.find(|config| config.name.as_str() == key);
        let found = found.and_then(|config| config.value.as_ref());
        Ok((found.map(|value| value.as_str()) == value).then_some(()))
    })
}

fn topic(run: &mut Run, version: i16) -> Outcome {
    let set = [
        ("retention.ms", "5000"),
        ("cleanup.policy", "compact,delete"),
    ];
    let topic = run.topic_with("topic", 1, &set)?;
    let name = &topic.name.0.to_string();
    run.ask("all", &describe(TOPIC, name, None), version)?;
    run.ask("no keys", &describe(TOPIC, name, Some(&[])), version)?;
    let keys: Keys<'_> = Some(&["retention.ms", "max.message.bytes", "segment.ms"]);
    run.ask("some", &describe(TOPIC, name, keys), version)?;
    run.ask(
        "unknown keys",
        &describe(TOPIC, name, Some(&["no.such", "", "retention.ms"])),
        version,
    )?;
    run.ask(
        "one key twice",
        &describe(TOPIC, name, Some(&["flush.ms", "flush.ms"])),
        version,
    )?;
    let bare = describe(TOPIC, name, keys).with_include_synonyms(false);
    run.ask("without synonyms", &bare, version)?;
    if version >= 3 {
        let documented = describe(TOPIC, name, keys).with_include_documentation(true);
        run.ask("documented", &documented, version)?;
    }
    Ok(())
}

fn broker(run: &mut Run, version: i16) -> Outcome {
    for key in [
        "num.partitions",
        "auto.create.topics.enable",
        "message.max.bytes",
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
        "log.retention.bytes",
        "log.cleanup.policy",
        "log.message.timestamp.type",
        "compression.type",
        "max.connection.creation.rate",
        "max.connections",
        "max.connections.per.ip",
        "max.connections.per.ip.overrides",
        "connections.max.idle.ms",
        "producer.id.expiration.ms",
        "offsets.retention.minutes",
        "group.min.session.timeout.ms",
        "delete.topic.enable",
        "unclean.leader.election.enable",
        "socket.request.max.bytes",
        "node.id",
    ] {
        let keys = [key];
        run.ask(key, &describe(BROKER, OWN, Some(&keys)), version)?;
    }
    let none: Keys<'_> = Some(&["no.such"]);
    run.ask("no such key", &describe(BROKER, OWN, none), version)?;
    run.ask("cluster", &describe(BROKER, "", None), version)?;
    Ok(())
}

fn others(run: &mut Run, version: i16) -> Outcome {
    let group = run.name("group").to_string();
    run.ask("group", &describe(GROUP, &group, None), version)?;
    run.ask("metrics", &describe(METRICS, "subscription", None), version)?;
    run.ask("group without name", &describe(GROUP, "", None), version)?;
    run.ask(
        "metrics without name",
        &describe(METRICS, "", None),
        version,
    )?;
    let none: Keys<'_> = Some(&["no.such"]);
    run.ask("no logger", &describe(LOGGER, OWN, none), version)?;
    // Kafka's is started to say less.
    let root = edit(LOGGER, OWN, &[("root", SET, Some("INFO"))]);
    run.quietly(&root, 1)?;
    let root: Keys<'_> = Some(&["root", "no.such"]);
    run.ask("the root logger", &describe(LOGGER, OWN, root), version)?;
    run.ask("all loggers", &describe(LOGGER, OWN, None), version)?;
    Ok(())
}

fn bad_descriptions(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let name = topic.name.0.to_string();
    let nowhere = run.name("nowhere").to_string();
    for (kind, name) in [
        (TOPIC, nowhere.as_str()),
        (TOPIC, ""),
        (TOPIC, ".."),
        (TOPIC, "a b"),
        (BROKER, "7"),
        (BROKER, "-1"),
        (BROKER, "x"),
        (LOGGER, "7"),
        (LOGGER, ""),
        (0, name.as_str()),
        (1, name.as_str()),
        (3, name.as_str()),
        (-1, name.as_str()),
        (64, name.as_str()),
    ] {
        let keys: Keys<'_> = Some(&["retention.ms"]);
        run.ask(
            &format!("{kind} {name:?}"),
            &describe(kind, name, keys),
            version,
        )?;
    }
    let keys: Keys<'_> = Some(&["retention.ms"]);
    let several = |resources| describe(TOPIC, &name, keys).with_resources(resources);
    run.ask("none", &several(Vec::new()), version)?;
    let one = resource(TOPIC, &name, keys);
    let mixed = vec![one.clone(), resource(TOPIC, &nowhere, keys)];
    run.ask("good and bad", &several(mixed), version)?;
    let mixed = vec![one, resource(3, "x", keys)];
    run.ask("good and of no kind", &several(mixed), version)?;
    Ok(())
}

/// A key and its new value.
pub(super) type Values<'a> = &'a [(&'a str, Option<&'a str>)];

pub(super) fn alter(kind: i8, name: &str, values: Values<'_>) -> AlterConfigsRequest {
    let configs = values.iter().map(|(key, value)| {
        whole::AlterableConfig::default()
            .with_name(text(key))
            .with_value(value.map(text))
    });
    let resource = whole::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}

fn alter_topic(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic_with("topic", 1, &[("segment.ms", "7000")])?;
    let name = topic.name.0.to_string();
    let set: Values<'_> = &[("retention.ms", Some("5000"))];
    let trial = alter(TOPIC, &name, set).with_validate_only(true);
    run.ask("trial", &trial, version)?;
    run.ask("in earnest", &alter(TOPIC, &name, set), version)?;
    in_force(run, (TOPIC, &name), "retention.ms", Some("5000"))?;
    let keys: Keys<'_> = Some(&["retention.ms", "segment.ms"]);
    run.ask("what is set", &describe(TOPIC, &name, keys), 4)?;
    run.ask("nothing", &alter(TOPIC, &name, &[]), version)?;
    in_force(run, (TOPIC, &name), "retention.ms", Some("604800000"))?;
    run.ask("nothing is set", &describe(TOPIC, &name, keys), 4)?;
    Ok(())
}

/// Stand for a topic that is there, and for one that is not.
const KNOWN: &str = "<known>";
const NOWHERE: &str = "<nowhere>";

fn whose<'a>(who: &'a str, known: &'a str, nowhere: &'a str) -> &'a str {
    match who {
        KNOWN => known,
        NOWHERE => nowhere,
        other => other,
    }
}

/// What, of which kind of thing, of whom, and what is to change.
const BAD_VALUES: &[(&str, i8, &str, Values<'_>)] = &[
    ("unknown key", TOPIC, KNOWN, &[("no.such", Some("1"))]),
    (
        "not a number",
        TOPIC,
        KNOWN,
        &[("retention.ms", Some("soon"))],
    ),
    ("too small", TOPIC, KNOWN, &[("retention.ms", Some("-2"))]),
    ("no value", TOPIC, KNOWN, &[("retention.ms", None)]),
    ("an empty key", TOPIC, KNOWN, &[("", Some("1"))]),
    (
        "one key twice",
        TOPIC,
        KNOWN,
        &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
    ),
    (
        "unknown topic",
        TOPIC,
        NOWHERE,
        &[("retention.ms", Some("1"))],
    ),
    ("no topic", TOPIC, "", &[("retention.ms", Some("1"))]),
    ("a bad topic", TOPIC, "..", &[("retention.ms", Some("1"))]),
    (
        "unknown broker",
        BROKER,
        "7",
        &[("log.retention.ms", Some("1"))],
    ),
    ("no number", BROKER, "x", &[("log.retention.ms", Some("1"))]),
    ("read-only", BROKER, OWN, &[("num.partitions", Some("1"))]),
    (
        "not of a broker",
        BROKER,
        OWN,
        &[("log.retention.ms", Some("soon"))],
    ),
    ("a logger", LOGGER, OWN, &[("root", Some("INFO"))]),
    ("no kind", 3, KNOWN, &[("retention.ms", Some("1"))]),
];

fn bad_alterations(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let name = topic.name.0.to_string();
    let nowhere = run.name("nowhere").to_string();
    for (label, kind, who, values) in BAD_VALUES {
        let name = whose(who, &name, &nowhere);
        run.ask(label, &alter(*kind, name, values), version)?;
        let trial = alter(*kind, name, values).with_validate_only(true);
        run.ask(&format!("{label}, trial"), &trial, version)?;
    }
    let mut several = alter(TOPIC, &name, &[("retention.ms", Some("1"))]);
    let one = several.resources.clone();
    several.resources.clear();
    run.ask("no resource", &several, version)?;
    // Kafka never answers, which takes the time of a script's patience: once is enough.
    if version == 2 {
        several.resources = [one.clone(), one].concat();
        run.ask("one resource twice", &several, version)?;
    }
    Ok(())
}

/// A key, what to do, and with which value.
pub(super) type Edits<'a> = &'a [(&'a str, i8, Option<&'a str>)];

pub(super) fn edit(kind: i8, name: &str, edits: Edits<'_>) -> IncrementalAlterConfigsRequest {
    let configs = edits.iter().map(|(key, operation, value)| {
        edited::AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    let resource = edited::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

fn edit_topic(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let name = topic.name.0.to_string();
    let steps: &[(&str, Edits<'_>, &'static str, &str)] = &[
        (
            "set",
            &[("retention.ms", SET, Some("5000"))],
            "retention.ms",
            "5000",
        ),
        (
            "append",
            &[("cleanup.policy", APPEND, Some("compact"))],
            "cleanup.policy",
            "delete,compact",
        ),
        (
            "append again, subtract what is not there",
            &[("cleanup.policy", APPEND, Some("compact"))],
            "cleanup.policy",
            "delete,compact",
        ),
        (
            "subtract",
            &[("cleanup.policy", SUBTRACT, Some("delete"))],
            "cleanup.policy",
            "compact",
        ),
        (
            "two at once",
            &[
                ("retention.ms", DELETE, None),
                ("segment.ms", SET, Some("9")),
            ],
            "segment.ms",
            "9",
        ),
        (
            "delete what is not set",
            &[
                ("flush.ms", DELETE, None),
                ("segment.ms", DELETE, Some("x")),
            ],
            "segment.ms",
            "604800000",
        ),
    ];
    let keys: Keys<'_> = Some(&["retention.ms", "cleanup.policy", "segment.ms"]);
    for (label, edits, key, value) in steps {
        let trial = edit(TOPIC, &name, edits).with_validate_only(true);
        run.ask(&format!("{label}, trial"), &trial, version)?;
        run.ask(label, &edit(TOPIC, &name, edits), version)?;
        in_force(run, (TOPIC, &name), key, Some(value))?;
        let described = describe(TOPIC, &name, keys);
        run.ask(&format!("after {label}"), &described, 4)?;
    }
    Ok(())
}

/// What, of which kind of thing, of whom, and what is to change.
const BAD_EDITS: &[(&str, i8, &str, Edits<'_>)] = &[
    ("unknown key", TOPIC, KNOWN, &[("no.such", SET, Some("1"))]),
    (
        "unknown key deleted",
        TOPIC,
        KNOWN,
        &[("no.such", DELETE, None)],
    ),
    (
        "not a number",
        TOPIC,
        KNOWN,
        &[("retention.ms", SET, Some("soon"))],
    ),
    ("no value", TOPIC, KNOWN, &[("retention.ms", SET, None)]),
    (
        "no items",
        TOPIC,
        KNOWN,
        &[("cleanup.policy", APPEND, None)],
    ),
    (
        "a bad item",
        TOPIC,
        KNOWN,
        &[("cleanup.policy", APPEND, Some("shred"))],
    ),
    (
        "not a list",
        TOPIC,
        KNOWN,
        &[("retention.ms", APPEND, Some("1"))],
    ),
    (
        "not a list, less",
        TOPIC,
        KNOWN,
        &[("retention.ms", SUBTRACT, Some("1"))],
    ),
    (
        "no operation",
        TOPIC,
        KNOWN,
        &[("retention.ms", 4, Some("1"))],
    ),
    (
        "negative operation",
        TOPIC,
        KNOWN,
        &[("retention.ms", -1, Some("1"))],
    ),
    (
        "one key twice",
        TOPIC,
        KNOWN,
        &[
            ("retention.ms", SET, Some("1")),
            ("retention.ms", DELETE, None),
        ],
    ),
    (
        "unknown topic",
        TOPIC,
        NOWHERE,
        &[("retention.ms", SET, Some("1"))],
    ),
    ("no topic", TOPIC, "", &[("retention.ms", SET, Some("1"))]),
    (
        "a bad topic",
        TOPIC,
        "..",
        &[("retention.ms", SET, Some("1"))],
    ),
    ("no kind", 3, KNOWN, &[("retention.ms", SET, Some("1"))]),
    ("nothing", TOPIC, KNOWN, &[]),
];

fn bad_edits(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let name = topic.name.0.to_string();
    let nowhere = run.name("nowhere").to_string();
    for (label, kind, who, edits) in BAD_EDITS {
        let name = whose(who, &name, &nowhere);
        run.ask(label, &edit(*kind, name, edits), version)?;
        let trial = edit(*kind, name, edits).with_validate_only(true);
        run.ask(&format!("{label}, trial"), &trial, version)?;
    }
    let mut twice = edit(TOPIC, &name, &[("retention.ms", SET, Some("1"))]);
    twice.resources.extend(twice.resources.clone());
    run.ask("one resource twice", &twice, version)?;
    twice.resources.clear();
    run.ask("no resource", &twice, version)?;
    Ok(())
}

/// What is neither a topic nor a broker, as a trial: the broker is others' too.
fn edit_others(run: &mut Run, version: i16) -> Outcome {
    let group = run.name("group").to_string();
    let all: [(&str, i8, &str, Edits<'_>); 2] = [
        (
            "metrics",
            METRICS,
            "subscription",
            &[("interval.ms", SET, Some("1000"))],
        ),
        (
            "a group",
            GROUP,
            &group,
            &[("consumer.session.timeout.ms", SET, Some("50000"))],
        ),
    ];
    for (label, kind, name, edits) in all {
        let trial = edit(kind, name, edits).with_validate_only(true);
        run.ask(label, &trial, version)?;
    }
    Ok(())
}

/// What may be done about the one logger that both have, and what not. Only the first is done, for
/// other scripts ask for the same.
const LOGGER_EDITS: &[(&str, &str, Edits<'_>)] = &[
    ("as before", OWN, &[("root", SET, Some("INFO"))]),
    ("fatal", OWN, &[("root", SET, Some("FATAL"))]),
    ("trace", OWN, &[("root", SET, Some("TRACE"))]),
    ("small letters", OWN, &[("root", SET, Some("debug"))]),
    ("off", OWN, &[("root", SET, Some("OFF"))]),
    ("empty", OWN, &[("root", SET, Some(""))]),
    ("no value", OWN, &[("root", SET, None)]),
    ("deleted", OWN, &[("root", DELETE, None)]),
    ("append", OWN, &[("root", APPEND, Some("INFO"))]),
    ("subtract", OWN, &[("root", SUBTRACT, Some("INFO"))]),
    ("append nothing", OWN, &[("root", APPEND, None)]),
    ("no operation", OWN, &[("root", 4, Some("INFO"))]),
    ("negative operation", OWN, &[("root", -1, Some("INFO"))]),
    ("no such logger", OWN, &[("no.such", SET, Some("INFO"))]),
    (
        "no such logger, append",
        OWN,
        &[("no.such", APPEND, Some("INFO"))],
    ),
    ("no such logger, deleted", OWN, &[("no.such", DELETE, None)]),
    (
        "no such level or logger",
        OWN,
        &[("no.such", SET, Some("LOUD"))],
    ),
    ("no name", OWN, &[("", SET, Some("INFO"))]),
    (
        "one twice",
        OWN,
        &[("root", SET, Some("INFO")), ("root", SET, Some("WARN"))],
    ),
    (
        "one good, one bad",
        OWN,
        &[("root", SET, Some("INFO")), ("no.such", SET, Some("WARN"))],
    ),
    ("nothing", OWN, &[]),
    ("another broker", "7", &[("root", SET, Some("INFO"))]),
    ("all brokers", "", &[("root", SET, Some("INFO"))]),
    ("no broker", "x", &[("root", SET, Some("LOUD"))]),
];

fn edit_loggers(run: &mut Run, version: i16) -> Outcome {
    let mut done = true;
    for (label, broker, edits) in LOGGER_EDITS {
        let trial = edit(LOGGER, broker, edits).with_validate_only(true);
        run.ask(&format!("{label}, trial"), &trial, version)?;
        if std::mem::take(&mut done) {
            run.ask(label, &edit(LOGGER, broker, edits), version)?;
        }
    }
    let mut twice = edit(LOGGER, OWN, &[("root", SET, Some("INFO"))]);
    twice.resources.extend(twice.resources.clone());
    run.ask("one resource twice", &twice, version)?;
    let root: Keys<'_> = Some(&["root"]);
    run.ask("afterwards", &describe(LOGGER, OWN, root), 4)?;
    Ok(())
}

fn kinds(run: &mut Run, version: i16) -> Outcome {
    if version == 0 {
        run.ask("metrics", &ListConfigResourcesRequest::default(), version)?;
        return Ok(());
    }
    for kinds in [
        &[METRICS][..],
        &[GROUP],
        &[BROKER],
        &[LOGGER],
        &[3],
        &[-1],
        &[METRICS, 3],
    ] {
        let request = ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
        run.ask(&format!("{kinds:?}"), &request, version)?;
    }
    Ok(())
}

//! Configurations of the running broker: in force on every shard, kept, described, refused.

use super::configs::{APPEND, BROKER, DELETE, Edits, SET, TOPIC, edit_of};
use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::alter_configs_request::{
    AlterConfigsResource, AlterableConfig as Replaced,
};

/// `DescribeConfigsResponse.ConfigSource`.
const DYNAMIC: i8 = 2;
const DYNAMIC_DEFAULT: i8 = 3;
const DEFAULT: i8 = 5;

impl Broker {
    /// Value and source of everything that gives it, the first in force.
    fn layers(&mut self, kind: i8, name: &str, key: &str) -> Vec<(String, i8)> {
        let configs = self.described(kind, name);
        let found = configs.iter().find(|config| config.name.as_str() == key);
        let found = found.expect("every key is described");
        let synonyms = found.synonyms.iter();
        let layer = |one: &describe_configs_response::DescribeConfigsSynonym| {
            (
                one.value.clone().unwrap_or_default().to_string(),
                one.source,
            )
        };
        let layers: Vec<(String, i8)> = synonyms.map(layer).collect();
        let value = found.value.clone().unwrap_or_default().to_string();
        assert_eq!((value, found.config_source), layers[0]);
        layers
    }
}

fn layer(value: &str, source: i8) -> (String, i8) {
    (value.to_owned(), source)
}

#[test]
fn a_change_is_in_force_on_every_shard_before_the_answer() {
    let mut broker = Broker::start(3);
    broker.create_topic("follows", 3);
    broker.create_topic_with("own", 1, &[("max.message.bytes", "9000")]);
    let large = vec![b'x'; 5_000];
    let key = "message.max.bytes";
    let socket = broker.connect_to(2);
    for (id, what, value, refused) in [
        ("", SET, Some("1000"), true),
        ("1000", SET, Some("9000"), false),
        ("1001", SET, Some("2000"), true),
        ("1000", DELETE, None, true),
        ("", DELETE, None, false),
    ] {
        assert_eq!(
            broker.edit(BROKER, id, &[(key, what, value)]),
            (0, String::new())
        );

        for partition in 0..3 {
            let answer = broker.produce(socket, "follows", partition, &large);
            let is_refused = answer.error_code == ErrorCode::MessageTooLarge.code();
            assert_eq!(is_refused, refused, "{id} {value:?}: {answer:?}");
        }
        assert_eq!(broker.produce(socket, "own", 0, &large).error_code, 0);
    }
}

#[test]
fn every_layer_is_described_and_survives_a_power_cut() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let key = "message.max.bytes";
    broker.edit(BROKER, "", &[(key, SET, Some("2000"))]);
    broker.edit(BROKER, "1000", &[(key, SET, Some("3000"))]);
    broker.edit(
        BROKER,
        "",
        &[("log.cleanup.policy", APPEND, Some("compact"))],
    );

    broker.world.crash(true);
    broker.boot(2);

    let layers = [
        layer("3000", DYNAMIC),
        layer("2000", DYNAMIC_DEFAULT),
        layer("1048588", DEFAULT),
    ];
    assert_eq!(broker.layers(BROKER, "1000", key), layers);
    assert_eq!(broker.layers(BROKER, "1001", key), layers);
    assert_eq!(broker.layers(TOPIC, "t", "max.message.bytes"), layers);
    assert_eq!(broker.layers(BROKER, "", key), layers[1..2]);
    assert_eq!(broker.described(BROKER, "").len(), 2);
    let policy = broker.layers(TOPIC, "t", "cleanup.policy");
    assert_eq!(policy[0], layer("delete,compact", DYNAMIC_DEFAULT));
    let socket = broker.connect();
    let large = vec![b'x'; 2_500];
    // What was set before the power cut is in force after it: no key on a compacted topic.
    let answer = broker.produce(socket, "t", 0, &large);
    assert_eq!(answer.error_code, ErrorCode::InvalidRecord.code());
}

#[test]
fn the_old_form_replaces_everything_that_was_set() {
    let mut broker = Broker::start(2);
    broker.edit(BROKER, "1000", &[("log.retention.ms", SET, Some("7000"))]);
    let socket = broker.connect();
    for version in 0..=2 {
        let value = format!("{}", 5_000 + i32::from(version));
        let config = Replaced::default()
            .with_name(text("message.max.bytes"))
            .with_value(Some(text(&value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(text("1000"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        let response = broker.ask(socket, &request, version);

        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
        let layers = broker.layers(BROKER, "1000", "message.max.bytes");
        assert_eq!(layers[0], (value, DYNAMIC));
    }
    let configs = broker.described(BROKER, "1000");
    let dynamic = configs
        .iter()
        .filter(|config| config.config_source == DYNAMIC);
    assert_eq!(dynamic.count(), 1);
}

/// The broker, the edits, and a part of the words.
type Refused<'a> = (&'a str, Edits<'a>, &'a str);

const REFUSED: &[Refused<'_>] = &[
    (
        "1000",
        &[
            ("num.partitions", SET, Some("3")),
            ("log.retention.ms", SET, Some("5")),
        ],
        "Cannot update these configs dynamically: Set(num.partitions)",
    ),
    (
        "7",
        &[("log.retention.ms", SET, Some("5"))],
        "expected 1000 or empty string",
    ),
    (
        "x",
        &[("log.retention.ms", SET, Some("5"))],
        "must be an integer",
    ),
    (
        "",
        &[("log.retention.ms", SET, Some("soon"))],
        "Invalid value soon",
    ),
    (
        "",
        &[("log.retention.ms", SET, Some("0"))],
        "for ever with -1",
    ),
    (
        "",
        &[("log.retension.ms", SET, Some("5"))],
        "is it log.retention.ms?",
    ),
    (
        "",
        &[("log-retention-ms", SET, Some("5"))],
        "is it log.retention.ms?",
    ),
    (
        "",
        &[("metric.reporters", SET, Some("a.Reporter"))],
        "has no meaning",
    ),
    ("", &[("message.max.bytes", SET, None)], "no value"),
    (
        "",
        &[("listener.name.inside.max.connections", SET, Some("5"))],
        "there is no listener inside, only plaintext",
    ),
    (
        "1000",
        &[("listener.name.PLAINTEXT.max.connections", SET, Some("5"))],
        "is it listener.name.plaintext.max.connections?",
    ),
    (
        "1000",
        &[("listener.name.plaintext.max.connections", SET, Some("-1"))],
        "Invalid value -1",
    ),
    (
        "1000",
        &[("listener.name.plaintext.max.connections", SET, Some("0"))],
        "nobody could come",
    ),
    (
        "1000",
        &[("listener.name.plaintext.ssl.client.auth", SET, Some("none"))],
        "has no meaning",
    ),
    (
        "",
        &[
            ("log.cleaner.min.compaction.lag.ms", SET, Some("9")),
            ("log.cleaner.max.compaction.lag.ms", SET, Some("8")),
        ],
        "must not be above",
    ),
];

#[test]
fn what_may_not_change_is_refused_in_kafkas_words_and_changes_nothing() {
    let mut broker = Broker::start(2);
    for (id, edits, part) in REFUSED {
        let (code, words) = broker.edit(BROKER, id, edits);
        assert_eq!(code, ErrorCode::InvalidRequest.code(), "{edits:?} {words}");
        assert!(words.contains(part), "{edits:?} {words}");
    }
    let (code, _) = broker.edit(BROKER, "", &[("message.max.bytes", APPEND, Some("5"))]);
    assert_eq!(code, ErrorCode::InvalidConfig.code());
    // Nothing is set under these names, so nothing is there to be refused.
    let gone = [("num.partitions", DELETE, None), ("no.such", DELETE, None)];
    assert_eq!(broker.edit(BROKER, "1000", &gone).0, 0);

    let configs = broker.described(BROKER, "1000");
    assert!(configs.iter().all(|config| config.config_source == DEFAULT));
    assert_eq!(broker.described(BROKER, ""), []);
}

#[test]
fn what_a_running_kafka_lets_one_change_is_kept_and_shown_though_it_changes_nothing() {
    let mut broker = Broker::start(2);
    let key = "log.cleaner.threads";

    let set = broker.edit(BROKER, "", &[(key, SET, Some("2"))]);
    let wrong = broker.edit(
        BROKER,
        "",
        &[("log.cleaner.io.buffer.load.factor", SET, Some("x"))],
    );
    broker.world.crash(true);
    broker.boot(2);

    assert_eq!(set.0, 0, "{}", set.1);
    assert_eq!(wrong.0, ErrorCode::InvalidRequest.code(), "{}", wrong.1);
    let layers = [layer("2", DYNAMIC_DEFAULT), layer("1", DEFAULT)];
    assert_eq!(broker.layers(BROKER, "1000", key), layers);
}

#[test]
fn validate_only_changes_nothing() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();

    let good =
        edit_of(BROKER, "", &[("log.retention.ms", SET, Some("5"))]).with_validate_only(true);
    let wrong = edit_of(BROKER, "", &[("cores", SET, Some("5"))]).with_validate_only(true);
    let good = broker.ask(socket, &good, 1).responses[0].error_code;
    let wrong = broker.ask(socket, &wrong, 1).responses[0].error_code;

    assert_eq!((good, wrong), (0, ErrorCode::InvalidRequest.code()));
    assert_eq!(broker.described(BROKER, ""), []);
}

#[test]
fn a_bound_on_connections_of_one_address_holds_from_the_answer_on() {
    let mut broker = Broker::start(2);
    let admin = broker.connect();
    let bounds = |broker: &mut Broker, edits: Edits<'_>| {
        let response = broker.ask(admin, &edit_of(BROKER, "", edits), 1);
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    };
    let is_served = |broker: &mut Broker| {
        let socket = broker.connect();
        broker.send(socket, &ApiVersionsRequest::default(), 0);
        broker.frame_within(socket, Span::seconds(1)).is_some()
    };

    bounds(&mut broker, &[("max.connections.per.ip", SET, Some("1"))]);
    assert!(!is_served(&mut broker));
    let exceptions = ("max.connections.per.ip.overrides", SET, Some("127.0.0.1:3"));
    bounds(&mut broker, &[exceptions]);
    assert!(is_served(&mut broker));
    assert!(is_served(&mut broker));
    assert!(!is_served(&mut broker));
    bounds(
        &mut broker,
        &[("max.connections.per.ip.overrides", DELETE, None)],
    );
    assert!(!is_served(&mut broker));
    bounds(&mut broker, &[("max.connections.per.ip", DELETE, None)]);
    assert!(is_served(&mut broker));
}

#[test]
fn a_bound_of_one_listener_holds_from_the_answer_on_and_is_described() {
    let mut broker = Broker::start(2);
    let admin = broker.connect();
    let key = "listener.name.plaintext.max.connections";
    let edit = |broker: &mut Broker, id, what, value| {
        let response = broker.ask(admin, &edit_of(BROKER, id, &[(key, what, value)]), 1);
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    };
    let is_served = |broker: &mut Broker| {
        let socket = broker.connect();
        broker.send(socket, &ApiVersionsRequest::default(), 0);
        broker.frame_within(socket, Span::seconds(1)).is_some()
    };

    edit(&mut broker, "", SET, Some("1"));
    assert!(!is_served(&mut broker));
    edit(&mut broker, "1000", SET, Some("40"));
    assert!(is_served(&mut broker));
    let base = layer("2147483647", DEFAULT);
    let cluster = layer("1", DYNAMIC_DEFAULT);
    let layers = [layer("40", DYNAMIC), cluster.clone(), base.clone()];
    assert_eq!(broker.layers(BROKER, "1001", key), layers);
    assert_eq!(broker.layers(BROKER, "", key), [cluster]);
    assert_eq!(broker.layers(BROKER, "1000", "max.connections"), [base]);
    edit(&mut broker, "1000", DELETE, None);
    assert!(!is_served(&mut broker));
    edit(&mut broker, "", DELETE, None);
    assert!(is_served(&mut broker));
    assert_eq!(broker.described(BROKER, ""), []);
}

/// Connections beyond the rate wait their turn and are served then.
fn check_rate(key: &str) {
    let mut broker = Broker::start(2);
    let admin = broker.connect();
    let rate = |broker: &mut Broker, what, value| {
        let edits = [(key, what, value)];
        let response = broker.ask(admin, &edit_of(BROKER, "", &edits), 1);
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    };
    // Ten seconds' worth of them may come at once.
    rate(&mut broker, SET, Some("5"));
    let crowd: Vec<_> = (0..200).map(|_| broker.connect()).collect();
    for socket in &crowd {
        broker.send(*socket, &ApiVersionsRequest::default(), 0);
    }
    let answered = |broker: &mut Broker| {
        let has_reply = |socket| broker.received.get(socket).is_some_and(|it| !it.is_empty());
        crowd.iter().filter(|socket| has_reply(socket)).count()
    };

    broker.pass(Span::millis(100));
    assert_eq!(answered(&mut broker), 50, "{key}");
    // Longer than a first request may take, which is not theirs to answer for.
    broker.pass(Span::seconds(14));
    assert_eq!(answered(&mut broker), 120);
    assert!(!crowd.iter().any(|socket| broker.closed.contains(socket)));

    rate(&mut broker, DELETE, None);
    broker.pass(Span::millis(100));
    assert_eq!(answered(&mut broker), 200);
}

#[test]
fn the_rate_of_the_broker_and_of_a_listener_can_each_be_set_and_taken_away() {
    check_rate("max.connection.creation.rate");
    check_rate("listener.name.plaintext.max.connection.creation.rate");
}

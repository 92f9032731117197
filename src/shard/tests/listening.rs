//! Listeners that come and go while the broker runs.

use super::configs::{BROKER, DELETE, Edits, SET, TOPIC, edit_of};
use super::*;
use crate::wire::ErrorCode;

const LISTENERS: &str = "listeners";
const MAP: &str = "listener.security.protocol.map";
const NAMES: (&str, i8, Option<&str>) = (MAP, SET, Some("EXTRA:PLAINTEXT,MORE:PLAINTEXT"));
const FIRST: &str = "PLAINTEXT://localhost:9092";
const WITH_EXTRA: &str = "PLAINTEXT://localhost:9092,EXTRA://h:9500";
const LIMIT: &str = "listener.name.extra.max.connections";

impl Broker {
    fn list(&mut self, listeners: &str) -> (i16, String) {
        self.edit(BROKER, "1000", &[NAMES, (LISTENERS, SET, Some(listeners))])
    }

    fn at(&mut self, port: u16) -> SocketId {
        self.world.connect_at(port).expect("the listener is open")
    }

    /// The one address that Metadata tells; None: the connection is closed.
    fn told(&mut self, socket: SocketId) -> Option<(String, i32)> {
        self.send(socket, &MetadataRequest::default(), 9);
        let frame = self.frame_within(socket, PATIENCE)?;
        let (_, metadata) = client::decode::<MetadataRequest>(9, frame).expect("it decodes");
        let brokers = metadata.brokers.iter();
        let mut told: Vec<_> = brokers
            .map(|one| (one.host.to_string(), one.port))
            .collect();
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
        told.pop()
    }

    fn listed(&mut self) -> String {
        let configs = self.described(BROKER, "1000");
        let found = configs.iter().find(|one| one.name.as_str() == LISTENERS);
        let value = found.expect("it is described").value.clone();
        value.expect("a value").to_string()
    }

    /// Some of many that come are dealt to every shard.
    fn crowd_at(&mut self, port: u16) -> Vec<SocketId> {
        (0..30).map(|_| self.at(port)).collect()
    }
}

fn address(host: &str, port: i32) -> Option<(String, i32)> {
    Some((host.to_owned(), port))
}

const DONE: (i16, String) = (0, String::new());

#[test]
fn a_listener_that_is_added_is_open_on_every_shard_before_the_answer_and_tells_its_own_address() {
    let mut broker = Broker::start(3);
    broker.create_topic("t", 3);
    let before = broker.connect();
    assert!(broker.world.connect_at(9500).is_none());

    assert_eq!(broker.list(WITH_EXTRA), DONE);

    for socket in broker.crowd_at(9500) {
        assert_eq!(broker.told(socket), address("h", 9500));
    }
    let socket = broker.at(9500);
    for partition in 0..3 {
        assert_eq!(broker.produce(socket, "t", partition, b"v").error_code, 0);
    }
    assert_eq!(broker.told(before), address("localhost", 9092));
    assert_eq!(broker.values(before, "t", 2), [b"v".to_vec()]);
    assert_eq!(broker.listed(), WITH_EXTRA);
}

#[test]
fn a_listener_that_is_taken_out_ends_its_connections_and_no_others() {
    let mut broker = Broker::start(3);
    let stays = broker.connect();
    assert_eq!(broker.list(WITH_EXTRA), DONE);
    let crowd = broker.crowd_at(9500);
    let asker = broker.at(9500);

    // Who asks by the listener itself hears that it is done.
    let edit = edit_of(BROKER, "1001", &[(LISTENERS, SET, Some(FIRST))]);
    assert_eq!(broker.ask(asker, &edit, 1).responses[0].error_code, 0);

    assert!(broker.world.connect_at(9500).is_none());
    broker.pass(Span::seconds(3));
    for socket in crowd.into_iter().chain([asker]) {
        assert!(broker.is_closed(socket));
    }
    assert_eq!(broker.told(stays), address("localhost", 9092));
    assert_eq!(broker.listed(), FIRST);
    // The name and the port may be used again, elsewhere or there.
    let more = "PLAINTEXT://localhost:9092,EXTRA://h:9501,MORE://h:9500";
    assert_eq!(broker.list(more), DONE);
    for (port, told) in [(9501, 9501), (9500, 9500)] {
        let socket = broker.at(port);
        assert_eq!(broker.told(socket), address("h", told));
    }
}

#[test]
fn who_is_owed_a_reply_when_the_listener_goes_has_a_little_time_for_it() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    broker.list(WITH_EXTRA);
    let (short, long) = (broker.at(9500), broker.at(9500));
    broker.send(short, &fetch_of(&[("t", 0, 0)], 2_000, 1), 11);
    broker.send(long, &fetch_of(&[("t", 0, 0)], 30_000, 1), 11);
    broker.pass(Span::millis(100));

    assert_eq!(broker.list(FIRST), DONE);

    assert!(broker.frame_within(short, Span::seconds(3)).is_some());
    assert!(!broker.is_closed(long));
    broker.pass(Span::seconds(4));
    assert!(broker.is_closed(short));
    assert!(broker.is_closed(long));
}

#[test]
fn what_was_set_is_open_after_a_power_cut_and_the_files_again_once_it_is_unset() {
    let mut broker = Broker::start(3);
    assert_eq!(broker.list(WITH_EXTRA), DONE);
    for cores in [1, 3] {
        broker.world.crash(true);
        broker.boot(cores);

        for socket in broker.crowd_at(9500) {
            assert_eq!(broker.told(socket), address("h", 9500));
        }
        let first = broker.connect();
        assert_eq!(broker.told(first), address("localhost", 9092));
    }

    let unset = [(LISTENERS, DELETE, None), (MAP, DELETE, None)];
    assert_eq!(broker.edit(BROKER, "1000", &unset), DONE);

    assert!(broker.world.connect_at(9500).is_none());
    assert_eq!(broker.listed(), FIRST);
}

#[test]
fn a_port_that_somebody_has_by_the_next_start_leaves_the_other_listeners() {
    let mut broker = Broker::start(2);
    assert_eq!(broker.list(&format!("{WITH_EXTRA},MORE://h:9501")), DONE);
    broker.world.taken_ports.insert(9500);
    broker.world.crash(true);

    broker.boot(2);

    assert!(broker.world.connect_at(9500).is_none());
    let socket = broker.at(9501);
    assert_eq!(broker.told(socket), address("h", 9501));
    // It is wanted still, and tried again by the next change.
    let (code, words) = broker.list(WITH_EXTRA);
    assert_eq!(code, ErrorCode::InvalidRequest.code(), "{words}");
    broker.world.taken_ports.clear();
    assert_eq!(broker.list(WITH_EXTRA), DONE);
    let socket = broker.at(9500);
    assert_eq!(broker.told(socket), address("h", 9500));
}

const REFUSED: &[(&str, Edits<'_>, &str)] = &[
    (
        "1000",
        &[NAMES, (LISTENERS, SET, Some("EXTRA://h:9500"))],
        "PLAINTEXT://localhost:9092 is the first",
    ),
    (
        "1000",
        &[(LISTENERS, SET, Some("PLAINTEXT://localhost:9093"))],
        "must stay as it is",
    ),
    (
        "1000",
        &[(LISTENERS, SET, Some(WITH_EXTRA))],
        "add EXTRA:PLAINTEXT",
    ),
    (
        "1000",
        &[
            NAMES,
            (
                LISTENERS,
                SET,
                Some("PLAINTEXT://localhost:9092,EXTRA://h:9600"),
            ),
        ],
        "listeners: EXTRA: can not listen on 127.0.0.1:9600",
    ),
    (
        "",
        &[NAMES, (LISTENERS, SET, Some(WITH_EXTRA))],
        "at default cluster level, broker id must be specified: Set(",
    ),
    (
        "1000",
        &[(LIMIT, SET, Some("5"))],
        "there is no listener extra, only plaintext",
    ),
];

#[test]
fn what_can_not_be_is_refused_and_changes_nothing() {
    let mut broker = Broker::start(2);
    broker.world.taken_ports.insert(9600);
    let stays = broker.connect();
    for (id, edits, part) in REFUSED {
        let (code, words) = broker.edit(BROKER, id, edits);

        assert_eq!(code, ErrorCode::InvalidRequest.code(), "{edits:?} {words}");
        assert!(words.contains(part), "{edits:?} {words}");
        assert_eq!(broker.listed(), FIRST);
        assert_eq!(broker.told(stays), address("localhost", 9092));
    }
    for port in [9500, 9600] {
        assert!(broker.world.connect_at(port).is_none());
    }
}

#[test]
fn a_port_that_is_taken_keeps_nothing_else_of_the_request_back() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    broker.world.taken_ports.insert(9500);
    let socket = broker.connect();
    let mut request = edit_of(BROKER, "1000", &[NAMES, (LISTENERS, SET, Some(WITH_EXTRA))]);
    let of_topic = edit_of(TOPIC, "t", &[("retention.ms", SET, Some("7000"))]);
    request.resources.extend(of_topic.resources);

    let answer = broker.ask(socket, &request, 1);

    let codes: Vec<i16> = answer.responses.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [ErrorCode::InvalidRequest.code(), 0]);
    let configs = broker.described(TOPIC, "t");
    let retention = configs
        .iter()
        .find(|one| one.name.as_str() == "retention.ms");
    assert_eq!(
        retention.expect("it is described").value,
        Some(text("7000"))
    );
}

#[test]
fn one_request_names_a_broker_once_whatever_its_ids() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    let mut request = edit_of(BROKER, "1000", &[NAMES]);
    let other = edit_of(BROKER, "1001", &[(LISTENERS, SET, Some(WITH_EXTRA))]);
    request.resources.extend(other.resources);

    let answer = broker.ask(socket, &request, 1);

    let code = ErrorCode::InvalidRequest.code();
    assert!(answer.responses.iter().all(|one| one.error_code == code));
    assert!(broker.world.connect_at(9500).is_none());
}

#[test]
fn a_trial_binds_nothing_and_a_bound_may_come_with_its_listener() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    let edits: Edits<'_> = &[
        NAMES,
        (LISTENERS, SET, Some(WITH_EXTRA)),
        (LIMIT, SET, Some("1")),
    ];

    let trial = edit_of(BROKER, "1000", edits).with_validate_only(true);
    assert_eq!(broker.ask(socket, &trial, 1).responses[0].error_code, 0);
    assert!(broker.world.connect_at(9500).is_none());
    assert_eq!(broker.listed(), FIRST);

    assert_eq!(broker.edit(BROKER, "1000", edits), DONE);
    let (first, second) = (broker.at(9500), broker.at(9500));
    let served = [broker.told(first), broker.told(second)];
    assert_eq!(served, [address("h", 9500), None]);
}

#[test]
fn changes_at_once_have_their_turns_and_what_is_open_is_what_is_kept() {
    let mut broker = Broker::start(3);
    broker.list(FIRST);
    let askers: Vec<_> = (0..6).map(|_| broker.connect()).collect();
    let more = "PLAINTEXT://localhost:9092,MORE://h:9501";
    for (asker, list) in askers
        .iter()
        .zip([WITH_EXTRA, more, FIRST, more, WITH_EXTRA, FIRST])
    {
        let edit = edit_of(BROKER, "1000", &[(LISTENERS, SET, Some(list))]);
        broker.send(*asker, &edit, 1);
    }
    for asker in askers {
        let (_, answer) = broker.reply::<IncrementalAlterConfigsRequest>(asker, 1);
        assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    }

    let kept = broker.listed();

    for port in [9500, 9501] {
        let is_kept = kept.contains(&port.to_string());
        assert_eq!(broker.world.connect_at(port).is_some(), is_kept, "{kept}");
    }
}

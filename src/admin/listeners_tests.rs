use super::*;
use crate::admin::BrokerKey;

fn resolved(values: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let mut broker = BrokerConfig::default();
    for (name, value) in values {
        let key = BrokerKey::find(name).expect("a key");
        broker.set(key, value).expect("a value");
    }
    let shown = |at: &HostPort| format!("{} {}", at.host, at.port);
    let found = of_start(&broker).map_err(|wrong| wrong.words)?;
    let found = found.iter().map(|one| match &one.advertised {
        Some(told) => format!("{} as {}", shown(&one.at), shown(told)),
        None => shown(&one.at),
    });
    Ok(found.collect())
}

#[test]
fn listeners_are_those_for_clients_each_with_what_is_told_there() {
    let check = |values: &[(&str, &str)], expected: &[&str]| {
        let expected = expected.iter().map(|&one| one.to_owned()).collect();
        assert_eq!(resolved(values), Ok(expected), "{values:?}");
    };

    check(&[], &["localhost 9092"]);
    check(&[(LISTENERS, "PLAINTEXT://:9094")], &["0.0.0.0 9094"]);
    check(&[(LISTENERS, "[::1]:7")], &["::1 7"]);
    check(
        &[(LISTENERS, "out://h:7"), (ADVERTISED, "told:8"), NAMES],
        &["h 7 as told 8"],
    );
    // As a flag over a file leaves it.
    check(
        &[(LISTENERS, "h:7"), (ADVERTISED, "OUT://told:8"), NAMES],
        &["h 7 as told 8"],
    );
    check(
        &[
            (LISTENERS, "INSIDE://:19092,Out://:9092,CONTROLLER://:9093"),
            (ADVERTISED, "OUT://localhost:9092,INSIDE://broker:19092"),
            ("controller.listener.names", "CONTROLLER"),
            NAMES,
        ],
        &[
            "0.0.0.0 19092 as broker 19092",
            "0.0.0.0 9092 as localhost 9092",
        ],
    );
    check(
        &[
            (LISTENERS, "INSIDE://:19092,OUT://:9092"),
            (ADVERTISED, "OUT://o:1"),
            NAMES,
        ],
        &["0.0.0.0 19092", "0.0.0.0 9092 as o 1"],
    );
}

const NAMES: (&str, &str) = (
    MAP,
    "CONTROLLER:PLAINTEXT, inside:PLAINTEXT,OUT:plaintext,SAFE:SASL_SSL",
);

#[test]
fn what_can_not_be_is_refused_with_what_would_be_right() {
    let check = |values: &[(&str, &str)], words: &str| {
        let refusal = resolved(values).expect_err("a refusal");
        assert!(refusal.contains(words), "{refusal}");
    };

    check(&[(LISTENERS, "SSL://:9093")], "only PLAINTEXT is there");
    check(&[(LISTENERS, "SAFE://:9093"), NAMES], "asks for SASL_SSL");
    check(&[(LISTENERS, "MINE://:9093"), NAMES], "add MINE:PLAINTEXT");
    check(&[(LISTENERS, "a:1,b:2")], "give each a name");
    check(&[(LISTENERS, " , ")], "names no listener");
    let nameless = (LISTENERS, "h:1");
    check(
        &[nameless, (ADVERTISED, "SSL://a:9093")],
        "only PLAINTEXT is there",
    );
    for nowhere in ["0.0.0.0:9092", "PLAINTEXT://:9092", "[::]:9092"] {
        check(&[(ADVERTISED, nowhere)], "could connect to");
    }
    check(
        &[
            (LISTENERS, "OUT://a:1"),
            (ADVERTISED, "INSIDE://a:1"),
            NAMES,
        ],
        "INSIDE://a:1 is for no listener that there is: listeners has OUT",
    );
    let two = (LISTENERS, "OUT://a:1,INSIDE://a:2");
    check(
        &[two, (ADVERTISED, "told:1"), NAMES],
        "told:1 needs a name, NAME://HOST:PORT: there are the listeners OUT and INSIDE",
    );
    check(
        &[two, (ADVERTISED, "OUTSDE://h:1"), NAMES],
        "OUTSDE://h:1 is for no listener",
    );
}

/// Whether a broker with this file may go from one dynamic list to another.
fn change(file: &[(&str, &str)], before: &[(&str, &str)], after: &[(&str, &str)]) -> String {
    let mut fixed = BrokerConfig::default();
    for (name, value) in file {
        let key = BrokerKey::find(name).expect("a key");
        fixed.set(key, value).expect("a value");
    }
    let set = |values: &[(&str, &str)]| {
        let values = values.iter();
        let named = values.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        named.collect::<crate::log::Overrides>()
    };
    let (before, after, nothing) = (set(before), set(after), set(&[]));
    let in_force = |own| InForce {
        own,
        cluster: &nothing,
        fixed: &fixed,
    };
    let ports = if fixed.given("listener.layout").is_some() {
        3
    } else {
        1
    };
    let checked = check_change(in_force(&before), in_force(&after), ports);
    checked.map_or_else(|wrong| wrong.words, |()| "may".to_owned())
}

const FILE: &[(&str, &str)] = &[
    (LISTENERS, "OUT://o:1,INSIDE://i:2"),
    (ADVERTISED, "INSIDE://told:8"),
    NAMES,
];

#[test]
fn a_running_broker_may_have_others_beside_the_first_of_its_file() {
    let check = |before: &str, after: &str| {
        let words = change(FILE, &[(LISTENERS, before)], &[(LISTENERS, after)]);
        assert_eq!(words, "may", "{before} -> {after}");
    };

    check("OUT://o:1,INSIDE://i:2", "OUT://o:1");
    check("OUT://o:1", "PLAINTEXT://:9092, out://o:1");
    check("OUT://o:1,PLAINTEXT://:9092", "OUT://o:1,PLAINTEXT://:9093");
    check("OUT://o:1", "OUT://o:1,INSIDE://o:0,PLAINTEXT://o:0");
    check(
        "OUT://o:1",
        "OUT://o:1,INSIDE://[::1]:5,PLAINTEXT://0.0.0.0:5",
    );
}

#[test]
fn what_a_running_broker_can_not_come_to_have_is_refused_with_what_would_be_right() {
    let check = |after: &[(&str, &str)], part: &str| {
        let words = change(FILE, &[], after);
        assert!(words.contains(part), "{after:?}: {words}");
    };

    check(&[(LISTENERS, "INSIDE://i:2")], "OUT://o:1 is the first");
    check(
        &[(LISTENERS, "OUT://o:7,INSIDE://i:2")],
        "must stay as it is",
    );
    check(&[(LISTENERS, "OUT://o:1,OUT://o:2")], "two listeners OUT");
    check(&[(LISTENERS, "OUT://o:1,NEW://o:2")], "add NEW:PLAINTEXT");
    check(
        &[(LISTENERS, "OUT://o:1,SAFE://o:2")],
        "only PLAINTEXT is there",
    );
    check(&[(LISTENERS, "OUT://o:1,PLAINTEXT://o")], "HOST:PORT");
    check(&[(LISTENERS, "OUT://o:1,PLAINTEXT://o:1")], "share a port");
    check(&[(LISTENERS, "OUT://o:1,PLAINTEXT://:1")], "share a port");
    check(
        &[(LISTENERS, "OUT://o:1,PLAINTEXT://i:2")],
        "INSIDE://i:2 has the port of PLAINTEXT://i:2 until this change is done",
    );
    check(&[(MAP, "OUT:PLAINTEXT")], "add INSIDE:PLAINTEXT");
    check(
        &[(MAP, "OUT:PLAINTEXT,INSIDE:SSL")],
        "only PLAINTEXT is there",
    );
    check(
        &[(MAP, "OUT:PLAINTEXT,INSIDE:OPEN")],
        "INSIDE:OPEN is no pair",
    );
    check(&[(MAP, "OUT:PLAINTEXT,INSIDE")], "INSIDE is no pair");
}

#[test]
fn each_listener_has_its_row_of_ports_where_shards_have_ports() {
    let file = [
        (LISTENERS, "OUT://o:10"),
        ("listener.layout", "ports"),
        NAMES,
    ];
    let check = |after: &str, part: &str| {
        let words = change(&file, &[], &[(LISTENERS, after)]);
        assert!(words.contains(part), "{after}: {words}");
    };

    check("OUT://o:10,INSIDE://o:13", "may");
    check("OUT://o:10,INSIDE://o:12", "takes 3 in a row");
    check("OUT://o:10,INSIDE://o:65533", "may");
    check(
        "OUT://o:10,INSIDE://o:65534",
        "the last port there is is 65535",
    );
}

#[test]
fn what_clients_are_told_goes_with_the_listener_of_its_name() {
    let told = |list: &str| {
        let mut fixed = BrokerConfig::default();
        for (name, value) in FILE {
            let key = BrokerKey::find(name).expect("a key");
            fixed.set(key, value).expect("a value");
        }
        let own = crate::log::Overrides::from([(LISTENERS.to_owned(), list.to_owned())]);
        let running = InForce {
            own: &own,
            ..InForce::fixed(&fixed)
        };
        let found = of_running(running).expect("a list").into_iter();
        let told = found.map(|one| one.advertised.map(|told| told.host));
        told.collect::<Vec<_>>()
    };

    let own = Some("told".to_owned());
    assert_eq!(told("OUT://o:1,INSIDE://new:5"), [None, own]);
    assert_eq!(told("OUT://o:1"), [None]);
}

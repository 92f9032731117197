//! `listeners` and `advertised.listeners`: who may connect where, and what they are told. A list
//! of `NAME://HOST:PORT`; the names pair what is told with where it is told.

use crate::admin::listener_key::{NAMELESS, is_for_controllers, split_listener};
use crate::admin::{BrokerConfig, ListenerKey};

use super::Failure;
use super::config_file::Places;
use super::listen::HostPort;

/// Security that is no security, the only one there is.
const PLAINTEXT: &str = "PLAINTEXT";
/// Those of Kafka's that are not there.
const OTHER_SECURITY: [&str; 3] = ["SSL", "SASL_PLAINTEXT", "SASL_SSL"];

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const MAP: &str = "listener.security.protocol.map";

/// One listener for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt {
    pub name: String,
    pub at: HostPort,
    /// What those who connect there are told, if not where they connected.
    pub advertised: Option<HostPort>,
}

/// An address of a list.
struct Item<'a> {
    /// In capitals; PLAINTEXT if it was written without one.
    name: String,
    is_named: bool,
    at: HostPort,
    written: &'a str,
}

/// At least one. A mistake in a file is told with its place.
pub fn resolve(broker: &BrokerConfig, places: &Places) -> Result<Vec<ListenAt>, Failure> {
    let text = broker.value_of(LISTENERS).unwrap_or_default();
    let listeners = places.tell(&[LISTENERS], listeners(text, broker))?;
    let told = match broker.given(ADVERTISED) {
        Some(text) => told(text, broker, &listeners),
        None => Ok(Vec::new()),
    };
    let mut told = places.tell(&[ADVERTISED], told)?;
    let paired = listeners.into_iter().map(|listener| {
        let own = told.iter().position(|told| told.name == listener.name);
        ListenAt {
            name: listener.name,
            at: listener.at,
            advertised: own.map(|own| told.swap_remove(own).at),
        }
    });
    Ok(paired.collect())
}

fn listeners<'a>(text: &'a str, broker: &BrokerConfig) -> Result<Vec<Item<'a>>, Failure> {
    let found = items(text, broker, LISTENERS)?;
    for item in &found {
        check_security(item, broker, LISTENERS)?;
    }
    Ok(found)
}

/// What clients are told, each under the name of its listener.
fn told<'a>(
    text: &'a str,
    broker: &BrokerConfig,
    listeners: &[Item<'_>],
) -> Result<Vec<Item<'a>>, Failure> {
    let mut told = items(text, broker, ADVERTISED)?;
    if let ([one], [listener]) = (&mut told[..], listeners)
        && !(one.is_named && listener.is_named)
    {
        check_security(one, broker, ADVERTISED)?;
        one.name.clone_from(&listener.name);
    }
    let known: Vec<_> = listeners.iter().map(|one| one.name.as_str()).collect();
    let known = known.join(" and ");
    for one in &told {
        // Kafka too refuses `0.0.0.0` at the start.
        let what = if one.at.concrete_host().is_none() {
            "is no address that a client could connect to; name one, or leave it out: then clients \
             are told the address that they reached"
                .to_owned()
        } else if !one.is_named && listeners.len() > 1 {
            format!("needs a name, NAME://HOST:PORT: there are the listeners {known}")
        } else if !listeners.iter().any(|listener| listener.name == one.name) {
            format!("is for no listener that there is: {LISTENERS} has {known}")
        } else {
            continue;
        };
        return Err(Failure::config(format!(
            "{ADVERTISED}: {} {what}",
            one.written
        )));
    }
    Ok(told)
}

/// The items of a list that are for clients, as `HOST:PORT` or `NAME://HOST:PORT`, each name once.
/// Those that `controller.listener.names` has are for none: there are no controllers.
fn items<'a>(text: &'a str, broker: &BrokerConfig, key: &str) -> Result<Vec<Item<'a>>, Failure> {
    let mut found: Vec<Item<'_>> = Vec::new();
    for written in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let (name, address) = split_listener(written);
        let is_named = name.is_some();
        let name = name.unwrap_or(NAMELESS).to_ascii_uppercase();
        if is_for_controllers(&name, broker) {
            continue;
        }
        if found.iter().any(|other| other.name == name) {
            return Err(Failure::config(format!(
                "{key}={text} has two listeners {name}; give each a name, NAME://HOST:PORT, and \
                 add the new one to {MAP} as NAME:{PLAINTEXT}"
            )));
        }
        // Kafka's way to say "all addresses".
        let all = address
            .starts_with(':')
            .then(|| format!("0.0.0.0{address}"));
        let at = HostPort::parse(all.as_deref().unwrap_or(address), key)?;
        found.push(Item {
            name,
            is_named,
            at,
            written,
        });
    }
    if found.is_empty() {
        return Err(Failure::config(format!(
            "{key}={text} names no listener for clients"
        )));
    }
    Ok(found)
}

/// What is set for one listener must be for one that there is: a bound that nobody meets would
/// protect nobody. Not where the file has controllers, or a flag has replaced its listeners: then
/// it is said, a line each.
pub fn check_keys(
    broker: &BrokerConfig,
    places: &Places,
    replaced: bool,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    for of in broker.names().filter_map(ListenerKey::read) {
        let Some(others) = of.others(broker) else {
            continue;
        };
        let key = of.name();
        if replaced || is_for_controllers(&of.listener, broker) {
            notes.push(format!("{key} has no effect: there is no such listener"));
            continue;
        }
        let words = format!("{key} is for no listener that there is: {others}");
        let refused = Failure::config(words);
        return places.tell(&[&key], Err(refused));
    }
    Ok(notes)
}

fn check_security(item: &Item<'_>, broker: &BrokerConfig, key: &str) -> Result<(), Failure> {
    let Item { name, written, .. } = item;
    let mut pairs = broker
        .given(MAP)
        .unwrap_or_default()
        .split(',')
        .filter_map(|pair| {
            let (from, to) = pair.trim().split_once(':')?;
            Some((from.trim(), to.trim()))
        });
    let mapped = pairs.find(|(from, _)| from.eq_ignore_ascii_case(name));
    let security = mapped.map_or(name.as_str(), |(_, to)| to);
    if security.eq_ignore_ascii_case(PLAINTEXT) {
        return Ok(());
    }
    let is_security = |known: &&str| known.eq_ignore_ascii_case(security);
    let what = if mapped.is_some() || OTHER_SECURITY.iter().any(is_security) {
        format!("asks for {security}, and only {PLAINTEXT} is there yet")
    } else {
        format!("has no security that is known; add {name}:{PLAINTEXT} to {MAP}")
    };
    Err(Failure::config(format!("{key}: {written} {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::BrokerKey;

    fn resolved(values: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut broker = BrokerConfig::default();
        for (name, value) in values {
            let key = BrokerKey::find(name).expect("a key");
            broker.set(key, value).expect("a value");
        }
        let shown = |at: &HostPort| format!("{} {}", at.host, at.port);
        let found = resolve(&broker, &Places::default()).map_err(|failure| failure.message)?;
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
}

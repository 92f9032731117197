//! `listeners` and `advertised.listeners`: who may connect where, and what they are told. A list
//! of `NAME://HOST:PORT`; the names pair what is told with where it is told.

use crate::admin::BrokerConfig;

use super::Failure;
use super::config_file::Places;
use super::listen::HostPort;

/// Security that is no security, the only one there is.
const PLAINTEXT: &str = "PLAINTEXT";
/// Those of Kafka's that are not there.
const OTHER_SECURITY: [&str; 3] = ["SSL", "SASL_PLAINTEXT", "SASL_SSL"];

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";

/// One listener for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt {
    pub at: HostPort,
    /// What those who connect there are told, if not where they connected.
    pub advertised: Option<HostPort>,
}

/// An address of a list, with the name of its listener.
struct Named {
    name: String,
    at: HostPort,
}

/// At least one. A mistake in a file is told with its place.
pub fn resolve(broker: &BrokerConfig, places: &Places) -> Result<Vec<ListenAt>, Failure> {
    let text = broker.value_of(LISTENERS).unwrap_or_default();
    let found = for_clients(text, broker, LISTENERS);
    let listeners = places.tell(&[LISTENERS], found)?;
    let told = match broker.given(ADVERTISED) {
        Some(text) => told(text, broker, &listeners),
        None => Ok(Vec::new()),
    };
    let mut told = places.tell(&[ADVERTISED], told)?;
    let paired = listeners.into_iter().map(|listener| {
        let own = told.iter().position(|told| told.name == listener.name);
        ListenAt {
            at: listener.at,
            advertised: own.map(|own| told.swap_remove(own).at),
        }
    });
    Ok(paired.collect())
}

/// What clients are told. Nobody can connect to an address that stands for all: Kafka too refuses
/// it at the start.
fn told(text: &str, broker: &BrokerConfig, listeners: &[Named]) -> Result<Vec<Named>, Failure> {
    let mut told = for_clients(text, broker, ADVERTISED)?;
    // Where there is one of each they belong together, even if only one of them has a name.
    if let ([one], [listener], false) = (&mut told[..], listeners, text.contains("://")) {
        one.name.clone_from(&listener.name);
    }
    for one in &told {
        if one.at.concrete_host().is_none() {
            return Err(Failure::config(format!(
                "{ADVERTISED}: {} is no address that a client could connect to; name one, or \
                 leave it out: then clients are told the address that they reached",
                one.at.host
            )));
        }
        if !listeners.iter().any(|listener| listener.name == one.name) {
            let known: Vec<_> = listeners.iter().map(|one| one.name.as_str()).collect();
            return Err(Failure::config(format!(
                "{ADVERTISED}: there is no listener {}; {LISTENERS} has {}",
                one.name,
                known.join(" and ")
            )));
        }
    }
    Ok(told)
}

/// The listeners that clients may use, as `HOST:PORT` or `NAME://HOST:PORT`. Those that
/// `controller.listener.names` has are none: there are no controllers.
fn for_clients(text: &str, broker: &BrokerConfig, key: &str) -> Result<Vec<Named>, Failure> {
    let controllers = broker.given("controller.listener.names");
    let controllers = controllers.unwrap_or_default();
    let mut found: Vec<Named> = Vec::new();
    for listener in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let (name, address) = listener.split_once("://").unwrap_or((PLAINTEXT, listener));
        let name = name.to_ascii_uppercase();
        let is_controllers = |other: &str| other.trim().eq_ignore_ascii_case(&name);
        if controllers.split(',').any(is_controllers) {
            continue;
        }
        check_security(&name, listener, broker, key)?;
        if found.iter().any(|other| other.name == name) {
            return Err(Failure::config(format!(
                "{key}={text} has two listeners {name}; give each a name, NAME://HOST:PORT, and \
                 add the new one to listener.security.protocol.map as NAME:{PLAINTEXT}"
            )));
        }
        // Kafka's way to say "all addresses".
        let all = address
            .starts_with(':')
            .then(|| format!("0.0.0.0{address}"));
        let at = HostPort::parse(all.as_deref().unwrap_or(address), key)?;
        found.push(Named { name, at });
    }
    if found.is_empty() {
        return Err(Failure::config(format!(
            "{key}={text} names no listener for clients"
        )));
    }
    Ok(found)
}

fn check_security(
    name: &str,
    listener: &str,
    broker: &BrokerConfig,
    key: &str,
) -> Result<(), Failure> {
    let map = broker.given("listener.security.protocol.map");
    let mut pairs = map.unwrap_or_default().split(',').filter_map(|pair| {
        let (from, to) = pair.trim().split_once(':')?;
        Some((from.trim(), to.trim()))
    });
    let mapped = pairs.find(|(from, _)| from.eq_ignore_ascii_case(name));
    let security = mapped.map_or(name, |(_, to)| to);
    if security.eq_ignore_ascii_case(PLAINTEXT) {
        return Ok(());
    }
    let is_kafkas = |known: &&str| known.eq_ignore_ascii_case(security);
    if mapped.is_none() && !OTHER_SECURITY.iter().any(is_kafkas) {
        return Err(Failure::config(format!(
            "{key}: nothing says which security the listener {name} has; add {name}:{PLAINTEXT} \
             to listener.security.protocol.map"
        )));
    }
    Err(Failure::config(format!(
        "{key}: {listener} asks for {security}, and only {PLAINTEXT} is there yet"
    )))
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
            &[(LISTENERS, "out://h:7"), (ADVERTISED, "told:8"), MAP],
            &["h 7 as told 8"],
        );
        check(
            &[
                (LISTENERS, "INSIDE://:19092,Out://:9092,CONTROLLER://:9093"),
                (ADVERTISED, "OUT://localhost:9092,INSIDE://broker:19092"),
                ("controller.listener.names", "CONTROLLER"),
                MAP,
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
                MAP,
            ],
            &["0.0.0.0 19092", "0.0.0.0 9092 as o 1"],
        );
    }

    const MAP: (&str, &str) = (
        "listener.security.protocol.map",
        "CONTROLLER:PLAINTEXT, inside:PLAINTEXT,OUT:plaintext,SAFE:SASL_SSL",
    );

    #[test]
    fn what_can_not_be_is_refused_with_what_would_be_right() {
        let check = |values: &[(&str, &str)], words: &str| {
            let refusal = resolved(values).expect_err("a refusal");
            assert!(refusal.contains(words), "{refusal}");
        };

        check(&[(LISTENERS, "SSL://:9093")], "only PLAINTEXT is there");
        check(&[(LISTENERS, "SAFE://:9093"), MAP], "asks for SASL_SSL");
        check(&[(LISTENERS, "MINE://:9093"), MAP], "add MINE:PLAINTEXT");
        check(&[(LISTENERS, "a:1,b:2")], "give each a name");
        check(&[(LISTENERS, " , ")], "names no listener");
        for nowhere in ["0.0.0.0:9092", "PLAINTEXT://:9092", "[::]:9092"] {
            check(&[(ADVERTISED, nowhere)], "could connect to");
        }
        check(
            &[(LISTENERS, "OUT://a:1"), (ADVERTISED, "INSIDE://a:1"), MAP],
            "no listener INSIDE; listeners has OUT",
        );
        let two = (LISTENERS, "OUT://a:1,INSIDE://a:2");
        check(
            &[two, (ADVERTISED, "told:1"), MAP],
            "no listener PLAINTEXT; listeners has OUT and INSIDE",
        );
    }
}

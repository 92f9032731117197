//! Keys of one listener, `listener.name.NAME.KEY`: they hold there beside the broker's own.

use std::borrow::Cow;

use super::broker_config::BrokerConfig;
use super::broker_key::BrokerKey;
use super::in_force::InForce;

const PREFIX: &str = "listener.name.";

/// Kafka's keys of single listeners, but for those of security, which is not there yet.
const KEYS: [&str; 3] = [
    "max.connection.creation.rate",
    "max.connections",
    "num.network.threads",
];

/// Such a name, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerKey<'a> {
    /// In lower case, as Kafka's names of keys have it, whatever the listener's own name is.
    pub listener: Cow<'a, str>,
    pub key: &'static BrokerKey,
}

impl<'a> ListenerKey<'a> {
    pub fn new(listener: &'a str, key: &'static BrokerKey) -> Self {
        let listener = match listener.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => listener.to_ascii_lowercase().into(),
            false => listener.into(),
        };
        Self { listener, key }
    }

    /// Reads a name, in any case and with Kafka's name of the key or ours. None: no key of a
    /// listener, or one that has no meaning here.
    pub fn read(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX)?;
        // A listener's name may have dots, too.
        KEYS.iter()
            .filter_map(|key| BrokerKey::find(key))
            .find_map(|key| {
                let listener = [key.name.to_owned(), key.toml_name()]
                    .iter()
                    .find_map(|key| rest.strip_suffix(key.as_str())?.strip_suffix('.'))?;
                (!listener.is_empty()).then(|| Self::new(listener, key))
            })
    }

    /// The names of all listeners for clients, if its own is not one of them.
    pub fn others(&self, broker: InForce<'_>) -> Option<String> {
        let all: Vec<String> = names(broker).map(str::to_ascii_lowercase).collect();
        let is_there = all.iter().any(|name| *name == self.listener);
        (!is_there).then(|| all.join(" and "))
    }

    /// The name that Kafka has for it.
    pub fn name(&self) -> String {
        format!("{PREFIX}{}.{}", self.listener, self.key.name)
    }
}

/// True of every name that is meant for one listener.
pub fn is_of_a_listener(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The name of one of `listeners`, as it is written, and the address: `NAME://HOST:PORT`.
pub fn split_listener(written: &str) -> (Option<&str>, &str) {
    match written.split_once("://") {
        Some((name, address)) => (Some(name), address),
        None => (None, written),
    }
}

/// What a listener is called that was given no name.
pub const NAMELESS: &str = "PLAINTEXT";

/// The names of a broker's listeners for clients, as they are written.
fn names(broker: InForce<'_>) -> impl Iterator<Item = &str> {
    let all = broker.value_of("listeners").unwrap_or_default();
    let all = all.split(',').map(str::trim);
    let names = all.filter(|one| !one.is_empty());
    let names = names.map(|one| split_listener(one).0.unwrap_or(NAMELESS));
    names.filter(move |name| !is_for_controllers(name, broker.fixed))
}

/// True of those that `controller.listener.names` has: they are for no client.
pub fn is_for_controllers(name: &str, broker: &BrokerConfig) -> bool {
    let controllers = broker.given("controller.listener.names");
    let mut controllers = controllers.unwrap_or_default().split(',');
    controllers.any(|other| other.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_listener_is_read_in_any_case_and_named_as_kafka_does() {
        let check = |written: &str, expected: Option<&str>| {
            let name = ListenerKey::read(written).map(|read| read.name());
            assert_eq!(name.as_deref(), expected, "{written}");
        };

        let max = Some("listener.name.inside.max.connections");
        check("listener.name.inside.max.connections", max);
        check("listener.name.INSIDE.max-connections", max);
        let rate = "listener.name.a-b.max.connection.creation.rate";
        check(rate, Some(rate));
        let dotted = "listener.name.a.b.max.connections";
        check(dotted, Some(dotted));
        for other in [
            "max.connections",
            "listener.name.max.connections",
            "listener.name.insidemax.connections",
            "listener.name..max.connections",
            "listener.name.inside.max.connections.per.ip",
            "listener.name.inside.num.partitions",
            "listener.name.inside.ssl.client.auth",
            "listener.name.inside",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn listeners_are_called_as_they_are_written() {
        let mut broker = BrokerConfig::default();
        for (name, value) in [
            (
                "listeners",
                "INSIDE://:19092, out://h:9092,, h:1,CONTROLLER://:2",
            ),
            ("controller.listener.names", "other, Controller"),
        ] {
            let key = BrokerKey::find(name).expect("a key");
            broker.set(key, value).expect("a value");
        }

        let all: Vec<&str> = names(InForce::fixed(&broker)).collect();

        assert_eq!(all, ["INSIDE", "out", NAMELESS]);
    }
}

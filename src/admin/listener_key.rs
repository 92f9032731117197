//! Keys of one listener, `listener.name.NAME.KEY`: they hold there beside the broker's own.

use std::borrow::Cow;

use super::broker_key::BrokerKey;

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
        let (listener, key) = name.strip_prefix(PREFIX)?.split_once('.')?;
        let key = BrokerKey::find(key)?;
        (KEYS.contains(&key.name) && !listener.is_empty()).then(|| Self::new(listener, key))
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

/// The names in a value of `listeners`, as they are written.
pub fn names(listeners: &str) -> impl Iterator<Item = &str> {
    let all = listeners.split(',').map(str::trim);
    let all = all.filter(|one| !one.is_empty());
    all.map(|one| split_listener(one).0.unwrap_or(NAMELESS))
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
        for other in [
            "max.connections",
            "listener.name.max.connections",
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
        let all: Vec<&str> = names("INSIDE://:19092, out://h:9092,, h:1").collect();

        assert_eq!(all, ["INSIDE", "out", NAMELESS]);
    }
}

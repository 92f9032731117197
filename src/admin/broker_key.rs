//! One broker-wide configuration key: what DescribeConfigs, the file and README say of it.

use crate::log::config_table::{Bounds, ConfigKind};

use super::broker_table::BROKER_CONFIGS;
use super::idle_table::IDLE_CONFIGS;
use super::listener_key::{ListenerKey, is_of_a_listener};
use super::topic_defaults::TOPIC_DEFAULTS;
use super::without_meaning::{WITHOUT_MEANING, is_of_a_storage};

/// Whether a key may change while the broker runs, in Kafka's words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// IncrementalAlterConfigs of one broker.
    PerBroker,
    /// The same, or of all as a default.
    ClusterWide,
}

/// A broker-wide configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerKey {
    /// Kafka's name, and ours with dots if Kafka has none.
    pub name: &'static str,
    /// Our name in TOML where it is not Kafka's with hyphens; the flag's, if there is one.
    pub short: Option<&'static str>,
    pub kind: ConfigKind,
    /// None: not set (null), and something else decides.
    pub default: Option<&'static str>,
    pub bounds: Bounds,
    pub update: Update,
    /// False: accepted and shown, without effect here.
    pub acts: bool,
    pub doc: &'static str,
}

/// What a name of a configuration file stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    Key(&'static BrokerKey),
    /// For one listener only.
    Listener(ListenerKey<'a>),
    /// One of Kafka's that has no meaning here.
    WithoutMeaning,
    /// Nothing; `nearest` is the name that it was perhaps meant to be.
    Unknown {
        nearest: String,
    },
}

impl BrokerKey {
    /// The key of this name, Kafka's or ours.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|key| key.name == name || key.is_toml_name(name))
    }

    /// All keys: the broker's own, then those that give topics their defaults.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        BROKER_CONFIGS
            .iter()
            .chain(IDLE_CONFIGS)
            .chain(TOPIC_DEFAULTS)
    }

    /// What `name` stands for in a configuration file.
    pub fn look_up(name: &str) -> Named<'_> {
        if let Some(key) = Self::find(name) {
            return Named::Key(key);
        }
        if let Some(key) = ListenerKey::read(name) {
            return Named::Listener(key);
        }
        if WITHOUT_MEANING.contains(&name) || is_of_a_listener(name) || is_of_a_storage(name) {
            return Named::WithoutMeaning;
        }
        Named::Unknown {
            nearest: nearest(name),
        }
    }

    /// The name in our TOML.
    pub fn toml_name(&self) -> String {
        match self.short {
            Some(short) => short.to_owned(),
            None => self.name.replace('.', "-"),
        }
    }

    /// False for the few that Kafka has under no name.
    pub fn is_kafkas(&self) -> bool {
        !OWN.contains(&self.name)
    }

    fn is_toml_name(&self, name: &str) -> bool {
        match self.short {
            Some(short) => short == name,
            None => self
                .name
                .bytes()
                .map(|byte| if byte == b'.' { b'-' } else { byte })
                .eq(name.bytes()),
        }
    }
}

/// A row of a table, read-only and in force, with no default and no bounds.
pub(super) const fn key(name: &'static str, kind: ConfigKind, doc: &'static str) -> BrokerKey {
    BrokerKey {
        name,
        short: None,
        kind,
        default: None,
        bounds: Bounds::Any,
        update: Update::ReadOnly,
        acts: true,
        doc,
    }
}

impl BrokerKey {
    /// Its name in TOML and of its flag.
    pub(super) const fn short(self, name: &'static str) -> Self {
        Self {
            short: Some(name),
            ..self
        }
    }

    pub(super) const fn default(self, value: &'static str) -> Self {
        Self {
            default: Some(value),
            ..self
        }
    }

    pub(super) const fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    pub(super) const fn dynamic(self) -> Self {
        let update = Update::ClusterWide;
        Self { update, ..self }
    }

    pub(super) const fn per_broker(self) -> Self {
        let update = Update::PerBroker;
        Self { update, ..self }
    }

    pub(super) const fn without_effect(self) -> Self {
        Self {
            acts: false,
            ..self
        }
    }
}

/// Keys that Kafka does not have.
const OWN: [&str; 9] = [
    "allow.buffered",
    "cache.bytes",
    "cores",
    "idle.poll.us",
    "index.cache.bytes",
    "listener.ids.max",
    "listener.layout",
    "request.memory.bytes",
    "shards",
];

/// The known name that takes the fewest changes of letters to become: one of ours if that is how
/// `name` is written.
fn nearest(name: &str) -> String {
    let kafkas = BrokerKey::all().map(|key| key.name.to_owned());
    let ours = BrokerKey::all().map(BrokerKey::toml_name);
    let other = WITHOUT_MEANING.iter().map(|name| (*name).to_owned());
    let dotted = name.replace(['-', '_'], ".");
    let changes = |known: &String| {
        let meant = changes_between(&dotted, &known.replace('-', "."));
        (meant, changes_between(name, known))
    };
    let known = kafkas.chain(ours).chain(other).min_by_key(changes);
    known.unwrap_or_default()
}

/// The Levenshtein distance.
fn changes_between(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (step, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = step + 1;
        for (place, found) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *found);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_key_is_found_by_both_its_names() {
        assert!(BROKER_CONFIGS.is_sorted_by_key(|key| key.name));
        assert!(IDLE_CONFIGS.is_sorted_by_key(|key| key.name));
        assert!(TOPIC_DEFAULTS.is_sorted_by_key(|key| key.name));
        assert!(WITHOUT_MEANING.is_sorted());
        for key in BrokerKey::all() {
            assert_eq!(BrokerKey::find(key.name), Some(key));
            assert_eq!(BrokerKey::find(&key.toml_name()), Some(key), "{}", key.name);
        }
        let twice = |name: &&&str| BrokerKey::find(name).is_some();
        assert_eq!(WITHOUT_MEANING.iter().find(twice), None);
        assert!(OWN.iter().all(|name| BrokerKey::find(name).is_some()));
    }

    #[test]
    fn a_misspelt_name_finds_the_one_that_was_meant() {
        let check = |name| match BrokerKey::look_up(name) {
            Named::Unknown { nearest } => nearest,
            known => panic!("{name} is {known:?}"),
        };

        assert_eq!(check("num.partition"), "num.partitions");
        assert_eq!(check("log.retension.ms"), "log.retention.ms");
        assert_eq!(check("log_retention_byte"), "log.retention.bytes");
        assert_eq!(check("num-partition"), "num-partitions");
        assert_eq!(check("data-dirs"), "data-dir");
        for meant_for_others in [
            "listener.name.plain.ssl.client.auth",
            "rsm.config.chunk.size",
            "rlmm.config.remote.log.metadata.topic.num.partitions",
        ] {
            let named = BrokerKey::look_up(meant_for_others);
            assert_eq!(named, Named::WithoutMeaning, "{meant_for_others}");
        }
    }
}

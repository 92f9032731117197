//! What DescribeConfigs says: every key with its value, where the value comes from, and what would
//! hold otherwise.

use std::borrow::Cow;

use crate::log::{ConfigKey, ConfigKind, Overrides, TOPIC_CONFIGS};

use super::broker_key::{BrokerKey, Update};
use super::in_force::{IN_SEVERAL_UNITS, InForce};
use super::listener_key::ListenerKey;

/// Where a value comes from (`DescribeConfigsResponse.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set for the topic.
    Topic = 1,
    /// Set for the broker while it runs.
    DynamicBroker = 2,
    /// Set for all brokers while they run.
    DynamicDefaultBroker = 3,
    /// Set when the broker was started.
    StaticBroker = 4,
    /// Set by nobody.
    Default = 5,
}

/// One configuration as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub name: Cow<'static, str>,
    /// None: not set, and nothing stands for it.
    pub value: Option<String>,
    pub source: Source,
    pub kind: ConfigKind,
    pub read_only: bool,
    pub doc: &'static str,
    /// What gives the value, then what would if that were not set, and so on.
    pub synonyms: Vec<Synonym>,
}

/// One place where a value could come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: Cow<'static, str>,
    pub value: String,
    pub source: Source,
}

/// A topic's configuration, in the order of the names; those that `wanted` names, None: all.
pub fn describe_topic<'a>(
    set: &'a Overrides,
    broker: InForce<'a>,
    wanted: Option<&'a [&'a str]>,
) -> impl Iterator<Item = Described> + 'a {
    let keys = TOPIC_CONFIGS.iter();
    let keys = keys.filter(move |key| wanted.is_none_or(|names| names.contains(&key.name)));
    keys.map(move |key| topic_key(key, set, broker))
}

/// The broker's configuration, likewise.
pub fn describe_broker<'a>(
    broker: InForce<'a>,
    wanted: Option<&'a [&'a str]>,
) -> impl Iterator<Item = Described> + 'a {
    let keys = BrokerKey::all();
    let keys = keys.filter(move |key| wanted.is_none_or(|names| names.contains(&key.name)));
    let keys = keys.map(move |key| broker_key(key, broker));
    let own = broker
        .listener_keys()
        .map(move |of| listener_key(&of, broker));
    let is_wanted = move |one: &Described| wanted.is_none_or(|names| names.contains(&&*one.name));
    keys.chain(own.filter(is_wanted))
}

/// What was set for all brokers, likewise; nothing else is a configuration of theirs.
pub fn describe_cluster<'a>(
    broker: InForce<'a>,
    wanted: Option<&'a [&'a str]>,
) -> impl Iterator<Item = Described> + 'a {
    let source = Source::DynamicDefaultBroker;
    let all = describe_broker(broker, wanted).filter_map(move |mut described| {
        described.synonyms.retain(|one| one.source == source);
        let mut own = described.synonyms.iter();
        let first = own.next().filter(|first| first.name == described.name)?;
        described.value = Some(first.value.clone());
        Some(Described {
            source,
            ..described
        })
    });
    all.filter(|described| !described.synonyms.is_empty())
}

fn topic_key(key: &'static ConfigKey, set: &Overrides, broker: InForce<'_>) -> Described {
    let own = set.get(key.name).map(|value| Synonym {
        name: key.name.into(),
        value: value.clone(),
        source: Source::Topic,
    });
    let given = broker.topic_default(key).map(|default| Synonym {
        name: default.broker_name.into(),
        value: default.value,
        source: default.source,
    });
    // Kafka shows the broker's default under its name, if the broker's key has one.
    let named = BrokerKey::find(key.broker_name).filter(|broker| broker.default.is_some());
    let default = named.map(|broker| Synonym {
        name: broker.name.into(),
        value: key.default.to_owned(),
        source: Source::Default,
    });
    let mut synonyms: Vec<Synonym> = own.into_iter().chain(given).chain(default).collect();
    // Where log.retention.ms is set, Kafka names what would hold without it.
    if (synonyms.iter()).any(|one| one.name == key.broker_name && one.source != Source::Default) {
        synonyms.extend(other_units(key));
    }
    let first = synonyms.first();
    Described {
        name: key.name.into(),
        value: Some(first.map_or(key.default.to_owned(), |first| first.value.clone())),
        source: first.map_or(Source::Default, |first| first.source),
        kind: key.kind,
        read_only: false,
        doc: key.doc,
        synonyms,
    }
}

/// The defaults of a key's other names, such as `log.retention.hours`, in their own units.
fn other_units(key: &ConfigKey) -> impl Iterator<Item = Synonym> + use<> {
    let mut several = IN_SEVERAL_UNITS.iter();
    let names = several.find(|(name, _)| *name == key.name);
    let others = names.map_or(&[][..], |(_, names)| &names[1..]).iter();
    others.filter_map(|(name, _)| {
        let default = BrokerKey::find(name)?.default?;
        Some(Synonym {
            name: (*name).into(),
            value: default.to_owned(),
            source: Source::Default,
        })
    })
}

fn broker_key(key: &'static BrokerKey, broker: InForce<'_>) -> Described {
    let synonyms = synonyms(key, broker);
    let first = synonyms.first();
    Described {
        name: key.name.into(),
        value: first.map(|first| first.value.clone()),
        source: first.map_or(Source::Default, |first| first.source),
        kind: key.kind,
        read_only: key.update == Update::ReadOnly,
        doc: key.doc,
        synonyms,
    }
}

/// What is set for one listener, then what holds for all of them.
fn listener_key(of: &ListenerKey<'_>, broker: InForce<'_>) -> Described {
    let name = of.name();
    let own = broker.set(&name).map(|(source, value)| Synonym {
        name: name.clone().into(),
        value: value.to_owned(),
        source,
    });
    let mut described = broker_key(of.key, broker);
    described.synonyms.splice(0..0, own);
    if let Some(first) = described.synonyms.first() {
        described.value = Some(first.value.clone());
        described.source = first.source;
    }
    Described {
        name: name.into(),
        ..described
    }
}

/// What gives a broker's key its value, from this key's own name on: `log.retention.ms` that is
/// not set has none, though `log.retention.hours` has a default.
fn synonyms(key: &'static BrokerKey, broker: InForce<'_>) -> Vec<Synonym> {
    let own = [(key.name, 1)];
    let mut several = IN_SEVERAL_UNITS.iter().map(|(_, names)| *names);
    let names = several.find(|names| names.first().is_some_and(|(name, _)| *name == key.name));
    let names = names.unwrap_or(&own).iter().map(|(name, _)| *name);
    let mut all = Vec::new();
    for name in names {
        let set = broker.set(name);
        let default = BrokerKey::find(name).and_then(|key| key.default);
        let values = set.chain(default.map(|value| (Source::Default, value)));
        all.extend(values.map(|(source, value)| Synonym {
            name: name.into(),
            value: value.to_owned(),
            source,
        }));
    }
    all.sort_by_key(|one| one.source as i8);
    let first = all.iter().position(|one| one.name == key.name);
    all.split_off(first.unwrap_or(all.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::BrokerConfig;

    fn described(name: &str, set: &[(&str, &str)], broker: &[(&str, &str)]) -> Described {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let set: Overrides = set.iter().map(owned).collect();
        let mut config = BrokerConfig::default();
        for (name, value) in broker {
            let key = BrokerKey::find(name).expect("a key");
            config.set(key, value).expect("a value");
        }
        let found = describe_topic(&set, InForce::fixed(&config), Some(&[name])).next();
        found.expect("a topic key")
    }

    fn sources(described: &Described) -> Vec<(&str, &str, i8)> {
        let synonyms = described.synonyms.iter();
        synonyms
            .map(|one| (&*one.name, &*one.value, one.source as i8))
            .collect()
    }

    #[test]
    fn what_is_set_for_the_topic_goes_before_the_brokers_and_the_default() {
        let set = [("max.message.bytes", "5")];
        let broker = [("message.max.bytes", "7")];

        let topic = described("max.message.bytes", &set, &broker);
        let static_broker = described("max.message.bytes", &[], &broker);
        let default = described("max.message.bytes", &[], &[]);

        let expected = [
            ("max.message.bytes", "5", 1),
            ("message.max.bytes", "7", 4),
            ("message.max.bytes", "1048588", 5),
        ];
        assert_eq!(sources(&topic), expected);
        assert_eq!(sources(&static_broker), expected[1..]);
        assert_eq!(sources(&default), expected[2..]);
        assert_eq!(static_broker.source, Source::StaticBroker);
        assert_eq!(default.value.as_deref(), Some("1048588"));
    }

    #[test]
    fn a_key_without_a_broker_wide_default_has_no_synonym_but_a_value() {
        let topic = described("retention.ms", &[], &[("log.retention.hours", "2")]);
        let default = described("retention.ms", &[], &[]);

        assert_eq!(sources(&topic), [("log.retention.hours", "7200000", 4)]);
        assert_eq!(sources(&default), []);
        assert_eq!(default.value.as_deref(), Some("604800000"));
        assert_eq!(default.source, Source::Default);
    }

    #[test]
    fn every_key_is_described_once_and_only_what_is_wanted() {
        let (none, broker) = (Overrides::new(), BrokerConfig::default());
        let broker = InForce::fixed(&broker);
        let all = describe_topic(&none, broker, None).count();
        let few = describe_topic(&none, broker, Some(&["retention.ms", "no.such"])).count();

        assert_eq!((all, few), (TOPIC_CONFIGS.len(), 1));
        assert_eq!(
            describe_broker(broker, None).count(),
            BrokerKey::all().count()
        );
    }
    #[test]
    fn a_brokers_key_tells_every_layer_and_the_cluster_only_its_own() {
        let key = BrokerKey::find("message.max.bytes").expect("a key");
        let mut fixed = BrokerConfig::default();
        fixed.set(key, "1").expect("a value");
        let set = |value: &str| Overrides::from([(key.name.to_owned(), value.to_owned())]);
        let (own, cluster) = (set("3"), set("2"));
        let broker = InForce {
            own: &own,
            cluster: &cluster,
            fixed: &fixed,
        };

        let described = broker_key(key, broker);
        let all: Vec<Described> = describe_cluster(broker, None).collect();

        let name = key.name;
        let layers = [
            (name, "3", 2),
            (name, "2", 3),
            (name, "1", 4),
            (name, "1048588", 5),
        ];
        assert_eq!(sources(&described), layers);
        assert_eq!(all.len(), 1);
        assert_eq!(sources(&all[0]), layers[1..2]);
        assert_eq!(all[0].value.as_deref(), Some("2"));
    }

    #[test]
    fn retention_in_milliseconds_tells_of_the_hours_only_where_it_is_set() {
        let key = BrokerKey::find("log.retention.ms").expect("a key");
        let set = Overrides::from([(key.name.to_owned(), "5".to_owned())]);
        let fixed = BrokerConfig::default();
        let broker = InForce::fixed(&fixed);
        let dynamic = InForce {
            own: &set,
            ..broker
        };

        assert_eq!(sources(&broker_key(key, broker)), []);
        let expected = [
            ("log.retention.ms", "5", 2),
            ("log.retention.hours", "168", 5),
        ];
        assert_eq!(sources(&broker_key(key, dynamic)), expected);
    }
}

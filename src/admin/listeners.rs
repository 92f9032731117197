//! `listeners` and `advertised.listeners`: who may connect where, and what they are told. A list
//! of `NAME://HOST:PORT`; the names pair what is told with where it is told.

use super::broker_config::BrokerConfig;
use super::in_force::InForce;
use super::listener_key::{NAMELESS, is_for_controllers, split_listener};

/// Security that is no security, the only one there is.
const PLAINTEXT: &str = "PLAINTEXT";
/// Those of Kafka's that are not there.
const OTHER_SECURITY: [&str; 3] = ["SSL", "SASL_PLAINTEXT", "SASL_SSL"];

pub const LISTENERS: &str = "listeners";
pub const ADVERTISED: &str = "advertised.listeners";
pub const MAP: &str = "listener.security.protocol.map";

/// `HOST:PORT`, split; the host without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

/// One listener for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt {
    /// In capitals.
    pub name: String,
    pub at: HostPort,
    /// What those who connect there are told, if not where they connected.
    pub advertised: Option<HostPort>,
}

/// What is wrong with a list, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which of the three.
    pub key: &'static str,
    pub words: String,
    /// It can not be read; otherwise it can, and can not be.
    pub is_form: bool,
}

/// An address of a list.
struct Item<'a> {
    /// In capitals; PLAINTEXT if it was written without one.
    name: String,
    is_named: bool,
    at: HostPort,
    written: &'a str,
}

impl HostPort {
    /// Reads `HOST:PORT`; IPv6 is in brackets.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if text.contains("://") || text.contains(',') {
            return Err("one address is wanted here, without a name");
        }
        let (host, port) = text.rsplit_once(':').ok_or("no port")?;
        let port = port.parse();
        let port = port.map_err(|_| "the port is not a number below 65536")?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or("unclosed bracket")?,
            None if host.contains(':') => return Err("IPv6 without brackets"),
            None => host,
        };
        if host.is_empty() {
            return Err("no host");
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for ListenAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HostPort { host, port } = &self.at;
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{port}", self.name),
            false => write!(f, "{}://{host}:{port}", self.name),
        }
    }
}

/// Those that a broker is started with; at least one.
///
/// # Errors
/// The first mistake of the two lists.
pub fn of_start(broker: &BrokerConfig) -> Result<Vec<ListenAt>, Wrong> {
    let values = InForce::fixed(broker);
    let listeners = listeners(values)?;
    let told = match broker.given(ADVERTISED) {
        Some(text) => told(text, values, &listeners)?,
        None => Vec::new(),
    };
    Ok(paired(listeners, told))
}

/// Those that a running broker is to have; at least one. What clients are told was fixed at the
/// start, as in Kafka 4: it goes with the listener of its name, if that is there.
///
/// # Errors
/// The first mistake of the list.
pub fn of_running(values: InForce<'_>) -> Result<Vec<ListenAt>, Wrong> {
    let listeners = listeners(values)?;
    let at_start = of_start(values.fixed).unwrap_or_default().into_iter();
    let told = at_start.filter_map(|own| Some((own.name, own.advertised?)));
    let told: Vec<(String, HostPort)> = told.collect();
    let paired = listeners.into_iter().map(|listener| {
        let own = told.iter().find(|(name, _)| *name == listener.name);
        ListenAt {
            name: listener.name,
            at: listener.at,
            advertised: own.map(|(_, at)| at.clone()),
        }
    });
    Ok(paired.collect())
}

fn paired(listeners: Vec<Item<'_>>, mut told: Vec<Item<'_>>) -> Vec<ListenAt> {
    let paired = listeners.into_iter().map(|listener| {
        let own = told.iter().position(|told| told.name == listener.name);
        ListenAt {
            name: listener.name,
            at: listener.at,
            advertised: own.map(|own| told.swap_remove(own).at),
        }
    });
    paired.collect()
}

fn listeners(values: InForce<'_>) -> Result<Vec<Item<'_>>, Wrong> {
    let text = values.value_of(LISTENERS).unwrap_or_default();
    let found = items(text, values.fixed, LISTENERS)?;
    for item in &found {
        check_security(item, values, LISTENERS)?;
    }
    Ok(found)
}

/// What clients are told, each under the name of its listener.
fn told<'a>(
    text: &'a str,
    values: InForce<'_>,
    listeners: &[Item<'_>],
) -> Result<Vec<Item<'a>>, Wrong> {
    let mut told = items(text, values.fixed, ADVERTISED)?;
    if let ([one], [listener]) = (&mut told[..], listeners)
        && !(one.is_named && listener.is_named)
    {
        check_security(one, values, ADVERTISED)?;
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
        return Err(wrong(
            ADVERTISED,
            format!("{ADVERTISED}: {} {what}", one.written),
        ));
    }
    Ok(told)
}

/// The items of a list that are for clients, as `HOST:PORT` or `NAME://HOST:PORT`, each name once.
/// Those that `controller.listener.names` has are for none: there are no controllers.
fn items<'a>(
    text: &'a str,
    broker: &BrokerConfig,
    key: &'static str,
) -> Result<Vec<Item<'a>>, Wrong> {
    let mut found: Vec<Item<'_>> = Vec::new();
    for written in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let (name, address) = split_listener(written);
        let is_named = name.is_some();
        let name = name.unwrap_or(NAMELESS).to_ascii_uppercase();
        if is_for_controllers(&name, broker) {
            continue;
        }
        if found.iter().any(|other| other.name == name) {
            return Err(wrong(
                key,
                format!(
                    "{key}={text} has two listeners {name}; give each a name, NAME://HOST:PORT, \
                     and add the new one to {MAP} as NAME:{PLAINTEXT}"
                ),
            ));
        }
        // Kafka's way to say "all addresses".
        let all = address
            .starts_with(':')
            .then(|| format!("0.0.0.0{address}"));
        let address = all.as_deref().unwrap_or(address);
        let at = HostPort::read(address).map_err(|what| Wrong {
            key,
            words: format!("{key} {address}: {what}; write it as HOST:PORT"),
            is_form: true,
        })?;
        found.push(Item {
            name,
            is_named,
            at,
            written,
        });
    }
    if found.is_empty() {
        let words = format!("{key}={text} names no listener for clients");
        return Err(wrong(key, words));
    }
    Ok(found)
}

fn check_security(item: &Item<'_>, values: InForce<'_>, key: &'static str) -> Result<(), Wrong> {
    let Item { name, written, .. } = item;
    let map = values.set(MAP).next().map_or("", |(_, text)| text);
    let mut pairs = pairs_of(map).filter_map(|pair| pair.ok());
    let mapped = pairs.find(|(from, _)| from.eq_ignore_ascii_case(name));
    let security = mapped.map_or(name.as_str(), |(_, to)| to);
    if security.eq_ignore_ascii_case(PLAINTEXT) {
        return Ok(());
    }
    let what = if mapped.is_some() || is_security(security) {
        format!("asks for {security}, and only {PLAINTEXT} is there yet")
    } else {
        format!("has no security that is known; add {name}:{PLAINTEXT} to {MAP}")
    };
    Err(wrong(key, format!("{key}: {written} {what}")))
}

/// The pairs of `listener.security.protocol.map`, or what is none.
fn pairs_of(map: &str) -> impl Iterator<Item = Result<(&str, &str), &str>> {
    let items = map.split(',').map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    items.map(|item| {
        let (from, to) = item.split_once(':').ok_or(item)?;
        Ok((from.trim(), to.trim()))
    })
}

fn is_security(name: &str) -> bool {
    let mut known = OTHER_SECURITY.iter().chain([&PLAINTEXT]);
    known.any(|known| known.eq_ignore_ascii_case(name))
}

fn wrong(key: &'static str, words: String) -> Wrong {
    Wrong {
        key,
        words,
        is_form: false,
    }
}

/// True if what decides about listeners is not the same in both.
pub fn differ(before: InForce<'_>, after: InForce<'_>) -> bool {
    [LISTENERS, MAP]
        .iter()
        .any(|key| before.value_of(key) != after.value_of(key))
}

/// Whether a running broker may go from the listeners that it has to others. `ports` is how many
/// each takes in a row.
///
/// The first one that it was started with stays, as the one of `inter.broker.listener.name` does
/// in Kafka: nobody shall lock himself out.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn check_change(before: InForce<'_>, after: InForce<'_>, ports: usize) -> Result<(), Wrong> {
    let map = after.set(MAP).next().map_or("", |(_, text)| text);
    for pair in pairs_of(map) {
        let what = match pair {
            Ok((from, to)) if !from.is_empty() && is_security(to) => continue,
            Ok((from, to)) => format!("{from}:{to}"),
            Err(other) => other.to_owned(),
        };
        let words = format!("{MAP}: {what} is no pair NAME:{PLAINTEXT}");
        return Err(wrong(MAP, words));
    }
    let wanted = of_running(after)?;
    let refuse = |words: String| Err(wrong(LISTENERS, words));
    let is_in = |all: &[ListenAt], one: &ListenAt| {
        let mut all = all.iter();
        all.any(|other| other.name == one.name && other.at == one.at)
    };
    let at_start = of_start(after.fixed).unwrap_or_default();
    if let Some(first) = at_start.first().filter(|first| !is_in(&wanted, first)) {
        return refuse(format!(
            "{LISTENERS}: {first} is the first that the broker was started with and must stay as \
             it is; list it, too, or change the broker's file and start it again"
        ));
    }
    // It can not be read if the file has changed since: nothing is known of what is open then.
    let open = of_running(before).unwrap_or_default();
    for (place, one) in wanted.iter().enumerate() {
        if usize::from(one.at.port) + ports > usize::from(u16::MAX) + 1 {
            return refuse(format!(
                "{LISTENERS}: {one}: listener.layout=ports takes {ports} ports in a row, one per \
                 shard, and the last port there is is 65535"
            ));
        }
        let share = |other: &&ListenAt| one.at.surely_shares_a_port(&other.at, ports);
        if let Some(other) = wanted[..place].iter().find(share) {
            let row = match ports {
                1 => String::new(),
                _ => format!(" (listener.layout=ports takes {ports} in a row, one per shard)"),
            };
            return refuse(format!(
                "{LISTENERS}: {other} and {one} share a port{row}; each listener needs its own"
            ));
        }
        let mut going = open.iter().filter(|other| !is_in(&wanted, other));
        if let Some(other) = going.find(share).filter(|_| !is_in(&open, one)) {
            return refuse(format!(
                "{LISTENERS}: {other} has the port of {one} until this change is done; take it \
                 out first, and add {} then",
                one.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "listeners_tests.rs"]
mod tests;

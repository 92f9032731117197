//! What `serve` runs with: flags over the file over defaults.

use std::path::PathBuf;

use crate::admin::{BrokerConfig, BrokerKey};
use crate::base::{ByteCount, NodeId, Span};
use crate::shard::Layout;

use super::Failure;
use super::arguments::Serve;
use super::config_file::{self, Places};
use super::listen::HostPort;

/// Security that is no security, the only one there is.
const PLAINTEXT: &str = "PLAINTEXT";

/// Everything that was decided before the machine was asked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub broker: BrokerConfig,
    /// What the operator should know of the file.
    pub notes: Vec<String>,
    pub listen: HostPort,
    pub advertised: Option<HostPort>,
    pub layout: Layout,
    /// At least one.
    pub directories: Vec<PathBuf>,
    pub node: Option<NodeId>,
    pub cores: Option<u16>,
    pub shards: Option<usize>,
    pub cache_bytes: Option<ByteCount>,
    pub allow_buffered: bool,
    pub idle_poll: Span,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<HostPort>,
    pub metrics_allow_remote: bool,
}

impl Settings {
    /// Reads the file, if one is named, and puts the flags over it.
    pub fn resolve(options: &Serve) -> Result<Self, Failure> {
        let mut broker = BrokerConfig::default();
        let (mut notes, mut places) = match &options.config {
            Some(path) => config_file::read(path, &mut broker)?,
            None => (Vec::new(), Places::default()),
        };
        for (key, value) in &options.overrides {
            let note = config_file::set(&mut broker, key, value);
            let note = note.map_err(|words| wrong_usage("--override", &words))?;
            notes.extend(note.map(|words| format!("--override: {words}")));
            places.forget(key);
        }
        for (key, value) in flags(options) {
            let set = config_file::set(&mut broker, key, &value);
            set.map_err(|words| wrong_usage(&format!("--{key}"), &words))?;
            places.forget(key);
        }
        // A developer starts consumers one at a time, and does not want to wait for the next.
        let delay = "group.initial.rebalance.delay.ms";
        if options.dev && broker.given(delay).is_none() {
            let set = config_file::set(&mut broker, delay, "0");
            set.map_err(|words| wrong_usage("--dev", &words))?;
        }
        check_pairs(&broker, &places)?;
        let metrics = broker.given("metrics");
        let metrics = metrics.map(|text| HostPort::parse(text, "--metrics"));
        Ok(Self {
            listen: places.tell(&["listeners"], listen(&broker))?,
            advertised: places.tell(&["advertised.listeners"], advertised(&broker))?,
            layout: Layout::of(&broker),
            directories: places.tell(&["log.dirs", "log.dir"], directories(&broker))?,
            node: places.tell(&["node.id", "broker.id"], node(&broker))?,
            cores: small(&broker, "cores"),
            shards: small(&broker, "shards").map(usize::from),
            cache_bytes: wide(&broker, "cache.bytes"),
            allow_buffered: broker.is_on("allow.buffered"),
            idle_poll: Span::micros(broker.number("idle.poll.us").unwrap_or(0) as u64),
            metrics: places.tell(&["metrics"], metrics.transpose())?,
            metrics_allow_remote: broker.is_on("metrics.allow.remote"),
            broker,
            notes,
        })
    }
}

/// What was given on the command line, by our names.
fn flags(options: &Serve) -> impl Iterator<Item = (&'static str, String)> {
    let number = |value: Option<u16>| value.map(|value| value.to_string());
    let allow = options.allow_buffered || options.dev;
    let allow = allow.then(|| "true".to_owned());
    let flags = [
        ("data-dir", options.data_dir.clone()),
        ("listen", options.listen.clone()),
        ("advertise", options.advertise.clone()),
        ("listener-layout", options.listener_layout.clone()),
        ("cores", number(options.cores)),
        ("shards", number(options.shards)),
        (
            "cache-bytes",
            options.cache_bytes.map(|bytes| bytes.to_string()),
        ),
        ("allow-buffered", allow),
        ("metrics", options.metrics.clone()),
        (
            "metrics-allow-remote",
            options.metrics_allow_remote.then(|| "true".to_owned()),
        ),
        (
            "num-partitions",
            options.num_partitions.map(|count| count.to_string()),
        ),
        (
            "auto-create-topics",
            options.auto_create_topics.map(|on| on.to_string()),
        ),
    ];
    flags
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
}

fn wrong_usage(flag: &str, words: &str) -> Failure {
    Failure::usage(format!("{flag}: {words}"))
}

fn value_of(broker: &BrokerConfig, name: &str) -> Option<String> {
    broker.value(BrokerKey::find(name)?).map(str::to_owned)
}

fn small(broker: &BrokerConfig, name: &str) -> Option<u16> {
    u16::try_from(broker.number(name)?).ok()
}

fn wide(broker: &BrokerConfig, name: &str) -> Option<ByteCount> {
    u64::try_from(broker.number(name)?).ok().map(ByteCount)
}

/// Keys that lean on each other.
fn check_pairs(broker: &BrokerConfig, places: &Places) -> Result<(), Failure> {
    for (least, most) in [
        (
            "group.min.session.timeout.ms",
            "group.max.session.timeout.ms",
        ),
        (
            "group.consumer.min.session.timeout.ms",
            "group.consumer.max.session.timeout.ms",
        ),
        (
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        ),
    ] {
        let (low, high) = (broker.number(least), broker.number(most));
        if low > high {
            let words = format!(
                "{least} is {} and {most} is {}: the first must not be the larger",
                low.unwrap_or_default(),
                high.unwrap_or_default()
            );
            return places.tell(&[least, most], Err(Failure::config(words)));
        }
    }
    Ok(())
}

fn node(broker: &BrokerConfig) -> Result<Option<NodeId>, Failure> {
    let (node, id) = (broker.number("node.id"), broker.number("broker.id"));
    if let (Some(node), Some(id)) = (node, id)
        && node != id
    {
        return Err(Failure::config(format!(
            "node.id is {node} and broker.id is {id}: they are two names of one number"
        )));
    }
    // Kafka's -1 stands for "not set".
    let Some(id) = node.or(id).filter(|id| *id != -1) else {
        return Ok(None);
    };
    let id = u16::try_from(id);
    let id = id.map_err(|_| Failure::config("node.id and broker.id go from 0 to 65535"))?;
    Ok(Some(NodeId(id)))
}

fn directories(broker: &BrokerConfig) -> Result<Vec<PathBuf>, Failure> {
    let text = value_of(broker, "log.dirs")
        .or(value_of(broker, "log.dir"))
        .unwrap_or_default();
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let directories: Vec<PathBuf> = names.map(PathBuf::from).collect();
    if directories.is_empty() {
        return Err(Failure::config("log.dirs names no directory"));
    }
    Ok(directories)
}

/// The listeners that clients may use, as `HOST:PORT` or `NAME://HOST:PORT`. Those that
/// `controller.listener.names` has are none: there are no controllers.
fn client_listeners(
    text: &str,
    broker: &BrokerConfig,
    key: &str,
) -> Result<Vec<HostPort>, Failure> {
    let controllers = broker
        .given("controller.listener.names")
        .unwrap_or_default();
    let map = broker
        .given("listener.security.protocol.map")
        .unwrap_or_default();
    let mut found = Vec::new();
    for listener in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let (name, address) = listener.split_once("://").unwrap_or((PLAINTEXT, listener));
        if controllers.split(',').any(|other| other.trim() == name) {
            continue;
        }
        let mapped = map.split(',').find_map(|pair| {
            let (from, to) = pair.trim().split_once(':')?;
            (from == name).then_some(to)
        });
        let security = mapped.unwrap_or(name);
        if security != PLAINTEXT {
            return Err(Failure::config(format!(
                "{key}: {listener} asks for {security}, and only {PLAINTEXT} is there yet"
            )));
        }
        // Kafka's way to say "all addresses".
        let all = address
            .starts_with(':')
            .then(|| format!("0.0.0.0{address}"));
        let address = all.as_deref().unwrap_or(address);
        found.push(HostPort::parse(address, key)?);
    }
    Ok(found)
}

fn listen(broker: &BrokerConfig) -> Result<HostPort, Failure> {
    let key = "listeners";
    let text = value_of(broker, key).unwrap_or_default();
    one(client_listeners(&text, broker, key)?, &text, key)
}

/// Nobody can connect to an address that stands for all: Kafka too refuses it at the start.
fn advertised(broker: &BrokerConfig) -> Result<Option<HostPort>, Failure> {
    let key = "advertised.listeners";
    let Some(text) = broker.given(key) else {
        return Ok(None);
    };
    let told = one(client_listeners(text, broker, key)?, text, key)?;
    match told.concrete_host() {
        Some(_) => Ok(Some(told)),
        None => Err(Failure::config(format!(
            "{key}: {} is no address that a client could connect to; name one, or leave it out: \
             then clients are told the address that they reached",
            told.host
        ))),
    }
}

fn one(mut listeners: Vec<HostPort>, text: &str, key: &str) -> Result<HostPort, Failure> {
    match (listeners.pop(), listeners.is_empty()) {
        (Some(listener), true) => Ok(listener),
        (Some(_), false) => Err(Failure::config(format!(
            "{key}={text} names several listeners for clients; one is possible"
        ))),
        (None, _) => Err(Failure::config(format!(
            "{key}={text} names no listener for clients"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(overrides: &[(&str, &str)]) -> Result<Settings, Failure> {
        resolved_with(&[], overrides)
    }

    fn resolved_with(flags: &[&str], overrides: &[(&str, &str)]) -> Result<Settings, Failure> {
        use clap::Parser;
        let mut words = vec!["thalweg".to_owned(), "serve".to_owned()];
        words.extend(flags.iter().map(|flag| (*flag).to_owned()));
        for (key, value) in overrides {
            words.extend(["--override".to_owned(), format!("{key}={value}")]);
        }
        let arguments = super::super::arguments::Arguments::parse_from(words);
        let super::super::arguments::Command::Serve(options) = arguments.command else {
            panic!("not serve");
        };
        Settings::resolve(&options)
    }

    #[test]
    fn a_developers_groups_wait_for_nobody_unless_they_are_told_to() {
        let delay = "group.initial.rebalance.delay.ms";
        let check = |flags: &[&str], overrides: &[(&str, &str)]| {
            let settings = resolved_with(flags, overrides).expect("settings");
            (settings.broker.number(delay), settings.allow_buffered)
        };

        assert_eq!(check(&[], &[]), (Some(3_000), false));
        assert_eq!(check(&["--dev"], &[]), (Some(0), true));
        assert_eq!(check(&["--dev"], &[(delay, "50")]), (Some(50), true));
    }

    #[test]
    fn kafkas_listeners_come_down_to_the_one_for_clients() {
        let check = |overrides: &[(&str, &str)]| {
            let settings = resolved(overrides).expect("a listener");
            format!("{}:{}", settings.listen.host, settings.listen.port)
        };

        assert_eq!(check(&[]), "localhost:9092");
        assert_eq!(check(&[("listeners", "PLAINTEXT://:9094")]), "0.0.0.0:9094");
        assert_eq!(check(&[("listen", "[::1]:7")]), "::1:7");
        let kraft = [
            ("listeners", "OUT://10.0.0.1:9092,CONTROLLER://:9093"),
            ("controller.listener.names", "CONTROLLER"),
            (
                "listener.security.protocol.map",
                "CONTROLLER:PLAINTEXT,OUT:PLAINTEXT",
            ),
        ];
        assert_eq!(check(&kraft), "10.0.0.1:9092");
    }

    #[test]
    fn settings_that_can_not_be_are_refused_with_what_would_be_right() {
        let words =
            |overrides: &[(&str, &str)]| resolved(overrides).expect_err("a refusal").message;

        assert!(words(&[("listeners", "SSL://:9093")]).contains("only PLAINTEXT"));
        for nowhere in ["0.0.0.0:9092", "PLAINTEXT://:9092", "[::]:9092"] {
            assert!(words(&[("advertised.listeners", nowhere)]).contains("could connect to"));
        }
        assert!(words(&[("listeners", "a:1,b:2")]).contains("one is possible"));
        assert!(words(&[("node.id", "3"), ("broker.id", "4")]).contains("two names of one"));
        assert!(words(&[("broker.id", "65536")]).contains("from 0 to"));
        assert!(words(&[("group.min.session.timeout.ms", "2000000")]).contains("must not be"));
        assert!(words(&[("log.dirs", " , ")]).contains("no directory"));
        assert!(words(&[("no.such.key", "1")]).contains("did you mean"));
    }

    #[test]
    fn an_address_or_directory_that_can_not_be_is_told_with_its_place_in_the_file() {
        let name = format!("thalweg-settings-{}.properties", std::process::id());
        let file = std::env::temp_dir().join(name);
        let flags = ["--config", file.to_str().expect("a name")];
        for (text, words) in [
            ("\nlisteners=nowhere\n", "HOST:PORT"),
            ("\nlog.dirs=,\n", "no directory"),
            ("\nmetrics=9644\n", "HOST:PORT"),
        ] {
            std::fs::write(&file, text).expect("a file");

            let failure = resolved_with(&flags, &[]).expect_err(text);

            assert_eq!(failure.code, 78, "{}", failure.message);
            assert!(
                failure.message.contains(".properties:2:1: "),
                "{}",
                failure.message
            );
            assert!(failure.message.contains(words), "{}", failure.message);
        }
        std::fs::write(&file, "listeners=nowhere\n").expect("a file");
        let flag = [flags[0], flags[1], "--listen", "alsonowhere"];
        let failure = resolved_with(&flag, &[]).expect_err("a wrong flag");
        assert!(
            !failure.message.contains(".properties"),
            "{}",
            failure.message
        );
        std::fs::remove_file(&file).expect("ours");
    }

    #[test]
    fn directories_come_from_log_dirs_before_log_dir() {
        let check = |overrides: &[(&str, &str)]| resolved(overrides).expect("some").directories;

        assert_eq!(check(&[]), [PathBuf::from("./thalweg-data")]);
        assert_eq!(check(&[("log.dir", "/a")]), [PathBuf::from("/a")]);
        let both = [("log.dir", "/a"), ("log.dirs", "/b, /c")];
        assert_eq!(check(&both), [PathBuf::from("/b"), PathBuf::from("/c")]);
    }
}

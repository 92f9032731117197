//! What `serve` runs with: flags over the file over defaults.

use std::path::PathBuf;

use crate::admin::{BrokerConfig, ListenAt};
use crate::base::{ByteCount, NodeId, Span};
use crate::shard::Layout;

use super::Failure;
use super::arguments::Serve;
use super::config_file::{self, Places};
use super::listen::HostPort;
use super::listeners;

/// Everything that was decided before the machine was asked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub broker: BrokerConfig,
    /// What the operator should know of the file.
    pub notes: Vec<String>,
    /// At least one.
    pub listeners: Vec<ListenAt>,
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
        let listeners = listeners::resolve(&broker, &places)?;
        let replaced = options.listen.is_some();
        notes.extend(listeners::check_keys(&broker, &places, replaced)?);
        let metrics = broker.given("metrics");
        let metrics = metrics.map(|text| HostPort::parse(text, "--metrics"));
        Ok(Self {
            listeners,
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
    let text = broker.value_of("log.dirs").or(broker.value_of("log.dir"));
    let text = text.unwrap_or_default();
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
    fn settings_that_can_not_be_are_refused_with_what_would_be_right() {
        let words =
            |overrides: &[(&str, &str)]| resolved(overrides).expect_err("a refusal").message;

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

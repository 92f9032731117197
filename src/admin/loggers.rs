//! Loggers of the running process, the levels that they may have, and which changes are valid
//! (KIP-412). What is set here ends with the process, as in Kafka.

use std::collections::BTreeMap;

use crate::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};

use super::alteration::refuse_repetitions;
use super::error::AdminError;
use super::placement::Site;

/// Kafka's name of what holds for every logger that has no level of its own, nor one above it.
pub const ROOT: &str = "root";

/// The modules that log, and what is above them, by name: with dots, because `kafka-configs` takes
/// no colons. `tests/tidy.rs` compares this list with the source.
pub const LOGGERS: &[&str] = &[
    "thalweg",
    "thalweg.cli",
    "thalweg.cli.bind",
    "thalweg.cli.data_dir",
    "thalweg.cli.doctor",
    "thalweg.cli.doctor.address",
    "thalweg.cli.logs",
    "thalweg.console",
    "thalweg.journal",
    "thalweg.journal.cleaning",
    "thalweg.journal.damage",
    "thalweg.journal.device",
    "thalweg.journal.numbering",
    "thalweg.journal.rebuild",
    "thalweg.journal.recover",
    "thalweg.journal.rescan",
    "thalweg.journal.scan",
    "thalweg.journal.split",
    "thalweg.journal.superblock",
    "thalweg.journal.turn",
    "thalweg.runtime",
    "thalweg.runtime.real",
    "thalweg.runtime.real.accept",
    "thalweg.runtime.real.perform",
    "thalweg.runtime.real.run",
    "thalweg.shard",
    "thalweg.shard.api",
    "thalweg.shard.api.loggers",
    "thalweg.shard.connections",
    "thalweg.shard.coordinator",
    "thalweg.shard.damage",
    "thalweg.shard.listening",
    "thalweg.shard.metadata",
    "thalweg.shard.owner",
    "thalweg.shard.owner.produce",
    "thalweg.shard.steer",
    "thalweg.shard.stop",
    "thalweg.shard.tick",
    "thalweg.shard.topic_configs",
];

/// How much a logger says: what is of this level, and what matters more. By Kafka's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing. `RUST_LOG` may say so; of a running broker it can not be asked.
    Off,
    /// What ends the process. Nothing of ours is logged so, which makes it silence.
    Fatal,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// What may be asked of a running broker (`LogLevelConfig`), in the order in which Kafka names
    /// them.
    const VALID: [Self; 6] = [
        Self::Debug,
        Self::Error,
        Self::Fatal,
        Self::Info,
        Self::Trace,
        Self::Warn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// Every logger, and how much it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loggers {
    root: LogLevel,
    /// All others by name; None: as the one above it.
    own: BTreeMap<String, Option<LogLevel>>,
}

/// A logger's new level; None: from now on as the one above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggerEdit {
    pub name: String,
    pub level: Option<LogLevel>,
}

impl Default for Loggers {
    fn default() -> Self {
        Self::new(LogLevel::default())
    }
}

impl Loggers {
    /// Those of this program, none of which has a level of its own.
    pub fn new(root: LogLevel) -> Self {
        let own = LOGGERS.iter().map(|name| ((*name).to_owned(), None));
        Self {
            root,
            own: own.collect(),
        }
    }

    /// Sets a level; a logger that was not known is from now on.
    pub fn change(&mut self, edit: LoggerEdit) {
        match (edit.name == ROOT, edit.level) {
            (true, Some(level)) => self.root = level,
            (true, None) => {}
            (false, level) => {
                self.own.insert(edit.name, level);
            }
        }
    }

    pub fn root(&self) -> LogLevel {
        self.root
    }

    /// Those that have a level of their own, by name; not the root.
    pub fn set(&self) -> impl Iterator<Item = (&str, LogLevel)> {
        let own = self.own.iter();
        own.filter_map(|(name, level)| Some((name.as_str(), (*level)?)))
    }

    /// Every logger by name, the root among them, with the level that is in force.
    pub fn all(&self) -> impl Iterator<Item = (&str, LogLevel)> {
        let names = self.own.keys().map(String::as_str);
        let (before, after): (Vec<&str>, Vec<&str>) = names.partition(|name| *name < ROOT);
        let names = before.into_iter().chain([ROOT]).chain(after);
        names.map(|name| (name, self.in_force(name)))
    }

    /// Its own level, or that of the nearest one above it. A logger is above all whose names begin
    /// with its own, as `RUST_LOG` has it.
    fn in_force(&self, name: &str) -> LogLevel {
        let above = self.set().filter(|(other, _)| name.starts_with(other));
        let nearest = above.max_by_key(|(other, _)| other.len());
        nearest.map_or(self.root, |(_, level)| level)
    }

    fn is_known(&self, name: &str) -> bool {
        name == ROOT || self.own.contains_key(name)
    }
}

/// What an IncrementalAlterConfigs wants of this node's loggers, all of it valid. Checks, codes and
/// their order are those of Kafka's `RuntimeLoggerManager`.
pub fn logger_edits(
    resource: &AlterConfigsResource,
    site: Site<'_>,
    loggers: &Loggers,
) -> Result<Vec<LoggerEdit>, AdminError> {
    refuse_repetitions(resource.configs.iter().map(|config| &config.name))?;
    let delete = 1;
    let mut configs = resource.configs.iter();
    if let Some(empty) = configs.find(|one| one.value.is_none() && one.config_operation != delete) {
        let words = format!("Null value not supported for : {}", empty.name);
        return Err(AdminError::Request(words));
    }
    site.broker(&resource.resource_name)?;
    let edits = resource.configs.iter().map(|one| edit(one, loggers));
    edits.collect()
}

fn edit(config: &AlterableConfig, loggers: &Loggers) -> Result<LoggerEdit, AdminError> {
    let name = config.name.to_string();
    let not_allowed = |what: &str| {
        let words = format!("{what} is not allowed for the BROKER_LOGGER resource");
        Err(AdminError::Request(words))
    };
    let level = match config.config_operation {
        0 | 1 if !loggers.is_known(&name) => {
            return Err(AdminError::Config(format!("Logger {name} does not exist!")));
        }
        0 => Some(read_level(
            &name,
            config.value.as_deref().unwrap_or_default(),
        )?),
        1 if name == ROOT => {
            let words = "Removing the log level of the root logger is not allowed";
            return Err(AdminError::Request(words.to_owned()));
        }
        1 => None,
        2 => return not_allowed("APPEND operation"),
        3 => return not_allowed("SUBTRACT operation"),
        other => return not_allowed(&format!("Unknown operation type {other}")),
    };
    Ok(LoggerEdit { name, level })
}

fn read_level(name: &str, value: &str) -> Result<LogLevel, AdminError> {
    let mut valid = LogLevel::VALID.into_iter();
    valid.find(|level| level.name() == value).ok_or_else(|| {
        let valid = LogLevel::VALID.map(LogLevel::name).join(", ");
        AdminError::Config(format!(
            "Cannot set the log level of {name} to {value} as it is not a supported log level. \
             Valid log levels are {valid}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{NodeId, ShardId};
    use crate::wire::StrBytes;

    const SHARD: &str = "thalweg.shard";
    const STOP: &str = "thalweg.shard.stop";

    fn edited(edits: &[(&str, i8, Option<&str>)], id: &str) -> Result<Vec<LoggerEdit>, AdminError> {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let configs = edits.iter().map(|(name, operation, value)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(*operation)
                .with_value(value.map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_name(text(id))
            .with_configs(configs.collect());
        let site = Site {
            node: NodeId(1),
            shards: &[ShardId(0), ShardId(1)],
            partitions: 1,
        };
        logger_edits(&resource, site, &Loggers::default())
    }

    #[test]
    fn every_logger_says_as_much_as_the_nearest_one_above_it_that_has_a_level() {
        let mut loggers = Loggers::new(LogLevel::Warn);
        let check = |loggers: &Loggers, expected: [LogLevel; 4]| {
            let level = |name| {
                let found = loggers.all().find(|(other, _)| *other == name);
                found.expect(name).1
            };
            let found = [ROOT, "thalweg.journal", SHARD, STOP].map(level);
            assert_eq!(found, expected);
        };
        let set = |loggers: &mut Loggers, name: &str, level| {
            let name = name.to_owned();
            loggers.change(LoggerEdit { name, level });
        };

        check(&loggers, [LogLevel::Warn; 4]);
        set(&mut loggers, SHARD, Some(LogLevel::Debug));
        let shard = [
            LogLevel::Warn,
            LogLevel::Warn,
            LogLevel::Debug,
            LogLevel::Debug,
        ];
        check(&loggers, shard);
        set(&mut loggers, ROOT, Some(LogLevel::Error));
        set(&mut loggers, STOP, Some(LogLevel::Fatal));
        let stop = [
            LogLevel::Error,
            LogLevel::Error,
            LogLevel::Debug,
            LogLevel::Fatal,
        ];
        check(&loggers, stop);
        set(&mut loggers, SHARD, None);
        set(&mut loggers, ROOT, None);
        let gone = [
            LogLevel::Error,
            LogLevel::Error,
            LogLevel::Error,
            LogLevel::Fatal,
        ];
        check(&loggers, gone);
    }

    #[test]
    fn all_are_told_once_by_name_the_root_among_them_and_what_was_not_known() {
        let mut loggers = Loggers::default();
        let level = Some(LogLevel::Trace);
        let name = "hyper".to_owned();
        loggers.change(LoggerEdit { name, level });

        let all: Vec<&str> = loggers.all().map(|(name, _)| name).collect();

        assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
        assert_eq!(all.len(), LOGGERS.len() + 2);
        assert!(all.contains(&ROOT) && all.contains(&"hyper"));
    }

    #[test]
    fn levels_are_set_and_taken_away_by_any_id_of_the_node() {
        let edits = [
            (SHARD, 0, Some("TRACE")),
            (STOP, 1, None),
            (ROOT, 0, Some("FATAL")),
        ];
        let expected = [
            (SHARD, Some(LogLevel::Trace)),
            (STOP, None),
            (ROOT, Some(LogLevel::Fatal)),
        ];
        let expected = expected.map(|(name, level)| LoggerEdit {
            name: name.to_owned(),
            level,
        });

        for id in ["1000", "1001"] {
            assert_eq!(edited(&edits, id).as_deref(), Ok(&expected[..]), "{id}");
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused_with_its_code_and_words() {
        let check = |edits: &[(&str, i8, Option<&str>)], expected: &str| {
            let code = match edited(edits, "1000").expect_err(expected) {
                AdminError::Request(words) => format!("request: {words}"),
                AdminError::Config(words) => format!("config: {words}"),
                other => panic!("{other:?}"),
            };
            assert_eq!(code, expected);
        };
        let not_allowed = "is not allowed for the BROKER_LOGGER resource";
        let level = "as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, \
                     INFO, TRACE, WARN";

        for name in ["no.such", "", "Root", "thalweg.shard."] {
            let there = format!("config: Logger {name} does not exist!");
            check(&[(name, 0, Some("INFO"))], &there);
            check(&[(name, 1, None)], &there);
        }
        for value in ["debug", "OFF", "ALL", "", " INFO"] {
            let words = format!("config: Cannot set the log level of root to {value} {level}");
            check(&[(ROOT, 0, Some(value))], &words);
        }
        let root = "request: Removing the log level of the root logger is not allowed";
        check(&[(ROOT, 1, None)], root);
        check(
            &[(SHARD, 0, None)],
            "request: Null value not supported for : thalweg.shard",
        );
        for (operation, what) in [
            (2, "APPEND operation"),
            (3, "SUBTRACT operation"),
            (4, "Unknown operation type 4"),
            (-1, "Unknown operation type -1"),
        ] {
            let words = format!("request: {what} {not_allowed}");
            check(&[(SHARD, operation, Some("INFO"))], &words);
        }
        let twice = [(SHARD, 0, Some("INFO")), (SHARD, 1, None)];
        check(&twice, "request: thalweg.shard is given more than once");
        for id in ["", "7", "x", "999"] {
            let refused = edited(&[(SHARD, 0, Some("INFO"))], id);
            assert!(matches!(refused, Err(AdminError::Request(_))), "{id}");
        }
    }
}

//! The broker's log: what `RUST_LOG` says of it at the start, and what is set while it runs.

use std::io;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::admin::loggers::{LogLevel, LoggerEdit, Loggers, ROOT};
use crate::runtime::Watched;

use super::arguments::LogFormat;
use super::has_colours;

/// What is logged where `RUST_LOG` is not set, or says nothing that can be read.
const DEFAULT: &str = "info";

/// Begins to log on standard error. What changes of the loggers is in force when the change is
/// done.
pub fn start(format: LogFormat) -> Arc<Watched<Loggers>> {
    let said = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let said = said.filter(|said| EnvFilter::builder().parse(said).is_ok());
    let written = Written::read(said.as_deref().unwrap_or(DEFAULT));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(written.filter(&written.loggers))
        .with_writer(io::stderr);
    let loggers = written.loggers.clone();
    match format {
        LogFormat::Text => {
            let logs = logs.with_ansi(has_colours(&io::stderr()));
            let logs = logs.with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            Arc::new(Watched::new(loggers, move |loggers| {
                told(handle.reload(written.filter(loggers)));
            }))
        }
        LogFormat::Json => {
            let logs = logs.json().with_filter_reloading();
            let handle = logs.reload_handle();
            logs.init();
            Arc::new(Watched::new(loggers, move |loggers| {
                told(handle.reload(written.filter(loggers)));
            }))
        }
    }
}

/// It fails only where the log itself is gone.
fn told(reloaded: Result<(), tracing_subscriber::reload::Error>) {
    if let Err(error) = reloaded {
        tracing::error!(%error, "the log goes on as before");
    }
}

/// What `RUST_LOG` says.
struct Written {
    loggers: Loggers,
    /// What it says of spans and fields, which are no loggers: that stays.
    others: Vec<String>,
}

impl Written {
    fn read(said: &str) -> Self {
        // Who names some loggers only hears nothing of the others.
        let mut loggers = Loggers::new(LogLevel::Off);
        let mut others = Vec::new();
        for directive in said.split(',').filter(|one| !one.is_empty()) {
            match read_level(directive) {
                Some(edit) => loggers.change(edit),
                None => others.push(directive.to_owned()),
            }
        }
        Self { loggers, others }
    }

    fn filter(&self, loggers: &Loggers) -> EnvFilter {
        let root = level_filter(loggers.root()).to_string();
        let set = loggers.set();
        let set = set.map(|(name, level)| {
            let target = name.replace('.', "::");
            format!("{target}={}", level_filter(level))
        });
        let all = self.others.iter().cloned().chain([root]).chain(set);
        EnvFilter::new(all.collect::<Vec<_>>().join(","))
    }
}

/// `LEVEL`, `MODULE=LEVEL`, or `MODULE` for all that it says. A logger's name has dots where the
/// module's has colons. None: something else.
fn read_level(directive: &str) -> Option<LoggerEdit> {
    let edit = |name: &str, level| {
        let (name, level) = (name.replace("::", "."), Some(log_level(level)));
        Some(LoggerEdit { name, level })
    };
    if directive.contains(|one: char| matches!(one, '[' | ']' | '.') || one.is_whitespace()) {
        return None;
    }
    match directive.split_once('=') {
        Some((ROOT, _)) => None,
        Some((name, "")) => edit(name, LevelFilter::TRACE),
        Some((name, level)) => edit(name, level.parse().ok()?),
        None => match directive.parse() {
            Ok(level) => edit(ROOT, level),
            Err(_) if directive == ROOT => None,
            Err(_) => edit(directive, LevelFilter::TRACE),
        },
    }
}

fn log_level(level: LevelFilter) -> LogLevel {
    match level.into_level() {
        None => LogLevel::Off,
        Some(tracing::Level::ERROR) => LogLevel::Error,
        Some(tracing::Level::WARN) => LogLevel::Warn,
        Some(tracing::Level::INFO) => LogLevel::Info,
        Some(tracing::Level::DEBUG) => LogLevel::Debug,
        Some(tracing::Level::TRACE) => LogLevel::Trace,
    }
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off | LogLevel::Fatal => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rust_log_says_is_told_of_loggers_and_kept_of_everything_else() {
        let check = |said: &str, root, set: &[(&str, LogLevel)], filter: &str| {
            let written = Written::read(said);
            assert_eq!(written.loggers.root(), root, "{said}");
            assert_eq!(written.loggers.set().collect::<Vec<_>>(), set, "{said}");
            assert_eq!(written.filter(&written.loggers).to_string(), filter);
        };
        let shard = "thalweg.shard";

        check(DEFAULT, LogLevel::Info, &[], "info");
        check("", LogLevel::Off, &[], "off");
        check("WARN,,", LogLevel::Warn, &[], "warn");
        check("4", LogLevel::Debug, &[], "debug");
        check(
            "info,thalweg::shard=debug,hyper",
            LogLevel::Info,
            &[("hyper", LogLevel::Trace), (shard, LogLevel::Debug)],
            "thalweg::shard=debug,hyper=trace,info",
        );
        check(
            "[asked]=debug,thalweg::shard=off",
            LogLevel::Off,
            &[(shard, LogLevel::Off)],
            "thalweg::shard=off,off,[asked]=debug",
        );
        for other in ["root=warn", "a.b=warn"] {
            check(other, LogLevel::Off, &[], &format!("{other},off"));
        }
    }

    #[test]
    fn fatal_is_silence_since_nothing_is_logged_so() {
        let mut written = Written::read("info");
        let level = Some(LogLevel::Fatal);

        written.loggers.change(LoggerEdit {
            name: ROOT.to_owned(),
            level,
        });

        assert_eq!(written.filter(&written.loggers).to_string(), "off");
    }
}

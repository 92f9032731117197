//! BROKER_LOGGER (KIP-412): what the process logs, described and changed by any of its shards.

use crate::admin::loggers::LoggerEdit;
use crate::wire::StrBytes;
use crate::wire::messages::describe_configs_response::DescribeConfigsResourceResult;

use super::super::machine::Shard;

/// `DescribeConfigsResponse.ConfigSource`: a level is told to come from nowhere else.
const DYNAMIC_BROKER_LOGGER: i8 = 6;

impl Shard {
    /// Every logger with the level that is in force, or those that are wanted. Kafka tells neither
    /// type nor documentation nor synonyms.
    pub(super) fn described_loggers(
        &self,
        wanted: Option<&[&str]>,
    ) -> Vec<DescribeConfigsResourceResult> {
        let known = self.config.loggers.get();
        let all = known.all();
        let all = all.filter(|(name, _)| wanted.is_none_or(|names| names.contains(name)));
        let described = all.map(|(name, level)| {
            DescribeConfigsResourceResult::default()
                .with_name(StrBytes::from_string(name.to_owned()))
                .with_value(Some(StrBytes::from_static_str(level.name())))
                .with_config_source(DYNAMIC_BROKER_LOGGER)
        });
        described.collect()
    }

    /// In force for the whole process before the answer, and told in the log, if that still says
    /// so much.
    pub(super) fn change_loggers(&self, edits: Vec<LoggerEdit>) {
        self.config.loggers.change(|loggers| {
            for edit in &edits {
                loggers.change(edit.clone());
            }
        });
        for LoggerEdit { name, level } in edits {
            match level {
                Some(level) => tracing::warn!("{name} now logs {}", level.name()),
                None => tracing::warn!("{name} now logs as much as the logger above it"),
            }
        }
    }
}

//! `thalweg config`: what topics and brokers are configured with, and changes to it.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::arguments::{Broker, Output, parse_pair};
use super::client::{Client, address_of, check, text};
use super::table::Table;
use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use crate::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use crate::wire::messages::{
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
/// Kafka's ConfigSource of what nobody set.
const DEFAULT_SOURCE: i8 = 5;

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Show what was set, and where; with --all, the defaults too.
    #[command(after_help = "Example:\n  thalweg config describe --topic orders --all")]
    Describe {
        #[command(flatten)]
        resource: Resource,
        /// Defaults too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        broker: Broker,
    },
    /// Set one or more configs.
    #[command(after_help = "Example:\n  thalweg config set --topic orders retention.ms=3600000")]
    Set {
        /// What to set, and to what.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = parse_pair)]
        pairs: Vec<(String, String)>,
        #[command(flatten)]
        resource: Resource,
        #[command(flatten)]
        broker: Broker,
    },
    /// Go back to the default of one or more configs.
    #[command(after_help = "Example:\n  thalweg config unset --topic orders retention.ms")]
    Unset {
        /// What to forget.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        #[command(flatten)]
        resource: Resource,
        #[command(flatten)]
        broker: Broker,
    },
}

/// Whose configs.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Resource {
    /// A topic's.
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// A broker's, by its id; 'thalweg topic describe' shows ids.
    #[arg(long = "broker-id", value_name = "ID")]
    pub broker_id: Option<i32>,
}

impl Resource {
    pub fn topic(name: &str) -> Self {
        Self {
            topic: Some(name.to_owned()),
            broker_id: None,
        }
    }

    fn kind(&self) -> i8 {
        if self.topic.is_some() { TOPIC } else { BROKER }
    }

    fn name(&self) -> String {
        let id = self.broker_id.unwrap_or_default();
        self.topic.clone().unwrap_or_else(|| id.to_string())
    }

    fn shown(&self) -> String {
        match &self.topic {
            Some(topic) => format!("topic {topic}"),
            None => format!("broker {}", self.name()),
        }
    }

    /// A broker tells of itself only.
    fn connect(&self, broker: &Broker) -> Result<Client, Failure> {
        let mut client = Client::connect(&broker.bootstrap_server)?;
        let Some(id) = self.broker_id else {
            return Ok(client);
        };
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let (_, metadata) = client.call(&request)?;
        let found = metadata.brokers.iter().find(|one| one.node_id.0 == id);
        let Some(found) = found else {
            let ids = metadata.brokers.iter().map(|one| one.node_id.0.to_string());
            let ids: Vec<String> = ids.collect();
            return Err(Failure::failed(format!(
                "there is no broker {id}; there are {}",
                ids.join(", ")
            )));
        };
        Client::connect_told(&address_of(found.host.as_str(), found.port))
    }
}

/// Runs one of the commands.
pub fn run(command: &Config) -> Result<u8, Failure> {
    match command {
        Config::Describe {
            resource,
            all,
            broker,
        } => describe(resource, *all, broker),
        Config::Set {
            pairs,
            resource,
            broker,
        } => {
            alter(resource, pairs, &[], broker)?;
            said(
                "set",
                resource,
                pairs.iter().map(|(key, _)| key.as_str()),
                broker,
            );
            Ok(())
        }
        Config::Unset {
            keys,
            resource,
            broker,
        } => {
            alter(resource, &[], keys, broker)?;
            said("unset", resource, keys.iter().map(String::as_str), broker);
            Ok(())
        }
    }
    .map(|()| 0)
}

fn said<'a>(done: &str, resource: &Resource, keys: impl Iterator<Item = &'a str>, broker: &Broker) {
    let keys: Vec<&str> = keys.collect();
    match broker.output {
        Output::Text => println!("{}: {done} {}.", resource.shown(), keys.join(", ")),
        Output::Json => println!("{}", json!({ done: keys })),
    }
}

/// Sets and forgets configs of one topic or broker, all or none.
pub fn alter(
    resource: &Resource,
    set: &[(String, String)],
    unset: &[String],
    broker: &Broker,
) -> Result<(), Failure> {
    let set = set.iter().map(|(key, value)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(SET)
            .with_value(Some(text(value)))
    });
    let unset = unset.iter().map(|key| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(DELETE)
            .with_value(None)
    });
    let changed = AlterConfigsResource::default()
        .with_resource_type(resource.kind())
        .with_resource_name(text(&resource.name()))
        .with_configs(set.chain(unset).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![changed]);
    let (_, reply) = resource.connect(broker)?.call(&request)?;
    for one in &reply.responses {
        check(
            one.error_code,
            one.error_message.as_deref(),
            &resource.shown(),
        )?;
    }
    Ok(())
}

fn describe(resource: &Resource, all: bool, broker: &Broker) -> Result<(), Failure> {
    let asked = DescribeConfigsResource::default()
        .with_resource_type(resource.kind())
        .with_resource_name(text(&resource.name()))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
    let (_, reply) = resource.connect(broker)?.call(&request)?;
    let mut configs = Vec::new();
    for one in reply.results {
        check(
            one.error_code,
            one.error_message.as_deref(),
            &resource.shown(),
        )?;
        configs.extend(one.configs);
    }
    configs.retain(|config| all || config.config_source != DEFAULT_SOURCE);
    configs.sort_by(|left, right| left.name.cmp(&right.name));
    match broker.output {
        Output::Text => print_table(&configs),
        Output::Json => {
            let configs: Vec<_> = configs.iter().map(to_json).collect();
            println!("{}", json!(configs));
        }
    }
    Ok(())
}

fn print_table(configs: &[DescribeConfigsResourceResult]) {
    if configs.is_empty() {
        println!("Everything is at its default; --all shows it.");
        return;
    }
    let mut table = Table::new(&["config", "value", "set by"]);
    for config in configs {
        table.row(vec![
            config.name.to_string(),
            shown_value(config),
            source_name(config.config_source).to_owned(),
        ]);
    }
    println!("{table}");
}

fn shown_value(config: &DescribeConfigsResourceResult) -> String {
    match (&config.value, config.is_sensitive) {
        (_, true) => "(hidden)".to_owned(),
        (Some(value), false) => value.to_string(),
        (None, false) => "(none)".to_owned(),
    }
}

fn to_json(config: &DescribeConfigsResourceResult) -> serde_json::Value {
    json!({
        "name": config.name.as_str(),
        "value": config.value.as_deref(),
        "source": source_name(config.config_source),
        "read_only": config.read_only,
        "sensitive": config.is_sensitive,
    })
}

/// Kafka's ConfigSource, in words.
fn source_name(source: i8) -> &'static str {
    match source {
        1 => "topic",
        2 => "broker",
        3 => "all brokers",
        4 => "start of the broker",
        DEFAULT_SOURCE => "default",
        6 => "broker's logger",
        7 => "client metrics",
        8 => "group",
        _ => "unknown",
    }
}

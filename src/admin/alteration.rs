//! AlterConfigs and IncrementalAlterConfigs (KIP-339): one resource, as a command.

use std::collections::BTreeSet;

use crate::cluster::{Command, ConfigEdit, Edit, Metadata, Refusal, Topic, check_topic_name};
use crate::log::Overrides;
use crate::wire::StrBytes;
use crate::wire::messages::alter_configs_request::AlterConfigsResource;
use crate::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource as EditedResource, AlterableConfig,
};

use super::error::AdminError;
use super::resource::ResourceKind;

/// The command that replaces everything that is set for the resource.
pub fn replacement(
    resource: &AlterConfigsResource,
    known: &Metadata,
) -> Result<Command, AdminError> {
    let topic = altered(resource.resource_type, &resource.resource_name, known)?;
    refuse_repetitions(resource.configs.iter().map(|config| &config.name))?;
    let mut configs = Overrides::new();
    for config in &resource.configs {
        let value = config
            .value
            .as_ref()
            .ok_or_else(|| no_value(&config.name))?;
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(Command::AlterConfig {
        id: topic.id,
        configs,
    })
}

/// The command that edits what is set for the resource.
pub fn edits(resource: &EditedResource, known: &Metadata) -> Result<Command, AdminError> {
    let topic = altered(resource.resource_type, &resource.resource_name, known)?;
    refuse_repetitions(resource.configs.iter().map(|config| &config.name))?;
    let edits = resource.configs.iter().map(edit);
    Ok(Command::EditConfig {
        id: topic.id,
        edits: edits.collect::<Result<_, _>>()?,
    })
}

fn edit(config: &AlterableConfig) -> Result<ConfigEdit, AdminError> {
    let value = || {
        let value = config.value.as_ref().ok_or_else(|| no_value(&config.name));
        value.map(StrBytes::to_string)
    };
    let what = match config.config_operation {
        0 => Edit::Set(value()?),
        1 => Edit::Delete,
        2 => Edit::Append(value()?),
        3 => Edit::Subtract(value()?),
        other => {
            let words = format!("operation {other}: set is 0, delete 1, append 2, subtract 3");
            return Err(AdminError::Request(words));
        }
    };
    let name = config.name.to_string();
    Ok(ConfigEdit { name, what })
}

/// The topic whose configuration is to change; nothing else has one that can.
fn altered<'a>(kind: i8, name: &StrBytes, known: &'a Metadata) -> Result<&'a Topic, AdminError> {
    let request = |words: String| Err(AdminError::Request(words));
    match ResourceKind::from_wire(kind) {
        Some(ResourceKind::Topic) if name.is_empty() => {
            request("a topic has a name; there is no default for all of them".to_owned())
        }
        Some(ResourceKind::Topic) => {
            check_topic_name(name).map_err(|why| Refusal::InvalidTopicName { why })?;
            Ok(known.topic(name).ok_or(Refusal::UnknownTopic)?)
        }
        Some(ResourceKind::Broker) => request(
            "the configuration of a running broker can not change yet: set it in its file and \
             restart it"
                .to_owned(),
        ),
        Some(kind @ (ResourceKind::BrokerLogger | ResourceKind::ClientMetrics)) => request(
            format!("this broker has no {kind:?} that could be configured"),
        ),
        Some(ResourceKind::Group) => {
            request("groups have no configuration of their own yet".to_owned())
        }
        None => request(format!("resources of type {kind} have no configuration")),
    }
}

fn no_value(name: &StrBytes) -> AdminError {
    AdminError::Request(format!("{name} has no value; delete it for the default"))
}

fn refuse_repetitions<'a>(names: impl Iterator<Item = &'a StrBytes>) -> Result<(), AdminError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let words = format!("{name} is given more than once");
            return Err(AdminError::Request(words));
        }
    }
    Ok(())
}

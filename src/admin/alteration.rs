//! AlterConfigs and IncrementalAlterConfigs (KIP-339): one resource, as a command.

use std::collections::BTreeSet;

use crate::cluster::{
    BrokerScope, Command, ConfigEdit, Edit, Metadata, Refusal, Topic, check_topic_name, edited,
};
use crate::log::{Overrides, TopicConfig};
use crate::wire::StrBytes;
use crate::wire::messages::alter_configs_request::AlterConfigsResource;
use crate::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource as EditedResource, AlterableConfig,
};

use super::broker_config::{BrokerConfig, check};
use super::broker_key::{BrokerKey, Named, Update};
use super::error::AdminError;
use super::in_force::InForce;
use super::listener_key::ListenerKey;
use super::listeners;
use super::placement::Site;
use super::resource::ResourceKind;

/// What is there to be altered.
#[derive(Clone, Copy)]
pub struct Alterable<'a> {
    pub known: &'a Metadata,
    pub site: Site<'a>,
    /// What the broker was started with.
    pub fixed: &'a BrokerConfig,
}

enum Altered<'a> {
    Topic(&'a Topic),
    Broker(BrokerScope),
}

/// The command that replaces everything that is set for the resource.
pub fn replacement(
    resource: &AlterConfigsResource,
    there: Alterable<'_>,
) -> Result<Command, AdminError> {
    let altered = there.altered(resource.resource_type, &resource.resource_name)?;
    refuse_repetitions(resource.configs.iter().map(|config| &config.name))?;
    let mut configs = Overrides::new();
    for config in &resource.configs {
        let value = config
            .value
            .as_ref()
            .ok_or_else(|| no_value(&config.name))?;
        configs.insert(config.name.to_string(), value.to_string());
    }
    match altered {
        Altered::Topic(topic) => Ok(Command::AlterConfig {
            id: topic.id,
            configs,
        }),
        Altered::Broker(scope) => {
            there.check_broker(scope, configs.keys(), &configs)?;
            Ok(Command::AlterBrokerConfig { scope, configs })
        }
    }
}

/// The command that edits what is set for the resource.
pub fn edits(resource: &EditedResource, there: Alterable<'_>) -> Result<Command, AdminError> {
    let altered = there.altered(resource.resource_type, &resource.resource_name)?;
    refuse_repetitions(resource.configs.iter().map(|config| &config.name))?;
    let edits = resource.configs.iter().map(edit);
    let edits = edits.collect::<Result<Vec<ConfigEdit>, _>>()?;
    match altered {
        Altered::Topic(topic) => Ok(Command::EditConfig {
            id: topic.id,
            edits,
        }),
        Altered::Broker(scope) => {
            let configs = edited(there.known.broker_overrides(scope), &edits);
            let configs = configs.map_err(Refusal::InvalidConfig)?;
            there.check_broker(scope, edits.iter().map(|edit| &edit.name), &configs)?;
            Ok(Command::EditBrokerConfig { scope, edits })
        }
    }
}

impl<'a> Alterable<'a> {
    /// The resource whose configuration is to change.
    fn altered(&self, kind: i8, name: &StrBytes) -> Result<Altered<'a>, AdminError> {
        let request = |words: String| Err(AdminError::Request(words));
        match ResourceKind::from_wire(kind) {
            Some(ResourceKind::Topic) if name.is_empty() => {
                request("a topic has a name; there is no default for all of them".to_owned())
            }
            Some(ResourceKind::Topic) => {
                check_topic_name(name).map_err(|why| Refusal::InvalidTopicName { why })?;
                let topic = self.known.topic(name).ok_or(Refusal::UnknownTopic)?;
                Ok(Altered::Topic(topic))
            }
            Some(ResourceKind::Broker) if name.is_empty() => {
                Ok(Altered::Broker(BrokerScope::Cluster))
            }
            Some(ResourceKind::Broker) => {
                let node = self.site.broker(name)?;
                Ok(Altered::Broker(BrokerScope::Node(node)))
            }
            Some(ResourceKind::BrokerLogger) => {
                request("loggers are set by IncrementalAlterConfigs only".to_owned())
            }
            Some(ResourceKind::ClientMetrics) => {
                request("this broker has no ClientMetrics that could be configured".to_owned())
            }
            Some(ResourceKind::Group) => {
                request("groups have no configuration of their own yet".to_owned())
            }
            None => request(format!("resources of type {kind} have no configuration")),
        }
    }

    /// How many ports each listener takes in a row.
    fn ports(&self) -> usize {
        match self.fixed.value_of("listener.layout") {
            Some("ports") => self.site.shards.len(),
            _ => 1,
        }
    }

    /// Whether a running broker may have `configs`, in which these names are new. Kafka answers
    /// INVALID_REQUEST where it refuses, whatever the reason.
    fn check_broker<'n>(
        &self,
        scope: BrokerScope,
        names: impl Iterator<Item = &'n String>,
        configs: &Overrides,
    ) -> Result<(), AdminError> {
        let before = InForce::of(self.fixed, self.site.node, Some(self.known));
        let after = before.with(scope, configs);
        let (mut read_only, mut per_broker) = (Vec::new(), Vec::new());
        for name in names {
            let Some(value) = configs.get(name) else {
                continue;
            };
            let key = key_of(name, after)?;
            match key.update {
                Update::ReadOnly => read_only.push(key.name),
                Update::PerBroker if scope == BrokerScope::Cluster => per_broker.push(key.name),
                // As Kafka has it, though a file may say so.
                Update::ClusterWide if key.name == "max.connections" && value.trim() == "0" => {
                    let words = format!("Invalid {name} 0: nobody could come to change it again");
                    return Err(AdminError::Request(words));
                }
                Update::PerBroker | Update::ClusterWide => {
                    check(key, value).map_err(|error| AdminError::Request(error.to_string()))?
                }
            }
        }
        if !read_only.is_empty() {
            return Err(AdminError::Request(format!(
                "Cannot update these configs dynamically: Set({}); set them in the broker's file \
                 and start it again",
                read_only.join(", ")
            )));
        }
        if !per_broker.is_empty() {
            return Err(AdminError::Request(format!(
                "Cannot update these configs at default cluster level, broker id must be \
                 specified: Set({})",
                per_broker.join(", ")
            )));
        }
        if listeners::differ(before, after) {
            let checked = listeners::check_change(before, after, self.ports());
            checked.map_err(|wrong| AdminError::Request(wrong.words))?;
        }
        let defaults = after.topic_defaults();
        match TopicConfig::from_overrides(&defaults) {
            Ok(_) => Ok(()),
            Err(error) => Err(AdminError::Request(error.to_string())),
        }
    }
}

/// What a client means by a name; a key of one listener must be one of a listener that is there.
fn key_of(name: &str, broker: InForce<'_>) -> Result<&'static BrokerKey, AdminError> {
    let unknown = |nearest: &str| {
        let words = format!("Unknown broker config name: {name}; is it {nearest}?");
        Err(AdminError::Request(words))
    };
    match BrokerKey::look_up(name) {
        // Ours in TOML is not a name that clients know.
        Named::Key(key) if key.name != name => unknown(key.name),
        Named::Key(key) => Ok(key),
        Named::Listener(of) if of.name() != *name => unknown(&of.name()),
        Named::Listener(of) => key_of_listener(&of, broker),
        Named::Unknown { nearest } => unknown(&nearest),
        Named::WithoutMeaning => {
            let words = format!("{name} has no meaning for this broker");
            Err(AdminError::Request(words))
        }
    }
}

/// What is to be set for one listener, which must be there: a bound that nobody meets would protect
/// nobody.
fn key_of_listener(
    of: &ListenerKey<'_>,
    broker: InForce<'_>,
) -> Result<&'static BrokerKey, AdminError> {
    let Some(others) = of.others(broker) else {
        return Ok(of.key);
    };
    let (name, listener) = (of.name(), &of.listener);
    let words = format!("{name}: there is no listener {listener}, only {others}");
    Err(AdminError::Request(words))
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

fn no_value(name: &StrBytes) -> AdminError {
    AdminError::Request(format!("{name} has no value; delete it for the default"))
}

pub(super) fn refuse_repetitions<'a>(
    names: impl Iterator<Item = &'a StrBytes>,
) -> Result<(), AdminError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let words = format!("{name} is given more than once");
            return Err(AdminError::Request(words));
        }
    }
    Ok(())
}

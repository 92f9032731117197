//! CreateTopics: one topic that is wanted, as a command.

use std::collections::BTreeMap;

use crate::base::ShardId;
use crate::cluster::{Command, Placement, Uuid};
use crate::log::Overrides;
use crate::wire::messages::create_topics_request::CreatableTopic;

use super::error::AdminError;
use super::placement::Site;

/// Kafka keeps it for the log of its metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The command that would create the topic with this id.
pub fn creation(topic: &CreatableTopic, id: Uuid, site: Site<'_>) -> Result<Command, AdminError> {
    if topic.name.as_str() == METADATA_TOPIC {
        let words = format!("{METADATA_TOPIC} is the broker's own and can not be created");
        return Err(AdminError::Request(words));
    }
    let (partitions, placement) = match topic.assignments.is_empty() {
        true => (count(topic, site)?, Placement::Spread),
        false => assigned(topic, site)?,
    };
    Ok(Command::CreateTopic {
        name: topic.name.to_string(),
        id,
        partitions,
        placement,
        configs: configs(topic)?,
    })
}

fn count(topic: &CreatableTopic, site: Site<'_>) -> Result<u32, AdminError> {
    match topic.replication_factor {
        -1 | 1 => {}
        factor if factor > 1 => {
            return Err(AdminError::ReplicationFactor(format!(
                "replication factor {factor} is larger than the number of nodes, which is 1; \
                 two replicas never share a process"
            )));
        }
        factor => {
            return Err(AdminError::ReplicationFactor(format!(
                "replication factor {factor}: it is at least 1, or -1 for the default"
            )));
        }
    }
    match (topic.num_partitions, u32::try_from(topic.num_partitions)) {
        (-1, _) => Ok(site.partitions),
        (_, Ok(count)) if count > 0 => Ok(count),
        (count, _) => Err(AdminError::Partitions(format!(
            "{count} partitions: a topic has at least 1, or -1 for the default"
        ))),
    }
}

fn assigned(topic: &CreatableTopic, site: Site<'_>) -> Result<(u32, Placement), AdminError> {
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let words = "with assignments, the number of partitions and the replication factor are -1";
        return Err(AdminError::Request(words.to_owned()));
    }
    let mut shards = BTreeMap::<i32, ShardId>::new();
    for assignment in &topic.assignments {
        let shard = site.replica(&assignment.broker_ids)?;
        let index = assignment.partition_index;
        if shards.insert(index, shard).is_some() {
            let words = format!("partition {index} is assigned more than once");
            return Err(AdminError::Assignment(words));
        }
    }
    if !shards.keys().copied().eq(0..shards.len() as i32) {
        let words = "partitions are numbered 0, 1, 2 and so on, without gaps";
        return Err(AdminError::Assignment(words.to_owned()));
    }
    let count = shards.len() as u32;
    Ok((count, site.placement(shards.into_values().collect())))
}

/// Of a configuration that is given twice the last counts, as in Kafka.
fn configs(topic: &CreatableTopic) -> Result<Overrides, AdminError> {
    let mut configs = Overrides::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let words = format!("{} has no value; leave it out for the default", config.name);
            return Err(AdminError::Config(words));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(configs)
}

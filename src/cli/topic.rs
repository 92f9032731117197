//! `thalweg topic`: create, list, describe, alter, delete.

use std::time::Duration;

use serde_json::json;

use crate::wire::messages::create_partitions_request::CreatePartitionsTopic;
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::delete_topics_request::DeleteTopicState;
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::metadata_response::MetadataResponseTopic;
use crate::wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest,
    MetadataResponse, TopicName,
};

use super::Failure;
use super::arguments::{Broker, Output, Topic};
use super::client::{Client, check, text};
use super::config::{self, Resource};
use super::table::Table;

const WAIT: Duration = Duration::from_secs(30);

/// Runs one of the commands.
pub fn run(command: &Topic) -> Result<u8, Failure> {
    match command {
        Topic::Create {
            name,
            partitions,
            replication_factor,
            configs,
            broker,
        } => {
            let shape = Shape {
                partitions: partitions.unwrap_or(-1),
                replication_factor: replication_factor.unwrap_or(-1),
            };
            create(name, shape, configs, broker)
        }
        Topic::List { broker } => list(broker),
        Topic::Describe { name, broker } => describe(name.as_deref(), broker),
        Topic::Alter {
            name,
            partitions,
            configs,
            unset,
            broker,
        } => alter(name, *partitions, (configs, unset), broker),
        Topic::Delete { name, broker } => delete(name, broker),
    }
    .map(|()| 0)
}

/// Counts of a topic to be; -1 stands for the broker's default.
#[derive(Clone, Copy)]
struct Shape {
    partitions: i32,
    replication_factor: i16,
}

fn create(
    name: &str,
    shape: Shape,
    configs: &[(String, String)],
    broker: &Broker,
) -> Result<(), Failure> {
    let configs = configs.iter().map(|(key, value)| {
        CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
    });
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(shape.partitions)
        .with_replication_factor(shape.replication_factor)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(WAIT.as_millis() as i32);
    let (_, reply) = Client::connect(&broker.bootstrap_server)?.call(&request)?;
    for topic in &reply.topics {
        check(topic.error_code, topic.error_message.as_deref(), name)?;
    }
    match broker.output {
        Output::Text => println!("Created topic {name}."),
        Output::Json => println!("{}", json!({ "created": name })),
    }
    Ok(())
}

/// Partitions first: these can be refused for their number, and then nothing has changed.
fn alter(
    name: &str,
    partitions: Option<i32>,
    (set, unset): (&[(String, String)], &[String]),
    broker: &Broker,
) -> Result<(), Failure> {
    if partitions.is_none() && set.is_empty() && unset.is_empty() {
        return Err(Failure::usage(
            "nothing to alter; give --partitions, --config or --unset",
        ));
    }
    if let Some(count) = partitions {
        let grown = CreatePartitionsTopic::default()
            .with_name(TopicName(text(name)))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![grown])
            .with_timeout_ms(WAIT.as_millis() as i32);
        let (_, reply) = Client::connect(&broker.bootstrap_server)?.call(&request)?;
        for result in &reply.results {
            check(result.error_code, result.error_message.as_deref(), name)?;
        }
    }
    if !set.is_empty() || !unset.is_empty() {
        config::alter(&Resource::topic(name), set, unset, broker)?;
    }
    match broker.output {
        Output::Text => println!("Altered topic {name}."),
        Output::Json => println!("{}", json!({ "altered": name })),
    }
    Ok(())
}

fn delete(name: &str, broker: &Broker) -> Result<(), Failure> {
    let mut client = Client::connect(&broker.bootstrap_server)?;
    let topic = DeleteTopicState::default().with_name(Some(TopicName(text(name))));
    // Versions up to 5 carry names, later ones states; each is left out of the other's encoding.
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(WAIT.as_millis() as i32);
    let (_, reply) = client.call(&request)?;
    for result in &reply.responses {
        check(result.error_code, result.error_message.as_deref(), name)?;
    }
    match broker.output {
        Output::Text => println!("Deleted topic {name}."),
        Output::Json => println!("{}", json!({ "deleted": name })),
    }
    Ok(())
}

fn list(broker: &Broker) -> Result<(), Failure> {
    let reply = metadata(None, broker)?;
    let mut names: Vec<&str> = reply.topics.iter().filter_map(name_of).collect();
    names.sort_unstable();
    match broker.output {
        Output::Text => names.iter().for_each(|name| println!("{name}")),
        Output::Json => println!("{}", json!(names)),
    }
    Ok(())
}

fn describe(name: Option<&str>, broker: &Broker) -> Result<(), Failure> {
    let mut reply = metadata(name, broker)?;
    reply
        .topics
        .sort_by(|left, right| left.name.cmp(&right.name));
    for topic in &mut reply.topics {
        check(topic.error_code, None, name_of(topic).unwrap_or("a topic"))?;
        let partitions = &mut topic.partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
    }
    match broker.output {
        Output::Text => reply.topics.iter().for_each(print_topic),
        Output::Json => {
            let topics: Vec<_> = reply.topics.iter().map(json_topic).collect();
            println!("{}", json!(topics));
        }
    }
    Ok(())
}

fn metadata(name: Option<&str>, broker: &Broker) -> Result<MetadataResponse, Failure> {
    let wanted = name.map(|name| {
        let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
        vec![topic]
    });
    let request = MetadataRequest::default()
        .with_topics(wanted)
        .with_allow_auto_topic_creation(false);
    let (_, reply) = Client::connect(&broker.bootstrap_server)?.call(&request)?;
    Ok(reply)
}

fn print_topic(topic: &MetadataResponseTopic) {
    println!(
        "Topic: {}  Id: {}  Partitions: {}",
        name_of(topic).unwrap_or(""),
        topic.topic_id,
        topic.partitions.len()
    );
    let mut table = Table::new(&["partition", "leader", "epoch", "replicas", "in sync"]);
    for partition in &topic.partitions {
        let leader = match partition.leader_id.0 {
            -1 => "none".to_owned(),
            id => id.to_string(),
        };
        table.row(vec![
            partition.partition_index.to_string(),
            leader,
            partition.leader_epoch.to_string(),
            ids(&partition.replica_nodes),
            ids(&partition.isr_nodes),
        ]);
    }
    println!("{table}");
}

fn json_topic(topic: &MetadataResponseTopic) -> serde_json::Value {
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "partition": partition.partition_index,
                "leader": partition.leader_id.0,
                "leader_epoch": partition.leader_epoch,
                "replicas": partition.replica_nodes.iter().map(|id| id.0).collect::<Vec<_>>(),
                "in_sync": partition.isr_nodes.iter().map(|id| id.0).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "name": name_of(topic), "id": topic.topic_id.to_string(), "partitions": partitions })
}

fn ids(nodes: &[crate::wire::messages::BrokerId]) -> String {
    let ids: Vec<String> = nodes.iter().map(|id| id.0.to_string()).collect();
    ids.join(",")
}

fn name_of(topic: &MetadataResponseTopic) -> Option<&str> {
    topic.name.as_ref().map(|name| name.0.as_str())
}

//! CreateTopics 2-7: checked here, decided by shard 0, answered when every shard has them.

use std::collections::BTreeMap;

use crate::base::ShardId;
use crate::cluster::{ChangeKind, Command, Placement, Topic, Uuid};
use crate::log::{ConfigKey, Overrides, TOPIC_CONFIGS, TopicConfig};
use crate::wire::messages::create_topics_request::CreatableTopic;
use crate::wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use crate::wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;

/// From here on the reply shows what was created.
const DETAILS_SINCE: i16 = 5;
/// `config_source` of a reply: set for the topic, or a default.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_DEFAULT: i8 = 5;

/// A CreateTopics that awaits shard 0.
#[derive(Debug)]
pub struct CreateTopicsCall {
    asked: Asked,
    results: Vec<CreatableTopicResult>,
    /// Which result each proposed command is about.
    proposed: Vec<usize>,
}

/// What a topic would be.
struct Wanted {
    id: Uuid,
    partitions: u32,
    configs: Overrides,
}

impl Shard {
    pub(super) fn create_topics(&mut self, asked: Asked, request: CreateTopicsRequest) {
        let mut times = BTreeMap::<StrBytes, u32>::new();
        for topic in &request.topics {
            *times.entry(topic.name.0.clone()).or_default() += 1;
        }
        let mut call = CreateTopicsCall {
            asked,
            results: Vec::with_capacity(request.topics.len()),
            proposed: Vec::new(),
        };
        let mut commands = Vec::new();
        for topic in request.topics {
            let twice = times.get(&topic.name.0).is_some_and(|count| *count > 1);
            let mut result = CreatableTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_message(None);
            let command = if twice {
                let words = "the request names this topic more than once";
                Err(Failure::because(ErrorCode::InvalidRequest, words))
            } else {
                self.creation(&topic)
            };
            match command.and_then(|command| self.check_creation(command)) {
                Ok((_, wanted)) if request.validate_only => {
                    show(&mut result, &wanted, asked.to.version);
                    result.topic_id = Uuid::nil();
                }
                Ok((command, _)) => {
                    call.proposed.push(call.results.len());
                    commands.push(command);
                }
                Err(failure) => refuse(&mut result, failure),
            }
            call.results.push(result);
        }
        if commands.is_empty() {
            return self.answer_create_topics(call);
        }
        self.propose(commands, Call::CreateTopics(Box::new(call)));
    }

    /// Shard 0 has decided, and every shard has what it decided.
    pub(in super::super) fn topics_created(
        &mut self,
        mut call: CreateTopicsCall,
        outcomes: &[Outcome],
    ) {
        let version = call.asked.to.version;
        for (place, outcome) in call.proposed.iter().zip(outcomes) {
            let result = &mut call.results[*place];
            match outcome {
                Ok(change) => {
                    if let ChangeKind::Topic { topic, .. } = &change.kind {
                        show(result, &Wanted::from(&**topic), version);
                    }
                }
                Err(refusal) => refuse(result, refusal.into()),
            }
        }
        self.answer_create_topics(call);
    }

    fn answer_create_topics(&mut self, call: CreateTopicsCall) {
        let response = CreateTopicsResponse::default().with_topics(call.results);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }

    /// The command that would create it.
    fn creation(&mut self, topic: &CreatableTopic) -> Result<Command, Failure> {
        let (partitions, placement) = self.partitions_wanted(topic)?;
        Ok(Command::CreateTopic {
            name: topic.name.to_string(),
            id: self.draw_id(),
            partitions,
            placement,
            configs: configs_wanted(topic)?,
        })
    }

    /// Whether our copy of the metadata would take it; shard 0 has the last word.
    fn check_creation(&self, command: Command) -> Result<(Command, Wanted), Failure> {
        let none = Failure::bare(ErrorCode::CoordinatorLoadInProgress);
        let change = self.known().ok_or(none)?.decide(&command);
        let change = change.map_err(|refusal| Failure::from(&refusal))?;
        match &change.kind {
            ChangeKind::Topic { topic, .. } => {
                let wanted = Wanted::from(&**topic);
                Ok((command, wanted))
            }
            ChangeKind::ClusterNamed { .. }
            | ChangeKind::NodeRegistered { .. }
            | ChangeKind::ProducerIds { .. }
            | ChangeKind::RetentionClock { .. } => {
                Err(Failure::bare(ErrorCode::UnknownServerError))
            }
        }
    }

    fn partitions_wanted(&self, topic: &CreatableTopic) -> Result<(u32, Placement), Failure> {
        let invalid = |code, words: &str| Err(Failure::because(code, words));
        if !topic.assignments.is_empty() {
            if topic.num_partitions != -1 || topic.replication_factor != -1 {
                let words = "assignments exclude a number of partitions and a replication factor";
                return invalid(ErrorCode::InvalidRequest, words);
            }
            return self.assigned(topic);
        }
        check_replication_factor(topic.replication_factor)?;
        let partitions = match topic.num_partitions {
            -1 => self.config.defaults.partitions,
            count => match u32::try_from(count) {
                Ok(count) if count > 0 => count,
                Ok(_) | Err(_) => {
                    let words = "a topic has at least 1 partition, or -1 for the default";
                    return invalid(ErrorCode::InvalidPartitions, words);
                }
            },
        };
        Ok((partitions, Placement::Spread))
    }

    /// Explicit assignments. Clients see one id per node, which leaves the choice of shard to us.
    fn assigned(&self, topic: &CreatableTopic) -> Result<(u32, Placement), Failure> {
        let invalid = |words: String| Failure::because(ErrorCode::InvalidReplicaAssignment, words);
        let own = self.broker_id();
        let mut shards = BTreeMap::<i32, ShardId>::new();
        for assignment in &topic.assignments {
            let [broker] = assignment.broker_ids[..] else {
                let words = "one broker per partition: two replicas never share a process";
                return Err(invalid(words.to_owned()));
            };
            let shard = u16::try_from(broker.0 - own).ok().map(ShardId);
            let shard = shard.filter(|shard| self.config.shards.contains(shard));
            let shard = shard.ok_or(invalid(format!("there is no broker {}", broker.0)))?;
            shards.insert(assignment.partition_index, shard);
        }
        let count = topic.assignments.len() as i32;
        if !shards.keys().copied().eq(0..count) {
            let words = "partitions are numbered 0, 1, 2 and so on, each once";
            return Err(invalid(words.to_owned()));
        }
        let all_to_node = shards.values().all(|shard| *shard == ShardId::ZERO);
        let placement = if all_to_node {
            Placement::Spread
        } else {
            Placement::Listed(shards.into_values().collect())
        };
        Ok((count as u32, placement))
    }
}

impl From<&Topic> for Wanted {
    fn from(topic: &Topic) -> Self {
        Self {
            id: topic.id,
            partitions: topic.partition_count(),
            configs: topic.overrides.clone(),
        }
    }
}

fn check_replication_factor(factor: i16) -> Result<(), Failure> {
    let words = match factor {
        -1 | 1 => return Ok(()),
        factor if factor > 1 => format!(
            "replication factor {factor} is larger than the number of nodes, which is 1; \
             two replicas never share a process"
        ),
        _ => "a replication factor is at least 1, or -1 for the default".to_owned(),
    };
    Err(Failure::because(ErrorCode::InvalidReplicationFactor, words))
}

fn configs_wanted(topic: &CreatableTopic) -> Result<Overrides, Failure> {
    let mut configs = Overrides::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let words = format!("{} has no value", config.name);
            return Err(Failure::because(ErrorCode::InvalidConfig, words));
        };
        if configs
            .insert(config.name.to_string(), value.to_string())
            .is_some()
        {
            let words = format!("{} is given more than once", config.name);
            return Err(Failure::because(ErrorCode::InvalidConfig, words));
        }
    }
    TopicConfig::from_overrides(&configs).map_err(|error| Failure::from(&error))?;
    Ok(configs)
}

fn refuse(result: &mut CreatableTopicResult, failure: Failure) {
    result.error_code = failure.code.code();
    result.error_message = failure.words;
    result.num_partitions = -1;
    result.replication_factor = -1;
}

fn show(result: &mut CreatableTopicResult, wanted: &Wanted, version: i16) {
    result.topic_id = wanted.id;
    if version < DETAILS_SINCE {
        return;
    }
    result.num_partitions = wanted.partitions as i32;
    result.replication_factor = 1;
    let shown = TOPIC_CONFIGS.iter().map(|key| shown(key, &wanted.configs));
    result.configs = Some(shown.collect());
}

fn shown(key: &ConfigKey, configs: &Overrides) -> CreatableTopicConfigs {
    let own = configs.get(key.name);
    let value = own.map_or(key.default, String::as_str);
    CreatableTopicConfigs::default()
        .with_name(StrBytes::from_static_str(key.name))
        .with_value(Some(StrBytes::from_string(value.to_owned())))
        .with_config_source(if own.is_some() {
            SOURCE_TOPIC
        } else {
            SOURCE_DEFAULT
        })
}

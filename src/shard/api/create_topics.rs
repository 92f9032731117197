//! CreateTopics 2-7: checked here, decided by shard 0, answered when every shard has them.

use crate::admin::creation::creation;
use crate::admin::description::describe_topic;
use crate::admin::{InForce, Site};
use crate::cluster::{ChangeKind, Command, Topic};
use crate::wire::messages::create_topics_request::CreatableTopic;
use crate::wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use crate::wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;
use super::describe_configs::text_of;
use super::named::{Named, once_each};

/// From here on the reply shows what was created.
const DETAILS_SINCE: i16 = 5;

/// A CreateTopics that awaits shard 0.
#[derive(Debug)]
pub struct CreateTopicsCall {
    asked: Asked,
    results: Vec<CreatableTopicResult>,
    /// Which result each proposed command is about.
    proposed: Vec<usize>,
}

impl Shard {
    pub(super) fn create_topics(&mut self, asked: Asked, request: CreateTopicsRequest) {
        let mut call = CreateTopicsCall {
            asked,
            results: Vec::with_capacity(request.topics.len()),
            proposed: Vec::new(),
        };
        let mut commands = Vec::new();
        for named in once_each(request.topics, |topic| topic.name.0.clone()) {
            let (topic, decided) = match named {
                Named::Once(topic) => {
                    let decided = self.creation(&topic);
                    (topic, decided)
                }
                Named::Often(topic) => (topic, Err(Failure::named_twice())),
            };
            let mut result = CreatableTopicResult::default()
                .with_name(topic.name)
                .with_error_message(None);
            match decided {
                Ok((_, kind)) if request.validate_only => {
                    self.show(&mut result, &kind, asked.to.version);
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
                Ok(change) => self.show(result, &change.kind, version),
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

    /// The command that would create it, and what our copy of the metadata would make of it; shard
    /// 0 has the last word.
    fn creation(&mut self, topic: &CreatableTopic) -> Result<(Command, ChangeKind), Failure> {
        let id = self.draw_id();
        let command = creation(topic, id, self.site()).map_err(|error| Failure::from(&error))?;
        let words = "this broker is starting and has no metadata yet; try again";
        let none = Failure::because(ErrorCode::CoordinatorLoadInProgress, words);
        let change = self.known().ok_or(none)?.decide(&command);
        let change = change.map_err(|refusal| Failure::from(&refusal))?;
        Ok((command, change.kind))
    }

    /// Where new partitions can go.
    pub(super) fn site(&self) -> Site<'_> {
        Site {
            node: self.config.node,
            shards: &self.config.shards,
            partitions: self.config.defaults.partitions,
        }
    }

    fn show(&self, result: &mut CreatableTopicResult, made: &ChangeKind, version: i16) {
        match made {
            ChangeKind::Topic { topic, .. } => show(result, topic, self.in_force(), version),
            ChangeKind::BrokerConfig { .. }
            | ChangeKind::ClusterNamed { .. }
            | ChangeKind::NodeRegistered { .. }
            | ChangeKind::ProducerIds { .. }
            | ChangeKind::RetentionClock { .. } => {
                unreachable!("a topic was to be created: {made:?}")
            }
        }
    }
}

fn refuse(result: &mut CreatableTopicResult, failure: Failure) {
    result.error_code = failure.code.code();
    result.error_message = failure.words;
    result.num_partitions = -1;
    result.replication_factor = -1;
    result.configs = Some(Vec::new());
}

fn show(result: &mut CreatableTopicResult, made: &Topic, broker: InForce<'_>, version: i16) {
    result.topic_id = made.id;
    if version < DETAILS_SINCE {
        return;
    }
    result.num_partitions = made.partition_count() as i32;
    result.replication_factor = 1;
    let configs = describe_topic(&made.overrides, broker, None).map(|one| {
        CreatableTopicConfigs::default()
            .with_name(text_of(one.name))
            .with_value(one.value.map(StrBytes::from_string))
            .with_config_source(one.source as i8)
    });
    result.configs = Some(configs.collect());
}

//! DeleteTopics 1-6: by name, and from version 6 on by id too.

use crate::cluster::{Command, Uuid};
use crate::wire::messages::delete_topics_request::DeleteTopicState;
use crate::wire::messages::delete_topics_response::DeletableTopicResult;
use crate::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;
use super::named::{Named, once_each};

/// From here on topics are named by `topics`, before by `topic_names`.
const IDS_SINCE: i16 = 6;

/// A DeleteTopics that awaits shard 0.
#[derive(Debug)]
pub struct DeleteTopicsCall {
    asked: Asked,
    results: Vec<DeletableTopicResult>,
    proposed: Vec<usize>,
}

impl Shard {
    pub(super) fn delete_topics(&mut self, asked: Asked, request: DeleteTopicsRequest) {
        let named = |name| DeleteTopicState::default().with_name(Some(name));
        let topics = if asked.to.version >= IDS_SINCE {
            request.topics
        } else {
            request.topic_names.into_iter().map(named).collect()
        };
        let mut call = DeleteTopicsCall {
            asked,
            results: Vec::with_capacity(topics.len()),
            proposed: Vec::new(),
        };
        let mut commands = Vec::new();
        for named in once_each(topics, name_or_id) {
            let (topic, deletion) = match named {
                Named::Once(topic) => {
                    let deletion = self.deletion(&topic);
                    (topic, deletion)
                }
                Named::Often(topic) => (topic, Err(Failure::named_twice())),
            };
            let mut result = DeletableTopicResult::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id);
            match deletion {
                Ok((name, id)) => {
                    result.name = Some(name);
                    result.topic_id = id;
                    call.proposed.push(call.results.len());
                    commands.push(Command::DeleteTopic { id });
                }
                Err(failure) => refuse(&mut result, failure),
            }
            call.results.push(result);
        }
        if commands.is_empty() {
            return self.answer_delete_topics(call);
        }
        self.propose(commands, Call::DeleteTopics(Box::new(call)));
    }

    /// Shard 0 has decided, and every shard has given the topics up.
    pub(in super::super) fn topics_deleted(
        &mut self,
        mut call: DeleteTopicsCall,
        outcomes: &[Outcome],
    ) {
        for (place, outcome) in call.proposed.iter().zip(outcomes) {
            if let Err(refusal) = outcome {
                refuse(&mut call.results[*place], refusal.into());
            }
        }
        self.answer_delete_topics(call);
    }

    fn answer_delete_topics(&mut self, call: DeleteTopicsCall) {
        let response = DeleteTopicsResponse::default().with_responses(call.results);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }

    fn deletion(&self, topic: &DeleteTopicState) -> Result<(TopicName, Uuid), Failure> {
        if !self.config.defaults.delete_topics {
            let words = "delete.topic.enable is false on this broker";
            return Err(Failure::because(ErrorCode::TopicDeletionDisabled, words));
        }
        let name = match (&topic.name, topic.topic_id.is_nil()) {
            (Some(name), true) => name.clone(),
            (None, false) => TopicName::default(),
            (Some(_), false) | (None, true) => {
                let words = "a topic is named by its name or by its id, not by both or neither";
                return Err(Failure::because(ErrorCode::InvalidRequest, words));
            }
        };
        let found = self.find_topic(&name, topic.topic_id);
        let found =
            found.map_err(|failure| Failure::because(failure.code, "there is no such topic"))?;
        if found.is_internal() {
            let words = format!("{} is the broker's own topic", found.name);
            return Err(Failure::because(ErrorCode::InvalidRequest, words));
        }
        let name = TopicName(StrBytes::from_string(found.name.to_string()));
        Ok((name, found.id))
    }
}

/// What tells one topic of a request from another.
fn name_or_id(topic: &DeleteTopicState) -> StrBytes {
    let name = topic.name.as_ref().map(|name| name.0.clone());
    name.unwrap_or_else(|| StrBytes::from_string(format!("id {}", topic.topic_id)))
}

fn refuse(result: &mut DeletableTopicResult, failure: Failure) {
    result.error_code = failure.code.code();
    result.error_message = failure.words;
}

//! CreatePartitions 0-3: checked here, decided by shard 0, answered when every shard has them.

use crate::admin::growth::growth;
use crate::cluster::Command;
use crate::wire::messages::create_partitions_request::CreatePartitionsTopic;
use crate::wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::wire::{ErrorCode, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;
use super::named::{Named, once_each};

/// A CreatePartitions that awaits shard 0.
#[derive(Debug)]
pub struct CreatePartitionsCall {
    asked: Asked,
    results: Vec<CreatePartitionsTopicResult>,
    /// Which result each proposed command is about.
    proposed: Vec<usize>,
}

impl Shard {
    pub(super) fn create_partitions(&mut self, asked: Asked, request: CreatePartitionsRequest) {
        let mut call = CreatePartitionsCall {
            asked,
            results: Vec::with_capacity(request.topics.len()),
            proposed: Vec::new(),
        };
        let mut commands = Vec::new();
        for named in once_each(request.topics, |topic| topic.name.0.clone()) {
            let (topic, command) = match named {
                Named::Once(topic) => {
                    let command = self.growth(&topic);
                    (topic, command)
                }
                Named::Often(topic) => (topic, Err(Failure::named_twice())),
            };
            let mut result = CreatePartitionsTopicResult::default().with_name(topic.name);
            match command {
                Ok(_) if request.validate_only => {}
                Ok(command) => {
                    call.proposed.push(call.results.len());
                    commands.push(command);
                }
                Err(failure) => refuse(&mut result, failure),
            }
            call.results.push(result);
        }
        if commands.is_empty() {
            return self.answer_create_partitions(call);
        }
        self.propose(commands, Call::CreatePartitions(Box::new(call)));
    }

    /// The command, if our copy of the metadata would take it.
    fn growth(&self, topic: &CreatePartitionsTopic) -> Result<Command, Failure> {
        let words = "this broker is starting and has no metadata yet; try again";
        let none = Failure::because(ErrorCode::CoordinatorLoadInProgress, words);
        let known = self.known().ok_or(none)?;
        let command = growth(topic, known, self.site()).map_err(|error| Failure::from(&error))?;
        let decided = known.decide(&command);
        decided.map_err(|refusal| Failure::from(&refusal))?;
        Ok(command)
    }

    /// Shard 0 has decided, and every shard has what it decided.
    pub(in super::super) fn partitions_created(
        &mut self,
        mut call: CreatePartitionsCall,
        outcomes: &[Outcome],
    ) {
        for (place, outcome) in call.proposed.iter().zip(outcomes) {
            if let Err(refusal) = outcome {
                refuse(&mut call.results[*place], refusal.into());
            }
        }
        self.answer_create_partitions(call);
    }

    fn answer_create_partitions(&mut self, call: CreatePartitionsCall) {
        let response = CreatePartitionsResponse::default().with_results(call.results);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

fn refuse(result: &mut CreatePartitionsTopicResult, failure: Failure) {
    result.error_code = failure.code.code();
    result.error_message = failure.words;
}

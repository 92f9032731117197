//! AlterConfigs 0-2 (everything that is set, anew) and IncrementalAlterConfigs 0-1 (KIP-339):
//! checked here, decided by shard 0, in force on every shard before the answer. Loggers (KIP-412)
//! are changed here.

use std::collections::BTreeMap;

use crate::admin::alteration::{Alterable, edits, replacement};
use crate::admin::loggers::{LoggerEdit, logger_edits};
use crate::admin::{AdminError, ResourceKind};
use crate::cluster::{Command, Metadata};
use crate::wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::wire::messages::incremental_alter_configs_response as edited;
use crate::wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use crate::wire::{ApiKey, ErrorCode, StrBytes, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;

/// An alteration that awaits shard 0.
#[derive(Debug)]
pub struct AlterConfigsCall {
    asked: Asked,
    results: Vec<Altered>,
    /// Which result each proposed command is about.
    proposed: Vec<usize>,
}

/// One resource, and why it was not altered.
#[derive(Debug)]
struct Altered {
    kind: i8,
    name: StrBytes,
    failure: Option<Failure>,
}

/// A resource, and what would alter it.
type Wish = (i8, StrBytes, Result<Alteration, AdminError>);

/// What is done about a valid wish.
enum Alteration {
    /// Shard 0 is asked.
    Command(Command),
    /// At once: loggers are the process's own, and nothing of them is kept.
    Loggers(Vec<LoggerEdit>),
}

impl Shard {
    pub(super) fn alter_configs(&mut self, asked: Asked, request: AlterConfigsRequest) {
        let Some(known) = self.known() else {
            return self.answer_alter_configs(AlterConfigsCall::new(asked));
        };
        let there = self.alterable(known);
        let wishes = request.resources.into_iter().map(|resource| {
            let command = replacement(&resource, there).map(Alteration::Command);
            (resource.resource_type, resource.resource_name, command)
        });
        let wishes = wishes.collect();
        self.alter(asked, wishes, request.validate_only);
    }

    pub(super) fn incremental_alter_configs(
        &mut self,
        asked: Asked,
        request: IncrementalAlterConfigsRequest,
    ) {
        let Some(known) = self.known() else {
            return self.answer_alter_configs(AlterConfigsCall::new(asked));
        };
        let there = self.alterable(known);
        let wishes = request.resources.into_iter().map(|resource| {
            let alteration = if resource.resource_type == ResourceKind::BrokerLogger as i8 {
                let known = self.config.loggers.get();
                logger_edits(&resource, there.site, &known).map(Alteration::Loggers)
            } else {
                edits(&resource, there).map(Alteration::Command)
            };
            (resource.resource_type, resource.resource_name, alteration)
        });
        let wishes = wishes.collect();
        self.alter(asked, wishes, request.validate_only);
    }

    fn alterable<'a>(&'a self, known: &'a Metadata) -> Alterable<'a> {
        Alterable {
            known,
            site: self.site(),
            fixed: &self.config.broker,
        }
    }

    fn alter(&mut self, asked: Asked, wishes: Vec<Wish>, validate_only: bool) {
        let mut times = BTreeMap::<(i8, StrBytes), u32>::new();
        for (kind, name, _) in &wishes {
            *times.entry(self.named(*kind, name)).or_default() += 1;
        }
        let mut call = AlterConfigsCall::new(asked);
        let mut commands = Vec::new();
        for (kind, name, alteration) in wishes {
            let twice = times
                .get(&self.named(kind, &name))
                .is_some_and(|times| *times > 1);
            let alteration = match twice {
                true => {
                    let words = "the request names this resource more than once";
                    Err(Failure::because(ErrorCode::InvalidRequest, words))
                }
                false => self.check_alteration(alteration),
            };
            let failure = match alteration {
                Ok(_) if validate_only => None,
                Ok(Alteration::Loggers(edits)) => {
                    self.change_loggers(edits);
                    None
                }
                Ok(Alteration::Command(command)) => {
                    call.proposed.push(call.results.len());
                    commands.push(command);
                    None
                }
                Err(failure) => Some(failure),
            };
            call.results.push(Altered {
                kind,
                name,
                failure,
            });
        }
        if commands.is_empty() {
            return self.answer_alter_configs(call);
        }
        self.propose(commands, Call::AlterConfigs(Box::new(call)));
    }

    /// What a resource is counted by. A node's configuration has as many names as the node has ids.
    fn named(&self, kind: i8, name: &StrBytes) -> (i8, StrBytes) {
        let is_broker = kind == ResourceKind::Broker as i8;
        let node = is_broker.then(|| self.site().broker(name).ok()).flatten();
        let name = match node {
            Some(node) => StrBytes::from_string(node.broker_id().to_string()),
            None => name.clone(),
        };
        (kind, name)
    }

    /// Whether our copy of the metadata would take it; shard 0 has the last word.
    fn check_alteration(
        &self,
        alteration: Result<Alteration, AdminError>,
    ) -> Result<Alteration, Failure> {
        let alteration = alteration.map_err(|error| Failure::from(&error))?;
        let Alteration::Command(command) = &alteration else {
            return Ok(alteration);
        };
        match self.known().map(|known| known.decide(command)) {
            Some(Err(refusal)) => {
                let failure = Failure::from(&refusal);
                // Nothing would change, which is no failure.
                if failure.code.is_none() {
                    Ok(alteration)
                } else {
                    Err(failure)
                }
            }
            Some(Ok(_)) | None => Ok(alteration),
        }
    }

    /// Shard 0 has decided, and what it decided is in force on every shard.
    pub(in super::super) fn configs_altered(
        &mut self,
        mut call: AlterConfigsCall,
        outcomes: &[Outcome],
    ) {
        for (place, outcome) in call.proposed.iter().zip(outcomes) {
            let failure = outcome.as_ref().err().map(Failure::from);
            call.results[*place].failure = failure;
        }
        self.answer_alter_configs(call);
    }

    fn answer_alter_configs(&mut self, call: AlterConfigsCall) {
        let to = call.asked.to;
        let results = call.results.into_iter().map(|result| {
            let failure = result.failure.unwrap_or(Failure::bare(ErrorCode::None));
            (result.kind, result.name, failure)
        });
        let frame = if to.api == ApiKey::AlterConfigs {
            let responses = results.map(|(kind, name, failure)| {
                AlterConfigsResourceResponse::default()
                    .with_error_code(failure.code.code())
                    .with_error_message(failure.words)
                    .with_resource_type(kind)
                    .with_resource_name(name)
            });
            let response = AlterConfigsResponse::default().with_responses(responses.collect());
            reply::encode(to, &response)
        } else {
            let responses = results.map(|(kind, name, failure)| {
                edited::AlterConfigsResourceResponse::default()
                    .with_error_code(failure.code.code())
                    .with_error_message(failure.words)
                    .with_resource_type(kind)
                    .with_resource_name(name)
            });
            let responses = responses.collect();
            let response = IncrementalAlterConfigsResponse::default().with_responses(responses);
            reply::encode(to, &response)
        };
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

impl AlterConfigsCall {
    fn new(asked: Asked) -> Self {
        Self {
            asked,
            results: Vec::new(),
            proposed: Vec::new(),
        }
    }
}

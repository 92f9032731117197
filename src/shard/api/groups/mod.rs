//! Requests about groups: put to their coordinators, answered when all parts are there.
//!
//! Each file has the two sides of its requests: what is asked of `groups`, and the reply from what
//! it answers.

mod describe;
mod members;
mod offsets;

use std::sync::Arc;

use bytes::Bytes;

use crate::base::ShardId;
use crate::groups::{Answer, Ask, GroupError, OFFSETS_TOPIC, partition_of};
use crate::wire::{ErrorCode, StrBytes, WireError};

use super::super::calls::{Asked, Call, Token};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{Message, Place};

/// A request that awaits coordinators.
#[derive(Debug)]
pub struct GroupCall {
    asked: Asked,
    shape: Shape,
    answers: Vec<Option<Answer>>,
    missing: usize,
}

/// The shard and the partition of `__consumer_offsets` that a question goes to.
type Target = Result<(ShardId, u32), GroupError>;

/// Which reply is to be made, and what of the request stands in it.
#[derive(Debug)]
enum Shape {
    Join,
    Sync,
    Heartbeat,
    Leave(members::Leavers),
    Commit(offsets::Places),
    Fetch(Vec<offsets::FetchOf>),
    Describe(describe::Described),
    List,
    Delete(Vec<Arc<str>>),
    DeleteOffsets(offsets::Places),
}

impl GroupCall {
    /// Its answer may be minutes away: it waits for other members.
    pub fn waits(&self) -> bool {
        matches!(self.shape, Shape::Join | Shape::Sync)
    }
}

impl Shard {
    /// Puts each question to the coordinator of its group.
    fn ask_coordinators(&mut self, asked: Asked, shape: Shape, asks: Vec<Ask>) {
        let targets = asks.iter().map(|ask| {
            let group = ask.group().map_or("", |group| group);
            self.coordinator_of(group)
        });
        let targets: Vec<_> = targets.collect();
        let shards = targets.iter().flatten().map(|(shard, _)| *shard);
        self.note_routed(asked.connection, shards);
        self.ask_shards(asked, shape, asks.into_iter().zip(targets).collect());
    }

    fn ask_shards(&mut self, asked: Asked, shape: Shape, asks: Vec<(Ask, Target)>) {
        let mut call = GroupCall {
            asked,
            shape,
            answers: vec![None; asks.len()],
            missing: 0,
        };
        let mut questions = Vec::new();
        for (index, (ask, target)) in asks.into_iter().enumerate() {
            match target {
                Ok((shard, partition)) => {
                    questions.push((shard, Place(index as u32), partition, ask));
                }
                Err(error) => call.answers[index] = Some(ask.refused(error)),
            }
        }
        call.missing = questions.len();
        if questions.is_empty() {
            return self.answer_groups(call);
        }
        let token = self.calls.next_token();
        self.calls.open(token, Call::Group(Box::new(call)));
        for (shard, place, partition, ask) in questions {
            let ask = Box::new(ask);
            let message = Message::Group {
                token,
                place,
                partition,
                ask,
            };
            self.tell(shard, message);
        }
    }

    /// The shard and the partition of `__consumer_offsets` that a group belongs to.
    pub(super) fn coordinator_of(&self, group: &str) -> Target {
        let topic = self.known().and_then(|known| known.topic(OFFSETS_TOPIC));
        let topic = topic.ok_or(GroupError::NotCoordinator)?;
        let partition = partition_of(group, topic.partition_count());
        let place = topic
            .partition(partition)
            .ok_or(GroupError::NotCoordinator)?;
        if self.is_leaderless(place.shard) {
            return Err(GroupError::NotAvailable);
        }
        Ok((place.shard, partition))
    }

    /// A coordinator answers.
    pub(in super::super) fn grouped(&mut self, token: Token, place: Place, answer: Answer) {
        let Some(Call::Group(call)) = self.calls.get_mut(token) else {
            return;
        };
        let slot = &mut call.answers[place.0 as usize];
        if slot.replace(answer).is_none() {
            call.missing -= 1;
        }
        if call.missing > 0 {
            return;
        }
        if let Some(Call::Group(call)) = self.calls.close(token) {
            self.answer_groups(*call);
            self.after_brief_call();
        }
    }

    fn answer_groups(&mut self, call: GroupCall) {
        let to = call.asked.to;
        let answers = call.answers.into_iter().flatten();
        let frame: Result<Bytes, WireError> = match call.shape {
            Shape::Join => members::join_reply(to, answers),
            Shape::Sync => members::sync_reply(to, answers),
            Shape::Heartbeat => members::heartbeat_reply(to, answers),
            Shape::Leave(leavers) => members::leave_reply(to, leavers, answers),
            Shape::Commit(places) => offsets::commit_reply(to, places, answers),
            Shape::Fetch(groups) => offsets::fetch_reply(to, groups, answers),
            Shape::Describe(groups) => describe::describe_reply(to, groups, answers),
            Shape::List => describe::list_reply(to, answers),
            Shape::Delete(groups) => describe::delete_reply(to, groups, answers),
            Shape::DeleteOffsets(places) => offsets::delete_reply(to, places, answers),
        };
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

fn code(error: GroupError) -> i16 {
    Failure::from(error).code.code()
}

fn code_of<T>(result: &Result<T, GroupError>) -> i16 {
    result
        .as_ref()
        .err()
        .map_or(ErrorCode::None.code(), |error| code(*error))
}

/// Copied: what a group remembers must not hold the receive buffer.
fn owned(text: &StrBytes) -> Arc<str> {
    text.as_str().into()
}

fn owned_or_null(text: Option<&StrBytes>) -> Option<Arc<str>> {
    text.map(owned)
}

fn text(shared: &Arc<str>) -> StrBytes {
    StrBytes::from_string(shared.to_string())
}

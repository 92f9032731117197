//! Fetch 4-18, without sessions: what there is, or a wait until there is enough.
//!
//! Every owner is asked for its share and registers a wait in the same step, if it has too
//! little; so no commit falls between. `Woken` brings the question back to that owner. The reply
//! leaves with enough bytes, with an error, or at the deadline.

use std::collections::BTreeMap;

use crate::base::limits::FETCH_WAIT_MAX;
use crate::base::{ByteCount, ShardId, Span, Ticks};
use crate::cluster::Uuid;
use crate::log::{Isolation, LogError, Offset, ReadAsk};
use crate::wire::messages::fetch_request::FetchPartition;
use crate::wire::messages::{FetchRequest, TopicName};
use crate::wire::{ErrorCode, fetch_reply};

use super::super::calls::{Asked, Call, Token};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{FetchAsk, FetchPart, FetchedPart, Message, Place, Wait};
use super::super::timers::Timer;
use super::list_offsets::{isolation, leader_epoch};

/// A fetch that awaits its owners, or data.
#[derive(Debug)]
pub struct FetchCall {
    pub(super) asked: Asked,
    pub(super) isolation: Isolation,
    pub(super) bytes_max: usize,
    pub(super) topics: Vec<(TopicName, Uuid)>,
    /// In the request's order: those of one topic stand together.
    pub(super) parts: Vec<Part>,
    bytes_min: usize,
    deadline: Ticks,
    owners: BTreeMap<ShardId, OwnerShare>,
}

/// One partition of it.
#[derive(Debug)]
pub(super) struct Part {
    pub topic: usize,
    pub index: i32,
    pub outcome: Option<Result<FetchedPart, Failure>>,
}

/// What one owner is asked for.
#[derive(Debug)]
struct OwnerShare {
    parts: Vec<FetchPart>,
    answered: bool,
    /// It will say `Woken`, if it has answered.
    waits: bool,
    /// It said `Woken` before its answer came: its reads took longer than the next commit.
    woken_early: bool,
}

impl Shard {
    pub(super) fn fetch(&mut self, asked: Asked, request: FetchRequest) {
        if request.session_id != 0 && request.session_epoch > 0 {
            // None of ours: we never give an id other than 0.
            return self.answer_fetch_with(asked, ErrorCode::FetchSessionIdNotFound);
        }
        let wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
        let wait = Span::millis(wait).min(FETCH_WAIT_MAX);
        let positive = |count: i32| usize::try_from(count).unwrap_or(0);
        let mut call = FetchCall {
            asked,
            isolation: isolation(request.isolation_level),
            bytes_max: positive(request.max_bytes)
                .min(self.config.defaults.fetch_bytes_max.as_usize()),
            topics: Vec::with_capacity(request.topics.len()),
            parts: Vec::new(),
            bytes_min: positive(request.min_bytes),
            deadline: self.now.ticks + wait,
            owners: BTreeMap::new(),
        };
        for topic in request.topics {
            for partition in topic.partitions {
                self.add_part(&mut call, &topic.topic, topic.topic_id, &partition);
            }
            call.topics.push((topic.topic, topic.topic_id));
        }
        let failed = call.parts.iter().any(|part| part.outcome.is_some());
        let may_wait = wait > Span::default() && !failed && self.stopping.is_none();
        if !may_wait {
            call.deadline = self.now.ticks;
        }
        if call.owners.is_empty() {
            return self.answer_fetch(call);
        }
        let token = self.calls.next_token();
        let owners: Vec<ShardId> = call.owners.keys().copied().collect();
        self.note_routed(asked.connection, owners.iter().copied());
        if may_wait {
            self.timers.set(call.deadline, Timer::FetchDeadline(token));
        }
        self.calls.open(token, Call::Fetch(Box::new(call)));
        for owner in owners {
            self.ask_owner(token, owner);
        }
    }

    fn add_part(
        &mut self,
        call: &mut FetchCall,
        name: &TopicName,
        id: Uuid,
        partition: &FetchPartition,
    ) {
        let mut part = Part {
            topic: call.topics.len(),
            index: partition.partition,
            outcome: None,
        };
        let found = self
            .find_topic(name, id)
            .and_then(|topic| self.find_partition(topic, partition.partition));
        match found {
            Ok(place) => {
                let bytes_max = u64::try_from(partition.partition_max_bytes).unwrap_or(0);
                let share = FetchPart {
                    place: Place(call.parts.len() as u32),
                    stream: place.stream,
                    ask: ReadAsk {
                        from: Offset(partition.fetch_offset),
                        leader_epoch: leader_epoch(partition.current_leader_epoch),
                        isolation: call.isolation,
                        bytes_max: ByteCount(bytes_max),
                        first_whole: true,
                    },
                };
                let owner = call.owners.entry(place.shard).or_insert(OwnerShare {
                    parts: Vec::new(),
                    answered: false,
                    waits: false,
                    woken_early: false,
                });
                owner.parts.push(share);
            }
            Err(failure) => part.outcome = Some(Err(failure)),
        }
        call.parts.push(part);
    }

    /// Asks one owner for its share, with a wait for the bytes that nobody has yet.
    fn ask_owner(&mut self, token: Token, owner: ShardId) {
        let now = self.now.ticks;
        let Some(Call::Fetch(call)) = self.calls.get_mut(token) else {
            return;
        };
        let may_wait = call.deadline > now && call.bytes_min > 0;
        let wait = may_wait.then_some(Wait {
            bytes_min: ByteCount(call.bytes_min as u64),
            alone: call.owners.len() == 1,
        });
        let Some(share) = call.owners.get_mut(&owner) else {
            return;
        };
        share.answered = false;
        share.waits = false;
        share.woken_early = false;
        let ask = FetchAsk {
            parts: share.parts.clone(),
            bytes_max: ByteCount(call.bytes_max as u64),
            wait,
        };
        self.tell(owner, Message::Fetch { token, ask });
    }

    /// An owner answers.
    pub(in super::super) fn fetched(
        &mut self,
        from: ShardId,
        token: Token,
        parts: Vec<(Place, Result<FetchedPart, LogError>)>,
        waits: bool,
    ) {
        if let Some(Call::GroupLoad(partition)) = self.calls.get_mut(token) {
            let partition = *partition;
            self.calls.close(token);
            return self.group_slice_came(partition, parts);
        }
        let Some(Call::Fetch(call)) = self.calls.get_mut(token) else {
            if waits {
                self.tell(from, Message::Unwatch { token });
            }
            return;
        };
        let mut damaged = Vec::new();
        for (place, outcome) in parts {
            let part = &mut call.parts[place.0 as usize];
            if let Err(error @ LogError::Journal(_)) = &outcome {
                let topic = call.topics[part.topic].0.to_string();
                damaged.push((topic, part.index, *error));
            }
            part.outcome = Some(outcome.map_err(Failure::from));
        }
        let Some(share) = call.owners.get_mut(&from) else {
            return;
        };
        share.answered = true;
        share.waits = waits && !share.woken_early;
        let ask_again = share.woken_early;
        for (topic, partition, error) in damaged {
            self.note_damage_met(&topic, partition, &error);
        }
        self.look_at_fetch(token);
        if ask_again {
            self.ask_owner(token, from);
        }
    }

    /// An owner has more now.
    pub(in super::super) fn fetch_woken(&mut self, from: ShardId, token: Token) {
        let Some(Call::Fetch(call)) = self.calls.get_mut(token) else {
            return;
        };
        let Some(share) = call.owners.get_mut(&from) else {
            return;
        };
        if !share.answered {
            share.woken_early = true;
            return;
        }
        self.ask_owner(token, from);
    }

    /// It has waited as long as its client allows.
    pub(in super::super) fn fetch_deadline(&mut self, token: Token) {
        self.look_at_fetch(token);
    }

    /// A stop: nobody waits any longer.
    pub(in super::super) fn end_waiting_fetches(&mut self) {
        let now = self.now.ticks;
        for token in self.calls.fetches() {
            if let Some(Call::Fetch(call)) = self.calls.get_mut(token) {
                call.deadline = now;
            }
            self.look_at_fetch(token);
        }
    }

    /// Replies if it is time.
    fn look_at_fetch(&mut self, token: Token) {
        let now = self.now.ticks;
        let Some(Call::Fetch(call)) = self.calls.get_mut(token) else {
            return;
        };
        if !call.may_be_answered(now) {
            return;
        }
        let Some(Call::Fetch(call)) = self.calls.close(token) else {
            return;
        };
        for (owner, share) in &call.owners {
            if share.waits {
                self.tell(*owner, Message::Unwatch { token });
            }
        }
        self.answer_fetch(*call);
    }

    fn answer_fetch(&mut self, call: FetchCall) {
        let asked = call.asked;
        let reply = super::fetch_reply::assemble(call);
        let frame = fetch_reply::encode(asked.to, reply);
        self.send_reply(asked, frame);
    }

    fn answer_fetch_with(&mut self, asked: Asked, error: ErrorCode) {
        let frame = fetch_reply::encode(asked.to, super::fetch_reply::refused(error));
        self.send_reply(asked, frame);
    }
}

impl FetchCall {
    fn may_be_answered(&self, now: Ticks) -> bool {
        if !self.owners.values().all(|share| share.answered) {
            return false;
        }
        if self.deadline <= now {
            return true;
        }
        let mut bytes = 0;
        for part in &self.parts {
            match &part.outcome {
                Some(Ok(fetched)) => bytes += fetched.bytes(),
                Some(Err(_)) | None => return true,
            }
        }
        bytes >= self.bytes_min
    }
}

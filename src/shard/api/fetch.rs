//! Fetch 4-18: what there is, or a wait until there is enough. Sessions: `fetch_session`.
//!
//! Every owner is asked for its share and registers a wait in the same step, if it has too
//! little; so no commit falls between. `Woken` brings the question back to that owner. The reply
//! leaves with enough bytes, with an error, or at the deadline.

use std::collections::BTreeMap;

use crate::base::{ByteCount, ShardId, Span, Ticks};
use crate::cluster::Uuid;
use crate::journal::StreamId;
use crate::log::{Isolation, LogError};
use crate::wire::messages::fetch_request::FetchPartition;
use crate::wire::messages::{FetchRequest, TopicName};
use crate::wire::{ErrorCode, fetch_reply};

use super::super::calls::{Asked, Call, Token};
use super::super::codes::Failure;
use super::super::fetch_session::{PartId, Position};
use super::super::machine::Shard;
use super::super::message::{FetchAsk, FetchPart, FetchedPart, Message, Place, Wait};
use super::super::timers::Timer;
use super::fetch_session::{Pass, read_ask};
use super::list_offsets::isolation;

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
    /// What it holds of the memory for replies: batches that came, and those that may come.
    lent: usize,
    deadline: Ticks,
    pub(super) owners: BTreeMap<ShardId, OwnerShare>,
    /// Its session, if it has one.
    pub(super) session: Option<Pass>,
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
pub(super) struct OwnerShare {
    /// Of a session: only those that are still to be asked for.
    pub parts: Vec<FetchPart>,
    answered: bool,
    /// What it may send, until it has answered.
    lent: usize,
    /// It will say `Woken`, if it has answered.
    waits: bool,
    /// It said `Woken` before its answer came: its reads took longer than the next commit.
    woken_early: bool,
}

impl Part {
    fn bytes(&self) -> usize {
        match &self.outcome {
            Some(Ok(fetched)) => fetched.bytes(),
            Some(Err(_)) | None => 0,
        }
    }
}

impl Shard {
    pub(super) fn fetch(&mut self, asked: Asked, request: FetchRequest) {
        let session = match self.fetch_pass(asked, &request) {
            Ok(session) => session,
            Err(error) => return self.answer_fetch_with(asked, error),
        };
        let wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
        let wait = Span::millis(wait);
        let positive = |count: i32| usize::try_from(count).unwrap_or(0);
        let mut call = FetchCall {
            asked,
            isolation: isolation(request.isolation_level),
            bytes_max: positive(request.max_bytes)
                .min(self.config.defaults.fetch_bytes_max.as_usize()),
            topics: Vec::with_capacity(request.topics.len()),
            parts: Vec::new(),
            bytes_min: positive(request.min_bytes),
            lent: 0,
            deadline: self.now.ticks + wait,
            owners: BTreeMap::new(),
            session,
        };
        self.add_due(&mut call);
        // A session has its own list.
        let has_none = call.session.is_none();
        for topic in request.topics.into_iter().filter(|_| has_none) {
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
        if call.owners.is_empty() && !(may_wait && call.session.is_some()) {
            return self.answer_fetch(call);
        }
        let token = self.calls.next_token();
        let owners: Vec<ShardId> = call.owners.keys().copied().collect();
        self.note_routed(asked.connection, owners.iter().copied());
        if may_wait {
            self.timers.set(call.deadline, Timer::FetchDeadline(token));
        }
        let session = call.session.as_ref().map(|pass| pass.id);
        self.calls.open(token, Call::Fetch(Box::new(call)));
        for owner in owners {
            self.ask_owner(token, owner);
        }
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.calls.push(token);
            self.go_on_with_pass(token);
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
                let position = Position {
                    offset: partition.fetch_offset,
                    leader_epoch: partition.current_leader_epoch,
                    bytes_max: partition.partition_max_bytes,
                };
                let share = FetchPart {
                    place: Place(call.parts.len() as u32),
                    stream: place.stream,
                    ask: read_ask(position, call.isolation),
                };
                call.share_of(place.shard).parts.push(share);
            }
            Err(failure) => part.outcome = Some(Err(failure)),
        }
        call.parts.push(part);
    }

    /// Asks one owner for its share, with a wait for the bytes that nobody has yet. A session's
    /// share is asked for once and then watched.
    pub(super) fn ask_owner(&mut self, token: Token, owner: ShardId) {
        let now = self.now.ticks;
        let Some(Call::Fetch(call)) = self.calls.get_mut(token) else {
            return;
        };
        let offer = self.connections.replies.offer(call.bytes_max);
        // As in Kafka, nobody waits for more than it may take.
        call.bytes_min = call.bytes_min.min(offer);
        let may_wait = call.deadline > now && call.bytes_min > 0 && call.session.is_none();
        let wait = may_wait.then_some(Wait {
            bytes_min: ByteCount(call.bytes_min as u64),
            alone: call.owners.len() == 1,
        });
        let Some(share) = call.owners.get_mut(&owner) else {
            return;
        };
        let before = std::mem::replace(&mut share.lent, offer);
        call.lent = call.lent + offer - before;
        self.connections.replies.give_back(before);
        self.connections.replies.take(offer);
        share.answered = false;
        share.waits = false;
        share.woken_early = false;
        let watch = call.session.as_ref().map(|pass| pass.id);
        let parts = match watch {
            Some(_) => std::mem::take(&mut share.parts),
            None => share.parts.clone(),
        };
        let homes = call.homes_of(&parts);
        let ask = FetchAsk {
            parts,
            bytes_max: ByteCount(offer as u64),
            wait,
            watch: watch.map(|id| id.0),
        };
        if let Some(id) = watch {
            self.note_homes(id, owner, &homes);
        }
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
        let (mut came, mut gone) = (0, 0);
        for (place, outcome) in parts {
            let part = &mut call.parts[place.0 as usize];
            if let Err(error @ LogError::Journal(_)) = &outcome {
                let topic = call.topics[part.topic].0.to_string();
                damaged.push((topic, part.index, *error));
            }
            gone += part.bytes();
            part.outcome = Some(outcome.map_err(Failure::from));
            came += part.bytes();
        }
        let Some(share) = call.owners.get_mut(&from) else {
            return;
        };
        gone += std::mem::take(&mut share.lent);
        call.lent = call.lent + came - gone;
        self.connections.replies.take(came);
        self.connections.replies.give_back(gone);
        share.answered = true;
        share.waits = waits && !share.woken_early;
        let ask_again = share.woken_early;
        for (topic, partition, error) in damaged {
            self.note_damage_met(&topic, partition, &error);
        }
        self.go_on_with_pass(token);
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

    /// Replies if it is time. If not, a fetch of a session asks for what has changed meanwhile,
    /// and then for what else is due.
    pub(super) fn go_on_with_pass(&mut self, token: Token) {
        loop {
            self.look_at_fetch(token);
            let Some(Call::Fetch(call)) = self.calls.get_mut(token) else {
                return;
            };
            if call.session.is_none() {
                return;
            }
            let owners = call.owners.iter();
            let unasked = owners.filter(|(_, share)| share.answered && !share.parts.is_empty());
            let unasked: Vec<ShardId> = unasked.map(|(owner, _)| *owner).collect();
            for owner in &unasked {
                self.ask_owner(token, *owner);
            }
            if !unasked.is_empty() || !self.look_further(token) {
                return;
            }
        }
    }

    /// Adds what else is due to a call that has all its answers. False if there is nothing.
    fn look_further(&mut self, token: Token) -> bool {
        let all_answered = match self.calls.get_mut(token) {
            Some(Call::Fetch(call)) => call.owners.values().all(|share| share.answered),
            Some(_) | None => false,
        };
        if !all_answered {
            return false;
        }
        let Some(Call::Fetch(mut call)) = self.calls.close(token) else {
            return false;
        };
        let more = self.add_due(&mut call);
        self.calls.open(token, Call::Fetch(call));
        more
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
        let session = call.session.as_ref().map(|pass| pass.id);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.calls.retain(|other| *other != token);
        }
        self.answer_fetch(*call);
    }

    fn answer_fetch(&mut self, call: FetchCall) {
        let asked = call.asked;
        // What of it is sent is counted as the connection's.
        self.connections.replies.give_back(call.lent);
        let session = call.session.as_ref().map(|pass| pass.id);
        let session = session.and_then(|id| self.sessions.get_mut(id));
        let reply = super::fetch_reply::assemble(call, session);
        let frame = fetch_reply::encode(asked.to, reply);
        self.send_reply(asked, frame);
    }

    fn answer_fetch_with(&mut self, asked: Asked, error: ErrorCode) {
        let frame = fetch_reply::encode(asked.to, super::fetch_reply::refused(error));
        self.send_reply(asked, frame);
    }
}

impl FetchCall {
    /// What one owner is asked for.
    pub(super) fn share_of(&mut self, owner: ShardId) -> &mut OwnerShare {
        self.owners.entry(owner).or_insert(OwnerShare {
            parts: Vec::new(),
            answered: true,
            lent: 0,
            waits: false,
            woken_early: false,
        })
    }

    /// The session's parts among `asked`, and their streams.
    fn homes_of(&self, asked: &[FetchPart]) -> Vec<(PartId, StreamId)> {
        let Some(pass) = &self.session else {
            return Vec::new();
        };
        let home = |part: &FetchPart| (pass.parts[part.place.0 as usize], part.stream);
        asked.iter().map(home).collect()
    }

    fn may_be_answered(&self, now: Ticks) -> bool {
        if !self.owners.values().all(|share| share.answered) {
            return false;
        }
        if self.deadline <= now {
            return true;
        }
        let (mut bytes, mut more) = (0, false);
        for part in &self.parts {
            match &part.outcome {
                Some(Ok(fetched)) => {
                    bytes += fetched.bytes();
                    more |= fetched.has_more();
                }
                Some(Err(_)) => return true,
                // Of a session: it is to be asked for yet.
                None => {}
            }
        }
        // Whoever takes no more than this would wait in vain.
        bytes >= self.bytes_min || bytes > 0 && more
    }
}

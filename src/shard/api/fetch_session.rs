//! Fetches of a session: which partitions are looked at, and what of them is told.
//!
//! A request looks only at partitions that are due: those that it names, those that had more to
//! send, those that failed, and those whose owners told of a change. All that is looked at is
//! watched from that step on, so that no change is missed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::limits::FETCH_SESSION_PARTS_PER_LOOK;
use crate::base::{ByteCount, ShardId};
use crate::cluster::Uuid;
use crate::journal::StreamId;
use crate::log::{Offset, ReadAsk};
use crate::wire::messages::{FetchRequest, TopicName};
use crate::wire::{ErrorCode, StrBytes};

use super::super::calls::{Asked, Call, Token};
use super::super::fetch_session::{PartId, Position, Session, SessionId, SessionTopic};
use super::super::machine::Shard;
use super::super::message::{FetchPart, Message, Place};
use super::fetch::{FetchCall, Part};
use super::list_offsets::leader_epoch;

/// `session_epoch` of a request that begins a session, and of one that wants none.
const BEGINS: i32 = 0;
const WANTS_NONE: i32 = -1;
/// Requests name topics by id from here on.
const IDS_SINCE: i16 = 13;

/// A fetch's part in its session.
#[derive(Debug)]
pub struct Pass {
    pub id: SessionId,
    /// The reply has every partition, changed or not.
    pub full: bool,
    /// The session's name for each part of the call.
    pub parts: Vec<PartId>,
    places: HashMap<PartId, Place>,
    topics: HashMap<Arc<SessionTopic>, usize>,
    /// Where the next look at what is due goes on.
    next_turn: u64,
}

impl Pass {
    fn new(id: SessionId, full: bool) -> Self {
        Self {
            id,
            full,
            parts: Vec::new(),
            places: HashMap::new(),
            topics: HashMap::new(),
            next_turn: 0,
        }
    }
}

impl Shard {
    /// The session that a request begins or goes on with; None for a fetch without one.
    pub(super) fn fetch_pass(
        &mut self,
        asked: Asked,
        request: &FetchRequest,
    ) -> Result<Option<Pass>, ErrorCode> {
        let id = SessionId(request.session_id);
        let by_id = asked.to.version >= IDS_SINCE;
        match request.session_epoch {
            WANTS_NONE | BEGINS => {
                if id.0 != 0 {
                    self.end_session(id);
                }
                if request.session_epoch == WANTS_NONE {
                    return Ok(None);
                }
                if self.will_leave(asked.connection, self.owners_of(request)) {
                    return Ok(None);
                }
                Ok(self.begin_session(by_id, request))
            }
            epoch => self.resume_session(id, epoch, by_id, request),
        }
    }

    /// The shards of the partitions that a request names.
    fn owners_of(&self, request: &FetchRequest) -> impl Iterator<Item = ShardId> {
        request.topics.iter().flat_map(move |topic| {
            let found = self.find_topic(&topic.topic, topic.topic_id).ok();
            let places = topic.partitions.iter();
            places.filter_map(move |one| {
                let place = self.find_partition(found?, one.partition).ok();
                place.map(|place| place.shard)
            })
        })
    }

    /// None: there is no room for it, and the client goes without.
    fn begin_session(&mut self, by_id: bool, request: &FetchRequest) -> Option<Pass> {
        let size = count(request);
        if size > self.sessions.room() {
            return None;
        }
        let id = self.draw_session_id();
        let (session, ended) = self.sessions.open(id, by_id, size, self.now.ticks);
        let begun = session.is_some_and(|session| put_all(session, request));
        if let Some((id, session)) = ended {
            self.unwatch_session(id, &session);
        }
        if !begun {
            self.end_session(id);
            return None;
        }
        Some(Pass::new(id, true))
    }

    fn resume_session(
        &mut self,
        id: SessionId,
        epoch: i32,
        by_id: bool,
        request: &FetchRequest,
    ) -> Result<Option<Pass>, ErrorCode> {
        let room = self.sessions.room();
        let session = self.sessions.resume(id, epoch, by_id, self.now.ticks)?;
        // Too many: the client begins anew, and is told then that it goes without.
        if count(request) > room || !put_all(session, request) {
            self.end_session(id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        let mut homes = Vec::new();
        for topic in &request.forgotten_topics_data {
            let named = named(&topic.topic, topic.topic_id);
            let forgotten = topic.partitions.iter();
            homes.extend(forgotten.filter_map(|index| session.forget(&named, *index)));
        }
        let empty = session.len() == 0;
        for (owner, stream) in homes {
            let session = id.0;
            self.tell(
                owner,
                Message::EndWatch {
                    session,
                    stream: Some(stream),
                },
            );
        }
        if empty {
            // As in Kafka: the reply has no session any more.
            self.end_session(id);
            return Ok(None);
        }
        Ok(Some(Pass::new(id, false)))
    }

    pub(super) fn end_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.close(id) {
            self.unwatch_session(id, &session);
        }
    }

    fn unwatch_session(&mut self, id: SessionId, session: &Session) {
        for owner in session.homes() {
            let session = id.0;
            self.tell(
                owner,
                Message::EndWatch {
                    session,
                    stream: None,
                },
            );
        }
    }

    /// Random, so that a client can not guess another's; positive, as Kafka's.
    fn draw_session_id(&mut self) -> SessionId {
        loop {
            let mut bytes = [0; 4];
            self.random.fill(&mut bytes);
            let id = SessionId(i32::from_be_bytes(bytes) & i32::MAX);
            if id.0 != 0 && !self.sessions.is_open(id) {
                return id;
            }
        }
    }

    /// Adds what is due to the call: all of it for a full fetch, else a part at a time.
    pub(super) fn add_due(&self, call: &mut FetchCall) -> bool {
        let Some(pass) = &call.session else {
            return false;
        };
        let Some(session) = self.sessions.get(pass.id) else {
            return false;
        };
        let most = if pass.full {
            usize::MAX
        } else {
            FETCH_SESSION_PARTS_PER_LOOK
        };
        let (due, next_turn) = session.due(pass.next_turn, most);
        for part in &due {
            self.add_session_part(call, session, *part);
        }
        if let Some(pass) = &mut call.session {
            pass.next_turn = next_turn;
        }
        !due.is_empty()
    }

    /// Adds a partition to the call, or asks for it again if it is there.
    fn add_session_part(&self, call: &mut FetchCall, session: &Session, id: PartId) {
        let (Some(part), Some(pass)) = (session.get(id), &mut call.session) else {
            return;
        };
        let topics = &mut call.topics;
        let topic = *pass.topics.entry(part.topic.clone()).or_insert_with(|| {
            let name = StrBytes::from_string(part.topic.name.to_string());
            topics.push((TopicName(name), part.topic.id));
            topics.len() - 1
        });
        let new = Place(call.parts.len() as u32);
        let place = *pass.places.entry(id).or_insert(new);
        if place == new {
            pass.parts.push(id);
            call.parts.push(Part {
                topic,
                index: part.index,
                outcome: None,
            });
        }
        let found = self
            .find_topic(&part.topic.name, part.topic.id)
            .and_then(|topic| self.find_partition(topic, part.index));
        match found {
            Ok(home) => {
                let ask = read_ask(part.position, call.isolation);
                let stream = home.stream;
                call.share_of(home.shard)
                    .parts
                    .push(FetchPart { place, stream, ask });
            }
            Err(failure) => call.parts[place.0 as usize].outcome = Some(Err(failure)),
        }
    }

    /// Notes where the parts of a call are about to be watched.
    pub(super) fn note_homes(
        &mut self,
        id: SessionId,
        owner: ShardId,
        asked: &[(PartId, StreamId)],
    ) {
        if let Some(session) = self.sessions.get_mut(id) {
            for (part, stream) in asked {
                session.settle_home(*part, (owner, *stream));
            }
        }
    }

    /// An owner tells what has changed since it was last asked.
    pub(in super::super) fn session_changed(
        &mut self,
        from: ShardId,
        session: i32,
        streams: Vec<StreamId>,
    ) {
        let id = SessionId(session);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let homes = streams.into_iter().map(|stream| (from, stream));
        let changed: Vec<PartId> = homes.filter_map(|home| session.changed(home)).collect();
        for token in session.calls.clone() {
            self.look_again(token, id, &changed);
        }
    }

    /// A waiting fetch of the session looks at what has changed.
    fn look_again(&mut self, token: Token, id: SessionId, changed: &[PartId]) {
        let Some(Call::Fetch(mut call)) = self.calls.close(token) else {
            return;
        };
        if let Some(session) = self.sessions.get(id) {
            for part in changed {
                self.add_session_part(&mut call, session, *part);
            }
        }
        self.calls.open(token, Call::Fetch(call));
        self.go_on_with_pass(token);
    }
}

pub(super) fn read_ask(position: Position, isolation: crate::log::Isolation) -> ReadAsk {
    ReadAsk {
        from: Offset(position.offset),
        // Unlike in ListOffsets, any negative epoch is none in Kafka's Fetch.
        leader_epoch: leader_epoch(position.leader_epoch.max(-1)),
        isolation,
        bytes_max: ByteCount(u64::try_from(position.bytes_max).unwrap_or(0)),
        first_whole: true,
    }
}

fn named(name: &TopicName, id: Uuid) -> SessionTopic {
    SessionTopic {
        name: name.as_str().into(),
        id,
    }
}

fn count(request: &FetchRequest) -> usize {
    request
        .topics
        .iter()
        .map(|topic| topic.partitions.len())
        .sum()
}

/// False: the session has too many partitions.
fn put_all(session: &mut Session, request: &FetchRequest) -> bool {
    request.topics.iter().all(|topic| {
        let named = Arc::new(named(&topic.topic, topic.topic_id));
        topic.partitions.iter().all(|partition| {
            let position = Position {
                offset: partition.fetch_offset,
                leader_epoch: partition.current_leader_epoch,
                bytes_max: partition.partition_max_bytes,
            };
            session.put(&named, partition.partition, position)
        })
    })
}

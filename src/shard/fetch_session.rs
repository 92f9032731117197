//! Incremental fetch sessions (KIP-227): what a client was told of each partition, and which of
//! them have changed since.
//!
//! Plain decisions, without waiting. Cost follows what changed: partitions about which there is
//! nothing new are watched by their owners, and no request touches them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::limits::{
    FETCH_SESSION_IDLE, FETCH_SESSION_PARTITIONS_MAX, FETCH_SESSION_PARTITIONS_PER_SHARD_MAX,
};
use crate::base::{ShardId, Ticks};
use crate::cluster::Uuid;
use crate::journal::StreamId;
use crate::wire::ErrorCode;

use super::calls::Token;

/// A session's name on the wire; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i32);

/// A partition's place in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub u32);

/// A topic as the session's client names it: by name up to version 12, by id from 13 on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionTopic {
    pub name: Arc<str>,
    pub id: Uuid,
}

/// What a client asks of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub offset: i64,
    pub leader_epoch: i32,
    pub bytes_max: i32,
}

/// One partition of a session.
#[derive(Clone, Debug)]
pub struct SessionPart {
    pub topic: Arc<SessionTopic>,
    pub index: i32,
    pub position: Position,
    /// Where it was found when it was last asked; its owner may watch it for us.
    pub home: Option<(ShardId, StreamId)>,
    /// What the client was told last: high watermark and log start offset.
    told: Option<(i64, i64)>,
    /// Its place among those to be looked at; None: nothing has changed since it was told.
    turn: Option<u64>,
}

/// What a partition came to in one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub failed: bool,
    /// Bytes of records in the reply.
    pub sent: usize,
    /// There is more to send from where the client stands.
    pub more: bool,
    pub high_watermark: i64,
    pub log_start: i64,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    /// The epoch that its next request must have.
    pub next_epoch: i32,
    /// Its requests name topics by id.
    pub by_id: bool,
    made: Ticks,
    used: Ticks,
    /// Fetches of it that wait.
    pub calls: Vec<Token>,
    parts: HashMap<PartId, SessionPart>,
    by_name: HashMap<(Arc<SessionTopic>, i32), PartId>,
    by_stream: HashMap<(ShardId, StreamId), PartId>,
    /// Those to be looked at, the one that waits longest first.
    turns: BTreeMap<u64, PartId>,
    next_turn: u64,
    next_part: u32,
}

impl Session {
    fn new(by_id: bool, now: Ticks) -> Self {
        Self {
            next_epoch: 1,
            by_id,
            made: now,
            used: now,
            calls: Vec::new(),
            parts: HashMap::new(),
            by_name: HashMap::new(),
            by_stream: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            next_part: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.parts.len()
    }

    pub fn get(&self, part: PartId) -> Option<&SessionPart> {
        self.parts.get(&part)
    }

    /// Adds a partition, or moves it; it is looked at next time. False: there are too many.
    pub fn put(&mut self, topic: &Arc<SessionTopic>, index: i32, position: Position) -> bool {
        if let Some(part) = self.by_name.get(&(topic.clone(), index)).copied() {
            if let Some(known) = self.parts.get_mut(&part) {
                known.position = position;
            }
            self.touch(part);
            return true;
        }
        if self.parts.len() >= FETCH_SESSION_PARTITIONS_MAX {
            return false;
        }
        let part = PartId(self.next_part);
        self.next_part += 1;
        self.by_name.insert((topic.clone(), index), part);
        let new = SessionPart {
            topic: topic.clone(),
            index,
            position,
            home: None,
            told: None,
            turn: None,
        };
        self.parts.insert(part, new);
        self.touch(part);
        true
    }

    /// The client forgets a partition. Returns where it is watched.
    pub fn forget(&mut self, topic: &SessionTopic, index: i32) -> Option<(ShardId, StreamId)> {
        let key = (Arc::new(topic.clone()), index);
        let part = self.by_name.remove(&key)?;
        let known = self.parts.remove(&part)?;
        if let Some(turn) = known.turn {
            self.turns.remove(&turn);
        }
        let home = known.home?;
        self.by_stream.remove(&home);
        Some(home)
    }

    /// It was found there.
    pub fn settle_home(&mut self, part: PartId, home: (ShardId, StreamId)) {
        let Some(known) = self.parts.get_mut(&part) else {
            return;
        };
        if let Some(before) = known.home.replace(home).filter(|before| *before != home) {
            self.by_stream.remove(&before);
        }
        self.by_stream.insert(home, part);
    }

    /// A stream that was watched has changed.
    pub fn changed(&mut self, home: (ShardId, StreamId)) -> Option<PartId> {
        let part = self.by_stream.get(&home).copied()?;
        self.touch(part);
        Some(part)
    }

    /// Up to `most` partitions to be looked at, in their turn, from `from` on; and where to go on.
    pub fn due(&self, from: u64, most: usize) -> (Vec<PartId>, u64) {
        let turns: Vec<(u64, PartId)> = self
            .turns
            .range(from..)
            .take(most)
            .map(|(turn, part)| (*turn, *part))
            .collect();
        let next = turns.last().map_or(from, |(turn, _)| turn + 1);
        (turns.into_iter().map(|(_, part)| part).collect(), next)
    }

    /// What a reply tells of a partition. True if an incremental reply must have it. Those that
    /// sent records go behind the others, so that a bound on bytes starves none; errors are told
    /// every time, as Kafka does, so that their end is told too.
    pub fn tell(&mut self, part: PartId, seen: Seen) -> bool {
        let Some(known) = self.parts.get_mut(&part) else {
            return false;
        };
        let facts = (seen.high_watermark, seen.log_start);
        let news = seen.failed || seen.sent > 0 || known.told != Some(facts);
        known.told = (!seen.failed).then_some(facts);
        let waits = seen.failed || seen.sent > 0 || seen.more;
        let sent = seen.sent > 0;
        if (!waits || sent)
            && let Some(turn) = known.turn.take()
        {
            self.turns.remove(&turn);
        }
        if waits {
            self.touch(part);
        }
        news
    }

    /// It is looked at next time.
    pub fn touch(&mut self, part: PartId) {
        if let Some(known) = self.parts.get_mut(&part)
            && known.turn.is_none()
        {
            known.turn = Some(self.next_turn);
            self.turns.insert(self.next_turn, part);
            self.next_turn += 1;
        }
    }

    /// Shards that may watch something for it.
    pub fn homes(&self) -> Vec<ShardId> {
        let mut shards: Vec<ShardId> = self.by_stream.keys().map(|(shard, _)| *shard).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}

/// The sessions of one shard, at most its part of `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub struct Sessions {
    slots: usize,
    open: BTreeMap<SessionId, Session>,
}

impl Sessions {
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            open: BTreeMap::new(),
        }
    }

    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.open.get(&id)
    }

    /// How many more partitions all sessions together may have.
    pub fn room(&self) -> usize {
        let taken: usize = self.open.values().map(Session::len).sum();
        FETCH_SESSION_PARTITIONS_PER_SHARD_MAX.saturating_sub(taken)
    }

    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.open.get_mut(&id)
    }

    /// A new session under `id`, if there is room for one of `size` partitions. When there is
    /// none, Kafka's rule says who makes room: the session that was idle longest, if that is over
    /// two minutes; or the smallest of those that are older than that, if it is smaller than the
    /// new one. `ended` is the one that made room, to be taken out of its owners' watches.
    pub fn open(
        &mut self,
        id: SessionId,
        by_id: bool,
        size: usize,
        now: Ticks,
    ) -> (Option<&mut Session>, Option<(SessionId, Session)>) {
        let mut ended = None;
        if self.open.len() >= self.slots {
            let Some(gone) = self.makes_room(size, now) else {
                return (None, None);
            };
            ended = self.open.remove(&gone).map(|session| (gone, session));
        }
        self.open.insert(id, Session::new(by_id, now));
        (self.open.get_mut(&id), ended)
    }

    pub fn close(&mut self, id: SessionId) -> Option<Session> {
        self.open.remove(&id)
    }

    pub fn is_open(&self, id: SessionId) -> bool {
        self.open.contains_key(&id)
    }

    /// The session that an incremental request goes on with.
    pub fn resume(
        &mut self,
        id: SessionId,
        epoch: i32,
        by_id: bool,
        now: Ticks,
    ) -> Result<&mut Session, ErrorCode> {
        let session = self.open.get_mut(&id);
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.used = now;
        // 0 begins a session, so that the epoch after the largest is 1.
        session.next_epoch = epoch.checked_add(1).unwrap_or(1);
        Ok(session)
    }

    fn makes_room(&self, size: usize, now: Ticks) -> Option<SessionId> {
        let old = |since: Ticks| now.since(since) > FETCH_SESSION_IDLE;
        let idle = self.open.iter().min_by_key(|(id, own)| (own.used, **id));
        if let Some((id, _)) = idle.filter(|(_, own)| old(own.used)) {
            return Some(*id);
        }
        let aged = self.open.iter().filter(|(_, own)| old(own.made));
        let smallest = aged.min_by_key(|(id, own)| (own.len(), **id));
        let smaller = smallest.filter(|(_, own)| own.len() < size);
        smaller.map(|(id, _)| *id)
    }
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;

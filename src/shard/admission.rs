//! Memory for frames and requests, given out only while there is some.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::ByteCount;
use crate::runtime::ConnectionId;

/// `request.memory.bytes` of one shard. When it is short only the oldest partial frame keeps
/// reading, so that somebody always finishes.
#[derive(Debug)]
pub struct Admission {
    limit: u64,
    held: u64,
    next: u64,
    /// Connections with a partial frame, by the order in which it began.
    partial: BTreeMap<u64, ConnectionId>,
    /// Connections that were told to wait, each once, in their order: those with a small frame,
    /// and those with a large one.
    waiting: [VecDeque<ConnectionId>; 2],
    is_waiting: BTreeSet<ConnectionId>,
}

/// Whether a partial frame needs more than `SMALL_FRAME_BYTES`, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameSize {
    Small,
    Large,
}

/// A partial frame's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun(u64);

impl Admission {
    pub fn new(limit: ByteCount) -> Self {
        Self {
            limit: limit.0,
            held: 0,
            next: 0,
            partial: BTreeMap::new(),
            waiting: Default::default(),
            is_waiting: BTreeSet::new(),
        }
    }

    #[cfg(test)]
    pub fn held(&self) -> u64 {
        self.held
    }

    pub fn take(&mut self, bytes: usize) {
        self.held += bytes as u64;
    }

    pub fn give_back(&mut self, bytes: usize) {
        assert!(self.held >= bytes as u64, "more given back than was taken");
        self.held -= bytes as u64;
    }

    pub fn begin(&mut self, connection: ConnectionId) -> Begun {
        self.next += 1;
        self.partial.insert(self.next, connection);
        Begun(self.next)
    }

    pub fn end(&mut self, begun: Begun) {
        self.partial.remove(&begun.0);
    }

    /// True if `connection` may receive now. If not, `resumed` names it later. A quarter of the
    /// memory is kept for small frames: a few clients with huge ones do not stop the others.
    pub fn may_receive(&mut self, connection: ConnectionId, size: FrameSize) -> bool {
        if self.has_room(size) || self.oldest() == Some(connection) {
            return true;
        }
        if self.is_waiting.insert(connection) {
            self.waiting[size as usize].push_back(connection);
        }
        false
    }

    fn has_room(&self, size: FrameSize) -> bool {
        match size {
            FrameSize::Small => self.held < self.limit,
            FrameSize::Large => self.held < self.limit - self.limit / 4,
        }
    }

    /// True while somebody is told to wait.
    pub fn is_short(&self) -> bool {
        !self.is_waiting.is_empty()
    }

    /// The connections with a partial frame, in the order in which these began.
    pub fn partial(&self) -> Vec<ConnectionId> {
        self.partial.values().copied().collect()
    }

    fn oldest(&self) -> Option<ConnectionId> {
        self.partial.first_key_value().map(|(_, id)| *id)
    }

    /// Somebody who was told to wait and may ask again.
    pub fn resumed(&mut self) -> Option<ConnectionId> {
        for size in [FrameSize::Small, FrameSize::Large] {
            if self.has_room(size)
                && let Some(next) = self.waiting[size as usize].pop_front()
            {
                self.is_waiting.remove(&next);
                return Some(next);
            }
        }
        // The oldest partial frame may have become another connection's.
        let oldest = self.oldest()?;
        if !self.is_waiting.remove(&oldest) {
            return None;
        }
        for waiting in &mut self.waiting {
            waiting.retain(|id| *id != oldest);
        }
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_memory_is_short_only_the_oldest_partial_frame_reads() {
        let mut memory = Admission::new(ByteCount(100));
        let (old, new) = (ConnectionId(1), ConnectionId(2));
        let begun = memory.begin(old);
        memory.begin(new);
        memory.take(100);

        assert!(memory.may_receive(old, FrameSize::Small));
        assert!(!memory.may_receive(new, FrameSize::Small));
        assert_eq!(memory.resumed(), None);

        memory.end(begun);
        assert_eq!(memory.resumed(), Some(new));
        assert!(!memory.may_receive(old, FrameSize::Small));
        memory.give_back(1);
        assert_eq!(memory.resumed(), Some(old));
    }

    #[test]
    fn a_quarter_is_kept_for_small_frames() {
        let mut memory = Admission::new(ByteCount(100));
        memory.begin(ConnectionId(1));
        memory.take(75);

        assert!(!memory.may_receive(ConnectionId(2), FrameSize::Large));
        assert!(memory.may_receive(ConnectionId(3), FrameSize::Small));
        assert_eq!(memory.resumed(), None);
        memory.give_back(1);
        assert_eq!(memory.resumed(), Some(ConnectionId(2)));
        assert!(!memory.is_short());
    }
}

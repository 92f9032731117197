//! Memory for frames and requests, given out only while there is some.

use std::collections::{BTreeMap, VecDeque};

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
    /// Connections that were told to wait.
    waiting: VecDeque<ConnectionId>,
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
            waiting: VecDeque::new(),
        }
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

    /// True if `connection` may receive now. If not, `resumed` names it later.
    pub fn may_receive(&mut self, connection: ConnectionId) -> bool {
        let oldest = self.partial.first_key_value().map(|(_, id)| *id);
        if self.held < self.limit || oldest == Some(connection) {
            return true;
        }
        self.waiting.push_back(connection);
        false
    }

    /// Somebody who was told to wait and may ask again.
    pub fn resumed(&mut self) -> Option<ConnectionId> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.held < self.limit {
            return self.waiting.pop_front();
        }
        // The oldest partial frame may have become another connection's.
        let oldest = *self.partial.first_key_value()?.1;
        let place = self.waiting.iter().position(|id| *id == oldest)?;
        self.waiting.remove(place)
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

        assert!(memory.may_receive(old));
        assert!(!memory.may_receive(new));
        assert_eq!(memory.resumed(), None);

        memory.end(begun);
        assert_eq!(memory.resumed(), Some(new));
        assert!(!memory.may_receive(old));
        memory.give_back(1);
        assert_eq!(memory.resumed(), Some(old));
    }
}

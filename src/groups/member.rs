//! One member of a group.

use std::sync::Arc;

use bytes::Bytes;

use super::ask::{Caller, JoinAsk, MemberId};
use crate::base::Ticks;

/// What a member takes in memory besides its strings.
const MEMBER_BYTES: usize = 512;

/// A member that has joined, or is joining.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub id: MemberId,
    pub instance: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// Preferred first.
    pub protocols: Vec<(Arc<str>, Bytes)>,
    pub assignment: Bytes,
    /// Its JoinGroup awaits the end of the join phase.
    pub joining: Option<Caller>,
    /// Its SyncGroup awaits the leader's assignment.
    pub syncing: Option<Caller>,
    /// It has never had an answer to a JoinGroup: the session time-out does not hold for it.
    pub is_new: bool,
    /// When it counts as gone.
    pub deadline: Option<Ticks>,
    /// The earliest alarm that is set for it.
    pub alarm: Option<Ticks>,
}

impl Member {
    pub fn new(id: MemberId, ask: JoinAsk) -> Self {
        Self {
            id,
            instance: ask.instance,
            client_id: ask.client_id,
            client_host: ask.client_host,
            rebalance_timeout_ms: ask.rebalance_timeout_ms,
            session_timeout_ms: ask.session_timeout_ms,
            protocols: ask.protocols,
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
            deadline: None,
            alarm: None,
        }
    }

    /// What it says of itself under a protocol.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| **name == *protocol);
        found.map_or_else(Bytes::new, |(_, metadata)| metadata.clone())
    }

    pub fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| **name == *protocol)
    }

    /// Whether a JoinGroup brings nothing new.
    pub fn matches(&self, protocols: &[(Arc<str>, Bytes)]) -> bool {
        self.protocols == protocols
    }

    /// Its silence is ours: it waits for an answer that every member gets together.
    pub fn is_excused(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    /// Roughly, with what it was assigned.
    pub fn bytes(&self) -> usize {
        let protocols = self.protocols.iter();
        let protocols: usize = protocols
            .map(|(name, bytes)| name.len() + bytes.len())
            .sum();
        let names = self.id.len() + self.client_id.len() + self.client_host.len();
        MEMBER_BYTES + names + protocols + self.assignment.len()
    }
}

//! Whom a connection belongs to that says nothing of itself.
//!
//! franz-go asks ApiVersions once per broker id and opens its other connections to that id without
//! a word. If those were told of one broker and the first of many, its view of the cluster would
//! change with every Metadata. So every shard remembers, by address and client id, who has said
//! that it is such a client.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::base::limits::INTRODUCED_MAX;
use crate::runtime::ConnectionId;
use crate::wire::{ApiKey, StrBytes};

use super::calls::Asked;
use super::layout::asks_once;
use super::machine::Shard;
use super::message::Message;

/// The header version that KIP-482 brought. No client that connects by host and port and remembers
/// versions (kafkajs) knows one: it may share a client's address and id.
const FLEXIBLE: i16 = 2;

/// One client, as far as its silent connections can be told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduced {
    pub address: IpAddr,
    pub client_id: Box<str>,
}

/// The newest that have introduced themselves.
#[derive(Debug, Default)]
pub struct IntroducedList(VecDeque<Introduced>);

impl IntroducedList {
    /// True if it is new.
    pub fn learn(&mut self, client: Introduced) -> bool {
        if self.0.contains(&client) {
            return false;
        }
        if self.0.len() == INTRODUCED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(client);
        true
    }

    fn knows(&self, address: IpAddr, client_id: &str) -> bool {
        let is_it = |it: &Introduced| it.address == address && *it.client_id == *client_id;
        self.0.iter().any(is_it)
    }
}

impl Shard {
    /// A connection has said what software it is of.
    pub(super) fn note_introduction(&mut self, id: ConnectionId, client_id: Option<&StrBytes>) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let software = connection.software.as_ref();
        if !software.is_some_and(|(name, _)| asks_once(name)) {
            return;
        }
        let client = Introduced {
            address: connection.peer.ip(),
            client_id: client_id.map_or("", |id| id).into(),
        };
        if !self.introduced.learn(client.clone()) {
            return;
        }
        // On their way before the client has its answer, and so before its next connection.
        for shard in self.config.shards.clone() {
            if shard != self.id {
                let message = Message::Introduced(Box::new(client.clone()));
                self.to_others.push((shard, message));
            }
        }
    }

    /// A request came. If it is a connection's first and not ApiVersions, decides whom this client
    /// takes us for; it is not asked again.
    pub(super) fn note_unasked(&mut self, asked: Asked, client_id: Option<&StrBytes>) {
        let Some(connection) = self.connections.get_mut(asked.connection) else {
            return;
        };
        if asked.to.api == ApiKey::ApiVersions || connection.software.is_some() {
            return;
        }
        let is_flexible = asked.to.api.request_header_version(asked.to.version) >= FLEXIBLE;
        let client_id = client_id.map_or("", |id| id);
        let is_known = is_flexible && self.introduced.knows(connection.peer.ip(), client_id);
        connection.sees_shards = self.config.layout.sees_shards_unasked(is_known);
        connection.software = Some(Default::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered_and_each_once() {
        let mut list = IntroducedList::default();
        let client = |number: usize| Introduced {
            address: [127, 0, 0, 1].into(),
            client_id: number.to_string().into(),
        };

        assert!(list.learn(client(0)));
        assert!(!list.learn(client(0)));
        assert!(list.knows([127, 0, 0, 1].into(), "0"));
        assert!(!list.knows([127, 0, 0, 2].into(), "0"));
        assert!(!list.knows([127, 0, 0, 1].into(), "1"));
        for number in 1..=INTRODUCED_MAX {
            assert!(list.learn(client(number)));
        }
        assert!(list.learn(client(0)), "the oldest is forgotten");
    }
}

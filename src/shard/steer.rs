//! Connections on their way to the shard that they were opened for.
//!
//! A connection moves at rest: it is read no further, what it is owed leaves, the driver takes its
//! socket out, and everything that we know of it travels in one message. What it has sent
//! meanwhile waits in the socket, or travels too.

use crate::base::ShardId;
use crate::runtime::{Actions, Block, ConnectionId, Transit};

use super::connection::Connection;
use super::machine::Shard;
use super::message::Message;

/// How many requests were asked of the shard that owns their partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SteeringCounts {
    /// All parts belonged to the shard that was asked.
    pub own: u64,
    /// Some part had to go over the mesh.
    pub over_mesh: u64,
    /// Connections that came from other shards.
    pub arrived: u64,
}

impl Shard {
    /// A request that is routed by leader or coordinator: notes whose it is, and decides whether
    /// its connection should move there.
    pub(super) fn note_routed(&mut self, id: ConnectionId, owners: impl Iterator<Item = ShardId>) {
        let owner = match owners_of(owners) {
            Owners::None => return,
            Owners::One(owner) => Some(owner),
            Owners::Many => None,
        };
        if owner == Some(self.id) {
            self.steering.own += 1;
        } else {
            self.steering.over_mesh += 1;
        }
        let (own, now, moves) = (self.id, self.now.ticks, self.config.layout.moves());
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if !moves || !connection.sees_shards || connection.leaving_for.is_some() {
            return;
        }
        connection.leaving_for = connection.steering.note(owner, own, now);
    }

    /// True if a request with parts of these owners will make its connection move: what a shard
    /// would keep for it (a fetch session) is not begun.
    pub(super) fn will_leave(
        &self,
        id: ConnectionId,
        owners: impl Iterator<Item = ShardId>,
    ) -> bool {
        let is_new = |own: &Connection| own.sees_shards && own.steering.is_new();
        let is_others = match owners_of(owners) {
            Owners::One(owner) => owner != self.id,
            Owners::None | Owners::Many => false,
        };
        let moves = self.config.layout.moves();
        is_others && moves && self.connections.get(id).is_some_and(is_new)
    }

    /// At the end of a turn: lets a connection go that has come to rest.
    pub(super) fn let_go(&mut self, id: ConnectionId, actions: &mut Actions<Message>) {
        let stopping = self.stopping.is_some();
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let over = connection.doomed || connection.closing || connection.ended;
        if connection.leaving_for.is_none() || over || stopping || connection.detaching {
            return;
        }
        if connection.is_at_rest() {
            connection.detaching = true;
            actions.detach.push(id);
        }
    }

    /// The driver has taken it out.
    pub(super) fn detached(&mut self, id: ConnectionId, transit: Transit, block: Option<Block>) {
        let Some(mut connection) = self.connections.take_out(id) else {
            return;
        };
        if let Some(block) = block {
            connection.inbound.put_back(block);
        }
        // Whoever is to be closed is dropped here, and its socket with it.
        let target = connection.leaving_for.take();
        let Some(target) = target.filter(|_| !connection.doomed && self.stopping.is_none()) else {
            return self.note_left(connection.entered);
        };
        tracing::debug!(peer = %connection.peer, to = %target, "the connection moves");
        let guest = Box::new(Guest {
            connection,
            transit,
        });
        self.tell(target, Message::Guest(guest));
    }

    /// A connection comes from another shard.
    pub(super) fn guest_came(&mut self, guest: Guest) {
        if self.stopping.is_none() {
            self.connections.expect_guest(guest);
        }
    }

    /// The driver has taken it in.
    pub(super) fn attached(&mut self, id: ConnectionId) {
        self.steering.arrived += 1;
        let now = self.now.ticks;
        self.connections.attached(id, now, &mut self.timers);
        let listener = self.connections.get(id).map(|own| own.listener);
        if self.stopping.is_some() {
            self.connections.close(id);
        } else if listener.is_some_and(|own| self.config.addresses.listener(own).is_none()) {
            // It was closed while this one was on its way.
            self.connections.end(id, now, &mut self.timers);
        }
    }
}

/// Whom the parts of a request belong to.
enum Owners {
    /// It has no parts.
    None,
    One(ShardId),
    Many,
}

fn owners_of(mut owners: impl Iterator<Item = ShardId>) -> Owners {
    match owners.next() {
        None => Owners::None,
        Some(first) if owners.all(|owner| owner == first) => Owners::One(first),
        Some(_) => Owners::Many,
    }
}

/// All of one connection, between two shards.
#[derive(Debug)]
pub struct Guest {
    pub connection: Connection,
    pub transit: Transit,
}

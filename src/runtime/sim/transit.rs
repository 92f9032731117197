//! Connections that move from one machine to another.

use std::sync::{Arc, Weak};

use super::world::{SocketId, World};
use crate::runtime::event::{CloseReason, ConnectionId, Event, Passenger, Transit};
use crate::runtime::machine::Machine;

/// Above these bits of a connection's id stands how often it has moved.
const SOCKET_BITS: u32 = 40;

impl<M: Machine> World<M> {
    /// The link that a machine means, if it is that machine's (still, or already).
    pub(super) fn socket_of(&self, connection: ConnectionId) -> Option<SocketId> {
        let socket = SocketId(connection.0 & ((1 << SOCKET_BITS) - 1));
        let link = self.links.get(&socket)?;
        let is_its = link.connection == connection && link.transit.is_none();
        (is_its && link.machine_open).then_some(socket)
    }

    pub(super) fn detach(&mut self, connection: ConnectionId) {
        let Some(socket) = self.socket_of(connection) else {
            return;
        };
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        assert!(!link.has_unsent(), "{connection:?} still owes bytes");
        let token = Arc::new(());
        link.transit = Some(Arc::downgrade(&token));
        let (seat, block) = (usize::from(link.shard.0), link.take_wish());
        self.in_transit.push(socket);
        let passenger = Passenger::Simulated {
            socket: socket.0,
            _token: token,
        };
        let event = Event::Detached {
            connection,
            transit: Transit(passenger),
            block,
        };
        self.tell(seat, event);
    }

    pub(super) fn attach(&mut self, seat: usize, Transit(passenger): Transit) {
        let Passenger::Simulated { socket, .. } = passenger else {
            unreachable!("a real socket in a simulated world");
        };
        let socket = SocketId(socket);
        self.in_transit.retain(|other| *other != socket);
        let Some(link) = self.links.get_mut(&socket) else {
            unreachable!("{socket:?} ended on its way");
        };
        link.transit = None;
        link.shard = self.seats[seat].shard;
        link.moves += 1;
        let connection = ConnectionId(socket.0 | link.moves << SOCKET_BITS);
        link.connection = connection;
        let broken = link.broken;
        self.tally.hit("connection: moved");
        self.tell(seat, Event::Attached { connection });
        if broken {
            self.machine_side_ends(socket, CloseReason::Reset);
        }
    }

    /// A connection that was dropped on its way is closed, as a descriptor would be.
    pub(super) fn close_dropped_transits(&mut self) {
        for socket in std::mem::take(&mut self.in_transit) {
            let Some(link) = self.links.get_mut(&socket) else {
                continue;
            };
            let travels = |token: &Weak<()>| token.strong_count() > 0;
            if link.transit.as_ref().is_some_and(travels) {
                self.in_transit.push(socket);
            } else if link.machine_open {
                link.drop_machine_side();
                self.send_down(socket, super::network::Packet::Reset);
            }
        }
    }
}

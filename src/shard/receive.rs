//! From received bytes to requests: frames, budgets, back-pressure.

use crate::base::ByteCount;
use crate::base::limits::{
    MESH_CALLS_MAX, REQUEST_BYTES_PER_TURN_MAX, REQUESTS_PER_CONNECTION_MAX, REQUESTS_PER_TURN_MAX,
    SHORT_MEMORY_SILENCE, TURN_BYTES_MAX,
};
use crate::runtime::event::Receive;
use crate::runtime::{Actions, Block, ConnectionId};

use super::connection::Connection;
use super::connection::inbound::{Front, Room};
use super::machine::Shard;
use super::message::Message;
use super::timers::Timer;

/// Whether a connection's next frame may be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Now,
    /// Its share of this turn is used up.
    NextTurn,
    /// Too much is under way; an answer or a send brings it back.
    Later,
}

impl Shard {
    /// Bytes arrived, or the peer has finished sending.
    pub(super) fn received(&mut self, id: ConnectionId, block: Block, count: usize) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.receiving = false;
        connection.ended |= count == 0;
        if count > 0 {
            connection.note_bytes(self.now.ticks);
        }
        self.counts.received(count);
        let lingers = connection.lingering.is_some();
        let charge = if lingers { 0 } else { block.charge() };
        let charged = std::mem::replace(&mut connection.charged, charge);
        if !lingers {
            connection.inbound.arrived(block);
        }
        self.connections.memory.give_back(charged);
        self.connections.memory.take(charge);
        if lingers {
            return self.connections.discard(id, count);
        }
        self.read_requests(id);
        self.connections.touch(id);
    }

    /// Decodes and dispatches what is whole, within the connection's share of the turn.
    pub(super) fn read_requests(&mut self, id: ConnectionId) {
        loop {
            let (turn, busy) = (self.turn, self.calls.brief() >= MESH_CALLS_MAX);
            let Some(connection) = self.connections.get_mut(id) else {
                return;
            };
            self.held_back |= busy;
            let full = self.turn_bytes >= TURN_BYTES_MAX.as_usize();
            match may_decode(connection, turn, busy) {
                May::Now if full => return self.connections.make_runnable(id),
                May::Now => {}
                May::NextTurn => return self.connections.make_runnable(id),
                May::Later => return,
            }
            match connection.inbound.next() {
                Front::Frame(frame) => {
                    connection.turn_requests += 1;
                    connection.turn_bytes += frame.len();
                    self.turn_bytes += frame.len();
                    connection.note_request(self.now.ticks);
                    self.dispatch(id, frame);
                }
                Front::Partial => return,
                Front::Bad { length, most } => {
                    let why = bad_length(length, most);
                    return self.connections.refuse(id, &why, false);
                }
            }
        }
    }

    /// At the end of a turn: asks for more bytes where there is room for what they bring.
    pub(super) fn ask_receive(&mut self, id: ConnectionId, actions: &mut Actions<Message>) {
        let busy = self.calls.brief() >= MESH_CALLS_MAX;
        self.held_back |= busy;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.receiving || connection.ended || connection.closing {
            return;
        }
        if connection.lingering.is_some() {
            return self.receive(id, actions);
        }
        if connection.doomed || connection.entered.is_none() {
            return;
        }
        if connection.inbound.has_whole_frame() {
            // Back-pressure held it here; it may be over.
            if may_decode(connection, self.turn + 1, busy) == May::Now {
                self.connections.make_runnable(id);
            }
            return;
        }
        if may_decode(connection, self.turn + 1, busy) != May::Now {
            return;
        }
        let (begun, size) = (
            connection.inbound.has_begun(),
            connection.inbound.front_size(),
        );
        match (begun, connection.begun) {
            (true, None) => {
                let begun = (self.connections.memory.begin(id), self.now.ticks);
                self.with(id, |connection| connection.begun = Some(begun));
            }
            (false, Some((begun, _))) => {
                self.connections.memory.end(begun);
                self.with(id, |connection| connection.begun = None);
            }
            (true, Some(_)) | (false, None) => {}
        }
        if self.connections.memory.may_receive(id, size) {
            self.receive(id, actions);
        } else if !self.memory_watched {
            self.memory_watched = true;
            let at = self.now.ticks + SHORT_MEMORY_SILENCE;
            self.timers.set(at, Timer::Memory);
        }
    }

    fn receive(&mut self, id: ConnectionId, actions: &mut Actions<Message>) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let room = match connection.lingering {
            Some(_) => Room::ANY,
            None => connection.inbound.take_room(&self.pool),
        };
        let charge = room.into.as_ref().map_or(0, Block::charge);
        let charged = std::mem::replace(&mut connection.charged, charge);
        connection.receiving = true;
        connection.receiving_since = self.now.ticks;
        actions.receive.push(Receive {
            connection: id,
            into: room.into,
            want: room.want,
        });
        self.connections.memory.give_back(charged);
        self.connections.memory.take(charge);
    }

    fn with(&mut self, id: ConnectionId, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(id) {
            change(connection);
        }
    }
}

fn may_decode(connection: &mut Connection, turn: u64, busy: bool) -> May {
    if connection.doomed || connection.closing || connection.leaving_for.is_some() {
        return May::Later;
    }
    if connection.turn != turn {
        connection.turn = turn;
        connection.turn_requests = 0;
        connection.turn_bytes = 0;
    }
    if connection.slicing {
        return May::Later;
    }
    let over = connection.outstanding() >= REQUESTS_PER_CONNECTION_MAX;
    if over || connection.outbound.is_full() || busy {
        return May::Later;
    }
    let spent = connection.turn_requests >= REQUESTS_PER_TURN_MAX
        || connection.turn_bytes >= REQUEST_BYTES_PER_TURN_MAX.as_usize();
    if spent { May::NextTurn } else { May::Now }
}

/// Words for a length that no request has; other protocols are told apart by it.
fn bad_length(length: i32, most: ByteCount) -> String {
    let bytes = length.to_be_bytes();
    let why = match &bytes {
        b"GET " | b"POST" | b"HEAD" | b"PUT " => " (this is HTTP; the port speaks Kafka)",
        [0x16, 0x03, ..] => " (this is TLS; the port speaks plain Kafka)",
        _ if length > 0 => return format!("a request of {length} bytes, more than {most}"),
        _ => "",
    };
    format!("a request of {length} bytes{why}")
}

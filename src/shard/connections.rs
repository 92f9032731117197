//! All connections of a shard: who is read, who is answered, who is closed.
//!
//! Events only change state here; what the driver is to do is gathered and handed over once, at
//! the end of the turn, so that one send serves all replies of the turn.

use std::collections::VecDeque;

use crate::base::limits::{
    CONNECTIONS_PER_SHARD_MAX, HANDSHAKE_WAIT, IDLE_LOOK_WAIT_MIN, LINGER_BYTES_MAX, LINGER_WAIT,
    LISTENER_END_WAIT, SHORT_MEMORY_SILENCE, SHORT_MEMORY_WAIT, STALLED_SEND_WAIT,
};
use crate::base::{IdMap, Span, Ticks, limits};
use crate::runtime::{Actions, ConnectionId, Transit};

use super::address::Addresses;
use super::admission::Admission;
use super::config::{ConnectionLimits, ShardConfig};
use super::connection::slots::Slot;
use super::connection::{Connection, Lingering, Silence};
use super::door::Visitor;
use super::lending::Lending;
use super::message::Message;
use super::steer::Guest;
use super::timers::{Timer, Timers};

use bytes::Bytes;
use std::net::SocketAddr;

/// The connections, and those among them that want a look.
#[derive(Debug)]
pub struct Connections {
    map: IdMap<ConnectionId, Connection>,
    /// To be looked at when the turn ends: replies to send, receives to ask for.
    touched: Vec<ConnectionId>,
    /// To be read at the beginning of the next turn: they have whole frames waiting.
    runnable: VecDeque<ConnectionId>,
    /// What to say to the driver: whom to close, and whether at once.
    closes: Vec<(ConnectionId, bool)>,
    /// Connections from other shards that the driver is to take in, and those that it was told of.
    arriving: Vec<Transit>,
    arrived: VecDeque<Connection>,
    pub memory: Admission,
    pub replies: Lending,
    limits: ConnectionLimits,
}

impl Connections {
    pub fn new(config: &ShardConfig) -> Self {
        Self {
            map: IdMap::default(),
            touched: Vec::new(),
            runnable: VecDeque::new(),
            closes: Vec::new(),
            arriving: Vec::new(),
            arrived: VecDeque::new(),
            memory: Admission::new(config.request_memory),
            replies: Lending::new(config.request_memory),
            limits: config.connections,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.map.len()
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.map.get_mut(&id)
    }

    pub fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.map.get(&id)
    }

    pub fn accepted(
        &mut self,
        id: ConnectionId,
        peer: SocketAddr,
        local: SocketAddr,
        addresses: &Addresses,
        now: Ticks,
        timers: &mut Timers,
    ) {
        let Some(listener) = addresses.reached(local) else {
            // It was closed while this one came.
            return self.closes.push((id, true));
        };
        let told = (listener.id, addresses.endpoint(listener, peer, local));
        self.map.insert(
            id,
            Connection::new(peer, told, now, self.limits.frame_bytes_max),
        );
        timers.set(
            now + self.look_wait().min(HANDSHAKE_WAIT),
            Timer::Connection(id),
        );
        if self.map.len() > CONNECTIONS_PER_SHARD_MAX {
            let most = CONNECTIONS_PER_SHARD_MAX;
            let why = format!("a shard has at most {most} connections");
            return self.refuse(id, &why, true);
        }
        self.touch(id);
    }

    /// A reply, for the place that its request has in the order.
    pub fn reply(&mut self, id: ConnectionId, slot: Slot, pieces: Vec<Bytes>) {
        // A connection that is gone wants no reply.
        if let Some(connection) = self.map.get_mut(&id) {
            let bytes = pieces.iter().map(Bytes::len).sum();
            connection.owed_bytes += bytes;
            self.replies.take(bytes);
            connection.slots.fill(slot, pieces);
            self.touch(id);
        }
    }

    /// The oldest send of a connection has left.
    pub fn sent(&mut self, id: ConnectionId, now: Ticks) {
        if let Some(connection) = self.map.get_mut(&id) {
            let bytes = connection.note_sent(now);
            self.replies.give_back(bytes);
            self.touch(id);
        }
    }

    /// It is gone, and what it held is free. Returns as what it had been let in, if it had.
    pub fn closed(&mut self, id: ConnectionId) -> Option<Visitor> {
        let connection = self.take_out(id)?;
        tracing::debug!(peer = %connection.peer, "connection closed");
        connection.entered
    }

    /// It is none of ours any more.
    pub fn take_out(&mut self, id: ConnectionId) -> Option<Connection> {
        let mut connection = self.map.remove(&id)?;
        self.memory
            .give_back(std::mem::take(&mut connection.charged));
        self.replies
            .give_back(std::mem::take(&mut connection.owed_bytes));
        if let Some((begun, _)) = connection.begun.take() {
            self.memory.end(begun);
        }
        Some(connection)
    }

    /// A connection from another shard: the driver takes it in when the turn ends.
    pub fn expect_guest(&mut self, guest: Guest) {
        self.arriving.push(guest.transit);
        self.arrived.push_back(guest.connection);
    }

    /// The driver has taken the oldest of those in.
    pub fn attached(&mut self, id: ConnectionId, now: Ticks, timers: &mut Timers) {
        let Some(connection) = self.arrived.pop_front() else {
            return;
        };
        let held = connection.inbound.held();
        self.memory.take(held);
        let whole = connection.inbound.has_whole_frame();
        self.map.insert(id, connection.settled(now, held));
        timers.set(now + self.look_wait(), Timer::Connection(id));
        if whole {
            self.make_runnable(id);
        }
        self.touch(id);
    }

    /// What a refused connection still sends is thrown away, up to a bound.
    pub fn discard(&mut self, id: ConnectionId, count: usize) {
        let Some(connection) = self.map.get_mut(&id) else {
            return;
        };
        if let Some(lingering) = &mut connection.lingering {
            lingering.bytes += count as u64;
            if (count == 0 || lingering.bytes > LINGER_BYTES_MAX.0) && !connection.closing {
                connection.closing = true;
                self.closes.push((id, true));
            }
        }
        self.touch(id);
    }

    /// Reads it no further. What is owed is still sent, unless `at_once`.
    pub fn refuse(&mut self, id: ConnectionId, why: &dyn std::fmt::Display, at_once: bool) {
        let Some(connection) = self.map.get_mut(&id) else {
            return;
        };
        if connection.doomed && !at_once || connection.closing {
            return;
        }
        tracing::warn!(peer = %connection.peer, "closing the connection: {why}");
        connection.doomed = true;
        connection.refused = true;
        if at_once {
            connection.closing = true;
            self.closes.push((id, true));
        }
        self.touch(id);
    }

    /// Its listener is closed: it is read no further, and closed once it has what it is owed, or
    /// after a while.
    pub fn end(&mut self, id: ConnectionId, now: Ticks, timers: &mut Timers) {
        let Some(connection) = self.map.get_mut(&id).filter(|own| !own.closing) else {
            return;
        };
        tracing::debug!(peer = %connection.peer, "closing the connection: its listener is closed");
        let at = now + LISTENER_END_WAIT;
        connection.end_by(at);
        timers.set(at, Timer::Connection(id));
        self.touch(id);
    }

    /// A connection's timer fired: closes it for its silence, or sets the timer again.
    pub fn check_silence(&mut self, id: ConnectionId, now: Ticks, timers: &mut Timers) {
        let Some(connection) = self.map.get(&id) else {
            return;
        };
        match connection.silence(now, self.limits.idle) {
            Ok(due) => timers.set(due.min(now + self.look_wait()), Timer::Connection(id)),
            Err(why) => self.close_silent(id, why),
        }
    }

    /// A stalled send or an idle time may begin at any moment, so look at least that often; but not
    /// all the time, whatever the configuration is.
    fn look_wait(&self) -> Span {
        let idle = self.limits.idle.unwrap_or(STALLED_SEND_WAIT);
        idle.clamp(IDLE_LOOK_WAIT_MIN, STALLED_SEND_WAIT)
    }

    fn close_silent(&mut self, id: ConnectionId, why: Silence) {
        let Some(connection) = self.map.get_mut(&id) else {
            return;
        };
        let peer = connection.peer;
        match why {
            Silence::Idle | Silence::Lingering | Silence::ListenerClosed => {
                tracing::debug!(%peer, "closing the connection: {why}")
            }
            Silence::Handshake | Silence::Stalled => {
                tracing::info!(%peer, "closing the connection: {why}");
            }
        }
        // It may be closing already, and never take the last of its replies.
        connection.doomed = true;
        connection.closing = true;
        self.closes.push((id, true));
    }

    /// Memory for frames is short: gives up partial frames that could be read and make no
    /// progress. True if somebody still waits for memory.
    pub fn check_memory(&mut self, now: Ticks) -> bool {
        for id in self.memory.partial() {
            let Some(connection) = self.map.get(&id).filter(|own| own.receiving) else {
                continue;
            };
            let silent = now.since(connection.receiving_since) >= SHORT_MEMORY_SILENCE;
            let began = connection.begun.map_or(now, |(_, began)| began);
            if silent || now.since(began) >= SHORT_MEMORY_WAIT {
                let why = "it holds memory that others need, in the middle of a request";
                self.refuse(id, &why, true);
            }
        }
        self.memory.is_short()
    }

    /// Has whole frames waiting, or may have: read it in the next turn.
    pub fn make_runnable(&mut self, id: ConnectionId) {
        if let Some(connection) = self.map.get_mut(&id)
            && !connection.runnable
        {
            connection.runnable = true;
            self.runnable.push_back(id);
        }
    }

    /// The connections that were runnable when the turn began.
    pub fn take_runnable(&mut self) -> VecDeque<ConnectionId> {
        let runnable = std::mem::take(&mut self.runnable);
        for id in &runnable {
            if let Some(connection) = self.map.get_mut(id) {
                connection.runnable = false;
            }
        }
        runnable
    }

    pub fn has_runnable(&self) -> bool {
        !self.runnable.is_empty()
    }

    /// Looks at it when the turn ends.
    pub fn touch(&mut self, id: ConnectionId) {
        if let Some(connection) = self.map.get_mut(&id)
            && !connection.touched
        {
            connection.touched = true;
            self.touched.push(id);
        }
    }

    /// Looks at all: at a stop, and when a bound that held everybody back has room again.
    pub fn touch_all(&mut self) {
        let mut all: Vec<ConnectionId> = self.map.keys().copied().collect();
        // The order of a hash map is not the same in every run; a simulation must be.
        all.sort_unstable();
        all.into_iter().for_each(|id| self.touch(id));
    }

    /// True when nobody is owed anything.
    pub fn all_at_rest(&self) -> bool {
        self.map.values().all(Connection::is_at_rest)
    }

    /// Closes it once what is queued has left.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.map.get_mut(&id)
            && !connection.closing
        {
            connection.closing = true;
            self.closes.push((id, false));
        }
    }

    pub fn ids(&self) -> Vec<ConnectionId> {
        let mut ids: Vec<ConnectionId> = self.map.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Hands the turn's sends and closes to the driver; returns who may want a receive.
    pub fn end_turn(
        &mut self,
        now: Ticks,
        timers: &mut Timers,
        actions: &mut Actions<Message>,
    ) -> Vec<ConnectionId> {
        while let Some(id) = self.memory.resumed() {
            self.touch(id);
        }
        let touched = std::mem::take(&mut self.touched);
        for &id in &touched {
            self.send_ready(id, now, timers, actions);
        }
        actions.close.append(&mut self.closes);
        actions.attach.append(&mut self.arriving);
        touched
    }

    fn send_ready(
        &mut self,
        id: ConnectionId,
        now: Ticks,
        timers: &mut Timers,
        actions: &mut Actions<Message>,
    ) {
        let Some(connection) = self.map.get_mut(&id) else {
            return;
        };
        connection.touched = false;
        if connection.closing {
            return;
        }
        let mut pieces = Vec::new();
        while let Some(reply) = connection.slots.take_ready() {
            pieces.extend(reply);
        }
        if !pieces.is_empty() {
            connection.outbound.send(id, pieces, now, &mut actions.send);
        }
        let unread = connection.inbound.has_whole_frame() && !connection.doomed;
        let over = connection.doomed || connection.ended && !unread;
        if !over || connection.outstanding() > 0 || connection.lingering.is_some() {
            return;
        }
        if connection.refused && !connection.ended {
            // A slow reader of what it is owed has the time of a stalled send, not this short one.
            if !connection.outbound.is_empty() {
                return;
            }
            let bytes = 0;
            connection.inbound.give_up();
            connection.lingering = Some(Lingering { since: now, bytes });
            actions.finish.push(id);
            timers.set(now + LINGER_WAIT, Timer::Connection(id));
        } else {
            connection.closing = true;
            self.closes.push((id, false));
        }
    }
}

const _: () = assert!(limits::HANDSHAKE_WAIT.0 < limits::IDLE_WAIT.0);

//! What one happening of the world does: turns of machines, and what they cause.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::faults::Plant;
use super::network::{Link, Packet};
use super::world::{Due, Notice, SocketId, World};
use crate::base::{ShardId, Span, Ticks};
use crate::runtime::event::{Actions, CloseReason, ConnectionId, Event};
use crate::runtime::machine::Machine;

/// How long a planted bug keeps a reply back, if no other overtakes it.
const HELD_WAIT: Span = Span::millis(2);

impl<M: Machine> World<M> {
    pub(super) fn happen(&mut self, life: u64, due: Due<M::Message>) -> Option<Notice> {
        let lives = life == self.life;
        match due {
            Due::Timer(token) => return Some(Notice::Timer(token)),
            Due::Down(socket, packet) => return self.arrive_down(socket, packet),
            Due::Up(socket, packet) => self.arrive_up(socket, packet),
            _ if !lives => {}
            Due::Turn(seat) => return self.turn(seat),
            Due::Disk(seat, ticket) => {
                let done = self.seats[seat].disk.finish(ticket);
                let is_lost = self.plant == Some(Plant::LostWakeUp) && self.mischief.one_in(200);
                if !is_lost {
                    self.tell(seat, Event::Disk(done));
                }
            }
            Due::Mesh(seat, from, message) => self.tell(seat, Event::Mesh { from, message }),
            Due::Wake(seat, version) => {
                if self.seats[seat].wake_version == version {
                    self.tell(seat, Event::Wake);
                }
            }
            Due::Bound(seat, outcome) => self.tell(seat, Event::Bound(outcome)),
            Due::Release(socket) => {
                let link = self.links.get_mut(&socket);
                if let Some(held) = link.and_then(|link| link.held.take()) {
                    self.queue_send(socket, held);
                }
            }
        }
        None
    }

    /// Puts an event into a machine's inbox and makes sure that a turn follows.
    pub(super) fn tell(&mut self, seat: usize, event: Event<M::Message>) {
        if self.seats[seat].machine.is_none() || self.seats[seat].stopped.is_some() {
            return;
        }
        self.seats[seat].inbox.push_back(event);
        if !self.seats[seat].turn_is_due {
            self.seats[seat].turn_is_due = true;
            let core = seat % self.core_free_at.len();
            let start = self.core_free_at[core].max(self.now) + Span(self.pace.below(2_000));
            self.schedule(start, Due::Turn(seat));
        }
    }

    fn turn(&mut self, seat: usize) -> Option<Notice> {
        let core = seat % self.core_free_at.len();
        if self.core_free_at[core] > self.now {
            // Another shard of this core had its turn first.
            self.schedule(self.core_free_at[core], Due::Turn(seat));
            return None;
        }
        let now = self.clocks();
        let place = &mut self.seats[seat];
        place.turn_is_due = false;
        let machine = place.machine.as_mut()?;
        let mut actions = Actions::default();
        let mut events = 0;
        while let Some(event) = place.inbox.pop_front() {
            machine.handle(now, event, &mut actions);
            events += 1;
        }
        machine.end_turn(now, &mut actions);
        self.turns += 1;
        self.core_free_at[core] = self.now + Span(self.pace.below(5_000) * (1 + events));
        self.perform(seat, actions)
    }

    fn perform(&mut self, seat: usize, actions: Actions<M::Message>) -> Option<Notice> {
        self.open_and_shut(seat, &actions.open, &actions.shut);
        if !actions.bind.is_empty() {
            self.bind(seat, &actions.bind);
        }
        for op in actions.disk {
            let ticket = op.ticket();
            let end = self.seats[seat].disk.submit(self.now, op);
            self.schedule(end, Due::Disk(seat, ticket));
        }
        for (to, message) in actions.mesh {
            self.send_mesh(seat, to, message);
        }
        for receive in actions.receive {
            let socket = self.socket_of(receive.connection);
            let link = socket.and_then(|socket| self.links.get_mut(&socket));
            if let (Some(socket), Some(link)) = (socket, link) {
                link.wish(receive);
                self.deliver(socket);
            }
        }
        for send in actions.send {
            if let Some(socket) = self.socket_of(send.connection) {
                self.take_send(socket, send.pieces);
            }
        }
        for connection in actions.finish {
            if let Some(socket) = self.socket_of(connection) {
                self.finish(socket);
            }
        }
        for (connection, at_once) in actions.close {
            if let Some(socket) = self.socket_of(connection) {
                self.close(socket, at_once);
            }
        }
        for connection in actions.detach {
            self.detach(connection);
        }
        for transit in actions.attach {
            self.attach(seat, transit);
        }
        self.close_dropped_transits();
        if let Some(time) = actions.wake_at {
            self.seats[seat].wake_version += 1;
            let version = self.seats[seat].wake_version;
            let time = Ticks(time.0.saturating_sub(self.clock_base)).max(self.now);
            let late = Span(self.pace.below(100_000));
            self.schedule(time + late, Due::Wake(seat, version));
        }
        let place = &mut self.seats[seat];
        place.listening = (place.listening || actions.listen) && !actions.stop_listening;
        place.stopped = place.stopped.max(actions.stopped);
        let codes: Option<Vec<u8>> = self.seats.iter().map(|seat| seat.stopped).collect();
        let code = codes.and_then(|codes| codes.into_iter().max())?;
        self.process_is_gone();
        self.seats.iter_mut().for_each(|seat| seat.disk.kill());
        Some(Notice::Stopped(code))
    }

    fn send_mesh(&mut self, seat: usize, to: ShardId, message: M::Message) {
        let time = self.now + Span(self.pace.below(50_000));
        let last = self.seats[seat].last_mesh.entry(to).or_default();
        // Of one time, the queue keeps the order of scheduling.
        *last = time.max(*last);
        let (time, from) = (*last, self.seats[seat].shard);
        self.schedule(time, Due::Mesh(usize::from(to.0), from, message));
    }

    pub(super) fn accept(&mut self, seat: usize, socket: SocketId, local: SocketAddr) {
        let tiny = self.weather.one_in(self.network.tiny_pieces);
        if tiny {
            self.tally.hit("network: tiny pieces");
        }
        let piece_max = if tiny { 7 } else { 1 << 20 };
        let connection = ConnectionId(socket.0);
        let link = Link::new(self.seats[seat].shard, connection, piece_max);
        self.links.insert(socket, link);
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let accepted = Event::Accepted {
            connection,
            peer: SocketAddr::new(host, 40_000 + (socket.0 % 20_000) as u16),
            local,
        };
        self.tell(seat, accepted);
    }

    /// A client sends.
    pub fn send(&mut self, socket: SocketId, bytes: Bytes) {
        self.send_up(socket, Packet::Bytes(bytes));
    }

    /// A client sends no more, and goes on to read.
    pub fn finish_sending(&mut self, socket: SocketId) {
        self.tally.hit("network: half close");
        self.send_up(socket, Packet::End);
    }

    /// A client is gone without a word.
    pub fn reset(&mut self, socket: SocketId) {
        if let Some(link) = self.links.get_mut(&socket) {
            link.client_open = false;
            self.send_up(socket, Packet::Reset);
        }
    }

    /// A client stops to read, or goes on.
    pub fn stall(&mut self, socket: SocketId, stalled: bool) {
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        if stalled && !link.stalled {
            self.tally.hit("network: stall");
        }
        link.stalled = stalled;
    }

    /// What has arrived for a client. Nothing, while it is stalled.
    pub fn take(&mut self, socket: SocketId) -> Vec<u8> {
        let Some(link) = self.links.get_mut(&socket).filter(|link| !link.stalled) else {
            return Vec::new();
        };
        let bytes = std::mem::take(&mut link.inbox);
        link.in_window = link.in_window.saturating_sub(bytes.len());
        self.leave(socket);
        bytes
    }

    fn send_up(&mut self, socket: SocketId, packet: Packet) {
        let time = self.now + self.delay();
        let is_cut = self.weather.one_in(self.network.reset);
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        link.last_up = link.last_up.max(time);
        let time = link.last_up;
        self.schedule(time, Due::Up(socket, packet));
        if is_cut {
            self.tally.hit("network: reset");
            self.schedule(time, Due::Up(socket, Packet::Reset));
            self.send_down(socket, Packet::Reset);
        }
    }

    pub(super) fn send_down(&mut self, socket: SocketId, packet: Packet) {
        let time = self.now + self.delay();
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        link.last_down = link.last_down.max(time);
        let time = link.last_down;
        self.schedule(time, Due::Down(socket, packet));
    }

    fn delay(&mut self) -> Span {
        let span = self.weather.below(self.network.delay_max.0.max(1));
        if self.weather.one_in(self.network.slow) {
            self.tally.hit("network: slow packet");
            return Span(span * 100);
        }
        Span(span)
    }

    fn arrive_up(&mut self, socket: SocketId, packet: Packet) {
        let Some(link) = self.links.get_mut(&socket).filter(|link| link.machine_open) else {
            return;
        };
        link.arrive(&packet);
        if let Packet::Reset = packet {
            if link.transit.is_some() {
                link.broken = true;
                return;
            }
            self.machine_side_ends(socket, CloseReason::Reset);
        } else {
            self.deliver(socket);
        }
    }

    fn arrive_down(&mut self, socket: SocketId, packet: Packet) -> Option<Notice> {
        let link = self.links.get_mut(&socket)?;
        if !link.client_open {
            return None;
        }
        match packet {
            Packet::Bytes(bytes) => {
                link.inbox.extend_from_slice(&bytes);
                Some(Notice::Readable(socket))
            }
            Packet::End | Packet::Reset => {
                link.client_open = false;
                if !link.machine_open {
                    self.links.remove(&socket);
                } else if matches!(packet, Packet::End) {
                    // The machine only sends no more; this client closes its end, too.
                    self.send_up(socket, Packet::End);
                }
                Some(Notice::Closed(socket))
            }
        }
    }

    fn deliver(&mut self, socket: SocketId) {
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        let seat = usize::from(link.shard.0);
        if let Some(event) = link.receive(&self.pool, &mut self.weather) {
            self.tell(seat, event);
        }
    }

    /// A machine sends. A planted bug keeps a send back until another overtakes it.
    fn take_send(&mut self, socket: SocketId, mut pieces: Vec<Bytes>) {
        let corrupts = self.plant == Some(Plant::CorruptionServed) && self.mischief.one_in(20);
        if let Some(piece) = pieces
            .last_mut()
            .filter(|piece| corrupts && piece.len() > 200)
        {
            let mut bytes = piece.to_vec();
            let last = bytes.len() - 10;
            bytes[last] ^= 1;
            *piece = bytes.into();
        }
        let swaps = self.plant == Some(Plant::RepliesSwapped) && self.mischief.one_in(20);
        let loses = self.plant == Some(Plant::RepliesLost) && self.mischief.one_in(50);
        let Some(link) = self.links.get_mut(&socket).filter(|link| link.machine_open) else {
            return;
        };
        link.mute |= loses;
        if swaps && link.held.is_none() {
            link.held = Some(pieces);
            self.schedule(self.now + HELD_WAIT, Due::Release(socket));
            return;
        }
        let held = link.held.take();
        self.queue_send(socket, pieces);
        if let Some(held) = held {
            self.queue_send(socket, held);
        }
    }

    fn queue_send(&mut self, socket: SocketId, pieces: Vec<Bytes>) {
        if let Some(link) = self.links.get_mut(&socket) {
            link.send(pieces);
            self.leave(socket);
        }
    }

    /// Moves bytes from a machine to the network as far as the window allows.
    fn leave(&mut self, socket: SocketId) {
        let window = self.network.window.as_usize();
        let Some(link) = self.links.get_mut(&socket).filter(|link| link.machine_open) else {
            return;
        };
        let (leaving, through) = link.leave(window);
        let seat = usize::from(link.shard.0);
        let connection = link.connection;
        let is_done = link.close_when_sent && !link.has_unsent();
        let is_finished = link.finish_when_sent && !link.has_unsent();
        link.finish_when_sent &= !is_finished;
        let heard = !link.mute;
        for piece in leaving.into_iter().filter(|_| heard) {
            self.send_down(socket, Packet::Bytes(piece));
        }
        for _ in 0..through {
            self.tell(seat, Event::Sent { connection });
        }
        if is_finished && !is_done {
            self.send_down(socket, Packet::End);
        }
        if is_done {
            self.send_down(socket, Packet::End);
            self.machine_side_ends(socket, CloseReason::Asked);
        }
    }

    fn finish(&mut self, socket: SocketId) {
        if let Some(link) = self.links.get_mut(&socket) {
            link.finish_when_sent = true;
            self.leave(socket);
        }
    }

    fn close(&mut self, socket: SocketId, at_once: bool) {
        let Some(link) = self.links.get_mut(&socket).filter(|link| link.machine_open) else {
            return;
        };
        if at_once {
            self.send_down(socket, Packet::Reset);
            self.machine_side_ends(socket, CloseReason::Asked);
        } else {
            link.close_when_sent = true;
            self.leave(socket);
        }
    }

    pub(super) fn machine_side_ends(&mut self, socket: SocketId, reason: CloseReason) {
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        let (seat, connection) = (usize::from(link.shard.0), link.connection);
        link.drop_machine_side();
        if !link.client_open {
            self.links.remove(&socket);
        }
        self.tell(seat, Event::Closed { connection, reason });
    }
}

//! The connections of one core: each a small state machine over a socket that never waits.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::inbox::Inboxes;
use super::ring::{Ring, Tag};
use super::socket::{Outgoing, Progress, receive_into, send_some};
use crate::base::ByteCount;
use crate::base::limits::{FRESH_RECEIVE_BYTES_MAX, RECEIVE_BYTES_MAX};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::event::{CloseReason, ConnectionId, Event, Passenger, Receive, Send, Transit};

const SLOT_BITS: u32 = 20;

struct Connection {
    number: u64,
    local: usize,
    socket: Socket,
    wish: Option<Wish>,
    /// The last receive filled all the room it had: there may be more, ask the socket first.
    more_expected: bool,
    waits_to_read: bool,
    waits_to_write: bool,
    outgoing: Outgoing,
    /// In `Net::unsent`.
    listed: bool,
    /// The peer is to be told, once `outgoing` has left, that nothing follows.
    finishing: bool,
    /// To be closed once `outgoing` has left.
    closing: bool,
    /// To be handed over once the ring has let go of it.
    leaving: bool,
    /// The machine has been told; what is left waits for the ring to let go of the socket.
    closed: bool,
}

struct Wish {
    into: Option<Block>,
    want: ByteCount,
}

/// Connections by number; a number names a slot and is never used twice.
pub(super) struct Net {
    core: u64,
    pool: BlockPool,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    numbers: u64,
    /// Connections that may be received from at once.
    readable: VecDeque<u64>,
    /// Connections that may be sent to at once.
    unsent: VecDeque<u64>,
}

impl Net {
    pub(super) fn new(core: usize, pool: BlockPool) -> Self {
        Self {
            core: core as u64,
            pool,
            slots: Vec::new(),
            free: Vec::new(),
            numbers: 0,
            readable: VecDeque::new(),
            unsent: VecDeque::new(),
        }
    }

    fn id_of(&self, number: u64) -> ConnectionId {
        ConnectionId(self.core << 56 | number)
    }

    /// Takes a connected socket in.
    pub(super) fn adopt(&mut self, socket: Socket, local: usize) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.numbers += 1;
        let number = (self.numbers << SLOT_BITS | slot as u64) & ((1 << 56) - 1);
        self.slots[slot] = Some(Connection {
            number,
            local,
            socket,
            wish: None,
            more_expected: false,
            waits_to_read: false,
            waits_to_write: false,
            outgoing: Outgoing::default(),
            listed: false,
            finishing: false,
            closing: false,
            leaving: false,
            closed: false,
        });
        self.id_of(number)
    }

    fn find(&mut self, number: u64) -> Option<&mut Connection> {
        let slot = (number & ((1 << SLOT_BITS) - 1)) as usize;
        let found = self.slots.get_mut(slot)?.as_mut()?;
        (found.number == number).then_some(found)
    }

    /// The connection that a machine names; None if it is gone, which the machine may not have
    /// read yet.
    fn named(&mut self, local: usize, id: ConnectionId) -> Option<&mut Connection> {
        let found = self.find(id.0 & ((1 << 56) - 1))?;
        (found.local == local && !found.closed).then_some(found)
    }

    pub(super) fn receive(&mut self, ring: &mut Ring, local: usize, receive: Receive) {
        let Some(connection) = self.named(local, receive.connection) else {
            return;
        };
        assert!(connection.wish.is_none(), "one receive at a time");
        connection.wish = Some(Wish {
            into: receive.into,
            want: receive.want,
        });
        let number = connection.number;
        if connection.more_expected {
            self.readable.push_back(number);
        } else {
            wait_to_read(ring, connection);
        }
    }

    pub(super) fn send(&mut self, local: usize, send: Send) {
        let Some(connection) = self.named(local, send.connection) else {
            return;
        };
        connection.outgoing.push(send.pieces);
        let number = connection.number;
        if !connection.listed && !connection.waits_to_write {
            connection.listed = true;
            self.unsent.push_back(number);
        }
    }

    pub(super) fn close<M>(
        &mut self,
        inboxes: &mut Inboxes<M>,
        local: usize,
        (id, at_once): (ConnectionId, bool),
    ) {
        let Some(connection) = self.named(local, id) else {
            return;
        };
        if at_once || connection.outgoing.is_empty() {
            let number = connection.number;
            self.end(inboxes, number, CloseReason::Asked);
        } else {
            connection.closing = true;
        }
    }

    /// See `Actions::finish`.
    pub(super) fn finish(&mut self, local: usize, id: ConnectionId) {
        let Some(connection) = self.named(local, id) else {
            return;
        };
        connection.finishing = true;
        if connection.outgoing.is_empty() {
            say_finished(&connection.socket);
        }
    }

    /// Takes a connection out that owes nothing, to be adopted elsewhere.
    pub(super) fn detach<M>(
        &mut self,
        ring: &mut Ring,
        inboxes: &mut Inboxes<M>,
        local: usize,
        id: ConnectionId,
    ) {
        let Some(connection) = self.named(local, id) else {
            return;
        };
        assert!(connection.outgoing.is_empty(), "{id:?} still owes bytes");
        assert!(!connection.waits_to_write, "{id:?} waits to send nothing");
        connection.leaving = true;
        let number = connection.number;
        if connection.waits_to_read {
            // The ring's poll holds the socket; its end is awaited.
            ring.cancel_poll(Tag::Readable(number));
        } else {
            self.hand_over(inboxes, number);
        }
    }

    fn hand_over<M>(&mut self, inboxes: &mut Inboxes<M>, number: u64) {
        let id = self.id_of(number);
        let slot = (number & ((1 << SLOT_BITS) - 1)) as usize;
        let Some(connection) = self.slots[slot].take() else {
            return;
        };
        self.free.push(slot);
        let event = Event::Detached {
            connection: id,
            transit: Transit(Passenger::Socket(connection.socket)),
            block: connection.wish.and_then(|wish| wish.into),
        };
        inboxes.put(connection.local, event);
    }

    /// Takes a connection in that another core, or another shard of this one, has detached.
    pub(super) fn attach<M>(
        &mut self,
        inboxes: &mut Inboxes<M>,
        local: usize,
        Transit(passenger): Transit,
    ) {
        let Passenger::Socket(socket) = passenger else {
            unreachable!("a simulated connection in a real process");
        };
        let connection = self.adopt(socket, local);
        inboxes.put(local, Event::Attached { connection });
    }

    /// The ring says that there may be something to receive.
    pub(super) fn on_readable<M>(&mut self, inboxes: &mut Inboxes<M>, number: u64) {
        let Some(connection) = self.find(number) else {
            return;
        };
        connection.waits_to_read = false;
        if connection.closed {
            self.let_go(number);
        } else if connection.leaving {
            self.hand_over(inboxes, number);
        } else {
            connection.more_expected = true;
            if connection.wish.is_some() {
                self.readable.push_back(number);
            }
        }
    }

    /// The ring says that the socket may take bytes again.
    pub(super) fn on_writable(&mut self, number: u64) {
        let Some(connection) = self.find(number) else {
            return;
        };
        connection.waits_to_write = false;
        if connection.closed {
            self.let_go(number);
        } else if !connection.listed {
            connection.listed = true;
            self.unsent.push_back(number);
        }
    }

    /// Receives from every connection that is ready, once.
    pub(super) fn receive_ready<M>(&mut self, ring: &mut Ring, inboxes: &mut Inboxes<M>) {
        for _ in 0..self.readable.len() {
            if !inboxes.has_room() {
                return;
            }
            let Some(number) = self.readable.pop_front() else {
                return;
            };
            self.receive_from(ring, inboxes, number);
        }
    }

    fn receive_from<M>(&mut self, ring: &mut Ring, inboxes: &mut Inboxes<M>, number: u64) {
        let pool = self.pool.clone();
        let id = self.id_of(number);
        let Some(connection) = self.find(number).filter(|found| !found.closed) else {
            return;
        };
        let Some(wish) = connection.wish.take() else {
            return;
        };
        let borrowed = wish.into.is_none();
        let mut block = wish.into.unwrap_or_else(|| pool.take(wish.want));
        let most = match block.is_ready() {
            true => RECEIVE_BYTES_MAX,
            false => FRESH_RECEIVE_BYTES_MAX,
        };
        let room = block.spare().len().min(most.as_usize());
        match receive_into(&connection.socket, &mut block, room) {
            Progress::Moved(count) => {
                connection.more_expected = count == room;
                let event = Event::Received {
                    connection: id,
                    block,
                    count,
                };
                inboxes.put(connection.local, event);
            }
            Progress::Blocked => {
                connection.more_expected = false;
                connection.wish = Some(Wish {
                    into: (!borrowed).then_some(block),
                    want: wish.want,
                });
                wait_to_read(ring, connection);
            }
            Progress::Broken => self.end(inboxes, number, CloseReason::Reset),
        }
    }

    /// Sends to every connection that is ready, once, up to a bound each.
    pub(super) fn send_ready<M>(&mut self, ring: &mut Ring, inboxes: &mut Inboxes<M>) {
        for _ in 0..self.unsent.len() {
            let Some(number) = self.unsent.pop_front() else {
                return;
            };
            self.send_to(ring, inboxes, number);
        }
    }

    fn send_to<M>(&mut self, ring: &mut Ring, inboxes: &mut Inboxes<M>, number: u64) {
        let id = self.id_of(number);
        let Some(connection) = self.find(number).filter(|found| !found.closed) else {
            return;
        };
        connection.listed = false;
        let progress = send_some(&connection.socket, &mut connection.outgoing);
        for _ in 0..connection.outgoing.take_finished() {
            inboxes.put(connection.local, Event::Sent { connection: id });
        }
        match progress {
            Progress::Broken => self.end(inboxes, number, CloseReason::Reset),
            Progress::Blocked => {
                connection.waits_to_write = true;
                let socket = connection.socket.as_raw_fd();
                ring.poll(socket, libc::POLLOUT, Tag::Writable(number));
            }
            Progress::Moved(_) if !connection.outgoing.is_empty() => {
                connection.listed = true;
                self.unsent.push_back(number);
            }
            Progress::Moved(_) => {
                if connection.closing {
                    self.end(inboxes, number, CloseReason::Asked);
                } else if connection.finishing {
                    say_finished(&connection.socket);
                }
            }
        }
    }

    /// True if something can be received or sent without waiting.
    pub(super) fn is_ready(&self) -> bool {
        !self.readable.is_empty() || !self.unsent.is_empty()
    }

    fn end<M>(&mut self, inboxes: &mut Inboxes<M>, number: u64, reason: CloseReason) {
        let id = self.id_of(number);
        let Some(connection) = self.find(number) else {
            return;
        };
        connection.closed = true;
        connection.wish = None;
        connection.outgoing = Outgoing::default();
        let event = Event::Closed {
            connection: id,
            reason,
        };
        inboxes.put(connection.local, event);
        // Ends polls that the ring still holds, which keep the socket open; a socket that the
        // peer has reset refuses, and its polls have ended by themselves.
        let _ = connection.socket.shutdown(Shutdown::Both);
        self.let_go(number);
    }

    /// Drops the socket if the ring no longer holds it.
    fn let_go(&mut self, number: u64) {
        let Some(connection) = self.find(number) else {
            return;
        };
        if connection.waits_to_read || connection.waits_to_write {
            return;
        }
        let slot = (number & ((1 << SLOT_BITS) - 1)) as usize;
        self.slots[slot] = None;
        self.free.push(slot);
    }
}

/// A socket that the peer has reset refuses, and a receive will say so.
fn say_finished(socket: &Socket) {
    let _ = socket.shutdown(Shutdown::Write);
}

fn wait_to_read(ring: &mut Ring, connection: &mut Connection) {
    if !connection.waits_to_read {
        connection.waits_to_read = true;
        let events = libc::POLLIN | libc::POLLRDHUP;
        let socket = connection.socket.as_raw_fd();
        ring.poll(socket, events, Tag::Readable(connection.number));
    }
}

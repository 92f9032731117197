//! The listeners of one core, and which of its shards gets whom.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::bind::Binder;
use super::error::RunError;
use super::files::OPEN_FILES_MAX;
use super::inbox::Inboxes;
use super::listen::{self, Gate};
use super::net::Net;
use super::ring::{Ring, Tag};
use crate::base::{Span, Ticks};
use crate::runtime::event::{Event, ListenerId};
use crate::runtime::{probe, system};

/// Connections taken from one listener per turn.
const ACCEPTED_MAX: usize = 64;

/// How long to leave the queue alone when descriptors or memory have run out, and how often to say
/// so.
const ACCEPT_PAUSE: Span = Span::millis(100);
const TELL_WAIT: Span = Span::seconds(10);

/// Descriptors of one process besides those of connections and of the shards' open files: rings,
/// listeners, bells, the console, files that are being prepared.
const OTHER_DESCRIPTORS: u64 = 128;

pub(super) struct Acceptor {
    gates: Vec<Gate>,
    /// What is bound for all cores.
    pub(super) binder: Binder,
    /// Connections of a shared port are dealt round robin.
    dealt: usize,
    /// Gates whose queue may hold somebody.
    ready: Vec<usize>,
    /// Descriptors ran out; look again then.
    paused_until: Option<Ticks>,
    /// When somebody was told that they did.
    told_at: Option<Ticks>,
    /// A connection's descriptor is below this one.
    descriptors: i64,
}

/// The descriptor from which on they are the journals': a segment that can not be opened is the end
/// of its shard, so that clients must not be able to use them all. The kernel gives the lowest that
/// is free, so a high number says that the lower ones are in use.
fn first_reserved(allowed: Option<u64>, shards: usize) -> i64 {
    let Some(allowed) = allowed else {
        return i64::MAX;
    };
    let wanted = OTHER_DESCRIPTORS + (OPEN_FILES_MAX * shards) as u64;
    (allowed - wanted.min(allowed / 2)) as i64
}

impl Acceptor {
    pub(super) fn new(gates: Vec<Gate>, binder: Binder) -> Self {
        let allowed = probe::limits().open_files.soft;
        Self {
            gates,
            dealt: 0,
            ready: Vec::new(),
            paused_until: None,
            told_at: None,
            descriptors: first_reserved(allowed, binder.places.shards),
            binder,
        }
    }

    pub(super) fn listen(&mut self, ring: &mut Ring, local: usize) -> Result<(), RunError> {
        let begun = listen::begin(&mut self.gates, local, &self.binder.start);
        let begun = begun.map_err(|error| RunError::System {
            call: "listen",
            errno: system::errno_of(&error),
        })?;
        for number in begun {
            self.wait(ring, number);
        }
        Ok(())
    }

    /// Opens a listener that was bound while the process ran, for one shard. What the system
    /// refuses now, though it had granted the address, is one listener less and no end of a core.
    pub(super) fn open(&mut self, ring: &mut Ring, local: usize, listener: ListenerId) {
        let shard = (local, self.binder.shards[local]);
        let mut start = self.binder.start.lock().expect("no holder panics");
        let taken = start.take_late(listener, self.binder.core, shard);
        drop(start);
        let begun = taken.and_then(|gates| {
            self.gates.extend(gates);
            listen::open_for(&mut self.gates, local, Some(listener), |_, _| Ok(()))
        });
        let begun = begun.unwrap_or_else(|error| {
            tracing::error!("a listener that was bound does not listen: {error}");
            Vec::new()
        });
        for number in begun {
            self.wait(ring, number);
        }
    }

    /// One shard takes no more connections of a listener.
    pub(super) fn shut(&mut self, local: usize, listener: ListenerId) {
        let mut start = self.binder.start.lock().expect("no holder panics");
        start.forget(listener);
        drop(start);
        let gates = self.gates.iter_mut();
        for gate in gates.filter(|gate| gate.listener == listener) {
            gate.leave(local);
        }
    }

    pub(super) fn stop(&mut self, local: usize) {
        for gate in &mut self.gates {
            gate.leave(local);
        }
        if self.gates.iter().all(|gate| gate.socket.is_none()) {
            self.ready.clear();
            self.paused_until = None;
        }
    }

    fn wait(&self, ring: &mut Ring, number: usize) {
        if let Some(socket) = &self.gates[number].socket {
            let tag = Tag::Acceptable(number as u64);
            ring.poll(socket.as_raw_fd(), libc::POLLIN, tag);
        }
    }

    pub(super) fn on_acceptable(&mut self, number: u64) {
        self.ready.push(number as usize);
    }

    pub(super) fn wake_at(&self) -> Option<Ticks> {
        self.paused_until
    }

    /// True if somebody may be waiting to be let in.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty() && self.paused_until.is_none()
    }

    pub(super) fn accept<M>(
        &mut self,
        now: Ticks,
        ring: &mut Ring,
        net: &mut Net,
        inboxes: &mut Inboxes<M>,
    ) {
        match self.paused_until {
            Some(until) if now < until => return,
            _ => self.paused_until = None,
        }
        for number in std::mem::take(&mut self.ready) {
            self.accept_from(number, now, ring, net, inboxes);
        }
    }

    fn accept_from<M>(
        &mut self,
        number: usize,
        now: Ticks,
        ring: &mut Ring,
        net: &mut Net,
        inboxes: &mut Inboxes<M>,
    ) {
        for _ in 0..ACCEPTED_MAX {
            let gate = &self.gates[number];
            // Shut while it was ready.
            let Some(socket) = &gate.socket else {
                return;
            };
            match socket.accept() {
                Ok((socket, _)) if i64::from(socket.as_raw_fd()) >= self.descriptors => {
                    // Dropped, and so closed: a client in the queue would wait in vain.
                    self.pause(now, "too few descriptors are left (`ulimit -n`)");
                }
                Ok((socket, _)) => {
                    let taker = gate.takers[self.dealt % gate.takers.len()];
                    self.dealt += 1;
                    deal(socket, taker, net, inboxes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(ring, number);
                    return;
                }
                Err(error) => match system::errno_of(&error) {
                    libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
                        self.pause(now, &error.to_string());
                        break;
                    }
                    // The peer went away while it waited (accept(2): treat like EAGAIN, try on).
                    _ => {}
                },
            }
        }
        self.ready.push(number);
    }

    /// Leaves the queues alone for a while.
    fn pause(&mut self, now: Ticks, why: &str) {
        if self.told_at.is_none_or(|at| now.since(at) >= TELL_WAIT) {
            self.told_at = Some(now);
            tracing::warn!("no more connections can be accepted for now: {why}");
        }
        self.paused_until = Some(now + ACCEPT_PAUSE);
    }
}

fn deal<M>(socket: Socket, taker: usize, net: &mut Net, inboxes: &mut Inboxes<M>) {
    // A peer that is gone already has no address.
    let Some((peer, local)) = system::ends_of(&socket) else {
        return;
    };
    // Replies leave whole; waiting for more only delays them. Refused by a dead socket only.
    let _ = socket.set_tcp_nodelay(true);
    let connection = net.adopt(socket, taker);
    let event = Event::Accepted {
        connection,
        peer,
        local,
    };
    inboxes.put(taker, event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_journals() {
        assert_eq!(first_reserved(Some(20_000), 2), 20_000 - 128 - 512);
        // With few, half is for connections.
        assert_eq!(first_reserved(Some(256), 2), 128);
        assert_eq!(first_reserved(None, 2), i64::MAX);
    }
}

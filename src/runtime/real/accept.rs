//! The listeners of one core, and which of its shards gets whom.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};

use socket2::Socket;

use super::error::RunError;
use super::files::OPEN_FILES_MAX;
use super::inbox::Inboxes;
use super::listen::{self, Gate, Start};
use super::net::Net;
use super::ring::{Ring, Tag};
use crate::base::{Span, Ticks};
use crate::runtime::event::Event;
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
    /// Shared by the cores.
    start: Arc<Mutex<Start>>,
    /// Shards that take connections; those of a shared port are dealt round robin.
    takers: Vec<usize>,
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
    /// For one core of a process with so many shards.
    pub(super) fn new(gates: Vec<Gate>, start: Arc<Mutex<Start>>, shards: usize) -> Self {
        let allowed = probe::limits().open_files.soft;
        Self {
            gates,
            start,
            takers: Vec::new(),
            dealt: 0,
            ready: Vec::new(),
            paused_until: None,
            told_at: None,
            descriptors: first_reserved(allowed, shards),
        }
    }

    pub(super) fn listen(&mut self, ring: &mut Ring, local: usize) -> Result<(), RunError> {
        if !self.takers.contains(&local) {
            self.takers.push(local);
        }
        let begun = listen::begin(&mut self.gates, local, &self.start);
        let begun = begun.map_err(|error| RunError::System {
            call: "listen",
            errno: system::errno_of(&error),
        })?;
        for number in begun {
            self.wait(ring, number);
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, local: usize) {
        self.takers.retain(|taker| *taker != local);
        let nobody_takes = self.takers.is_empty();
        for gate in &mut self.gates {
            let is_over = gate.owner.map_or(nobody_takes, |owner| owner == local);
            if let Some(socket) = gate.socket.take_if(|_| is_over) {
                // Ends the poll that the ring holds; the queue is refused from here on.
                let _ = socket.shutdown(std::net::Shutdown::Both);
            }
        }
        if nobody_takes {
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
                    let owner = gate.owner;
                    self.deal(socket, owner, net, inboxes);
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

    fn deal<M>(
        &mut self,
        socket: Socket,
        owner: Option<usize>,
        net: &mut Net,
        inboxes: &mut Inboxes<M>,
    ) {
        // A peer that is gone already has no address.
        let Some((peer, local_address)) = system::ends_of(&socket) else {
            return;
        };
        // Replies leave whole; waiting for more only delays them. Refused by a dead socket only.
        let _ = socket.set_tcp_nodelay(true);
        let taker = owner.unwrap_or(self.takers[self.dealt % self.takers.len()]);
        self.dealt += 1;
        let connection = net.adopt(socket, taker);
        let event = Event::Accepted {
            connection,
            peer,
            local: local_address,
        };
        inboxes.put(taker, event);
    }
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

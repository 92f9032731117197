//! What has happened since the last turn, as events in the shards' inboxes.

use super::core::Core;
use super::mesh::Envelope;
use super::ring::{Completion, Tag};
use crate::base::ShardId;
use crate::runtime::event::Event;
use crate::runtime::machine::Machine;
use crate::runtime::system;

/// Envelopes taken between two turns.
const ENVELOPES_MAX: usize = 256;

impl<M: Machine> Core<M> {
    /// Other threads wake us through the ring too.
    pub(super) fn hear_doorbell(&mut self) {
        self.ring
            .poll(self.bell.descriptor(), libc::POLLIN, Tag::Doorbell);
    }

    /// Collects what has happened since the last turn, as far as there is room for it.
    pub(super) fn gather(&mut self) {
        let now = system::ticks();
        self.take_envelopes();
        if self.inboxes.has_room() {
            self.ring.reap(&mut self.completions);
            while let Some(completion) = self.completions.pop_front() {
                self.complete(completion);
            }
        }
        while let Some((local, done)) = self.disks.next_ended() {
            self.inboxes.put(local, Event::Disk(done));
        }
        if self.acceptor.is_ready() || self.acceptor.wake_at().is_some_and(|at| at <= now) {
            let (ring, net) = (&mut self.ring, &mut self.net);
            self.acceptor.accept(now, ring, net, &mut self.inboxes);
        }
        self.net.send_ready(&mut self.ring, &mut self.inboxes);
        self.net.receive_ready(&mut self.ring, &mut self.inboxes);
        for (local, tenant) in self.tenants.iter_mut().enumerate() {
            if tenant.wake_at.is_some_and(|at| at <= now) {
                tenant.wake_at = None;
                self.inboxes.put(local, Event::Wake);
            }
        }
    }

    pub(super) fn complete(&mut self, completion: Completion) {
        match completion.tag {
            Tag::Readable(number) => self.net.on_readable(&mut self.inboxes, number),
            Tag::Writable(number) => self.net.on_writable(number),
            Tag::Acceptable(number) => self.acceptor.on_acceptable(number),
            Tag::Timer(number) => self.timer.fired(number),
            Tag::Doorbell => {
                self.bell.take_count();
                self.hear_doorbell();
            }
            Tag::Disk(slot) => {
                let done = self.disks.completed(&mut self.ring, slot, completion);
                if let Some((local, done)) = done {
                    self.inboxes.put(local, Event::Disk(done));
                }
            }
        }
    }

    /// Takes what other threads sent; true if there was anything.
    pub(super) fn take_envelopes(&mut self) -> bool {
        let mut any = false;
        for _ in 0..ENVELOPES_MAX {
            if !self.inboxes.has_room() {
                break;
            }
            let Ok(envelope) = self.envelopes.try_recv() else {
                break;
            };
            any = true;
            match envelope {
                Envelope::Message { from, to, message } => self.deliver(from, to, message),
                Envelope::Disk { local, gone, done } => {
                    self.disks.are_without(local, gone);
                    self.inboxes.put(local, Event::Disk(done));
                }
                Envelope::Bound { local, outcome } => {
                    self.inboxes.put(local, Event::Bound(outcome));
                }
                Envelope::Stop => {
                    for local in 0..self.tenants.len() {
                        self.inboxes.put(local, Event::Stop);
                    }
                }
            }
        }
        any
    }

    pub(super) fn deliver(&mut self, from: ShardId, to: ShardId, message: M::Message) {
        if let Some(seat) = self.mesh.seat_of(to) {
            self.inboxes.put(seat.local, Event::Mesh { from, message });
        }
    }
}

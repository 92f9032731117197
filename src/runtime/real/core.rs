//! One core: its ring, its shards, and the loop that drives them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::accept::Acceptor;
use super::disks::Disks;
use super::error::RunError;
use super::inbox::Inboxes;
use super::mesh::{Door, Doorbell, Envelope};
use super::net::Net;
use super::patience::Patience;
use super::ring::{Completion, Ring, Tag, Watch};
use super::stats::Stats;
use super::timer::Timer;
use crate::base::{ShardId, Span, Ticks};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Machine;
use crate::runtime::system::{self, Errno};

/// A turn ends after this many events, or once it has taken this long.
const TURN_EVENTS_MAX: u64 = 256;
const TURN_SPAN_MAX: Span = Span(500_000);

/// The clock is read once per so many events of a turn.
const EVENTS_PER_LOOK: u64 = 8;

/// Envelopes taken between two turns.
const ENVELOPES_MAX: usize = 256;

/// Where a shard runs.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    pub(super) core: usize,
    pub(super) local: usize,
}

/// A shard on its core.
pub(super) struct Tenant<M: Machine> {
    pub(super) id: ShardId,
    pub(super) machine: M,
    pub(super) wake_at: Option<Ticks>,
    pub(super) stopped: Option<u8>,
    /// It has had a turn since its readings were taken, and somebody reads them.
    pub(super) has_news: bool,
}

/// All cores' doors, and who lives behind which.
pub(super) struct Mesh<M> {
    pub(super) doors: Vec<Door<M>>,
    pub(super) seats: Vec<(ShardId, Seat)>,
}

impl<M> Mesh<M> {
    fn seat_of(&self, shard: ShardId) -> Option<Seat> {
        let found = self.seats.iter().find(|(id, _)| *id == shard);
        found.map(|(_, seat)| *seat)
    }
}

pub(super) struct Core<M: Machine> {
    pub(super) number: usize,
    pub(super) ring: Ring,
    pub(super) bell: Arc<Doorbell>,
    pub(super) tenants: Vec<Tenant<M>>,
    pub(super) inboxes: Inboxes<M::Message>,
    pub(super) net: Net,
    pub(super) acceptor: Acceptor,
    pub(super) disks: Disks,
    pub(super) timer: Timer,
    pub(super) mesh: Arc<Mesh<M::Message>>,
    pub(super) envelopes: Receiver<Envelope<M::Message>>,
    pub(super) stats: Arc<Stats>,
    pub(super) patience: Patience,
    pub(super) completions: VecDeque<Completion>,
}

impl<M: Machine> Core<M> {
    /// Drives the shards until each has stopped; the largest code that one of them said.
    pub(super) async fn run(mut self) -> Result<u8, RunError> {
        self.hear_doorbell();
        for local in 0..self.tenants.len() {
            self.inboxes.put(local, Event::Started);
        }
        while self.tenants.iter().any(|tenant| tenant.stopped.is_none()) {
            self.gather();
            self.take_turns()?;
            let told_at = self.tell_news();
            self.set_timer(told_at);
            if self.is_busy() {
                self.ring.submit().map_err(ring_failed)?;
                glommio::yield_if_needed().await;
            } else {
                self.sleep()?;
            }
        }
        self.wind_up()
    }

    /// Other threads wake us through the ring too.
    fn hear_doorbell(&mut self) {
        self.ring
            .poll(self.bell.descriptor(), libc::POLLIN, Tag::Doorbell);
    }

    /// Collects what has happened since the last turn, as far as there is room for it.
    fn gather(&mut self) {
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

    fn complete(&mut self, completion: Completion) {
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
    fn take_envelopes(&mut self) -> bool {
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
                Envelope::Disk { local, done } => self.inboxes.put(local, Event::Disk(done)),
                Envelope::Stop => {
                    for local in 0..self.tenants.len() {
                        self.inboxes.put(local, Event::Stop);
                    }
                }
            }
        }
        any
    }

    fn deliver(&mut self, from: ShardId, to: ShardId, message: M::Message) {
        if let Some(seat) = self.mesh.seat_of(to) {
            self.inboxes.put(seat.local, Event::Mesh { from, message });
        }
    }

    fn take_turns(&mut self) -> Result<(), RunError> {
        for local in 0..self.tenants.len() {
            if self.tenants[local].stopped.is_some() {
                self.inboxes.clear(local);
            } else if !self.inboxes.is_empty_for(local) {
                self.take_turn(local)?;
            }
        }
        Ok(())
    }

    /// One turn of one shard: events, decisions, deeds.
    fn take_turn(&mut self, local: usize) -> Result<(), RunError> {
        let now = system::now();
        let mut actions = Actions::default();
        let mut events = 0;
        let tenant = &mut self.tenants[local];
        while let Some(event) = self.inboxes.next(local) {
            tenant.machine.handle(now, event, &mut actions);
            events += 1;
            let look = events % EVENTS_PER_LOOK == 0;
            let late = look && system::ticks().since(now.ticks) > TURN_SPAN_MAX;
            if late || events == TURN_EVENTS_MAX {
                break;
            }
        }
        tenant.machine.end_turn(now, &mut actions);
        self.perform(local, actions)?;
        if let Some(stats) = self.stats.of(self.tenants[local].id) {
            stats.count(events, system::ticks().since(now.ticks));
            self.tenants[local].has_news = self.stats.is_read();
        }
        Ok(())
    }

    fn perform(&mut self, local: usize, actions: Actions<M::Message>) -> Result<(), RunError> {
        for op in actions.disk {
            self.disks.begin(&mut self.ring, local, op);
        }
        for (to, message) in actions.mesh {
            self.post(local, to, message);
        }
        for send in actions.send {
            self.net.send(local, send);
        }
        for receive in actions.receive {
            self.net.receive(&mut self.ring, local, receive);
        }
        for id in actions.detach {
            let ring = &mut self.ring;
            self.net.detach(ring, &mut self.inboxes, local, id);
        }
        for transit in actions.attach {
            self.net.attach(&mut self.inboxes, local, transit);
        }
        for id in actions.finish {
            self.net.finish(local, id);
        }
        if !actions.close.is_empty() {
            self.net.send_ready(&mut self.ring, &mut self.inboxes);
        }
        for close in actions.close {
            self.net.close(&mut self.inboxes, local, close);
        }
        let stats = self.stats.of(self.tenants[local].id);
        if actions.listen {
            self.acceptor.listen(&mut self.ring, local)?;
            stats.inspect(|stats| stats.serves());
        }
        if actions.stop_listening {
            self.acceptor.stop(local);
            stats.inspect(|stats| stats.stops());
        }
        let tenant = &mut self.tenants[local];
        tenant.wake_at = actions.wake_at.or(tenant.wake_at);
        tenant.stopped = actions.stopped.or(tenant.stopped);
        Ok(())
    }

    fn post(&mut self, local: usize, to: ShardId, message: M::Message) {
        let from = self.tenants[local].id;
        match self.mesh.seat_of(to) {
            Some(seat) if seat.core == self.number => self.deliver(from, to, message),
            Some(seat) => {
                self.mesh.doors[seat.core].put(Envelope::Message { from, to, message });
            }
            None => tracing::error!(%from, %to, "a message to a shard that is not here"),
        }
    }

    /// Takes readings that are due; when the next will be.
    fn tell_news(&mut self) -> Option<Ticks> {
        if !self.tenants.iter().any(|tenant| tenant.has_news) {
            return None;
        }
        let now = system::ticks();
        let mut next = None;
        for tenant in self.tenants.iter_mut().filter(|tenant| tenant.has_news) {
            let Some(stats) = self.stats.of(tenant.id) else {
                continue;
            };
            let due = stats.due_at();
            if due > now {
                next = Some(next.map_or(due, |other: Ticks| other.min(due)));
                continue;
            }
            let mut readings = Vec::new();
            tenant.machine.readings(&mut readings);
            stats.publish(now, readings);
            tenant.has_news = false;
        }
        next
    }

    fn set_timer(&mut self, told_at: Option<Ticks>) {
        let wakes = self.tenants.iter().map(|tenant| tenant.wake_at);
        let others = [self.acceptor.wake_at(), told_at];
        let next = wakes.chain(others).flatten().min();
        self.timer.set(&mut self.ring, next);
        // Sends go out before the core may sleep or gather more.
        self.net.send_ready(&mut self.ring, &mut self.inboxes);
    }

    /// True if there is something to do without waiting.
    fn is_busy(&self) -> bool {
        !self.inboxes.is_empty()
            || self.net.is_ready()
            || self.acceptor.is_ready()
            || self.disks.has_ended()
            || self.tenants.iter().all(|tenant| tenant.stopped.is_some())
    }

    /// Waits in our ring until something ends: disk, sockets, the timer, or the doorbell, which
    /// other cores, the helper and the stop ring. `ring` says why not in glommio's.
    fn sleep(&mut self) -> Result<(), RunError> {
        self.bell.lie_down();
        if !self.take_envelopes() {
            self.wait()?;
        }
        self.bell.get_up();
        Ok(())
    }

    /// Waits awake at first, where that has paid.
    fn wait(&mut self) -> Result<(), RunError> {
        let began = system::ticks();
        let wait = self.disks.waits_for();
        let awake = self.patience.span(wait);
        if awake > Span(0) {
            match self.ring.poll_for(awake).map_err(ring_failed)? {
                Watch::Ended => {}
                Watch::Quiet => self.ring.wait().map_err(ring_failed)?,
                Watch::Crowded => {
                    self.patience.was_crowded();
                    return self.ring.wait().map_err(ring_failed);
                }
            }
        } else {
            self.ring.wait().map_err(ring_failed)?;
        }
        self.patience.learn(wait, system::ticks().since(began));
        Ok(())
    }

    /// Waits for what the kernel still holds of our memory.
    fn wind_up(mut self) -> Result<u8, RunError> {
        while self.disks.is_under_way() {
            self.ring.wait().map_err(ring_failed)?;
            self.ring.reap(&mut self.completions);
            while let Some(completion) = self.completions.pop_front() {
                self.complete(completion);
            }
        }
        let codes = self.tenants.iter().filter_map(|tenant| tenant.stopped);
        Ok(codes.max().unwrap_or(0))
    }
}

fn ring_failed(errno: Errno) -> RunError {
    let call = "io_uring_enter";
    RunError::System { call, errno }
}

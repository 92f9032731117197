//! The shard as a machine: events in, actions out.

use std::collections::BTreeSet;

use crate::base::limits::SHORT_MEMORY_SILENCE;
use crate::base::random::Random;
use crate::base::{Now, Reading, ShardId, Ticks};
use crate::cluster::Metadata;
use crate::log::RetentionClock;
use crate::runtime::{Actions, BlockPool, CloseReason, Event, Machine};
use crate::wire::ApiSet;

use super::api::init_producer_id::ProducerIds;
use super::api::metadata_all::FullReplies;
use super::api::metadata_cache::MetadataCache;
use super::api::produce::LongProduces;
use super::calls::Calls;
use super::config::ShardConfig;
use super::connections::Connections;
use super::coordinator::Coordinator;
use super::decider::Decider;
use super::door::Door;
use super::fetch_session::Sessions;
use super::introduced::IntroducedList;
use super::listening::Listening;
use super::message::{Message, Outbox};
use super::owner::Owner;
use super::readings::Counts;
use super::steer::SteeringCounts;
use super::stop::Stopping;
use super::timers::{Timer, Timers};
use super::topic_configs::TopicConfigs;

/// A core's state. Owned by the driver; every decision is made in `handle` and `end_turn`.
pub struct Shard {
    pub(super) id: ShardId,
    pub(super) config: ShardConfig,
    pub(super) pool: BlockPool,
    pub(super) apis: ApiSet,
    /// The time of the event at hand.
    pub(super) now: Now,
    pub(super) turn: u64,
    /// Bytes of requests decoded in this turn.
    pub(super) turn_bytes: usize,
    pub(super) connections: Connections,
    /// Shard 0 counts connections here, its own and those of others.
    pub(super) door: Door,
    pub(super) calls: Calls,
    /// Fetch sessions that were begun here.
    pub(super) sessions: Sessions,
    pub(super) steering: SteeringCounts,
    /// Of requests, for people.
    pub(super) counts: Counts,
    /// Clients whose connections need not say who they are.
    pub(super) introduced: IntroducedList,
    /// This shard's partitions and journal.
    pub(super) owner: Owner,
    /// Groups whose partition is here.
    pub(super) coordinator: Coordinator,
    /// Shard 0 only.
    pub(super) decider: Option<Decider>,
    /// Changes of listeners, and what the driver is to be told of them.
    pub(super) listening: Listening,
    /// Our copy of the metadata. None until shard 0 has sent it.
    pub(super) metadata: Option<Metadata>,
    /// What is in force for topics, broker-wide defaults included.
    pub(super) topic_configs: TopicConfigs,
    pub(super) metadata_cache: MetadataCache,
    /// Replies with every topic that are too large for one turn.
    pub(super) full_replies: FullReplies,
    /// Produces that are too large for one turn.
    pub(super) long_produces: LongProduces,
    /// Shards whose journals have failed: their partitions have no leader.
    pub(super) failed: BTreeSet<ShardId>,
    pub(super) producer_ids: ProducerIds,
    pub(super) retention: Option<RetentionClock>,
    /// Damaged places of which the log has told.
    pub(super) told: super::damage::Told,
    pub(super) timers: Timers,
    pub(super) random: Random,
    pub(super) stopping: Option<Stopping>,
    /// Messages to be delivered: to other shards when the turn ends, to ourselves at once.
    pub(super) outbox: Outbox,
    pub(super) to_others: Outbox,
    /// We have said `listen`, or may say it now.
    pub(super) listen: Listen,
    /// What the process ends with, once it is decided.
    pub(super) ended: Option<u8>,
    /// A bound on calls has held connections back; they are looked at when it has room.
    pub(super) held_back: bool,
    /// `Timer::Memory` is set.
    pub(super) memory_watched: bool,
    /// Shards with nothing owed, once a stop has begun.
    pub(super) drained: BTreeSet<ShardId>,
    /// When the driver was last told to wake us, if that is still to come.
    pub(super) wake_asked: Option<Ticks>,
    /// Ticks of the slow timer so far.
    pub(super) ticks: u64,
}

/// Whether clients may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    NotYet,
    Asked,
    Said,
    Over,
}

impl Machine for Shard {
    type Message = Message;

    fn handle(&mut self, now: Now, event: Event<Message>, _actions: &mut Actions<Message>) {
        self.now = now;
        match event {
            Event::Started => self.started(),
            Event::Accepted {
                connection,
                peer,
                local,
            } => {
                self.connections.accepted(
                    connection,
                    peer,
                    local,
                    &self.config.addresses,
                    now.ticks,
                    &mut self.timers,
                );
                if let Some(known) = self.connections.get_mut(connection)
                    && !known.doomed
                {
                    known.sees_shards = self.config.layout.sees_shards(None);
                    let listener = known.listener;
                    self.ask_entry(connection, peer.ip(), listener);
                }
            }
            Event::Received {
                connection,
                block,
                count,
            } => self.received(connection, block, count),
            Event::Sent { connection } => self.connections.sent(connection, now.ticks),
            Event::Closed { connection, reason } => self.closed(connection, reason),
            Event::Detached {
                connection,
                transit,
                block,
            } => self.detached(connection, transit, block),
            Event::Attached { connection } => self.attached(connection),
            Event::Disk(done) => self.owner.completed(now, done),
            Event::Bound(outcome) => self.listeners_bound(outcome),
            Event::Mesh { from, message } => self.deliver(from, message),
            Event::Wake => {
                self.wake_asked = None;
                self.wake();
            }
            Event::Stop => self.stop(),
        }
        self.deliver_own();
    }

    fn end_turn(&mut self, now: Now, actions: &mut Actions<Message>) {
        self.now = now;
        self.settle();
        self.deliver_own();
        self.continue_stop(actions);
        self.deliver_own();
        let timers = &mut self.timers;
        for id in self.connections.end_turn(now.ticks, timers, actions) {
            self.let_go(id, actions);
            self.ask_receive(id, actions);
        }
        self.owner.end_turn(now, &mut actions.disk);
        self.finish_stop();
        actions.mesh.append(&mut self.to_others);
        self.say_listen(actions);
        self.say_listeners(actions);
        if self.ended.is_some() {
            actions.stopped = self.ended;
        }
        let wake = self.next_wake();
        if wake.is_some() && wake != self.wake_asked {
            self.wake_asked = wake;
            actions.wake_at = wake;
        }
        self.turn += 1;
        self.turn_bytes = 0;
    }

    fn readings(&self, out: &mut Vec<Reading>) {
        self.tell_readings(out);
    }
}

impl Shard {
    fn closed(&mut self, connection: crate::runtime::ConnectionId, _reason: CloseReason) {
        let entered = self.connections.closed(connection);
        self.note_left(entered);
    }

    /// Timers, and connections whose share of the last turn was used up.
    fn wake(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now.ticks) {
            match timer {
                Timer::FetchDeadline(token) => self.fetch_deadline(token),
                Timer::Connection(id) => {
                    let now = self.now.ticks;
                    self.connections.check_silence(id, now, &mut self.timers);
                }
                Timer::Door => self.wake_door(),
                Timer::Memory => self.check_memory(),
                Timer::Groups => self.wake_groups(),
                Timer::GroupLoad => self.load_groups(),
                Timer::Tick => self.tick(),
                Timer::StopDeadline => self.stop_deadline(),
            }
        }
        self.continue_full_replies();
        self.continue_long_produces();
        for id in self.connections.take_runnable() {
            self.read_requests(id);
            self.connections.touch(id);
        }
    }

    fn check_memory(&mut self) {
        self.memory_watched = self.connections.check_memory(self.now.ticks);
        if self.memory_watched {
            let at = self.now.ticks + SHORT_MEMORY_SILENCE;
            self.timers.set(at, Timer::Memory);
        }
    }

    /// What the journal's progress allows: durable answers, decided metadata, ended reads.
    fn settle(&mut self) {
        self.owner.settle(self.now, &mut self.outbox);
        self.settle_metadata();
        if self.owner.has_failed() && !self.failed.contains(&self.id) {
            self.own_journal_failed();
        }
    }

    fn say_listen(&mut self, actions: &mut Actions<Message>) {
        match self.listen {
            Listen::Asked => {
                actions.listen = true;
                self.listen = Listen::Said;
            }
            Listen::NotYet | Listen::Said | Listen::Over => {}
        }
    }

    fn next_wake(&self) -> Option<Ticks> {
        let in_slices = !self.full_replies.is_empty() || !self.long_produces.is_empty();
        if self.connections.has_runnable() || in_slices {
            return Some(self.now.ticks);
        }
        [self.timers.next(), self.owner.journal.wake_at()]
            .into_iter()
            .flatten()
            .min()
    }
}

//! One core: its ring, its shards, and all else that its loop, `pump`, drives.

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
use super::ring::{Completion, Ring};
use super::stats::Stats;
use super::timer::Timer;
use crate::base::{ShardId, Ticks};
use crate::runtime::machine::Machine;
use crate::runtime::system::Errno;

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
    pub(super) fn seat_of(&self, shard: ShardId) -> Option<Seat> {
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

pub(super) fn ring_failed(errno: Errno) -> RunError {
    let call = "io_uring_enter";
    RunError::System { call, errno }
}

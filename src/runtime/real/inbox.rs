//! What a core's shards have not yet been told.

use std::collections::VecDeque;

use crate::runtime::event::Event;

/// The driver gathers no further news while this much waits on a core.
const WAITING_MAX: usize = 4096;

/// One queue of events per shard of a core. Single-threaded; bounded by `has_room`.
pub(super) struct Inboxes<M> {
    queues: Vec<VecDeque<Event<M>>>,
    waiting: usize,
}

impl<M> Inboxes<M> {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            queues: (0..shards).map(|_| VecDeque::new()).collect(),
            waiting: 0,
        }
    }

    pub(super) fn put(&mut self, local: usize, event: Event<M>) {
        self.queues[local].push_back(event);
        self.waiting += 1;
    }

    pub(super) fn next(&mut self, local: usize) -> Option<Event<M>> {
        let event = self.queues[local].pop_front()?;
        self.waiting -= 1;
        Some(event)
    }

    pub(super) fn is_empty_for(&self, local: usize) -> bool {
        self.queues[local].is_empty()
    }

    pub(super) fn clear(&mut self, local: usize) {
        self.waiting -= self.queues[local].len();
        self.queues[local].clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting < WAITING_MAX
    }
}

//! What reaches a core from other threads: shards' messages, the disk helper's answers, what was
//! bound, the stop.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::base::ShardId;
use crate::runtime::disk::{DiskDone, FileId};
use crate::runtime::event::Bound;
use crate::runtime::system::{self, Errno};

/// One thing from another thread.
pub(super) enum Envelope<M> {
    Message {
        from: ShardId,
        to: ShardId,
        message: M,
    },
    /// An operation that another thread did for the core's shard with this number.
    Disk {
        local: usize,
        /// The file that it removed.
        gone: Option<FileId>,
        done: DiskDone,
    },
    /// What became of the listeners that the core's shard with this number wanted.
    Bound { local: usize, outcome: Bound },
    /// Every shard is asked to end.
    Stop,
}

/// Wakes one core, whose ring polls the eventfd.
pub(super) struct Doorbell {
    eventfd: OwnedFd,
    /// True while the core sleeps or is about to; who sets it to false rings.
    asleep: AtomicBool,
}

impl Doorbell {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            eventfd: system::new_eventfd()?,
            asleep: AtomicBool::new(false),
        })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Takes what was rung. Only once a poll has said that there is something.
    pub(super) fn take_count(&self) {
        system::await_count(self.descriptor());
    }

    /// Wakes the core if it sleeps. What it is woken for must be in its channel already.
    pub(super) fn ring(&self) {
        // Pairs with the fence in `lie_down`: either we see `asleep`, or the core, which looks at
        // its channel after it has set it, sees what we sent.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            system::count_up(self.descriptor());
        }
    }

    /// The core is about to sleep and looks at its channel once more after this.
    pub(super) fn lie_down(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(super) fn get_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// The way into one core. In order per sender. Unbounded in itself: shards bound what they have
/// under way at each other, and the helper answers only what was asked.
pub(super) struct Door<M> {
    sender: Sender<Envelope<M>>,
    bell: Arc<Doorbell>,
}

impl<M> Clone for Door<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            bell: self.bell.clone(),
        }
    }
}

impl<M> Door<M> {
    pub(super) fn new() -> Result<(Self, Receiver<Envelope<M>>), Errno> {
        let (sender, receiver) = channel();
        let bell = Arc::new(Doorbell::new()?);
        Ok((Self { sender, bell }, receiver))
    }

    /// A core that has ended hears nothing, which is no error.
    pub(super) fn put(&self, envelope: Envelope<M>) {
        if self.sender.send(envelope).is_ok() {
            self.bell.ring();
        }
    }

    pub(super) fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }
}

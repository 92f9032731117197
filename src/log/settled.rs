//! What one look at the journal's progress let happen.

use super::offset::{AckToken, FetchToken, WatchToken};
use crate::journal::StreamId;

/// Filled by `Partitions::settle`; the caller drains and reuses it.
#[derive(Debug, Default)]
pub struct Settled {
    /// Changes that are now durable as far as their topic asks; answer them. In the order in which
    /// they were made, except between topics of different durability.
    pub acked: Vec<AckToken>,
    /// Fetches that waited and now have what they asked for, or whose partition changed under
    /// them: plan them again and answer. They are forgotten here.
    pub woken: Vec<FetchToken>,
    /// Partitions whose high watermark moved, with repetitions.
    pub advanced: Vec<StreamId>,
    /// Watched streams that changed: their end, their start or their leader. Those watches are
    /// over.
    pub changed: Vec<(WatchToken, StreamId)>,
}

impl Settled {
    pub fn is_empty(&self) -> bool {
        self.acked.is_empty()
            && self.woken.is_empty()
            && self.advanced.is_empty()
            && self.changed.is_empty()
    }

    pub fn clear(&mut self) {
        self.acked.clear();
        self.woken.clear();
        self.advanced.clear();
        self.changed.clear();
    }
}

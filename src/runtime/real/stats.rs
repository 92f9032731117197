//! How long a shard's turns take.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::{ShardId, Span};

/// Counters of one shard, written by its core, read by anybody.
#[derive(Debug, Default)]
pub struct TurnStats {
    turns: AtomicU64,
    events: AtomicU64,
    busy_ns: AtomicU64,
    longest_ns: AtomicU64,
    booted_percent: AtomicU64,
}

/// A reading of `TurnStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnReading {
    pub turns: u64,
    pub events: u64,
    /// Time spent in turns, all together.
    pub busy: Span,
    /// The longest turn since the last reading that took it.
    pub longest: Span,
}

impl TurnStats {
    pub(super) fn count(&self, events: u64, took: Span) {
        // One writer: no read-modify-write is needed, and none is wanted on the hot path.
        let add = |counter: &AtomicU64, more: u64| {
            counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        };
        add(&self.turns, 1);
        add(&self.events, events);
        add(&self.busy_ns, took.0);
        if took.0 > self.longest_ns.load(Ordering::Relaxed) {
            self.longest_ns.store(took.0, Ordering::Relaxed);
        }
    }

    /// How much of the boot is done.
    pub fn booted_percent(&self) -> u64 {
        self.booted_percent.load(Ordering::Relaxed)
    }

    /// The counters; the longest turn begins anew.
    pub fn take(&self) -> TurnReading {
        TurnReading {
            turns: self.turns.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            busy: Span(self.busy_ns.load(Ordering::Relaxed)),
            longest: Span(self.longest_ns.swap(0, Ordering::Relaxed)),
        }
    }
}

/// The counters of every shard of a process, made before it runs.
#[derive(Debug, Default)]
pub struct Stats {
    shards: Vec<(ShardId, TurnStats)>,
}

impl Stats {
    pub fn new(shards: impl IntoIterator<Item = ShardId>) -> Self {
        let shards = shards.into_iter();
        Self {
            shards: shards.map(|shard| (shard, TurnStats::default())).collect(),
        }
    }

    /// Every shard with its counters.
    pub fn all(&self) -> impl Iterator<Item = (ShardId, &TurnStats)> {
        self.shards.iter().map(|(id, stats)| (*id, stats))
    }

    pub(super) fn boots(&self, shard: ShardId, done: u32, all: u32) {
        let percent = u64::from(done) * 100 / u64::from(all.max(1));
        if let Some(stats) = self.of(shard) {
            stats.booted_percent.store(percent, Ordering::Relaxed);
        }
    }

    pub fn of(&self, shard: ShardId) -> Option<&TurnStats> {
        let found = self.shards.iter().find(|(id, _)| *id == shard);
        found.map(|(_, stats)| stats)
    }
}

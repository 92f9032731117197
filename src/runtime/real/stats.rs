//! What a shard's driver and machine tell of themselves: how long turns take, and readings.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use crate::base::limits::READINGS_WAIT;
use crate::base::reading::SPREAD_BOUNDS;
use crate::base::{Metric, Reading, ShardId, Span, Spread, Ticks};

static TURNS: Metric = Metric::histogram(
    "thalweg_turn_seconds",
    "How long the shard's turns took: nothing else of the shard is served meanwhile.",
);
static LONGEST: Metric = Metric::gauge(
    "thalweg_longest_stall_seconds",
    "The longest turn since the start of the process.",
);
static EVENTS: Metric = Metric::counter(
    "thalweg_events_total",
    "Events that the shard's turns have handled.",
);

/// How far a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShardPhase {
    /// So many percent of its boot are done.
    Boots(u64),
    Serves,
    Stops,
}

const BOOTS: u8 = 0;
const SERVES: u8 = 1;
const STOPS: u8 = 2;

/// Counters of one shard, written by its core, read by anybody.
#[derive(Debug, Default)]
pub struct TurnStats {
    turns: [AtomicU64; SPREAD_BOUNDS.len() + 1],
    events: AtomicU64,
    busy_ns: AtomicU64,
    longest_ns: AtomicU64,
    booted_percent: AtomicU64,
    phase: AtomicU8,
    /// When the readings below were taken; zero: never.
    read_at: AtomicU64,
    readings: Mutex<Vec<Reading>>,
}

impl TurnStats {
    pub(super) fn count(&self, events: u64, took: Span) {
        // One writer: no read-modify-write is needed, and none is wanted on the hot path.
        let add = |counter: &AtomicU64, more: u64| {
            counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        };
        add(&self.turns[Spread::class_of(took)], 1);
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

    pub fn phase(&self) -> ShardPhase {
        match self.phase.load(Ordering::Relaxed) {
            BOOTS => ShardPhase::Boots(self.booted_percent()),
            SERVES => ShardPhase::Serves,
            _ => ShardPhase::Stops,
        }
    }

    fn serves(&self) {
        self.phase.store(SERVES, Ordering::Relaxed);
    }

    pub(super) fn stops(&self) {
        self.phase.store(STOPS, Ordering::Relaxed);
    }

    /// When new readings may be taken.
    pub(super) fn due_at(&self) -> Ticks {
        match self.read_at.load(Ordering::Relaxed) {
            0 => Ticks(0),
            read_at => Ticks(read_at) + READINGS_WAIT,
        }
    }

    /// The machine's readings of now.
    pub(super) fn publish(&self, now: Ticks, readings: Vec<Reading>) {
        self.read_at.store(now.0.max(1), Ordering::Relaxed);
        // A reader that panicked has broken nothing: it only copies.
        let mut slot = self.readings.lock().unwrap_or_else(|e| e.into_inner());
        *slot = readings;
    }

    /// The counters of turns, and what the machine told last: at most `READINGS_WAIT` ago.
    pub fn readings(&self) -> Vec<Reading> {
        let own = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let turns = Spread {
            counts: self.turns.each_ref().map(own),
            sum_ns: own(&self.busy_ns),
        };
        let mut all = vec![
            Reading::spread(&TURNS, turns),
            Reading::seconds(&LONGEST, Span(own(&self.longest_ns))),
            Reading::whole(&EVENTS, own(&self.events)),
        ];
        let told = self.readings.lock().unwrap_or_else(|e| e.into_inner());
        all.extend(told.iter().cloned());
        all
    }
}

/// The counters of every shard of a process, made before it runs.
#[derive(Debug, Default)]
pub struct Stats {
    shards: Vec<(ShardId, TurnStats)>,
    /// Somebody reads what machines tell.
    is_read: AtomicBool,
    /// How many shards have begun to serve.
    serving: Mutex<usize>,
    one_more_serves: Condvar,
}

impl Stats {
    pub fn new(shards: impl IntoIterator<Item = ShardId>) -> Self {
        let shards = shards.into_iter();
        Self {
            shards: shards.map(|shard| (shard, TurnStats::default())).collect(),
            ..Self::default()
        }
    }

    /// Machines are asked for readings from now on.
    pub fn will_be_read(&self) {
        self.is_read.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
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

    /// The shard takes connections from now on.
    pub(super) fn serves(&self, shard: ShardId) {
        let Some(stats) = self.of(shard) else {
            return;
        };
        stats.serves();
        *self.serving.lock().expect("no holder panics") += 1;
        self.one_more_serves.notify_all();
    }

    /// Waits until every shard takes connections; for ever, if one never does.
    pub fn await_serving(&self) {
        let serving = self.serving.lock().expect("no holder panics");
        let some_do_not = |serving: &mut usize| *serving < self.shards.len();
        let all = self.one_more_serves.wait_while(serving, some_do_not);
        drop(all.expect("no holder panics"));
    }

    pub fn of(&self, shard: ShardId) -> Option<&TurnStats> {
        let found = self.shards.iter().find(|(id, _)| *id == shard);
        found.map(|(_, stats)| stats)
    }
}

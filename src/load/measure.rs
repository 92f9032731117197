//! What is counted while a run goes on, by whom, and when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

/// Nanoseconds, from a microsecond to two minutes, to three digits.
pub type Latencies = Histogram<u64>;

const LATENCY_NS_MIN: u64 = 1_000;
const LATENCY_NS_MAX: u64 = 120_000_000_000;
/// How often a worker shows its recent latencies to the progress line.
const SHOW_EVERY_NS: u64 = 100_000_000;

/// A run warms up, may be looked at before what it is about begins, is measured, and stops; every
/// worker looks at each reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    WarmUp,
    Before,
    Measure,
    Stop,
}

/// What all threads of a run share.
pub struct Shared {
    begun: Instant,
    phase: AtomicU8,
    pub produced: Meter,
    pub consumed: Meter,
}

/// Totals since the run began, for the progress line and for throughput over time.
#[derive(Default)]
pub struct Meter {
    records: AtomicU64,
    bytes: AtomicU64,
    recent: Mutex<Option<Latencies>>,
}

/// One side of a run, produced or consumed, within the measured part.
#[derive(Clone, Debug)]
pub struct Side {
    pub records: u64,
    /// Whole batches as they travel, heads included.
    pub bytes: u64,
    pub requests: u64,
    pub latencies: Latencies,
    /// Those of the phase before.
    pub before: Latencies,
    /// Kafka error codes and how many batches they answered, in the whole run.
    pub errors: BTreeMap<i16, u64>,
    /// The longest time between two replies on one connection.
    pub silence_ns_max: u64,
    /// When the last reply that counts came, since the run began.
    pub last_ns: u64,
    /// How late sends left, against their schedule. Open loops only.
    pub slips: Latencies,
}

/// A worker's own counts.
pub struct Tally<'a> {
    shared: &'a Shared,
    meter: &'a Meter,
    side: Side,
    recent: Latencies,
    shown_ns: u64,
    reply_ns: u64,
    /// Of the last reply.
    phase: Phase,
}

pub fn latencies(digits: u8) -> Latencies {
    // These bounds are valid for any number of digits from 0 to 5, so this cannot fail.
    Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, digits)
        .unwrap_or_else(|error| panic!("bounds of a histogram: {error}"))
}

impl Shared {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            phase: AtomicU8::new(0),
            produced: Meter::default(),
            consumed: Meter::default(),
        }
    }

    pub fn now_ns(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Before,
            2 => Phase::Measure,
            _ => Phase::Stop,
        }
    }

    /// On to a later phase; a run that has stopped stays so.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}

impl Meter {
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The latencies since the last call.
    pub fn take_recent(&self) -> Option<Latencies> {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn show(&self, latencies: &Latencies) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        match recent.as_mut() {
            // Of one shape, so adding cannot fail; a progress line is not worth more.
            Some(recent) => drop(recent.add(latencies)),
            None => *recent = Some(latencies.clone()),
        }
    }
}

impl Default for Side {
    fn default() -> Self {
        Self {
            records: 0,
            bytes: 0,
            requests: 0,
            latencies: latencies(3),
            before: latencies(3),
            errors: BTreeMap::new(),
            silence_ns_max: 0,
            last_ns: 0,
            slips: latencies(2),
        }
    }
}

impl Side {
    pub fn absorb(&mut self, other: &Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.requests += other.requests;
        // Of one shape, so adding cannot fail.
        let _ = self.latencies.add(&other.latencies);
        let _ = self.before.add(&other.before);
        let _ = self.slips.add(&other.slips);
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        self.silence_ns_max = self.silence_ns_max.max(other.silence_ns_max);
        self.last_ns = self.last_ns.max(other.last_ns);
    }
}

impl<'a> Tally<'a> {
    pub fn new(shared: &'a Shared, meter: &'a Meter) -> Self {
        let now = shared.now_ns();
        Self {
            shared,
            meter,
            side: Side::default(),
            recent: latencies(2),
            shown_ns: now,
            reply_ns: now,
            phase: Phase::WarmUp,
        }
    }

    /// A reply has come: `records` in `bytes` of batches. Returns whether its latency counts.
    pub fn reply(&mut self, now_ns: u64, records: u64, bytes: u64) -> bool {
        self.meter.records.fetch_add(records, Ordering::Relaxed);
        self.meter.bytes.fetch_add(bytes, Ordering::Relaxed);
        let silence = now_ns.saturating_sub(self.reply_ns);
        self.reply_ns = now_ns;
        self.phase = self.shared.phase();
        if self.phase != Phase::Measure {
            return self.phase == Phase::Before;
        }
        self.side.records += records;
        self.side.bytes += bytes;
        self.side.requests += 1;
        self.side.silence_ns_max = self.side.silence_ns_max.max(silence);
        self.side.last_ns = now_ns;
        true
    }

    pub fn latency(&mut self, ns: u64, count: u64) {
        match self.phase {
            Phase::Before => self.side.before.saturating_record_n(ns, count),
            _ => self.side.latencies.saturating_record_n(ns, count),
        }
        self.recent.saturating_record_n(ns, count);
        if self.reply_ns - self.shown_ns > SHOW_EVERY_NS {
            self.shown_ns = self.reply_ns;
            self.meter.show(&self.recent);
            self.recent.reset();
        }
    }

    pub fn slips(&mut self, slips: &Latencies) {
        let _ = self.side.slips.add(slips);
    }

    pub fn error(&mut self, code: i16) {
        *self.side.errors.entry(code).or_default() += 1;
    }

    pub fn finish(self) -> Side {
        self.side
    }
}

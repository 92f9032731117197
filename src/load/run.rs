//! A whole run: make the topic, drive it, read everything back, judge, delete.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::{Admin, ends};
use super::cargo::Cargo;
use super::conductor::{Conductor, producer_panicked};
use super::consumer::Place;
use super::ledger::{Ledger, Reading, Verdict};
use super::measure::{Latencies, Phase, Shared, Side};
use super::open::Schedule;
use super::sender::{Job, ProducerEnd, connect};
use super::verify::verify;
use super::{Length, LoadError, Plan, Workload, closed};
use crate::base::ByteCount;

/// What a run is doing, for whoever watches it.
#[derive(Debug)]
pub struct Tick {
    pub since_begun: Duration,
    pub measuring: bool,
    pub produced_records: u64,
    pub produced_bytes: u64,
    pub consumed_records: u64,
    pub consumed_bytes: u64,
    /// Latencies since the last tick.
    pub recent: Option<Latencies>,
}

/// Watches a run; samples the broker where the measured part begins and ends.
pub trait Observer {
    fn stage(&mut self, _what: &str) {}
    fn measuring_begins(&mut self) {}
    fn tick(&mut self, _tick: &Tick) {}
    fn measuring_ends(&mut self) {}
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub produced: Side,
    pub consumed: Side,
    /// The measured part.
    pub elapsed: Duration,
    pub verdict: Verdict,
    pub batch_records: u32,
    /// On average, as they travel.
    pub batch_bytes: ByteCount,
    /// How long the topics took, until all their partitions had leaders.
    pub made_in: Duration,
    /// Why the run broke off, if it did.
    pub failure: Option<LoadError>,
    /// (since the run began, records produced, records consumed), ten times a second.
    pub samples: Vec<(Duration, u64, u64)>,
}

impl Outcome {
    /// Whether the run may report a speed: it ran to its end, no batch was refused, and
    /// everything acknowledged was read back as it was sent.
    pub fn holds(&self) -> bool {
        self.failure.is_none() && self.verdict.holds() && self.errors().is_empty()
    }

    /// Kafka error codes and how many batches they answered.
    pub fn errors(&self) -> BTreeMap<i16, u64> {
        let mut errors = self.produced.errors.clone();
        for (code, count) in &self.consumed.errors {
            *errors.entry(*code).or_default() += count;
        }
        errors
    }
}

/// Runs `plan` and judges it. An error means that there was nothing to judge.
pub fn run(plan: &Plan, observer: &mut dyn Observer) -> Result<Outcome, LoadError> {
    plan.check()?;
    let spread = plan.keys.spread(plan.partitions);
    let cargo = Cargo::new(plan, spread.as_ref());
    let mut admin = Admin::connect(plan.address)?;
    observer.stage("making the topic");
    let making = Instant::now();
    admin.create_topics(plan)?;
    let made_in = making.elapsed();
    let route = admin.route(plan, spread.as_ref())?;
    let places = places(&ends(plan, &route)?, None);
    let idle: Vec<TcpStream> = (0..plan.idle)
        .map(|_| connect(plan.address))
        .collect::<Result<_, _>>()?;

    let shared = Shared::new();
    let job = Job {
        plan,
        cargo: &cargo,
        route: &route,
        shared: &shared,
        schedule: None,
        quota: None,
    };
    let ran = match plan.workload {
        Workload::Consume => replay(&job, &places, observer),
        Workload::Produce | Workload::Both | Workload::EndToEnd => live(&job, &places, observer),
    };
    drop(idle);
    if !plan.keep_topic {
        let deleted = admin.delete_topics(plan);
        if ran.is_ok() {
            deleted?;
        }
    }
    let mut outcome = ran?;
    outcome.batch_records = cargo.records;
    outcome.batch_bytes = ByteCount(cargo.batch_bytes);
    outcome.made_in = made_in;
    Ok(outcome)
}

/// Producing, with or without consumers at the tail; then everything is read back.
fn live(
    job: &Job<'_>,
    places: &[Place],
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    let plan = job.plan;
    let schedule = plan.rate.map(|rate| {
        Schedule::new(
            plan,
            job.route,
            rate,
            job.cargo.records,
            job.shared.now_ns(),
        )
    });
    let quota = match plan.length {
        Length::Records(records) => Some(records.div_ceil(job.route.lanes().len() as u64)),
        Length::Time(_) => None,
    };
    let job = Job {
        schedule: schedule.as_ref(),
        quota,
        ..*job
    };
    let mut conductor = Conductor::new(&job);
    let (produced, consumed) = match plan.workload {
        Workload::EndToEnd => conductor.end_to_end(places, observer),
        Workload::Produce | Workload::Both | Workload::Consume => {
            conductor.produce_and_follow(places, observer)
        }
    };
    let mut outcome = conductor.outcome;
    let ledger = settle(&job, produced, &mut outcome);
    // Every group has read the same streams.
    let mut readings: BTreeMap<u32, Reading> = BTreeMap::new();
    for (group, end) in consumed {
        outcome.consumed.absorb(&end.side);
        outcome.failure = outcome.failure.take().or(end.failure);
        readings.entry(group).or_default().absorb(end.reading);
    }
    if matches!(plan.length, Length::Records(_)) {
        let last = Duration::from_nanos(outcome.produced.last_ns.max(outcome.consumed.last_ns));
        outcome.elapsed = last.saturating_sub(conductor.measuring_since);
    }
    observer.stage("reading everything back");
    outcome.verdict = check(&job, &ledger, places)?;
    for reading in readings.into_values() {
        outcome.verdict.add_wrongs(reading.judge(&ledger, false));
    }
    Ok(outcome)
}

/// Filling a topic, checking it once, then reading it over and over.
fn replay(
    job: &Job<'_>,
    places: &[Place],
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    observer.stage("filling the topic");
    let batches = job.plan.fill.0.div_ceil(job.cargo.batch_bytes);
    let records = batches * u64::from(job.cargo.records);
    let lanes = job.route.lanes();
    let filling = Shared::new();
    filling.enter(Phase::Measure);
    let quota = Some(records.div_ceil(lanes.len() as u64));
    let fill = Job {
        shared: &filling,
        quota,
        ..*job
    };
    let produced = thread::scope(|scope| {
        let workers: Vec<_> = lanes
            .into_iter()
            .map(|lane| scope.spawn(move || closed::produce(&fill, lane)))
            .collect();
        workers
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_| producer_panicked()))
            .collect()
    });
    let mut outcome = Outcome::default();
    let ledger = settle(&fill, produced, &mut outcome);
    if let Some(failure) = outcome.failure {
        return Err(failure);
    }
    observer.stage("checking what was filled in");
    let verdict = check(job, &ledger, places)?;

    observer.stage("reading it over and over");
    let ends = ends(job.plan, job.route)?;
    let filled = self::places(&starts(places), Some(&ends));
    let mut conductor = Conductor::new(job);
    let read = conductor.read_over_and_over(&filled, &ledger, observer);
    let mut outcome = conductor.outcome;
    outcome.verdict = verdict;
    for (end, wrongs) in read {
        outcome.consumed.absorb(&end.side);
        outcome.failure = outcome.failure.take().or(end.failure);
        outcome.verdict.add_wrongs(wrongs);
    }
    Ok(outcome)
}

fn check(job: &Job<'_>, ledger: &Ledger, places: &[Place]) -> Result<Verdict, LoadError> {
    let ends = ends(job.plan, job.route)?;
    verify(job, ledger, &self::places(&starts(places), Some(&ends)))
}

/// Gathers the producers' promises into one ledger.
fn settle(job: &Job<'_>, produced: Vec<ProducerEnd>, outcome: &mut Outcome) -> Ledger {
    let batch_records = u64::from(job.cargo.records);
    let mut ledger = Ledger {
        batch_records,
        ..Ledger::default()
    };
    for end in produced {
        outcome.produced.absorb(&end.side);
        outcome.failure = outcome.failure.take().or(end.failure);
        ledger.streams.extend(end.streams);
    }
    ledger
}

fn starts(places: &[Place]) -> Vec<i64> {
    places.iter().map(|place| place.next).collect()
}

fn places(starts: &[i64], ends: Option<&[i64]>) -> Vec<Place> {
    let end_of = |at: usize| {
        ends.and_then(|ends| ends.get(at))
            .copied()
            .unwrap_or(i64::MAX)
    };
    let numbered = starts.iter().enumerate();
    numbered
        .map(|(at, next)| Place {
            partition: at as u32,
            next: *next,
            end: end_of(at),
        })
        .collect()
}

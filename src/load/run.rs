//! A whole run: make the topic, drive it, read everything back, judge, delete.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::{Admin, begins, ends};
use super::cargo::Cargo;
use super::conductor::{Conductor, producer_panicked};
use super::consumer::Place;
use super::groups::{Gathered, GroupOutcome, GroupTask};
use super::ledger::{Ledger, Reading, Verdict};
use super::measure::{Latencies, Phase, Shared, Side};
use super::open::Schedule;
use super::route::Route;
use super::sender::{Job, ProducerEnd, connect};
use super::verify::verify;
use super::{Length, LoadError, Plan, Workload, closed};
use crate::base::ByteCount;
use crate::wire::ErrorCode;

/// Of what is being deleted meanwhile.
const CHECKS_MAX: u32 = 10;

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
    /// (since the run began, p99 of the latencies in the second before), of the measured part.
    pub pace: Vec<(Duration, Duration)>,
    /// Records per second that the plan asks for.
    pub rate_wanted: Option<u64>,
    /// Of groups that were joined.
    pub groups: Vec<GroupOutcome>,
}

impl Outcome {
    /// Whether the run may report a speed: it ran to its end, no batch was refused, and
    /// everything acknowledged was read back as it was sent.
    pub fn holds(&self) -> bool {
        self.failure.is_none() && self.verdict.holds() && self.errors().is_empty()
    }

    fn add_groups(&mut self, groups: Vec<GroupOutcome>) {
        for group in &groups {
            self.verdict.add_wrongs(group.verdict.clone());
        }
        self.groups = groups;
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
    let made = admin.create_topics(plan).map(|()| making.elapsed());
    let ran = made.and_then(|made_in| {
        let route = admin.route(plan, spread.as_ref())?;
        let outcome = on_topics(plan, &cargo, &route, observer)?;
        Ok(Outcome { made_in, ..outcome })
    });
    // Whatever came in between: the broker may be somebody's, who would find what is left.
    if !plan.keep_topic {
        let groups = ran.iter().flat_map(|it| &it.groups);
        let groups: Vec<String> = groups.map(|it| it.name.clone()).collect();
        let deleted = admin
            .delete_topics(plan)
            .and_then(|()| admin.delete_groups(&groups));
        if ran.is_ok() {
            deleted?;
        }
    }
    let mut outcome = ran?;
    outcome.batch_records = cargo.records;
    outcome.batch_bytes = ByteCount(cargo.batch_bytes);
    outcome.rate_wanted = plan.rate;
    Ok(outcome)
}

/// The run itself, on topics that are there.
fn on_topics(
    plan: &Plan,
    cargo: &Cargo,
    route: &Route,
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    let places = places(&ends(plan, route)?, None);
    let idle: Vec<TcpStream> = (0..plan.idle)
        .map(|_| connect(plan.address))
        .collect::<Result<_, _>>()?;

    let shared = Shared::new();
    let job = Job {
        plan,
        cargo,
        route,
        shared: &shared,
        schedule: None,
        quota: None,
    };
    let ran = match plan.workload {
        Workload::Consume => replay(&job, &places, observer),
        Workload::Produce | Workload::Both | Workload::EndToEnd => live(&job, &places, observer),
    };
    drop(idle);
    ran
}

/// Producing, with or without consumers at the tail; then everything is read back.
fn live(
    job: &Job<'_>,
    places: &[Place],
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    let plan = job.plan;
    let filled = match plan.backlog.0 {
        0 => Vec::new(),
        _ => fill(
            job,
            plan.backlog,
            plan.producers..plan.all_producers(),
            observer,
        ),
    };
    let (records, now) = (job.cargo.records, job.shared.now_ns());
    let schedule = plan
        .rate
        .map(|rate| Schedule::new(plan, job.route, rate, records, now));
    let job = Job {
        schedule: schedule.as_ref(),
        quota: quota(job),
        ..*job
    };
    let mut conductor = Conductor::new(&job);
    let ran = match plan.workload {
        Workload::EndToEnd => conductor.end_to_end(places, observer),
        Workload::Both if plan.joins => {
            let task = match plan.backlog.0 {
                0 => GroupTask::Follow,
                _ => GroupTask::CatchUp(acknowledged(&job, &filled)),
            };
            let gathered = conductor.with_groups(places, task, observer);
            return judge_groups(&job, conductor, gathered, filled, places, observer);
        }
        Workload::Produce | Workload::Both | Workload::Consume => {
            conductor.produce_and_follow(places, observer)
        }
    };
    let (produced, consumed) = ran;
    let mut outcome = std::mem::take(&mut conductor.outcome);
    let mut ledger = settle(&job, produced, &mut outcome);
    // Every group has read the same streams.
    let mut readings: BTreeMap<u32, Reading> = BTreeMap::new();
    for (group, end) in consumed {
        outcome.consumed.absorb(&end.side);
        outcome.failure = outcome.failure.take().or(end.failure);
        readings.entry(group).or_default().absorb(end.reading);
    }
    end_at_last_reply(&job, &conductor, &mut outcome);
    observer.stage("reading everything back");
    outcome.verdict = check(&job, &mut ledger, places)?;
    for reading in readings.into_values() {
        outcome.verdict.add_wrongs(reading.judge(&ledger, false));
    }
    Ok(outcome)
}

/// Records of each lane, if that is what ends the run.
fn quota(job: &Job<'_>) -> Option<u64> {
    let lanes = job.route.lanes_of(0..job.plan.producers).len() as u64;
    match job.plan.length {
        Length::Records(records) => Some(records.div_ceil(lanes)),
        Length::Time(_) => None,
    }
}

/// A counted run is over when its last reply has come.
fn end_at_last_reply(job: &Job<'_>, conductor: &Conductor<'_>, outcome: &mut Outcome) {
    if matches!(job.plan.length, Length::Records(_)) {
        let last = Duration::from_nanos(outcome.produced.last_ns.max(outcome.consumed.last_ns));
        outcome.elapsed = last.saturating_sub(conductor.measuring_since);
    }
}

/// Groups were at the tail: every one is judged by itself, and the log too.
fn judge_groups(
    job: &Job<'_>,
    mut conductor: Conductor<'_>,
    mut gathered: Gathered,
    filled: Vec<ProducerEnd>,
    places: &[Place],
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    let mut outcome = std::mem::take(&mut conductor.outcome);
    let mut ledger = settle(job, std::mem::take(&mut gathered.produced), &mut outcome);
    for end in filled {
        outcome.failure = outcome.failure.take().or(end.failure);
        ledger.streams.extend(end.streams);
    }
    outcome.consumed = std::mem::take(&mut gathered.consumed);
    outcome.failure = outcome.failure.take().or(gathered.failure.take());
    end_at_last_reply(job, &conductor, &mut outcome);
    observer.stage("reading everything back");
    outcome.verdict = check(job, &mut ledger, places)?;
    outcome.add_groups(gathered.judge(&ledger));
    Ok(outcome)
}

/// Sends so many bytes as fast as it goes.
fn fill(
    job: &Job<'_>,
    bytes: ByteCount,
    producers: Range<u32>,
    observer: &mut dyn Observer,
) -> Vec<ProducerEnd> {
    observer.stage("filling the topic");
    let batches = bytes.0.div_ceil(job.cargo.batch_bytes);
    let records = batches * u64::from(job.cargo.records);
    let lanes = job.route.lanes_of(producers);
    let filling = Shared::new();
    filling.enter(Phase::Measure);
    let fill = Job {
        shared: &filling,
        quota: Some(records.div_ceil(lanes.len() as u64)),
        ..*job
    };
    thread::scope(|scope| {
        let workers: Vec<_> = lanes
            .into_iter()
            .map(|lane| scope.spawn(move || closed::produce(&fill, lane)))
            .collect();
        workers
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_| producer_panicked()))
            .collect()
    })
}

fn acknowledged(job: &Job<'_>, ends: &[ProducerEnd]) -> u64 {
    let batches = ends.iter().flat_map(|it| it.streams.values()).map(Vec::len);
    batches.sum::<usize>() as u64 * u64::from(job.cargo.records)
}

/// Filling a topic, checking it once, then reading it over and over.
fn replay(
    job: &Job<'_>,
    places: &[Place],
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    let produced = fill(job, job.plan.fill, 0..job.plan.producers, observer);
    let mut outcome = Outcome::default();
    let mut ledger = settle(job, produced, &mut outcome);
    if let Some(failure) = outcome.failure {
        return Err(failure);
    }
    observer.stage("checking what was filled in");
    let verdict = check(job, &mut ledger, places)?;
    let ends = ends(job.plan, job.route)?;
    if job.plan.joins {
        return read_once(job, places, &ends, verdict, &ledger, observer);
    }

    observer.stage("reading it over and over");
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

/// Groups read what is there once: measured from the first record on, until all have all.
fn read_once(
    job: &Job<'_>,
    places: &[Place],
    ends: &[i64],
    verdict: Verdict,
    ledger: &Ledger,
    observer: &mut dyn Observer,
) -> Result<Outcome, LoadError> {
    let plan = Plan {
        warm_up: Duration::ZERO,
        ..job.plan.clone()
    };
    let job = Job {
        plan: &plan,
        ..*job
    };
    let mut conductor = Conductor::new(&job);
    let mut gathered = conductor.with_groups(places, GroupTask::ReadOnce(ends), observer);
    let mut outcome = std::mem::take(&mut conductor.outcome);
    outcome.verdict = verdict;
    outcome.consumed = std::mem::take(&mut gathered.consumed);
    outcome.failure = gathered.failure.take();
    let last = Duration::from_nanos(outcome.consumed.last_ns);
    outcome.elapsed = last.saturating_sub(conductor.measuring_since);
    outcome.add_groups(gathered.judge(ledger));
    Ok(outcome)
}

/// Reads everything that is still there. Where old records may be deleted that may go on a little
/// while: then again, from where the log begins now.
fn check(job: &Job<'_>, ledger: &mut Ledger, places: &[Place]) -> Result<Verdict, LoadError> {
    let mut tries = 1;
    loop {
        let mut starts = starts(places);
        if job.plan.expires() {
            starts = begins(job.plan, job.route)?;
            ledger.begins = starts.clone();
        }
        let ends = ends(job.plan, job.route)?;
        let checked = verify(job, ledger, &self::places(&starts, Some(&ends)));
        ledger.begins.clear();
        let is_gone = matches!(
            checked,
            Err(LoadError::Refused { code, .. }) if code == ErrorCode::OffsetOutOfRange as i16
        );
        if !(is_gone && job.plan.expires() && tries < CHECKS_MAX) {
            return checked;
        }
        tries += 1;
    }
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

//! Leads the workers of a run: starts them, warms up, measures, stops, and tells the observer.

use std::thread;
use std::time::Duration;

use super::consumer::{self, ConsumerEnd, Place};
use super::end_to_end::end_to_end;
use super::ledger::{Ledger, Verdict};
use super::measure::{Latencies, Phase, latencies};
use super::replies::Depth;
use super::route::Lane;
use super::run::{Observer, Outcome, Tick};
use super::sender::{Job, ProducerEnd};
use super::verify::{Share, shares};
use super::{Length, LoadError, Workload, closed, open};

const LOOK_EVERY: Duration = Duration::from_millis(10);
const TICK_EVERY_NS: u64 = 100_000_000;
const PACE_EVERY: Duration = Duration::from_secs(1);

/// Leads the workers through warm-up, measuring and stop, and tells the observer.
pub struct Conductor<'a> {
    pub(super) job: Job<'a>,
    pub measuring_since: Duration,
    pub outcome: Outcome,
    /// The latencies since the last entry of the outcome's pace.
    paced: Latencies,
}

impl<'a> Conductor<'a> {
    /// Without a warm-up, what the workers do is measured from their first request on.
    pub fn new(job: &Job<'a>) -> Self {
        if job.plan.warm_up.is_zero() && job.plan.lead.is_zero() {
            job.shared.enter(Phase::Measure);
        }
        Self {
            job: *job,
            measuring_since: Duration::ZERO,
            outcome: Outcome::default(),
            paced: latencies(2),
        }
    }

    pub fn produce_and_follow(
        &mut self,
        places: &[Place],
        observer: &mut dyn Observer,
    ) -> (Vec<ProducerEnd>, Vec<GroupEnd>) {
        let job = self.job;
        thread::scope(|scope| {
            let consumers: Vec<_> = grouped_shares(&job, places)
                .into_iter()
                .filter(|_| job.plan.workload == Workload::Both)
                .map(|(group, share)| scope.spawn(move || (group, follow(&job, share))))
                .collect();
            let producers: Vec<_> = job
                .route
                .lanes()
                .into_iter()
                .map(|lane| scope.spawn(move || produce(&job, lane)))
                .collect();
            self.conduct(
                observer,
                || {},
                || producers.iter().all(|it| it.is_finished()),
            );
            let produced = producers.into_iter();
            let consumed = consumers.into_iter();
            (
                produced
                    .map(|it| it.join().unwrap_or_else(|_| producer_panicked()))
                    .collect(),
                consumed
                    .map(|it| it.join().unwrap_or_else(|_| (0, ConsumerEnd::panicked())))
                    .collect(),
            )
        })
    }

    pub fn end_to_end(
        &mut self,
        places: &[Place],
        observer: &mut dyn Observer,
    ) -> (Vec<ProducerEnd>, Vec<GroupEnd>) {
        let job = self.job;
        thread::scope(|scope| {
            let worker = scope.spawn(move || end_to_end(&job, places.to_vec()));
            self.conduct(observer, || {}, || worker.is_finished());
            let ended = worker
                .join()
                .unwrap_or_else(|_| (producer_panicked(), ConsumerEnd::panicked()));
            (vec![ended.0], vec![(0, ended.1)])
        })
    }

    pub fn read_over_and_over(
        &mut self,
        places: &[Place],
        ledger: &Ledger,
        observer: &mut dyn Observer,
    ) -> Vec<(ConsumerEnd, Verdict)> {
        let job = self.job;
        thread::scope(|scope| {
            let workers: Vec<_> = grouped_shares(&job, places)
                .into_iter()
                .map(|(_, share)| scope.spawn(move || read_passes(&job, &share, ledger)))
                .collect();
            let finished = || {
                let read = match job.plan.length {
                    Length::Records(records) => job.shared.consumed.records() >= records,
                    Length::Time(_) => false,
                };
                read || workers.iter().all(|it| it.is_finished())
            };
            self.conduct(observer, || {}, finished);
            let panicked = || (ConsumerEnd::panicked(), Verdict::default());
            workers
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|_| panicked()))
                .collect()
        })
    }

    /// Returns once the workers have been told to stop. `begins` is called where the measured
    /// part begins.
    pub(super) fn conduct(
        &mut self,
        observer: &mut dyn Observer,
        begins: impl Fn(),
        finished: impl Fn() -> bool,
    ) {
        let shared = self.job.shared;
        let begun = shared.now_ns();
        let lead_ns = begun + self.job.plan.warm_up.as_nanos() as u64;
        let warm_up_ns = lead_ns + self.job.plan.lead.as_nanos() as u64;
        let mut last_tick = begun;
        let mut stop_ns = u64::MAX;
        let mut warming_up = true;
        loop {
            let now = shared.now_ns();
            // Without a lead there is no such part, though the observer's sampling takes time.
            if warming_up && now >= lead_ns && lead_ns < warm_up_ns {
                shared.advance(Phase::Before);
            }
            if warming_up && now >= warm_up_ns {
                warming_up = false;
                observer.measuring_begins();
                let since = shared.now_ns();
                // A worker that failed has stopped the run already.
                shared.advance(Phase::Measure);
                begins();
                self.measuring_since = Duration::from_nanos(since);
                if let Length::Time(time) = self.job.plan.length {
                    stop_ns = since + time.as_nanos() as u64;
                }
            }
            if now >= stop_ns || finished() || shared.phase() == Phase::Stop {
                break;
            }
            if now - last_tick >= TICK_EVERY_NS {
                last_tick = now;
                self.tick(observer, now);
            }
            let next_ns = if warming_up { warm_up_ns } else { stop_ns };
            let until_next = Duration::from_nanos(next_ns.saturating_sub(now));
            thread::sleep(until_next.min(LOOK_EVERY));
        }
        shared.enter(Phase::Stop);
        let elapsed = Duration::from_nanos(shared.now_ns());
        observer.measuring_ends();
        self.outcome.elapsed = elapsed.saturating_sub(self.measuring_since);
    }

    /// Notes the p99 of every second that is measured.
    fn keep_pace(&mut self, recent: Option<&Latencies>, now_ns: u64) {
        if self.job.shared.phase() != Phase::Measure {
            return;
        }
        if let Some(recent) = recent {
            // Of one shape, so adding cannot fail.
            let _ = self.paced.add(recent);
        }
        let now = Duration::from_nanos(now_ns);
        let last = self
            .outcome
            .pace
            .last()
            .map_or(self.measuring_since, |it| it.0);
        if now.saturating_sub(last) >= PACE_EVERY && !self.paced.is_empty() {
            let p99 = Duration::from_nanos(self.paced.value_at_quantile(0.99));
            self.outcome.pace.push((now, p99));
            self.paced.reset();
        }
    }

    fn tick(&mut self, observer: &mut dyn Observer, now_ns: u64) {
        let shared = self.job.shared;
        let (produced, consumed) = (shared.produced.take_recent(), shared.consumed.take_recent());
        self.keep_pace(produced.as_ref().or(consumed.as_ref()), now_ns);
        let recent = consumed.or(produced);
        let tick = Tick {
            since_begun: Duration::from_nanos(now_ns),
            measuring: shared.phase() == Phase::Measure,
            produced_records: shared.produced.records(),
            produced_bytes: shared.produced.bytes(),
            consumed_records: shared.consumed.records(),
            consumed_bytes: shared.consumed.bytes(),
            recent,
        };
        let sample = (
            tick.since_begun,
            tick.produced_records,
            tick.consumed_records,
        );
        self.outcome.samples.push(sample);
        observer.tick(&tick);
    }
}

/// What a consumer of a group left behind.
pub type GroupEnd = (u32, ConsumerEnd);

/// What every consumer of every group reads.
fn grouped_shares(job: &Job<'_>, places: &[Place]) -> Vec<(u32, Share)> {
    let consumers = job.plan.consumers as usize;
    let plan = job.plan;
    let of_group = |group| {
        let count = match group + 1 == plan.groups {
            true => (places.len() as f64 * plan.last_group_share).ceil() as usize,
            false => places.len(),
        };
        let places = &places[..count.min(places.len())];
        let shares = shares(job.route, places, consumers).into_iter();
        shares.map(move |share| (group, share))
    };
    (0..job.plan.groups).flat_map(of_group).collect()
}

pub fn producer_panicked() -> ProducerEnd {
    ProducerEnd {
        failure: Some(LoadError::Panicked),
        ..ProducerEnd::default()
    }
}

/// One producer, open loop or closed. Its failure ends the run.
pub fn produce(job: &Job<'_>, lane: Lane) -> ProducerEnd {
    let end = match job.schedule {
        Some(schedule) => open::produce(job, schedule, lane),
        None => closed::produce(job, lane),
    };
    if end.failure.is_some() {
        job.shared.enter(Phase::Stop);
    }
    end
}

/// One consumer at the tail. Its failure ends the run.
fn follow(job: &Job<'_>, share: Share) -> ConsumerEnd {
    let assignment = consumer::Assignment {
        partitions: share.partitions,
        leader: share.leader,
        depth: Depth::Head,
        to_the_end: false,
        // A second request behind one that waits at the tail would only wait with it.
        window: 1,
        leash: None,
    };
    let end = consumer::consume(job, assignment);
    if end.failure.is_some() {
        job.shared.enter(Phase::Stop);
    }
    end
}

/// Reads a share from beginning to end until the run stops; every pass is judged.
fn read_passes(job: &Job<'_>, share: &Share, ledger: &Ledger) -> (ConsumerEnd, Verdict) {
    let ledger = ledger.of_partitions(
        share.partitions.iter().map(|it| it.partition),
        job.plan.all_partitions() as u32,
    );
    let mut all = ConsumerEnd::default();
    let mut wrongs = Verdict::default();
    while job.shared.phase() != Phase::Stop {
        let assignment = consumer::Assignment {
            partitions: share.partitions.clone(),
            leader: share.leader,
            depth: Depth::Head,
            to_the_end: true,
            window: job.plan.in_flight,
            leash: None,
        };
        let end = consumer::consume(job, assignment);
        all.side.absorb(&end.side);
        let stopped = job.shared.phase() == Phase::Stop;
        wrongs.add_wrongs(end.reading.judge(&ledger, end.complete || !stopped));
        if end.failure.is_some() {
            job.shared.enter(Phase::Stop);
            all.failure = end.failure;
        }
    }
    (all, wrongs)
}

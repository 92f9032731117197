//! Runs whose consumers are members of groups: everybody joins, then the run begins, and each
//! group reads to the end of what was produced.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::ends;
use super::band::Band;
use super::conductor::{Conductor, produce, producer_panicked};
use super::consumer::Place;
use super::ledger::{Ledger, Reading, Verdict};
use super::measure::{Phase, Side};
use super::member::{MemberEnd, belong};
use super::run::Observer;
use super::sender::{Job, ProducerEnd};
use super::{LoadError, Plan};

/// Kafka's coordinator alone waits three seconds for more members.
const GATHERED_WITHIN: Duration = Duration::from_secs(60);
/// A group that reads nothing for so long, though more is there, does not get it.
const PROGRESS_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What came of one group.
#[derive(Clone, Debug, Default)]
pub struct GroupOutcome {
    pub name: String,
    pub members: u32,
    /// Generations after the first that had all members.
    pub rebalances: u64,
    /// Records, in the whole run.
    pub read: u64,
    /// Records that were read once more after a rebalance: allowed.
    pub reread: u64,
    pub verdict: Verdict,
}

/// What the groups of a run are to read.
#[derive(Clone, Copy)]
pub enum GroupTask<'a> {
    /// What is there, once, up to these ends.
    ReadOnce(&'a [i64]),
    /// What comes, from the beginning on.
    Follow,
    /// So many records that wait already, and what comes meanwhile, until there is no more.
    CatchUp(u64),
}

impl GroupTask<'_> {
    /// Who produces meanwhile.
    fn producers(self, plan: &Plan) -> Range<u32> {
        match self {
            Self::ReadOnce(_) => 0..0,
            Self::Follow | Self::CatchUp(_) => 0..plan.producers,
        }
    }
}

/// All groups of a run, when it is over.
pub struct Gathered {
    pub produced: Vec<ProducerEnd>,
    pub consumed: Side,
    pub failure: Option<LoadError>,
    groups: Vec<(GroupOutcome, Vec<(i32, Reading)>)>,
}

impl Gathered {
    /// Holds every group against what was promised. All have read to the end, or should have.
    pub fn judge(self, ledger: &Ledger) -> Vec<GroupOutcome> {
        let judged = self.groups.into_iter().map(|(group, parts)| {
            let (reading, reread) = Reading::of_group(parts);
            let verdict = reading.judge(ledger, true);
            GroupOutcome {
                read: verdict.read,
                reread,
                verdict,
                ..group
            }
        });
        judged.collect()
    }
}

impl Conductor<'_> {
    pub fn with_groups(
        &mut self,
        places: &[Place],
        task: GroupTask<'_>,
        observer: &mut dyn Observer,
    ) -> Gathered {
        let job = self.job;
        let bands = bands(&job, places);
        if let GroupTask::ReadOnce(ends) = task {
            bands.iter().for_each(|band| band.finish_at(ends));
        }
        let open = || bands.iter().for_each(Band::open);
        thread::scope(|scope| {
            let members: Vec<_> = bands
                .iter()
                .flat_map(|band| (0..job.plan.consumers).map(move |member| (band, member)))
                .map(|(band, member)| scope.spawn(move || belong(&job, band, member, places)))
                .collect();
            observer.stage("waiting for the groups");
            let mut failure = gather(&job, &bands).err();
            if let Some(schedule) = job.schedule {
                schedule.start_at(job.shared.now_ns());
            }
            if !matches!(task, GroupTask::CatchUp(_)) {
                open();
            }
            let lanes = job.route.lanes_of(task.producers(job.plan));
            let producers: Vec<_> = lanes
                .into_iter()
                .map(|lane| scope.spawn(move || produce(&job, lane)))
                .collect();
            self.conduct(observer, open, || match task {
                GroupTask::ReadOnce(_) => members.iter().all(|it| it.is_finished()),
                GroupTask::CatchUp(filled) if caught_up(&job, filled) => true,
                GroupTask::Follow | GroupTask::CatchUp(_) => {
                    producers.iter().all(|it| it.is_finished())
                }
            });
            let produced = producers
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|_| producer_panicked()))
                .collect();
            if matches!(task, GroupTask::ReadOnce(_)) {
                let in_time = bands.iter().all(Band::is_done);
                let late = LoadError::Reply("the groups did not read everything in that time");
                failure = failure.or((!in_time).then_some(late));
            } else {
                observer.stage("the groups read to the end");
                failure = failure.or(drain(&job, &bands).err());
            }
            bands.iter().for_each(Band::release);
            let ends = members.into_iter().map(|it| it.join().unwrap_or_default());
            collect(&job, &bands, produced, ends.collect(), failure)
        })
    }
}

/// Whether the groups have all but what comes in a tenth of a second.
fn caught_up(job: &Job<'_>, filled: u64) -> bool {
    let shared = job.shared;
    let slack = job.plan.rate.unwrap_or_default() / 10;
    let there = filled + shared.produced.records();
    shared.phase() == Phase::Measure
        && shared.consumed.records() + slack >= there * u64::from(job.plan.groups)
}

fn bands(job: &Job<'_>, places: &[Place]) -> Vec<Band> {
    let plan = job.plan;
    let band = |group| {
        Band::new(
            format!("{}-group-{group}", plan.topic),
            plan.consumers,
            places,
        )
    };
    (0..plan.groups).map(band).collect()
}

/// Waits until every group has all its members.
fn gather(job: &Job<'_>, bands: &[Band]) -> Result<(), LoadError> {
    let started = Instant::now();
    while !bands.iter().all(Band::is_settled) {
        if started.elapsed() > GATHERED_WITHIN {
            job.shared.enter(Phase::Stop);
            return Err(LoadError::Reply("a group did not get all its members"));
        }
        if job.shared.phase() == Phase::Stop {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Tells the groups where everything ends, and waits until they are there.
fn drain(job: &Job<'_>, bands: &[Band]) -> Result<(), LoadError> {
    let ends = ends(job.plan, job.route)?;
    bands.iter().for_each(|it| it.finish_at(&ends));
    let progress = || bands.iter().map(Band::progress).sum::<i64>();
    let (mut seen, mut since) = (progress(), Instant::now());
    while !bands.iter().all(Band::is_over) && since.elapsed() < PROGRESS_WITHIN {
        thread::sleep(LOOK_EVERY);
        let now = progress();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(())
}

fn collect(
    job: &Job<'_>,
    bands: &[Band],
    produced: Vec<ProducerEnd>,
    ends: Vec<MemberEnd>,
    failure: Option<LoadError>,
) -> Gathered {
    let mut ends = ends.into_iter();
    let mut gathered = Gathered {
        produced,
        consumed: Side::default(),
        failure,
        groups: Vec::new(),
    };
    for band in bands {
        let mut readings = Vec::new();
        for end in ends.by_ref().take(job.plan.consumers as usize) {
            gathered.consumed.absorb(&end.side);
            gathered.failure = gathered.failure.take().or(end.failure);
            readings.extend(end.readings);
        }
        let group = GroupOutcome {
            name: band.name.clone(),
            members: job.plan.consumers,
            rebalances: band.rebalances(),
            ..GroupOutcome::default()
        };
        gathered.groups.push((group, readings));
    }
    gathered
}

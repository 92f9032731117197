//! A member of a consumer group: joins, reads what it is given, beats, commits, and joins again
//! when the group's members change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::LoadError;
use super::band::Band;
use super::consumer::{self, Assignment, ConsumerEnd, Leash, Place};
use super::coordinator::{Coordinator, Given, Standing};
use super::ledger::Reading;
use super::measure::{Phase, Side};
use super::replies::Depth;
use super::route::Global;
use super::sender::Job;
use super::verify::{Share, shares};

/// Kafka's default is 3 s; a run of seconds shall see a rebalance end.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Kafka's `auto.commit.interval.ms` is 5 s.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a member leaves behind: a reading for each generation in which it read.
#[derive(Default)]
pub struct MemberEnd {
    pub side: Side,
    pub readings: Vec<(i32, Reading)>,
    pub failure: Option<LoadError>,
}

/// Belongs to `band` until that is over.
pub fn belong(job: &Job<'_>, band: &Band, number: u32, places: &[Place]) -> MemberEnd {
    let mut member = Member {
        job: *job,
        band,
        number,
        places,
        end: MemberEnd::default(),
    };
    let ran = member.run();
    if ran.is_err() || member.end.failure.is_some() {
        job.shared.enter(Phase::Stop);
    }
    MemberEnd {
        failure: member.end.failure.take().or(ran.err()),
        ..member.end
    }
}

struct Member<'a> {
    job: Job<'a>,
    band: &'a Band,
    number: u32,
    /// Where everything begins, for partitions without a committed offset.
    places: &'a [Place],
    end: MemberEnd,
}

/// Why a generation ended for a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Over,
    Rebalance,
    /// It goes away on its own, as if it had crashed, and comes back.
    Churn,
}

impl Member<'_> {
    fn run(&mut self) -> Result<(), LoadError> {
        let mut coordinator = Coordinator::find(&self.job, &self.band.name)?;
        while !self.band.is_over() && self.end.failure.is_none() {
            let Some(given) = coordinator.join()? else {
                continue;
            };
            self.band
                .joined(self.number, given.generation, given.members);
            match self.generation(&mut coordinator, &given)? {
                Ended::Over => break,
                Ended::Rebalance => {}
                Ended::Churn => coordinator.leave(),
            }
        }
        coordinator.leave();
        Ok(())
    }

    /// Reads what is given until the group is over or its members change.
    fn generation(
        &mut self,
        coordinator: &mut Coordinator<'_>,
        given: &Given,
    ) -> Result<Ended, LoadError> {
        while !self.band.is_open() {
            if coordinator.beat()? == Standing::Rebalance {
                return Ok(Ended::Rebalance);
            }
            if self.band.is_over() {
                return Ok(Ended::Over);
            }
            thread::sleep(LOOK_EVERY);
        }
        let let_go = AtomicBool::new(false);
        let leash = Leash {
            let_go: &let_go,
            band: self.band,
        };
        let own = self.own_places(coordinator, &given.partitions)?;
        let job = self.job;
        let (ended, ends) = thread::scope(|scope| {
            let readers: Vec<_> = shares(job.route, &own, 1)
                .into_iter()
                .map(|share| scope.spawn(move || read(&job, share, leash)))
                .collect();
            let ended = self.stay(coordinator, &given.partitions, || {
                readers.iter().any(|it| it.is_finished())
            });
            let_go.store(true, Ordering::Relaxed);
            let ends: Vec<ConsumerEnd> = readers
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|_| ConsumerEnd::panicked()))
                .collect();
            (ended, ends)
        });
        for end in ends {
            self.end.side.absorb(&end.side);
            self.end.readings.push((given.generation, end.reading));
            self.end.failure = self.end.failure.take().or(end.failure);
        }
        let ended = ended?;
        if ended != Ended::Churn {
            // A coordinator that has moved on refuses it; whoever comes next reads some again.
            coordinator.commit(&self.stand(&given.partitions))?;
        }
        Ok(ended)
    }

    /// Beats and commits while others read.
    fn stay(
        &self,
        coordinator: &mut Coordinator<'_>,
        partitions: &[Global],
        stopped: impl Fn() -> bool,
    ) -> Result<Ended, LoadError> {
        let since = Instant::now();
        let (mut beaten, mut committed) = (since, since);
        loop {
            if self.band.is_over() || stopped() {
                return Ok(Ended::Over);
            }
            if self.goes_away(since.elapsed()) {
                return Ok(Ended::Churn);
            }
            let mut standing = Standing::Member;
            if beaten.elapsed() >= BEAT_EVERY {
                beaten = Instant::now();
                standing = coordinator.beat()?;
            }
            if standing == Standing::Member && committed.elapsed() >= COMMIT_EVERY {
                committed = Instant::now();
                standing = coordinator.commit(&self.stand(partitions))?;
            }
            if standing == Standing::Rebalance {
                return Ok(Ended::Rebalance);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The first member of each group is the one that comes and goes.
    fn goes_away(&self, been: Duration) -> bool {
        let every = self.job.plan.rejoin_every;
        self.number == 0 && !self.band.has_ends() && every.is_some_and(|every| been >= every)
    }

    fn own_places(
        &self,
        coordinator: &mut Coordinator<'_>,
        partitions: &[Global],
    ) -> Result<Vec<Place>, LoadError> {
        let committed = coordinator.committed(partitions)?;
        let begins = partitions
            .iter()
            .filter_map(|it| self.places.get(*it as usize).copied());
        let mut own: Vec<Place> = begins.collect();
        for place in &mut own {
            let found = committed.iter().find(|it| it.0 == place.partition);
            place.next = found.map_or(place.next, |it| it.1);
            place.end = i64::MAX;
            self.band.note(place.partition, place.next);
        }
        Ok(own)
    }

    fn stand(&self, partitions: &[Global]) -> Vec<(Global, i64)> {
        let at = |it: &Global| (*it, self.band.position(*it));
        partitions.iter().map(at).collect()
    }
}

fn read(job: &Job<'_>, share: Share, leash: Leash<'_>) -> ConsumerEnd {
    // What is there already is asked for ahead; at the tail a second request behind one that
    // waits would only wait with it.
    let window = match leash.band.has_ends() || job.plan.backlog.0 > 0 {
        true => job.plan.in_flight,
        false => 1,
    };
    let assignment = Assignment {
        partitions: share.partitions,
        leader: share.leader,
        depth: Depth::Head,
        to_the_end: false,
        window,
        leash: Some(leash),
    };
    consumer::consume(job, assignment)
}

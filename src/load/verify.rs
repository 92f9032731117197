//! After a produce run: fetch everything and hold it against what was acknowledged.

use std::thread;

use super::LoadError;
use super::consumer::{Assignment, ConsumerEnd, Place, consume};
use super::ledger::{Ledger, Reading, Verdict};
use super::measure::{Phase, Shared};
use super::replies::Depth;
use super::route::Route;
use super::sender::Job;

/// Readers of the whole topic; the machine that reads is usually the one that serves.
const READERS: usize = 2;

/// Reads every partition to its end, every record checked.
pub fn verify(job: &Job<'_>, ledger: &Ledger, places: &[Place]) -> Result<Verdict, LoadError> {
    let shared = Shared::new();
    shared.enter(Phase::Measure);
    let job = Job {
        shared: &shared,
        schedule: None,
        quota: None,
        ..*job
    };
    let ends = consume_all(&job, places, READERS, Depth::Whole, true);
    let mut reading = Reading::default();
    for end in ends {
        if let Some(failure) = end.failure {
            return Err(failure);
        }
        reading.absorb(end.reading);
    }
    Ok(reading.judge(ledger, true))
}

/// `readers` connections that share the partitions.
pub fn consume_all(
    job: &Job<'_>,
    places: &[Place],
    readers: usize,
    depth: Depth,
    to_the_end: bool,
) -> Vec<ConsumerEnd> {
    thread::scope(|scope| {
        let workers: Vec<_> = shares(job.route, places, readers)
            .into_iter()
            .map(|Share { leader, partitions }| {
                let assignment = Assignment {
                    partitions,
                    leader,
                    depth,
                    to_the_end,
                    window: job.plan.in_flight,
                    leash: None,
                };
                scope.spawn(move || consume(job, assignment))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| ConsumerEnd::panicked()))
            .collect()
    })
}

/// What one reader reads from one leader.
pub struct Share {
    pub leader: u32,
    pub partitions: Vec<Place>,
}

/// Every reader's partitions, each `readers`-th one, and of these what each leader has.
pub fn shares(route: &Route, places: &[Place], readers: usize) -> Vec<Share> {
    let readers = readers.min(places.len());
    let mut shares = Vec::new();
    for reader in 0..readers {
        let own = || places.iter().skip(reader).step_by(readers);
        for leader in 0..route.leaders.len() as u32 {
            let led = own().filter(|it| route.leader_of(it.partition) == leader);
            let partitions: Vec<Place> = led.copied().collect();
            if !partitions.is_empty() {
                shares.push(Share { leader, partitions });
            }
        }
    }
    shares
}

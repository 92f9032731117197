//! After a produce run: fetch everything and hold it against what was acknowledged.

use std::thread;

use super::LoadError;
use super::consumer::{Assignment, ConsumerEnd, Place, consume};
use super::ledger::{Ledger, Reading, Verdict};
use super::measure::{Phase, Shared};
use super::replies::Depth;
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
        let workers: Vec<_> = shares(places, readers)
            .into_iter()
            .map(|partitions| {
                let assignment = Assignment {
                    partitions,
                    depth,
                    to_the_end,
                };
                scope.spawn(move || consume(job, assignment))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| panicked()))
            .collect()
    })
}

/// Every reader's partitions: each `readers`-th one.
pub fn shares(places: &[Place], readers: usize) -> Vec<Vec<Place>> {
    let readers = readers.min(places.len());
    (0..readers)
        .map(|reader| {
            places
                .iter()
                .skip(reader)
                .step_by(readers)
                .copied()
                .collect()
        })
        .collect()
}

fn panicked() -> ConsumerEnd {
    ConsumerEnd {
        failure: Some(LoadError::Panicked),
        ..ConsumerEnd::default()
    }
}

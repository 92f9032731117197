//! A consumer group of a run, as all its members see it: who is in, since when it counts, where
//! its readers stand.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::consumer::Place;
use super::route::Global;

pub struct Band {
    pub name: String,
    roll: Mutex<Roll>,
    /// Whether its members may read. They do not before everybody is in, so that a run without a
    /// rebalance has one generation.
    is_open: AtomicBool,
    /// By partition, where its reader of the moment stands.
    positions: Vec<AtomicI64>,
    /// Where everything ends, once that is known.
    ends: OnceLock<Vec<i64>>,
    /// Nobody waits any longer for what is missing.
    is_released: AtomicBool,
}

/// Who is in which generation.
#[derive(Debug)]
struct Roll {
    /// By member.
    generations: Vec<Option<i32>>,
    /// The newest one after everybody was in for the first time.
    newest: Option<i32>,
    rebalances: u64,
}

impl Roll {
    fn new(members: u32) -> Self {
        Self {
            generations: vec![None; members as usize],
            newest: None,
            rebalances: 0,
        }
    }

    /// A member is in `generation`, which has `count` members.
    fn joined(&mut self, member: u32, generation: i32, count: usize) {
        if let Some(own) = self.generations.get_mut(member as usize) {
            *own = Some(generation);
        }
        match self.newest {
            Some(newest) if generation > newest => {
                self.newest = Some(generation);
                self.rebalances += 1;
            }
            Some(_) => {}
            None => {
                let all_in = self.generations.iter().all(|it| *it == Some(generation));
                if all_in && count == self.generations.len() {
                    self.newest = Some(generation);
                }
            }
        }
    }
}

impl Band {
    pub fn new(name: String, members: u32, places: &[Place]) -> Self {
        let positions = places.iter().map(|it| AtomicI64::new(it.next));
        Self {
            name,
            roll: Mutex::new(Roll::new(members)),
            is_open: AtomicBool::new(false),
            positions: positions.collect(),
            ends: OnceLock::new(),
            is_released: AtomicBool::new(false),
        }
    }

    pub fn joined(&self, member: u32, generation: i32, count: usize) {
        self.roll().joined(member, generation, count);
    }

    /// Whether everybody has been in one generation.
    pub fn is_settled(&self) -> bool {
        self.roll().newest.is_some()
    }

    /// Generations after the first that had everybody.
    pub fn rebalances(&self) -> u64 {
        self.roll().rebalances
    }

    pub fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Nothing more will come than is there: the group is done when it has read that.
    pub fn finish_at(&self, ends: &[i64]) {
        let _ = self.ends.set(ends.to_vec());
    }

    pub fn has_ends(&self) -> bool {
        self.ends.get().is_some()
    }

    pub fn note(&self, partition: Global, next: i64) {
        if let Some(position) = self.positions.get(partition as usize) {
            position.store(next, Ordering::Relaxed);
        }
    }

    pub fn position(&self, partition: Global) -> i64 {
        let position = self.positions.get(partition as usize);
        position.map_or(0, |it| it.load(Ordering::Relaxed))
    }

    /// How far all readers together are, to see whether they go on.
    pub fn progress(&self) -> i64 {
        let positions = self.positions.iter();
        positions.map(|it| it.load(Ordering::Relaxed)).sum()
    }

    pub fn is_done(&self) -> bool {
        let positions = || self.positions.iter().map(|it| it.load(Ordering::Relaxed));
        (self.ends.get()).is_some_and(|ends| positions().zip(ends).all(|(at, end)| at >= *end))
    }

    pub fn release(&self) {
        self.is_released.store(true, Ordering::Relaxed);
    }

    /// Whether its members may go home.
    pub fn is_over(&self) -> bool {
        self.is_released.load(Ordering::Relaxed) || self.is_done()
    }

    fn roll(&self) -> std::sync::MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_counts_from_the_first_generation_that_everybody_is_in() {
        let mut roll = Roll::new(2);

        roll.joined(0, 1, 1);
        roll.joined(0, 2, 2);
        assert_eq!(roll.newest, None);
        roll.joined(1, 2, 2);
        assert_eq!((roll.newest, roll.rebalances), (Some(2), 0));
        roll.joined(1, 3, 2);
        roll.joined(0, 3, 2);

        assert_eq!((roll.newest, roll.rebalances), (Some(3), 1));
    }

    #[test]
    fn a_stranger_in_the_group_keeps_it_from_settling() {
        let mut roll = Roll::new(1);

        roll.joined(0, 4, 2);

        assert_eq!(roll.newest, None);
    }

    #[test]
    fn a_group_is_done_when_every_partition_is_read_to_its_end() {
        let place = |partition| Place {
            partition,
            next: 5,
            end: i64::MAX,
        };
        let band = Band::new("g".into(), 1, &[place(0), place(1)]);

        band.finish_at(&[7, 5]);
        assert!(!band.is_done());
        band.note(0, 7);

        assert!(band.is_done() && band.is_over());
    }
}

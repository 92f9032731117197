//! Random lives of partitions over a disk that loses what is not flushed: whatever a power cut
//! leaves is a state that there was, and nothing that was acknowledged is missing from it.

use std::collections::BTreeMap;

use super::epochs::Epochs;
use super::producers::Producers;
use super::test_world::{P, Q, World, config};
use super::{LeaderEpoch, LogError, Offset};
use crate::base::random::Random;
use crate::journal::{JournalError, StreamId};
use crate::wire::batch::{BatchBuilder, CheckedBatch, check_produced};

/// A partition's state when it ended at one offset.
#[derive(Clone, Debug, Default)]
struct State {
    producers: Producers,
    epochs: Epochs,
}

/// What must be true of one partition.
#[derive(Default)]
struct Known {
    /// By end.
    history: BTreeMap<i64, State>,
    /// Everything below was acknowledged.
    acked_end: i64,
    /// Deletions that were acknowledged, and that were asked for.
    trims: (i64, i64),
    /// What the producers sent last, to be repeated: batch, offset.
    last: BTreeMap<i64, (CheckedBatch, i64)>,
}

struct Life {
    world: World,
    random: Random,
    known: BTreeMap<StreamId, Known>,
    /// What each token, once given back, acknowledges: end, or log start.
    tokens: BTreeMap<u64, (StreamId, i64, i64)>,
    next_sequence: BTreeMap<(StreamId, i64), i32>,
    crashes: u64,
}

impl Life {
    fn with_seed(seed: u64) -> Self {
        let mut life = Self {
            world: World::with(&[]),
            random: Random::with_seed(seed),
            known: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_sequence: BTreeMap::new(),
            crashes: 0,
        };
        for stream in [P, Q] {
            life.known.insert(stream, Known::default());
            life.remember(stream);
        }
        life
    }

    fn remember(&mut self, stream: StreamId) {
        let partition = self.world.partitions.find(stream).expect("it is there");
        let state = State {
            producers: partition.producers.clone(),
            epochs: partition.epochs.clone(),
        };
        let known = self.known.get_mut(&stream).expect("it is known");
        known.history.insert(partition.end.0, state);
    }

    fn step(&mut self) {
        let stream = [P, Q][self.random.below(2) as usize];
        match self.random.below(40) {
            0 => self.crash(),
            1 => self.delete_records(stream),
            2..4 => self.repeat(stream),
            4..14 => self.world.step(),
            14 => {
                let epoch = self.world.facts(stream).leader_epoch.0 + 1;
                self.world
                    .partitions
                    .configure(stream, LeaderEpoch(epoch), config(&[]));
            }
            _ => self.append(stream),
        }
        self.take_acks();
    }

    fn append(&mut self, stream: StreamId) {
        let id = self.random.below(5) as i64;
        let sequence = *self.next_sequence.get(&(stream, id)).unwrap_or(&0);
        let length = 1 << self.random.below(14);
        let count = 1 + self.random.below(4) as i32;
        let value = vec![0; length];
        let add = |builder: BatchBuilder, n: i32| builder.value(i64::from(n), &value);
        let builder = (0..count).fold(BatchBuilder::new(), add);
        let bytes = builder.producer(id, 0, sequence).build();
        let batch = check_produced(&bytes).expect("a valid batch");
        let (appended, token) = match self.world.append_to(stream, &batch) {
            Ok(done) => done,
            Err(LogError::Journal(JournalError::Busy)) => return,
            Err(other) => panic!("{other:?}"),
        };
        assert!(!appended.duplicate);
        self.next_sequence.insert((stream, id), sequence + count);
        let end = self.world.end(stream);
        self.tokens.insert(token, (stream, end, 0));
        let known = self.known.get_mut(&stream).expect("it is known");
        known.last.insert(id, (batch, appended.base_offset.0));
        self.remember(stream);
    }

    fn repeat(&mut self, stream: StreamId) {
        let known = &self.known[&stream];
        let id = self.random.below(5) as i64;
        let Some((batch, offset)) = known.last.get(&id).cloned() else {
            return;
        };
        let (again, token) = self.world.append_to(stream, &batch).expect("a repetition");
        assert!(again.duplicate, "appended twice: {again:?}");
        assert_eq!(again.base_offset, Offset(offset));
        let end = offset + i64::from(batch.header.count);
        match again.settled {
            true => assert!(end <= self.world.high_watermark(stream)),
            false => drop(self.tokens.insert(token, (stream, end, 0))),
        }
    }

    fn delete_records(&mut self, stream: StreamId) {
        if stream != P {
            return;
        }
        let high = self.world.high_watermark(P);
        let before = self.random.below(high as u64 + 1) as i64;
        let start = match self.world.trim(Some(before)) {
            Ok(start) => start.0,
            Err(LogError::Journal(JournalError::Busy)) => return,
            Err(other) => panic!("{other:?}"),
        };
        let known = self.known.get_mut(&P).expect("it is known");
        if start > known.trims.1 {
            known.trims.1 = start;
            self.tokens.insert(self.world.last_token(), (P, 0, start));
        }
    }

    fn take_acks(&mut self) {
        for token in std::mem::take(&mut self.world.acked) {
            let (stream, end, start) = self.tokens.remove(&token).expect("a token of ours");
            let known = self.known.get_mut(&stream).expect("it is known");
            known.acked_end = known.acked_end.max(end);
            known.trims.0 = known.trims.0.max(start);
            assert!(self.world.high_watermark(stream) >= end);
        }
    }

    fn crash(&mut self) {
        self.take_acks();
        self.world.crash();
        self.crashes += 1;
        self.tokens.clear();
        for stream in [P, Q] {
            if !self.world.partitions.contains(stream) {
                let known = &self.known[&stream];
                assert_eq!(
                    (known.acked_end, known.trims.0),
                    (0, 0),
                    "{stream:?} is gone"
                );
                self.world.create(stream, &[]);
            }
            self.check_recovered(stream);
        }
    }

    fn check_recovered(&mut self, stream: StreamId) {
        let partition = self.world.partitions.find(stream).expect("it is there");
        let known = self.known.get_mut(&stream).expect("it is known");
        let (start, end) = (partition.log_start.0, partition.end.0);
        assert!(end >= known.acked_end, "lost: {end} of {}", known.acked_end);
        assert_eq!(partition.high_watermark.0, end);
        assert!(
            start >= known.trims.0 && start <= known.trims.1,
            "{start} {:?}",
            known.trims
        );
        let state = known.history.get(&end).expect("an end that there was");
        assert_eq!(partition.producers, state.producers);
        let mut epochs = state.epochs.clone();
        epochs.trim(Offset(start));
        let mut found = partition.epochs.clone();
        found.trim(Offset(start));
        assert_eq!(found, epochs);

        // What was cut never was: producers go on from what is left.
        known.history.split_off(&(end + 1));
        known.acked_end = end;
        known.trims = (start, start);
        known.last.clear();
        for producer in partition.producers.iter() {
            let kept = producer.batches().last().expect("a producer wrote");
            let next = kept.base_sequence + kept.count as i32;
            self.next_sequence.insert((stream, producer.id), next);
        }
        let alive = |id: &i64| partition.producers.iter().any(|known| known.id == *id);
        let cut: Vec<i64> = (0..5).filter(|id| !alive(id)).collect();
        for id in cut {
            self.next_sequence.insert((stream, id), 0);
        }
    }
}

#[test]
fn whatever_a_power_cut_leaves_is_a_state_that_there_was_with_all_that_was_acknowledged() {
    let mut crashes = 0;
    for seed in 0..30 {
        let mut life = Life::with_seed(seed);
        (0..600).for_each(|_| life.step());
        life.crash();
        crashes += life.crashes;
    }

    assert!(crashes > 250, "{crashes} crashes");
}

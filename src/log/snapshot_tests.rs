use std::sync::Arc;

use super::*;
use crate::base::random::{Random, fuzz_runs};
use crate::base::{Now, Span, WallMs};
use crate::journal::{EntryHead, StreamId};
use crate::log::LogError;
use crate::log::config::{Overrides, TopicConfig};
use crate::log::partition::Verdict;
use crate::runtime::counting::rise;
use crate::wire::batch::{BatchBuilder, CheckedBatch, check_produced};

const NOW: Now = Now {
    ticks: Ticks(1_000),
    wall: WallMs(1_000_000),
};
const DAY: Span = Span::seconds(86_400);

/// A partition that lives through random batches, and what the journal would know of it.
struct World {
    live: Partition,
    entries: Vec<EntryHead>,
    random: Random,
}

impl World {
    fn with_seed(seed: u64) -> Self {
        let mut random = Random::with_seed(seed);
        let mut overrides = Overrides::new();
        if random.one_in(3) {
            overrides.insert("message.timestamp.type".into(), "LogAppendTime".into());
        }
        let config = TopicConfig::from_overrides(&overrides).expect("a valid configuration");
        Self {
            live: Partition::new(StreamId(16), LeaderEpoch(0), Arc::new(config)),
            entries: Vec::new(),
            random,
        }
    }

    /// Mostly what a producer would send next, and some of everything else.
    fn draw(&mut self) -> CheckedBatch {
        let random = &mut self.random;
        let count = 1 + random.below(3);
        let add = |builder: BatchBuilder, n: u64| builder.value(1_000_000 + n as i64, b"v");
        let builder = (0..count).fold(BatchBuilder::new(), add);
        if random.one_in(5) {
            return check_produced(&builder.build()).expect("a valid batch");
        }
        let id = random.below(4) as i64;
        let known = self.live.producers.iter().find(|known| known.id == id);
        let last = known.and_then(|known| Some((known.epoch, *known.batches().last()?)));
        let (epoch, next) = match last {
            Some((epoch, kept)) => {
                let sum = kept.base_sequence as u32 + kept.count;
                (epoch, (sum & 0x7fff_ffff) as i32)
            }
            None => (0, [0, 17, i32::MAX - 2][random.below(3) as usize]),
        };
        let (epoch, sequence) = match random.below(12) {
            0 => (epoch + 1, 0),
            1 => (epoch, next.saturating_add(5)),
            2 => (epoch - 1, next),
            3 => (epoch, last.map_or(0, |(_, kept)| kept.base_sequence)),
            _ => (epoch, next),
        };
        let builder = builder.producer(id, epoch.max(0), sequence);
        check_produced(&builder.build()).expect("a valid batch")
    }

    fn step(&mut self) {
        if self.random.one_in(40) {
            self.live.epoch = LeaderEpoch(self.live.epoch.0 + 1 + self.random.below(2) as i32);
        }
        let batch = self.draw();
        let stamped = match self.live.judge(&batch, NOW, DAY) {
            Ok(Verdict::Append(stamped)) => stamped,
            Ok(Verdict::Repeated(_)) => return,
            Err(LogError::OutOfOrderSequence { .. } | LogError::InvalidProducerEpoch { .. }) => {
                return;
            }
            Err(other) => panic!("{other:?}"),
        };
        let entry = self.live.entry(&stamped, &batch);
        self.entries.push(EntryHead {
            stream: entry.stream,
            first: entry.first,
            term: entry.term,
            count: entry.count,
            time_max: entry.time_max,
            note: entry.note,
            length: (entry.head.len() + entry.body.len()) as u32,
        });
        self.live.appended(&stamped, &batch, NOW);
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&self.live, &mut bytes);
        bytes
    }

    /// What recovery makes of a snapshot taken when the log ended at `end`, and all entries.
    fn recovered(&self, snapshot: &[u8], end: Offset) -> Partition {
        let mut partition = Partition::new(StreamId(16), LeaderEpoch(0), self.live.config.clone());
        (partition.epochs, partition.producers) = decode(snapshot, NOW.ticks).expect("readable");
        partition.end = end;
        for head in &self.entries {
            partition.recovered(head, NOW.ticks);
        }
        partition
    }
}

#[test]
fn a_snapshot_and_what_follows_it_rebuild_exactly_the_state_that_lived() {
    for seed in 0..300 {
        let mut world = World::with_seed(seed);
        let steps = world.random.below(200);
        (0..steps).for_each(|_| world.step());
        let (snapshot, end) = (world.snapshot(), world.live.end);
        let steps = world.random.below(100);
        (0..steps).for_each(|_| world.step());

        let recovered = world.recovered(&snapshot, end);

        assert_eq!(recovered.producers, world.live.producers, "seed {seed}");
        assert_eq!(recovered.epochs, world.live.epochs, "seed {seed}");
        assert_eq!(recovered.end, world.live.end, "seed {seed}");
        assert_eq!(
            recovered.high_watermark.max(end),
            world.live.end,
            "seed {seed}"
        );
    }
}

#[test]
fn the_log_alone_rebuilds_the_same() {
    for seed in 300..400 {
        let mut world = World::with_seed(seed);
        (0..150).for_each(|_| world.step());
        let empty = Partition::new(StreamId(16), LeaderEpoch(0), world.live.config.clone());
        let mut nothing = Vec::new();
        encode(&empty, &mut nothing);

        let recovered = world.recovered(&nothing, Offset(0));

        assert_eq!(recovered.producers, world.live.producers, "seed {seed}");
        assert_eq!(recovered.epochs, world.live.epochs, "seed {seed}");
    }
}

#[test]
fn an_idle_partition_takes_seven_bytes_of_a_checkpoint() {
    let world = World::with_seed(1);

    assert_eq!(world.snapshot(), [1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn bytes_that_are_cut_or_changed_are_refused_and_never_panic() {
    let mut world = World::with_seed(2);
    (0..100).for_each(|_| world.step());
    let whole = world.snapshot();

    for length in 0..whole.len() {
        assert!(
            decode(&whole[..length], NOW.ticks).is_none(),
            "{length} bytes"
        );
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << world.random.below(8);
        let _ = decode(&changed, NOW.ticks);
    }
}

#[test]
fn spoiled_states_never_panic_and_are_read_in_bounded_memory() {
    // The dearest is a producer without batches: 13 bytes become an entry of two maps.
    let bound = |length: usize| 2_048 + 32 * length;
    let mut world = World::with_seed(3);
    (0..200).for_each(|_| world.step());
    let whole = world.snapshot();
    let mut random = Random::for_fuzz("partition");
    let mut refused = 0;
    for _ in 0..fuzz_runs(3_000) {
        let mut bytes = whole.clone();
        random.spoil(&mut bytes);

        let (taken, rise) = rise(|| decode(&bytes, NOW.ticks).is_some());

        refused += u64::from(!taken);
        assert!(
            rise <= bound(bytes.len()),
            "{rise} bytes of memory for {} bytes: {bytes:02x?}",
            bytes.len()
        );
    }
    assert!(refused > 0, "whatever comes is taken");
}

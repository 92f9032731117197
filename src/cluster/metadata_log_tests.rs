use super::*;
use crate::base::{NodeId, ShardId, WallMs};
use crate::cluster::{Placement, Uuid};
use crate::log::Overrides;
use crate::log::test_world::World;
use crate::runtime::BlockPool;

/// Shard 0 with its metadata's log, over a simulated disk.
struct Decider {
    world: World,
    log: MetadataLog,
    /// What every shard has been told.
    copy: Metadata,
    next: u64,
    refused: Vec<(u64, Refusal)>,
}

impl Decider {
    fn new() -> Self {
        let mut world = World::empty();
        let log = open(&mut world);
        let mut decider = Self {
            world,
            log,
            copy: Metadata::default(),
            next: 0,
            refused: Vec::new(),
        };
        let (node, shards) = (NodeId(1), vec![ShardId(0), ShardId(1)]);
        decider.propose(Command::RegisterNode { node, shards });
        decider
    }

    fn propose(&mut self, command: Command) -> u64 {
        self.next += 1;
        let token = ProposalToken(self.next);
        self.log.propose(&mut self.world.journal, &command, token);
        self.next
    }

    fn create(&mut self, name: &str) -> u64 {
        let id = Uuid::from_u128(1_000 + u128::from(self.next));
        self.propose(Command::CreateTopic {
            name: name.to_string(),
            id,
            partitions: 3,
            placement: Placement::Spread,
            configs: Overrides::new(),
        })
    }

    /// The tokens that were answered.
    fn settle(&mut self) -> Vec<u64> {
        let settled = self.log.settle(&mut self.world.journal);
        let mut answered = Vec::new();
        for Settlement { token, outcome } in settled {
            answered.push(token.0);
            match outcome {
                Ok(change) => self.copy.apply_change(&change),
                Err(refusal) => self.refused.push((token.0, refusal)),
            }
        }
        answered
    }

    fn flush(&mut self) -> Vec<u64> {
        self.world.flush();
        self.settle()
    }

    fn crash(&mut self) {
        self.world.crash();
        self.log = open(&mut self.world);
    }
}

fn open(world: &mut World) -> MetadataLog {
    let mut directory = world.disk.directory(BlockPool::default(), None);
    MetadataLog::open(&mut world.journal, &mut directory).expect("the metadata is readable")
}

#[test]
fn a_proposal_is_answered_when_it_is_durable_and_not_before() {
    let mut decider = Decider::new();

    let created = decider.create("t");
    assert!(decider.settle().is_empty());
    assert!(decider.copy.topic("t").is_none());

    assert!(decider.flush().contains(&created));
    assert!(decider.copy.topic("t").is_some());
    assert_eq!(&decider.copy, decider.log.metadata());
}

#[test]
fn a_refusal_that_rests_on_what_is_not_durable_waits_for_it() {
    let mut decider = Decider::new();
    decider.flush();
    let first = decider.create("t");

    let second = decider.create("t");
    assert!(decider.settle().is_empty());

    assert_eq!(decider.flush(), [first, second]);
    assert_eq!(decider.refused, [(second, Refusal::TopicExists)]);
    let third = decider.create("t");
    assert_eq!(decider.settle(), [third]);
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    let mut decider = Decider::new();
    for n in 0..50 {
        decider.create(&format!("t{n}"));
        if n % 7 == 0 {
            decider.flush();
        }
    }
    decider.flush();

    decider.crash();

    assert_eq!(decider.log.metadata(), &decider.copy);
    decider.create("another");
    decider.flush();
    assert_eq!(decider.log.metadata(), &decider.copy);
    assert_eq!(decider.copy.topic_count(), 51);
}

#[test]
fn snapshots_keep_the_log_short_and_lose_nothing() {
    let mut decider = Decider::new();
    let long = "x".repeat(200);
    for n in 0..9_000_i64 {
        match n % 3 {
            0 => decider.create(&format!("{long}{}", n % 1_500)),
            _ => decider.propose(Command::NoteRetentionClock { at: WallMs(n) }),
        };
        if n % 100 == 0 {
            decider.flush();
        }
        if n % 2_500 == 0 {
            decider.crash();
        }
    }
    decider.flush();
    decider.flush();

    let (first, _) = decider
        .world
        .journal
        .range(StreamId::METADATA)
        .expect("a log");
    assert!(first.0 > 0, "no snapshot was taken");
    decider.crash();
    assert_eq!(decider.log.metadata(), &decider.copy);
    assert_eq!(decider.copy.topic_count(), 500);
    assert_eq!(decider.copy.retention_clock(), Some(WallMs(8_999)));
}

#[test]
fn a_journal_that_failed_answers_nothing_and_gives_the_tokens_back() {
    let mut decider = Decider::new();
    decider.flush();
    let mut faults = crate::runtime::sim::DiskFaults::NONE;
    (faults.write_error, faults.flush_error) = (1, 1);
    decider.world.disk.set_faults(faults);

    let created = decider.create("t");
    decider.world.step();
    decider.world.step();

    assert!(decider.world.journal.failure().is_some());
    assert!(decider.settle().is_empty());
    assert_eq!(decider.log.abandon(), [ProposalToken(created)]);
    let refused = decider.create("u");
    assert_eq!(decider.settle(), [refused]);
    assert_eq!(
        decider.refused,
        [(refused, Refusal::Journal(JournalError::Stopped))]
    );
    assert!(decider.copy.topic("t").is_none());
}

#[test]
fn a_power_cut_between_the_parts_of_a_snapshot_loses_nothing() {
    let mut decider = Decider::new();
    let mut cuts = 0;
    for n in 0..3_000 {
        decider.create(&format!("t{n}"));
        if n % 8 == 0 {
            decider.flush();
        }
        if n % 8 == 0 && decider.log.snapshot.is_some() && n % 24 == 0 {
            cuts += 1;
            decider.crash();
            // Not `assert_eq`, which would print thousands of topics.
            assert!(decider.log.metadata() == &decider.copy, "after {n}");
        }
    }
    decider.flush();
    for _ in 0..20 {
        decider.create("t0");
        decider.flush();
    }

    assert!(cuts > 3, "{cuts} cuts");
    assert!(decider.log.snapshot.is_none());
    let (first, _) = decider
        .world
        .journal
        .range(StreamId::METADATA)
        .expect("a log");
    assert!(first.0 > 0, "no snapshot was finished");
    decider.crash();
    assert!(decider.log.metadata() == &decider.copy);
    assert_eq!(decider.copy.topic_count(), 3_000);
}

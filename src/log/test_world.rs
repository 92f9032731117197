//! A shard's journal over a simulated disk, with its partitions: for tests of `log` and `cluster`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    AckToken, Appended, FetchToken, Isolation, LeaderEpoch, LogError, Offset, OffsetFound,
    OffsetPlan, OffsetSpec, Overrides, Partitions, PartitionsSettings, ReadAsk, Settled,
    TopicConfig,
};
use crate::base::{ByteCount, Now, Span, Ticks, WallMs};
use crate::journal::{
    Journal, ReadDone, ReadRequest, ReadToken, SearchRequest, Settings, Slice, StreamId,
};
use crate::runtime::BlockPool;
use crate::runtime::sim::{DiskFaults, SimDisk};
use crate::wire::batch::{BatchBuilder, CheckedBatch, check_produced};

/// The stream of the partition that most tests use.
pub(crate) const P: StreamId = StreamId(20);
/// Another.
pub(crate) const Q: StreamId = StreamId(21);

pub(crate) struct World {
    pub disk: SimDisk,
    pub journal: Journal,
    pub partitions: Partitions,
    pub now: Now,
    settled: Settled,
    /// What `settle` has told.
    pub acked: BTreeSet<u64>,
    pub woken: Vec<u64>,
    next_token: u64,
}

fn settings() -> Settings {
    Settings {
        segment_bytes: ByteCount::kib(256),
        chunk_bytes: ByteCount::kib(64),
        cache_bytes: ByteCount::mib(16),
        index_cache_bytes: ByteCount::mib(1),
        reserve_bytes: ByteCount(0),
        parts_max: 32,
        incarnation: 1,
    }
}

fn open(disk: &mut SimDisk, now: Now) -> (Journal, Partitions) {
    let mut partitions = Partitions::new(PartitionsSettings::default(), now);
    let pool = BlockPool::default();
    let mut directory = disk.directory(pool.clone(), None);
    let journal = Journal::open(settings(), &mut directory, pool, now, &mut partitions)
        .expect("the journal opens");
    (journal, partitions)
}

impl World {
    /// An empty journal, and no partitions.
    pub fn empty() -> Self {
        let now = Now {
            ticks: Ticks(1),
            wall: WallMs(1_000_000_000_000),
        };
        let mut disk = SimDisk::new(7, DiskFaults::NONE);
        let (journal, partitions) = open(&mut disk, now);
        Self {
            disk,
            journal,
            partitions,
            now,
            settled: Settled::default(),
            acked: BTreeSet::new(),
            woken: Vec::new(),
            next_token: 0,
        }
    }

    /// With partitions `P` and `Q` of a topic so configured.
    pub fn with(overrides: &[(&str, &str)]) -> Self {
        let mut world = Self::empty();
        world.create(P, overrides);
        world.create(Q, overrides);
        world
    }

    pub fn create(&mut self, stream: StreamId, overrides: &[(&str, &str)]) {
        self.partitions
            .create(stream, LeaderEpoch(0), config(overrides));
    }

    /// Stages a batch; its token's number.
    pub fn append(&mut self, batch: &CheckedBatch) -> Result<(Appended, u64), LogError> {
        self.append_to(P, batch)
    }

    pub fn append_to(
        &mut self,
        stream: StreamId,
        batch: &CheckedBatch,
    ) -> Result<(Appended, u64), LogError> {
        self.next_token += 1;
        let token = Some(AckToken(self.next_token));
        let (journal, now) = (&mut self.journal, self.now);
        let appended = self.partitions.append(journal, stream, batch, token, now)?;
        Ok((appended, self.next_token))
    }

    pub fn trim(&mut self, before: Option<i64>) -> Result<Offset, LogError> {
        self.next_token += 1;
        let token = AckToken(self.next_token);
        let (journal, before) = (&mut self.journal, before.map(Offset));
        let deleted = self.partitions.delete_records(journal, P, before, token)?;
        Ok(deleted.log_start)
    }

    /// The number of the newest token.
    pub fn last_token(&self) -> u64 {
        self.next_token
    }

    /// Lets the disk end one operation of each kind that is under way, oldest first.
    pub fn step(&mut self) {
        let mut ops = Vec::new();
        self.journal.end_turn(self.now, &self.partitions, &mut ops);
        for op in ops {
            self.disk.submit(self.now.ticks, op);
        }
        self.now.ticks = self.now.ticks + Span::millis(1);
        for ticket in self.disk.under_way() {
            let done = self.disk.finish(ticket);
            self.journal.completed(self.now, done);
        }
        self.settle();
    }

    pub fn settle(&mut self) {
        self.partitions.settle(&self.journal, &mut self.settled);
        let acked = self.settled.acked.iter().map(|token| token.0);
        self.acked.extend(acked);
        self.woken
            .extend(self.settled.woken.iter().map(|FetchToken(token)| token));
        self.settled.clear();
    }

    /// Runs until everything staged is durable and settled.
    pub fn flush(&mut self) {
        for _ in 0..1_000 {
            self.step();
            if self.journal.at_rest() {
                return;
            }
        }
        panic!("the journal does not come to rest");
    }

    /// Power fails, and the machine comes back.
    pub fn crash(&mut self) {
        self.disk.cut_power();
        (self.journal, self.partitions) = open(&mut self.disk, self.now);
    }

    pub fn end(&self, stream: StreamId) -> i64 {
        self.facts(stream).end.0
    }

    pub fn high_watermark(&self, stream: StreamId) -> i64 {
        self.facts(stream).high_watermark.0
    }

    pub fn facts(&self, stream: StreamId) -> super::PartitionFacts {
        let facts = self.partitions.facts(&self.journal, stream);
        facts.expect("the partition is there")
    }

    /// All that a consumer gets from `from` on.
    pub fn read(&mut self, from: i64) -> Result<Vec<Slice>, LogError> {
        let plan = self.partitions.plan_read(P, &ask(from))?;
        let Some(request) = plan.request(ReadToken(1)) else {
            return Ok(Vec::new());
        };
        let slices = self.run_read(request).result.map_err(LogError::from)?;
        Ok(slices)
    }

    pub fn list(&mut self, spec: OffsetSpec) -> OffsetFound {
        let isolation = Isolation::ReadUncommitted;
        let plan = self.partitions.plan_offset(P, spec, isolation, None);
        match plan.expect("the partition is there") {
            OffsetPlan::Known(found) => found,
            OffsetPlan::Search(plan) => {
                let request = plan.request(ReadToken(2));
                let found = self.run_search(request).result.expect("a search");
                plan.resolve(found.first())
            }
        }
    }

    fn run_read(&mut self, request: ReadRequest) -> ReadDone {
        let done = self.journal.read(request);
        done.unwrap_or_else(|| self.await_read())
    }

    fn run_search(&mut self, request: SearchRequest) -> ReadDone {
        let done = self.journal.search(request);
        done.unwrap_or_else(|| self.await_read())
    }

    fn await_read(&mut self) -> ReadDone {
        for _ in 0..100 {
            self.step();
            if let Some(done) = self.journal.take_finished().pop() {
                return done;
            }
        }
        panic!("the read does not end");
    }
}

pub(crate) fn ask(from: i64) -> ReadAsk {
    ReadAsk {
        from: Offset(from),
        leader_epoch: None,
        isolation: Isolation::ReadUncommitted,
        bytes_max: ByteCount::mib(1),
        first_whole: true,
    }
}

pub(crate) fn config(overrides: &[(&str, &str)]) -> Arc<TopicConfig> {
    let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let overrides: Overrides = overrides.iter().map(pair).collect();
    Arc::new(TopicConfig::from_overrides(&overrides).expect("a valid configuration"))
}

/// A batch with a record for each time.
pub(crate) fn batch(times: &[i64]) -> CheckedBatch {
    built(BatchBuilder::new(), times)
}

/// A batch of three records from an idempotent producer.
pub(crate) fn produced(id: i64, sequence: i32) -> CheckedBatch {
    built(BatchBuilder::new().producer(id, 0, sequence), &[5, 6, 7])
}

fn built(builder: BatchBuilder, times: &[i64]) -> CheckedBatch {
    let add = |builder: BatchBuilder, time: &i64| builder.value(*time, b"value");
    let bytes = times.iter().fold(builder, add).build();
    check_produced(&bytes).expect("a valid batch")
}

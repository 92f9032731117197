//! What it costs to stage a batch, to seal it, and to take the device's answer; with few streams
//! and with many, with small batches and with large ones. The device answers at once.
//!
//! `cargo bench --bench journal_stage`

mod support;

use thalweg::base::{ByteCount, Now, Position, Ticks, WallMs};
use thalweg::journal::{
    Entry, EntryHead, Index, Journal, Replay, Settings, Snapshots, StreamId, Term,
};
use thalweg::runtime::disk::{DiskSpace, Found};
use thalweg::runtime::{
    Block, BlockPool, Directory, DiskDone, DiskError, DiskOp, DiskOutput, FileId,
};

/// A device that answers at once and keeps nothing.
struct Nowhere(BlockPool);

impl Directory for Nowhere {
    fn list(&mut self) -> Result<Vec<Found>, DiskError> {
        Ok(Vec::new())
    }

    fn read(&mut self, _: FileId, _: Position, length: ByteCount) -> Result<Block, DiskError> {
        Ok(self.0.take(length))
    }

    fn write(&mut self, _: FileId, _: Position, _: &bytes::Bytes) -> Result<(), DiskError> {
        Ok(())
    }

    fn flush(&mut self, _: FileId) -> Result<(), DiskError> {
        Ok(())
    }

    fn prepare(&mut self, _: FileId, _: ByteCount) -> Result<(), DiskError> {
        Ok(())
    }

    fn remove(&mut self, _: FileId) -> Result<(), DiskError> {
        Ok(())
    }

    fn space(&mut self) -> Result<DiskSpace, DiskError> {
        Ok(ROOM)
    }
}

const ROOM: DiskSpace = DiskSpace {
    usable: ByteCount(1 << 50),
    total: ByteCount(1 << 50),
};

struct Quiet;

impl Replay for Quiet {
    fn restored(&mut self, _: StreamId, _: Index, _: Index, _: &[u8]) {}
    fn entry(&mut self, _: &EntryHead) {}
    fn trimmed(&mut self, _: StreamId, _: Index) {}
    fn dropped(&mut self, _: StreamId) {}

    fn lost(&mut self, _: StreamId, _: Index) {}
}

impl Snapshots for Quiet {
    fn snapshot(&self, _: StreamId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[7; 64]);
    }
}

struct Bench {
    journal: Journal,
    now: Now,
    ends: Vec<i64>,
    next: usize,
    operations: Vec<DiskOp>,
}

impl Bench {
    fn new(streams: usize) -> Self {
        let settings = Settings {
            segment_bytes: ByteCount::mib(128),
            chunk_bytes: ByteCount::mib(2),
            cache_bytes: ByteCount::mib(256),
            index_cache_bytes: ByteCount::mib(128),
            reserve_bytes: ByteCount(0),
            parts_max: 32,
            incarnation: 1,
        };
        let now = Now {
            ticks: Ticks(1),
            wall: WallMs(1),
        };
        let pool = BlockPool::default();
        let mut directory = Nowhere(pool.clone());
        let journal = Journal::open(settings, &mut directory, pool, now, &mut Quiet)
            .expect("a new journal opens");
        Self {
            journal,
            now,
            ends: vec![0; streams],
            next: 0,
            operations: Vec::new(),
        }
    }

    /// One turn: `count` batches, each to the next stream, sealed and flushed together.
    fn turn(&mut self, count: usize, body: &[u8], body_sum: u32) -> u64 {
        for _ in 0..count {
            let entry = Entry {
                stream: StreamId(16 + self.next as u64),
                first: Index(self.ends[self.next]),
                term: Term(1),
                count: 10,
                time_max: 1,
                note: [0; 16],
                head: &[1; 61],
                body,
                body_sum,
                flush_within: None,
            };
            if self.journal.stage(&entry).is_err() {
                break;
            }
            self.ends[self.next] += 10;
            self.next = (self.next + 1) % self.ends.len();
        }
        loop {
            self.journal
                .end_turn(self.now, &Quiet, &mut self.operations);
            if self.operations.is_empty() {
                return self.journal.flushed().0;
            }
            for operation in std::mem::take(&mut self.operations) {
                let done = answer(operation);
                self.journal.completed(self.now, done);
            }
        }
    }
}

fn answer(operation: DiskOp) -> DiskDone {
    let (ticket, output) = match operation {
        DiskOp::Write { ticket, data, .. } => {
            (ticket, DiskOutput::Written(ByteCount(data.len() as u64)))
        }
        DiskOp::Flush { ticket, .. } => (ticket, DiskOutput::Flushed),
        DiskOp::Read { ticket, length, .. } => {
            let block = BlockPool::default().take(length);
            (ticket, DiskOutput::Read(block))
        }
        DiskOp::Prepare { ticket, .. } => (ticket, DiskOutput::Prepared),
        DiskOp::Remove { ticket, .. } => (ticket, DiskOutput::Removed),
        DiskOp::Space { ticket } => (ticket, DiskOutput::Space(ROOM)),
    };
    DiskDone {
        ticket,
        result: Ok(output),
    }
}

fn main() {
    let size = support::Size::from_args(20, 4_000);
    support::print_head(0);
    for (streams, bytes, batches) in [
        (6, 64 << 10, 8),
        (6, 1 << 10, 64),
        (140_000, 1 << 10, 64),
        (140_000, 1 << 10, 512),
    ] {
        let streams = if size.is_full {
            streams
        } else {
            streams.min(1_000)
        };
        let body = vec![0x5C; bytes];
        let sum = thalweg::base::crc::crc32c(&body);
        let mut bench = Bench::new(streams);
        let times = support::time(&size, || bench.turn(batches, &body, sum));
        let name = format!("{batches} batches of {bytes} to {streams} streams");
        times.print(&name, Some(batches * bytes));
    }
}

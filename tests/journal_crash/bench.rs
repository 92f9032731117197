//! A journal at work on a simulated disk, driven step by step, and what is checked as it goes.

use thalweg::base::crc::crc32c;
use thalweg::base::random::Random;
use thalweg::base::{ByteCount, Now, Span as Wait, Ticks, WallMs};
use thalweg::journal::{
    Entry, EntryHead, Index, Journal, JournalError, ReadDone, ReadRequest, ReadToken, Replay,
    Settings, StreamId,
};
use thalweg::runtime::BlockPool;
use thalweg::runtime::sim::SimDisk;

use crate::model::{Model, Staged, Stream, head_of, payload_of};

pub const HEAD_BYTES: usize = 21;

/// One life of a journal.
pub struct Bench {
    pub disk: SimDisk,
    pub journal: Journal,
    pub model: Model,
    pub random: Random,
    pub now: Now,
    next_token: u64,
    flushed: u64,
    /// What is staged now may stay unflushed for a while.
    relaxed: bool,
}

pub fn settings(random: &mut Random) -> Settings {
    Settings {
        segment_bytes: ByteCount::kib(256 << random.below(3)),
        chunk_bytes: ByteCount::kib(64),
        cache_bytes: ByteCount::kib(256),
        index_cache_bytes: ByteCount::kib(64),
        reserve_bytes: ByteCount(0),
        parts_max: 4 << random.below(3),
        incarnation: 7,
    }
}

/// What a journal told while it opened.
#[derive(Debug, Default)]
pub struct Told {
    pub restored: Vec<(StreamId, Index, Vec<u8>)>,
    pub heads: Vec<EntryHead>,
}

impl Replay for Told {
    fn restored(&mut self, stream: StreamId, _first: Index, end: Index, snapshot: &[u8]) {
        self.restored.push((stream, end, snapshot.to_vec()));
    }

    fn entry(&mut self, head: &EntryHead) {
        self.heads.push(*head);
    }

    fn trimmed(&mut self, _: StreamId, _: Index) {}

    fn dropped(&mut self, stream: StreamId) {
        self.heads.retain(|head| head.stream != stream);
        self.restored.retain(|(restored, _, _)| *restored != stream);
    }

    fn lost(&mut self, _: StreamId, _: Index) {}
}

/// Opens the journal; `ops_left` as for `SimDisk::directory`. None: the process died meanwhile.
pub fn open(
    disk: &mut SimDisk,
    settings: Settings,
    now: Now,
    ops_left: Option<u64>,
) -> Result<Option<(Journal, Told)>, JournalError> {
    let mut told = Told::default();
    let pool = BlockPool::default();
    let mut directory = disk.directory(pool.clone(), ops_left);
    let opened = Journal::open(settings, &mut directory, pool, now, &mut told);
    if directory.has_crashed() {
        return Ok(None);
    }
    opened.map(|journal| Some((journal, told)))
}

impl Bench {
    pub fn new(disk: SimDisk, journal: Journal, model: Model, seed: u64, now: Now) -> Self {
        let flushed = journal.flushed().0;
        Self {
            disk,
            journal,
            model,
            random: Random::with_seed(seed),
            now,
            next_token: 0,
            flushed,
            relaxed: false,
        }
    }

    /// One random thing, and what must always hold.
    pub fn step(&mut self) {
        match self.random.below(100) {
            0..30 => self.stage_some(),
            30..33 => self.trim(),
            33 => self.drop_stream(),
            34..65 => self.turn(),
            65..92 => self.finish_one(),
            92..96 => self.read(),
            _ => self.wait(),
        }
        self.check_order();
    }

    fn check_order(&mut self) {
        let [flushed, written, staged] = [
            self.journal.flushed().0,
            self.journal.written().0,
            self.journal.staged().0,
        ];
        assert!(flushed <= written, "flushed {flushed} > written {written}");
        assert!(written <= staged, "written {written} > staged {staged}");
        assert!(self.flushed <= flushed, "flushed went back to {flushed}");
        self.flushed = flushed;
    }

    fn pick(&mut self) -> Option<StreamId> {
        let streams = self.model.streams.iter();
        let live: Vec<StreamId> = streams
            .filter(|(_, stream)| stream.dropped.is_none())
            .map(|(id, _)| *id)
            .collect();
        let pick = self.random.below(live.len().max(1) as u64) as usize;
        live.get(pick).copied()
    }

    fn stage_some(&mut self) {
        self.relaxed ^= self.random.one_in(3);
        for _ in 0..1 + self.random.below(6) {
            let id = match self.pick() {
                Some(id) if !self.random.one_in(10) => id,
                _ => {
                    self.model.last_stream += 1;
                    StreamId(StreamId::FIRST_FREE + self.model.last_stream)
                }
            };
            let length = match self.random.below(40) {
                0 => 60_000 + self.random.below(60_000),
                1..6 => self.random.below(20_000),
                _ => self.random.below(1_500),
            };
            self.stage(id, HEAD_BYTES as u32 + length as u32);
        }
    }

    pub fn stage(&mut self, id: StreamId, length: u32) {
        let stream = self.model.streams.entry(id).or_default();
        if stream.trims.is_empty() {
            stream.trims.push((0, 0));
        }
        if self.random.one_in(20) {
            stream.term += 1;
        }
        let head = head_of(id, stream.end(), stream.term, length, &mut self.random);
        let payload = payload_of(&head);
        let (start, body) = payload.split_at(HEAD_BYTES);
        let placed = self.journal.stage(&Entry {
            stream: id,
            first: head.first,
            term: head.term,
            count: head.count,
            time_max: head.time_max,
            note: head.note,
            head: start,
            body,
            body_sum: crc32c(body),
            flush_within: self.relaxed.then(|| Wait::millis(3)),
        });
        match placed {
            Ok(placed) => {
                let group = placed.group.0;
                assert!(group > self.journal.written().0, "staged into the past");
                stream.entries.push(Staged { head, group });
            }
            Err(error) => {
                let is_expected = matches!(
                    error,
                    JournalError::Busy | JournalError::Full | JournalError::Stopped
                );
                assert!(is_expected || self.journal.failure().is_some(), "{error:?}");
                if stream.entries.is_empty() {
                    self.model.streams.remove(&id);
                }
            }
        }
    }

    fn trim(&mut self) {
        let Some(id) = self.pick() else { return };
        let stream = self.model.streams.get_mut(&id).expect("picked");
        let room = (stream.end() - stream.first()) as u64;
        let first = stream.first() + self.random.below(room + 1) as i64;
        if first == stream.first() {
            return;
        }
        if let Ok(placed) = self.journal.trim(id, Index(first)) {
            stream.trims.push((placed.group.0, first));
        }
    }

    fn drop_stream(&mut self) {
        let Some(id) = self.pick() else { return };
        if let Ok(placed) = self.journal.drop_stream(id) {
            let stream: &mut Stream = self.model.streams.get_mut(&id).expect("picked");
            stream.dropped = Some(placed.group.0);
        }
    }

    pub fn turn(&mut self) {
        let mut ops = Vec::new();
        self.journal.end_turn(self.now, &self.model, &mut ops);
        for op in ops {
            self.disk.submit(self.now.ticks, op);
        }
    }

    /// Ends an operation; any that is under way, so they end in any order.
    pub fn finish_one(&mut self) {
        let tickets = self.disk.under_way();
        let pick = self.random.below(tickets.len().max(1) as u64) as usize;
        let Some(ticket) = tickets.get(pick) else {
            return;
        };
        let done = self.disk.finish(*ticket);
        self.journal.completed(self.now, done);
        if self.random.one_in(2) {
            self.turn();
        }
        for done in self.journal.take_finished() {
            self.check_read(done);
        }
    }

    fn wait(&mut self) {
        let millis = 1 + self.random.below(80);
        self.pass(Wait::millis(millis));
        self.turn();
    }

    pub fn pass(&mut self, wait: Wait) {
        self.now.ticks = self.now.ticks + wait;
        self.now.wall = WallMs(self.now.wall.0 + (wait.0 / 1_000_000) as i64);
    }

    fn read(&mut self) {
        let Some(id) = self.pick() else { return };
        let stream = &self.model.streams[&id];
        let room = (stream.end() - stream.first()).max(0) as u64;
        if room == 0 {
            return;
        }
        let from = Index(stream.first() + self.random.below(room) as i64);
        self.next_token += 1;
        let done = self.journal.read(ReadRequest {
            token: ReadToken(self.next_token),
            stream: id,
            from,
            until: Index(stream.end()),
            bytes_max: ByteCount(self.random.below(100_000)),
            first_whole: true,
        });
        if let Some(done) = done {
            self.check_read(done);
        }
    }

    /// Whatever a read brings must be what was staged; errors are the device's business.
    fn check_read(&self, done: ReadDone) {
        for slice in done.result.unwrap_or_default() {
            check_slice(&self.model, &slice.head, &slice.payload);
        }
    }

    /// Works until everything staged is flushed and sealed, or the journal has stopped.
    pub fn come_to_rest(&mut self) {
        for _ in 0..20_000 {
            if self.journal.at_rest() || self.journal.failure().is_some() {
                return;
            }
            self.turn();
            if self.disk.under_way().is_empty() {
                self.pass(Wait::millis(10));
            }
            self.finish_one();
            self.check_order();
        }
        panic!("the journal does not come to rest");
    }
}

/// An entry read back is the one that was staged at this place. Streams that the model dropped
/// are nobody's business any more.
pub fn check_slice(model: &Model, head: &EntryHead, payload: &[u8]) {
    let Some(stream) = model.streams.get(&head.stream) else {
        return;
    };
    check_head(stream, head);
    assert!(payload == payload_of(head), "payload of {head:?} differs");
}

pub fn check_head(stream: &Stream, head: &EntryHead) {
    let place = stream
        .entries
        .binary_search_by_key(&head.first, |entry| entry.head.first);
    let Ok(place) = place else {
        panic!("{head:?} was never staged")
    };
    assert_eq!(stream.entries[place].head, *head, "an entry changed");
}

pub const START: Now = Now {
    ticks: Ticks(1_000_000_000),
    wall: WallMs(1_760_000_000_000),
};

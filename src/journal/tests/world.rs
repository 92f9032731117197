//! A journal, its disk, and what must be true of them.

use std::collections::BTreeMap;

use crate::base::crc::crc32c;
use crate::base::random::Random;
use crate::base::{ByteCount, Now, Span, Ticks, WallMs};
use crate::journal::parts::Part;
use crate::journal::{
    Entry, EntryHead, Index, Journal, JournalError, Placed, ReadDone, ReadRequest, ReadToken,
    Replay, SearchRequest, Sequence, Settings, Slice, Snapshots, StreamId, Term,
};
use crate::runtime::{BlockPool, DiskOp};

use super::disk::Disk;

/// The head of every payload here: patched bytes, summed by the journal.
pub const HEAD: usize = 12;

/// What a caller keeps of a stream, rebuilt by replay and written as its snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub first: i64,
    pub end: i64,
    /// A sum over all entries ever, in order.
    pub digest: u64,
}

impl State {
    fn add(&mut self, head: &EntryHead) {
        self.end = head.end().0;
        let note = u64::from_le_bytes(head.note[..8].try_into().expect("eight bytes"));
        self.digest = self
            .digest
            .wrapping_mul(31)
            .wrapping_add(note ^ head.first.0 as u64);
    }
}

/// The caller's side: one state per stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub streams: BTreeMap<StreamId, State>,
    pub restored: usize,
    pub entries: usize,
    /// The last word of how far the opening was.
    pub progress: (u32, u32),
}

impl Replay for Caller {
    fn restored(&mut self, stream: StreamId, first: Index, end: Index, snapshot: &[u8]) {
        self.restored += 1;
        let digest = u64::from_le_bytes(snapshot.try_into().expect("a snapshot of eight bytes"));
        let state = State {
            first: first.0,
            end: end.0,
            digest,
        };
        let known = self.streams.insert(stream, state);
        assert!(
            known.is_none(),
            "{stream:?} was restored after other news of it"
        );
    }

    fn entry(&mut self, head: &EntryHead) {
        self.entries += 1;
        let state = self.streams.entry(head.stream).or_default();
        assert!(
            state.end <= head.first.0,
            "replay went back: {head:?} after {state:?}"
        );
        state.add(head);
    }

    fn trimmed(&mut self, stream: StreamId, first: Index) {
        let state = self.streams.entry(stream).or_default();
        state.first = state.first.max(first.0);
        state.end = state.end.max(first.0);
    }

    fn dropped(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    fn lost(&mut self, stream: StreamId, end: Index) {
        self.streams.entry(stream).or_default().end = end.0;
    }

    fn progress(&mut self, done: u32, all: u32) {
        assert!(done > self.progress.0 && done <= all, "{done} of {all}");
        self.progress = (done, all);
    }
}

impl Snapshots for Caller {
    fn snapshot(&self, stream: StreamId, out: &mut Vec<u8>) {
        let digest = self.streams.get(&stream).map_or(0, |state| state.digest);
        out.extend_from_slice(&digest.to_le_bytes());
    }
}

/// Something that was staged, and when it becomes durable.
#[derive(Clone, Debug)]
pub struct Staged {
    pub stream: StreamId,
    pub first: i64,
    pub payload: Vec<u8>,
    pub group: Sequence,
}

pub struct World {
    pub random: Random,
    pub disk: Disk,
    pub settings: Settings,
    pub now: Now,
    pub journal: Journal,
    pub caller: Caller,
    /// What the last opening told.
    pub replayed: Caller,
    pub staged: Vec<Staged>,
    /// Every entry ever staged and not lost in a crash, by stream.
    pub history: BTreeMap<StreamId, Vec<EntryHead>>,
    /// Trims and drops: the stream, the first index kept (None: dropped), the group.
    pub removals: Vec<(StreamId, Option<i64>, Sequence)>,
    pub finished: Vec<ReadDone>,
    /// What is staged now may stay unflushed for five milliseconds.
    pub relaxed: bool,
}

pub fn settings() -> Settings {
    Settings {
        segment_bytes: ByteCount::kib(256),
        chunk_bytes: ByteCount::kib(64),
        cache_bytes: ByteCount::mib(64),
        index_cache_bytes: ByteCount::mib(1),
        reserve_bytes: ByteCount(0),
        parts_max: 32,
        incarnation: 77,
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, settings())
    }

    pub fn with(seed: u64, settings: Settings) -> Self {
        let mut disk = Disk::default();
        let now = Now {
            ticks: Ticks(1),
            wall: WallMs(1),
        };
        let mut replayed = Caller::default();
        let pool = BlockPool::default();
        let journal = Journal::open(settings, &mut disk, pool, now, &mut replayed)
            .expect("a new journal opens");
        Self {
            random: Random::with_seed(seed),
            disk,
            settings,
            now,
            journal,
            caller: Caller::default(),
            replayed,
            staged: Vec::new(),
            history: BTreeMap::new(),
            removals: Vec::new(),
            finished: Vec::new(),
            relaxed: false,
        }
    }

    pub fn end_of(&self, stream: u64) -> i64 {
        self.journal
            .range(StreamId(stream))
            .map_or(0, |(_, end)| end.0)
    }

    /// Stages noise of `length` bytes that covers `count` numbers.
    pub fn stage(
        &mut self,
        stream: u64,
        count: u32,
        length: usize,
    ) -> Result<Placed, JournalError> {
        let mut payload = vec![0; length.max(HEAD)];
        self.random.fill(&mut payload);
        let first = self.end_of(stream);
        let mut note = [0; 16];
        note[..8].copy_from_slice(&payload[..8]);
        let (head, body) = payload.split_at(HEAD);
        let entry = Entry {
            stream: StreamId(stream),
            first: Index(first),
            term: Term(3),
            count,
            time_max: first * 10,
            note,
            head,
            body,
            body_sum: crc32c(body),
            flush_within: self.relaxed.then(|| Span::millis(5)),
        };
        let placed = self.journal.stage(&entry)?;
        let head = EntryHead {
            stream: StreamId(stream),
            first: Index(first),
            term: Term(3),
            count,
            time_max: first * 10,
            note,
            length: payload.len() as u32,
        };
        let state = self.caller.streams.entry(StreamId(stream)).or_default();
        state.add(&head);
        let history = self.history.entry(StreamId(stream)).or_default();
        history.push(head);
        self.staged.push(Staged {
            stream: StreamId(stream),
            first,
            payload,
            group: placed.group,
        });
        Ok(placed)
    }

    pub fn trim(&mut self, stream: u64, first: i64) {
        let id = StreamId(stream);
        let placed = loop {
            match self.journal.trim(id, Index(first)) {
                Err(JournalError::Busy) => assert!(self.step(), "busy with nothing"),
                placed => break placed.expect("a trim is taken"),
            }
        };
        self.caller.trimmed(id, Index(first));
        self.removals.push((id, Some(first), placed.group));
    }

    pub fn drop_stream(&mut self, stream: u64) {
        let id = StreamId(stream);
        let placed = self.journal.drop_stream(id).expect("a drop is taken");
        self.caller.dropped(id);
        self.removals.push((id, None, placed.group));
    }

    pub fn turn(&mut self) {
        let mut operations: Vec<DiskOp> = Vec::new();
        self.journal
            .end_turn(self.now, &self.caller, &mut operations);
        self.disk.under_way.extend(operations);
        self.finished.extend(self.journal.take_finished());
        let (flushed, written, staged) = (
            self.journal.flushed(),
            self.journal.written(),
            self.journal.staged(),
        );
        assert!(
            flushed <= written && written < staged,
            "{flushed:?} {written:?} {staged:?}"
        );
    }

    /// Ends one operation of the device; false if there was none.
    pub fn step(&mut self) -> bool {
        self.turn();
        let Some(done) = self.disk.end_one(&mut self.random) else {
            return false;
        };
        self.journal.completed(self.now, done);
        self.turn();
        true
    }

    /// Runs until nothing is left to do, time included.
    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if self.step() {
                continue;
            }
            match self.journal.wake_at() {
                Some(at) if at <= self.now.ticks + Span::millis(60) => {
                    self.now.ticks = self.now.ticks.max(at);
                }
                _ => return,
            }
        }
        panic!("the journal does not come to rest");
    }

    /// Stages, with completions in between when the journal is busy.
    pub fn stage_patiently(&mut self, stream: u64, count: u32, length: usize) -> Placed {
        for _ in 0..10_000 {
            match self.stage(stream, count, length) {
                Ok(placed) => return placed,
                Err(JournalError::Busy) => {
                    self.step();
                }
                Err(error) => panic!("staging failed: {error:?}"),
            }
        }
        panic!("staging never succeeds");
    }

    /// Opens what the disk now holds. The caller's state becomes what replay tells.
    pub fn reopen(&mut self) -> Result<(), JournalError> {
        let mut replayed = Caller::default();
        let pool = BlockPool::default();
        self.journal = Journal::open(self.settings, &mut self.disk, pool, self.now, &mut replayed)?;
        self.caller = replayed.clone();
        self.caller.restored = 0;
        self.caller.entries = 0;
        self.replayed = replayed;
        self.finished.clear();
        Ok(())
    }

    /// The power fails and comes back.
    pub fn crash_and_reopen(&mut self) {
        let flushed = self.journal.flushed();
        self.disk.crash(&mut self.random);
        self.reopen().expect("a journal opens after a crash");
        let damage = self.journal.damage();
        assert!(
            damage.is_empty(),
            "what was never flushed is no damage: {damage:?}"
        );
        self.forget_lost(flushed);
        self.check_all();
    }

    /// Everything flushed must be there; what is not there any more is forgotten.
    pub fn forget_lost(&mut self, flushed: Sequence) {
        let journal = &self.journal;
        for (stream, first, group) in std::mem::take(&mut self.removals) {
            let range = journal.range(stream);
            if group > flushed {
                if range.is_some() || first.is_some() {
                    continue;
                }
            } else if let (Some((kept, _)), Some(first)) = (range, first) {
                assert!(
                    kept.0 >= first,
                    "{stream:?} grew back: {kept:?} below {first}"
                );
            }
            if first.is_none() {
                assert_eq!(range, None, "{stream:?} came back though it was dropped");
                self.staged.retain(|staged| staged.stream != stream);
                self.history.remove(&stream);
            }
        }
        self.staged.retain(|staged| {
            let range = journal.range(staged.stream);
            let kept = range.is_some_and(|(_, end)| staged.first < end.0);
            assert!(
                kept || staged.group > flushed,
                "lost: {:?} {} in {:?}, flushed {flushed:?}, now {range:?}",
                staged.stream,
                staged.first,
                staged.group
            );
            kept
        });
        for (stream, heads) in &mut self.history {
            let end = journal.range(*stream).map_or(0, |(_, end)| end.0);
            heads.retain(|head| head.first.0 < end);
            let mut truth = State::default();
            heads.iter().for_each(|head| truth.add(head));
            let digest = self
                .caller
                .streams
                .get(stream)
                .map_or(0, |state| state.digest);
            assert_eq!(
                digest, truth.digest,
                "{stream:?} was replayed otherwise than it was"
            );
        }
    }

    /// What each segment counts is what the streams' parts make up.
    pub fn check_counts(&self) {
        let book = &self.journal.book;
        let mut counts: BTreeMap<u32, (i64, i32, i32)> = BTreeMap::new();
        let streams = (0..book.streams.slots()).filter_map(|slot| book.streams.at(slot));
        for share in streams.flat_map(|stream| stream.parts.iter().flat_map(Part::shares)) {
            let count = counts.entry(share.segment).or_default();
            count.0 += share.bytes;
            count.1 += share.parts;
            count.2 += share.folded;
        }
        for segment in book.segments.values() {
            let (bytes, parts, folded) = counts.remove(&segment.number).unwrap_or_default();
            assert_eq!(segment.parts as i32, parts, "parts in {}", segment.number);
            assert_eq!(
                segment.folded as i32, folded,
                "folded in {}",
                segment.number
            );
            assert_eq!(
                segment.live_bytes as i64, bytes,
                "bytes in {}",
                segment.number
            );
        }
        assert!(
            counts.is_empty(),
            "parts in segments that are gone: {counts:?}"
        );
    }

    /// How many parts the stream of the most parts has, and how many parts are folded.
    pub fn parts(&self) -> (usize, usize) {
        let streams = &self.journal.book.streams;
        let streams = (0..streams.slots()).filter_map(|slot| streams.at(slot));
        streams.fold((0, 0), |(most, folded), stream| {
            let here = stream.parts.iter().filter(|part| part.older.is_some());
            (most.max(stream.parts.len()), folded + here.count())
        })
    }

    /// Every entry that is still kept is read back, exact and in order.
    pub fn check_all(&mut self) {
        self.settle();
        if self.journal.damage().is_empty() {
            self.check_counts();
        }
        let mut by_stream: BTreeMap<StreamId, Vec<Staged>> = BTreeMap::new();
        for staged in &self.staged {
            by_stream
                .entry(staged.stream)
                .or_default()
                .push(staged.clone());
        }
        for (stream, staged) in by_stream {
            let Some((first, end)) = self.journal.range(stream) else {
                let dropped = self
                    .removals
                    .iter()
                    .any(|(id, first, _)| *id == stream && first.is_none());
                assert!(dropped, "{stream:?} is gone");
                continue;
            };
            let slices = self.read_range(stream, first.0, end.0);
            let mut found = slices.iter();
            for wanted in staged {
                if wanted.first < first.0 {
                    continue;
                }
                let slice = found
                    .find(|slice| slice.head.first.0 >= wanted.first)
                    .unwrap_or_else(|| panic!("{stream:?} {} is not read", wanted.first));
                assert_eq!(slice.head.first.0, wanted.first, "{stream:?}");
                assert_eq!(slice.payload, wanted.payload, "{stream:?} {}", wanted.first);
            }
        }
        for (stream, state) in &self.caller.streams {
            let range = self.journal.range(*stream);
            assert_eq!(
                range,
                Some((Index(state.first), Index(state.end))),
                "{stream:?}"
            );
        }
    }

    /// Reads a range in small portions.
    pub fn read_range(&mut self, stream: StreamId, from: i64, until: i64) -> Vec<Slice> {
        let mut slices: Vec<Slice> = Vec::new();
        let mut from = from;
        while from < until {
            let read = self
                .read(stream, from, until, 20_000)
                .expect("a read succeeds");
            let Some(last) = read.last() else {
                break;
            };
            from = last.head.end().0;
            slices.extend(read);
        }
        slices
    }

    pub fn read(
        &mut self,
        stream: StreamId,
        from: i64,
        until: i64,
        bytes_max: u64,
    ) -> Result<Vec<Slice>, JournalError> {
        let token = ReadToken(self.random.next_u64());
        let request = ReadRequest {
            token,
            stream,
            from: Index(from),
            until: Index(until),
            bytes_max: ByteCount(bytes_max),
            first_whole: true,
        };
        let done = self.journal.read(request);
        self.finish(token, done)
    }

    pub fn search(
        &mut self,
        stream: u64,
        time: Option<i64>,
        until: i64,
    ) -> Result<Vec<Slice>, JournalError> {
        let token = ReadToken(self.random.next_u64());
        let request = SearchRequest {
            token,
            stream: StreamId(stream),
            until: Index(until),
            time,
        };
        let done = self.journal.search(request);
        self.finish(token, done)
    }

    fn finish(
        &mut self,
        token: ReadToken,
        done: Option<ReadDone>,
    ) -> Result<Vec<Slice>, JournalError> {
        if let Some(done) = done {
            return done.result;
        }
        for _ in 0..10_000 {
            if let Some(at) = self.finished.iter().position(|done| done.token == token) {
                return self.finished.remove(at).result;
            }
            self.step();
        }
        panic!("a read never ends");
    }

    /// A clean stop.
    pub fn close(&mut self) {
        self.journal.close();
        self.settle();
        assert!(self.journal.at_rest(), "a closed journal comes to rest");
    }
}

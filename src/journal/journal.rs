//! The journal's face: stage, write, flush, read, forget.

use std::collections::VecDeque;

use crate::base::crc::crc32c;
use crate::base::limits::{self, JOURNAL_SEAL_WAIT, STAGED_BYTES_MAX};
use crate::base::{ByteCount, Now, Span, Ticks};
use crate::runtime::{BlockPool, Directory, DiskDone, DiskError, DiskOp};

use super::appender::{Appender, Room, Shape};
use super::book::{Book, Segment};
use super::cache::Cache;
use super::checkpoint::Checkpoints;
use super::cleaning::Cleaner;
use super::damage::Damage;
use super::entry::{Entry, Index, Placed, Sequence, StreamId};
use super::error::JournalError;
use super::footer::FooterWriter;
use super::format::{HEAD_BYTES_MAX, Kind, Row, group_bytes};
use super::growth::Growth;
use super::index::SegmentIndex;
use super::plan::{Asked, Horizon};
use super::reads::{Reads, Shelf};
use super::recover::recover;
use super::requests::{Extent, ReadDone, ReadRequest, Replay, SearchRequest, Snapshots};
use super::turn::{Files, Turn};

/// Sizes of one journal.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub segment_bytes: ByteCount,
    pub chunk_bytes: ByteCount,
    /// Memory for blocks already written, so that tail reads need no disk.
    pub cache_bytes: ByteCount,
    /// Memory for footers of sealed segments.
    pub index_cache_bytes: ByteCount,
    /// Free space of the file system below which nothing more is staged.
    pub reserve_bytes: ByteCount,
    /// Parts that are known of one stream one by one; older ones are folded. At least 4.
    pub parts_max: usize,
    /// Changes with every wiped or restored directory; part of every group.
    pub incarnation: u64,
}

impl Settings {
    /// The sizes of a broker in earnest.
    pub fn new(incarnation: u64) -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            chunk_bytes: limits::CHUNK_BYTES,
            cache_bytes: ByteCount::mib(256),
            index_cache_bytes: limits::INDEX_CACHE_BYTES,
            reserve_bytes: limits::RESERVE_BYTES,
            parts_max: limits::STREAM_PARTS_MAX,
            incarnation,
        }
    }
}

/// One part in so many of a segment is left to trims and drops while no other segment is ready.
const REMOVALS_SHARE: usize = 32;

/// One shard's journal. Owned by the shard; every method returns at once.
pub struct Journal {
    pub(super) settings: Settings,
    pub(super) book: Book,
    pub(super) appender: Appender,
    pub(super) cache: Cache,
    pub(super) reads: Reads,
    pub(super) turn: Turn,
    pub(super) checkpoints: Checkpoints,
    /// The footer being written.
    pub(super) footer: Option<FooterWriter>,
    /// Sealed segments whose footers are still to be written, oldest first.
    pub(super) footers_due: VecDeque<u32>,
    pub(super) cleaner: Cleaner,
    damage: Vec<Damage>,
}

impl Journal {
    /// Opens the journal in `directory`, or makes a new one where there is none. Cuts a torn tail,
    /// keeps and reports damage, and tells `replay` what there is.
    pub fn open(
        settings: Settings,
        directory: &mut dyn Directory,
        pool: BlockPool,
        now: Now,
        replay: &mut dyn Replay,
    ) -> Result<Self, JournalError> {
        let mut found = recover(settings, directory, &pool, replay)?;
        found.book.parts_max = settings.parts_max;
        let checkpoints = found.checkpoints();
        let shape = Shape {
            segment_bytes: settings.segment_bytes.as_usize(),
            chunk_bytes: settings.chunk_bytes.as_usize(),
            incarnation: settings.incarnation,
            session: found.superblock.session,
        };
        let indexed_from = found.book.segments.keys().next().copied().unwrap_or(0);
        Ok(Self {
            settings,
            book: found.book,
            appender: Appender::new(shape, pool.clone(), found.tail),
            cache: Cache::default(),
            reads: Reads::new(settings),
            turn: Turn::new(
                pool.clone(),
                Growth::new(now.ticks, settings.cache_bytes, pool),
                now,
                found.superblock,
                Files {
                    spare: found.spare,
                    next_segment: found.next_segment,
                    next_file: found.next_file,
                    indexed_from,
                },
            ),
            checkpoints,
            footer: None,
            footers_due: found.footers_due.into(),
            cleaner: Cleaner::default(),
            damage: found.damage,
        })
    }

    /// What recovery found to be lost or unreadable though it had been acknowledged.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// How many groups may be in flight, and whether a write is durable by itself (as O_DSYNC) or
    /// needs a flush after it. For benches; the defaults stand in `limits`.
    pub fn tune(&mut self, groups_in_flight: usize, writes_durable: bool) {
        assert!(groups_in_flight > 0, "some group must be allowed to leave");
        self.turn.groups_in_flight = groups_in_flight;
        self.turn.writes_durable = writes_durable;
    }

    /// Gives the entry its place before any I/O happens. `first` must be the stream's end.
    pub fn stage(&mut self, entry: &Entry<'_>) -> Result<Placed, JournalError> {
        let length = entry.head.len() + entry.body.len();
        let spared = self.settings.segment_bytes.as_usize() / REMOVALS_SHARE;
        let least = group_bytes(length, 1) + SegmentIndex::default().footer_reserve() + spared;
        if least > self.settings.segment_bytes.as_usize() || entry.head.len() > HEAD_BYTES_MAX {
            let length = length as u64;
            return Err(JournalError::TooLarge { length });
        }
        if let Some(stream) = self.book.streams.get(entry.stream) {
            assert_eq!(
                entry.first, stream.end,
                "an entry must begin at its stream's end"
            );
            assert!(entry.term >= stream.term, "a term fell: {:?}", entry.term);
        }
        if self.appender.unwritten_bytes > STAGED_BYTES_MAX.0 {
            return Err(JournalError::Busy);
        }
        let row = Row {
            stream: entry.stream,
            first: entry.first,
            time_max: entry.time_max,
            note: entry.note,
            term: entry.term,
            count: entry.count,
            length: length as u32,
            body_sum: entry.body_sum,
            head_sum: crc32c(entry.head),
            head_length: entry.head.len() as u16,
            kind: Kind::Entry,
        };
        self.put_within(&row, entry.head, entry.body, entry.flush_within)
    }

    /// Gives up all of `stream` below `first`; durable with the group that is returned.
    pub fn trim(&mut self, stream: StreamId, first: Index) -> Result<Placed, JournalError> {
        self.put(&Row::bare(Kind::Trim, stream, first), &[], &[])
    }

    /// Gives up `stream`; durable with the group that is returned.
    pub fn drop_stream(&mut self, stream: StreamId) -> Result<Placed, JournalError> {
        self.put(&Row::bare(Kind::Drop, stream, Index(0)), &[], &[])
    }

    /// Makes room for a row, copies its payload and notes where it is.
    pub(super) fn put(
        &mut self,
        row: &Row,
        head: &[u8],
        body: &[u8],
    ) -> Result<Placed, JournalError> {
        self.put_within(row, head, body, None)
    }

    fn put_within(
        &mut self,
        row: &Row,
        head: &[u8],
        body: &[u8],
        within: Option<Span>,
    ) -> Result<Placed, JournalError> {
        if self.turn.failure.is_some() || self.turn.closing {
            return Err(JournalError::Stopped);
        }
        self.make_room(row)?;
        let at = self.appender.put(row, head, body, within);
        self.turn.counts.entries += 1;
        self.turn.counts.staged.0 += u64::from(row.length);
        let tail = self.appender.tail();
        self.book.place(tail.segment, row, at);
        Ok(Placed {
            group: tail.sequence,
        })
    }

    fn make_room(&mut self, row: &Row) -> Result<(), JournalError> {
        let length = row.length as usize;
        let open = self.appender.tail().segment;
        let mut reserve = self.book.index_mut(open).footer_reserve();
        let gives_up = matches!(row.kind, Kind::Trim | Kind::Drop);
        if !gives_up && !self.turn.has_prepared() {
            // Without a segment to go on in, the end of this one is for giving up what is old.
            reserve += self.settings.segment_bytes.as_usize() / REMOVALS_SHARE;
        }
        let mut room = self.appender.room(length, reserve);
        if room == Room::ThisGroup {
            return Ok(());
        }
        if room == Room::NextSegment && !self.turn.has_prepared() {
            return Err(self.turn.why_no_segment());
        }
        if !self.appender.is_empty() {
            self.seal_group();
        }
        if room == Room::NextSegment {
            self.roll();
            room = Room::NextChunk;
        }
        if room == Room::NextChunk {
            self.appender.next_chunk(length);
        }
        Ok(())
    }

    /// Ends the open group and keeps a view of it for readers.
    pub(super) fn seal_group(&mut self) {
        let rows = !self.appender.is_empty();
        let group = self.appender.seal();
        let (segment, end) = (group.segment, group.at + group.bytes.len() as u32);
        self.cache
            .push(group.segment, group.at, group.bytes.clone());
        if let Some(segment) = self.book.segments.get_mut(&segment) {
            segment.used = end;
        }
        self.turn.unsealed = rows;
    }

    /// Goes on in the prepared file.
    fn roll(&mut self) {
        let (number, file) = self.turn.take_prepared();
        let sealed = self.appender.tail().segment;
        self.footers_due.push_back(sealed);
        self.turn.index_bytes += self.book.index_mut(sealed).memory_bytes();
        self.checkpoints.begin();
        let mut segment = Segment::new(number, file);
        segment.first = self.staged();
        segment.index = Some(SegmentIndex::default());
        self.book.segments.insert(number, segment);
        self.appender.next_segment(number, file);
    }

    /// Rows from here on can not be read yet.
    pub(super) fn horizon(&self) -> Horizon {
        let tail = self.appender.tail();
        Horizon {
            segment: tail.segment,
            at: tail.at,
        }
    }

    /// The last group of which every byte is on stable storage.
    pub fn flushed(&self) -> Sequence {
        self.appender.flushed
    }

    /// The last group whose write has ended (it survives the process, not the power).
    pub fn written(&self) -> Sequence {
        self.appender.written
    }

    /// The group that `stage` fills now.
    pub fn staged(&self) -> Sequence {
        self.appender.tail().sequence
    }

    /// The failure that ended this journal's work, if one has.
    pub fn failure(&self) -> Option<DiskError> {
        self.turn.failure
    }

    /// True when everything staged is flushed, sealed, and nothing is under way. After `close`:
    /// when the clean stop is marked, too. A journal that failed comes to rest when the device has
    /// answered all it was asked.
    pub fn at_rest(&self) -> bool {
        if self.turn.is_busy() || self.reads.is_busy() {
            return false;
        }
        self.turn.failure.is_some()
            || (self.is_drained() && !self.turn.unsealed && self.turn.is_closed_if_asked())
    }

    /// True when no group is on its way, and all are flushed.
    pub(super) fn is_drained(&self) -> bool {
        self.is_still() && self.appender.unflushed.is_empty()
    }

    /// True when nothing is to be written.
    pub(super) fn is_still(&self) -> bool {
        self.appender.is_empty() && self.appender.groups.is_empty()
    }

    /// Hands out what the device should do next: called at the end of every turn. Seals the open
    /// group if the device is free for one, prepares and recycles files, takes checkpoints, cleans.
    pub fn end_turn(&mut self, now: Now, snapshots: &dyn Snapshots, disk: &mut Vec<DiskOp>) {
        self.hand_out(now, snapshots, disk);
    }

    /// When `end_turn` wants to be called again though nothing happens (the flush of what nobody
    /// waits for, the seal after the last group); None if never.
    pub fn wake_at(&self) -> Option<Ticks> {
        let flush = self.appender.unflushed.flush_by();
        let idle = self
            .is_still()
            .then(|| self.turn.idle_since + JOURNAL_SEAL_WAIT);
        let flush = flush.map(|at| idle.map_or(at, |idle| at.min(idle)));
        self.turn.wake_at(self.is_drained(), flush)
    }

    /// A disk operation of this journal's ended.
    pub fn completed(&mut self, now: Now, done: DiskDone) {
        self.take_in(now, done);
    }

    /// No more will be staged: write, flush and seal what there is, and mark the stop clean.
    pub fn close(&mut self) {
        self.turn.closing = true;
    }

    /// Starts a read. Some: it ended at once (resident). None: see `take_finished`.
    pub fn read(&mut self, request: ReadRequest) -> Option<ReadDone> {
        let done = self.ask(Asked::Read(request));
        match done {
            Some(_) => self.turn.counts.hits += 1,
            None => self.turn.counts.misses += 1,
        }
        done
    }

    /// Starts a search. Some: it ended at once. None: see `take_finished`.
    pub fn search(&mut self, request: SearchRequest) -> Option<ReadDone> {
        self.ask(Asked::Search(request))
    }

    pub(super) fn ask(&mut self, asked: Asked) -> Option<ReadDone> {
        let mut shelf = Shelf {
            horizon: self.horizon(),
            book: &mut self.book,
            cache: &self.cache,
            incarnation: self.settings.incarnation,
        };
        self.reads.begin(&mut shelf, asked)
    }

    /// Reads and searches that ended since the last call.
    pub fn take_finished(&mut self) -> Vec<ReadDone> {
        self.reads.take_finished()
    }

    /// The lowest and the next index of `stream`; None if it has never had an entry, or is dropped.
    pub fn range(&self, stream: StreamId) -> Option<(Index, Index)> {
        let stream = self.book.streams.get(stream)?;
        Some((stream.first, stream.end))
    }

    /// The bytes of `stream` that are kept, padding and tables aside.
    pub fn stream_bytes(&self, stream: StreamId) -> ByteCount {
        let stream = self.book.streams.get(stream);
        ByteCount(stream.map_or(0, super::streams::Stream::bytes))
    }

    /// The oldest part of `stream`, and whether it lies in a sealed segment.
    pub fn oldest_extent(&self, stream: StreamId) -> Option<(Extent, bool)> {
        let stream = self.book.streams.get(stream)?;
        let part = stream.parts.first()?;
        let extent = Extent {
            first: part.first.max(stream.first),
            end: part.end,
            time_max: part.time_max,
            bytes: ByteCount(part.bytes),
        };
        Some((extent, part.segment != self.appender.tail().segment))
    }
}

//! The journal's face: stage, write, flush, read, forget.

use crate::base::{ByteCount, Now};
use crate::runtime::{BlockPool, Directory, DiskDone, DiskError, DiskOp};

use super::entry::{Entry, EntryHead, Index, Placed, Sequence, Slice, StreamId};
use super::error::JournalError;

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
    /// Changes with every wiped or restored directory; part of every group.
    pub incarnation: u64,
}

/// Told by a journal that opens, in an order that rebuilds every stream's state: per stream first
/// `restored` (if a checkpoint has it), then its later events in their order.
pub trait Replay {
    /// The caller's state of `stream`, as `Snapshots::snapshot` gave it, which covers all entries
    /// below `end`. `first` is the lowest index kept.
    fn restored(&mut self, stream: StreamId, first: Index, end: Index, snapshot: &[u8]);
    /// An entry that the journal keeps.
    fn entry(&mut self, head: &EntryHead);
    /// Everything below `first` was given up.
    fn trimmed(&mut self, stream: StreamId, first: Index);
    /// The stream was given up.
    fn dropped(&mut self, stream: StreamId);
}

/// Asked by a journal that takes a checkpoint.
pub trait Snapshots {
    /// Appends the caller's state of `stream` as of everything staged so far.
    fn snapshot(&self, stream: StreamId, out: &mut Vec<u8>);
}

/// The caller's name for a read that may have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadToken(pub u64);

/// Which entries to read: those that hold `from` and what follows, below `until`, up to
/// `bytes_max` (the first entry whatever its size, if `first_whole`).
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    pub token: ReadToken,
    pub stream: StreamId,
    pub from: Index,
    pub until: Index,
    pub bytes_max: ByteCount,
    pub first_whole: bool,
}

/// Which single entry to find, below `until`: the first whose `time_max` is at least `time`, or,
/// with `time` None, the first among those with the largest `time_max`.
#[derive(Clone, Copy, Debug)]
pub struct SearchRequest {
    pub token: ReadToken,
    pub stream: StreamId,
    pub until: Index,
    pub time: Option<i64>,
}

/// A read or search that ended. A search brings at most one slice, payload included.
#[derive(Clone, Debug)]
pub struct ReadDone {
    pub token: ReadToken,
    pub result: Result<Vec<Slice>, JournalError>,
}

/// A stream's part within one segment, oldest first: the unit that retention removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: Index,
    pub end: Index,
    pub time_max: i64,
    pub bytes: ByteCount,
}

/// One shard's journal. Owned by the shard; every method returns at once.
pub struct Journal {
    _private: (),
}

#[allow(unused_variables, reason = "the contract lands before the code")]
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
        todo!()
    }

    /// All entries of `stream` from `from` on, read while the machine boots.
    pub fn read_at_boot(
        &mut self,
        directory: &mut dyn Directory,
        stream: StreamId,
        from: Index,
    ) -> Result<Vec<Slice>, JournalError> {
        todo!()
    }

    /// Gives the entry its place before any I/O happens. `first` must be the stream's end.
    pub fn stage(&mut self, entry: &Entry<'_>) -> Result<Placed, JournalError> {
        todo!()
    }

    /// Gives up all of `stream` below `first`; durable with the group that is returned.
    pub fn trim(&mut self, stream: StreamId, first: Index) -> Result<Placed, JournalError> {
        todo!()
    }

    /// Gives up `stream`; durable with the group that is returned.
    pub fn drop_stream(&mut self, stream: StreamId) -> Result<Placed, JournalError> {
        todo!()
    }

    /// The last group of which every byte is on stable storage.
    pub fn flushed(&self) -> Sequence {
        todo!()
    }

    /// The last group whose write has ended (it survives the process, not the power).
    pub fn written(&self) -> Sequence {
        todo!()
    }

    /// The group that `stage` fills now.
    pub fn staged(&self) -> Sequence {
        todo!()
    }

    /// The failure that ended this journal's work, if one has.
    pub fn failure(&self) -> Option<DiskError> {
        todo!()
    }

    /// True when everything staged is flushed, sealed, and nothing is under way.
    pub fn at_rest(&self) -> bool {
        todo!()
    }

    /// Hands out what the device should do next: called at the end of every turn. Seals the open
    /// group if the device is free for one, prepares and recycles files, takes checkpoints, cleans.
    pub fn end_turn(&mut self, now: Now, snapshots: &dyn Snapshots, disk: &mut Vec<DiskOp>) {
        todo!()
    }

    /// When `end_turn` wants to be called again though nothing happens (the seal after the last
    /// group); None if never.
    pub fn wake_at(&self) -> Option<crate::base::Ticks> {
        todo!()
    }

    /// A disk operation of this journal's ended.
    pub fn completed(&mut self, now: Now, done: DiskDone) {
        todo!()
    }

    /// No more will be staged: write, flush and seal what there is, and mark the stop clean.
    pub fn close(&mut self) {
        todo!()
    }

    /// Starts a read. Some: it ended at once (resident). None: see `take_finished`.
    pub fn read(&mut self, request: ReadRequest) -> Option<ReadDone> {
        todo!()
    }

    /// Starts a search. Some: it ended at once. None: see `take_finished`.
    pub fn search(&mut self, request: SearchRequest) -> Option<ReadDone> {
        todo!()
    }

    /// Reads and searches that ended since the last call.
    pub fn take_finished(&mut self) -> Vec<ReadDone> {
        todo!()
    }

    /// The lowest and the next index of `stream`; None if it has never had an entry, or is dropped.
    pub fn range(&self, stream: StreamId) -> Option<(Index, Index)> {
        todo!()
    }

    /// The bytes of `stream` that are kept, padding and tables aside.
    pub fn stream_bytes(&self, stream: StreamId) -> ByteCount {
        todo!()
    }

    /// The oldest part of `stream`, and whether it lies in a sealed segment.
    pub fn oldest_extent(&self, stream: StreamId) -> Option<(Extent, bool)> {
        todo!()
    }
}

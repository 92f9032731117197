//! What a journal's caller asks, and what it is asked and told.

use crate::base::ByteCount;

use super::entry::{EntryHead, Index, Slice, StreamId};
use super::error::JournalError;

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
    /// Acknowledged entries may have been lost behind the stream's last: nobody knows which, so
    /// the stream ends at `end` now, and no index below is given again.
    fn lost(&mut self, stream: StreamId, end: Index);
    /// So many of `all` steps of equal weight are behind us: for people who wait.
    fn progress(&mut self, _done: u32, _all: u32) {}
}

/// Asked by a journal that takes a checkpoint.
pub trait Snapshots {
    /// Appends the caller's state of `stream` as of everything staged so far.
    fn snapshot(&self, stream: StreamId, out: &mut Vec<u8>);
}

/// The caller's name for a read that may have to wait. `u64::MAX` is the journal's own.
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

/// A stream's part within one segment, or in several if it is old: what retention removes at a
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: Index,
    pub end: Index,
    pub time_max: i64,
    pub bytes: ByteCount,
}

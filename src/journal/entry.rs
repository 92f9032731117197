//! What is put into a journal and what comes back out.

use bytes::Bytes;

use crate::base::Span;

/// An ordered sequence of entries among many in one journal; a partition is one. Never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct StreamId(pub u64);

impl StreamId {
    /// The journal's own notes: checkpoints.
    pub const JOURNAL: Self = Self(0);
    /// The metadata commands of the cluster, on shard 0.
    pub const METADATA: Self = Self(1);
    /// The first id for partitions.
    pub const FIRST_FREE: u64 = 16;
}

/// A number's place in its stream: a record's offset, for a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub i64);

/// Who wrote: the leader epoch, for a partition. Never falls along a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub i32);

/// A group's number in its journal, from 1. What carries it is durable once the journal's
/// `flushed` has reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Sixteen bytes of the caller's, kept in the index beside the entry and given back at recovery
/// without reading the payload (a batch's producer, for a partition).
pub type Note = [u8; 16];

/// What to stage. `count` numbers from `first` on are covered by one payload.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub stream: StreamId,
    pub first: Index,
    pub term: Term,
    pub count: u32,
    /// The largest record time in milliseconds; -1 if there is none.
    pub time_max: i64,
    pub note: Note,
    /// The payload is `head` then `body`, copied once, into the group being filled. The head is
    /// summed by the journal; the body's sum is the caller's, taken when the bytes arrived.
    pub head: &'a [u8],
    pub body: &'a [u8],
    /// CRC-32C of `body`.
    pub body_sum: u32,
    /// None: its group is flushed as soon as it is written. Some: it may stay written and not
    /// flushed for so long.
    pub flush_within: Option<Span>,
}

/// An entry without its payload, as index and recovery know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    pub stream: StreamId,
    pub first: Index,
    pub term: Term,
    pub count: u32,
    pub time_max: i64,
    pub note: Note,
    /// Payload bytes.
    pub length: u32,
}

impl EntryHead {
    /// The index after the last number that this entry covers.
    pub fn end(&self) -> Index {
        Index(self.first.0.saturating_add(i64::from(self.count)))
    }
}

/// Where a staged entry will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Durable when `Journal::flushed()` has reached it; written when `Journal::written()` has.
    pub group: Sequence,
}

/// An entry read back: whole, its sums verified if it came from the device.
#[derive(Clone, Debug)]
pub struct Slice {
    pub head: EntryHead,
    pub payload: Bytes,
}

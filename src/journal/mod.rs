//! The journal: one append-only direct-I/O log per shard.
//!
//! Knows: groups, segments, checksums, streams, places on disk, recovery, cleaning.
//! Must not know: topics, Kafka, who leads, what a payload means.
//! May use: `base`, `runtime` (its data types: blocks, disk operations). Used by: `log`, `cluster`.
//!
//! Always: `flushed <= written <= staged`.
//! Begin at `entry`, then `Journal::stage`, then how it opens.

pub mod entry;
pub mod error;
#[allow(
    clippy::module_inception,
    reason = "the room's face is what its name says"
)]
pub mod journal;

mod appender;
mod book;
mod boot;
mod cache;
mod checkpoint;
mod cleaning;
mod counts;
mod damage;
mod device;
mod fetching;
mod footer;
mod format;
mod growth;
mod index;
mod inspect;
mod losses;
mod numbering;
mod pages;
mod parts;
mod plan;
mod ranges;
mod reads;
mod rebuild;
mod recover;
mod requests;
mod rescan;
mod scan;
mod sources;
mod space;
mod spares;
mod split;
mod streams;
mod superblock;
mod tail;
mod torn;
mod turn;
mod unflushed;
mod unfold;
mod walk;
mod windows;

#[cfg(test)]
mod tests;

pub use damage::Damage;
pub use entry::{Entry, EntryHead, Index, Note, Placed, Sequence, Slice, StreamId, Term};
pub use error::JournalError;
pub use inspect::{SegmentCheck, SegmentFacts, StreamFacts};
pub use journal::{Journal, Settings};
pub use requests::{Extent, ReadDone, ReadRequest, ReadToken, Replay, SearchRequest, Snapshots};

//! Log: a partition over the journal.
//!
//! Knows: offsets, leader epochs, producers and their sequences, the high watermark, who waits for
//! what, retention, a topic's configuration.
//! Must not know: sockets, peers, groups, requests and their versions.
//! May use: `base`, `wire` (record batches), `runtime` (data types), `journal`.
//!
//! A partition is a stream of the journal: offset -> index, leader epoch -> term. Nothing here
//! waits: what must be durable first is queued, and `Partitions::settle` tells who may be answered.
//!
//! Begin at `Partitions::append`, then `Partitions::settle`, then `read`.

pub mod partitions;

mod partition;
mod table;

mod admit;
mod producers;

mod epochs;
mod pending;
mod waiters;
mod watches;

pub mod read;
pub mod retention;

mod recovery;
mod snapshot;

pub mod config;
pub mod config_table;
pub mod error;
pub mod inquiries;
pub mod offset;
pub mod settled;
mod streams;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
pub(crate) mod test_world;

pub use config::{CleanupPolicy, ConfigError, Overrides, TopicConfig};
pub use config_table::{ConfigKey, ConfigKind, TOPIC_CONFIGS};
pub use error::LogError;
pub use inquiries::ProducerFacts;
pub use offset::{AckToken, FetchToken, LeaderEpoch, Offset, WatchToken};
pub use partitions::{Appended, Deleted, PartitionFacts, Partitions, PartitionsSettings};
pub use read::{Isolation, OffsetFound, OffsetPlan, OffsetSpec, ReadAsk, ReadPlan, SearchPlan};
pub use retention::{RetentionClock, RetentionTime};
pub use settled::Settled;

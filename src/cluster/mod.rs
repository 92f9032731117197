//! Cluster: the metadata state machine, and the log that makes it durable.
//!
//! Knows: topics, their ids, partitions, shards, leader epochs, configurations, blocks of producer
//! ids; which command follows which.
//! Must not know: clients, API versions, sockets, records.
//! May use: `base`, `wire`, `runtime` (data types), `journal`, `log` (topic configurations).
//!
//! Shard 0 decides: `MetadataLog::propose` checks a command against everything decided so far and
//! stages the `Change` that follows from it; when that is flushed, the change is given to every
//! shard, which applies it to its own `Metadata`. Topics are shared between the copies. What is
//! logged is the change and not the command, so that a later version, which may decide otherwise,
//! reads the same state from an old log.
//!
//! Begin at `command`, then `Metadata::decide`, then `metadata_log`.

pub mod command;

pub mod change;
pub mod decide;
pub mod edit;
pub mod metadata;
pub mod metadata_log;
pub mod name;
pub mod topic;

mod encode;
mod replay;
mod snapshot;

pub use change::{Change, ChangeKind, TopicChange};
pub use command::{BrokerScope, Command, Placement};
pub use decide::{PRODUCER_IDS_PER_BLOCK, Refusal};
pub use edit::{ConfigEdit, Edit, edited};
pub use metadata::Metadata;
pub use metadata_log::{MetadataError, MetadataLog, ProposalToken, Settlement};
pub use name::check_topic_name;
pub use topic::{PartitionPlace, Topic};
pub use uuid::Uuid;

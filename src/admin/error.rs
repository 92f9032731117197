//! Why a request to change something is refused before it is proposed.

use crate::cluster::Refusal;

/// A refusal, with a sentence for the person who asked. `shard` has the code for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminError {
    /// INVALID_REQUEST
    Request(String),
    /// INVALID_CONFIG
    Config(String),
    /// INVALID_PARTITIONS
    Partitions(String),
    /// INVALID_REPLICATION_FACTOR
    ReplicationFactor(String),
    /// INVALID_REPLICA_ASSIGNMENT
    Assignment(String),
    /// What the metadata says.
    Refused(Refusal),
}

impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

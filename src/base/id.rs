//! Names of the parts of a running system.

use std::fmt;

/// A shard: connections, partitions and one journal, run by one core at a time. Shards are data:
/// they are listed in the data directory's manifest and outlive any number of cores.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard that decides metadata.
    pub const ZERO: Self = Self(0);
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A process of the cluster. A broker id is `node * 1000 + shard`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u16);

impl NodeId {
    /// The node's id as clients see it; also the id of its shard 0.
    pub fn broker_id(self) -> i32 {
        i32::from(self.0) * 1000
    }
}

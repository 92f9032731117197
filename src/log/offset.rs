//! Numbers that a partition counts by, and the names that callers give to those who wait.

use crate::journal::{Index, Term};

/// A record's place in one partition, as Kafka counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset `count` records later.
    pub fn plus(self, count: u32) -> Self {
        Self(self.0 + i64::from(count))
    }
}

impl From<Index> for Offset {
    fn from(index: Index) -> Self {
        Self(index.0)
    }
}

impl From<Offset> for Index {
    fn from(offset: Offset) -> Self {
        Self(offset.0)
    }
}

/// The reign in which a batch was written (KIP-101). Never falls along a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

impl From<Term> for LeaderEpoch {
    fn from(term: Term) -> Self {
        Self(term.0)
    }
}

impl From<LeaderEpoch> for Term {
    fn from(epoch: LeaderEpoch) -> Self {
        Self(epoch.0)
    }
}

/// The caller's name for one change that must be durable before its answer leaves: a produced
/// batch, or a deletion of records. `Settled` gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckToken(pub u64);

/// The caller's name for one fetch session that watches streams. `Settled` gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchToken(pub u64);

/// The caller's name for one fetch that waits for data. `Settled` gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchToken(pub u64);

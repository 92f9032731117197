//! Groups: consumer groups of the classic protocol, and committed offsets.
//!
//! Knows: members, generations, rebalances, assignments as opaque bytes, committed offsets, the
//! records of `__consumer_offsets`.
//! Must not know: transactions, sockets, requests and their versions, where a partition lives.
//! May use: `base`, `wire` (record formats), `runtime`, `journal`, `log`, `cluster`.
//!
//! One `Groups` per shard holds the groups whose partition of `__consumer_offsets` is there. It
//! decides and never waits: a question goes in with its caller's name; answers, some of them much
//! later, and records to be written come out in `Effects`. What must be durable first is answered
//! when `Groups::written` has been told so, in the order of the log.
//!
//! Source of the rules: Kafka 4.1's classic groups, KIP-62 (rebalance time-out), KIP-134 (initial
//! delay), KIP-345 (static members), KIP-394 (member ids), KIP-211 (expiry of offsets).
//!
//! Begin at `coordinator`, then `ask`, then `join`.

pub mod coordinator;

pub mod ask;
pub mod config;
pub mod error;

mod context;
mod group;
mod member;

mod join;
mod leave;
mod rebalance;
mod sync;

mod offsets;
mod view;

mod expiry;
mod restore;
mod rewrite;

pub mod records;
pub mod subscription;

#[cfg(test)]
mod tests;

pub use ask::{Answer, Ask, Caller};
pub use config::{GroupConfig, OFFSETS_TOPIC, partition_of};
pub use context::{Effects, Write, WriteId};
pub use coordinator::Groups;
pub use error::GroupError;

//! Shard: a core's state, and every decision from received bytes to bytes to send.
//!
//! Knows: connections, requests and their versions, which shard owns what, when a reply may leave.
//! Must not know: HTTP, how bytes reach the network or the disk.
//! May use: every room above it. Used by: `cli`, and by the simulator's worlds.
//!
//! One `Shard` per core implements `runtime::Machine`. A request's way: `connections` (framing,
//! order, limits), `api` (one file per request), `message` (the question, in parts, to the shards
//! that own the partitions), `owner` (the answer), back to `api` (the reply). `coordinator` is
//! where groups are asked. `decider` is shard 0's: metadata is decided there. `codes` is the only
//! place where an internal error becomes Kafka's.
//!
//! Always: a reply leaves only after the journal has flushed (or, for topics that ask for less,
//! written) what it acknowledges. Begin at `machine`, then `connections`, then `api`.

pub mod machine;

pub mod config;
mod layout;
pub mod manifest;

mod boot;

mod address;
mod admission;
mod connection;
mod connections;
mod door;
mod introduced;
mod lending;
mod pace;
mod receive;
mod steer;
mod timers;

mod api;
mod calls;
mod codes;
mod fetch_session;

mod message;
mod route;

mod coordinator;
mod damage;
mod decider;
mod metadata;
mod owner;
mod readings;
mod stop;
mod tick;
mod topic_configs;

mod broker_configs;
mod listening;

#[cfg(test)]
mod tests;

pub use address::{Addresses, Endpoint, Listener};
pub use boot::ShardError;
pub use config::ShardConfig;
pub use layout::Layout;
pub use machine::Shard;
pub use manifest::Manifest;
pub use message::Message;

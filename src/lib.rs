//! Thalweg: a distributed commit log that speaks the Kafka protocol.
//!
//! One process, one pinned thread per core. A *shard* owns its connections, its partitions, its
//! journal and its caches; a core is a place to run shards. Shards talk by messages. On the data
//! path nothing is locked.
//!
//! Everything a shard decides lives in one plain state machine, [`runtime::Machine`]: events in
//! (bytes received, disk operations finished, messages from other shards, timers), actions out
//! (receive, send, disk operations, messages). It never waits and never reads a clock. Two drivers
//! run it: glommio and io_uring in production, and a simulator that owns disk, network and time
//! and replays any run from one seed.
//!
//! The rooms, lowest first; a room may use only rooms above it in this list, and
//! `tests/tidy.rs` checks that:
//!
//! - [`base`]: units, ids, limits, checksums, random numbers, histograms.
//! - [`wire`]: Kafka's bytes to typed requests and back; record batch headers; error codes.
//! - [`runtime`]: cores, sockets, files, memory, clocks; the only room that touches the system.
//! - [`journal`]: one append-only log per shard: groups, segments, recovery, cleaning.
//! - [`log`]: a partition over the journal: offsets, producers, high watermark, retention.
//! - [`cluster`]: the metadata state machine: topics, partitions and their shards.
//! - [`groups`]: consumer groups and committed offsets.
//! - [`admin`]: what may be configured, and which changes of it are valid.
//! - [`shard`]: a core's state: connections, requests, replies; errors become Kafka's here.
//! - [`load`]: the load engine: stamped records, schedules, the ledger; no room of the broker.
//! - [`console`]: HTTP for metrics and health; reads snapshots only.
//! - [`cli`]: the command line: `serve`, `demo`, and commands that speak to any Kafka broker.
//!
//! Read `runtime::machine` first, then `shard`.

pub mod admin;
pub mod base;
pub mod cli;
pub mod cluster;
pub mod console;
pub mod groups;
pub mod journal;
pub mod load;
pub mod log;
pub mod runtime;
pub mod shard;
pub mod wire;

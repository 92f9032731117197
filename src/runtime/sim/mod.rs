//! The simulated driver: disk, network and clock out of one seed.
//!
//! Nothing here touches the system. `SimDisk` is a shard's directory on a medium that loses what
//! was not flushed, tears, lies and refuses as its faults say; `SimDirectory` is the same disk for
//! code that may wait. `World` runs the machines of one process over such disks, with clients that
//! the caller plays. Every purpose draws from a stream of its own, so that one more draw here does
//! not shift another's.
//!
//! Begin at `disk`, then `file` for what a crash leaves.

pub mod disk;
pub mod faults;
pub mod world;

mod directory;
mod file;
mod harm;
mod listen;
mod network;
mod step;
mod transit;

pub use directory::SimDirectory;
pub use disk::SimDisk;
pub use faults::{DiskFaults, Plant, Tally};
pub use harm::Harm;
pub use network::NetworkFaults;
pub use world::{BootFailure, Notice, SocketId, World};

#[cfg(test)]
mod conformance_tests;

//! The real driver: machines on pinned threads, over glommio and a ring of our own.
//!
//! Per core one glommio executor runs one task, the loop of `pump`: gather what happened, let each
//! shard take its turn, perform what it decided, submit once, and sleep if nothing is left to do.
//! `gather`, `perform` and `rest` are the loop's three hands; `core` holds what all four work on.
//! Sockets, files, the timer and the doorbell are waited for in our ring; `ring` says why not in
//! glommio's, with figures.
//!
//! Begin at `run`, then `pump`.

mod accept;
mod bind;
mod core;
mod directory;
mod disks;
mod error;
mod files;
mod gather;
mod inbox;
mod listen;
mod mesh;
mod net;
mod patience;
mod perform;
mod pump;
mod rest;
mod ring;
mod run;
#[cfg(any(test, feature = "faults"))]
mod shim;
mod socket;
mod stats;
mod stop;

mod timer;
#[cfg(any(test, feature = "faults"))]
mod volatile;

pub use bind::resolve;
pub use directory::FileDirectory;
pub use error::{BindError, RunError};
pub use listen::Listeners;
pub use run::{Config, ShardHome, run};
pub use stats::{ShardPhase, Stats, TurnStats};
pub use stop::Stopper;

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod net_tests;

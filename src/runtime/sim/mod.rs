//! The simulated driver: disk, network and clock out of one seed.
//!
//! Nothing here touches the system. `SimDisk` is a shard's directory on a medium that loses what
//! was not flushed, tears, lies and refuses as its faults say; `SimDirectory` is the same disk for
//! code that may wait. Every purpose draws from a stream of its own, so that one more draw here
//! does not shift another's.
//!
//! Begin at `disk`, then `file` for what a crash leaves.

pub mod disk;
pub mod faults;

mod directory;
mod file;

pub use directory::SimDirectory;
pub use disk::SimDisk;
pub use faults::{DiskFaults, Plant, Tally};

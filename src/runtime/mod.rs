//! Runtime: the one room that touches the system.
//!
//! Knows: cores, memory, sockets, files, clocks; how a machine of events and actions is driven.
//! Must not know: Kafka, the meaning of bytes.
//! May use: `base`. Used by: every room that is driven, and by `cli`.
//!
//! Two drivers stand behind one contract. `real` runs machines on pinned threads over glommio and
//! a ring of our own; `sim` runs them over a disk, a network and a clock that one seed decides.
//! `conformance` is the suite that both pass. `unsafe`, atomics, locks and channels live here only.
//!
//! Begin at `machine`, then `event` and `disk`.

pub mod machine;

pub mod block;
pub mod disk;
pub mod event;
#[cfg(any(test, feature = "faults"))]
pub mod faults;
mod fresh;
mod pool;
pub mod probe;
mod raw;
pub mod real;
pub mod shadow;
mod stack;
mod system;
mod watched;

pub mod sim;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub mod counting;

pub use block::{Block, BlockPool};
pub use disk::{Directory, DiskDone, DiskError, DiskOp, DiskOutput, DiskSpace, FileId, Ticket};
pub use event::{
    Actions, Bind, BindRefusal, Bound, CloseReason, ConnectionId, Event, ListenerId, Send, Transit,
};
pub use fresh::{Haste, Keeper};
pub use machine::{Boot, Machine};
pub use system::{end_with_closed_pipe, keep_freed_memory};
pub use watched::Watched;

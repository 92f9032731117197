//! The load engine: drives any Kafka-protocol broker and keeps account of what it was promised.
//!
//! Knows: schedules, pre-encoded batches, stamped records, the ledger, latency histograms,
//! blocking sockets and the threads that own them, what /proc says about a local broker.
//! Must not know: our broker, its rooms, presets, reports, how a run is shown.
//! May use: `base`, `wire`. Used by: `cli` (demo), and by the `loadgen` package.
//!
//! Always: every record says who sent it and as which one of how many; what was acknowledged is
//! read back and compared, and a run whose ledger does not hold has no speed.
//!
//! Begin at `plan::Plan`, then `run::run`.

mod error;
pub mod plan;

mod ledger;
mod stamp;

mod records;
mod route;

mod batch;
mod cargo;
mod frame;
mod linear;
mod mixed;

mod reader;
mod replies;

pub mod admin;
mod measure;
pub mod process;

mod band;
mod closed;
mod conductor;
mod consumer;
mod coordinator;
mod end_to_end;
mod groups;
mod member;
mod open;
mod sender;
mod sink;
mod verify;

pub mod run;

#[cfg(test)]
mod tests;

pub use error::LoadError;
pub use groups::GroupOutcome;
pub use ledger::Verdict;
pub use measure::{Latencies, Side};
pub use plan::{Length, Plan, Workload};
pub use records::{Keys, RecordSizes};
pub use run::{Observer, Outcome, Tick, run};

//! Writers whose every batch is remembered, and the judge of what became of it.
//!
//! A value says by itself which writer sent it as its how many-th, and all its other bytes follow
//! from these two, so that anything read can be judged alone. Begin at `Writer`, then `Ledger`.

mod ledger;
mod reader;
mod value;
mod writer;

pub use ledger::{Count, Ledger};
pub use reader::{Observed, Reader};
pub use writer::{Outcome, Sent, Writer};

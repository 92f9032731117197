//! What a broker must survive, done to a real process: kills, power cuts, a flush ledger.
//!
//! Knows: the Kafka protocol's bytes (by a small client of its own, so that a mistake in the
//! broker's codec is not repeated in the judge), processes, loop devices, FUSE.
//! Must not know: anything inside the broker; it may be another one.

pub mod broker;
pub mod campaign;
pub mod flush_ledger;
pub mod kafka;
pub mod load;
pub mod plug;
pub mod power;
pub mod restart;
pub mod traffic;

//! Base: what every room means by a number.
//!
//! Knows: units, ids and maps by them, readings, limits, checksums, seeded random numbers.
//! Must not know: I/O, async, Kafka.
//! May use: nothing of ours. Used by: every room.
//!
//! Begin at `limits`, where every bound of the program stands.

pub mod limits;

pub mod chunked;
pub mod crc;
pub mod id;
pub mod map;
pub mod random;
pub mod reading;
pub mod time;
pub mod unit;

pub use chunked::ChunkedVec;
pub use id::{NodeId, ShardId};
pub use map::IdMap;
pub use reading::{Metric, MetricKind, Reading, ReadingValue, Spread};
pub use time::{Now, Span, Ticks, WallMs};
pub use unit::{ByteCount, Position};

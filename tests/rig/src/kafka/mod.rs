//! A Kafka client as small as it gets: one topic, requests of old fixed versions, no batching.
//!
//! Knows: the bytes of Produce 7, Fetch 4, ListOffsets 1, CreateTopics 4, InitProducerId 1.
//! Begin at `Connection`.

mod batch;
mod bytes;
mod connection;

pub use batch::{Batch, Producer, Record, decode_batches};
pub use connection::{Connection, Error, Fetched};

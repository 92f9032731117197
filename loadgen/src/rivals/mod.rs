//! Brokers that we compare with, fetched and started by us.
//!
//! Knows: Maven, Java, the settings of a rival, how to see that a broker is ready.
//! Must not know: workloads, reports.
//! Begin at `Kafka::start`.

mod child;
mod jars;
mod kafka;
mod ready;
mod thalweg;

pub use child::Broker;
pub use kafka::{Kafka, KafkaCommand};
pub use ready::wait_until_ready;
pub use thalweg::{Thalweg, beside_us};

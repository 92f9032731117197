//! Whether the load generator tells the truth, held against brokers that do not.

mod stub;
mod truth;
mod workloads;

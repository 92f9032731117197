//! Whether the load generator tells the truth, held against brokers that do not.

mod groups;
mod stub;
mod stub_groups;
mod truth;
mod workloads;

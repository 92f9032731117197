//! Administration: what may be configured, and which changes of it are valid.
//!
//! Knows: the broker's configuration keys, their types, bounds and defaults, Kafka's names.
//! Must not know: the data path: connections, journals, how a value comes into force.
//! May use: `base`, `wire`, `runtime`, `log` (topics' configuration keys), `cluster`, `groups`,
//! `txn`. Used by: `shard`, `cli`.
//!
//! Begin at `broker_table`, then `broker_config`.

pub mod broker_config;
pub mod broker_key;
mod broker_table;
mod topic_defaults;
mod without_meaning;

pub use broker_config::{BrokerConfig, BrokerConfigError};
pub use broker_key::{BrokerKey, Named, Update};
pub use broker_table::BROKER_CONFIGS;
pub use topic_defaults::TOPIC_DEFAULTS;

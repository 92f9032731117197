//! Administration: what may be configured, and which changes of it are valid.
//!
//! Knows: the broker's configuration keys, their types, bounds and defaults, Kafka's names; which
//! wishes for topics, partitions and configurations become which proposals; which loggers there
//! are.
//! Must not know: the data path: connections, journals, how a value comes into force.
//! May use: `base`, `wire`, `runtime`, `log` (topics' configuration keys), `cluster`, `groups`,
//! `txn`. Used by: `shard`, `cli`.
//!
//! Begin at `broker_table`, then `broker_config` and `in_force`; for requests at `creation`, then
//! `alteration`.

pub mod broker_config;
pub mod broker_key;
mod broker_table;
mod idle_table;
pub mod listener_key;
mod topic_defaults;
mod without_meaning;

pub mod in_force;
pub mod listeners;
mod overlap;

pub mod description;
pub mod group_table;
pub mod loggers;
pub mod resource;

pub mod alteration;
pub mod creation;
pub mod growth;
pub mod placement;

pub mod error;

#[cfg(test)]
mod readme_tests;

pub use broker_config::{BrokerConfig, BrokerConfigError};
pub use broker_key::{BrokerKey, Named, Update};
pub use broker_table::BROKER_CONFIGS;
pub use description::{Described, Source};
pub use error::AdminError;
pub use in_force::InForce;
pub use listener_key::ListenerKey;
pub use listeners::{HostPort, ListenAt};
pub use loggers::{LogLevel, Loggers};
pub use overlap::{covers, share_a_port};
pub use placement::Site;
pub use resource::ResourceKind;
pub use topic_defaults::TOPIC_DEFAULTS;

//! Every topic configuration of Apache Kafka 4.1.

/// A configuration's type, as DescribeConfigs names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    Boolean,
    String,
    Int,
    Long,
    Double,
    List,
}

/// One topic configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigKey {
    pub name: &'static str,
    pub kind: ConfigKind,
    pub default: &'static str,
    /// The broker-wide configuration that gives the default in Kafka.
    pub broker_name: &'static str,
    /// False: accepted and shown, without effect here.
    pub acts: bool,
    pub doc: &'static str,
}

impl ConfigKey {
    /// The key of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TOPIC_CONFIGS.iter().find(|key| key.name == name)
    }
}

/// By name.
pub const TOPIC_CONFIGS: &[ConfigKey] = &[];

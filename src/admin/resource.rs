//! What has a configuration, by Kafka's numbers (`ConfigResource.Type`).

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceKind {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceKind {
    pub const ALL: [Self; 5] = [
        Self::Topic,
        Self::Broker,
        Self::BrokerLogger,
        Self::ClientMetrics,
        Self::Group,
    ];

    /// The kind with this number.
    pub fn from_wire(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i8 == number)
    }
}

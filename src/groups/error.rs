//! What a coordinator refuses, and why.

/// One error of a group. `shard` turns each variant into its Kafka error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// An empty group id where a group must have a name (INVALID_GROUP_ID).
    InvalidGroupId,
    /// UNKNOWN_MEMBER_ID
    UnknownMember,
    /// ILLEGAL_GENERATION
    IllegalGeneration,
    /// REBALANCE_IN_PROGRESS: the member must join again.
    RebalanceInProgress,
    /// A later member has this `group.instance.id` (FENCED_INSTANCE_ID).
    FencedInstance,
    /// No protocol is common to all members, or another than the group's is named
    /// (INCONSISTENT_GROUP_PROTOCOL).
    InconsistentProtocol,
    /// Outside `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    InvalidSessionTimeout,
    /// Join again under the id that comes with this (KIP-394).
    MemberIdRequired,
    /// `group.max.size`, or the coordinator's memory (GROUP_MAX_SIZE_REACHED).
    GroupFull,
    /// GROUP_ID_NOT_FOUND
    GroupNotFound,
    /// NON_EMPTY_GROUP
    NonEmptyGroup,
    /// GROUP_SUBSCRIBED_TO_TOPIC
    SubscribedToTopic,
    /// `offset.metadata.max.bytes` (OFFSET_METADATA_TOO_LARGE).
    MetadataTooLarge,
    /// More offsets than one batch, or the coordinator's memory, can take
    /// (INVALID_COMMIT_OFFSET_SIZE).
    CommitTooLarge,
    /// The group's own record is larger than the topic takes (UNKNOWN_SERVER_ERROR, as in Kafka).
    RecordTooLarge,
    /// The groups of this partition are being read (COORDINATOR_LOAD_IN_PROGRESS).
    Loading,
    /// The group's partition is not here (NOT_COORDINATOR).
    NotCoordinator,
    /// The group is being deleted, or its partition can not be written now
    /// (COORDINATOR_NOT_AVAILABLE).
    NotAvailable,
}

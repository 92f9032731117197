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

impl GroupError {
    /// For a person who meets it.
    pub fn words(self) -> &'static str {
        match self {
            Self::InvalidGroupId => "a group must have a name",
            Self::UnknownMember => "the group has no such member; it may have been removed",
            Self::IllegalGeneration => "the group has rebalanced since",
            Self::RebalanceInProgress => "the group is rebalancing; join again",
            Self::FencedInstance => "a later member has this group.instance.id",
            Self::InconsistentProtocol => "no protocol is common to all members of the group",
            Self::InvalidSessionTimeout => {
                "the session time-out is outside group.min.session.timeout.ms and \
                 group.max.session.timeout.ms"
            }
            Self::MemberIdRequired => "join again under the id that comes with this",
            Self::GroupFull => {
                "the group has group.max.size members, or the coordinator's memory is full"
            }
            Self::GroupNotFound => "there is no such group",
            Self::NonEmptyGroup => "the group has members",
            Self::SubscribedToTopic => "members of the group are subscribed to the topic",
            Self::MetadataTooLarge => "longer than offset.metadata.max.bytes",
            Self::CommitTooLarge => "more offsets than one batch or the coordinator can take",
            Self::RecordTooLarge => "the group's record is larger than __consumer_offsets takes",
            Self::Loading => "the coordinator is still reading the group's partition; ask again",
            Self::NotCoordinator => {
                "the group's partition of __consumer_offsets is not here; FindCoordinator tells \
                 where it is, and makes it"
            }
            Self::NotAvailable => {
                "the group is being deleted, or the disk of its partition has failed"
            }
        }
    }
}

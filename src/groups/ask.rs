//! Questions to a coordinator, and its answers, as plain data.

use std::sync::Arc;

use bytes::Bytes;

use super::error::GroupError;
use crate::base::ShardId;

/// Ids are shared: they stand in many places.
pub type GroupId = Arc<str>;
pub type MemberId = Arc<str>;
/// A topic's name and a partition.
pub type Place = (Arc<str>, i32);

/// Who asked; comes back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub shard: ShardId,
    pub token: u64,
    /// Which of the parts of what the caller asked.
    pub part: u32,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Join(Box<JoinAsk>),
    Sync(Box<SyncAsk>),
    Heartbeat(MemberAsk),
    Leave {
        group: GroupId,
        members: Vec<Leaver>,
    },
    Commit(CommitAsk),
    Fetch {
        group: GroupId,
        /// None: all that the group has committed.
        places: Option<Vec<Place>>,
    },
    Describe {
        group: GroupId,
    },
    /// All groups of this coordinator that pass both filters; an empty one lets all pass.
    List {
        states: Vec<String>,
        types: Vec<String>,
    },
    Delete {
        group: GroupId,
    },
    DeleteOffsets {
        group: GroupId,
        places: Vec<Place>,
    },
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAsk {
    pub group: GroupId,
    /// Empty: a new member.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocol_type: Arc<str>,
    /// Preferred first.
    pub protocols: Vec<(Arc<str>, Bytes)>,
    /// The client can join again under an id (JoinGroup 4+).
    pub takes_member_id: bool,
    /// The client knows `skip_assignment` (JoinGroup 9+).
    pub skips_assignment: bool,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAsk {
    pub member: MemberAsk,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    /// The leader's; empty from others.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// A member of one generation. Alone it is a Heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberAsk {
    pub group: GroupId,
    pub member: MemberId,
    pub instance: Option<Arc<str>>,
    pub generation: i32,
}

/// Who leaves: by member id, or by instance alone (an administrator's removal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    pub member: MemberId,
    pub instance: Option<Arc<str>>,
}

/// OffsetCommit. A generation of -1 comes from consumers that only keep their offsets here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitAsk {
    pub member: MemberAsk,
    /// `retention_time_ms` of versions 2-4; None lets the broker's retention decide.
    pub retention_ms: Option<i64>,
    pub offsets: Vec<NewOffset>,
}

/// One offset to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOffset {
    pub place: Place,
    pub offset: i64,
    /// -1 if the client does not know it.
    pub leader_epoch: i32,
    pub metadata: Option<Arc<str>>,
}

/// The answer to each `Ask`, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Joined(Box<Joined>),
    Synced(Synced),
    Heartbeat(Result<(), GroupError>),
    Left(Result<Vec<Result<(), GroupError>>, GroupError>),
    Committed(Vec<Result<(), GroupError>>),
    Fetched(Result<Vec<Fetched>, GroupError>),
    Described(Result<Described, GroupError>),
    Listed(Result<Vec<Listed>, GroupError>),
    Deleted(Result<(), GroupError>),
    OffsetsDeleted(Result<Vec<Result<(), GroupError>>, GroupError>),
}

/// What a member learns from its JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub error: Option<GroupError>,
    pub member: MemberId,
    pub generation: i32,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub leader: MemberId,
    pub skip_assignment: bool,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
}

/// One member, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member: MemberId,
    pub instance: Option<Arc<str>>,
    pub metadata: Bytes,
}

impl Joined {
    /// An answer that says no.
    pub fn refused(member: &str, error: GroupError) -> Self {
        Self {
            error: Some(error),
            member: member.into(),
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// What a member learns from its SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub error: Option<GroupError>,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub assignment: Bytes,
}

impl Synced {
    pub fn refused(error: GroupError) -> Self {
        Self {
            error: Some(error),
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// A committed offset; `offset` -1 where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub place: Place,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Option<Arc<str>>,
}

/// What DescribeGroups shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub state: &'static str,
    pub protocol_type: Option<Arc<str>>,
    /// None unless the group is stable.
    pub protocol: Option<Arc<str>>,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    pub member: MemberId,
    pub instance: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// Empty unless the group is stable, as is the assignment.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// What ListGroups shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub group: GroupId,
    pub protocol_type: Option<Arc<str>>,
    pub state: &'static str,
}

impl Answer {
    /// The same answer when what it rests on could not be written.
    pub fn failed(self, error: GroupError) -> Self {
        let all = |results: Vec<Result<(), GroupError>>| {
            let fail = |result: Result<(), GroupError>| result.and(Err(error));
            results.into_iter().map(fail).collect()
        };
        match self {
            Self::Joined(joined) => Self::Joined(Box::new(Joined::refused(&joined.member, error))),
            Self::Synced(_) => Self::Synced(Synced::refused(error)),
            Self::Heartbeat(_) => Self::Heartbeat(Err(error)),
            Self::Left(_) => Self::Left(Err(error)),
            // Kafka has a code of its own for offsets that do not fit into one batch.
            Self::Committed(results) if error == GroupError::RecordTooLarge => {
                Self::Committed(results).failed(GroupError::CommitTooLarge)
            }
            Self::Committed(results) => Self::Committed(all(results)),
            Self::Fetched(_) => Self::Fetched(Err(error)),
            Self::Described(_) => Self::Described(Err(error)),
            Self::Listed(_) => Self::Listed(Err(error)),
            Self::Deleted(_) => Self::Deleted(Err(error)),
            Self::OffsetsDeleted(_) => Self::OffsetsDeleted(Err(error)),
        }
    }
}

impl Ask {
    /// Whose question it is; None: every coordinator's.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Join(ask) => Some(&ask.group),
            Self::Sync(ask) => Some(&ask.member.group),
            Self::Heartbeat(ask) => Some(&ask.group),
            Self::Commit(ask) => Some(&ask.member.group),
            Self::Leave { group, .. }
            | Self::Fetch { group, .. }
            | Self::Describe { group }
            | Self::Delete { group }
            | Self::DeleteOffsets { group, .. } => Some(group),
            Self::List { .. } => None,
        }
    }

    /// The answer that says no to all of it.
    pub fn refused(&self, error: GroupError) -> Answer {
        match self {
            Self::Join(ask) => Answer::Joined(Box::new(Joined::refused(&ask.member, error))),
            Self::Sync(_) => Answer::Synced(Synced::refused(error)),
            Self::Heartbeat(_) => Answer::Heartbeat(Err(error)),
            Self::Leave { .. } => Answer::Left(Err(error)),
            Self::Commit(ask) => Answer::Committed(vec![Err(error); ask.offsets.len()]),
            Self::Fetch { .. } => Answer::Fetched(Err(error)),
            Self::Describe { .. } => Answer::Described(Err(error)),
            Self::List { .. } => Answer::Listed(Err(error)),
            Self::Delete { .. } => Answer::Deleted(Err(error)),
            Self::DeleteOffsets { .. } => Answer::OffsetsDeleted(Err(error)),
        }
    }
}

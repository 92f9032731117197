//! One group: who is in it, and what its members have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::ask::{Caller, GroupId, Joined, JoinedMember, MemberId, Synced};
use super::context::{After, Context, What};
use super::error::GroupError;
use super::member::Member;
use super::offsets::Offsets;
use super::records::{Change, GroupRecord, MemberRecord};
use super::subscription;
use crate::base::{Ticks, WallMs};

/// The only kind of protocol whose metadata the broker reads: which topics are subscribed to.
const CONSUMER: &str = "consumer";
/// What a group takes in memory besides its members and offsets.
const GROUP_BYTES: usize = 512;

/// Where a group stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No members; offsets perhaps.
    Empty,
    /// Waiting for members to join.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    Stable,
    /// Its tombstones are being written.
    Dead,
}

impl State {
    /// As Kafka's tools show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// A classic group.
#[derive(Debug)]
pub(super) struct Group {
    pub id: GroupId,
    /// Of `__consumer_offsets`.
    pub partition: u32,
    pub state: State,
    pub previous: State,
    /// When it came to its state; None for a group that was read from an old record.
    pub since: Option<WallMs>,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    /// What the members subscribe to, if that is known.
    pub topics: Option<BTreeSet<Arc<str>>>,
    pub generation: i32,
    pub leader: Option<MemberId>,
    pub members: BTreeMap<MemberId, Member>,
    /// By `group.instance.id`.
    pub instances: BTreeMap<Arc<str>, MemberId>,
    /// Ids that were given out and have not joined yet, and until when they may.
    pub invited: BTreeMap<MemberId, Ticks>,
    /// Members that must still send a SyncGroup in this generation.
    pub unsynced: BTreeSet<MemberId>,
    /// Somebody came during the delay of the first rebalance: it is prolonged.
    pub newcomers: bool,
    /// When the join phase ends; set while there is one.
    pub join_due: Option<Ticks>,
    /// During the first rebalance: this delay, and what is left of the time for all of them.
    pub initial: Option<(i64, i64)>,
    pub sync_due: Option<Ticks>,
    pub offsets: Offsets,
    /// The newest durable record of the group, for when it is written again.
    pub written: Option<Bytes>,
    /// Records of the group that are not durable yet.
    pub unwritten: u32,
}

impl Group {
    pub fn new(id: GroupId, partition: u32, since: Option<WallMs>) -> Self {
        Self {
            id,
            partition,
            state: State::Empty,
            previous: State::Empty,
            since,
            protocol_type: None,
            protocol: None,
            topics: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            invited: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            newcomers: false,
            join_due: None,
            initial: None,
            sync_due: None,
            offsets: Offsets::default(),
            written: None,
            unwritten: 0,
        }
    }

    pub fn own_bytes(&self) -> usize {
        GROUP_BYTES + 2 * self.id.len()
    }

    pub fn move_to(&mut self, state: State, cx: &Context<'_>) {
        self.previous = self.state;
        self.state = state;
        self.since = Some(cx.now.wall);
    }

    pub fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Only what has been made durable is shown to others.
    pub fn is_visible(&self) -> bool {
        self.written.is_some() || self.offsets.has_visible()
    }

    /// There is nothing to remember.
    pub fn is_vacant(&self) -> bool {
        self.members.is_empty()
            && self.invited.is_empty()
            && self.unwritten == 0
            && self.written.is_none()
            && self.offsets.is_empty()
    }

    /// The most that any member asks for, in milliseconds.
    pub fn rebalance_timeout_ms(&self) -> i64 {
        let members = self.members.values();
        let longest = members.map(|member| member.rebalance_timeout_ms).max();
        i64::from(longest.unwrap_or(0).max(0))
    }

    pub fn joining_count(&self) -> usize {
        let members = self.members.values();
        members.filter(|member| member.joining.is_some()).count()
    }

    pub fn all_joined(&self) -> bool {
        self.invited.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// Whether a member with these protocols fits in.
    pub fn supports(&self, protocol_type: &str, protocols: &[(Arc<str>, Bytes)]) -> bool {
        if matches!(self.state, State::Empty | State::Dead) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let common = |name: &str| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| common(name))
    }

    /// Each member votes for the first protocol of its own that all know; the most votes win, and
    /// among equals the name that comes first.
    pub fn select_protocol(&self) -> Option<Arc<str>> {
        let common = |name: &str| self.members.values().all(|member| member.supports(name));
        let mut votes = BTreeMap::<Arc<str>, u32>::new();
        for member in self.members.values() {
            let mut known = member.protocols.iter().map(|(name, _)| name);
            if let Some(name) = known.find(|name| common(name)) {
                *votes.entry(name.clone()).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| name)
    }

    /// Looks up what the members subscribe to under the protocol in force.
    pub fn look_at_subscriptions(&mut self) {
        self.topics = match &self.protocol {
            _ if !self.uses_consumer_protocol() => None,
            Some(protocol) if !self.members.is_empty() => {
                let mut each = self.members.values();
                let mut all = BTreeSet::new();
                let readable =
                    each.all(|member| subscription::topics(&member.metadata(protocol), &mut all));
                readable.then_some(all)
            }
            _ if self.members.is_empty() => Some(BTreeSet::new()),
            _ => None,
        };
    }

    /// Whether the member is of the group, and of this instance.
    pub fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(GroupError::UnknownMember),
                Some(known) if **known != *member => return Err(GroupError::FencedInstance),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member) {
            true => Ok(()),
            false => Err(GroupError::UnknownMember),
        }
    }

    /// Puts a new member in; its JoinGroup awaits the end of the join phase.
    pub fn add(
        &mut self,
        mut member: Member,
        caller: Caller,
        protocol_type: &Arc<str>,
        cx: &mut Context<'_>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.invited.remove(&member.id);
        member.joining = Some(caller);
        cx.usage.add(member.bytes());
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out, whatever it waits for; it is told that it is no member.
    pub fn remove(&mut self, member: &str, cx: &mut Context<'_>) {
        if self.invited.remove(member).is_some() {
            cx.usage.sub(INVITED_BYTES);
        }
        self.unsynced.remove(member);
        let Some(gone) = self.members.remove(member) else {
            return;
        };
        cx.usage.sub(gone.bytes());
        if let Some(caller) = gone.joining {
            cx.refuse_join(caller, "", GroupError::UnknownMember);
        }
        if let Some(caller) = gone.syncing {
            cx.synced(caller, Synced::refused(GroupError::UnknownMember));
        }
        if let Some(instance) = &gone.instance {
            self.instances.remove(instance);
        }
        if self.is_leader(member) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// What a member is told when the join phase is over, or was over when it asked.
    pub fn joined(&self, member: &MemberId) -> Joined {
        let members = match self.is_leader(member) {
            true => self.everybody(),
            false => Vec::new(),
        };
        Joined {
            error: None,
            member: member.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            skip_assignment: false,
            members,
        }
    }

    /// All members with what they say under the protocol in force: for the leader.
    pub fn everybody(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or("");
        let shown = |member: &Member| JoinedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.values().map(shown).collect()
    }

    /// The member was heard of: it has its session's time again.
    pub fn heard(&mut self, member: &str, cx: &mut Context<'_>) {
        if let Some(member) = self.members.get(member) {
            let ms = i64::from(member.session_timeout_ms);
            let id = member.id.clone();
            self.allow_silence(&id, ms, cx);
        }
    }

    /// The member may be silent so long.
    pub fn allow_silence(&mut self, id: &MemberId, ms: i64, cx: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let at = cx.after_ms(ms);
        member.deadline = Some(at);
        if member.alarm.is_none_or(|alarm| at < alarm) {
            member.alarm = Some(at);
            cx.alarms.set(at, &self.id, What::Session(id.clone()));
        }
    }

    /// The group as its record would have it, with these assignments.
    pub fn record(&self, assignments: &BTreeMap<MemberId, Bytes>) -> GroupRecord {
        let protocol = self.protocol.as_deref().unwrap_or("");
        let member = |member: &Member| MemberRecord {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignments.get(&member.id).cloned().unwrap_or_default(),
        };
        GroupRecord {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since: self.since,
            members: self.members.values().map(member).collect(),
        }
    }

    /// Writes changes of this group; they hold once the write is durable.
    pub fn stage(&mut self, changes: Vec<Change>, after: After, cx: &mut Context<'_>) {
        for change in &changes {
            match change {
                Change::Group { .. } => self.unwritten += 1,
                Change::Offset { place, .. } => self.offsets.began(place, cx.usage),
            }
        }
        cx.write(self.partition, changes, after);
    }

    /// Writes the group's record as it is now.
    pub fn stage_record(
        &mut self,
        assignments: &BTreeMap<MemberId, Bytes>,
        after: After,
        cx: &mut Context<'_>,
    ) {
        let value = Some(self.record(assignments).encode());
        let group = self.id.clone();
        self.stage(vec![Change::Group { group, value }], after, cx);
    }
}

/// What an id that was given out and has not joined takes.
pub(super) const INVITED_BYTES: usize = 256;

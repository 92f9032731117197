//! JoinGroup: who may come in, and whether that begins a rebalance.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ask::{Caller, JoinAsk, Joined, MemberId, Synced};
use super::context::{After, Context, What};
use super::error::GroupError;
use super::group::{Group, INVITED_BYTES, State};
use super::member::Member;

/// How long a member that has never had an answer may wait for its first one (Kafka's
/// `CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
const NEW_MEMBER_JOIN_MS: i64 = 5 * 60 * 1_000;

impl Group {
    /// Answers at once, or when the join phase ends.
    pub fn join(&mut self, caller: Caller, ask: JoinAsk, cx: &mut Context<'_>) {
        if !self.accepts(&ask.member, cx) {
            self.remove(&ask.member, cx);
            return cx.refuse_join(caller, "", GroupError::GroupFull);
        }
        if self.state == State::Dead {
            return cx.refuse_join(caller, &ask.member, GroupError::NotAvailable);
        }
        if !self.supports(&ask.protocol_type, &ask.protocols) {
            return cx.refuse_join(caller, &ask.member, GroupError::InconsistentProtocol);
        }
        if ask.member.is_empty() {
            self.join_new(caller, ask, cx);
        } else if self.invited.contains_key(&ask.member) {
            let id = ask.member.clone();
            self.admit(id, caller, ask, cx);
        } else {
            self.join_again(caller, ask, cx);
        }
    }

    /// `group.max.size`. Those who already wait for the rebalance are always accepted; while one is
    /// prepared, those who wait count, so that the last to come again are the ones turned away.
    fn accepts(&self, member: &str, cx: &Context<'_>) -> bool {
        let max = cx.config.members_max as usize;
        let known = self.members.get(member);
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                known.is_some_and(|member| member.joining.is_some()) || self.joining_count() < max
            }
            State::CompletingRebalance | State::Stable => {
                known.is_some() || self.members.len() < max
            }
        }
    }

    fn join_new(&mut self, caller: Caller, ask: JoinAsk, cx: &mut Context<'_>) {
        if cx.is_full() {
            return cx.refuse_join(caller, "", GroupError::GroupFull);
        }
        let id = draw_member_id(&ask, cx);
        if let Some(instance) = &ask.instance {
            return match self.instances.get(instance).cloned() {
                Some(old) => self.replace(&old, id, caller, ask, cx),
                None => self.admit(id, caller, ask, cx),
            };
        }
        if !ask.takes_member_id {
            return self.admit(id, caller, ask, cx);
        }
        // It joins again under this id: a client that never saw our answer leaves no member behind
        // that a rebalance would wait for (KIP-394).
        let at = cx.after_ms(i64::from(ask.session_timeout_ms));
        cx.alarms.set(at, &self.id, What::Session(id.clone()));
        cx.usage.add(INVITED_BYTES);
        self.invited.insert(id.clone(), at);
        cx.refuse_join(caller, &id, GroupError::MemberIdRequired);
    }

    /// A member that is in the group joins.
    fn join_again(&mut self, caller: Caller, ask: JoinAsk, cx: &mut Context<'_>) {
        if let Err(error) = self.check_member(&ask.member, ask.instance.as_deref()) {
            return cx.refuse_join(caller, &ask.member, error);
        }
        let id = ask.member.clone();
        let unchanged = self
            .members
            .get(&id)
            .is_some_and(|own| own.matches(&ask.protocols));
        match self.state {
            State::PreparingRebalance => {
                self.update(&id, Some(caller), ask, cx);
                self.begin_or_complete(cx);
            }
            // It asks again for an answer that it may not have had.
            State::CompletingRebalance if unchanged => {
                let joined = self.joined(&id);
                cx.joined(caller, joined);
            }
            State::Stable if unchanged && !self.is_leader(&id) => {
                let joined = self.joined(&id);
                cx.joined(caller, joined);
            }
            // Its metadata has changed, or the leader wants to assign anew.
            State::CompletingRebalance | State::Stable => {
                self.update(&id, Some(caller), ask, cx);
                self.begin_or_complete(cx);
            }
            State::Empty | State::Dead => {
                cx.refuse_join(caller, &id, GroupError::UnknownMember);
            }
        }
    }

    fn admit(&mut self, id: MemberId, caller: Caller, ask: JoinAsk, cx: &mut Context<'_>) {
        if self.invited.contains_key(&id) {
            cx.usage.sub(INVITED_BYTES);
        }
        if self.state == State::PreparingRebalance && self.previous == State::Empty {
            self.newcomers = true;
        }
        let protocol_type = ask.protocol_type.clone();
        self.add(Member::new(id.clone(), ask), caller, &protocol_type, cx);
        // It knows no member id yet and can not heartbeat, so the session time-out is not for it;
        // but a client that gave up must not be waited for without end.
        self.allow_silence(&id, NEW_MEMBER_JOIN_MS, cx);
        self.begin_or_complete(cx);
    }

    /// What a JoinGroup says anew of a member.
    fn update(
        &mut self,
        id: &MemberId,
        caller: Option<Caller>,
        ask: JoinAsk,
        cx: &mut Context<'_>,
    ) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        cx.usage.sub(member.bytes());
        member.protocols = ask.protocols;
        member.rebalance_timeout_ms = ask.rebalance_timeout_ms;
        member.session_timeout_ms = ask.session_timeout_ms;
        cx.usage.add(member.bytes());
        // An earlier JoinGroup of the same member is answered too: replies leave in order.
        if let Some(earlier) = std::mem::replace(&mut member.joining, caller) {
            cx.refuse_join(earlier, id, GroupError::RebalanceInProgress);
        }
    }

    /// A static member is back under a new member id; the old one is fenced (KIP-345).
    fn replace(
        &mut self,
        old: &MemberId,
        id: MemberId,
        caller: Caller,
        ask: JoinAsk,
        cx: &mut Context<'_>,
    ) {
        let leader_before = self.leader.clone();
        let skips = ask.skips_assignment;
        let Some(mut member) = self.members.remove(old) else {
            return cx.refuse_join(caller, "", GroupError::UnknownMember);
        };
        if let Some(waiting) = member.joining.take() {
            cx.refuse_join(waiting, old, GroupError::FencedInstance);
        }
        if let Some(waiting) = member.syncing.take() {
            cx.synced(waiting, Synced::refused(GroupError::FencedInstance));
        }
        member.id = id.clone();
        member.alarm = None;
        if self.is_leader(old) {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        self.members.insert(id.clone(), member);
        self.heard(&id, cx);
        let waits = (self.state != State::Stable).then_some(caller);
        self.update(&id, waits, ask, cx);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol => {
                let joined = self.returned(&id, leader_before, skips);
                self.keep_returned(caller, joined, cx);
            }
            // The protocol will be another one: everybody joins again.
            State::Stable => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.joining = Some(caller);
                }
                self.begin_or_complete(cx);
            }
            // The leader may be assigning to the old id at this moment.
            State::CompletingRebalance => self.prepare(cx),
            State::PreparingRebalance => self.complete_if_all_joined(cx),
            State::Empty | State::Dead => cx.refuse_join(caller, &id, GroupError::UnknownMember),
        }
    }

    /// What a static member is told that is back without a rebalance.
    fn returned(&self, id: &MemberId, leader_before: Option<MemberId>, skips: bool) -> Joined {
        let mut joined = self.joined(id);
        if skips {
            joined.skip_assignment = self.is_leader(id);
            return joined;
        }
        // A client that does not know of skipping must not take itself for the leader: it would
        // assign, and nobody would listen.
        joined.members = Vec::new();
        joined.leader = leader_before.unwrap_or_else(|| "".into());
        joined
    }

    /// It is answered when its new member id is durable.
    fn keep_returned(&mut self, caller: Caller, joined: Joined, cx: &mut Context<'_>) {
        let member = |(id, member): (&MemberId, &Member)| (id.clone(), member.assignment.clone());
        let assignments: BTreeMap<MemberId, Bytes> = self.members.iter().map(member).collect();
        let after = After::Returned {
            caller,
            group: self.id.clone(),
            joined: Box::new(joined),
        };
        self.stage_record(&assignments, after, cx);
    }
}

/// `group.instance.id` or client id, and a random UUID, as Kafka's member ids are.
fn draw_member_id(ask: &JoinAsk, cx: &mut Context<'_>) -> MemberId {
    let mut bytes = [0; 16];
    cx.random.fill(&mut bytes);
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let name = ask.instance.as_ref().unwrap_or(&ask.client_id);
    format!("{name}-{uuid}").into()
}

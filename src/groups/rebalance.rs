//! The two phases of a rebalance, and what time does to them.

use std::collections::BTreeMap;

use super::ask::{MemberId, Synced};
use super::context::{After, Context, What};
use super::error::GroupError;
use super::group::{Group, State};
use crate::base::Ticks;

impl Group {
    /// Begins a rebalance if there is none, or ends the join phase if all are there.
    pub fn begin_or_complete(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare(cx),
            State::PreparingRebalance => self.complete_if_all_joined(cx),
            State::Dead => {}
        }
    }

    /// Begins a rebalance: whoever awaits an assignment must join again.
    pub fn prepare(&mut self, cx: &mut Context<'_>) {
        if self.state == State::CompletingRebalance {
            for member in self.members.values_mut() {
                cx.usage.sub(member.assignment.len());
                member.assignment.clear();
            }
            self.refuse_syncs(GroupError::RebalanceInProgress, cx);
        }
        self.sync_due = None;
        let first = self.state == State::Empty;
        self.move_to(State::PreparingRebalance, cx);
        if first {
            // Members of a new group come one by one: waiting a little spares them a rebalance
            // for each (KIP-134).
            let delay = i64::from(cx.config.initial_rebalance_delay_ms);
            let left = (self.rebalance_timeout_ms() - delay).max(0);
            self.newcomers = false;
            self.initial = Some((delay, left));
            return self.set_join_alarm(delay, cx);
        }
        if self.all_joined() {
            return self.complete(cx);
        }
        self.set_join_alarm(self.rebalance_timeout_ms(), cx);
    }

    /// Ends the join phase if nobody is missing, save in the delay of the first rebalance.
    pub fn complete_if_all_joined(&mut self, cx: &mut Context<'_>) {
        let waits = self.state == State::PreparingRebalance && self.previous != State::Empty;
        if waits && self.all_joined() {
            self.complete(cx);
        }
    }

    /// The join phase is over: who has not joined is out, static members excepted, who keep their
    /// place until their session ends.
    fn complete(&mut self, cx: &mut Context<'_>) {
        self.join_due = None;
        self.initial = None;
        let late =
            |member: &super::member::Member| member.joining.is_none() && member.instance.is_none();
        let gone: Vec<MemberId> = self
            .members
            .values()
            .filter(|member| late(member))
            .map(|member| member.id.clone())
            .collect();
        for member in gone {
            self.remove(&member, cx);
        }
        if self.state == State::Dead {
            return;
        }
        if !self.members.is_empty() && !self.elect() {
            // Only static members are left, and none has joined: their sessions decide.
            return self.set_join_alarm(self.rebalance_timeout_ms(), cx);
        }
        self.generation = self.generation.wrapping_add(1).max(0);
        self.unsynced.clear();
        if self.members.is_empty() {
            return self.become_empty(cx);
        }
        self.protocol = self.select_protocol();
        self.look_at_subscriptions();
        self.move_to(State::CompletingRebalance, cx);
        self.answer_joins(cx);
        let due = cx.after_ms(self.rebalance_timeout_ms());
        self.sync_due = Some(due);
        cx.alarms.set(due, &self.id, What::Sync);
    }

    fn become_empty(&mut self, cx: &mut Context<'_>) {
        self.protocol = None;
        self.leader = None;
        self.look_at_subscriptions();
        self.move_to(State::Empty, cx);
        self.stage_record(&BTreeMap::new(), After::Nothing, cx);
    }

    /// Everybody learns of the new generation, and has a session's time to go on.
    fn answer_joins(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.is_new = false;
            if let Some(caller) = member.joining.take() {
                cx.joined(caller, joined);
            }
            self.heard(&id, cx);
            self.unsynced.insert(id);
        }
    }

    /// A leader that has joined; the old one if it has. False: nobody has joined.
    fn elect(&mut self) -> bool {
        let has_joined = |id: &MemberId| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self
            .members
            .values()
            .find(|member| member.joining.is_some());
        let Some(joined) = joined.map(|member| member.id.clone()) else {
            return false;
        };
        self.leader = Some(joined);
        true
    }

    /// Whoever awaits an assignment is refused it.
    pub fn refuse_syncs(&mut self, error: GroupError, cx: &mut Context<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let waiting = self
                .members
                .get_mut(&id)
                .and_then(|member| member.syncing.take());
            if let Some(caller) = waiting {
                cx.synced(caller, Synced::refused(error));
                self.heard(&id, cx);
            }
        }
    }

    /// Whoever awaits the end of the join phase is refused.
    pub fn refuse_joins(&mut self, error: GroupError, cx: &mut Context<'_>) {
        for member in self.members.values_mut() {
            if let Some(caller) = member.joining.take() {
                cx.refuse_join(caller, &member.id, error);
            }
        }
    }

    fn set_join_alarm(&mut self, ms: i64, cx: &mut Context<'_>) {
        let at = cx.after_ms(ms);
        self.join_due = Some(at);
        cx.alarms.set(at, &self.id, What::Join);
    }

    /// An alarm that was set for `at` rings. It may have been overtaken by what happened since.
    pub fn ring(&mut self, at: Ticks, what: What, cx: &mut Context<'_>) {
        match what {
            What::Join if self.join_due == Some(at) => self.join_time_over(cx),
            What::Sync if self.sync_due == Some(at) => self.sync_time_over(cx),
            What::Session(member) => self.session_alarm(at, &member, cx),
            What::Join | What::Sync => {}
        }
    }

    fn join_time_over(&mut self, cx: &mut Context<'_>) {
        self.join_due = None;
        match self.initial.take() {
            Some((delay, left)) if self.newcomers && left > 0 => {
                self.newcomers = false;
                let next = i64::from(cx.config.initial_rebalance_delay_ms).min(left);
                self.initial = Some((next, (left - delay).max(0)));
                self.set_join_alarm(next, cx);
            }
            Some(_) | None => self.complete(cx),
        }
    }

    /// Members that were told of the generation and never asked for their assignment are out.
    fn sync_time_over(&mut self, cx: &mut Context<'_>) {
        self.sync_due = None;
        let waits = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !waits || self.unsynced.is_empty() {
            return;
        }
        for member in std::mem::take(&mut self.unsynced) {
            self.remove(&member, cx);
        }
        self.prepare(cx);
    }

    fn session_alarm(&mut self, at: Ticks, id: &MemberId, cx: &mut Context<'_>) {
        let now = cx.now.ticks;
        if self.invited.get(id).is_some_and(|until| *until <= now) {
            self.remove(id, cx);
            return self.complete_if_all_joined(cx);
        }
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if member.alarm != Some(at) {
            return;
        }
        member.alarm = None;
        match member.deadline {
            Some(deadline) if deadline > now => {
                member.alarm = Some(deadline);
                cx.alarms.set(deadline, &self.id, What::Session(id.clone()));
            }
            // The end of the phase gives it a session's time again.
            Some(_) if member.is_excused() => member.deadline = None,
            Some(_) => {
                self.remove(id, cx);
                self.member_gone(cx);
            }
            None => {}
        }
    }

    /// After a member has left or was put out.
    pub fn member_gone(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare(cx),
            State::PreparingRebalance => self.complete_if_all_joined(cx),
            State::Empty | State::Dead => {}
        }
    }
}

//! SyncGroup and Heartbeat.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ask::{Answer, Caller, MemberAsk, MemberId, SyncAsk, Synced};
use super::context::{After, Context};
use super::error::GroupError;
use super::group::{Group, State};

impl Group {
    /// Answers at once, or when the leader's assignment is durable.
    pub fn sync(&mut self, caller: Caller, ask: SyncAsk, cx: &mut Context<'_>) {
        if let Err(error) = self.check_sync(&ask) {
            return cx.synced(caller, Synced::refused(error));
        }
        let id = &ask.member.member;
        match self.state {
            State::Empty | State::Dead => {
                cx.synced(caller, Synced::refused(GroupError::UnknownMember));
            }
            State::PreparingRebalance => {
                cx.synced(caller, Synced::refused(GroupError::RebalanceInProgress));
            }
            State::CompletingRebalance => {
                self.note_synced(id);
                if let Some(member) = self.members.get_mut(id)
                    && let Some(earlier) = member.syncing.replace(caller)
                {
                    cx.synced(earlier, Synced::refused(GroupError::RebalanceInProgress));
                }
                if self.is_leader(id) {
                    self.assign(ask, cx);
                }
            }
            State::Stable => {
                self.note_synced(id);
                if let Some(synced) = self.synced(id) {
                    cx.synced(caller, synced);
                }
            }
        }
    }

    fn check_sync(&self, ask: &SyncAsk) -> Result<(), GroupError> {
        if self.state == State::Dead {
            return Err(GroupError::NotAvailable);
        }
        self.check_member(&ask.member.member, ask.member.instance.as_deref())?;
        if ask.member.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let other =
            |named: &Option<_>, own: &Option<_>| named.is_some() && own.is_some() && named != own;
        let inconsistent =
            other(&ask.protocol_type, &self.protocol_type) || other(&ask.protocol, &self.protocol);
        match inconsistent {
            true => Err(GroupError::InconsistentProtocol),
            false => Ok(()),
        }
    }

    fn note_synced(&mut self, id: &MemberId) {
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            self.sync_due = None;
        }
    }

    /// The leader has assigned: written down first, then handed out.
    fn assign(&mut self, ask: SyncAsk, cx: &mut Context<'_>) {
        let mut given: BTreeMap<MemberId, Bytes> = ask.assignments.into_iter().collect();
        // Who is not in it has nothing to do; who is no member is not written down.
        let own = |id: &MemberId| (id.clone(), given.remove(id).unwrap_or_default());
        let assignments: BTreeMap<MemberId, Bytes> = self.members.keys().map(own).collect();
        let after = After::Assigned {
            group: self.id.clone(),
            generation: self.generation,
            assignments: assignments.clone(),
        };
        self.stage_record(&assignments, after, cx);
    }

    /// The assignment is durable, or could not be written. Another rebalance may have begun since;
    /// then it is nobody's any more.
    pub fn assigned(
        &mut self,
        generation: i32,
        assignments: BTreeMap<MemberId, Bytes>,
        result: Result<(), GroupError>,
        cx: &mut Context<'_>,
    ) {
        if self.state != State::CompletingRebalance || self.generation != generation {
            return;
        }
        if let Err(error) = result {
            self.refuse_syncs(error, cx);
            return self.begin_or_complete(cx);
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                cx.usage.add(assignment.len());
                cx.usage.sub(member.assignment.len());
                member.assignment = assignment;
            }
        }
        self.move_to(State::Stable, cx);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let synced = self.synced(&id);
            let waiting = self
                .members
                .get_mut(&id)
                .and_then(|member| member.syncing.take());
            if let (Some(caller), Some(synced)) = (waiting, synced) {
                cx.synced(caller, synced);
                self.heard(&id, cx);
            }
        }
    }

    fn synced(&self, id: &MemberId) -> Option<Synced> {
        let member = self.members.get(id)?;
        Some(Synced {
            error: None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.assignment.clone(),
        })
    }

    pub fn heartbeat(&mut self, caller: Caller, ask: &MemberAsk, cx: &mut Context<'_>) {
        let result = self.check_heartbeat(ask);
        if matches!(result, Ok(()) | Err(GroupError::RebalanceInProgress)) {
            self.heard(&ask.member, cx);
        }
        cx.answer(caller, Answer::Heartbeat(result));
    }

    fn check_heartbeat(&self, ask: &MemberAsk) -> Result<(), GroupError> {
        if self.state == State::Dead {
            return Err(GroupError::NotAvailable);
        }
        self.check_member(&ask.member, ask.instance.as_deref())?;
        if ask.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        match self.state {
            State::Empty | State::Dead => Err(GroupError::UnknownMember),
            State::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }
}

//! LeaveGroup: one member's farewell, or an administrator's list.

use super::ask::{Answer, Caller, Leaver};
use super::context::Context;
use super::error::GroupError;
use super::group::{Group, State};

impl Group {
    pub fn leave(&mut self, caller: Caller, members: &[Leaver], cx: &mut Context<'_>) {
        if self.state == State::Dead {
            return cx.answer(caller, Answer::Left(Err(GroupError::NotAvailable)));
        }
        let results: Vec<_> = members
            .iter()
            .map(|leaver| self.leave_one(leaver, cx))
            .collect();
        if results.iter().any(Result::is_ok) {
            self.member_gone(cx);
        }
        cx.answer(caller, Answer::Left(Ok(results)));
    }

    fn leave_one(&mut self, leaver: &Leaver, cx: &mut Context<'_>) -> Result<(), GroupError> {
        let member = if leaver.member.is_empty() {
            // Static members can be removed by their instance alone.
            let instance = leaver.instance.as_ref();
            let known = instance.and_then(|instance| self.instances.get(instance));
            known.cloned().ok_or(GroupError::UnknownMember)?
        } else {
            if !self.invited.contains_key(&leaver.member) {
                self.check_member(&leaver.member, leaver.instance.as_deref())?;
            }
            leaver.member.clone()
        };
        self.remove(&member, cx);
        Ok(())
    }
}

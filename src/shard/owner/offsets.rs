//! Offsets by name or by time: known, or searched for in the journal.

use crate::journal::ReadDone;
use crate::log::{Isolation, LeaderEpoch, LogError, OffsetPlan, OffsetSpec, SearchPlan};

use super::super::message::{Finding, InquiryPart, Outbox};
use super::Owner;
use super::acks::AnswerId;
use super::reads::ReadFor;

/// A question of ListOffsets.
#[derive(Clone, Copy, Debug)]
pub struct OffsetAsk {
    pub spec: OffsetSpec,
    pub isolation: Isolation,
    /// What the client takes for the newest epoch.
    pub claimed: Option<LeaderEpoch>,
}

impl Owner {
    /// Answers what is known, and searches the journal for the rest.
    pub(super) fn find_offset(&mut self, answer: AnswerId, part: &InquiryPart, ask: OffsetAsk) {
        let OffsetAsk {
            spec,
            isolation,
            claimed,
        } = ask;
        let plan = self
            .partitions
            .plan_offset(part.stream, spec, isolation, claimed);
        let found = match plan {
            Ok(OffsetPlan::Search(plan)) => {
                let token = self.reads.next_read();
                match self.journal.search(plan.request(token)) {
                    Some(done) => resolve(plan, done),
                    None => {
                        let index = self.acks.expect_read(answer, part.place);
                        let purpose = ReadFor::Offset {
                            answer,
                            index,
                            plan,
                        };
                        return self.reads.started(token, purpose);
                    }
                }
            }
            Ok(OffsetPlan::Known(found)) => Ok(Finding::Offset(found)),
            Err(error) => Err(error),
        };
        self.acks.add_finding(answer, part.place, found, false);
    }

    pub(super) fn search_finished(
        &mut self,
        (answer, index): (AnswerId, usize),
        plan: SearchPlan,
        done: ReadDone,
        out: &mut Outbox,
    ) {
        self.acks.read(answer, index, resolve(plan, done), out);
    }
}

fn resolve(plan: SearchPlan, done: ReadDone) -> Result<Finding, LogError> {
    let slices = done.result.map_err(LogError::Journal)?;
    Ok(Finding::Offset(plan.resolve(slices.first())))
}

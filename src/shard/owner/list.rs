//! ListOffsets: offsets by name or by time.

use crate::base::ShardId;
use crate::journal::ReadDone;
use crate::log::{LogError, OffsetFound, OffsetPlan, SearchPlan};

use super::super::calls::Token;
use super::super::message::{ListPart, Message, Outbox};
use super::Owner;
use super::reads::{Gather, GatherId, ReadFor};

impl Owner {
    /// Answers what is known; searches the journal for the rest.
    pub fn list(&mut self, asker: ShardId, token: Token, parts: Vec<ListPart>, out: &mut Outbox) {
        let id = self.reads.next_gather();
        let mut gather = Gather {
            asker,
            token,
            parts: Vec::with_capacity(parts.len()),
            missing: 0,
            waits: false,
        };
        for (index, part) in parts.into_iter().enumerate() {
            let found = self.begin_list(id, index, part);
            gather.missing += usize::from(found.is_none());
            let found = found.unwrap_or(Ok(OffsetFound::NONE));
            gather.parts.push((part.place, found));
        }
        if gather.missing == 0 {
            return answer(gather, out);
        }
        self.reads.lists.insert(id, gather);
    }

    /// None: being searched for.
    fn begin_list(
        &mut self,
        gather: GatherId,
        index: usize,
        part: ListPart,
    ) -> Option<Result<OffsetFound, LogError>> {
        let plan =
            self.partitions
                .plan_offset(part.stream, part.spec, part.isolation, part.leader_epoch);
        let plan = match plan {
            Ok(OffsetPlan::Known(found)) => return Some(Ok(found)),
            Ok(OffsetPlan::Search(plan)) => plan,
            Err(error) => return Some(Err(error)),
        };
        let token = self.reads.next_read();
        match self.journal.search(plan.request(token)) {
            Some(done) => Some(resolve(plan, done)),
            None => {
                let purpose = ReadFor::List {
                    gather,
                    index,
                    plan,
                };
                self.reads.started(token, purpose);
                None
            }
        }
    }

    pub(super) fn search_finished(
        &mut self,
        id: GatherId,
        index: usize,
        plan: SearchPlan,
        done: ReadDone,
        out: &mut Outbox,
    ) {
        let Some(gather) = self.reads.lists.get_mut(&id) else {
            return;
        };
        gather.parts[index].1 = resolve(plan, done);
        gather.missing -= 1;
        if gather.missing == 0
            && let Some(gather) = self.reads.lists.remove(&id)
        {
            answer(gather, out);
        }
    }
}

fn resolve(plan: SearchPlan, done: ReadDone) -> Result<OffsetFound, LogError> {
    let slices = done.result.map_err(LogError::Journal)?;
    Ok(plan.resolve(slices.first()))
}

fn answer(gather: Gather<OffsetFound>, out: &mut Outbox) {
    let (token, parts) = (gather.token, gather.parts);
    out.push((gather.asker, Message::Listed { token, parts }));
}

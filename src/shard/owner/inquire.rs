//! Small questions about partitions, answered from memory or after a search; and deletions of
//! records, answered when they are durable.

use std::collections::VecDeque;

use crate::base::{Now, ShardId};
use crate::journal::JournalError;
use crate::log::LogError;

use super::super::calls::Token;
use super::super::message::{Finding, Inquiry, InquiryPart, Outbox};
use super::Owner;
use super::acks::AnswerId;

/// Questions of one request that are not answered yet: one of them found the journal busy.
#[derive(Debug)]
pub struct Unanswered {
    answer: AnswerId,
    parts: VecDeque<InquiryPart>,
}

impl Owner {
    /// Answers each in turn. A deletion that finds the journal busy waits, and so does what is
    /// behind it.
    pub fn inquire(
        &mut self,
        asker: ShardId,
        token: Token,
        parts: Vec<InquiryPart>,
        now: Now,
        out: &mut Outbox,
    ) {
        let unanswered = Unanswered {
            answer: self.acks.open_findings(asker, token, parts.len()),
            parts: parts.into(),
        };
        if let Some(rest) = self.answer(unanswered, now, out) {
            self.unanswered.push_back(rest);
        }
    }

    /// Tries again what found the journal busy.
    pub(super) fn answer_busy(&mut self, now: Now, out: &mut Outbox) {
        for unanswered in std::mem::take(&mut self.unanswered) {
            if let Some(rest) = self.answer(unanswered, now, out) {
                self.unanswered.push_back(rest);
            }
        }
    }

    /// Returns what found the journal busy.
    fn answer(
        &mut self,
        mut unanswered: Unanswered,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Unanswered> {
        while let Some(part) = unanswered.parts.pop_front() {
            if let Inquiry::Offset(ask) = part.inquiry {
                self.find_offset(unanswered.answer, &part, ask);
                continue;
            }
            let (found, waits) = self.find_out(&part, now);
            if let Err(LogError::Journal(JournalError::Busy)) = found {
                unanswered.parts.push_front(part);
                return Some(unanswered);
            }
            self.acks
                .add_finding(unanswered.answer, part.place, found, waits);
        }
        self.acks.close(unanswered.answer, out);
        None
    }

    /// What was found, and whether it must become durable before it is told.
    fn find_out(&mut self, part: &InquiryPart, now: Now) -> (Result<Finding, LogError>, bool) {
        let (partitions, stream) = (&mut self.partitions, part.stream);
        let found = match part.inquiry {
            Inquiry::EpochEnd { claimed, asked } => partitions
                .epoch_end(stream, claimed, asked)
                .map(|(epoch, end)| Finding::EpochEnd(epoch, end)),
            Inquiry::Offset(_) => unreachable!("an offset may have to be searched for"),
            Inquiry::Producers => partitions.producers(stream, now).map(Finding::Producers),
            Inquiry::Facts => partitions
                .facts(&self.journal, stream)
                .map(Finding::Facts)
                .ok_or(LogError::UnknownPartition),
            Inquiry::DeleteRecords { before } => {
                let token = self.acks.next_token();
                let deleted = partitions.delete_records(&mut self.journal, stream, before, token);
                let waits = deleted.is_ok_and(|deleted| !deleted.settled);
                return (
                    deleted.map(|deleted| Finding::LogStart(deleted.log_start)),
                    waits,
                );
            }
        };
        (found, false)
    }
}

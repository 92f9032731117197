//! Appending batches.

use std::collections::VecDeque;

use crate::base::{Now, ShardId};
use crate::journal::JournalError;
use crate::log::LogError;

use super::super::calls::Token;
use super::super::message::{Outbox, ProducePart};
use super::Owner;
use super::acks::AnswerId;

/// Batches of one request that are not staged yet.
#[derive(Debug)]
pub struct Unstaged {
    answer: AnswerId,
    parts: VecDeque<ProducePart>,
    durable: bool,
}

impl Owner {
    /// Stages every batch in turn. Those that find the journal busy wait, and so does every later
    /// request, so that order is kept.
    pub fn produce(
        &mut self,
        asker: ShardId,
        token: Token,
        parts: Vec<ProducePart>,
        durable: bool,
        now: Now,
        out: &mut Outbox,
    ) {
        let unstaged = Unstaged {
            answer: self.acks.open(asker, token, parts.len()),
            parts: parts.into(),
            durable,
        };
        if self.failed {
            return self.refuse(unstaged, LogError::Journal(JournalError::Stopped), out);
        }
        if !self.busy.is_empty() {
            return self.busy.push_back(unstaged);
        }
        if let Some(rest) = self.stage(unstaged, now, out) {
            self.busy.push_back(rest);
        }
    }

    /// Tries again what found the journal busy.
    pub(super) fn stage_busy(&mut self, now: Now, out: &mut Outbox) {
        while let Some(unstaged) = self.busy.pop_front() {
            if let Some(rest) = self.stage(unstaged, now, out) {
                return self.busy.push_front(rest);
            }
        }
    }

    /// Returns what found the journal busy.
    fn stage(&mut self, mut unstaged: Unstaged, now: Now, out: &mut Outbox) -> Option<Unstaged> {
        while let Some(part) = unstaged.parts.pop_front() {
            let token = unstaged.durable.then(|| self.acks.next_token());
            let appended =
                self.partitions
                    .append(&mut self.journal, part.stream, &part.batch, token, now);
            if let Err(LogError::Journal(JournalError::Busy)) = appended {
                unstaged.parts.push_front(part);
                return Some(unstaged);
            }
            self.note_full(appended.as_ref().err());
            let waits = unstaged.durable && appended.is_ok_and(|appended| !appended.settled);
            self.acks.add(unstaged.answer, part.place, appended, waits);
        }
        self.acks.close(unstaged.answer, out);
        None
    }

    /// One log line when the disk becomes full, and one when it is no longer.
    fn note_full(&mut self, error: Option<&LogError>) {
        let full = matches!(error, Some(LogError::Journal(JournalError::Full)));
        if full && !self.full {
            tracing::error!(
                "the data directory's disk is full: this shard refuses producers \
                 (KAFKA_STORAGE_ERROR) until there is room; delete topics, shorten their retention \
                 or free space beside them"
            );
        }
        if self.full && error.is_none() {
            tracing::info!("the disk has room again: producers are served");
        }
        self.full = full || self.full && error.is_some();
    }

    /// Answers `error` for all that is not staged.
    pub(super) fn refuse(&mut self, unstaged: Unstaged, error: LogError, out: &mut Outbox) {
        for part in unstaged.parts {
            self.acks
                .add(unstaged.answer, part.place, Err(error), false);
        }
        self.acks.close(unstaged.answer, out);
    }
}

//! The log of metadata changes, on shard 0: proposed, staged, flushed, then answered.

use std::collections::VecDeque;

use super::change::Change;
use super::command::Command;
use super::decide::Refusal;
use super::encode::encode_change;
use super::metadata::Metadata;
use super::replay::{Replayed, replay};
use super::snapshot::Writer;
use crate::base::crc::crc32c;
use crate::journal::{Entry, Index, Journal, JournalError, Sequence, StreamId, Term};
use crate::runtime::Directory;

/// Bytes of changes after which a snapshot is due, and at least this multiple of the last
/// snapshot, so that snapshots cost a fixed part of what is written.
const SNAPSHOT_DUE_BYTES: u64 = 256 << 10;
const SNAPSHOT_DUE_MULTIPLE: u64 = 4;

/// The caller's name for a proposal that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalToken(pub u64);

/// The end of one proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub token: ProposalToken,
    /// Ok: durable. Shard 0 applies the change to its own copy and sends it to every other shard,
    /// in this order, before it answers.
    pub outcome: Result<Change, Refusal>,
}

/// Why the metadata could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataError {
    Journal(JournalError),
    /// The entry is whole but makes no sense: written by a newer version, or not by us.
    Unreadable {
        at: Index,
        why: &'static str,
    },
}

impl From<JournalError> for MetadataError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Metadata's log. It knows what is decided but not yet durable; nobody else does.
pub struct MetadataLog {
    ahead: Metadata,
    /// The stream's end.
    next: Index,
    waiting: VecDeque<Waiting>,
    /// Bytes of changes since the last snapshot was begun.
    change_bytes: u64,
    /// Bytes of the last snapshot.
    snapshot_bytes: u64,
    /// The snapshot under way.
    snapshot: Option<Writer>,
}

struct Waiting {
    group: Sequence,
    settlement: Settlement,
}

impl MetadataLog {
    /// Reads the log while the machine boots. What it finds is durable.
    pub fn open(
        journal: &mut Journal,
        directory: &mut dyn Directory,
    ) -> Result<Self, MetadataError> {
        let Some((first, end)) = journal.range(StreamId::METADATA) else {
            return Ok(Self::new(Replayed::default(), Index(0)));
        };
        let slices = journal.read_at_boot(directory, StreamId::METADATA, first)?;
        Ok(Self::new(replay(&slices)?, end))
    }

    fn new(replayed: Replayed, next: Index) -> Self {
        Self {
            ahead: replayed.metadata,
            next,
            waiting: VecDeque::new(),
            change_bytes: replayed.change_bytes,
            snapshot_bytes: replayed.snapshot_bytes,
            snapshot: None,
        }
    }

    /// Everything decided so far. After `open`, and only then, all of it is durable: the copy that
    /// shards start from.
    pub fn metadata(&self) -> &Metadata {
        &self.ahead
    }

    /// Checks and stages. The answer comes from `settle`, refusals too: they may rest on what is
    /// not durable yet.
    pub fn propose(&mut self, journal: &mut Journal, command: &Command, token: ProposalToken) {
        // Once the journal has failed, `ahead` may know what will never be durable: nobody may be
        // told of it, not even by a refusal.
        let works = match journal.failure() {
            None => Ok(()),
            Some(_) => Err(Refusal::Journal(JournalError::Stopped)),
        };
        let decided = works.and_then(|()| self.ahead.decide(command));
        let outcome = decided.and_then(|change| {
            let payload = encode_change(&change);
            let group = self.stage(journal, &payload).map_err(Refusal::Journal)?;
            self.change_bytes += payload.len() as u64;
            Ok((change, group))
        });
        let last = self.waiting.back().map_or(Sequence(0), |last| last.group);
        let (outcome, group) = match outcome {
            Ok((change, group)) => {
                self.ahead.apply_change(&change);
                (Ok(change), group)
            }
            Err(refusal) => (Err(refusal), last),
        };
        let settlement = Settlement { token, outcome };
        self.waiting.push_back(Waiting { group, settlement });
    }

    /// Proposals that ended, in their order. Goes on with the snapshot, if one is due: call it when
    /// the journal has moved.
    pub fn settle(&mut self, journal: &mut Journal) -> Vec<Settlement> {
        let flushed = journal.flushed();
        let mut settled = Vec::new();
        while let Some(first) = self.waiting.pop_front_if(|first| first.group <= flushed) {
            settled.push(first.settlement);
        }
        let due = SNAPSHOT_DUE_BYTES.max(self.snapshot_bytes * SNAPSHOT_DUE_MULTIPLE);
        if self.snapshot.is_none() && self.change_bytes >= due {
            self.snapshot = Some(Writer::new(&self.ahead, self.next));
            self.change_bytes = 0;
        }
        if let Some(mut snapshot) = self.snapshot.take() {
            // No harm if the journal has no room now: the same part is tried again next time.
            if !matches!(self.write_part(journal, &mut snapshot), Ok(true)) {
                self.snapshot = Some(snapshot);
            }
        }
        settled
    }

    /// The journal has failed: nothing that waits will become durable.
    pub fn abandon(&mut self) -> Vec<ProposalToken> {
        let waiting = self.waiting.drain(..);
        waiting.map(|waiting| waiting.settlement.token).collect()
    }

    /// Writes the next part; true if it was the last. Then what came before the first is given up:
    /// groups are recovered in order and without gaps, so that whoever finds the trim finds the
    /// snapshot.
    fn write_part(
        &mut self,
        journal: &mut Journal,
        snapshot: &mut Writer,
    ) -> Result<bool, JournalError> {
        if snapshot.is_whole() {
            journal.trim(StreamId::METADATA, snapshot.first)?;
            self.snapshot_bytes = snapshot.bytes;
            return Ok(true);
        }
        let (part, last) = snapshot.part();
        self.stage(journal, &part)?;
        snapshot.advance(part.len(), last);
        Ok(false)
    }

    fn stage(&mut self, journal: &mut Journal, payload: &[u8]) -> Result<Sequence, JournalError> {
        let placed = journal.stage(&Entry {
            stream: StreamId::METADATA,
            first: self.next,
            term: Term(0),
            count: 1,
            time_max: -1,
            note: [0; 16],
            head: &[],
            body: payload,
            body_sum: crc32c(payload),
            flush_within: None,
        })?;
        self.next = Index(self.next.0 + 1);
        Ok(placed.group)
    }
}

#[cfg(test)]
#[path = "metadata_log_tests.rs"]
mod tests;

//! The log of metadata changes, on shard 0: proposed, staged, flushed, then answered.

use std::collections::VecDeque;

use super::change::Change;
use super::command::Command;
use super::decide::Refusal;
use super::encode::{
    Logged, Unreadable, change_of, decode, decode_snapshot, encode_change, encode_snapshot,
};
use super::metadata::Metadata;
use crate::base::crc::crc32c;
use crate::journal::{Entry, Index, Journal, JournalError, Sequence, Slice, StreamId, Term};
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
    bytes_since_snapshot: u64,
    snapshot_bytes: u64,
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
            return Ok(Self::new(Metadata::default(), Index(0)));
        };
        let slices = journal.read_at_boot(directory, StreamId::METADATA, first)?;
        let bytes = slices.iter().map(|slice| slice.payload.len() as u64).sum();
        let mut log = Self::new(replay(&slices)?, end);
        log.bytes_since_snapshot = bytes;
        Ok(log)
    }

    fn new(ahead: Metadata, next: Index) -> Self {
        Self {
            ahead,
            next,
            waiting: VecDeque::new(),
            bytes_since_snapshot: 0,
            snapshot_bytes: 0,
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
        let outcome = self.ahead.decide(command).and_then(|change| {
            let staged = self.stage(journal, &encode_change(&change));
            staged
                .map_err(Refusal::Journal)
                .map(|group| (change, group))
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

    /// Proposals that ended, in their order; takes a snapshot if one is due.
    pub fn settle(&mut self, journal: &mut Journal) -> Vec<Settlement> {
        let flushed = journal.flushed();
        let mut settled = Vec::new();
        while let Some(first) = self.waiting.pop_front_if(|first| first.group <= flushed) {
            settled.push(first.settlement);
        }
        let due = SNAPSHOT_DUE_BYTES.max(self.snapshot_bytes * SNAPSHOT_DUE_MULTIPLE);
        if self.bytes_since_snapshot >= due {
            // No harm if the journal has no room for it now: the log is only longer, and the next
            // change tries again.
            let _ = self.snapshot(journal);
        }
        settled
    }

    /// The journal has failed: nothing that waits will become durable.
    pub fn abandon(&mut self) -> Vec<ProposalToken> {
        let waiting = self.waiting.drain(..);
        waiting.map(|waiting| waiting.settlement.token).collect()
    }

    /// Writes down everything and gives up what came before. Groups are recovered in order and
    /// without gaps, so that whoever finds the trim finds the snapshot.
    fn snapshot(&mut self, journal: &mut Journal) -> Result<(), JournalError> {
        let parts = encode_snapshot(&self.ahead);
        let first = self.next;
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        // Set before the parts are staged, lest a journal that is full be tried at every turn.
        self.snapshot_bytes = bytes;
        self.bytes_since_snapshot = 0;
        for part in &parts {
            self.stage(journal, part)?;
        }
        journal.trim(StreamId::METADATA, first)?;
        self.bytes_since_snapshot = 0;
        Ok(())
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
        })?;
        self.next = Index(self.next.0 + 1);
        self.bytes_since_snapshot += payload.len() as u64;
        Ok(placed.group)
    }
}

/// The state after all entries.
fn replay(slices: &[Slice]) -> Result<Metadata, MetadataError> {
    let mut metadata = Metadata::default();
    let mut parts = Parts::default();
    for slice in slices {
        let at = slice.head.first;
        let unreadable = |why| MetadataError::Unreadable { at, why };
        match decode(&slice.payload).map_err(unreadable)? {
            Logged::Part { part, of, bytes } => {
                if let Some(json) = parts.add(part, of, bytes) {
                    let restored = decode_snapshot(&json).map_err(unreadable)?;
                    // Older changes may still be there, or be gone; nothing lies between.
                    if metadata.version() > restored.version() {
                        return Err(unreadable("the snapshot is older than what precedes it"));
                    }
                    metadata = restored;
                }
            }
            Logged::Change(record) => {
                let change = change_of(record, &metadata).map_err(unreadable)?;
                follow(&mut metadata, &change).map_err(unreadable)?;
            }
        }
    }
    Ok(metadata)
}

fn follow(metadata: &mut Metadata, change: &Change) -> Result<(), Unreadable> {
    if change.version != metadata.version() + 1 {
        return Err("a change is missing before this one");
    }
    metadata.apply_change(change);
    Ok(())
}

/// A snapshot being put together. One whose last parts are missing was given up and counts for
/// nothing.
#[derive(Default)]
struct Parts {
    json: Vec<u8>,
    due: u32,
}

impl Parts {
    fn add(&mut self, part: u32, of: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        if part == 0 {
            *self = Self::default();
        }
        if part != self.due {
            return None;
        }
        self.json.extend_from_slice(bytes);
        self.due += 1;
        (self.due == of).then(|| std::mem::take(self).json)
    }
}

#[cfg(test)]
#[path = "metadata_log_tests.rs"]
mod tests;

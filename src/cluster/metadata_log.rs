//! The log of metadata commands, on shard 0: proposed, staged, flushed, then answered.

use super::change::Change;
use super::command::Command;
use super::metadata::{Metadata, Refusal};
use crate::journal::{Journal, JournalError};
use crate::runtime::Directory;

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

/// Metadata's log. It knows what is decided but not yet durable; nobody else does.
pub struct MetadataLog {
    ahead: Metadata,
}

#[allow(unused_variables, reason = "the contract lands before the code")]
impl MetadataLog {
    /// Reads the log while the machine boots. What it finds is durable.
    pub fn open(
        journal: &mut Journal,
        directory: &mut dyn Directory,
    ) -> Result<Self, JournalError> {
        todo!()
    }

    /// Everything decided so far. After `open`, and only then, all of it is durable: the copy that
    /// shards start from.
    pub fn metadata(&self) -> &Metadata {
        &self.ahead
    }

    /// Checks and stages. The answer comes from `settle`, refusals too: they may rest on what is
    /// not durable yet.
    pub fn propose(&mut self, journal: &mut Journal, command: &Command, token: ProposalToken) {
        todo!()
    }

    /// Proposals that ended, in their order; takes a snapshot if one is due.
    pub fn settle(&mut self, journal: &mut Journal) -> Vec<Settlement> {
        todo!()
    }

    /// The journal has failed: nothing that waits will become durable.
    pub fn abandon(&mut self) -> Vec<ProposalToken> {
        todo!()
    }
}

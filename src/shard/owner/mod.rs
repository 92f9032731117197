//! A shard as the owner of partitions: it answers questions of any shard, its own included.
//!
//! Knows nothing of connections. Answers are put into an outbox; what must be durable first, or
//! must be read first, is answered by a later `settle`.

mod acks;
mod fetch;
mod inquire;
pub mod offsets;
mod produce;
mod reads;

use std::collections::{BTreeMap, VecDeque};

use crate::base::{Now, ShardId};
use crate::journal::{Journal, JournalError, StreamId};
use crate::log::{AckToken, FetchToken, LogError, Offset, Partitions, Settled, WatchToken};
use crate::runtime::{DiskDone, DiskOp};

use super::calls::Token;
use super::message::{Message, Outbox};
use acks::Acks;
use reads::Reads;

/// A shard's partitions, its journal, and who waits for them.
pub struct Owner {
    pub journal: Journal,
    pub partitions: Partitions,
    settled: Settled,
    acks: Acks,
    reads: Reads,
    /// Batches that found the journal busy, in the order in which they came. While there are any,
    /// later ones go behind them.
    busy: VecDeque<produce::Unstaged>,
    /// Inquiries that found the journal busy.
    unanswered: VecDeque<inquire::Unanswered>,
    /// The journal's failure has been dealt with.
    failed: bool,
    /// The last batch found the disk full.
    full: bool,
}

impl Owner {
    pub fn new(journal: Journal, partitions: Partitions) -> Self {
        Self {
            journal,
            partitions,
            settled: Settled::default(),
            acks: Acks::default(),
            reads: Reads::default(),
            busy: VecDeque::new(),
            unanswered: VecDeque::new(),
            failed: false,
            full: false,
        }
    }

    /// A disk operation ended.
    pub fn completed(&mut self, now: Now, done: DiskDone) {
        self.journal.completed(now, done);
    }

    /// Looks once per turn how far the journal has come, and answers whoever may be answered.
    pub fn settle(&mut self, now: Now, out: &mut Outbox) {
        self.partitions.settle(&self.journal, &mut self.settled);
        for ack in self.settled.acked.drain(..) {
            self.acks.durable(ack, out);
        }
        for token in self.settled.woken.drain(..) {
            let (asker, token) = asker_of(token);
            out.push((asker, Message::Woken { token }));
        }
        self.tell_changes(out);
        self.settled.clear();
        self.fail_if_journal_failed(out);
        self.stage_busy(now, out);
        self.answer_busy(now, out);
        for done in self.journal.take_finished() {
            self.read_finished(done, out);
        }
    }

    /// Tells fetch sessions which of the streams that they watch have changed.
    fn tell_changes(&mut self, out: &mut Outbox) {
        let mut changed = BTreeMap::<WatchToken, Vec<StreamId>>::new();
        for (token, stream) in self.settled.changed.drain(..) {
            changed.entry(token).or_default().push(stream);
        }
        for (token, streams) in changed {
            let (asker, session) = watcher_of(token);
            out.push((asker, Message::Changed { session, streams }));
        }
    }

    /// Hands out what the device should do next.
    pub fn end_turn(&mut self, now: Now, disk: &mut Vec<DiskOp>) {
        self.journal.end_turn(now, &self.partitions, disk);
    }

    /// Gives up a partition's records below `before`; nobody waits for that to be durable.
    pub fn give_up(&mut self, stream: StreamId, before: Offset) -> Result<(), LogError> {
        let (partitions, journal) = (&mut self.partitions, &mut self.journal);
        partitions.delete_records(journal, stream, Some(before), NOBODY)?;
        Ok(())
    }

    /// True when no producer waits for this owner.
    pub fn owes_nothing(&self) -> bool {
        self.busy.is_empty() && self.acks.is_empty()
    }

    /// True once the journal's failure has been dealt with.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    fn fail_if_journal_failed(&mut self, out: &mut Outbox) {
        if self.failed || self.journal.failure().is_none() {
            return;
        }
        self.failed = true;
        let stopped = LogError::Journal(JournalError::Stopped);
        for ack in self.partitions.abandon() {
            self.acks.failed(ack, stopped, out);
        }
        while let Some(unstaged) = self.busy.pop_front() {
            self.refuse(unstaged, stopped, out);
        }
    }
}

/// The token of a change whose durability nobody awaits. Tokens that are awaited count from 0.
const NOBODY: AckToken = AckToken(u64::MAX);

/// The wait of one fetch is named by who asked and the asker's token.
fn wait_token(asker: ShardId, token: Token) -> FetchToken {
    assert!(token.0 < 1 << 48, "tokens have run out");
    FetchToken(u64::from(asker.0) << 48 | token.0)
}

/// A fetch session is named by the shard that has it and its id there.
fn watch_token(asker: ShardId, session: i32) -> WatchToken {
    WatchToken(u64::from(asker.0) << 32 | u64::from(session.cast_unsigned()))
}

fn watcher_of(token: WatchToken) -> (ShardId, i32) {
    let session = (token.0 & u64::from(u32::MAX)) as u32;
    (ShardId((token.0 >> 32) as u16), session.cast_signed())
}

fn asker_of(token: FetchToken) -> (ShardId, Token) {
    let asker = ShardId((token.0 >> 48) as u16);
    (asker, Token(token.0 & ((1 << 48) - 1)))
}

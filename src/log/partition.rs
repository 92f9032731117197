//! One partition's state. It decides; staging and waiting are `Partitions`' affair.

use std::sync::Arc;

use super::admit::{Stamped, admit, claim_of, decode_note};
use super::config::TopicConfig;
use super::epochs::Epochs;
use super::error::LogError;
use super::offset::{LeaderEpoch, Offset};
use super::producers::{Kept, Producers};
use crate::base::{Now, Span, Ticks};
use crate::journal::{Entry, EntryHead, StreamId};
use crate::wire::batch::CheckedBatch;

/// One partition. Idle, it takes about a hundred bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub stream: StreamId,
    /// Records below it are gone.
    pub log_start: Offset,
    /// The next offset to be given.
    pub end: Offset,
    /// Records below it may be read. `log_start <= high_watermark <= end`.
    pub high_watermark: Offset,
    /// The epoch that new batches are written in.
    pub epoch: LeaderEpoch,
    /// Records since the last batch that asked for a flush.
    pub unflushed: u64,
    pub config: Arc<TopicConfig>,
    pub epochs: Epochs,
    pub producers: Producers,
}

/// What to do with a batch.
pub(super) enum Verdict {
    /// Stage this, then `Partition::appended`.
    Append(Stamped),
    /// It is here already.
    Repeated(Kept),
}

impl Partition {
    pub fn new(stream: StreamId, epoch: LeaderEpoch, config: Arc<TopicConfig>) -> Self {
        Self {
            stream,
            log_start: Offset(0),
            end: Offset(0),
            high_watermark: Offset(0),
            epoch,
            unflushed: 0,
            config,
            epochs: Epochs::default(),
            producers: Producers::default(),
        }
    }

    /// Judges a batch. Changes nothing.
    pub fn judge(
        &self,
        batch: &CheckedBatch,
        now: Now,
        expiration: Span,
    ) -> Result<Verdict, LogError> {
        let claim = claim_of(&batch.header);
        // Before all else: what was accepted once is answered the same again, whatever the topic's
        // configuration and the clock say by now.
        if let Some(kept) = claim.and_then(|claim| self.producers.repeated(&claim)) {
            return Ok(Verdict::Repeated(kept));
        }
        admit(&self.config, batch, now.wall)?;
        if let Some(claim) = claim {
            self.producers.check(&claim, now.ticks, expiration)?;
        }
        let place = (self.end, self.epoch);
        let stamped = Stamped::new(&self.config, batch, place, now.wall);
        Ok(Verdict::Append(stamped))
    }

    /// The batch as the journal takes it.
    pub fn entry<'a>(&self, stamped: &'a Stamped, batch: &'a CheckedBatch) -> Entry<'a> {
        Entry {
            stream: self.stream,
            first: self.end.into(),
            term: self.epoch.into(),
            count: batch.header.count as u32,
            time_max: stamped.time_max(),
            note: stamped.note(),
            head: stamped.head(),
            body: stamped.body(batch),
            body_sum: stamped.body_sum(),
            flush_within: self
                .config
                .flush_within(self.unflushed + batch.header.count as u64),
        }
    }

    /// The batch is staged: it has its offsets. Returns the first.
    pub fn appended(&mut self, stamped: &Stamped, batch: &CheckedBatch, now: Now) -> Offset {
        let base = self.end;
        self.epochs.note(self.epoch, base);
        if let Some(claim) = claim_of(&batch.header) {
            let append_time = stamped.append_time();
            self.producers.note(&claim, base, append_time, now.ticks);
        }
        let count = batch.header.count as u32;
        let unflushed = self.unflushed + u64::from(count);
        self.unflushed = match self.config.flush_within(unflushed) {
            Some(_) => unflushed,
            None => 0,
        };
        self.end = base.plus(count);
        base
    }

    /// Everything below `end` is as durable as the topic asks.
    pub fn advance(&mut self, end: Offset) -> bool {
        assert!(end <= self.end, "durable beyond the end: {end:?} {self:?}");
        let moves = end > self.high_watermark;
        if moves {
            self.high_watermark = end;
        }
        moves
    }

    /// Records below `start` are given up.
    pub fn trim(&mut self, start: Offset) {
        if start <= self.log_start {
            return;
        }
        assert!(start <= self.end, "trimmed beyond the end: {start:?}");
        self.log_start = start;
        self.high_watermark = self.high_watermark.max(start);
        self.epochs.trim(start);
    }

    /// An entry that recovery found. What a snapshot covered already changes nothing.
    pub fn recovered(&mut self, head: &EntryHead, now: Ticks) {
        let (first, end) = (Offset::from(head.first), Offset::from(head.end()));
        if end <= self.end {
            return;
        }
        let epoch = LeaderEpoch::from(head.term);
        self.epochs.note(epoch, first);
        self.epoch = self.epoch.max(epoch);
        let (claim, append_time) = decode_note(&head.note, head.count, head.time_max);
        if let Some(claim) = claim {
            self.producers.note(&claim, first, append_time, now);
        }
        self.end = end;
        // What recovery keeps is on the device: it was, or it was written again before we are told.
        self.high_watermark = end;
    }

    /// The client's idea of the leader epoch, if it sends one (KIP-320).
    pub fn check_epoch(&self, claimed: Option<LeaderEpoch>) -> Result<(), LogError> {
        let current = self.epoch;
        match claimed {
            Some(claimed) if claimed < current => Err(LogError::FencedLeaderEpoch { current }),
            Some(claimed) if claimed > current => Err(LogError::UnknownLeaderEpoch { current }),
            Some(_) | None => Ok(()),
        }
    }
}

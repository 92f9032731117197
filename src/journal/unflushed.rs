//! What is written and not flushed, oldest first: `flushed` moves on only behind a flush of it.
//!
//! A group that somebody waits for makes a flush due at once. The others (relaxed ones) are flushed
//! when their time is up, when they are many, when the segment is left, or when nothing else is to
//! do. A durable write that follows them does not count as their flush: what it makes durable of a
//! file's earlier writes is the file system's affair, so an fdatasync that was handed over after
//! their end has to return.

use std::collections::VecDeque;

use crate::base::Ticks;
use crate::base::limits::UNFLUSHED_BYTES_MAX;
use crate::runtime::{FileId, Ticket};

use super::appender::SealedGroup;
use super::entry::Sequence;

/// How far the flush of a stretch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Written,
    Flushing(Ticket),
    Flushed,
}

/// Neighbouring groups of one file.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    file: FileId,
    segment: u32,
    last: Sequence,
    bytes: u64,
    /// Groups whose flush somebody waits for.
    awaited: usize,
    /// The latest time for a flush.
    flush_by: Ticks,
    progress: Progress,
}

/// Written groups, as stretches: few, however many groups there are.
#[derive(Debug, Default)]
pub(super) struct Unflushed {
    stretches: VecDeque<Stretch>,
}

impl Unflushed {
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The last group that is written.
    pub fn last(&self) -> Option<Sequence> {
        self.stretches.back().map(|stretch| stretch.last)
    }

    /// The segment of the oldest.
    pub fn first_segment(&self) -> Option<u32> {
        self.stretches.front().map(|stretch| stretch.segment)
    }

    pub fn awaited(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.awaited).sum()
    }

    fn bytes(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.bytes).sum()
    }

    /// Adds the group that follows.
    pub fn push(&mut self, group: &SealedGroup) {
        let stretch = Stretch {
            file: group.file,
            segment: group.segment,
            last: group.sequence,
            bytes: group.bytes.len() as u64,
            awaited: usize::from(group.is_awaited()),
            flush_by: group.flush_by,
            progress: Progress::Written,
        };
        match self.stretches.back_mut() {
            Some(back) if back.progress == Progress::Written && back.file == group.file => {
                back.last = stretch.last;
                back.bytes += stretch.bytes;
                back.awaited += stretch.awaited;
                back.flush_by = back.flush_by.min(stretch.flush_by);
            }
            _ => self.stretches.push_back(stretch),
        }
    }

    /// True if a flush must begin though the journal is not idle: somebody waits for it, or (one
    /// at a time then) its time is up, it has become much, or `open` is another segment.
    pub fn is_due(&self, now: Ticks, open: u32) -> bool {
        let late = |stretch: &Stretch| stretch.flush_by <= now || stretch.segment != open;
        let much = self.bytes() >= UNFLUSHED_BYTES_MAX.0 / 2;
        let free = !self.is_flushing();
        let mut written = self.written();
        written.any(|stretch| stretch.awaited > 0 || (free && (much || late(stretch))))
    }

    /// True if no more may be written before a flush has ended; one is under way, or due.
    pub fn is_full(&self) -> bool {
        self.bytes() >= UNFLUSHED_BYTES_MAX.0
    }

    /// The time at which a flush is due though nothing happens; None if one is under way or there
    /// is nothing to flush.
    pub fn flush_by(&self) -> Option<Ticks> {
        match self.is_flushing() {
            true => None,
            false => self.written().map(|stretch| stretch.flush_by).min(),
        }
    }

    fn is_flushing(&self) -> bool {
        let flushing = |stretch: &Stretch| matches!(stretch.progress, Progress::Flushing(_));
        self.stretches.iter().any(flushing)
    }

    fn written(&self) -> impl Iterator<Item = &Stretch> {
        let written = |stretch: &&Stretch| stretch.progress == Progress::Written;
        self.stretches.iter().filter(written)
    }

    /// The next file that needs a flush; `ticket` covers all that is written of it.
    pub fn next_flush(&mut self, ticket: impl FnOnce() -> Ticket) -> Option<(Ticket, FileId)> {
        let file = self.written().next()?.file;
        let ticket = ticket();
        for stretch in &mut self.stretches {
            if stretch.file == file && stretch.progress == Progress::Written {
                stretch.progress = Progress::Flushing(ticket);
            }
        }
        Some((ticket, file))
    }

    /// A flush ended.
    pub fn flushed_by(&mut self, ticket: Ticket) {
        for stretch in &mut self.stretches {
            if stretch.progress == Progress::Flushing(ticket) {
                stretch.progress = Progress::Flushed;
            }
        }
    }

    /// Forgets the oldest stretch if it is flushed; its last group.
    pub fn pop_flushed(&mut self) -> Option<Sequence> {
        let front = self.stretches.front()?;
        let flushed = front.progress == Progress::Flushed;
        flushed.then(|| self.stretches.pop_front())?.map(|s| s.last)
    }
}

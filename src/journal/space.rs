//! Giving space and memory back: segments that nobody needs, groups and indexes beyond the bound.

use crate::base::Now;
use crate::runtime::DiskSpace;

use super::entry::Sequence;
use super::growth::Demand;
use super::journal::Journal;

impl Journal {
    /// Asks, at the end of this turn, what the file system has and can still give.
    pub fn survey(&mut self) {
        self.turn.survey_due = true;
    }

    /// What it said when it was last asked; None before the first answer.
    pub fn disk_space(&self) -> Option<DiskSpace> {
        self.turn.space
    }

    /// Frees the segments that no stream and no restart needs. What emptied them must be durable
    /// first: else a crash would bring back streams without their data.
    pub(super) fn sweep(&mut self) {
        if std::mem::take(&mut self.book.sweep_due) {
            let staged = self.newest_staged();
            let replay_from = self.checkpoints.replay_from;
            for (number, segment) in self.book.segments.range_mut(..replay_from) {
                if segment.parts == 0 && segment.emptied.is_none() {
                    segment.emptied = Some(staged);
                    self.turn.emptied.push(*number);
                }
            }
        }
        let mut emptied = std::mem::take(&mut self.turn.emptied);
        emptied.retain(|number| !self.free(*number));
        self.turn.emptied = emptied;
    }

    /// The newest group that holds a row.
    fn newest_staged(&self) -> Sequence {
        let open = self.staged();
        if self.appender.is_empty() {
            Sequence(open.0 - 1)
        } else {
            open
        }
    }

    /// Makes a segment's file spare, if nothing stands in the way; true if it is gone.
    fn free(&mut self, number: u32) -> bool {
        let Some(segment) = self.book.segments.get(&number) else {
            return true;
        };
        let durable = segment
            .emptied
            .is_some_and(|group| group <= self.appender.flushed);
        let being_indexed = self
            .footer
            .as_ref()
            .is_some_and(|writer| writer.segment == number);
        if !durable || segment.readers > 0 || being_indexed {
            return false;
        }
        assert_eq!(segment.parts, 0, "segment {number} is still needed");
        assert_eq!(segment.saved, 0, "segment {number} is needed by a restart");
        self.footers_due.retain(|due| *due != number);
        if let Some(segment) = self.book.segments.remove(&number) {
            let index = segment.index.map_or(0, |index| index.memory_bytes());
            self.turn.index_bytes = self.turn.index_bytes.saturating_sub(index);
            self.turn.spares.add_used(segment.file);
        }
        self.reads.windows.forget_segment(number);
        true
    }

    /// Gives up the oldest groups, indexes and pages beyond their bounds.
    pub(super) fn shrink(&mut self, now: Now) {
        let (cold_full, cold_again) = self.reads.windows.take_demand();
        let demand = Demand {
            tail_left: std::mem::take(&mut self.turn.gave_up),
            tail_missed: std::mem::take(&mut self.reads.tail_missed),
            cold_full,
            cold_again,
        };
        self.turn.growth.look(now.ticks, demand);
        self.reads.windows.keep(self.turn.growth.cold());
        let limit = self.turn.growth.tail();
        let tail = self.appender.tail();
        let keep = match self.appender.groups.front() {
            Some(group) => (group.segment, group.at),
            None => (tail.segment, tail.at),
        };
        let before = self.cache.bytes();
        while self.cache.bytes() + self.turn.index_bytes > limit
            && self.cache.pop_before(keep.0, keep.1)
        {}
        self.turn.gave_up = before - self.cache.bytes();
        self.reads.shrink(self.settings.index_cache_bytes.0);
        let resident = self
            .cache
            .oldest()
            .map_or(tail.segment, |(segment, _)| segment);
        while self.turn.indexed_from < resident {
            let number = self.turn.indexed_from;
            if let Some(segment) = self.book.segments.get_mut(&number) {
                if segment.footer.is_none() {
                    break;
                }
                if let Some(index) = segment.index.take() {
                    let bytes = index.memory_bytes();
                    self.turn.index_bytes = self.turn.index_bytes.saturating_sub(bytes);
                }
            }
            self.turn.indexed_from += 1;
        }
    }
}

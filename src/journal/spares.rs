//! Files that hold nothing, kept for the segments to come.
//!
//! A file that a segment has filled is better than a new one: its blocks are there, so that no
//! write of a group changes metadata of the file system, and only its front has to be zeroed first,
//! where a whole file costs the device as much again as the records. What its last segment left in
//! it stays until it is written over: a group names its segment and its place, so that it can not
//! be taken for one of the new segment's.
//!
//! Retention frees segments in bursts, so as many files are kept as segments have begun of late.
//! The others are removed one at a time, with a pause: each costs a commit of the file system (and
//! a discard, where it is mounted so), which flushed writes wait for.

use std::collections::VecDeque;

use crate::base::Ticks;
use crate::base::limits::{JOURNAL_REMOVE_WAIT, JOURNAL_SPARES_SPAN};
use crate::runtime::FileId;

/// As many spare files are kept, however few segments begin.
const KEPT_MIN: usize = 1;

/// A file for the next segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spare {
    /// A segment has filled it: its blocks are there.
    Used(FileId),
    /// Found by a start, or its preparation failed: who knows which blocks it has.
    Found(FileId),
}

#[derive(Debug)]
pub(super) struct Spares {
    /// Each was a segment's, of the full length.
    used: VecDeque<FileId>,
    found: Vec<FileId>,
    /// When the segments of the last `JOURNAL_SPARES_SPAN` began.
    begun: VecDeque<Ticks>,
    /// One is being removed.
    removing: bool,
    /// The next one may be removed then.
    remove_at: Ticks,
}

impl Spares {
    pub fn new(found: Vec<FileId>, now: Ticks) -> Self {
        Self {
            used: VecDeque::new(),
            found,
            begun: VecDeque::new(),
            removing: false,
            remove_at: now,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A segment can begin without any space.
    pub fn have_used(&self) -> bool {
        !self.used.is_empty()
    }

    fn len(&self) -> usize {
        self.used.len() + self.found.len()
    }

    /// The file of a segment that nobody needs any more.
    pub fn add_used(&mut self, file: FileId) {
        self.used.push_back(file);
    }

    /// A file that could not be prepared.
    pub fn add_found(&mut self, file: FileId) {
        self.found.push(file);
    }

    /// A segment needs a file: the best there is.
    pub fn take(&mut self) -> Option<Spare> {
        // The oldest first: what dropped a stream is written over after what was of it.
        let used = self.used.pop_front().map(Spare::Used);
        used.or_else(|| self.found.pop().map(Spare::Found))
    }

    /// A segment is about to begin.
    pub fn begins(&mut self, now: Ticks) {
        self.begun.push_back(now);
    }

    /// A file to be removed now, because more are kept than are likely to be used, or than there is
    /// space for, which is `kept_max`; `removed` is owed for it.
    pub fn remove(&mut self, now: Ticks, kept_max: usize) -> Option<FileId> {
        while self
            .begun
            .front()
            .is_some_and(|at| *at + JOURNAL_SPARES_SPAN <= now)
        {
            self.begun.pop_front();
        }
        let kept = self.kept().min(kept_max).max(KEPT_MIN);
        let due = kept_max == 0 || now >= self.remove_at;
        if self.removing || !due || self.len() <= kept {
            return None;
        }
        let file = self.found.pop().or_else(|| self.used.pop_back())?;
        self.removing = true;
        Some(file)
    }

    /// The removal ended, with or without success.
    pub fn removed(&mut self, now: Ticks) {
        self.removing = false;
        self.remove_at = now + JOURNAL_REMOVE_WAIT;
    }

    fn kept(&self) -> usize {
        self.begun.len().max(KEPT_MIN)
    }

    /// When `remove` may have something to say; None: not before something happens.
    pub fn wake_at(&self) -> Option<Ticks> {
        if self.removing || self.len() <= KEPT_MIN {
            return None;
        }
        if self.len() > self.kept() {
            return Some(self.remove_at);
        }
        // So many must be forgotten until one file is too many.
        let forgotten = self.begun.get(self.kept() - self.len())?;
        Some((*forgotten + JOURNAL_SPARES_SPAN).max(self.remove_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    const START: Ticks = Ticks(1_000);

    fn spares(used: u32) -> Spares {
        let mut spares = Spares::new(Vec::new(), START);
        (0..used).for_each(|number| spares.add_used(FileId(number)));
        spares
    }

    #[test]
    fn a_used_file_comes_before_one_that_has_to_be_prepared() {
        let mut spares = Spares::new(vec![FileId(7)], START);
        spares.add_used(FileId(8));

        assert_eq!(spares.take(), Some(Spare::Used(FileId(8))));
        assert_eq!(spares.take(), Some(Spare::Found(FileId(7))));
        assert_eq!(spares.take(), None);
    }

    #[test]
    fn as_many_are_kept_as_segments_began_of_late() {
        let mut spares = spares(4);
        (0..3).for_each(|_| spares.begins(START));

        assert!(spares.remove(START, usize::MAX).is_some());
        spares.removed(START);
        let later = START + JOURNAL_REMOVE_WAIT;
        assert_eq!(spares.remove(later, usize::MAX), None);
        assert_eq!(spares.wake_at(), Some(START + JOURNAL_SPARES_SPAN));
        assert!(
            spares
                .remove(START + JOURNAL_SPARES_SPAN, usize::MAX)
                .is_some()
        );
    }

    #[test]
    fn they_go_one_at_a_time_and_one_stays() {
        let mut spares = spares(3);
        let mut now = START;

        assert!(spares.remove(now, usize::MAX).is_some());
        assert_eq!(spares.remove(now, usize::MAX), None, "one is under way");
        assert_eq!(spares.wake_at(), None);
        spares.removed(now);
        assert_eq!(spares.remove(now, usize::MAX), None, "not yet");
        assert_eq!(spares.wake_at(), Some(now + JOURNAL_REMOVE_WAIT));
        now = now + JOURNAL_REMOVE_WAIT;
        assert!(spares.remove(now, usize::MAX).is_some());
        spares.removed(now);
        now = now + Span::seconds(60);
        assert_eq!(spares.remove(now, usize::MAX), None);
        assert_eq!(spares.wake_at(), None);
    }

    #[test]
    fn where_space_is_short_they_go_without_a_pause_and_without_regard_for_need() {
        let mut spares = spares(3);
        (0..3).for_each(|_| spares.begins(START));

        for _ in 0..2 {
            assert!(spares.remove(START, 0).is_some());
            spares.removed(START);
        }
        assert_eq!(spares.remove(START, 0), None);
    }

    #[test]
    fn no_more_are_kept_than_there_is_space_for() {
        let mut spares = spares(4);
        (0..4).for_each(|_| spares.begins(START));

        assert!(spares.remove(START, 3).is_some());
        spares.removed(START);
        assert_eq!(spares.remove(START + JOURNAL_REMOVE_WAIT, 3), None);
    }

    #[test]
    fn waking_when_told_removes_all_that_are_too_many() {
        let mut spares = spares(6);
        for second in 0..5 {
            spares.begins(START + Span::seconds(second));
        }
        let mut removed = 0;
        let mut now = START;
        loop {
            if spares.remove(now, usize::MAX).is_some() {
                removed += 1;
                spares.removed(now);
            }
            match spares.wake_at() {
                Some(at) => {
                    assert!(at > now, "woken in vain at {now:?}");
                    now = at;
                }
                None => break,
            }
        }
        assert_eq!(removed, 5);
    }
}

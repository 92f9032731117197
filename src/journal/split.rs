//! Taking a segment out of the folded parts that lie in it, so that it can be cleaned.
//!
//! Its footer says of each of its runs all that there is to know: the range, and the run before it
//! in its stream. Then the states of the streams that this concerned are staged, before any of
//! their entries: a restart must know of a piece by itself before it hears that some of it moved.

use super::cleaning::{Phase, Victims};
use super::index::NONE;
use super::journal::Journal;
use super::pages::{PageId, RunRecord};
use super::parts::Part;
use super::plan::Asked;
use super::requests::Snapshots;

/// Runs looked at in one turn.
const RUNS_PER_TURN: u32 = 1024;
/// Streams whose parts are split in one turn.
const STREAMS_PER_TURN: u32 = 256;
/// States staged in one turn.
const STATES_PER_TURN: usize = 32;
/// Splitting steps back while more than this waits for the device.
const UNWRITTEN_BYTES_MAX: u64 = 256 << 10;

/// How far the splitting has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub victims: Victims,
    segment: u32,
    run: u32,
}

impl Split {
    pub fn of(victims: Victims) -> Self {
        Self {
            victims,
            segment: victims.first,
            run: 0,
        }
    }
}

impl Journal {
    /// Goes on with the splitting; after the last victim, with the cleaning itself.
    pub(super) fn split(&mut self, mut split: Split, snapshots: &dyn Snapshots) {
        self.cleaner.phase = Phase::Splitting(split);
        if self.appender.unwritten_bytes > UNWRITTEN_BYTES_MAX {
            return;
        }
        let folded = |it: &Self, segment: u32| {
            let segment = it.book.segments.get(&segment);
            segment.is_some_and(|segment| segment.folded > 0)
        };
        while !folded(self, split.segment) {
            self.cleaner.found.clear();
            if split.segment >= split.victims.last {
                if self.save_split(snapshots) {
                    self.begin_gathering(split.victims);
                }
                return;
            }
            (split.segment, split.run) = (split.segment + 1, 0);
        }
        for _ in 0..RUNS_PER_TURN {
            let Some(record) = self.run_of(split) else {
                return;
            };
            let Some(record) = record else {
                self.split_found(split);
                return;
            };
            if self.folded_over(&record, split.segment).is_some() {
                let found = self.cleaner.found.entry(record.stream).or_default();
                found.push((record, split.run));
            }
            split.run += 1;
            self.cleaner.phase = Phase::Splitting(split);
        }
    }

    /// Splits parts by the runs that were found, of some streams; gives the victims up if that can
    /// not be done with certainty, or is not enough.
    fn split_found(&mut self, split: Split) {
        for _ in 0..STREAMS_PER_TURN {
            let Some((stream, found)) = self.cleaner.found.pop_first() else {
                break;
            };
            let numbers = found
                .iter()
                .map(|(record, _)| self.folded_over(record, split.segment));
            let mut numbers: Vec<usize> = numbers.flatten().collect();
            numbers.sort_unstable();
            if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
                // Two runs of one segment in one part: entries of one of them were moved away and
                // a crash came before the rest followed. Nobody knows which.
                self.keep_as_it_is(split);
                return;
            }
            for (record, run) in &found {
                if let Some(number) = self.folded_over(record, split.segment) {
                    self.split_part(number, record, (split.segment, *run));
                }
            }
            self.cleaner.split.insert(stream);
        }
        let segment = self.book.segments.get(&split.segment);
        if self.cleaner.found.is_empty() && segment.is_some_and(|segment| segment.folded > 0) {
            self.keep_as_it_is(split);
        }
    }

    fn keep_as_it_is(&mut self, split: Split) {
        tracing::error!(
            segment = split.segment,
            "an old segment's index does not tell what still lies in it; it is kept as it is"
        );
        self.give_up(split.victims);
    }

    /// Stages the states of the streams whose parts were split; true if none is left.
    fn save_split(&mut self, snapshots: &dyn Snapshots) -> bool {
        for _ in 0..STATES_PER_TURN {
            let Some(stream) = self.cleaner.split.first().copied() else {
                return true;
            };
            if self.stage_state(snapshots, stream).is_err() {
                return false;
            }
            self.cleaner.split.remove(&stream);
        }
        self.cleaner.split.is_empty()
    }

    /// The run that is looked at next, Some(None) behind the last; None if it is not in memory, or
    /// if there is no index: then the victims are kept as they are.
    fn run_of(&mut self, split: Split) -> Option<Option<RunRecord>> {
        let segment = self.book.segments.get(&split.segment);
        let Some(footer) = segment.and_then(|segment| segment.good_footer()) else {
            self.keep_as_it_is(split);
            return None;
        };
        if split.run >= footer.runs {
            return Some(None);
        }
        let (page, place) = footer.run(split.run);
        let id = PageId {
            segment: split.segment,
            page,
        };
        if let Some(page) = self.reads.pages.get(id) {
            return Some(Some(RunRecord::read(&page[place..])));
        }
        self.cleaner.phase = Phase::Paging(split);
        if self.ask(Asked::Page(id)).is_some() {
            // It turned out to be unreadable just now.
            self.cleaner.phase = Phase::Splitting(split);
        }
        None
    }

    /// The folded part of the run's stream that the run is in, and the segment with it.
    fn folded_over(&self, record: &RunRecord, segment: u32) -> Option<usize> {
        let stream = self.book.streams.get(record.stream)?;
        stream.parts.iter().position(|part| {
            part.older.is_some()
                && part.first < record.end
                && record.first < part.end
                && part.segments().any(|it| it == segment)
        })
    }

    fn split_part(&mut self, number: usize, record: &RunRecord, place: (u32, u32)) {
        if let Some(stream) = self.book.streams.get(record.stream) {
            let pieces = stream.parts[number].split_at(record, place.0, place.1);
            self.book.replace(record.stream, number, pieces);
        }
    }
}

impl Part {
    /// The part as up to three: what is older than the run, the run, and what is newer.
    fn split_at(&self, record: &RunRecord, segment: u32, run: u32) -> Vec<Self> {
        let piece = Self {
            first: record.first.max(self.first),
            end: record.end.min(self.end),
            ..record.part(segment, run)
        };
        let below = self.segments().take_while(|it| *it < segment).last();
        let link = (Some(record.link.0) == below).then_some(record.link.1);
        let [older, newer] = self.without(&piece, link.unwrap_or(NONE));
        [older, Some(piece), newer].into_iter().flatten().collect()
    }
}

//! Carrying forward what little still lives in old segments, so that one long-lived entry does not
//! pin a whole segment.
//!
//! What is carried is read like any other read and staged again as `Moved`: same stream, index and
//! term, a new place. The old segment is then as free as one whose streams were all trimmed.
//! Padding counts as dead, so a trickle of small groups is packed by this, too. Parts that are
//! folded over a victim and other segments are split first (`split`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use crate::base::ByteCount;
use crate::base::crc::crc32c;

use super::book::Segment;
use super::entry::{Index, Slice, StreamId};
use super::error::JournalError;
use super::format::{Kind, ROW_BYTES, Row};
use super::journal::Journal;
use super::pages::RunRecord;
use super::plan::Asked;
use super::requests::{ReadDone, ReadRequest, ReadToken, Snapshots};
use super::split::Split;

/// The token of the cleaner's own reads. Callers count theirs from zero.
pub(super) const CLEANING: ReadToken = ReadToken(u64::MAX);

/// A segment with less than one part in so many alive is cleaned in any case.
const LIVE_SHARE: u64 = 10;
/// Any segment may be cleaned when more than one part in so many of all sealed ones is dead,
const DEAD_SHARE: u64 = 3;
/// if there are at least so many.
const SEALED_MIN: usize = 2;
/// Bytes read and staged at a time,
const SLICE_BYTES: ByteCount = ByteCount::kib(128);
/// at the least where entries are small,
const SMALL_SLICE_BYTES: ByteCount = ByteCount::kib(16);
/// and the entries: a thousand take a core 3 to 4 ms, with the reading (`benches/stalls`).
const SLICE_ENTRIES: usize = 128;
/// The cleaner steps back while more than this waits for the device.
const UNWRITTEN_BYTES_MAX: ByteCount = ByteCount::kib(256);
/// Streams looked at in one turn.
const SLOTS_PER_TURN: u32 = 2048;
/// Turns between two looks at whether anything is due.
const TURNS_PER_LOOK: u32 = 64;

/// The segments that are cleaned together, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Victims {
    pub first: u32,
    pub last: u32,
}

impl Victims {
    fn hold(self, segment: u32) -> bool {
        self.range().contains(&segment)
    }

    fn range(self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

/// Where the cleaner is in its victims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    victims: Victims,
    /// The stream's slot, and the first of its indexes not yet read.
    slot: u32,
    from: Index,
}

/// What the cleaner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Rest,
    /// Takes victims out of folded parts.
    Splitting(Split),
    /// Waits for a page of a footer that this takes.
    Paging(Split),
    /// Looks for a stream with a part in the victims.
    Looking(Place),
    /// Waits for entries of a part.
    Reading(Place),
    /// Stages what was gathered.
    Staging(Place),
    /// The same, after the last stream.
    Ending(Victims),
}

/// The cleaner's state.
#[derive(Debug)]
pub(super) struct Cleaner {
    pub phase: Phase,
    turns: u32,
    /// Runs of a victim that lie in folded parts, each with its number.
    pub found: BTreeMap<StreamId, Vec<(RunRecord, u32)>>,
    /// Streams whose parts were split, and whose states are not yet staged.
    pub split: BTreeSet<StreamId>,
    /// Entries read and not yet staged, of many streams: they are staged together, so that they
    /// lie close.
    gathered: VecDeque<Slice>,
    gathered_bytes: u64,
    /// Bytes that are read at a time: so many as hold a slice's entries.
    read_bytes: ByteCount,
    /// Segments with entries that can not be read: they stay as they are.
    stuck: Vec<u32>,
    /// Bytes carried since the journal opened.
    pub carried_bytes: u64,
}

impl Default for Cleaner {
    fn default() -> Self {
        Self {
            phase: Phase::Rest,
            turns: 0,
            found: BTreeMap::new(),
            split: BTreeSet::new(),
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            read_bytes: SMALL_SLICE_BYTES,
            stuck: Vec::new(),
            carried_bytes: 0,
        }
    }
}

impl Cleaner {
    /// There is enough to stage.
    fn has_slice(&self) -> bool {
        self.gathered_bytes >= SLICE_BYTES.0 || self.gathered.len() >= SLICE_ENTRIES
    }

    /// How much to read next, by the size of the entries that came.
    fn learn_size(&mut self, slices: &[Slice]) {
        let bytes: u64 = slices.iter().map(|it| u64::from(it.head.length)).sum();
        let slice = bytes / slices.len() as u64 * SLICE_ENTRIES as u64;
        self.read_bytes = ByteCount(slice.clamp(SMALL_SLICE_BYTES.0, SLICE_BYTES.0));
    }
}

impl Journal {
    /// Takes the cleaning further: by one read, or by what one read brought.
    pub(super) fn clean(&mut self, snapshots: &dyn Snapshots) {
        let before = self.cleaner.phase;
        self.clean_step(snapshots);
        let ready = matches!(self.cleaner.phase, Phase::Staging(_) | Phase::Ending(_));
        if ready && self.cleaner.phase != before {
            self.clean_step(snapshots);
        }
    }

    fn clean_step(&mut self, snapshots: &dyn Snapshots) {
        match self.cleaner.phase {
            Phase::Rest => self.look_for_victim(snapshots),
            Phase::Splitting(split) => self.split(split, snapshots),
            Phase::Paging(split) => match self.reads.take_cleaning().map(|done| done.result) {
                None => {}
                Some(Ok(_)) => self.split(split, snapshots),
                Some(Err(_)) => self.give_up(split.victims),
            },
            Phase::Looking(place) => self.gather(place),
            Phase::Reading(place) => {
                if let Some(done) = self.reads.take_cleaning()
                    && let Some(place) = self.entries_read(place, done)
                {
                    self.gather(place);
                }
            }
            Phase::Staging(place) => {
                if self.carry() {
                    self.cleaner.phase = Phase::Looking(place);
                }
            }
            Phase::Ending(victims) => {
                if self.carry() {
                    self.end_cleaning(victims);
                }
            }
        }
    }

    fn look_for_victim(&mut self, snapshots: &dyn Snapshots) {
        self.cleaner.turns += 1;
        if self.cleaner.turns < TURNS_PER_LOOK {
            return;
        }
        self.cleaner.turns = 0;
        if let Some(victims) = self.sparse_segment() {
            self.book.cleaned = Some(victims.range());
            self.split(Split::of(victims), snapshots);
        }
    }

    /// No part lies in the victims and others together any more.
    pub(super) fn begin_gathering(&mut self, victims: Victims) {
        self.gather(Place {
            victims,
            slot: 0,
            from: Index(i64::MIN),
        });
    }

    /// Leaves the victims as they are, for good.
    pub(super) fn give_up(&mut self, victims: Victims) {
        self.cleaner.stuck.extend(victims.range());
        self.cleaner.found.clear();
        self.cleaner.split.clear();
        self.cleaner.gathered.clear();
        self.cleaner.gathered_bytes = 0;
        self.cleaner.phase = Phase::Rest;
        self.book.cleaned = None;
    }

    /// The sealed segments that may be cleaned or freed, and hold something.
    fn candidates(&self) -> impl Iterator<Item = &Segment> {
        let sealed = self.book.segments.range(..self.checkpoints.replay_from);
        let segments = sealed.map(|(_, segment)| segment);
        segments.filter(|s| s.parts > 0 && !self.cleaner.stuck.contains(&s.number))
    }

    /// The segment with the least in it, if that is little or if there is much waste.
    fn sparse_segment(&self) -> Option<Victims> {
        let whole = self.settings.segment_bytes.0;
        let least = self.candidates().min_by_key(|segment| segment.live_bytes)?;
        let sealed = self.candidates().count();
        let live: u64 = self.candidates().map(|s| s.live_bytes.min(whole)).sum();
        let all = sealed as u64 * whole;
        let sparse = least.live_bytes < whole / LIVE_SHARE;
        let much = sealed >= SEALED_MIN && all - live > all / DEAD_SHARE;
        // A segment can not be cleaned denser than padding, footers and checkpoints allow: one
        // that is half alive would be cleaned for ever.
        let wasteful = much && least.live_bytes < whole / 2;
        (sparse || wasteful).then_some(Victims {
            first: least.number,
            last: least.number,
        })
    }

    /// Reads the entries of one stream after the other, until there is enough to stage.
    fn gather(&mut self, mut place: Place) {
        let last_slot = place.slot.saturating_add(SLOTS_PER_TURN);
        loop {
            if self.cleaner.has_slice() {
                self.cleaner.phase = Phase::Staging(place);
                return;
            }
            if place.slot >= self.book.streams.slots() {
                self.cleaner.phase = Phase::Ending(place.victims);
                return;
            }
            let Some(request) = self.next_request(&place) else {
                place.slot += 1;
                place.from = Index(i64::MIN);
                if place.slot >= last_slot {
                    self.cleaner.phase = Phase::Looking(place);
                    return;
                }
                continue;
            };
            self.cleaner.phase = Phase::Reading(place);
            let Some(done) = self.ask(Asked::Read(request)) else {
                return;
            };
            match self.entries_read(place, done) {
                Some(next) => place = next,
                None => return,
            }
        }
    }

    /// What is still to be read of the stream in a slot.
    fn next_request(&self, place: &Place) -> Option<ReadRequest> {
        let stream = self.book.streams.at(place.slot)?;
        // None that is held here is folded.
        let mut parts = stream.parts.iter();
        let part = parts.find(|it| place.victims.hold(it.segment) && it.end > place.from)?;
        Some(ReadRequest {
            token: CLEANING,
            stream: stream.id,
            from: part.first.max(stream.first).max(place.from),
            until: part.end,
            bytes_max: self.cleaner.read_bytes,
            first_whole: true,
        })
    }

    /// Keeps what was read and says where to go on; None if the victims are given up.
    fn entries_read(&mut self, mut place: Place, done: ReadDone) -> Option<Place> {
        match done.result {
            Ok(slices) if !slices.is_empty() => {
                self.cleaner.learn_size(&slices);
                for slice in slices {
                    place.from = slice.head.end();
                    self.cleaner.gathered_bytes += weight(&slice);
                    self.cleaner.gathered.push_back(slice);
                }
                Some(place)
            }
            // The stream was trimmed or dropped meanwhile.
            Err(JournalError::OutOfRange) => {
                place.slot += 1;
                place.from = Index(i64::MIN);
                Some(place)
            }
            result => {
                tracing::error!(
                    segment = place.victims.first,
                    error = ?result.err(),
                    "entries of an old segment can not be read; it is kept as it is"
                );
                self.give_up(place.victims);
                None
            }
        }
    }

    /// Stages a slice of what was gathered, as far as it is still wanted and there is room; true if
    /// nothing is left.
    fn carry(&mut self) -> bool {
        let victims = match self.cleaner.phase {
            Phase::Staging(place) => place.victims,
            Phase::Ending(victims) => victims,
            Phase::Rest
            | Phase::Splitting(_)
            | Phase::Paging(_)
            | Phase::Looking(_)
            | Phase::Reading(_) => return true,
        };
        if self.appender.unwritten_bytes > UNWRITTEN_BYTES_MAX.0 {
            return false;
        }
        let mut left = std::mem::take(&mut self.cleaner.gathered);
        for _ in 0..SLICE_ENTRIES {
            let Some(slice) = left.pop_front() else { break };
            let head = slice.head;
            if self.is_in(head.stream, head.first, victims) {
                let row = Row {
                    time_max: head.time_max,
                    note: head.note,
                    term: head.term,
                    count: head.count,
                    length: head.length,
                    body_sum: crc32c(&slice.payload),
                    ..Row::bare(Kind::Moved, head.stream, head.first)
                };
                if self.put(&row, &[], &slice.payload).is_err() {
                    left.push_front(slice);
                    break;
                }
                self.cleaner.carried_bytes += u64::from(head.length);
            }
            self.cleaner.gathered_bytes -= weight(&slice);
        }
        if !self.appender.is_empty() {
            // Rows of an open group can not be read, and these were readable before.
            self.seal_group();
        }
        self.cleaner.gathered = left;
        self.cleaner.gathered.is_empty()
    }

    fn end_cleaning(&mut self, victims: Victims) {
        self.cleaner.phase = Phase::Rest;
        self.book.cleaned = None;
        let left = self.book.segments.range(victims.range());
        let left = left.filter(|(_, segment)| segment.parts > 0);
        self.cleaner.stuck.extend(left.map(|(number, _)| *number));
    }

    /// True if the stream's entry at `index` is kept, and lies in one of the segments.
    fn is_in(&self, stream: StreamId, index: Index, victims: Victims) -> bool {
        let Some(stream) = self.book.streams.get(stream) else {
            return false;
        };
        let part = stream.part_at(index).map(|number| &stream.parts[number]);
        part.is_some_and(|part| victims.hold(part.segment))
    }
}

/// What an entry takes where it is staged again.
fn weight(slice: &Slice) -> u64 {
    u64::from(slice.head.length) + ROW_BYTES as u64
}

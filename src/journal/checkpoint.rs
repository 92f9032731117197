//! Checkpoints: the streams' states, a share of them at each new segment.
//!
//! A round begins when a segment does. It stages the states of the next share of streams, a slice
//! per turn, then the table of segments; when that is flushed the superblock names it, and with it
//! the segment from which a restart replays. Few streams are one share, so that a restart reads
//! little more than the open segment. After damage the round takes all of them, in as many segments
//! as it takes: footers that the table names hide the loss from later starts, and so the ends that
//! it raised must be saved first.
//!
//! A stream's payload: largest time and so on per part (48 bytes each) behind their count (4),
//! then the caller's snapshot. A folded part's last four bytes, zero in others, say how many words
//! of 8 bytes follow it: the lowest of its older segments, then these as bits from that one on.
//! The table's payload: 32 bytes per segment.

use std::collections::BTreeMap;

use crate::base::crc::crc32c;
use crate::base::limits::{CHECKPOINT_SHARES, CHECKPOINT_STREAMS_MIN};
use crate::runtime::FileId;

use super::book::Book;
use super::entry::{Index, Sequence, StreamId, Term};
use super::error::JournalError;
use super::format::{Kind, Row, get_u32, get_u64, put};
use super::journal::Journal;
use super::pages::Footer;
use super::parts::{FOLD_WORDS_MAX, Part, Segments};
use super::requests::Snapshots;
use super::streams::Stream;

/// The most that one turn stages for a checkpoint.
const SLICE_BYTES_MAX: usize = 64 << 10;
const SLICE_SLOTS_MAX: u32 = 512;
/// A round stages at most one part in so many of a segment.
const ROUND_SHARE: u64 = 16;
/// Checkpoints step back while this much waits for the device.
const UNWRITTEN_BYTES_MAX: u64 = 1 << 20;

const PART_BYTES: usize = 48;
const SEGMENT_BYTES: usize = 32;

/// How far the round has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Round {
    /// None is due.
    #[default]
    Rest,
    /// A segment began.
    Due,
    /// States of the slots from here up to there are left.
    Streams { next: u32, until: u32 },
    /// The table is staged in this group, which lies there once it is sealed.
    Table {
        group: Sequence,
        segment: u32,
        at: u32,
        replay_from: u32,
    },
    /// The superblock that names the table is being written.
    Superblock { replay_from: u32 },
}

/// The round, and where the next one goes on.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub round: Round,
    cursor: u32,
    /// The next round takes all streams, however many.
    whole: bool,
    /// Bytes of states that this round has staged.
    staged: u64,
    /// As in `limits`; tests take fewer streams at a time.
    pub streams_min: u32,
    scratch: Vec<u8>,
    /// A restart replays from this segment on: the superblock says so, durably.
    pub replay_from: u32,
}

impl Checkpoints {
    pub fn new(replay_from: u32) -> Self {
        Self {
            replay_from,
            streams_min: CHECKPOINT_STREAMS_MIN,
            ..Self::default()
        }
    }

    /// A segment began. A round that is under way goes on; what it leaves out, the next takes.
    pub fn begin(&mut self) {
        if self.round == Round::Rest {
            self.round = Round::Due;
        }
    }

    /// A round is due that takes all streams.
    pub fn begin_whole(&mut self) {
        self.round = Round::Due;
        self.whole = true;
    }
}

impl Journal {
    /// Takes the round a step further.
    pub(super) fn checkpoint(&mut self, snapshots: &dyn Snapshots) {
        if self.checkpoints.round == Round::Due && self.footers_are_done() {
            let slots = self.book.streams.slots();
            let share = slots
                .div_ceil(CHECKPOINT_SHARES)
                .max(self.checkpoints.streams_min);
            if self.checkpoints.cursor >= slots || self.checkpoints.whole {
                self.checkpoints.cursor = 0;
            }
            let next = self.checkpoints.cursor;
            let until = match self.checkpoints.whole {
                true => slots,
                false => next.saturating_add(share).min(slots),
            };
            self.checkpoints.round = Round::Streams { next, until };
            self.checkpoints.staged = 0;
        }
        if let Round::Streams { next, until } = self.checkpoints.round
            && self.appender.unwritten_bytes < UNWRITTEN_BYTES_MAX
        {
            let next = self.stage_states(snapshots, next, until);
            // Streams of many parts have large states: they must not fill the segments.
            let most = self.settings.segment_bytes.0 / ROUND_SHARE;
            let is_full = self.checkpoints.staged >= most && !self.checkpoints.whole;
            let until = if is_full { next } else { until };
            self.checkpoints.round = Round::Streams { next, until };
            if next >= until && self.stage_table() {
                self.checkpoints.cursor = until;
                self.checkpoints.whole = false;
            }
        }
    }

    /// Stages the states of slots from `next` on, as many as a turn may; returns the next slot.
    fn stage_states(&mut self, snapshots: &dyn Snapshots, mut next: u32, until: u32) -> u32 {
        let slice_end = until.min(next.saturating_add(SLICE_SLOTS_MAX));
        let mut staged = 0;
        let most = (self.settings.segment_bytes.0 / ROUND_SHARE) as usize;
        let mut scratch = std::mem::take(&mut self.checkpoints.scratch);
        while next < slice_end && staged < SLICE_BYTES_MAX.min(most) {
            if let Some(stream) = self.book.streams.at(next) {
                scratch.clear();
                let row = state_of(stream, snapshots, &mut scratch);
                if self.put(&row, &[], &scratch).is_err() {
                    break;
                }
                staged += scratch.len();
                self.checkpoints.staged += scratch.len() as u64;
            }
            next += 1;
        }
        self.checkpoints.scratch = scratch;
        next
    }

    /// Stages the state of one stream out of its turn.
    pub(super) fn stage_state(
        &mut self,
        snapshots: &dyn Snapshots,
        stream: StreamId,
    ) -> Result<(), JournalError> {
        let mut state = Vec::new();
        let Some(stream) = self.book.streams.get(stream) else {
            return Ok(());
        };
        let row = state_of(stream, snapshots, &mut state);
        self.put(&row, &[], &state).map(|_| ())
    }

    fn stage_table(&mut self) -> bool {
        let mut table = Vec::with_capacity(self.book.segments.len() * SEGMENT_BYTES);
        write_table(&self.book, &mut table);
        let row = Row {
            length: table.len() as u32,
            body_sum: crc32c(&table),
            ..Row::bare(Kind::Segments, StreamId::JOURNAL, Index(0))
        };
        let Ok(placed) = self.put(&row, &[], &table) else {
            return false;
        };
        let tail = self.appender.tail();
        self.checkpoints.round = Round::Table {
            group: placed.group,
            segment: tail.segment,
            at: tail.at,
            replay_from: self.book.replay_from().unwrap_or(tail.segment),
        };
        true
    }
}

fn note_of(end: Index) -> [u8; 16] {
    let mut note = [0; 16];
    put(&mut note, 0, end.0.to_le_bytes());
    note
}

/// Writes a stream's state; the row to stage it with.
fn state_of(stream: &Stream, snapshots: &dyn Snapshots, out: &mut Vec<u8>) -> Row {
    write_parts(&stream.parts, out);
    snapshots.snapshot(stream.id, out);
    Row {
        term: stream.term,
        note: note_of(stream.end),
        length: out.len() as u32,
        body_sum: crc32c(out),
        ..Row::bare(Kind::Checkpoint, stream.id, stream.first)
    }
}

pub(super) fn write_parts(parts: &[Part], out: &mut Vec<u8>) {
    out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    for part in parts {
        let words = part.older.as_ref().map_or(0, |older| older.bits.len() + 1);
        let mut bytes = [0; PART_BYTES];
        put(&mut bytes, 0, part.first.0.to_le_bytes());
        put(&mut bytes, 8, part.end.0.to_le_bytes());
        put(&mut bytes, 16, part.time_max.to_le_bytes());
        put(&mut bytes, 24, part.bytes.to_le_bytes());
        put(&mut bytes, 32, part.rows.to_le_bytes());
        put(&mut bytes, 36, part.segment.to_le_bytes());
        put(&mut bytes, 40, part.run.to_le_bytes());
        put(&mut bytes, 44, (words as u32).to_le_bytes());
        out.extend_from_slice(&bytes);
        if let Some(older) = &part.older {
            out.extend_from_slice(&u64::from(older.lowest).to_le_bytes());
            let bits = older.bits.iter().flat_map(|word| word.to_le_bytes());
            out.extend(bits);
        }
    }
}

/// Takes parts off the front of `bytes`; None if they are not what we write.
fn read_parts(bytes: &mut &[u8]) -> Option<Vec<Part>> {
    let count = get_u32(bytes.split_off(..4)?, 0);
    (0..count).map(|_| read_part(bytes)).collect()
}

fn read_part(bytes: &mut &[u8]) -> Option<Part> {
    let part = bytes.split_off(..PART_BYTES)?;
    let words = get_u32(part, 44) as usize;
    if words > FOLD_WORDS_MAX {
        return None;
    }
    let older = bytes.split_off(..words.checked_mul(8)?)?;
    let segment = get_u32(part, 36);
    let older = match older.split_at_checked(8) {
        Some((lowest, bits)) => Some(Box::new(Segments {
            lowest: u32::try_from(get_u64(lowest, 0)).ok()?,
            bits: bits.chunks_exact(8).map(|word| get_u64(word, 0)).collect(),
        })),
        None => None,
    };
    let ordered = older.as_ref().is_none_or(|it| it.are_below(segment));
    ordered.then_some(Part {
        first: Index(get_u64(part, 0) as i64),
        end: Index(get_u64(part, 8) as i64),
        time_max: get_u64(part, 16) as i64,
        bytes: get_u64(part, 24),
        rows: get_u32(part, 32),
        segment,
        run: get_u32(part, 40),
        older,
    })
}

/// Where the stream of a checkpoint's row ended; its payload is not needed for that.
pub(super) fn end_of(row: &Row) -> Index {
    Index(get_u64(&row.note, 0) as i64)
}

/// A stream's state as a checkpoint has it.
#[derive(Debug)]
pub(super) struct SavedState<'a> {
    pub first: Index,
    pub end: Index,
    pub term: Term,
    pub parts: Vec<Part>,
    pub snapshot: &'a [u8],
}

/// Reads a state; None if the payload is not one that we write.
pub(super) fn read_state<'a>(row: &Row, payload: &'a [u8]) -> Option<SavedState<'a>> {
    let mut rest = payload;
    let parts = read_parts(&mut rest)?;
    Some(SavedState {
        first: row.first,
        end: end_of(row),
        term: row.term,
        parts,
        snapshot: rest,
    })
}

/// A segment as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SavedSegment {
    pub number: u32,
    pub file: FileId,
    pub used: u32,
    pub first: Sequence,
    pub footer: Option<Footer>,
}

fn write_table(book: &Book, out: &mut Vec<u8>) {
    for segment in book.segments.values() {
        let mut bytes = [0; SEGMENT_BYTES];
        put(&mut bytes, 0, segment.number.to_le_bytes());
        put(&mut bytes, 4, segment.file.0.to_le_bytes());
        put(&mut bytes, 8, segment.used.to_le_bytes());
        put(&mut bytes, 12, segment.first.0.to_le_bytes());
        if let Some(footer) = segment.footer {
            put(&mut bytes, 20, footer.at.to_le_bytes());
            put(&mut bytes, 24, footer.runs.to_le_bytes());
            put(&mut bytes, 28, footer.rows.to_le_bytes());
        }
        out.extend_from_slice(&bytes);
    }
}

/// Reads a table of segments.
pub(super) fn read_table(payload: &[u8]) -> BTreeMap<u32, SavedSegment> {
    let segments = payload.chunks_exact(SEGMENT_BYTES).map(|bytes| {
        let footer = Footer {
            at: get_u32(bytes, 20),
            runs: get_u32(bytes, 24),
            rows: get_u32(bytes, 28),
        };
        let segment = SavedSegment {
            number: get_u32(bytes, 0),
            file: FileId(get_u32(bytes, 4)),
            used: get_u32(bytes, 8),
            first: Sequence(get_u64(bytes, 12)),
            footer: (footer.at > 0).then_some(footer),
        };
        (segment.number, segment)
    });
    segments.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: i64, segment: u32) -> Part {
        let row = Row {
            count: 5,
            length: 70,
            ..Row::bare(Kind::Entry, StreamId(16), Index(first))
        };
        Part::of(&row, segment, 3)
    }

    #[test]
    fn parts_are_read_as_they_were_written_folded_or_not() {
        let folded = part(0, 2).joined(&part(5, 90)).joined(&part(10, 91));
        let parts = vec![folded, part(15, 92)];
        let mut bytes = Vec::new();
        write_parts(&parts, &mut bytes);
        bytes.extend_from_slice(b"the caller's");

        let mut rest = bytes.as_slice();
        let read = read_parts(&mut rest);

        assert_eq!(read, Some(parts));
        assert_eq!(rest, b"the caller's");
    }

    #[test]
    fn a_part_that_claims_more_segments_than_it_brings_is_refused() {
        let mut bytes = Vec::new();
        write_parts(&[part(0, 2).joined(&part(5, 3))], &mut bytes);

        for words in [3, 65, 1_000, u32::MAX] {
            bytes[48..52].copy_from_slice(&words.to_le_bytes());
            assert_eq!(read_parts(&mut bytes.as_slice()), None, "{words}");
        }
    }
}

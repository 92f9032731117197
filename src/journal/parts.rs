//! A stream's parts: what lies where, and how many small ones are folded into one.
//!
//! A stream that is written slowly, or that is one of very many, has a part in every segment. So
//! that memory stays bounded, only so many parts are known one by one; older neighbours are folded
//! into one that says which segments hold it, one bit each, and no more. Where in those segments is
//! in their footers: each run names the run before it in its stream (`unfold`).
//!
//! Only parts whose segments follow each other are folded. The older of two such parts was in its
//! place before the newer's segment was sealed (a segment that is open takes entries, and moved
//! ones, and none after it), so the newer's footer, written later, names it. Readers check that all
//! the same, and search a footer whose predecessor does not name the run.

use super::entry::Index;
use super::format::{ROW_BYTES, Row};
use super::index::NONE;

/// The most segments that one part is folded over: half a KiB of bits.
const FOLD_SPAN_MAX: u32 = 4096;
/// The most words that tell of a folded part's older segments: their lowest, then their bits.
pub(super) const FOLD_WORDS_MAX: usize = 1 + FOLD_SPAN_MAX.div_ceil(64) as usize;

/// A stretch of a stream in one segment, or in several if it is folded, as far as it is still kept
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub first: Index,
    pub end: Index,
    pub time_max: i64,
    /// Payload bytes.
    pub bytes: u64,
    pub rows: u32,
    /// Where its newest entries lie: the segment, and the run there (`NONE`: nobody knows).
    pub segment: u32,
    pub run: u32,
    /// The segments that hold its older entries, if it is folded.
    pub older: Option<Box<Segments>>,
}

/// A set of segments that holds one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segments {
    pub lowest: u32,
    /// From the lowest on, a bit each; the first is set.
    pub bits: Vec<u64>,
}

/// How what a segment holds alive changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub segment: u32,
    pub bytes: i64,
    pub parts: i32,
    /// Of these, parts that are folded over other segments, too.
    pub folded: i32,
}

impl Change {
    /// What undoes it.
    pub fn undone(self) -> Self {
        Self {
            segment: self.segment,
            bytes: -self.bytes,
            parts: -self.parts,
            folded: -self.folded,
        }
    }
}

impl Segments {
    fn of(numbers: impl Iterator<Item = u32> + Clone) -> Option<Box<Self>> {
        let lowest = numbers.clone().min()?;
        let highest = numbers.clone().max()?;
        let mut bits = vec![0; ((highest - lowest) / 64 + 1) as usize];
        for number in numbers {
            let place = number - lowest;
            bits[(place / 64) as usize] |= 1 << (place % 64);
        }
        Some(Box::new(Self { lowest, bits }))
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + Clone + '_ {
        let words = self.bits.iter().enumerate();
        words.flat_map(move |(number, word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| self.lowest + number as u32 * 64 + bit)
        })
    }

    /// True if it holds a segment at least, and all are below `segment`.
    pub fn are_below(&self, segment: u32) -> bool {
        let last = self.bits.iter().rposition(|word| *word != 0);
        last.is_some_and(|number| {
            // From a disk, so that the sum may be any.
            let bit = u64::from(self.bits[number].ilog2());
            u64::from(self.lowest) + number as u64 * 64 + bit < u64::from(segment)
        })
    }

    fn count(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }
}

impl Part {
    pub fn of(row: &Row, segment: u32, run: u32) -> Self {
        Self {
            first: row.first,
            end: row.end(),
            time_max: row.time_max,
            bytes: u64::from(row.length),
            rows: 1,
            segment,
            run,
            older: None,
        }
    }

    pub fn take(&mut self, row: &Row) {
        self.end = row.end();
        self.time_max = self.time_max.max(row.time_max);
        self.bytes += u64::from(row.length);
        self.rows += 1;
    }

    /// What this part keeps alive: payloads and rows.
    pub fn live_bytes(&self) -> u64 {
        let rows = u64::from(self.rows) * ROW_BYTES as u64;
        self.bytes.saturating_add(rows)
    }

    /// True if it is known where it lies: in one run of one segment.
    pub fn is_plain(&self) -> bool {
        self.older.is_none() && self.run != NONE
    }

    /// How many segments hold it.
    pub fn spread(&self) -> u32 {
        1 + self.older.as_ref().map_or(0, |older| older.count())
    }

    /// The segments that hold it, the oldest first.
    pub fn segments(&self) -> impl Iterator<Item = u32> + Clone + '_ {
        let older = self.older.iter().flat_map(|older| older.iter());
        older.chain([self.segment])
    }

    /// What it keeps alive in each of its segments. A folded part does not know how its bytes are
    /// dealt out: each segment counts an equal share, so that sums are right, and what is given up
    /// later is what was counted.
    pub fn shares(&self) -> impl Iterator<Item = Change> + '_ {
        let (all, count) = (self.live_bytes(), u64::from(self.spread()));
        let rest = all - all / count * (count - 1);
        self.segments().map(move |segment| Change {
            segment,
            bytes: if segment == self.segment {
                rest
            } else {
                all / count
            } as i64,
            parts: 1,
            folded: i32::from(self.older.is_some()),
        })
    }

    /// True if `newer` goes on where this part ends, in later segments, so that both can be one.
    pub fn may_join(&self, newer: &Self) -> bool {
        let lowest = newer.older.as_ref().map_or(newer.segment, |it| it.lowest);
        let from = self.older.as_ref().map_or(self.segment, |it| it.lowest);
        self.end == newer.first
            && self.segment < lowest
            && newer.segment - from < FOLD_SPAN_MAX
            && self.rows.checked_add(newer.rows).is_some()
    }

    /// Both as one.
    pub fn joined(&self, newer: &Self) -> Self {
        let older = self.segments().chain(newer.segments());
        Self {
            first: self.first,
            end: newer.end,
            time_max: self.time_max.max(newer.time_max),
            bytes: self.bytes.saturating_add(newer.bytes),
            rows: self.rows.saturating_add(newer.rows),
            segment: newer.segment,
            run: newer.run,
            older: Segments::of(older.filter(|segment| *segment != newer.segment)),
        }
    }

    /// Takes a piece out, which lies in one of the segments: what is older, and what is newer. How
    /// the bytes of these are dealt out is a guess; that all three have what there was is not.
    /// `before` is the run that precedes the piece, if that is known.
    pub fn without(&self, piece: &Self, before: u32) -> [Option<Self>; 2] {
        let segments: Vec<u32> = self.segments().collect();
        let at = segments.partition_point(|segment| *segment < piece.segment);
        let (below, above) = (&segments[..at], segments.get(at + 1..).unwrap_or_default());
        let bytes = self.bytes.saturating_sub(piece.bytes);
        let rows = self.rows.saturating_sub(piece.rows);
        let (count, others) = (
            below.len() as u64,
            (below.len() + above.len()).max(1) as u64,
        );
        let (older_bytes, older_rows) = (
            (u128::from(bytes) * u128::from(count) / u128::from(others)) as u64,
            (u64::from(rows) * count / others) as u32,
        );
        let older = below.split_last().map(|(newest, rest)| Self {
            first: self.first,
            end: piece.first,
            bytes: older_bytes,
            rows: older_rows,
            time_max: self.time_max,
            segment: *newest,
            run: before,
            older: Segments::of(rest.iter().copied()),
        });
        let newer = above.split_last().map(|(newest, rest)| Self {
            first: piece.end,
            end: self.end,
            bytes: bytes - older_bytes,
            rows: rows - older_rows,
            time_max: self.time_max,
            segment: *newest,
            run: self.run,
            older: Segments::of(rest.iter().copied()),
        });
        [older, newer]
    }

    /// What is left of it without the segments that are not there any more; None if nothing is.
    pub fn kept_in(&self, is_there: impl Fn(u32) -> bool) -> Option<Self> {
        let there: Vec<u32> = self.segments().filter(|it| is_there(*it)).collect();
        let (newest, rest) = there.split_last()?;
        Some(Self {
            segment: *newest,
            run: if *newest == self.segment {
                self.run
            } else {
                NONE
            },
            older: Segments::of(rest.iter().copied()),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::StreamId;
    use super::super::format::Kind;
    use super::*;

    /// Entries `first..end`, of a hundred bytes each, in a segment.
    fn part(first: i64, end: i64, segment: u32) -> Part {
        let mut rows = (first..end).map(|index| Row {
            count: 1,
            length: 100,
            ..Row::bare(Kind::Entry, StreamId(16), Index(index))
        });
        let mut part = Part::of(&rows.next().expect("a row"), segment, 7);
        rows.for_each(|row| part.take(&row));
        part
    }

    fn folded() -> Part {
        let parts = [part(0, 10, 3), part(10, 30, 70), part(30, 33, 200)];
        parts[0].joined(&parts[1]).joined(&parts[2])
    }

    #[test]
    fn a_folded_part_knows_its_segments_and_counts_all_its_bytes_once() {
        let folded = folded();

        let segments: Vec<u32> = folded.segments().collect();
        let bytes: i64 = folded.shares().map(|share| share.bytes).sum();
        assert_eq!(segments, [3, 70, 200]);
        assert_eq!(bytes as u64, folded.live_bytes());
        assert_eq!((folded.bytes, folded.rows), (3_300, 33));
    }

    #[test]
    fn a_part_joins_only_what_follows_it_in_later_segments() {
        let older = part(0, 10, 5);

        assert!(older.may_join(&part(10, 20, 6)));
        assert!(!older.may_join(&part(11, 20, 6)), "a gap");
        assert!(!older.may_join(&part(10, 20, 5)), "the same segment");
        assert!(!older.may_join(&part(10, 20, 4)), "an older segment");
        assert!(!older.may_join(&part(10, 20, 5_000)), "too far away");
    }

    #[test]
    fn what_is_left_and_right_of_a_piece_make_up_the_rest() {
        let folded = folded();
        let piece = part(10, 30, 70);

        let [older, newer] = folded.without(&piece, 4);

        let (older, newer) = (older.expect("older"), newer.expect("newer"));
        assert_eq!(
            (older.first.0, older.end.0, older.segment, older.run),
            (0, 10, 3, 4)
        );
        assert_eq!(
            (newer.first.0, newer.end.0, newer.segment, newer.run),
            (30, 33, 200, 7)
        );
        assert_eq!(older.bytes + piece.bytes + newer.bytes, folded.bytes);
        assert_eq!(older.rows + piece.rows + newer.rows, folded.rows);
        assert!(older.is_plain() && newer.is_plain());
    }
}

//! What a restart makes of lost groups: where they are missed, and which streams they may have cut.

use std::collections::HashSet;

use crate::base::Position;
use crate::base::limits::LOST_GROUP_INDEXES;

use super::checkpoint::SavedSegment;
use super::damage::Damage;
use super::entry::{Index, Sequence, StreamId};
use super::error::JournalError;
use super::format::{Kind, Row};
use super::parts::Part;
use super::rebuild::Rebuild;
use super::requests::Replay;
use super::sources::Source;
use super::torn::Loss;
use crate::runtime::FileId;

/// A segment that the newest table names, and whose file is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    number: u32,
    file: FileId,
    first: Sequence,
    last: Sequence,
    /// A restart needs it. Such a one is never freed; an older one may have been since.
    pub replayed: bool,
    counted: bool,
}

impl Missing {
    /// `next` is the first group of the segment after it.
    pub fn of(saved: &SavedSegment, next: Option<Sequence>, replayed: bool) -> Self {
        let last = next.map_or(saved.first, |next| Sequence(next.0 - 1));
        Self {
            number: saved.number,
            file: saved.file,
            first: saved.first,
            last: last.max(saved.first),
            replayed,
            counted: false,
        }
    }

    fn damage(&self) -> Damage {
        Damage {
            file: self.file,
            at: Position(0),
            first: self.first,
            last: self.last,
            streams: Vec::new(),
        }
    }
}

impl Rebuild<'_> {
    /// Notes the segments that a restart needs and does not have. What streams had before them is
    /// missed because of them, too: their checkpoints knew where it had been carried.
    pub(super) fn note_missing(&mut self) {
        let needed = self.missing.iter().filter(|missing| missing.replayed);
        self.damage.extend(needed.map(Missing::damage));
    }

    /// Of those before this segment nobody knows which ends of streams they had.
    pub(super) fn count_missing(&mut self, before: u32) {
        let due = |missing: &&mut Missing| missing.replayed && missing.number < before;
        for missing in self.missing.iter_mut().filter(due) {
            let groups = missing.last.0 - missing.first.0 + 1;
            if !std::mem::replace(&mut missing.counted, true) {
                self.groups_lost += groups;
                self.proven.clear();
            }
        }
    }

    /// Notes those older segments in which streams have entries still: all others were freed.
    pub(super) fn note_missing_parts(&mut self) {
        let slots = 0..self.book.streams.slots();
        let streams = slots.filter_map(|slot| self.book.streams.at(slot));
        let parts = streams.flat_map(|stream| &stream.parts);
        let used: HashSet<u32> = parts.flat_map(Part::segments).collect();
        let older = self.missing.iter().filter(|missing| !missing.replayed);
        let lost = older.filter(|missing| used.contains(&missing.number));
        self.damage.extend(lost.map(Missing::damage));
    }

    /// Notes the losses that lie before an item.
    pub(super) fn note_losses(&mut self, source: &Source, item: usize, losses: &[Loss]) {
        if source.groups.is_empty() {
            return;
        }
        for loss in losses.iter().filter(|loss| loss.item <= item) {
            if self.damage.iter().any(|known| known.first == loss.first) {
                continue;
            }
            let group = source
                .groups
                .iter()
                .find(|(number, _)| *number == loss.item);
            if loss.rows_unknown(group.map(|(_, group)| group.header.sequence)) {
                self.groups_lost += loss.last.0 - loss.first.0 + 1;
                self.proven.clear();
            }
            self.damage.push(Damage {
                file: source.file.file,
                at: Position(group.map_or(0, |(_, group)| u64::from(group.header.at))),
                first: loss.first,
                last: loss.last,
                streams: Vec::new(),
            });
        }
    }

    /// Groups were lost with their tables: a stream of which nothing is known from behind them may
    /// have had its last entries there. No index that they may have had is given again.
    pub(super) fn lose_ends(&mut self, losses: &[Loss], replay: &mut dyn Replay) {
        let noticed = |loss: &&Loss| self.damage.iter().any(|known| known.first == loss.first);
        let at_end: Vec<&Loss> = losses.iter().filter(|loss| !noticed(loss)).collect();
        for loss in at_end {
            self.groups_lost += loss.last.0 - loss.first.0 + 1;
            self.proven.clear();
        }
        if self.groups_lost == 0 {
            return;
        }
        let reserve = (self.groups_lost as i64).saturating_mul(LOST_GROUP_INDEXES);
        for stream in self.book.streams.all_mut() {
            if stream.id.0 >= StreamId::FIRST_FREE && !self.proven.contains(&stream.id) {
                stream.end = Index(stream.end.0.saturating_add(reserve));
                replay.lost(stream.id, stream.end);
            }
        }
    }

    /// Notes the stream of `row` if it does not go on where the stream ended, or where what was
    /// carried before it did. A stream that is new begins at 0, or has lost its beginning.
    pub(super) fn note_gap(&mut self, row: &Row) {
        let Some(damage) = self.damage.last_mut() else {
            return;
        };
        let known = self.book.streams.get(row.stream);
        let from = match row.kind {
            Kind::Entry => known.map_or(Index(0), |stream| stream.end),
            Kind::Moved => {
                let part = known.and_then(|stream| stream.parts.get(stream.part_at(row.first)?));
                part.map_or(row.first, |part| part.first)
            }
            Kind::Trim | Kind::Drop | Kind::Checkpoint | Kind::Segments => return,
        };
        if row.first > from {
            damage.streams.push((row.stream, from, row.first));
        }
    }

    /// Of what was missed some was found later, where it had been carried to.
    pub(super) fn forget_what_came(&mut self) {
        let streams = &self.book.streams;
        for damage in &mut self.damage {
            let noted = std::mem::take(&mut damage.streams);
            for (id, from, to) in noted {
                let parts = streams.get(id).map_or(&[][..], |stream| &stream.parts);
                let mut missed_from = from;
                for part in parts {
                    if part.end > missed_from && part.first < to {
                        damage.streams.push((id, missed_from, part.first));
                        missed_from = part.end;
                    }
                }
                damage.streams.push((id, missed_from, to));
            }
            damage.streams.retain(|(_, from, to)| from < to);
        }
    }

    /// Notes the streams that miss entries which had been carried to a lost group. Their places
    /// are known, from a checkpoint or from before they were carried, and nothing is there.
    pub(super) fn note_holes(&mut self) -> Result<(), JournalError> {
        if self.damage.is_empty() {
            return Ok(());
        }
        // A footer knows the rows of a lost group.
        let segments = &self.book.segments;
        let is_doubtful = |number: u32| {
            let segment = segments.get(&number);
            segment.is_none_or(|segment| segment.good_footer().is_none())
        };
        let slots = 0..self.book.streams.slots();
        let streams = slots.filter_map(|slot| self.book.streams.at(slot));
        let parts = streams.flat_map(|stream| stream.parts.iter().map(move |part| (stream, part)));
        let doubtful = parts.filter(|(_, part)| part.segments().any(is_doubtful));
        let doubtful: Vec<(StreamId, Index, Part)> = doubtful
            .map(|(stream, part)| (stream.id, stream.first, part.clone()))
            .collect();
        for (stream, kept_from, part) in doubtful {
            let pieces = self.boot_index().unfold(stream, &part)?;
            let known = self.book.segments.get(&part.segment).map(|it| it.file);
            let gone = self.missing.iter().find(|it| it.number == part.segment);
            let file = known.or(gone.map(|it| it.file));
            let near = self.damage.iter().rposition(|it| Some(it.file) == file);
            let last = self.damage.len() - 1;
            let streams = &mut self.damage[near.unwrap_or(last)].streams;
            let mut from = part.first.max(kept_from);
            for piece in &pieces {
                if piece.first > from {
                    streams.push((stream, from, piece.first));
                }
                from = from.max(piece.end);
            }
            if from < part.end {
                streams.push((stream, from, part.end));
            }
        }
        Ok(())
    }
}

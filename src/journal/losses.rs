//! What a restart makes of lost groups and of segments that are gone: where they are missed, and
//! which streams they may have cut.

use std::collections::BTreeSet;

use crate::base::Position;
use crate::base::limits::LOST_GROUP_INDEXES;
use crate::runtime::FileId;

use super::damage::Damage;
use super::entry::{Index, Sequence, StreamId};
use super::error::JournalError;
use super::format::{Kind, Row};
use super::parts::Part;
use super::rebuild::Rebuild;
use super::requests::Replay;
use super::sources::Source;
use super::superblock::SUPERBLOCK_FILE;
use super::torn::Loss;

/// A segment that the table names and the directory lacks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    pub segment: u32,
    pub file: FileId,
    /// Its groups: these at the most.
    pub first: Sequence,
    pub last: Sequence,
    /// It had not been freed: a restart needs it. One that none needs may have been freed since
    /// the table was written.
    pub needed: bool,
}

impl Rebuild<'_> {
    /// Notes the segments that a restart needs, that are gone, and that lie below this one.
    pub(super) fn note_gone(&mut self, below: u32) {
        let noticed = |gone: &&Gone| self.damage.iter().any(|known| known.first == gone.first);
        let below = self.gone.iter().filter(|gone| gone.segment < below);
        let due: Vec<Gone> = below
            .filter(|gone| gone.needed && !noticed(gone))
            .copied()
            .collect();
        for gone in due {
            self.groups_lost += gone.last.0 - gone.first.0 + 1;
            self.proven.clear();
            self.damage_by(gone);
        }
    }

    /// Notes the segments of which parts of streams are missed: were they freed, then a later row
    /// would have said that the parts are elsewhere, or are needed no more.
    pub(super) fn note_missed(&mut self, missed: &BTreeSet<u32>) {
        for number in missed {
            let named = self.gone.iter().find(|gone| gone.segment == *number);
            match named.copied() {
                Some(gone) if gone.needed => {}
                Some(gone) => self.damage_by(gone),
                // A row in a lost group may have said so.
                None if !self.damage.is_empty() => {}
                None => self.damage_by(self.unnamed(*number)),
            }
        }
    }

    /// True if some of what a restart replays is lost together with what would name it.
    pub(super) fn are_rows_lost(&self, sources: &[Source], losses: &[Loss]) -> bool {
        let groups = || sources.iter().flat_map(|source| &source.groups);
        let noticed_by = |loss: &Loss| {
            let group = groups().find(|(number, _)| *number == loss.item);
            group.map(|(_, group)| group.header.sequence)
        };
        let mut unknown = losses.iter().map(|it| it.rows_unknown(noticed_by(it)));
        unknown.any(|is_unknown| is_unknown) || self.gone.iter().any(|gone| gone.needed)
    }

    /// What can be said of a missed segment that no table names.
    fn unnamed(&self, segment: u32) -> Gone {
        let segments = &self.book.segments;
        let before = segments.range(..segment).next_back();
        let first = before.map_or(0, |(_, before)| before.first.0) + 1;
        let behind = segments.range(segment..).next();
        let last = behind.map_or(0, |(_, behind)| behind.first.0.saturating_sub(1));
        Gone {
            segment,
            file: SUPERBLOCK_FILE,
            first: Sequence(first),
            last: Sequence(last.max(first)),
            needed: false,
        }
    }

    fn damage_by(&mut self, gone: Gone) {
        self.damage.push(Damage {
            file: gone.file,
            at: Position(0),
            first: gone.first,
            last: gone.last,
            streams: Vec::new(),
            gone: true,
        });
    }

    /// The segments that parts of streams lie in and that are not there.
    pub(super) fn missed(&self) -> BTreeSet<u32> {
        let slots = 0..self.book.streams.slots();
        let streams = slots.filter_map(|slot| self.book.streams.at(slot));
        let parts = streams.flat_map(|stream| &stream.parts);
        let segments = parts.flat_map(Part::segments);
        let missed = segments.filter(|number| !self.book.segments.contains_key(number));
        missed.collect()
    }

    /// The damage that a hole in this part comes from, as far as anybody can tell.
    fn damage_of(&self, part: &Part) -> usize {
        let segments = &self.book.segments;
        let mut missed = part.segments().filter(|it| !segments.contains_key(it));
        let number = missed.next().unwrap_or(part.segment);
        let gone = self.gone.iter().find(|gone| gone.segment == number);
        let file = segments.get(&number).map(|segment| segment.file);
        let file = file.or(gone.map(|gone| gone.file));
        let near = self.damage.iter().rposition(|it| Some(it.file) == file);
        near.unwrap_or(self.damage.len() - 1)
    }

    /// Notes the losses that lie before an item.
    pub(super) fn note_losses(&mut self, source: &Source, item: usize, losses: &[Loss]) {
        if !source.judged {
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
                gone: false,
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

    /// Notes the stream of `row` if it does not go on where the stream ended. One that is new
    /// begins at 0, or has lost its beginning.
    pub(super) fn note_gap(&mut self, row: &Row) {
        let known = self.book.streams.get(row.stream);
        let end = known.map_or(Index(0), |stream| stream.end);
        if row.kind == Kind::Entry
            && row.first > end
            && let Some(damage) = self.damage.last_mut()
        {
            damage.streams.push((row.stream, end, row.first));
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
            let near = self.damage_of(&part);
            let streams = &mut self.damage[near].streams;
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

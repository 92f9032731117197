//! What a restart makes of lost groups: where they are missed, and which streams they may have cut.

use crate::base::Position;
use crate::base::limits::LOST_GROUP_INDEXES;

use super::damage::Damage;
use super::entry::{Index, StreamId};
use super::error::JournalError;
use super::format::{Kind, Row};
use super::parts::Part;
use super::rebuild::Rebuild;
use super::requests::Replay;
use super::sources::Source;
use super::torn::Loss;

impl Rebuild<'_> {
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
            let file = self.book.segments.get(&part.segment).map(|it| it.file);
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

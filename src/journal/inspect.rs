//! What a journal consists of, for `thalweg inspect`: nothing here is on the way of any data.

use crate::base::{ByteCount, Position};
use crate::runtime::{Directory, FileId};

use super::entry::{Index, Sequence, StreamId};
use super::error::JournalError;
use super::format::rows;
use super::journal::Journal;
use super::scan::{Item, Reader, ScannedGroup, Wanted, bytes_of, scan};

/// A segment, as the journal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    pub number: u32,
    pub file: FileId,
    /// Its first group.
    pub first: Sequence,
    /// Up to where groups fill it.
    pub used: ByteCount,
    /// Payloads and rows in it that some stream still keeps.
    pub live: ByteCount,
    /// Its index is on disk.
    pub indexed: bool,
    /// Groups are still added to it.
    pub open: bool,
}

/// A stream, as the journal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    pub stream: StreamId,
    pub first: Index,
    pub end: Index,
    /// Payloads that are kept.
    pub bytes: ByteCount,
}

/// What reading all groups of one segment showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentCheck {
    /// Where each group that can be read lies, and how long it is.
    pub groups: Vec<(Position, ByteCount)>,
    /// Entries, and rows of the journal's own.
    pub rows: u64,
    pub bytes: ByteCount,
    /// Groups whose payloads are not what their sums say, and places where no group can be read
    /// though a later one follows.
    pub bad: Vec<Position>,
    /// Entries whose payloads are not what their sums say: the first index, and the one after the
    /// last.
    pub spoilt: Vec<(StreamId, Index, Index)>,
}

impl Journal {
    /// All segments, oldest first.
    pub fn segments(&self) -> Vec<SegmentFacts> {
        let open = self.appender.tail().segment;
        let segments = self.book.segments.values();
        let facts = segments.map(|segment| SegmentFacts {
            number: segment.number,
            file: segment.file,
            first: segment.first,
            used: ByteCount(u64::from(segment.used)),
            live: ByteCount(segment.live_bytes),
            indexed: segment.footer.is_some(),
            open: segment.number == open,
        });
        facts.collect()
    }

    /// All streams, by number.
    pub fn streams(&self) -> Vec<StreamFacts> {
        let slots = 0..self.book.streams.slots();
        let streams = slots.filter_map(|slot| self.book.streams.at(slot));
        let facts = streams.map(|stream| StreamFacts {
            stream: stream.id,
            first: stream.first,
            end: stream.end,
            bytes: ByteCount(stream.bytes()),
        });
        let mut facts: Vec<StreamFacts> = facts.collect();
        facts.sort_unstable_by_key(|facts| facts.stream);
        facts
    }

    /// Reads every group of a segment and compares it with its sums. `directory` holds the journal
    /// that this one was opened from.
    pub fn check_segment(
        &self,
        directory: &mut dyn Directory,
        segment: &SegmentFacts,
    ) -> Result<SegmentCheck, JournalError> {
        let mut check = SegmentCheck::default();
        let files = directory.list()?;
        let Some(found) = files.into_iter().find(|found| found.file == segment.file) else {
            return Ok(check);
        };
        let wanted = Wanted {
            incarnation: self.settings.incarnation,
            segment: segment.number,
            after: Sequence(segment.first.0.saturating_sub(1)),
            session: 0,
        };
        let mut reader = Reader::new(directory, found);
        let (items, _) = scan(&mut reader, wanted)?;
        let mut end = 0;
        for item in items {
            let Item::Group(group) = item else {
                check.bad.push(Position(u64::from(end)));
                continue;
            };
            end = group.header.at + group.header.length;
            let length = ByteCount(u64::from(group.header.length));
            let at = Position(u64::from(group.header.at));
            check.groups.push((at, length));
            check.rows += u64::from(group.header.rows);
            check.bytes.0 += length.0;
            if !group.whole {
                check.bad.push(at);
                check.spoilt.extend(spoilt(&mut reader, &group)?);
            }
        }
        Ok(check)
    }
}

/// The entries of a group that do not fit their sums. Its header and table do.
fn spoilt(
    reader: &mut Reader<'_>,
    group: &ScannedGroup,
) -> Result<Vec<(StreamId, Index, Index)>, JournalError> {
    let Some(bytes) = bytes_of(reader, group)? else {
        return Ok(Vec::new());
    };
    let rows = rows(&group.header, bytes).unwrap_or_default();
    let bad = rows.iter().filter(|(row, at)| {
        let payload = bytes.get(*at as usize..(*at + row.length) as usize);
        row.kind.is_data() && payload.is_none_or(|payload| !row.fits(payload))
    });
    let named = bad.map(|(row, _)| (row.stream, row.first, row.end()));
    Ok(named.collect())
}

//! Where the log goes on after a restart, and the seal that it goes on behind.

use crate::base::{ByteCount, Position};
use crate::runtime::FileId;

use super::appender::Tail;
use super::book::{Book, Segment};
use super::entry::Sequence;
use super::error::JournalError;
use super::format::{HEADER_BYTES, Header, UNIT};
use super::recover::Recovery;
use super::scan::Item;
use super::superblock::Superblock;
use super::torn::{Found, Verdict};

impl Recovery<'_> {
    /// Where the log goes on. Behind a loss at its end nobody knows where that is, so it goes on in
    /// a segment of its own.
    pub(super) fn tail(
        &mut self,
        kept: &[Found],
        verdict: &Verdict,
        book: &mut Book,
    ) -> Result<Tail, JournalError> {
        let sequence = Sequence(verdict.last.0 + 1);
        let last = kept.iter().rev().find_map(|found| match &found.item {
            Item::Group(group) => Some((found.segment, group)),
            Item::Gap => None,
        });
        match last {
            Some((segment, group)) if group.header.sequence == verdict.last => Ok(Tail {
                segment,
                file: book.segments[&segment].file,
                at: group.header.at + group.header.length,
                sequence,
                previous_sum: group.sum,
            }),
            _ => {
                let (segment, file) = (self.next_segment, self.fresh_file()?);
                self.next_segment += 1;
                let mut fresh = Segment::new(segment, file);
                fresh.first = sequence;
                book.segments.insert(segment, fresh);
                Ok(Tail {
                    segment,
                    file,
                    at: 0,
                    sequence,
                    previous_sum: 0,
                })
            }
        }
    }

    /// A prepared file that holds no segment.
    fn fresh_file(&mut self) -> Result<FileId, JournalError> {
        let file = self.spare.pop().unwrap_or_else(|| {
            self.next_file += 1;
            FileId(self.next_file - 1)
        });
        self.directory.prepare(file, self.settings.segment_bytes)?;
        Ok(file)
    }

    /// Writes an empty group of the new session at the tail, if the segment has room for one; if
    /// it has none, nothing stale can lie behind the tail.
    pub(super) fn seal(
        &mut self,
        tail: &mut Tail,
        superblock: &Superblock,
        book: &mut Book,
    ) -> Result<(), JournalError> {
        if tail.at as usize + UNIT > self.settings.segment_bytes.as_usize() {
            return Ok(());
        }
        let mut block = self.pool.take(ByteCount(UNIT as u64));
        let group = &mut block.spare()[..UNIT];
        group.fill(0);
        let header = Header {
            incarnation: self.settings.incarnation,
            sequence: tail.sequence,
            flushed: superblock.flushed,
            segment: tail.segment,
            at: tail.at,
            session: superblock.session,
            length: UNIT as u32,
            table_at: HEADER_BYTES as u32,
            rows: 0,
            previous: tail.previous_sum,
        };
        tail.previous_sum = header.seal(group);
        block.advance(UNIT);
        let at = Position(u64::from(tail.at));
        self.directory.write(tail.file, at, &block.freeze())?;
        self.directory.flush(tail.file)?;
        tail.at += UNIT as u32;
        tail.sequence.0 += 1;
        if let Some(segment) = book.segments.get_mut(&tail.segment) {
            segment.used = tail.at;
        }
        Ok(())
    }
}

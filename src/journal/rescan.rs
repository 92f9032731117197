//! The index of a sealed segment whose footer can not be read, made anew from its groups.
//!
//! Headers and tables are summed on their own, so that a bad page of a footer costs nothing but
//! this walk over the segment, and a bad group no more than its own entries. The payloads are
//! checked when they are read.

use std::collections::HashMap;

use crate::base::limits::UNREADABLE_IN_RESCAN_MAX;
use crate::base::{ByteCount, Position};
use crate::runtime::{DiskError, FileId};

use super::book::Segment;
use super::entry::{Sequence, StreamId};
use super::format::{Header, Kind, Row, UNIT, rows};
use super::index::{NONE, SegmentIndex};

/// Read at once, if no group is longer.
const WINDOW_BYTES: u64 = 1 << 20;

/// A walk over the groups of a segment, a piece at a time.
#[derive(Debug)]
pub(super) struct Rescan {
    segment: u32,
    file: FileId,
    incarnation: u64,
    /// Where the next piece begins, and where the groups end.
    at: u64,
    end: u64,
    window: u64,
    /// The window is one group's.
    one_group: bool,
    /// The last group found.
    sequence: Sequence,
    session: u32,
    index: SegmentIndex,
    /// The newest run of each stream, of moved entries and of others.
    last: HashMap<(StreamId, bool), u32>,
    /// Units that belong to no group that can be read.
    lost: u32,
    /// Units that the device refused.
    unreadable: u32,
    error: Option<DiskError>,
}

/// What lies at a place.
enum Look {
    Group(Header, Vec<(Row, u32)>),
    /// A group that ends behind what was read.
    Longer(u64),
    Nothing,
}

impl Rescan {
    pub fn of(segment: &Segment, incarnation: u64) -> Self {
        Self {
            segment: segment.number,
            file: segment.file,
            incarnation,
            at: 0,
            end: u64::from(segment.used),
            window: WINDOW_BYTES,
            one_group: false,
            sequence: Sequence(0),
            session: 0,
            index: SegmentIndex::default(),
            last: HashMap::new(),
            lost: 0,
            unreadable: 0,
            error: None,
        }
    }

    /// What to read next; None at the end.
    pub fn piece(&self) -> Option<(FileId, Position, ByteCount)> {
        let left = self.end.saturating_sub(self.at);
        let more = left > 0 && self.error.is_none();
        more.then(|| {
            let length = ByteCount(self.window.min(left));
            (self.file, Position(self.at), length)
        })
    }

    /// Takes what the piece brought.
    pub fn took(&mut self, piece: Result<&[u8], DiskError>) {
        let one_group = std::mem::take(&mut self.one_group);
        let may_be_smaller = self.window > UNIT as u64 && !one_group;
        match piece {
            Ok(bytes) if bytes.len() >= UNIT => self.walk(bytes),
            Ok(_) | Err(_) if may_be_smaller => self.window = UNIT as u64,
            Ok(_) => self.skip(),
            Err(error) => {
                self.skip();
                self.unreadable += 1;
                if self.unreadable > UNREADABLE_IN_RESCAN_MAX {
                    self.error = Some(error);
                }
            }
        }
    }

    fn skip(&mut self) {
        self.window = WINDOW_BYTES;
        self.lost += 1;
        self.at += UNIT as u64;
    }

    fn walk(&mut self, bytes: &[u8]) {
        let start = self.at;
        let window = std::mem::replace(&mut self.window, WINDOW_BYTES);
        while let Some(left) = bytes.get((self.at - start) as usize..)
            && left.len() >= UNIT
        {
            match self.look(left) {
                Look::Group(header, rows) => {
                    self.sequence = header.sequence;
                    self.session = header.session;
                    rows.iter().for_each(|(row, at)| self.add(row, *at));
                    self.at += u64::from(header.length);
                }
                Look::Longer(_) if self.at > start => return,
                // What is longer than was asked for is asked for; what is cut short is lost.
                Look::Longer(length) if length > window && self.at + length <= self.end => {
                    (self.window, self.one_group) = (length, true);
                    return;
                }
                Look::Longer(_) | Look::Nothing => self.skip(),
            }
        }
    }

    fn look(&self, bytes: &[u8]) -> Look {
        let Ok(header) = Header::read(bytes) else {
            return Look::Nothing;
        };
        let is_ours = header.incarnation == self.incarnation
            && header.segment == self.segment
            && u64::from(header.at) == self.at
            && header.sequence > self.sequence
            && header.session >= self.session;
        if !is_ours {
            return Look::Nothing;
        }
        let Some(group) = bytes.get(..header.length as usize) else {
            return Look::Longer(u64::from(header.length));
        };
        if header.sum(group) != Header::stored_sum(group) {
            return Look::Nothing;
        }
        match rows(&header, group) {
            Some(rows) => Look::Group(header, rows),
            None => Look::Nothing,
        }
    }

    fn add(&mut self, row: &Row, at: u32) {
        let key = (row.stream, row.kind == Kind::Moved);
        let before = self.last.get(&key).copied().unwrap_or(NONE);
        let place = self.at as u32 + at;
        let run = self.index.push(*row, place, before);
        if run != NONE {
            self.last.insert(key, run);
        }
    }

    /// The index of what was found; how much was not is told.
    ///
    /// # Errors
    /// The device refused more than a few places.
    pub fn finish(self) -> Result<SegmentIndex, DiskError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        tracing::error!(
            segment = self.segment,
            file = self.file.0,
            lost_bytes = u64::from(self.lost) * UNIT as u64,
            "the footer of a segment is damaged; its index was made anew from its groups"
        );
        Ok(self.index)
    }
}

#[cfg(test)]
#[path = "rescan_tests.rs"]
mod tests;

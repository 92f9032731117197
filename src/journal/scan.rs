//! Reading a segment from front to back, past places that cannot be read.

use crate::base::{ByteCount, Position};
use crate::runtime::disk::Found;
use crate::runtime::{Block, Directory, FileId};

use super::entry::Sequence;
use super::error::JournalError;
use super::format::{BadHeader, Content, HEADER_BYTES, Header, Row, UNIT, rows};

/// Read at once while scanning.
const WINDOW_BYTES: u64 = 1 << 20;

/// A file read through a window that moves forward.
pub(super) struct Reader<'a> {
    directory: &'a mut dyn Directory,
    found: Found,
    window: Option<(u64, Block)>,
    window_bytes: u64,
}

impl<'a> Reader<'a> {
    pub fn new(directory: &'a mut dyn Directory, found: Found) -> Self {
        Self::with_window(directory, found, WINDOW_BYTES)
    }

    /// As `new`, with a first window of so many bytes; later ones grow.
    pub fn with_window(directory: &'a mut dyn Directory, found: Found, bytes: u64) -> Self {
        Self {
            directory,
            found,
            window: None,
            window_bytes: bytes,
        }
    }

    pub fn file(&self) -> FileId {
        self.found.file
    }

    pub fn length(&self) -> u64 {
        self.found.length.0
    }

    /// `length` bytes at `at`, which is a whole unit; None beyond the end of the file.
    pub fn view(&mut self, at: u64, length: usize) -> Result<Option<&[u8]>, JournalError> {
        let end = at + length as u64;
        if end > self.found.length.0 {
            return Ok(None);
        }
        let inside = self
            .window
            .as_ref()
            .is_some_and(|(start, block)| *start <= at && end <= *start + block.filled() as u64);
        if !inside {
            let wanted = (length as u64)
                .next_multiple_of(UNIT as u64)
                .max(self.window_bytes);
            let wanted = ByteCount(wanted.min(self.found.length.0 - at));
            let block = self.directory.read(self.found.file, Position(at), wanted)?;
            self.window = Some((at, block));
            self.window_bytes = (self.window_bytes * 2).min(WINDOW_BYTES);
        }
        let Some((start, block)) = &self.window else {
            return Ok(None);
        };
        let offset = (at - start) as usize;
        Ok(block.filled_bytes().get(offset..offset + length))
    }
}

/// A group as a scan found it: its header and table are whole.
#[derive(Clone, Debug)]
pub(super) struct ScannedGroup {
    pub header: Header,
    pub sum: u32,
    /// The payloads are what the table says.
    pub whole: bool,
}

/// What lies in a segment, in order.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Group(ScannedGroup),
    /// Nothing could be made of the bytes up to here, where the log goes on.
    Gap,
}

/// What a group must look like to belong to the segment that is scanned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub incarnation: u64,
    pub segment: u32,
    /// Only later sequences, and no earlier session, can follow.
    pub after: Sequence,
    pub session: u32,
}

/// The group at `at`, if header and table are whole and say that they belong there.
pub(super) fn group_at(
    reader: &mut Reader<'_>,
    at: u64,
    incarnation: u64,
) -> Result<Option<ScannedGroup>, JournalError> {
    let file = reader.file();
    let Some(bytes) = reader.view(at, HEADER_BYTES)? else {
        return Ok(None);
    };
    let header = match Header::read(bytes) {
        Ok(header) => header,
        Err(BadHeader::Foreign | BadHeader::Shape | BadHeader::Version(_)) => return Ok(None),
    };
    if header.incarnation != incarnation || u64::from(header.at) != at {
        return Ok(None);
    }
    let Some(group) = reader.view(at, header.length as usize)? else {
        return Ok(None);
    };
    let sum = Header::stored_sum(group);
    if header.sum(group) != sum {
        return Ok(None);
    }
    let Some(rows) = rows(&header, group) else {
        return Err(JournalError::Format { file, found: 0 });
    };
    let whole = rows
        .iter()
        .all(|(row, at)| payload(group, row, *at).is_some_and(|p| row.fits(p)));
    Ok(Some(ScannedGroup { header, sum, whole }))
}

fn payload<'a>(group: &'a [u8], row: &Row, at: u32) -> Option<&'a [u8]> {
    group.get(at as usize..(at + row.length) as usize)
}

/// The number of the segment that a file holds: what its first readable group says. None if there
/// is no group in it.
pub(super) fn number_of(
    reader: &mut Reader<'_>,
    incarnation: u64,
) -> Result<Option<u32>, JournalError> {
    let mut at = 0;
    while at < reader.length() {
        if let Some(group) = group_at(reader, at, incarnation)? {
            return Ok(Some(group.header.segment));
        }
        at += UNIT as u64;
    }
    Ok(None)
}

/// The groups of a segment from its start, and where the last of them ends. Stops at the footer.
pub(super) fn scan(
    reader: &mut Reader<'_>,
    mut wanted: Wanted,
) -> Result<(Vec<Item>, u32), JournalError> {
    let mut items = Vec::new();
    let (mut at, mut end) = (0_u64, 0_u64);
    let mut previous: Option<(Sequence, u32)> = None;
    while at < reader.length() {
        let group = group_at(reader, at, wanted.incarnation)?.filter(|group| {
            let header = &group.header;
            // Right behind a group only its successor can stand; past a gap one at least is lost.
            let linked = previous.is_none_or(|(sequence, sum)| match at == end {
                true => header.sequence.0 == sequence.0 + 1 && header.previous == sum,
                false => header.sequence.0 > sequence.0 + 1,
            });
            header.segment == wanted.segment
                && header.session >= wanted.session
                && (header.sequence > wanted.after || header.content == Content::Footer)
                && linked
        });
        let Some(group) = group else {
            at += UNIT as u64;
            continue;
        };
        if at > end {
            items.push(Item::Gap);
        }
        if group.header.content == Content::Footer {
            break;
        }
        wanted.after = group.header.sequence;
        wanted.session = group.header.session;
        previous = Some((group.header.sequence, group.sum));
        at += u64::from(group.header.length);
        end = at;
        items.push(Item::Group(group));
    }
    Ok((items, end as u32))
}

//! Reading a segment from front to back, past places that cannot be read.
//!
//! A device may be wrong once: what can not be read, or is not what was written, is read again
//! before anything is decided by it. A unit that still refuses counts as zeros, which no sum fits.

use crate::base::limits::{READ_TRIES, READS_AGAIN_MAX, UNREADABLE_UNITS_MAX};
use crate::base::{ByteCount, Position};
use crate::runtime::disk::Found;
use crate::runtime::{Block, BlockPool, Directory, DiskError, FileId};

use super::entry::Sequence;
use super::error::JournalError;
use super::format::{BadHeader, HEADER_BYTES, Header, Row, UNIT, rows};

/// Read at once while scanning.
const WINDOW_BYTES: u64 = 1 << 20;

/// A file read through a window that moves forward.
pub(super) struct Reader<'a> {
    directory: &'a mut dyn Directory,
    found: Found,
    window: Option<(u64, Block)>,
    window_bytes: u64,
    /// Reads that may still be repeated.
    again: u32,
    /// Units that may still be unreadable.
    unreadable: u32,
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
            again: READS_AGAIN_MAX,
            unreadable: UNREADABLE_UNITS_MAX,
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
            let block = self.read(at, wanted)?;
            self.window = Some((at, block));
            self.window_bytes = (self.window_bytes * 2).min(WINDOW_BYTES);
        }
        let Some((start, block)) = &self.window else {
            return Ok(None);
        };
        let offset = (at - start) as usize;
        Ok(block.filled_bytes().get(offset..offset + length))
    }

    /// As `view`, for bytes that `fits` knows: others are read again, `READ_TRIES` times. None if
    /// they never fit.
    pub fn view_of(
        &mut self,
        at: u64,
        length: usize,
        fits: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<&[u8]>, JournalError> {
        for _ in 0..READ_TRIES {
            let good = self.view(at, length)?.is_none_or(&fits);
            if good || !self.forget() {
                break;
            }
        }
        Ok(self.view(at, length)?.filter(|bytes| fits(bytes)))
    }

    /// The next view comes from the device again. False: that was asked too often.
    fn forget(&mut self) -> bool {
        if self.again == 0 {
            return false;
        }
        self.again -= 1;
        self.window = None;
        self.window_bytes = UNIT as u64;
        true
    }

    fn read(&mut self, at: u64, length: ByteCount) -> Result<Block, JournalError> {
        let file = self.found.file;
        match read_patiently(self.directory, file, Position(at), length) {
            Ok(block) => return Ok(block),
            Err(error) if !error.is_medium() => return Err(error.into()),
            Err(_) => {}
        }
        let mut block = BlockPool::default().take(length);
        for unit in (at..at + length.0).step_by(UNIT) {
            let count = ByteCount((UNIT as u64).min(at + length.0 - unit));
            match read_patiently(self.directory, file, Position(unit), count) {
                Ok(part) => block.append(part.filled_bytes()),
                Err(error) if error.is_medium() && self.unreadable > 0 => {
                    self.unreadable -= 1;
                    tracing::error!(
                        file = file.0,
                        at = unit,
                        errno = error.errno,
                        "the device can not read this unit of the journal; it counts as damaged"
                    );
                    block.append(&[0; UNIT][..count.as_usize()])
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(block)
    }
}

/// A read that is tried again if the medium refuses it.
pub(super) fn read_patiently(
    directory: &mut dyn Directory,
    file: FileId,
    at: Position,
    length: ByteCount,
) -> Result<Block, DiskError> {
    for _ in 1..READ_TRIES {
        match directory.read(file, at, length) {
            Err(error) if error.is_medium() => {}
            ended => return ended,
        }
    }
    directory.read(file, at, length)
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
    let mut best = None;
    for _ in 0..=READ_TRIES {
        match look_at(reader, at, incarnation)? {
            Look::Whole(group) => return Ok(Some(group)),
            Look::Nothing => return Ok(best),
            Look::Damaged(group) => best = group.or(best),
        }
        if !reader.forget() {
            break;
        }
    }
    Ok(best)
}

/// What one look at a place brings.
enum Look {
    Whole(ScannedGroup),
    /// Nothing was ever written there, or what was belongs elsewhere.
    Nothing,
    /// Bytes that do not fit together; the group, if its header and table do.
    Damaged(Option<ScannedGroup>),
}

fn look_at(reader: &mut Reader<'_>, at: u64, incarnation: u64) -> Result<Look, JournalError> {
    let file = reader.file();
    let Some(bytes) = reader.view(at, HEADER_BYTES)? else {
        return Ok(Look::Nothing);
    };
    let header = match Header::read(bytes) {
        Ok(header) => header,
        Err(BadHeader::Foreign) if bytes.iter().all(|byte| *byte == 0) => {
            return Ok(Look::Nothing);
        }
        Err(BadHeader::Foreign | BadHeader::Shape | BadHeader::Version(_)) => {
            return Ok(Look::Damaged(None));
        }
    };
    let Some(group) = reader.view(at, header.length as usize)? else {
        return Ok(Look::Damaged(None));
    };
    let sum = Header::stored_sum(group);
    // The header and the group may come from two reads, and the sum is over the second.
    if Header::read(group) != Ok(header) || header.sum(group) != sum {
        return Ok(Look::Damaged(None));
    }
    if header.incarnation != incarnation || u64::from(header.at) != at {
        return Ok(Look::Nothing);
    }
    let Some(rows) = rows(&header, group) else {
        return Err(JournalError::Format { file, found: 0 });
    };
    let whole = rows
        .iter()
        .all(|(row, at)| payload(group, row, *at).is_some_and(|p| row.fits(p)));
    let found = ScannedGroup { header, sum, whole };
    Ok(match whole {
        true => Look::Whole(found),
        false => Look::Damaged(Some(found)),
    })
}

/// Header, payloads and table of a group that a scan found; None if they can not be read again.
pub(super) fn bytes_of<'r>(
    reader: &'r mut Reader<'_>,
    group: &ScannedGroup,
) -> Result<Option<&'r [u8]>, JournalError> {
    let header = &group.header;
    reader.view_of(u64::from(header.at), header.length as usize, |bytes| {
        Header::stored_sum(bytes) == group.sum && header.sum(bytes) == group.sum
    })
}

fn payload<'a>(group: &'a [u8], row: &Row, at: u32) -> Option<&'a [u8]> {
    group.get(at as usize..(at + row.length) as usize)
}

/// The number of the segment that a file holds: what the group at its front says. If there is none
/// that can be read, the newest of all in the file: the file may have been an older segment's. None
/// if there is no group in it.
pub(super) fn number_of(
    reader: &mut Reader<'_>,
    incarnation: u64,
) -> Result<Option<u32>, JournalError> {
    let (mut at, mut newest) = (0, None);
    while at < reader.length() {
        let group = group_at(reader, at, incarnation)?;
        newest = newest.max(group.as_ref().map(|group| group.header.segment));
        if at == 0 && newest.is_some() {
            break;
        }
        at += step_over(group.as_ref());
    }
    Ok(newest)
}

/// How far to go from what lies at a place and is not what is looked for: nothing newer begins
/// within a group that is whole.
fn step_over(group: Option<&ScannedGroup>) -> u64 {
    match group.filter(|group| group.whole) {
        Some(group) => u64::from(group.header.length),
        None => UNIT as u64,
    }
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
        let found = group_at(reader, at, wanted.incarnation)?;
        let step = step_over(found.as_ref());
        let group = found.filter(|group| {
            let header = &group.header;
            // Right behind a group only its successor can stand; past a gap one at least is lost.
            let linked = previous.is_none_or(|(sequence, sum)| match at == end {
                true => header.sequence.0 == sequence.0 + 1 && header.previous == sum,
                false => header.sequence.0 > sequence.0 + 1,
            });
            header.segment == wanted.segment
                && header.session >= wanted.session
                && header.sequence > wanted.after
                && linked
        });
        let Some(group) = group else {
            at += step;
            continue;
        };
        if at > end {
            items.push(Item::Gap);
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

//! Reading while the machine boots: straight-line code over a directory that may be waited for.

use crate::base::crc::crc32c;
use crate::base::limits::READ_TRIES;
use crate::base::{ByteCount, Position};
use crate::runtime::{Block, Directory};

use super::book::Book;
use super::entry::{Index, Slice, StreamId};
use super::error::JournalError;
use super::format::UNIT;
use super::journal::Journal;
use super::pages::{PageCache, PageId};
use super::parts::Part;
use super::plan::{Asked, Place, Stop, View};
use super::reads::bunch_place;
use super::requests::{ReadRequest, ReadToken};
use super::rescan::Rescan;
use super::scan::read_patiently;
use super::unfold::Unfolding;

/// The indexes of sealed segments, read at once as they are needed.
pub(super) struct BootIndex<'a> {
    pub directory: &'a mut dyn Directory,
    pub incarnation: u64,
    pub book: &'a mut Book,
    pub pages: &'a mut PageCache,
    /// Memory of indexes made anew.
    pub rescanned_bytes: u64,
}

impl BootIndex<'_> {
    /// Takes a folded part apart.
    pub fn unfold(&mut self, stream: StreamId, part: &Part) -> Result<Vec<Part>, JournalError> {
        let mut unfolding = Unfolding::of(stream, part);
        while let Err(page) = unfolding.step(self.book, self.pages) {
            self.read(page)?;
        }
        Ok(unfolding.finish())
    }

    /// Reads a page, with its bunch; what can not be read is indexed anew.
    fn read(&mut self, page: PageId) -> Result<(), JournalError> {
        let id = page.bunch();
        let (file, at, length) = bunch_place(self.book, id);
        let at = Position(at);
        for _ in 0..READ_TRIES {
            match read_patiently(self.directory, file, at, ByteCount(length)) {
                Ok(block) => {
                    let bytes = block.freeze();
                    let whole = bytes.len() as u64 == length;
                    if self.pages.insert(self.incarnation, id, &bytes) && whole {
                        return Ok(());
                    }
                }
                Err(error) if error.is_medium() => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.rescan(id.segment)
    }

    /// Indexes a segment anew whose footer can not be read.
    fn rescan(&mut self, segment: u32) -> Result<(), JournalError> {
        let Some(segment) = self.book.segments.get_mut(&segment) else {
            return Ok(());
        };
        let mut rescan = Rescan::of(segment, self.incarnation);
        while let Some((file, at, length)) = rescan.piece() {
            let block = self.directory.read(file, at, length);
            rescan.took(block.as_ref().map(Block::filled_bytes).map_err(|e| *e));
        }
        let index = rescan.finish()?;
        self.rescanned_bytes += index.memory_bytes();
        segment.indexed_anew(index);
        Ok(())
    }
}

impl Journal {
    /// All entries of `stream` from `from` on, read while the machine boots.
    pub fn read_at_boot(
        &mut self,
        directory: &mut dyn Directory,
        stream: StreamId,
        from: Index,
    ) -> Result<Vec<Slice>, JournalError> {
        let Some((first, end)) = self.range(stream) else {
            return Ok(Vec::new());
        };
        let mut from = from.max(first).min(end);
        let mut slices = Vec::new();
        loop {
            // An answer may stop where a footer's page is not in memory: ask on from there.
            let places = self.answer_at_boot(
                directory,
                Asked::Read(ReadRequest {
                    token: ReadToken(0),
                    stream,
                    from,
                    until: end,
                    bytes_max: ByteCount(u64::MAX),
                    first_whole: true,
                }),
            )?;
            let Some(last) = places.last() else {
                return Ok(slices);
            };
            from = last.row.end();
            for place in &places {
                slices.push(self.slice_at_boot(directory, place)?);
            }
        }
    }

    fn slice_at_boot(
        &self,
        directory: &mut dyn Directory,
        place: &Place,
    ) -> Result<Slice, JournalError> {
        let file = self.book.segments[&place.segment].file;
        let start = place.at / UNIT as u32 * UNIT as u32;
        let skip = (place.at - start) as usize;
        let wanted = (skip + place.row.length as usize).next_multiple_of(UNIT);
        let at = Position(u64::from(start));
        let mut sum = 0;
        for _ in 0..READ_TRIES {
            let block = read_patiently(directory, file, at, ByteCount(wanted as u64))?;
            let bytes = block.freeze();
            let end = (skip + place.row.length as usize).min(bytes.len());
            let payload = bytes.slice(skip.min(end)..end);
            let short = payload.len() != place.row.length as usize;
            if !short && place.row.fits(&payload) {
                let head = place.row.head();
                return Ok(Slice { head, payload });
            }
            sum = crc32c(&payload);
        }
        Err(JournalError::Checksum {
            file,
            at: Position(u64::from(place.at)),
            expected: place.row.body_sum,
            found: sum,
        })
    }

    /// The rows asked for, with the pages that it takes read at once.
    fn answer_at_boot(
        &mut self,
        directory: &mut dyn Directory,
        asked: Asked,
    ) -> Result<Vec<Place>, JournalError> {
        loop {
            let view = View {
                book: &self.book,
                pages: &self.reads.pages,
                unfolded: &self.reads.unfolded,
                horizon: self.horizon(),
            };
            let stop = match view.answer(&asked) {
                Ok(places) => return Ok(places),
                Err(stop) => stop,
            };
            let mut index = BootIndex {
                directory,
                incarnation: self.settings.incarnation,
                book: &mut self.book,
                pages: &mut self.reads.pages,
                rescanned_bytes: 0,
            };
            match stop {
                Stop::Error(error) => return Err(error),
                Stop::Missing(id) => index.read(id)?,
                Stop::Folded(id) => {
                    let stream = index.book.streams.get(id.stream);
                    let part = stream.and_then(|it| it.parts.get(it.part_at(id.first)?));
                    let part = part.ok_or(JournalError::OutOfRange)?.clone();
                    let pieces = index.unfold(id.stream, &part)?;
                    self.reads.unfolded.insert(id, pieces);
                }
            }
            self.turn.index_bytes += index.rescanned_bytes;
        }
    }
}

//! Reads: which rows, where their payloads are, and the wait for those on disk.

use std::collections::{HashMap, HashSet};

use crate::base::limits::UNFOLDED_PIECES_MAX;
use crate::base::{ByteCount, Position};
use crate::runtime::{DiskDone, DiskError, DiskOp, DiskOutput, FileId, Ticket};

use super::book::Book;
use super::cache::Cache;
use super::cleaning::CLEANING;
use super::error::JournalError;
use super::format::UNIT;
use super::journal::Settings;
use super::pages::{PAGES_PER_BUNCH, PageCache, PageId};
use super::plan::{Asked, Horizon, Stop, View};
use super::ranges::{Waiting, block_of, file_of};
use super::requests::ReadDone;
use super::rescan::Rescan;
use super::unfold::{FoldId, Unfolded, Unfolding};
use super::windows::{WindowId, Windows};

/// What an operation of a read is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// A range of a read that waits.
    Range { read: u64, range: usize },
    /// A window, and where it begins and ends.
    Window { id: WindowId, start: u32, end: u32 },
    /// A bunch of a footer's pages, the first of which is named.
    Pages(PageId),
    /// A piece of a segment whose footer is damaged.
    Rescan(u32),
}

/// All that answers come from, for the time of one call.
pub(super) struct Shelf<'a> {
    pub book: &'a mut Book,
    pub cache: &'a Cache,
    pub horizon: Horizon,
    pub incarnation: u64,
}

/// All reads that have begun and not been fetched by the caller.
#[derive(Debug)]
pub(super) struct Reads {
    pub pages: PageCache,
    pub unfolded: Unfolded,
    /// Folded parts being taken apart, and the questions that wait for it.
    pub unfolding: HashMap<FoldId, (Unfolding, Vec<Asked>)>,
    /// So many segments, the open one aside, would be in the cache if it had all it may have; and
    /// whether somebody wanted something of them that was not.
    pub near_segments: u32,
    pub tail_missed: bool,
    /// Windows of segments that are read whole, and the ranges that wait for each.
    pub windows: Windows,
    pub(super) expecting: HashMap<WindowId, Vec<(u64, usize)>>,
    pub(super) waiting: HashMap<u64, Waiting>,
    pub(super) next: u64,
    /// Questions that wait for a bunch of pages, by its first.
    asking: HashMap<PageId, Vec<Asked>>,
    /// Bunches that did not come as they should and are read once more.
    again: HashSet<PageId>,
    /// Segments that are indexed anew, and the questions that wait for it.
    rescans: HashMap<u32, (Rescan, Vec<Asked>)>,
    /// Memory of indexes made anew that nobody has counted yet.
    rescanned_bytes: u64,
    tickets: HashMap<Ticket, Purpose>,
    /// Not yet handed to the device.
    pub(super) wanted: Vec<Purpose>,
    finished: Vec<ReadDone>,
    /// The end of the cleaner's read.
    cleaning: Option<ReadDone>,
}

impl Reads {
    pub fn new(settings: Settings) -> Self {
        let near = settings.cache_bytes.0 / settings.segment_bytes.0.max(1);
        Self {
            windows: Windows::new(settings.segment_bytes),
            near_segments: near as u32,
            tail_missed: false,
            pages: PageCache::default(),
            unfolded: Unfolded::default(),
            unfolding: HashMap::new(),
            expecting: HashMap::new(),
            waiting: HashMap::new(),
            next: 0,
            asking: HashMap::new(),
            again: HashSet::new(),
            rescans: HashMap::new(),
            rescanned_bytes: 0,
            tickets: HashMap::new(),
            wanted: Vec::new(),
            finished: Vec::new(),
            cleaning: None,
        }
    }

    /// Answers from memory if all that it takes is there; else notes what to read.
    pub fn begin(&mut self, shelf: &mut Shelf<'_>, asked: Asked) -> Option<ReadDone> {
        if let Asked::Unfold(id) = asked {
            let askers = self.unfold(shelf, id);
            self.ask_again(shelf, askers);
            return None;
        }
        let token = asked.token();
        loop {
            let view = View {
                book: shelf.book,
                pages: &self.pages,
                unfolded: &self.unfolded,
                horizon: shelf.horizon,
            };
            let result = match view.answer(&asked) {
                Ok(places) => return self.fetch(shelf, token, places),
                Err(Stop::Error(error)) => Err(error),
                Err(Stop::Missing(id)) => {
                    self.want(shelf, id, asked);
                    return None;
                }
                Err(Stop::Folded(id)) => {
                    if self.unfold_for(shelf, id, asked) {
                        continue;
                    }
                    return None;
                }
            };
            return Some(ReadDone { token, result });
        }
    }

    /// Has the page read, with its bunch; then `asked` is asked again.
    pub(super) fn want(&mut self, shelf: &mut Shelf<'_>, id: PageId, asked: Asked) {
        let bunch = id.bunch();
        let askers = self.asking.entry(bunch).or_default();
        askers.push(asked);
        if askers.len() == 1 {
            self.wanted.push(Purpose::Pages(bunch));
            hold(shelf.book, bunch.segment);
        }
    }

    /// The device operations that reads wait for.
    pub fn hand_out(
        &mut self,
        book: &Book,
        mut ticket: impl FnMut() -> Ticket,
        disk: &mut Vec<DiskOp>,
    ) {
        for purpose in std::mem::take(&mut self.wanted) {
            let ticket = ticket();
            let (file, at, length) = match purpose {
                Purpose::Range { read, range } => {
                    let range = &self.waiting[&read].ranges[range];
                    (
                        range.file,
                        u64::from(range.start),
                        u64::from(range.end - range.start),
                    )
                }
                Purpose::Window { id, start, end } => {
                    let file = file_of(book, id.segment);
                    (file, u64::from(start), u64::from(end - start))
                }
                Purpose::Pages(id) => bunch_place(book, id),
                Purpose::Rescan(segment) => self.rescan_place(segment),
            };
            self.tickets.insert(ticket, purpose);
            disk.push(DiskOp::Read {
                ticket,
                file,
                at: Position(at),
                length: ByteCount(length),
            });
        }
    }

    /// Takes the end of an operation, if it is one of these.
    pub fn completed(&mut self, shelf: &mut Shelf<'_>, done: DiskDone) -> Option<DiskDone> {
        match self.tickets.remove(&done.ticket) {
            None => return Some(done),
            Some(Purpose::Range { read, range }) => {
                self.range_ended(shelf.book, read, range, done.result);
            }
            Some(Purpose::Window { id, start, .. }) => {
                self.window_ended(shelf.book, id, start, done.result);
            }
            Some(Purpose::Pages(id)) => self.pages_ended(shelf, id, done.result),
            Some(Purpose::Rescan(segment)) => self.rescan_ended(shelf, segment, done.result),
        }
        None
    }

    fn pages_ended(
        &mut self,
        shelf: &mut Shelf<'_>,
        id: PageId,
        result: Result<DiskOutput, DiskError>,
    ) {
        let (file, at, length) = bunch_place(shelf.book, id);
        let good = block_of(result, file, at as u32).is_ok_and(|bytes| {
            let good = self.pages.insert(shelf.incarnation, id, &bytes);
            good && bytes.len() as u64 == length
        });
        if !good && self.again.insert(id) {
            // A device may be wrong once.
            self.wanted.push(Purpose::Pages(id));
            return;
        }
        self.again.remove(&id);
        release(shelf.book, id.segment);
        let askers = self.asking.remove(&id).unwrap_or_default();
        if good {
            self.ask_again(shelf, askers);
        } else {
            self.rescan(shelf, id.segment, askers);
        }
    }

    fn ask_again(&mut self, shelf: &mut Shelf<'_>, askers: Vec<Asked>) {
        for asked in askers {
            if let Some(done) = self.begin(shelf, asked) {
                self.finish(done);
            }
        }
    }

    /// The footer of a segment can not be read: its groups tell the same.
    fn rescan(&mut self, shelf: &mut Shelf<'_>, segment: u32, askers: Vec<Asked>) {
        let Some(known) = shelf.book.segments.get(&segment) else {
            self.ask_again(shelf, askers);
            return;
        };
        let (_, waiting) = self.rescans.entry(segment).or_insert_with(|| {
            self.wanted.push(Purpose::Rescan(segment));
            (Rescan::of(known, shelf.incarnation), Vec::new())
        });
        if waiting.is_empty() {
            hold(shelf.book, segment);
        }
        waiting.extend(askers);
    }

    fn rescan_place(&self, segment: u32) -> (FileId, u64, u64) {
        let piece = self.rescans.get(&segment).and_then(|(it, _)| it.piece());
        let (file, at, length) = piece.expect("a piece is wanted while there is one");
        (file, at.0, length.0)
    }

    fn rescan_ended(
        &mut self,
        shelf: &mut Shelf<'_>,
        segment: u32,
        result: Result<DiskOutput, DiskError>,
    ) {
        let Some((rescan, _)) = self.rescans.get_mut(&segment) else {
            return;
        };
        let bytes = block_of(result, FileId(0), 0);
        rescan.took(bytes.as_ref().map(|bytes| bytes.as_ref()).map_err(|e| *e));
        if rescan.piece().is_some() {
            self.wanted.push(Purpose::Rescan(segment));
            return;
        }
        let Some((rescan, askers)) = self.rescans.remove(&segment) else {
            return;
        };
        release(shelf.book, segment);
        match rescan.finish() {
            Ok(index) => {
                self.rescanned_bytes += index.memory_bytes();
                if let Some(segment) = shelf.book.segments.get_mut(&segment) {
                    segment.indexed_anew(index);
                }
                self.ask_again(shelf, askers);
            }
            Err(error) => askers.into_iter().for_each(|asked| self.fail(asked, error)),
        }
    }

    fn fail(&mut self, asked: Asked, error: DiskError) {
        if let Asked::Unfold(id) = asked {
            let waiting = self.unfolding.remove(&id);
            let askers = waiting.map(|(_, askers)| askers).unwrap_or_default();
            askers.into_iter().for_each(|asked| self.fail(asked, error));
            return;
        }
        let token = asked.token();
        let result = Err(JournalError::Device(error));
        self.finish(ReadDone { token, result });
    }

    /// Memory of indexes made anew since the last call.
    pub fn take_rescanned_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.rescanned_bytes)
    }

    pub(super) fn finish(&mut self, done: ReadDone) {
        if done.token == CLEANING {
            self.cleaning = Some(done);
        } else {
            self.finished.push(done);
        }
    }

    /// The end of the cleaner's read, if it has come.
    pub fn take_cleaning(&mut self) -> Option<ReadDone> {
        self.cleaning.take()
    }

    pub fn take_finished(&mut self) -> Vec<ReadDone> {
        std::mem::take(&mut self.finished)
    }

    /// True if operations are under way or wanted.
    pub fn is_busy(&self) -> bool {
        !self.tickets.is_empty()
            || !self.wanted.is_empty()
            || !self.waiting.is_empty()
            || !self.asking.is_empty()
            || !self.rescans.is_empty()
    }

    /// Gives up pages beyond the limit, unless somebody is about to look at them.
    pub fn shrink(&mut self, limit: u64) {
        let patience = if self.asking.is_empty() {
            limit
        } else {
            limit * 2
        };
        self.pages.shrink(patience);
        let waits = usize::from(!self.asking.is_empty());
        self.unfolded.shrink(UNFOLDED_PIECES_MAX * (1 + waits));
    }
}

/// The segment's file must stay while it is read.
pub(super) fn hold(book: &mut Book, segment: u32) {
    if let Some(segment) = book.segments.get_mut(&segment) {
        segment.readers += 1;
    }
}

pub(super) fn release(book: &mut Book, segment: u32) {
    if let Some(segment) = book.segments.get_mut(&segment) {
        segment.readers -= 1;
    }
}

/// File, position and length of a bunch of pages.
pub(super) fn bunch_place(book: &Book, id: PageId) -> (FileId, u64, u64) {
    let known = book.segments.get(&id.segment);
    let Some((file, footer)) = known.and_then(|s| Some((s.file, s.footer?))) else {
        return (FileId(0), 0, UNIT as u64);
    };
    let count = footer.pages().saturating_sub(id.page).min(PAGES_PER_BUNCH);
    let unit = UNIT as u64;
    let at = u64::from(footer.at) + u64::from(id.page) * unit;
    (file, at, u64::from(count) * unit)
}

//! Payloads of a read: from memory, from windows that are shared, or read by themselves.

use bytes::Bytes;

use crate::base::limits::READ_TRIES;
use crate::runtime::{DiskError, DiskOutput};

use super::book::Book;
use super::cleaning::CLEANING;
use super::plan::Place;
use super::ranges::{Range, Source, Waiting, block_of, cover, file_of};
use super::reads::{Purpose, Reads, Shelf, hold, release};
use super::requests::{ReadDone, ReadToken};
use super::windows::{Found, WindowId};

impl Reads {
    /// Serves the rows from memory if all of them are there; else notes what to read.
    pub(super) fn fetch(
        &mut self,
        shelf: &mut Shelf<'_>,
        token: ReadToken,
        rows: Vec<Place>,
    ) -> Option<ReadDone> {
        let mut ranges: Vec<Range> = Vec::new();
        let mut places = Vec::with_capacity(rows.len());
        for place in rows {
            let cached = shelf.cache.get(place.segment, place.at, place.row.length);
            let source = match cached {
                Some(bytes) => Source::Memory(bytes),
                // The cleaner passes once, and nobody comes after it.
                None if token == CLEANING => Source::Disk(cover(&mut ranges, shelf.book, &place)),
                None => Source::Disk(self.seek(&mut ranges, shelf, &place)),
            };
            places.push((place, source));
        }
        let missing = ranges.iter().filter(|range| range.bytes.is_none()).count();
        let waiting = Waiting {
            token,
            places,
            ranges,
            missing,
            again: 0,
        };
        self.read_windows(shelf.book);
        let read = self.next;
        self.next += 1;
        if missing == 0 {
            return self.gathered(shelf.book, read, waiting);
        }
        for (number, range) in waiting.ranges.iter().enumerate() {
            match (range.window, &range.bytes) {
                (_, Some(_)) => {}
                (Some(id), None) => self.expecting.entry(id).or_default().push((read, number)),
                (None, None) => self.want_range(shelf.book, range.segment, read, number),
            }
        }
        self.waiting.insert(read, waiting);
        None
    }

    /// The range in which a payload comes that is not in the cache.
    fn seek(&mut self, ranges: &mut Vec<Range>, shelf: &Shelf<'_>, place: &Place) -> usize {
        let tail = (shelf.horizon.segment, shelf.horizon.at);
        let cached_from = shelf.cache.oldest().unwrap_or(tail);
        let readable = |number: u32| match number.cmp(&cached_from.0) {
            std::cmp::Ordering::Less => {
                let segment = shelf.book.segments.get(&number);
                segment.map_or(0, |segment| segment.used)
            }
            std::cmp::Ordering::Equal => cached_from.1,
            std::cmp::Ordering::Greater => 0,
        };
        let (id, bytes) = match self.windows.seek(place, readable) {
            Found::Here(id, bytes) => (id, Some(bytes)),
            Found::Coming(id) => {
                self.missed(shelf, place);
                (id, None)
            }
            Found::Alone => {
                self.missed(shelf, place);
                return cover(ranges, shelf.book, place);
            }
        };
        let known = ranges.iter().rposition(|range| range.window == Some(id));
        known.unwrap_or_else(|| {
            let start = self.windows.start(id);
            ranges.push(Range::window(shelf.book, id, start, bytes));
            ranges.len() - 1
        })
    }

    fn missed(&mut self, shelf: &Shelf<'_>, place: &Place) {
        let behind = shelf.horizon.segment.saturating_sub(place.segment);
        self.tail_missed |= behind <= self.near_segments;
    }

    fn read_windows(&mut self, book: &mut Book) {
        for (id, start, end) in self.windows.take_due() {
            hold(book, id.segment);
            self.wanted.push(Purpose::Window { id, start, end });
        }
    }

    fn want_range(&mut self, book: &mut Book, segment: u32, read: u64, range: usize) {
        hold(book, segment);
        self.wanted.push(Purpose::Range { read, range });
    }

    pub(super) fn window_ended(
        &mut self,
        book: &mut Book,
        id: WindowId,
        start: u32,
        result: Result<DiskOutput, DiskError>,
    ) {
        release(book, id.segment);
        let bytes = block_of(result, file_of(book, id.segment), start);
        self.windows.ended(id, bytes.clone());
        for (read, range) in self.expecting.remove(&id).unwrap_or_default() {
            self.came(book, read, range, bytes.clone());
        }
    }

    pub(super) fn range_ended(
        &mut self,
        book: &mut Book,
        read: u64,
        range: usize,
        result: Result<DiskOutput, DiskError>,
    ) {
        let waiting = self
            .waiting
            .get(&read)
            .expect("a read waits for its ranges");
        let known = &waiting.ranges[range];
        let bytes = block_of(result, known.file, known.start);
        release(book, known.segment);
        self.came(book, read, range, bytes);
    }

    fn came(&mut self, book: &mut Book, read: u64, range: usize, bytes: Result<Bytes, DiskError>) {
        let Some(waiting) = self.waiting.get_mut(&read) else {
            return;
        };
        waiting.ranges[range].bytes = Some(bytes);
        waiting.missing -= 1;
        if waiting.missing == 0
            && let Some(waiting) = self.waiting.remove(&read)
            && let Some(done) = self.gathered(book, read, waiting)
        {
            self.finish(done);
        }
    }

    /// All ranges of a read are there. A device may be wrong once, and one place of it for good:
    /// before an error is the answer, the place is read again, and by itself.
    fn gathered(&mut self, book: &mut Book, read: u64, mut waiting: Waiting) -> Option<ReadDone> {
        let token = waiting.token;
        let result = waiting.assemble();
        let first = waiting.places.first();
        let Some((place, Source::Disk(range))) = first.filter(|_| result.is_err()) else {
            return Some(ReadDone { token, result });
        };
        if let Some(id) = waiting.ranges[*range].window {
            self.windows.refuse(id);
        }
        if waiting.again + 1 >= READ_TRIES {
            return Some(ReadDone { token, result });
        }
        let place = *place;
        waiting.again += 1;
        waiting.missing = 1;
        waiting.ranges.clear();
        let range = cover(&mut waiting.ranges, book, &place);
        waiting.places = vec![(place, Source::Disk(range))];
        self.want_range(book, place.segment, read, range);
        self.waiting.insert(read, waiting);
        None
    }
}

//! Which rows a read or a search means, and where their payloads are. No I/O: what is not in
//! memory is named, fetched by `reads`, and the question asked again.

use crate::base::Position;

use super::book::{Book, Segment};
use super::cleaning::CLEANING;
use super::entry::{Index, StreamId};
use super::error::JournalError;
use super::format::Row;
use super::pages::{PageCache, PageId};
use super::parts::Part;
use super::requests::{ReadRequest, ReadToken, SearchRequest};
use super::streams::Stream;
use super::superblock::SUPERBLOCK_FILE;
use super::unfold::{FoldId, Unfolded};

/// A row and where its payload lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub row: Row,
    pub segment: u32,
    pub at: u32,
}

/// Rows at or behind this place can not be read yet: their group is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    pub segment: u32,
    pub at: u32,
}

impl Horizon {
    fn hides(self, place: &Place) -> bool {
        (place.segment, place.at) >= (self.segment, self.at)
    }
}

/// A question about a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Read(ReadRequest),
    Search(SearchRequest),
    /// The cleaner's: that a page be in memory.
    Page(PageId),
    /// The journal's own: that a folded part be taken apart, which others wait for.
    Unfold(FoldId),
}

impl Asked {
    pub fn token(&self) -> ReadToken {
        match self {
            Self::Read(request) => request.token,
            Self::Search(request) => request.token,
            Self::Page(_) | Self::Unfold(_) => CLEANING,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// This page of a footer is not in memory.
    Missing(PageId),
    /// This part is folded, and nobody has taken it apart.
    Folded(FoldId),
    Error(JournalError),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Error(error)
    }
}

/// All that answers are taken from.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub book: &'a Book,
    pub pages: &'a PageCache,
    pub unfolded: &'a Unfolded,
    pub horizon: Horizon,
}

impl<'a> View<'a> {
    /// The rows asked for, in order.
    pub fn answer(&self, asked: &Asked) -> Result<Vec<Place>, Stop> {
        match asked {
            Asked::Read(request) => self.plan(request),
            Asked::Search(request) => {
                let found = self.find(request)?;
                Ok(found.into_iter().collect())
            }
            Asked::Page(id) => {
                let segment = self.book.segments.get(&id.segment);
                match segment.and_then(Segment::good_footer) {
                    Some(_) => self.page(id.segment, id.page).map(|_| Vec::new()),
                    None => Ok(Vec::new()),
                }
            }
            Asked::Unfold(_) => Ok(Vec::new()),
        }
    }

    fn plan(&self, request: &ReadRequest) -> Result<Vec<Place>, Stop> {
        let stream = self.book.streams.get(request.stream);
        let stream = stream.ok_or(JournalError::OutOfRange)?;
        if request.from < stream.first || request.from > stream.end {
            return Err(JournalError::OutOfRange.into());
        }
        let mut places: Vec<Place> = Vec::new();
        let mut left = request.bytes_max.0;
        let mut next = request.from;
        let mut gap = None;
        // The cleaner carries what there is.
        let passes = request.token == CLEANING;
        let start = stream
            .parts
            .partition_point(|part| part.end <= request.from);
        for piece in self.pieces(stream, start) {
            let part = match piece {
                Ok(part) if part.end <= request.from => continue,
                Ok(part) => part,
                Err(_) if !places.is_empty() => return Ok(places),
                Err(stop) => return Err(stop),
            };
            let from = request.from.max(part.first);
            let walked = self.walk(request.stream, part, from, |place| {
                if place.row.end() > request.until || self.horizon.hides(&place) {
                    return false;
                }
                if place.row.first > next && !passes {
                    gap = Some(place);
                    return false;
                }
                let whole = places.is_empty() && request.first_whole;
                if u64::from(place.row.length) > left && !whole {
                    return false;
                }
                left = left.saturating_sub(u64::from(place.row.length));
                next = place.row.end();
                places.push(place);
                true
            });
            match walked {
                Ok(true) => {}
                Ok(false) => return self.up_to_gap(request, places, gap),
                // What is known is enough for an answer; the next read brings the rest.
                Err(_) if !places.is_empty() => return Ok(places),
                Err(stop) => return Err(stop),
            }
        }
        let ends_early = next < request.until.min(stream.end) && !passes;
        if places.is_empty() && ends_early {
            return Err(self.lost(request, stream.end, None));
        }
        Ok(places)
    }

    /// What lies before a gap; none of it: the gap is the answer.
    fn up_to_gap(
        &self,
        request: &ReadRequest,
        places: Vec<Place>,
        gap: Option<Place>,
    ) -> Result<Vec<Place>, Stop> {
        match gap {
            Some(behind) if places.is_empty() => {
                Err(self.lost(request, behind.row.first, Some(behind)))
            }
            Some(_) | None => Ok(places),
        }
    }

    /// No entry holds what was asked for, though entries were given there up to `end`.
    fn lost(&self, request: &ReadRequest, end: Index, behind: Option<Place>) -> Stop {
        let number = behind.map_or(self.horizon.segment, |place| place.segment);
        let segment = self.book.segments.get(&number);
        Stop::Error(JournalError::Lost {
            file: segment.map_or(SUPERBLOCK_FILE, |segment| segment.file),
            at: Position(behind.map_or(0, |place| u64::from(place.at))),
            first: request.from,
            end,
        })
    }

    /// The stream's parts from this one on, folded ones taken apart.
    fn pieces(
        &self,
        stream: &'a Stream,
        start: usize,
    ) -> impl Iterator<Item = Result<&'a Part, Stop>> {
        stream.parts[start..].iter().flat_map(|part| {
            let (pieces, stop) = match self.unfolded(stream.id, part) {
                Ok(pieces) => (pieces, None),
                Err(stop) => (&[][..], Some(Err(stop))),
            };
            pieces.iter().map(Ok).chain(stop)
        })
    }

    fn unfolded(&self, stream: StreamId, part: &'a Part) -> Result<&'a [Part], Stop> {
        if part.is_plain() {
            return Ok(std::slice::from_ref(part));
        }
        let id = FoldId::of(stream, part);
        self.unfolded.get(&id).ok_or(Stop::Folded(id))
    }

    fn find(&self, request: &SearchRequest) -> Result<Option<Place>, Stop> {
        let stream = self.book.streams.get(request.stream);
        let stream = stream.ok_or(JournalError::OutOfRange)?;
        let mut best: Option<Place> = None;
        let known = |best: &Option<Place>| best.map_or(i64::MIN, |place| place.row.time_max);
        for part in &stream.parts {
            let promising = |part: &Part, best: &Option<Place>| match request.time {
                Some(time) => part.time_max >= time,
                None => part.time_max > known(best),
            };
            if part.first >= request.until || !promising(part, &best) {
                continue;
            }
            for piece in self.unfolded(request.stream, part)? {
                if piece.first >= request.until || !promising(piece, &best) {
                    continue;
                }
                let from = stream.first.max(piece.first);
                self.walk(request.stream, piece, from, |place| {
                    if place.row.end() > request.until || self.horizon.hides(&place) {
                        return false;
                    }
                    let better = match request.time {
                        Some(time) => place.row.time_max >= time,
                        None => place.row.time_max > known(&best),
                    };
                    if better {
                        best = Some(place);
                    }
                    !(better && request.time.is_some())
                })?;
                if request.time.is_some() && best.is_some() {
                    return Ok(best);
                }
            }
        }
        Ok(best)
    }
}

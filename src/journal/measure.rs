//! What a read would bring, told from the index alone.

use super::entry::Index;
use super::journal::Journal;
use super::plan::{Asked, Place, View};
use super::requests::ReadRequest;

/// An entry's place in its stream, and its payload's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub first: Index,
    pub end: Index,
    pub length: u32,
}

impl Journal {
    /// The entries that a read would bring, without their payloads. None: their index is not in
    /// memory, or there is an error, which the read will tell.
    pub fn measure(&self, request: ReadRequest) -> Option<Vec<Measured>> {
        let view = View {
            book: &self.book,
            pages: &self.reads.pages,
            unfolded: &self.reads.unfolded,
            horizon: self.horizon(),
        };
        let places = view.answer(&Asked::Read(request)).ok()?;
        let measured = |place: Place| Measured {
            first: place.row.first,
            end: place.row.end(),
            length: place.row.length,
        };
        Some(places.into_iter().map(measured).collect())
    }
}

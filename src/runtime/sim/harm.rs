//! What was done to stored bytes behind the broker's back, so that a judge can tell what it
//! explains.

use std::ops::Range;

use bytes::Bytes;

use super::file::SimFile;
use crate::base::Position;
use crate::runtime::disk::FileId;

/// Bytes that are no longer what was stored.
#[derive(Clone, Debug)]
pub struct Harm {
    pub file: FileId,
    /// Bytes of the file.
    pub range: Range<u64>,
    /// The write that went there instead of where it should have, and where that was: it is missing
    /// there.
    pub strayed: Option<(Position, Bytes)>,
    before: SimFile,
}

impl Harm {
    /// Harm that is about to be done to these bytes of a file.
    pub(super) fn of(known: &SimFile, file: FileId, range: Range<u64>) -> Self {
        Self {
            file,
            range,
            strayed: None,
            before: known.clone(),
        }
    }

    /// What the file held before the harm, as the process saw it.
    pub fn image_before(&self) -> Vec<u8> {
        self.before.image()
    }
}

//! What goes wrong in a journal, and where.

use crate::base::Position;
use crate::runtime::{DiskError, FileId};

use super::entry::Index;

/// One error of the journal. Callers choose by the variant; the fields are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// The device refused. This journal takes no more work.
    Device(DiskError),
    /// An earlier failure of the device ended this journal's work.
    Stopped,
    /// The reserve of free space would be touched. Reads and removals go on; producers wait.
    Full,
    /// More is staged than the bound allows; try again after the next completion.
    Busy,
    /// One entry is larger than a segment can hold.
    TooLarge { length: u64 },
    /// The bytes are whole but are not those we wrote.
    Checksum {
        file: FileId,
        at: Position,
        expected: u32,
        found: u32,
    },
    /// Acknowledged entries from `first` up to `end` are damaged or gone: noticed at this place.
    Lost {
        file: FileId,
        at: Position,
        first: Index,
        end: Index,
    },
    /// The stream does not have this index (any more, or yet).
    OutOfRange,
    /// The directory holds a journal that this version can not read.
    Format { file: FileId, found: u32 },
}

impl From<DiskError> for JournalError {
    fn from(error: DiskError) -> Self {
        Self::Device(error)
    }
}

const _: () = assert!(size_of::<JournalError>() <= 48);

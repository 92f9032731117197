//! What is lost though it had been acknowledged.

use crate::base::Position;
use crate::runtime::FileId;

use super::entry::{Index, Sequence, StreamId};

/// Acknowledged bytes that could not be read, and whose they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it was noticed.
    pub file: FileId,
    pub at: Position,
    pub first: Sequence,
    pub last: Sequence,
    /// Streams that miss entries: the index where they end before the damage, and the index where
    /// they go on. A stream that has no later entry can not be named. Entries that can be named by
    /// their group's table are not among these: reading them fails.
    pub streams: Vec<(StreamId, Index, Index)>,
    /// A whole segment is not there: its file is gone, or holds nothing of it. Some groups behind
    /// the last one that it held may be counted in.
    pub gone: bool,
}

impl Damage {
    /// Tells those who read the log.
    pub(super) fn report(&self) {
        tracing::error!(
            file = self.file.0,
            at = self.at.0,
            first = self.first.0,
            last = self.last.0,
            streams = ?self.streams,
            gone = self.gone,
            "acknowledged groups of the journal can not be read; what follows them is served"
        );
    }
}

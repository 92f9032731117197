//! Stands in for `wire::batch::CheckedBatch` until that room is there.

use bytes::Bytes;

/// A produced batch that passed every check which needs no state.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    pub bytes: Bytes,
}

//! What a producer sends, checked by `wire`.

pub use crate::wire::batch::CheckedBatch;

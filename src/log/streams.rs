//! Maps by numbers that we give out ourselves.

use crate::base::IdMap;
use crate::journal::StreamId;

/// By number.
pub(super) type NumberMap<K, V> = IdMap<K, V>;

/// By stream.
pub(super) type StreamMap<V> = NumberMap<StreamId, V>;

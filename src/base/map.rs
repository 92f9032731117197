//! Maps by ids of our own.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// A map whose keys nobody outside can choose: cheaper than one that must withstand an enemy's, and
/// the same in every run of one seed. The order of its entries means nothing.
pub type IdMap<K, V> = HashMap<K, V, FxBuildHasher>;

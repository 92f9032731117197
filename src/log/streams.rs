//! Maps by numbers that we give out ourselves.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::journal::StreamId;

/// A map that is the same in every run of one seed, and cheaper than one that must withstand keys
/// chosen by an enemy. Looked up only: the order of its entries means nothing.
pub(super) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// By stream.
pub(super) type StreamMap<V> = NumberMap<StreamId, V>;

/// One multiplication (Fibonacci hashing); high bits folded down for tables that use the low ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

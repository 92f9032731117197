//! CRC-32C is linear: what a change does to the sum depends on the change alone.
//!
//! A pre-encoded batch becomes the next one by the same change at every record, so the new
//! checksums of its records and of the batch cost twelve table look-ups, not a pass over 64 KiB.

use super::stamp::{CHECKSUM_BYTES, PATCHED_BYTES};
use crate::base::crc::crc32c;

/// The bytes of a stamp that say which batch this is: stream and number.
pub const IDENTITY_BYTES: usize = PATCHED_BYTES - CHECKSUM_BYTES;

/// What a changed identity does to every record's checksum, and to the batch's.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Change {
    pub record_sum: u32,
    pub batch_sum: u32,
}

/// For every byte of the identity and every value of its difference, what changes.
pub struct LinearSums {
    tables: Box<[[Change; 256]; IDENTITY_BYTES]>,
}

impl LinearSums {
    /// `summed_bytes` are what the batch's sum covers, `stamps` where in them each value begins,
    /// `value_bytes` how long each value is.
    pub fn new(summed_bytes: usize, stamps: &[usize], value_bytes: usize) -> Self {
        let mut batch = vec![0; summed_bytes];
        let batch_zero = crc32c(&batch);
        let mut value = vec![0; value_bytes - CHECKSUM_BYTES];
        let value_zero = crc32c(&value);

        let mut tables = Box::new([[Change::default(); 256]; IDENTITY_BYTES]);
        for (byte, table) in tables.iter_mut().enumerate() {
            for bit in 0..8 {
                value[byte] = 1 << bit;
                let record_sum = crc32c(&value) ^ value_zero;
                value[byte] = 0;
                let mut patch = [0; PATCHED_BYTES];
                patch[..CHECKSUM_BYTES].copy_from_slice(&record_sum.to_be_bytes());
                patch[CHECKSUM_BYTES + byte] = 1 << bit;
                for at in stamps {
                    batch[*at..at + PATCHED_BYTES].copy_from_slice(&patch);
                }
                let batch_sum = crc32c(&batch) ^ batch_zero;
                table[1 << bit] = Change {
                    record_sum,
                    batch_sum,
                };
            }
            for at in stamps {
                batch[*at..at + PATCHED_BYTES].fill(0);
            }
            for value in 1..256_usize {
                let rest = value & (value - 1);
                let lowest = table[value ^ rest];
                table[value] = table[rest].and(lowest);
            }
        }
        Self { tables }
    }

    /// What changes when the identity's bytes change by `difference` (old xor new).
    pub fn change(&self, difference: [u8; IDENTITY_BYTES]) -> Change {
        let pairs = self.tables.iter().zip(difference);
        pairs
            .filter(|(_, byte)| *byte != 0)
            .fold(Change::default(), |sum, (table, byte)| {
                sum.and(table[usize::from(byte)])
            })
    }
}

impl Change {
    fn and(self, other: Self) -> Self {
        Self {
            record_sum: self.record_sum ^ other.record_sum,
            batch_sum: self.batch_sum ^ other.batch_sum,
        }
    }
}

/// The same for one field of four bytes at a fixed place.
pub struct FieldSums {
    tables: Box<[[u32; 256]; 4]>,
}

impl FieldSums {
    /// The field begins at `at` in the `summed_bytes` that the sum covers.
    pub fn new(summed_bytes: usize, at: usize) -> Self {
        let mut batch = vec![0; summed_bytes];
        let zero = crc32c(&batch);
        let mut tables = Box::new([[0; 256]; 4]);
        for (byte, table) in tables.iter_mut().enumerate() {
            for bit in 0..8 {
                batch[at + byte] = 1 << bit;
                table[1 << bit] = crc32c(&batch) ^ zero;
            }
            batch[at + byte] = 0;
            for value in 1..256_usize {
                let rest = value & (value - 1);
                table[value] = table[rest] ^ table[value ^ rest];
            }
        }
        Self { tables }
    }

    /// What changes in the sum when the field changes by `difference` (old xor new).
    pub fn change(&self, difference: [u8; 4]) -> u32 {
        let pairs = self.tables.iter().zip(difference);
        pairs.fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)])
    }
}

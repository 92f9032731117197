//! CRC-32C is linear: what a change does to the sum depends on the change alone.
//!
//! A pre-encoded batch becomes the next one by the same change at every record, so the new
//! checksums of its records and of the batch cost a few table look-ups, not a pass over 64 KiB.
//! Records of one length share their tables; a batch has few lengths.

use super::records::SIZES_MAX;
use super::stamp::{CHECKSUM_BYTES, PATCHED_BYTES};
use crate::base::crc::crc32c;

/// The bytes of a stamp that say which batch this is: stream and number.
pub const IDENTITY_BYTES: usize = PATCHED_BYTES - CHECKSUM_BYTES;

type Table<const BYTES: usize> = Box<[[u32; 256]; BYTES]>;

/// Where a value stands, how long it is, and which length of the batch's that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    pub at: usize,
    pub bytes: usize,
    pub class: usize,
    /// Where its record's key stands, and how long that is.
    pub key: Option<(usize, usize)>,
}

/// What a changed identity does to the records' checksums, by length, and to the batch's.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Change {
    pub record_sums: [u32; SIZES_MAX],
    pub batch_sum: u32,
}

/// For every byte of the identity and every value of its difference, what changes.
pub struct LinearSums {
    batch: Table<IDENTITY_BYTES>,
    records: Vec<Table<IDENTITY_BYTES>>,
}

impl LinearSums {
    /// `summed_bytes` are what the batch's sum covers, and the values' places count from there.
    pub fn new(summed_bytes: usize, values: &[Value]) -> Self {
        let classes = values.iter().map(|it| it.class + 1).max().unwrap_or(0);
        let length_of = |class| {
            values
                .iter()
                .find(|it| it.class == class)
                .map(|it| it.bytes)
        };
        let records: Vec<_> = (0..classes)
            .map(|class| {
                let bytes = length_of(class).unwrap_or(PATCHED_BYTES) - CHECKSUM_BYTES;
                table(vec![0; bytes], |value, byte, bit| value[byte] = bit)
            })
            .collect();
        let batch = table(vec![0; summed_bytes], |batch, byte, bit| {
            for value in values {
                let sum = records[value.class][byte][usize::from(bit)];
                let patched = &mut batch[value.at..value.at + PATCHED_BYTES];
                patched[..CHECKSUM_BYTES].copy_from_slice(&sum.to_be_bytes());
                patched[CHECKSUM_BYTES + byte] = bit;
            }
        });
        Self { batch, records }
    }

    /// What changes when the identity's bytes change by `difference` (old xor new).
    pub fn change(&self, difference: [u8; IDENTITY_BYTES]) -> Change {
        let mut change = Change {
            batch_sum: look_up(&self.batch, difference),
            ..Change::default()
        };
        for (sum, table) in change.record_sums.iter_mut().zip(&self.records) {
            *sum = look_up(table, difference);
        }
        change
    }
}

/// The same for one field of four bytes at a fixed place.
pub struct FieldSums(Table<4>);

impl FieldSums {
    /// The field begins at `at` in the `summed_bytes` that the sum covers.
    pub fn new(summed_bytes: usize, at: usize) -> Self {
        Self(table(vec![0; summed_bytes], |batch, byte, bit| {
            batch[at + byte] = bit;
        }))
    }

    /// What changes in the sum when the field changes by `difference` (old xor new).
    pub fn change(&self, difference: [u8; 4]) -> u32 {
        look_up(&self.0, difference)
    }
}

/// `set` writes a bit into the place, or places, that a byte of the field has in `zeros`; with 0
/// it takes it out again.
fn table<const BYTES: usize>(
    mut zeros: Vec<u8>,
    set: impl Fn(&mut [u8], usize, u8),
) -> Table<BYTES> {
    let zero = crc32c(&zeros);
    let mut tables = Box::new([[0; 256]; BYTES]);
    for (byte, table) in tables.iter_mut().enumerate() {
        for bit in 0..8 {
            set(&mut zeros, byte, 1 << bit);
            table[1 << bit] = crc32c(&zeros) ^ zero;
        }
        set(&mut zeros, byte, 0);
        for value in 1..256_usize {
            let rest = value & (value - 1);
            table[value] = table[rest] ^ table[value ^ rest];
        }
    }
    tables
}

fn look_up<const BYTES: usize>(tables: &Table<BYTES>, difference: [u8; BYTES]) -> u32 {
    let pairs = tables.iter().zip(difference);
    pairs.fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)])
}

//! What every record says about itself, so that the ledger can tell whose it is.
//!
//! The value begins with: CRC-32C of the rest of the value (4 bytes), stream (4), batch number
//! in the stream (8), index in the batch (4), all big-endian; noise follows. A stream is one
//! producer's batches to one partition: `producer * partitions + partition`.

use crate::base::crc::crc32c;

pub const STAMP_BYTES: usize = 20;
/// What changes from batch to batch: checksum, stream and number.
pub const PATCHED_BYTES: usize = 16;
pub const CHECKSUM_BYTES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub stream: u32,
    pub number: u64,
    pub index: u32,
}

impl Stamp {
    /// Writes the stamp over the first bytes of `value`, whose rest must be in place.
    pub fn write(self, value: &mut [u8]) {
        value[4..8].copy_from_slice(&self.stream.to_be_bytes());
        value[8..16].copy_from_slice(&self.number.to_be_bytes());
        value[16..20].copy_from_slice(&self.index.to_be_bytes());
        let sum = crc32c(&value[CHECKSUM_BYTES..]);
        value[..CHECKSUM_BYTES].copy_from_slice(&sum.to_be_bytes());
    }

    /// The stamp, if the value's first 20 bytes are there.
    pub fn read(value: &[u8]) -> Option<Self> {
        Some(Self {
            stream: u32::from_be_bytes(value.get(4..8)?.try_into().ok()?),
            number: u64::from_be_bytes(value.get(8..16)?.try_into().ok()?),
            index: u32::from_be_bytes(value.get(16..20)?.try_into().ok()?),
        })
    }

    /// The stamp, if the value's checksum says that it is as it was written.
    pub fn read_checked(value: &[u8]) -> Option<Self> {
        let stamp = Self::read(value)?;
        let sum = u32::from_be_bytes(value.get(..CHECKSUM_BYTES)?.try_into().ok()?);
        (crc32c(&value[CHECKSUM_BYTES..]) == sum).then_some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written_and_one_flipped_bit_shows() {
        let stamp = Stamp {
            stream: 7,
            number: 1 << 40,
            index: 3,
        };
        let mut value = [0x5a; 100];
        stamp.write(&mut value);

        assert_eq!(Stamp::read_checked(&value), Some(stamp));
        value[99] ^= 1;
        assert_eq!(Stamp::read_checked(&value), None);
    }
}

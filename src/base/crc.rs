//! CRC-32C (Castagnoli), the sum of record batches and of our own groups.
//!
//! 2026-11-22, 2-core reference machine (AVX-512), `benches/crc.rs`, GB/s of the crates crc32c and
//! crc-fast: 64 bytes 5.5 and 3.2, 512 bytes 7.4 and 21, 4 KiB 7.5 and 75, 64 KiB 6.8 and 33, 1 MiB
//! 7.9 and 99 (others used the machine meanwhile). So short pieces go to the one, long ones to the
//! other.

use crc_fast::{CrcAlgorithm, Digest};

/// From this length on crc-fast wins.
const LONG_BYTES: usize = 256;

/// The sum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c_append(0, bytes)
}

/// The sum of what `sum` covers, followed by `bytes`.
pub fn crc32c_append(sum: u32, bytes: &[u8]) -> u32 {
    if bytes.len() < LONG_BYTES {
        return crc32c::crc32c_append(sum, bytes);
    }
    // The state is the sum before its last step, which inverts it.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!sum));
    digest.update(bytes);
    digest.finalize() as u32
}

/// The sum of what `first` covers followed by what `second` covers, which has `second_bytes`
/// bytes. Linear: with `second` 0 it is `first`'s share in the sum of the whole.
pub fn crc32c_combine(first: u32, second: u32, second_bytes: usize) -> u32 {
    crc32c::crc32c_combine(first, second, second_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_check_value_holds() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn a_sum_in_two_steps_equals_the_sum_of_the_whole() {
        assert_eq!(
            crc32c_append(crc32c(b"1234"), b"56789"),
            crc32c(b"123456789")
        );
    }

    #[test]
    fn long_pieces_and_short_ones_are_summed_alike() {
        let mut random = crate::base::random::Random::with_seed(5);
        let mut bytes = vec![0; 70_000];
        random.fill(&mut bytes);
        for length in [0, 1, 255, 256, 257, 1023, 4096, 65_537, 70_000] {
            let piece = &bytes[..length];
            let sum = 0xDEAD_BEEF ^ length as u32;
            assert_eq!(crc32c(piece), crc32c::crc32c(piece), "{length}");
            let expected = crc32c::crc32c_append(sum, piece);
            assert_eq!(crc32c_append(sum, piece), expected, "{length}");
        }
    }
}

//! CRC-32C (Castagnoli), the sum of record batches and of our own groups.

/// The sum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The sum of what `sum` covers, followed by `bytes`.
pub fn crc32c_append(sum: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(sum, bytes)
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
}

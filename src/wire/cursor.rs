//! Reading bytes that nobody vouches for: every read says whether there was enough.

/// Why a read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// Fewer bytes remain than the value needs.
    Truncated,
    /// A varint of more than five bytes (ten for 64 bits), or with bits that do not fit.
    VarintTooLong,
}

/// A place in a byte slice. Cheap to copy; a failed read may leave it anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ReadError> {
        let [byte] = self.array::<1>()?;
        Ok(byte)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, ReadError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ReadError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, ReadError> {
        self.array().map(i64::from_be_bytes)
    }

    /// An unsigned varint of at most 32 bits, as compact lengths and tags use it.
    pub(crate) fn uvarint(&mut self) -> Result<u32, ReadError> {
        let wide = self.varint_bits(5)?;
        u32::try_from(wide).map_err(|_| ReadError::VarintTooLong)
    }

    /// A zigzag varint of 32 bits, as records use it for lengths and offset deltas.
    pub(crate) fn varint(&mut self) -> Result<i32, ReadError> {
        let raw = self.uvarint()?;
        Ok(((raw >> 1) as i32) ^ 0i32.wrapping_sub((raw & 1) as i32))
    }

    /// A zigzag varint of 64 bits, as records use it for timestamp deltas.
    pub(crate) fn varlong(&mut self) -> Result<i64, ReadError> {
        let raw = self.varint_bits(10)?;
        Ok(((raw >> 1) as i64) ^ 0i64.wrapping_sub((raw & 1) as i64))
    }

    fn varint_bits(&mut self, bytes_max: u32) -> Result<u64, ReadError> {
        let mut value = 0u64;
        for index in 0..bytes_max {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let shift = index.saturating_mul(7);
            let placed = bits << shift;
            if placed >> shift != bits {
                return Err(ReadError::VarintTooLong);
            }
            value |= placed;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ReadError::VarintTooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_uvarint(bytes: &[u8], expected: Result<u32, ReadError>) {
        assert_eq!(Cursor::new(bytes).uvarint(), expected, "{bytes:?}");
    }

    #[test]
    fn a_varint_has_at_most_five_bytes_and_32_bits() {
        check_uvarint(&[0x00], Ok(0));
        check_uvarint(&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX));
        check_uvarint(
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
            Err(ReadError::VarintTooLong),
        );
        check_uvarint(
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
            Err(ReadError::VarintTooLong),
        );
        check_uvarint(&[0x80], Err(ReadError::Truncated));
    }

    #[test]
    fn zigzag_varints_reach_both_ends_of_their_range() {
        assert_eq!(Cursor::new(&[0x01]).varint(), Ok(-1));
        assert_eq!(
            Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).varint(),
            Ok(i32::MIN)
        );
        let most = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Cursor::new(&most).varlong(), Ok(i64::MAX));
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Cursor::new(&over).varlong(), Err(ReadError::VarintTooLong));
    }
}

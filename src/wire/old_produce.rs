//! Produce 0 to 2: advertised, and always refused (PROTOCOL trap 1).
//!
//! Old librdkafka wants to see them in the list, and Kafka 4 serves them to nobody. Whoever
//! sends one all the same is told so in the layout of its version, not left with a closed
//! connection.

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::guard::{self, ELEMENTS_MAX, GuardError};
use super::{ApiKey, ErrorCode, WireError, reply};

/// Is this the header of such a request?
pub fn is_refused(key: i16, version: i16) -> bool {
    key == ApiKey::Produce as i16 && (0..=2).contains(&version)
}

/// The answer to a whole frame (without its length prefix) for which `is_refused` holds: every
/// partition gets UNSUPPORTED_VERSION. `None` if the request had acks=0, which is never
/// answered: the caller closes the connection, as Kafka does after an error there.
pub fn refusal(frame: &[u8]) -> Result<Option<Bytes>, WireError> {
    refuse(&mut Cursor::new(frame)).map_err(WireError::Malformed)
}

fn refuse(at: &mut Cursor<'_>) -> Result<Option<Bytes>, GuardError> {
    at.i16()?;
    let version = at.i16()?;
    let correlation_id = at.i32()?;
    guard::nullable_text(at)?;
    let acks = at.i16()?;
    at.i32()?;

    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i32(correlation_id);
    let mut elements_left = ELEMENTS_MAX;
    for _ in 0..array(at, &mut out, &mut elements_left)? {
        let name = guard::nullable_text(at)?.ok_or(GuardError::NullNotAllowed)?;
        out.put_i16(name.len() as i16);
        out.put_slice(name);
        for _ in 0..array(at, &mut out, &mut elements_left)? {
            partition(at, &mut out, version)?;
        }
    }
    if version >= 1 {
        // Throttled for no time.
        out.put_i32(0);
    }
    if at.remaining() != 0 {
        return Err(GuardError::TrailingBytes);
    }
    if acks == 0 {
        return Ok(None);
    }
    Ok(reply::finish(out).ok())
}

fn partition(at: &mut Cursor<'_>, out: &mut BytesMut, version: i16) -> Result<(), GuardError> {
    out.put_i32(at.i32()?);
    let records = at.i32()?;
    if records > 0 {
        at.take(records as usize)?;
    }
    out.put_i16(ErrorCode::UnsupportedVersion.code());
    // No base offset, and from version 2 on no append time.
    out.put_i64(-1);
    if version >= 2 {
        out.put_i64(-1);
    }
    Ok(())
}

/// An array's length, repeated in the reply. Both ways its elements take six bytes or more, so
/// the reply is never much longer than the request.
fn array(at: &mut Cursor<'_>, out: &mut BytesMut, left: &mut u32) -> Result<i32, GuardError> {
    let count = at.i32()?;
    let length = u32::try_from(count).map_err(|_| GuardError::NegativeLength)?;
    if (length as usize).saturating_mul(6) > at.remaining() {
        return Err(GuardError::ArrayTooLong);
    }
    *left = left
        .checked_sub(length)
        .ok_or(GuardError::TooManyElements)?;
    out.put_i32(count);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: u8, acks: u8) -> Vec<u8> {
        let mut frame = vec![
            0, 0, 0, version, 0, 0, 0, 5, 0, 1, b'c', 0, acks, 0, 0, 0, 9,
        ];
        frame.extend(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03\0\0\0\x02xy");
        frame
    }

    #[test]
    fn an_old_produce_is_told_that_its_version_is_not_supported() {
        let reply = refusal(&request(2, 1)).unwrap().unwrap();

        let mut expected = vec![0, 0, 0, 41, 0, 0, 0, 5, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1];
        expected.extend([0, 0, 0, 3, 0, 35]);
        expected.extend([255; 16]);
        expected.extend([0, 0, 0, 0]);
        assert_eq!(&reply[..], expected);
        assert!(is_refused(0, 2) && !is_refused(0, 3) && !is_refused(1, 2));
    }

    #[test]
    fn without_acks_nothing_is_answered() {
        assert_eq!(refusal(&request(0, 0)), Ok(None));
    }

    #[test]
    fn a_cut_or_boasting_old_produce_is_malformed() {
        let whole = request(1, 1);
        for end in 0..whole.len() {
            assert!(refusal(&whole[..end]).is_err(), "{end}");
        }
        let mut boasting = whole.clone();
        boasting[17..21].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(refusal(&boasting).is_err());
    }
}

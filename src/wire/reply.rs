//! From a reply's struct to a frame, length prefix included.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use super::header::ReplyTo;
use super::messages::ApiVersionsResponse;
use super::{ApiKey, ErrorCode, WireError, versions};

/// Encodes a reply: four bytes of length, the header, the body.
///
/// `Unencodable` when a field is set that this version does not have, or when the frame
/// would pass 2 GiB. Fetch replies go through `fetch_reply`, which copies no records.
pub fn encode<M: Encodable>(to: ReplyTo, message: &M) -> Result<Bytes, WireError> {
    let size = message
        .compute_size(to.version)
        .map_err(|_| WireError::Unencodable)?;
    let mut out = BytesMut::with_capacity(size.saturating_add(9));
    out.put_i32(0);
    to.write_header(&mut out);
    message
        .encode(&mut out, to.version)
        .map_err(|_| WireError::Unencodable)?;
    finish(out)
}

/// The answer to an ApiVersions request of a version that we do not know: error 35 in the
/// layout of version 0, with the one range that lets the client ask again (KIP-511).
pub fn unsupported_api_versions(correlation_id: i32) -> Result<Bytes, WireError> {
    let own = versions::APIS
        .iter()
        .filter(|api| api.key == ApiKey::ApiVersions);
    let message = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(own.map(versions::advertisement).collect());
    encode(
        ReplyTo {
            api: ApiKey::ApiVersions,
            version: 0,
            correlation_id,
        },
        &message,
    )
}

/// Fills in the length that was left open at the front.
pub(super) fn finish(mut out: BytesMut) -> Result<Bytes, WireError> {
    let length = out
        .len()
        .checked_sub(4)
        .and_then(|length| i32::try_from(length).ok());
    let length = length.ok_or(WireError::Unencodable)?;
    let prefix = out.first_chunk_mut::<4>().ok_or(WireError::Unencodable)?;
    *prefix = length.to_be_bytes();
    Ok(out.freeze())
}

/// Fills in the length of a frame in pieces, which was left open at the front of the first.
pub(super) fn close_frame(pieces: &mut [Bytes]) -> Result<(), WireError> {
    let all: usize = pieces.iter().map(Bytes::len).sum();
    let length = all.checked_sub(4).and_then(|it| i32::try_from(it).ok());
    let length = length.ok_or(WireError::Unencodable)?;
    let first = pieces.first_mut().ok_or(WireError::Unencodable)?;
    let mut opened = BytesMut::from(std::mem::take(first));
    let prefix = opened
        .first_chunk_mut::<4>()
        .ok_or(WireError::Unencodable)?;
    *prefix = length.to_be_bytes();
    *first = opened.freeze();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_api_versions_request_is_answered_in_version_0() {
        let reply = unsupported_api_versions(7).unwrap();

        let expected = [
            0, 0, 0, 16, // length
            0, 0, 0, 7, // correlation id, and no tagged fields behind it
            0, 35, // UNSUPPORTED_VERSION
            0, 0, 0, 1, 0, 18, 0, 0, 0, 4, // one range: key 18, 0 to 4
        ];
        assert_eq!(&reply[..], expected);
    }

    #[test]
    fn a_flexible_api_versions_reply_keeps_the_plain_header() {
        let to = ReplyTo {
            api: ApiKey::ApiVersions,
            version: 3,
            correlation_id: 1,
        };

        let reply = encode(to, &ApiVersionsResponse::default()).unwrap();

        // Error 0, no keys (compact), throttle 0, no tagged fields.
        assert_eq!(&reply[4..], [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]);
    }
}

//! The first bytes of every frame: who asks what, in which version.

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::guard::{self, GuardError};
use super::versions::{self, Api};
use super::{ApiKey, StrBytes, WireError};

/// A request's header, and the frame behind it.
#[derive(Clone, Debug)]
pub struct RequestHeader {
    pub api: ApiKey,
    pub version: i16,
    /// Chosen by the client; its reply carries it back.
    pub correlation_id: i32,
    /// What the client calls itself, at most 32,767 bytes; a slice of the frame, so copy it
    /// before keeping it beyond the request: it would hold the receive buffer.
    pub client_id: Option<StrBytes>,
}

/// All that a reply needs to know of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    pub api: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
}

impl RequestHeader {
    /// Reads the header of a frame (without its length prefix) and leaves `frame` at the body.
    ///
    /// An API or version that this room does not decode is a typed error; whether an API is
    /// switched on is for the caller's `ApiSet`.
    pub fn parse(frame: &mut Bytes) -> Result<RequestHeader, WireError> {
        let mut at = Cursor::new(frame);
        let short = |_| WireError::HeaderTooShort;
        let key = at.i16().map_err(short)?;
        let version = at.i16().map_err(short)?;
        let correlation_id = at.i32().map_err(short)?;
        let api = versions::find(key).ok_or(WireError::UnknownApi { key })?;
        if !api.accepted.contains(version) {
            return Err(WireError::UnsupportedVersion {
                key,
                version,
                correlation_id,
            });
        }

        let client_id_bytes = guard::nullable_text(&mut at).map_err(WireError::HeaderMalformed)?;
        if api.is_flexible(version) {
            guard::skip_tags(&mut at).map_err(WireError::HeaderMalformed)?;
        }
        let client_id = client_id_bytes
            .map(|text| StrBytes::from_utf8(frame.slice_ref(text)))
            .transpose()
            .map_err(|_| WireError::HeaderMalformed(GuardError::InvalidUtf8))?;
        let body_start = frame.len().saturating_sub(at.remaining());
        bytes::Buf::advance(frame, body_start);
        Ok(RequestHeader {
            api: api.key,
            version,
            correlation_id,
            client_id,
        })
    }

    pub fn reply_to(&self) -> ReplyTo {
        ReplyTo {
            api: self.api,
            version: self.version,
            correlation_id: self.correlation_id,
        }
    }
}

impl ReplyTo {
    /// Whether the reply's body uses compact lengths and tagged fields.
    pub fn is_flexible(self) -> bool {
        versions::find(self.api as i16).is_some_and(|api| api.is_flexible(self.version))
    }

    /// Writes the reply's header. ApiVersions replies never use the flexible one, since their
    /// reader does not know yet what the broker speaks (KIP-511).
    pub fn write_header(self, out: &mut BytesMut) {
        out.put_i32(self.correlation_id);
        if self.has_tagged_header() {
            out.put_u8(0);
        }
    }

    pub(super) fn has_tagged_header(self) -> bool {
        self.api != ApiKey::ApiVersions && self.is_flexible()
    }
}

/// Writes a request's header, as a client does.
pub(super) fn write_request_header(out: &mut BytesMut, api: &Api, to: ReplyTo, client_id: &str) {
    out.put_i16(to.api as i16);
    out.put_i16(to.version);
    out.put_i32(to.correlation_id);
    // A client id is far below 32 KiB; a longer one is left out rather than sent wrongly.
    let length = i16::try_from(client_id.len()).unwrap_or(0);
    out.put_i16(length);
    out.put_slice(
        client_id
            .as_bytes()
            .get(..length as usize)
            .unwrap_or_default(),
    );
    if api.is_flexible(to.version) {
        out.put_u8(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    #[test]
    fn a_plain_header_ends_behind_the_client_id() {
        let mut frame = frame_of(b"\x00\x03\x00\x01\x00\x00\x00\x07\x00\x02meBODY");

        let header = RequestHeader::parse(&mut frame).unwrap();

        assert_eq!((header.api, header.version), (ApiKey::Metadata, 1));
        assert_eq!(header.correlation_id, 7);
        assert_eq!(header.client_id.as_deref(), Some("me"));
        assert_eq!(&frame[..], b"BODY");
    }

    #[test]
    fn a_flexible_header_ends_behind_its_tagged_fields() {
        let mut frame = frame_of(b"\x00\x03\x00\x09\x00\x00\x00\x07\xff\xff\x01\x05\x02xyBODY");

        let header = RequestHeader::parse(&mut frame).unwrap();

        assert_eq!(header.client_id, None);
        assert_eq!(&frame[..], b"BODY");
    }

    #[test]
    fn an_unknown_version_still_tells_its_correlation_id() {
        let mut frame = frame_of(b"\x00\x12\x00\x63\x00\x00\x00\x07\x00\x00");

        let error = RequestHeader::parse(&mut frame).unwrap_err();

        let expected = WireError::UnsupportedVersion {
            key: 18,
            version: 99,
            correlation_id: 7,
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn bytes_of_other_protocols_are_no_request() {
        for text in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            b"",
        ] {
            assert!(
                RequestHeader::parse(&mut frame_of(text)).is_err(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_client_id_of_broken_utf8_or_beyond_the_frame_is_refused() {
        for tail in [&b"\x00\x02\xff\xfe"[..], b"\x7f\xffme", b"\xff\xfe"] {
            let mut bytes = b"\x00\x03\x00\x01\x00\x00\x00\x07".to_vec();
            bytes.extend_from_slice(tail);

            let error = RequestHeader::parse(&mut frame_of(&bytes)).unwrap_err();

            assert!(matches!(error, WireError::HeaderMalformed(_)), "{error:?}");
        }
    }
}

//! The client's side: requests to frames, replies back. For `load`, `cli` and the tests.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Decodable;
pub use kafka_protocol::protocol::Request as Message;

use super::header::{ReplyTo, write_request_header};
use super::{ApiKey, WireError, reply, versions};

/// Encodes a request: four bytes of length, the header, the body.
///
/// `Unencodable` when a field is set that this version does not have, or the version is not
/// one that this room knows.
pub fn encode<R: Message>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Bytes, WireError> {
    let api = versions::find(R::KEY).ok_or(WireError::UnknownApi { key: R::KEY })?;
    let size = request
        .compute_size(version)
        .map_err(|_| WireError::Unencodable)?;
    let mut out = BytesMut::with_capacity(size.saturating_add(client_id.len()).saturating_add(20));
    out.put_i32(0);
    let to = ReplyTo {
        api: api.key,
        version,
        correlation_id,
    };
    write_request_header(&mut out, api, to, client_id);
    request
        .encode(&mut out, version)
        .map_err(|_| WireError::Unencodable)?;
    reply::finish(out)
}

/// The correlation id that a reply's frame (without its length prefix) begins with.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame
        .first_chunk::<4>()
        .map(|bytes| i32::from_be_bytes(*bytes))
}

/// Decodes the reply to a request of type `R` from its frame (without its length prefix).
///
/// The peer is a broker that the caller chose, so no guard walks it: not for the broker's use.
pub fn decode<R: Message>(version: i16, mut frame: Bytes) -> Result<(i32, R::Response), WireError> {
    let id = correlation_id(&frame).ok_or(WireError::HeaderTooShort)?;
    frame.advance(4);
    let key = ApiKey::try_from(R::KEY).map_err(|_| WireError::UnknownApi { key: R::KEY })?;
    let to = ReplyTo {
        api: key,
        version,
        correlation_id: id,
    };
    if to.has_tagged_header() {
        let mut at = super::cursor::Cursor::new(&frame);
        super::guard::skip_tags(&mut at).map_err(WireError::HeaderMalformed)?;
        frame.advance(frame.len().saturating_sub(at.remaining()));
    }
    let message = R::Response::decode(&mut frame, version).map_err(|_| WireError::Undecodable)?;
    Ok((id, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::{MetadataRequest, MetadataResponse};
    use crate::wire::{Request, RequestHeader, request};

    #[test]
    fn what_a_client_sends_the_broker_reads_and_the_other_way_round() {
        for version in 0..=13 {
            let frame = encode(&MetadataRequest::default(), version, 9, "me").unwrap();
            let mut frame = frame.slice(4..);
            let header = RequestHeader::parse(&mut frame).unwrap();
            let request = request::decode(&header, frame).unwrap();
            assert!(matches!(request, Request::Metadata(_)));

            let answer = MetadataResponse::default().with_controller_id(3.into());
            let answer = reply::encode(header.reply_to(), &answer).unwrap();
            let (id, back) = decode::<MetadataRequest>(version, answer.slice(4..)).unwrap();

            // Version 0 had no controller yet.
            let controller = if version == 0 { -1 } else { 3 };
            assert_eq!((id, back.controller_id.0), (9, controller));
        }
    }
}

//! CreateTopics 0 and 1, DeleteTopics 0 and DescribeConfigs 0: what old administration tools send
//! (PROTOCOL trap 16). Kafka 4 closes the connection on them; here they are served, but not
//! advertised, so that nobody else sees another range than Kafka's.
//!
//! Such a request is carried over to the oldest version that is decoded, and its reply back.

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::guard::{self, GuardError};
use super::{ApiKey, WireError, reply, versions};

const CREATE_TOPICS: i16 = ApiKey::CreateTopics as i16;
const DELETE_TOPICS: i16 = ApiKey::DeleteTopics as i16;
const DESCRIBE_CONFIGS: i16 = ApiKey::DescribeConfigs as i16;
/// `config_source`: set by nobody.
const DEFAULT_SOURCE: u8 = 5;

/// Is this the header of such a request?
pub fn is_served(key: i16, version: i16) -> bool {
    matches!(
        (key, version),
        (CREATE_TOPICS, 0 | 1) | (DELETE_TOPICS | DESCRIBE_CONFIGS, 0)
    )
}

/// A whole frame (without its length prefix) for which `is_served` holds, as the oldest version
/// that is decoded says it.
pub fn newer(frame: &[u8]) -> Result<Bytes, WireError> {
    let mut at = Cursor::new(frame);
    let short = |_| WireError::HeaderTooShort;
    let key = at.i16().map_err(short)?;
    let version = at.i16().map_err(short)?;
    let api = versions::find(key).ok_or(WireError::UnknownApi { key })?;
    let mut out = BytesMut::with_capacity(frame.len().saturating_add(1));
    out.put_i16(key);
    out.put_i16(api.accepted.min);
    out.put_slice(at.take(at.remaining()).map_err(short)?);
    // Neither validate-only (CreateTopics 1) nor synonyms (DescribeConfigs 1) could be asked for.
    if version == 0 && key != DELETE_TOPICS {
        out.put_u8(0);
    }
    Ok(out.freeze())
}

/// The reply to what `newer` made, as a client of `version` reads it.
pub fn older(key: ApiKey, version: i16, frame: &[u8]) -> Result<Bytes, WireError> {
    let rewritten = rewrite(key, version, frame).map_err(|_| WireError::Unencodable)?;
    reply::finish(rewritten)
}

fn rewrite(key: ApiKey, version: i16, frame: &[u8]) -> Result<BytesMut, GuardError> {
    let mut at = Cursor::new(frame);
    let mut out = BytesMut::with_capacity(frame.len());
    // The length, which is written anew, and the correlation id.
    out.put_slice(at.take(8)?);
    let throttle_time = at.i32()?;
    match key as i16 {
        DESCRIBE_CONFIGS => {
            out.put_i32(throttle_time);
            for _ in 0..count(&mut at, &mut out)? {
                described(&mut at, &mut out)?;
            }
        }
        CREATE_TOPICS if version == 0 => {
            for _ in 0..count(&mut at, &mut out)? {
                text(&mut at, &mut out)?;
                out.put_i16(at.i16()?);
                guard::nullable_text(&mut at)?;
            }
        }
        // Only the throttle time came.
        _ => {}
    }
    out.put_slice(at.take(at.remaining())?);
    Ok(out)
}

/// One resource of DescribeConfigs 1 as version 0 has it: whether a value is the default instead
/// of where it comes from, and no synonyms.
fn described(at: &mut Cursor<'_>, out: &mut BytesMut) -> Result<(), GuardError> {
    out.put_i16(at.i16()?);
    text(at, out)?;
    out.put_u8(at.u8()?);
    text(at, out)?;
    for _ in 0..count(at, out)? {
        text(at, out)?;
        text(at, out)?;
        let (read_only, source, sensitive) = (at.u8()?, at.u8()?, at.u8()?);
        out.put_slice(&[read_only, u8::from(source == DEFAULT_SOURCE), sensitive]);
        for _ in 0..at.i32()? {
            guard::nullable_text(at)?;
            guard::nullable_text(at)?;
            at.u8()?;
        }
    }
    Ok(())
}

fn count(at: &mut Cursor<'_>, out: &mut BytesMut) -> Result<i32, GuardError> {
    let count = at.i32()?;
    out.put_i32(count);
    Ok(count)
}

fn text(at: &mut Cursor<'_>, out: &mut BytesMut) -> Result<(), GuardError> {
    match guard::nullable_text(at)? {
        // It was read with a length of two bytes.
        Some(text) => {
            out.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
            out.put_slice(text);
        }
        None => out.put_i16(-1),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_are_served_and_none_of_them_is_decoded_as_it_is() {
        let all = (0..128).flat_map(|key| (-1..4).map(move |version| (key, version)));
        let served: Vec<_> = all.filter(|(key, at)| is_served(*key, *at)).collect();

        assert_eq!(served, [(19, 0), (19, 1), (20, 0), (32, 0)]);
        for (key, version) in served {
            let api = versions::find(key).expect("it is decoded");
            assert!(!api.accepted.contains(version) && !api.advertised.contains(version));
            assert!(
                !api.is_flexible(api.accepted.min),
                "layouts of before KIP-482"
            );
        }
    }

    #[test]
    fn a_request_gets_the_oldest_version_that_is_decoded_and_what_it_could_not_ask() {
        let carried = |key: u8, version: u8| {
            let frame = newer(&[0, key, 0, version, 0, 0, 0, 9, 0xff]).expect("a header");
            frame.to_vec()
        };

        assert_eq!(carried(19, 0), [0, 19, 0, 2, 0, 0, 0, 9, 0xff, 0]);
        assert_eq!(carried(19, 1), [0, 19, 0, 2, 0, 0, 0, 9, 0xff]);
        assert_eq!(carried(20, 0), [0, 20, 0, 1, 0, 0, 0, 9, 0xff]);
        assert_eq!(carried(32, 0), [0, 32, 0, 1, 0, 0, 0, 9, 0xff, 0]);
        assert!(newer(&[0, 19, 0]).is_err());
    }

    #[test]
    fn a_reply_loses_what_the_old_version_does_not_have() {
        let reply = |body: &[u8]| [&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0], body].concat();
        let created = reply(b"\0\0\0\x01\0\x01t\0\x24\0\x02no");
        let body = |key, version, frame: &[u8]| older(key, version, frame).unwrap()[8..].to_vec();

        let oldest = body(ApiKey::CreateTopics, 0, &created);
        let old = body(ApiKey::CreateTopics, 1, &created);
        let deleted = body(ApiKey::DeleteTopics, 0, &reply(b"\0\0\0\x01\0\x01t\0\0"));

        assert_eq!(oldest, b"\0\0\0\x01\0\x01t\0\x24");
        assert_eq!(old, b"\0\0\0\x01\0\x01t\0\x24\0\x02no");
        assert_eq!(deleted, b"\0\0\0\x01\0\x01t\0\0");
    }

    #[test]
    fn described_values_say_whether_they_are_the_default() {
        let mut reply = vec![0; 12];
        reply.extend(b"\0\0\0\x01\0\0\xff\xff\x02\0\x01t\0\0\0\x02");
        reply.extend(b"\0\x01a\0\x011\0\x05\0\0\0\0\x01\0\x01b\0\x011\x05");
        reply.extend(b"\0\x01c\xff\xff\x01\x01\0\0\0\0\0");

        let old = older(ApiKey::DescribeConfigs, 0, &reply).expect("a reply");

        let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 0];
        expected.extend(b"\0\0\0\x01\0\0\xff\xff\x02\0\x01t\0\0\0\x02");
        expected.extend(b"\0\x01a\0\x011\0\x01\0\0\x01c\xff\xff\x01\0\0");
        assert_eq!(old[4..], expected);
        assert_eq!(old[..4], (old.len() as u32 - 4).to_be_bytes());
        for end in 0..reply.len() {
            assert!(
                older(ApiKey::DescribeConfigs, 0, &reply[..end]).is_err(),
                "{end}"
            );
        }
    }
}

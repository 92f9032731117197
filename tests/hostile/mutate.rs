//! Making requests and spoiling them, and foretelling what a broker must do with the result.

use bytes::Bytes;
use thalweg::base::random::Random;
use thalweg::wire::batch::{BatchBuilder, Codec};
use thalweg::wire::client::encode;
use thalweg::wire::messages::*;
use thalweg::wire::versions::{APIS, Api};
use thalweg::wire::{
    ApiKey, ApiSet, Request, RequestHeader, StrBytes, WireError, guard, old_admin, request,
};

use super::batches::mend;
use super::framed;
use super::support::client::{fetch_request, now, produce_request};

pub const TOPIC: &str = "target";
pub const PARTITIONS: i32 = 3;

/// A fetch that may wait longer is not waited for.
const FETCH_WAIT_MS: i32 = 20;
/// Numbers at which code tends to break.
const EDGES: [i32; 8] = [-1, 0, 1, i32::MAX, i32::MIN, 127, 1 << 20, 0x7FFF];

/// What must follow a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reply with this correlation id, and the connection stays.
    Reply(i32),
    /// The connection ends, after the replies to what came before.
    Closed,
    /// Anything, but in the end the connection is closed.
    Whatever,
}

/// Every API that is served, in every version that is decoded.
pub fn rows() -> Vec<(&'static Api, i16)> {
    let served = APIS.iter().filter(|api| ApiSet::ENGINE.contains(api.key));
    let rows = served.flat_map(|api| {
        let versions = api.accepted.min..=api.accepted.max;
        versions.map(move |version| (api, version))
    });
    rows.collect()
}

/// A frame for this row: whole, or spoiled in one way or another.
pub fn make(api: &Api, version: i16, id: i32, random: &mut Random) -> Vec<u8> {
    let real = random
        .one_in(3)
        .then(|| real_request(api.key, version, id, random));
    let mut inner = match real.flatten() {
        Some(frame) => frame[4..].to_vec(),
        None => {
            let mut body = guard::sample(api, version, random);
            shorten_wait(api, version, &mut body, random);
            let client = ["", "fuzz", "käse"][random.below(3) as usize];
            let mut inner = header(api, version, id, client);
            inner.extend(body);
            inner
        }
    };
    if !random.one_in(4) {
        // The header stays whole most of the time, so that the body is what is judged.
        let from = if random.one_in(12) {
            0
        } else {
            body_start(&inner)
        };
        for _ in 0..=random.below(3) {
            spoil(&mut inner, from, random);
        }
    }
    let mut frame = framed(&inner);
    if random.one_in(60) {
        let at = random.below(4) as usize;
        frame[at] ^= 1 << random.below(8);
    }
    frame
}

fn header(api: &Api, version: i16, id: i32, client: &str) -> Vec<u8> {
    let mut bytes = (api.key as i16).to_be_bytes().to_vec();
    bytes.extend(version.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend((client.len() as i16).to_be_bytes());
    bytes.extend(client.as_bytes());
    if api.is_flexible(version) {
        bytes.push(0);
    }
    bytes
}

fn body_start(inner: &[u8]) -> usize {
    let mut rest = Bytes::copy_from_slice(inner);
    match RequestHeader::parse(&mut rest) {
        Ok(_) => inner.len() - rest.len(),
        Err(_) => inner.len().min(8),
    }
}

/// A sampled Fetch waits for nothing; `replica_id` stands before the wait until version 15.
fn shorten_wait(api: &Api, version: i16, body: &mut [u8], random: &mut Random) {
    if api.key != ApiKey::Fetch {
        return;
    }
    let at = if version < 15 { 4 } else { 0 };
    if let Some(place) = body.get_mut(at..at + 4) {
        place.copy_from_slice(&(random.below(4) as i32).to_be_bytes());
    }
}

/// A request that means something to this broker: about a topic that is there.
fn real_request(key: ApiKey, version: i16, id: i32, random: &mut Random) -> Option<Bytes> {
    let partition = random.below(PARTITIONS as u64) as i32;
    let encoded = match key {
        ApiKey::Produce if version < 13 => {
            let request = produce_request(TOPIC, partition, Some(spoiled_batch(random)));
            encode(&request, version, id, "fuzz")
        }
        ApiKey::Fetch if version < 13 => {
            let offset = random.below(50) as i64 - 2;
            let request = fetch_request(TOPIC, partition, offset).with_max_wait_ms(1);
            encode(&request, version, id, "fuzz")
        }
        ApiKey::Metadata if version >= 1 => encode(
            &MetadataRequest::default().with_topics(None),
            version,
            id,
            "fuzz",
        ),
        ApiKey::InitProducerId => {
            let request = InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_transaction_timeout_ms(1_000);
            encode(&request, version, id, "fuzz")
        }
        ApiKey::FindCoordinator if version < 4 => {
            let group = StrBytes::from_static_str("group");
            let request = FindCoordinatorRequest::default().with_key(group);
            encode(&request, version, id, "fuzz")
        }
        _ => return None,
    };
    encoded.ok()
}

/// A batch that may lie, its checksum true in most cases.
fn spoiled_batch(random: &mut Random) -> Bytes {
    let codecs = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];
    let mut builder = BatchBuilder::new().codec(codecs[random.below(5) as usize]);
    if random.one_in(3) {
        let (id, sequence) = (random.below(4) as i64, random.below(3) as i32);
        builder = builder.producer(id, 0, sequence);
    }
    for _ in 0..=random.below(4) {
        builder = builder.value(now(), &vec![7; random.below(200) as usize]);
    }
    let mut bytes = builder.build().to_vec();
    if random.one_in(2) {
        // The fields of the header, or the records.
        let from = [0, 12, 21, 61][random.below(4) as usize];
        spoil(&mut bytes, from, random);
        if !random.one_in(4) {
            mend(&mut bytes);
        }
    }
    Bytes::from(bytes)
}

/// One change somewhere from `from` on.
fn spoil(bytes: &mut Vec<u8>, from: usize, random: &mut Random) {
    let room = bytes.len().saturating_sub(from) as u64;
    if room == 0 {
        return bytes.push(random.next_u64() as u8);
    }
    let at = from + random.below(room) as usize;
    let rest = bytes.len() - at;
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = [0, 0xFF, 0x7F, 0x80][random.below(4) as usize],
        2 => bytes.truncate(at),
        3 => {
            let count = 1 + random.below(8).min(rest as u64 - 1) as usize;
            bytes.drain(at..at + count);
        }
        4 => {
            let mut noise = vec![0; 1 + random.below(12) as usize];
            random.fill(&mut noise);
            bytes.splice(at..at, noise);
        }
        5 => {
            let copy = bytes[at..at + rest.min(24)].to_vec();
            bytes.splice(at..at, copy);
        }
        6 => {
            let edge = EDGES[random.below(EDGES.len() as u64) as usize].to_be_bytes();
            let count = rest.min(4);
            bytes[at..at + count].copy_from_slice(&edge[..count]);
        }
        _ => {
            let long = vec![0x80; 5 + random.below(2) as usize];
            bytes.splice(at..at + 1, long);
        }
    }
}

/// What must come of it, by the broker's own reading of the frame.
pub fn foretell(frame: &[u8]) -> (Outcome, Option<(ApiKey, i16)>) {
    let claimed = i32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
    if claimed as usize != frame.len() - 4 {
        return (Outcome::Whatever, None);
    }
    let mut body = Bytes::copy_from_slice(&frame[4..]);
    let header = match RequestHeader::parse(&mut body) {
        Ok(header) => header,
        Err(WireError::UnsupportedVersion {
            key: 18,
            correlation_id,
            ..
        }) => return (Outcome::Reply(correlation_id), None),
        // Refused in its own layout, if it has one.
        Err(WireError::UnsupportedVersion { key: 0, .. }) => return (Outcome::Whatever, None),
        // Carried over to a version that is decoded, with whatever stands behind the header.
        Err(WireError::UnsupportedVersion { key, version, .. })
            if old_admin::is_served(key, version) =>
        {
            return (Outcome::Whatever, None);
        }
        Err(_) => return (Outcome::Closed, None),
    };
    if !ApiSet::ENGINE.contains(header.api) {
        return (Outcome::Closed, None);
    }
    let row = Some((header.api, header.version));
    let outcome = match request::decode(&header, body) {
        Err(_) => Outcome::Closed,
        // No reply, and a closed connection if something was wrong.
        Ok(Request::Produce(produce)) if produce.acks == 0 => Outcome::Whatever,
        Ok(Request::Fetch(fetch)) if fetch.max_wait_ms > FETCH_WAIT_MS => Outcome::Whatever,
        Ok(_) => Outcome::Reply(header.correlation_id),
    };
    (outcome, row)
}

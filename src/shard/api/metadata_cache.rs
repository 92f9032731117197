//! Encoded replies to "all topics", the dearest question there is, kept until something changes.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::ReplyTo;

use super::super::address::Endpoint;
use super::metadata::Operations;

/// Kept replies; beyond it all are forgotten (each API version and advertised address has one).
const KEPT_MAX: usize = 32;
/// A frame's length and correlation id, in front of what is the same for every client.
const OWN_BYTES: usize = 8;

/// What a reply depends on, beside what the client asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// The metadata's version.
    pub version: u64,
    /// How many shards have no leader to offer.
    pub failed: usize,
}

/// For whom a reply was encoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    version: i16,
    host: String,
    port: u16,
    sees_shards: bool,
    told: Operations,
}

impl Key {
    pub fn new(to: ReplyTo, endpoint: &Endpoint, sees_shards: bool, told: Operations) -> Self {
        Self {
            version: to.version,
            host: endpoint.host.to_string(),
            port: endpoint.port,
            sees_shards,
            told,
        }
    }
}

/// The replies that hold for one basis.
#[derive(Debug, Default)]
pub struct MetadataCache {
    basis: Basis,
    frames: BTreeMap<Key, Vec<Bytes>>,
}

impl MetadataCache {
    /// The reply for this client, if one like it was encoded before.
    pub fn find(&self, basis: Basis, to: ReplyTo, key: &Key) -> Option<Vec<Bytes>> {
        if self.basis != basis {
            return None;
        }
        own_front(self.frames.get(key)?, to)
    }

    /// Keeps a whole frame, which may be in pieces.
    pub fn keep(&mut self, basis: Basis, key: Key, frame: Vec<Bytes>) {
        if self.basis != basis || self.frames.len() >= KEPT_MAX {
            self.basis = basis;
            self.frames.clear();
        }
        self.frames.insert(key, frame);
    }
}

/// The frame for another request of the same kind: all but its front is shared.
pub fn own_front(frame: &[Bytes], to: ReplyTo) -> Option<Vec<Bytes>> {
    let (first, rest) = frame.split_first()?;
    let mut own = BytesMut::with_capacity(OWN_BYTES);
    own.put_slice(first.get(..4)?);
    own.put_i32(to.correlation_id);
    let mut pieces = vec![own.freeze(), first.slice(OWN_BYTES..)];
    pieces.extend_from_slice(rest);
    Some(pieces)
}

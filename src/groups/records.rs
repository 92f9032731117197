//! The records of `__consumer_offsets`, in Kafka's own format: its tools read them, and ours what
//! Kafka wrote.
//!
//! Keys begin with a number that says what they are: 0 and 1 a committed offset, 2 a group. Values
//! are written in version 3, or 1 where an offset has an expiry of its own; all versions are read
//! (from 4 on they are flexible). Source: Kafka's `OffsetCommitKey`, `OffsetCommitValue`,
//! `GroupMetadataKey`, `GroupMetadataValue`.

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::ask::{GroupId, MemberId, Place};
use crate::base::WallMs;

/// One record as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub key: Bytes,
    /// None: a tombstone.
    pub value: Option<Bytes>,
}

/// What one record changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group's record, encoded; None: the group is gone.
    Group {
        group: GroupId,
        value: Option<Bytes>,
    },
    /// None: the offset is gone.
    Offset {
        group: GroupId,
        place: Place,
        value: Option<Committed>,
    },
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    /// -1 if the client did not know it.
    pub leader_epoch: i32,
    /// None: empty.
    pub metadata: Option<Arc<str>>,
    pub at: WallMs,
    /// Set by clients of before Kafka 2.1 (`retention_time_ms`).
    pub expires: Option<WallMs>,
}

/// A group, as its record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRecord {
    pub protocol_type: Option<Arc<str>>,
    pub generation: i32,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<MemberId>,
    pub since: Option<WallMs>,
    pub members: Vec<MemberRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    pub member: MemberId,
    pub instance: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl Change {
    /// Whose it is.
    pub fn group(&self) -> &GroupId {
        match self {
            Self::Group { group, .. } | Self::Offset { group, .. } => group,
        }
    }

    pub fn encode(&self) -> Record {
        match self {
            Self::Group { group, value } => {
                let mut key = Vec::with_capacity(4 + group.len());
                key.put_i16(2);
                put_text(&mut key, group);
                Record {
                    key: key.into(),
                    value: value.clone(),
                }
            }
            Self::Offset {
                group,
                place,
                value,
            } => {
                let mut key = Vec::with_capacity(10 + group.len() + place.0.len());
                key.put_i16(1);
                put_text(&mut key, group);
                put_text(&mut key, &place.0);
                key.put_i32(place.1);
                Record {
                    key: key.into(),
                    value: value.as_ref().map(Committed::encode),
                }
            }
        }
    }

    /// None: a record of another kind, or one that can not be read.
    pub fn decode(key: &[u8], value: Option<Bytes>) -> Option<Self> {
        let mut at = Reader::new(key);
        match at.i16()? {
            0 | 1 => {
                let group = at.text()??.into();
                let topic: Arc<str> = at.text()??.into();
                let place = (topic, at.i32()?);
                let value = match value {
                    Some(value) => Some(Committed::decode(&value)?),
                    None => None,
                };
                Some(Self::Offset {
                    group,
                    place,
                    value,
                })
            }
            2 => {
                let group = at.text()??.into();
                Some(Self::Group { group, value })
            }
            _ => None,
        }
    }
}

impl Committed {
    fn encode(&self) -> Bytes {
        let metadata = self.metadata.as_deref().unwrap_or("");
        let mut out = Vec::with_capacity(32 + metadata.len());
        out.put_i16(if self.expires.is_some() { 1 } else { 3 });
        out.put_i64(self.offset);
        if self.expires.is_none() {
            out.put_i32(self.leader_epoch);
        }
        put_text(&mut out, metadata);
        out.put_i64(self.at.0);
        if let Some(expires) = self.expires {
            out.put_i64(expires.0);
        }
        out.into()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut at = Reader::new(value);
        let version = at.i16()?;
        at.flexible = version >= 4;
        let offset = at.i64()?;
        let leader_epoch = if version >= 3 { at.i32()? } else { -1 };
        let metadata = at.text()??;
        let metadata = (!metadata.is_empty()).then(|| metadata.into());
        let committed = WallMs(at.i64()?);
        let expires = if version == 1 { at.i64()? } else { -1 };
        Some(Self {
            offset,
            leader_epoch,
            metadata,
            at: committed,
            expires: (expires >= 0).then_some(WallMs(expires)),
        })
    }
}

impl GroupRecord {
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.put_i16(3);
        put_text(&mut out, self.protocol_type.as_deref().unwrap_or(""));
        out.put_i32(self.generation);
        put_nullable(&mut out, self.protocol.as_deref());
        put_nullable(&mut out, self.leader.as_deref());
        out.put_i64(self.since.map_or(-1, |since| since.0));
        out.put_i32(self.members.len() as i32);
        for member in &self.members {
            put_text(&mut out, &member.member);
            put_nullable(&mut out, member.instance.as_deref());
            put_text(&mut out, &member.client_id);
            put_text(&mut out, &member.client_host);
            out.put_i32(member.rebalance_timeout_ms);
            out.put_i32(member.session_timeout_ms);
            put_bytes(&mut out, &member.subscription);
            put_bytes(&mut out, &member.assignment);
        }
        out.into()
    }

    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut at = Reader::new(value);
        let version = at.i16()?;
        at.flexible = version >= 4;
        let protocol_type = at.text()??;
        let generation = at.i32()?;
        let protocol = at.text()?.map(Arc::from);
        let leader = at.text()?.map(Arc::from);
        let since = if version >= 2 { at.i64()? } else { -1 };
        let count = at.count()?;
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(read_member(&mut at, version)?);
        }
        Some(Self {
            protocol_type: (!protocol_type.is_empty()).then(|| protocol_type.into()),
            generation,
            protocol,
            leader,
            since: (since >= 0).then_some(WallMs(since)),
            members,
        })
    }
}

fn read_member(at: &mut Reader<'_>, version: i16) -> Option<MemberRecord> {
    let member = at.text()??.into();
    let instance = if version >= 3 { at.text()? } else { None };
    let client_id = at.text()??.into();
    let client_host = at.text()??.into();
    let rebalance = if version >= 1 { Some(at.i32()?) } else { None };
    let session_timeout_ms = at.i32()?;
    let record = MemberRecord {
        member,
        instance: instance.map(Arc::from),
        client_id,
        client_host,
        rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: at.bytes()?,
        assignment: at.bytes()?,
    };
    at.skip_tags()?;
    Some(record)
}

/// Texts come from requests whose texts are at most as long as an i16 can say.
fn put_text(out: &mut Vec<u8>, text: &str) {
    debug_assert!(text.len() <= i16::MAX as usize, "a text of {}", text.len());
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.put_i16(-1),
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

/// Reads Kafka's primitive types; None where the bytes end too early or lie.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Lengths are varints, one more than they say.
    pub flexible: bool,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            flexible: false,
        }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.fixed().map(i64::from_be_bytes)
    }

    fn uvarint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The outer None is an error, the inner one a null.
    pub fn text(&mut self) -> Option<Option<&'a str>> {
        let length = match self.flexible {
            true => i64::from(self.uvarint()?) - 1,
            false => i64::from(self.i16()?),
        };
        if length == -1 {
            return Some(None);
        }
        let bytes = self.take(usize::try_from(length).ok()?)?;
        std::str::from_utf8(bytes).ok().map(Some)
    }

    fn count(&mut self) -> Option<i64> {
        match self.flexible {
            true => Some(i64::from(self.uvarint()?) - 1),
            false => Some(i64::from(self.i32()?)),
        }
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.count()?;
        let bytes = self.take(usize::try_from(length).ok()?)?;
        Some(Bytes::copy_from_slice(bytes))
    }

    fn skip_tags(&mut self) -> Option<()> {
        if !self.flexible {
            return Some(());
        }
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let size = self.uvarint()?;
            self.take(size as usize)?;
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;

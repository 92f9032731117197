//! Our own encoder of Fetch replies, versions 4 to 18: records leave as they came.
//!
//! The crate's encoder copies record sets. Here the reply becomes small pieces of header
//! with the caller's record pieces between them, ready for one vectored send.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::ReplyTo;
use super::{ErrorCode, StrBytes, WireError};

/// A record piece shorter than this is cheaper copied than sent as a slice of its own.
const COPY_BELOW_BYTES: usize = 4 << 10;

/// A whole Fetch reply.
#[derive(Clone, Debug)]
pub struct FetchReply {
    pub throttle_time_ms: i32,
    /// For the request as a whole; written from version 7 on.
    pub error: ErrorCode,
    /// 0 for no session; written from version 7 on.
    pub session_id: i32,
    pub topics: Vec<TopicReply>,
}

#[derive(Clone, Debug)]
pub struct TopicReply {
    /// Written up to version 12.
    pub name: StrBytes,
    /// Written from version 13 on, 16 bytes as they stand.
    pub id: [u8; 16],
    pub partitions: Vec<PartitionReply>,
}

#[derive(Clone, Debug)]
pub struct PartitionReply {
    pub index: i32,
    pub error: ErrorCode,
    /// -1 when unknown, as with errors.
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    /// Written from version 5 on.
    pub log_start_offset: i64,
    /// `None` for read_uncommitted, as Kafka sends null there.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// The leader and its epoch, with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH, so that
    /// the client need not ask for metadata (KIP-951); written from version 12 on.
    pub current_leader: Option<LeaderAndEpoch>,
    /// Whole record batches, in pieces of any size.
    pub records: Vec<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    pub broker_id: i32,
    pub epoch: i32,
}

impl PartitionReply {
    /// A partition's answer that carries an error and nothing else.
    pub fn failed(index: i32, error: ErrorCode) -> PartitionReply {
        PartitionReply {
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            current_leader: None,
            records: Vec::new(),
        }
    }
}

/// Encodes the reply, length prefix and header included, as slices to be sent in this order.
///
/// `Unencodable` when the frame would pass 2 GiB.
pub fn encode(to: ReplyTo, reply: FetchReply) -> Result<Vec<Bytes>, WireError> {
    let mut out = Writer {
        version: to.version,
        flexible: to.is_flexible(),
        own: BytesMut::with_capacity(512),
        parts: Vec::new(),
        own_start: 0,
        lent: 0,
    };
    out.own.put_i32(0);
    to.write_header(&mut out.own);
    out.reply(reply)?;
    out.finish()
}

enum Part {
    /// Bytes of `Writer::own`, up to this place.
    Own(usize),
    Lent(Bytes),
}

struct Writer {
    version: i16,
    flexible: bool,
    /// Everything that is not a lent piece, back to back.
    own: BytesMut,
    parts: Vec<Part>,
    /// Where in `own` the part begins that no `Part::Own` covers yet.
    own_start: usize,
    /// Bytes in lent pieces.
    lent: usize,
}

impl Writer {
    fn reply(&mut self, reply: FetchReply) -> Result<(), WireError> {
        self.own.put_i32(reply.throttle_time_ms);
        if self.version >= 7 {
            self.own.put_i16(reply.error.code());
            self.own.put_i32(reply.session_id);
        }
        self.length(reply.topics.len())?;
        for topic in reply.topics {
            self.topic(topic)?;
        }
        self.no_tags();
        Ok(())
    }

    fn topic(&mut self, topic: TopicReply) -> Result<(), WireError> {
        if self.version >= 13 {
            self.own.put_slice(&topic.id);
        } else if self.flexible {
            self.length(topic.name.len())?;
            self.own.put_slice(topic.name.as_bytes());
        } else {
            let length = i16::try_from(topic.name.len()).map_err(|_| WireError::Unencodable)?;
            self.own.put_i16(length);
            self.own.put_slice(topic.name.as_bytes());
        }
        self.length(topic.partitions.len())?;
        for partition in topic.partitions {
            self.partition(partition)?;
        }
        self.no_tags();
        Ok(())
    }

    fn partition(&mut self, partition: PartitionReply) -> Result<(), WireError> {
        self.own.put_i32(partition.index);
        self.own.put_i16(partition.error.code());
        self.own.put_i64(partition.high_watermark);
        self.own.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.own.put_i64(partition.log_start_offset);
        }
        self.aborted(partition.aborted.as_deref())?;
        if self.version >= 11 {
            // No preferred read replica: we lead what we serve.
            self.own.put_i32(-1);
        }
        self.records(partition.records)?;
        self.partition_tags(partition.current_leader);
        Ok(())
    }

    fn aborted(&mut self, aborted: Option<&[AbortedTransaction]>) -> Result<(), WireError> {
        let Some(aborted) = aborted else {
            if self.flexible {
                self.own.put_u8(0);
            } else {
                self.own.put_i32(-1);
            }
            return Ok(());
        };
        self.length(aborted.len())?;
        for transaction in aborted {
            self.own.put_i64(transaction.producer_id);
            self.own.put_i64(transaction.first_offset);
            self.no_tags();
        }
        Ok(())
    }

    fn records(&mut self, pieces: Vec<Bytes>) -> Result<(), WireError> {
        let total = pieces
            .iter()
            .fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
        self.length(total)?;
        for piece in pieces {
            if piece.len() < COPY_BELOW_BYTES {
                self.own.put_slice(&piece);
                continue;
            }
            self.close_own();
            self.lent = self.lent.saturating_add(piece.len());
            self.parts.push(Part::Lent(piece));
        }
        Ok(())
    }

    fn partition_tags(&mut self, leader: Option<LeaderAndEpoch>) {
        let Some(leader) = leader else {
            return self.no_tags();
        };
        if self.flexible {
            // One tagged field: tag 1 (CurrentLeader), nine bytes, no tags of its own.
            self.own.put_slice(&[1, 1, 9]);
            self.own.put_i32(leader.broker_id);
            self.own.put_i32(leader.epoch);
            self.own.put_u8(0);
        }
    }

    /// Arrays, compact strings and record sets write their lengths alike.
    fn length(&mut self, length: usize) -> Result<(), WireError> {
        let plain = i32::try_from(length).map_err(|_| WireError::Unencodable)?;
        if !self.flexible {
            self.own.put_i32(plain);
            return Ok(());
        }
        let mut rest = (plain as u32).saturating_add(1);
        while rest >= 0x80 {
            self.own.put_u8((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.own.put_u8(rest as u8);
        Ok(())
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.own.put_u8(0);
        }
    }

    fn close_own(&mut self) {
        if self.own.len() > self.own_start {
            self.own_start = self.own.len();
            self.parts.push(Part::Own(self.own_start));
        }
    }

    fn finish(mut self) -> Result<Vec<Bytes>, WireError> {
        self.close_own();
        let total = self.own.len().saturating_add(self.lent);
        let length = total
            .checked_sub(4)
            .and_then(|length| i32::try_from(length).ok());
        let length = length.ok_or(WireError::Unencodable)?;
        let prefix = self
            .own
            .first_chunk_mut::<4>()
            .ok_or(WireError::Unencodable)?;
        *prefix = length.to_be_bytes();

        let mut own = self.own.freeze();
        let mut start = 0usize;
        let mut slices = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            slices.push(match part {
                Part::Own(end) => {
                    let slice = own.split_to(end.saturating_sub(start));
                    start = end;
                    slice
                }
                Part::Lent(piece) => piece,
            });
        }
        Ok(slices)
    }
}

#[cfg(test)]
#[path = "fetch_reply_tests.rs"]
mod tests;

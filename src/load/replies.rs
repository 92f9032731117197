//! Replies to Produce and Fetch, read where they lie: these two are the hot path, and decoding
//! them into messages would cost the generator more than sending did.

use super::LoadError;
use super::batch::{HEAD_BYTES, LENGTH_AT};
use super::reader::Reader;
use super::route::{Global, Numbering};

/// Long enough for the first record of a batch and its stamp, whatever its framing.
const FIRST_RECORD_BYTES: usize = 64;

/// One reply's frame: reads what it says, and never past its end.
pub struct Frame<'a> {
    reader: &'a mut Reader,
    left: usize,
}

/// What Produce answers for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    pub partition: u32,
    pub code: i16,
    pub base_offset: i64,
}

/// What Fetch answers for one partition, before its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub partition: u32,
    pub code: i16,
}

/// How much of every batch the sink wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its head and first stamp.
    Head,
    /// All of it.
    Whole,
}

pub trait FetchSink {
    fn partition(&mut self, fetched: Fetched);
    /// `bytes` is the batch, or its beginning if the depth is `Head`; `total` is its size.
    fn batch(&mut self, partition: u32, total: usize, bytes: &[u8]);
}

impl<'a> Frame<'a> {
    /// Waits for a frame's length. Nothing is taken before that is whole, so a time-out here can
    /// be tried again.
    pub fn begin(reader: &'a mut Reader) -> std::io::Result<Self> {
        let length = reader.peek(4)?;
        let left = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        reader.take(4);
        Ok(Self { reader, left })
    }

    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], LoadError> {
        if N > self.left {
            return Err(LoadError::Reply("a frame ends within a field"));
        }
        let seen = self
            .reader
            .peek(N)
            .map_err(LoadError::socket("reading a reply"))?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(seen);
        self.reader.take(N);
        self.left -= N;
        Ok(bytes)
    }

    fn skip(&mut self, count: usize) -> Result<(), LoadError> {
        if count > self.left {
            return Err(LoadError::Reply("a frame ends within a field"));
        }
        self.left -= count;
        self.reader
            .skip(count)
            .map_err(LoadError::socket("reading a reply"))
    }

    fn peek(&mut self, count: usize) -> Result<&[u8], LoadError> {
        self.reader
            .peek(count)
            .map_err(LoadError::socket("reading a reply"))
    }

    pub fn i16(&mut self) -> Result<i16, LoadError> {
        self.bytes().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, LoadError> {
        self.bytes().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, LoadError> {
        self.bytes().map(i64::from_be_bytes)
    }

    fn uvarint(&mut self) -> Result<usize, LoadError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.bytes::<1>()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(LoadError::Reply("a length of more than five bytes"))
    }

    /// A compact length: zero stands for null, here the same as empty.
    fn length(&mut self) -> Result<usize, LoadError> {
        Ok(self.uvarint()?.saturating_sub(1))
    }

    /// Which of our topics a name stands for.
    fn topic(&mut self, numbering: Numbering) -> Result<u32, LoadError> {
        let length = self.length()?;
        if length > self.left {
            return Err(LoadError::Reply("a name that is longer than its frame"));
        }
        let topic = numbering.topic_named(self.peek(length)?);
        self.skip(length)?;
        Ok(topic)
    }

    fn skip_text(&mut self) -> Result<(), LoadError> {
        let length = self.length()?;
        self.skip(length)
    }

    pub fn skip_tags(&mut self) -> Result<(), LoadError> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let length = self.uvarint()?;
            self.skip(length)?;
        }
        Ok(())
    }

    /// Leaves the reader at the next frame.
    pub fn end(mut self) -> Result<(), LoadError> {
        let left = self.left;
        self.skip(left)
    }

    /// Reads the reply to Produce version 9. Returns its correlation id.
    pub fn produced(
        mut self,
        numbering: Numbering,
        mut each: impl FnMut(Produced),
    ) -> Result<i32, LoadError> {
        let correlation_id = self.i32()?;
        self.skip_tags()?;
        for _ in 0..self.length()? {
            let topic = self.topic(numbering)?;
            for _ in 0..self.length()? {
                let partition = numbering.global(topic, self.i32()? as u32);
                let code = self.i16()?;
                let base_offset = self.i64()?;
                // Log append time and log start offset.
                self.skip(16)?;
                for _ in 0..self.length()? {
                    self.skip(4)?;
                    self.skip_text()?;
                    self.skip_tags()?;
                }
                self.skip_text()?;
                self.skip_tags()?;
                each(Produced {
                    partition,
                    code,
                    base_offset,
                });
            }
            self.skip_tags()?;
        }
        self.end()?;
        Ok(correlation_id)
    }

    /// Reads the reply to Fetch version 12. Returns its own error code and its session.
    pub fn fetched(
        mut self,
        numbering: Numbering,
        depth: Depth,
        sink: &mut impl FetchSink,
    ) -> Result<(i16, i32), LoadError> {
        // Correlation id.
        self.i32()?;
        self.skip_tags()?;
        // Throttle time.
        self.i32()?;
        let code = self.i16()?;
        let session = self.i32()?;
        for _ in 0..self.length()? {
            let topic = self.topic(numbering)?;
            for _ in 0..self.length()? {
                let partition = numbering.global(topic, self.i32()? as u32);
                self.fetched_partition(partition, depth, sink)?;
            }
            self.skip_tags()?;
        }
        self.end()?;
        Ok((code, session))
    }

    fn fetched_partition(
        &mut self,
        partition: Global,
        depth: Depth,
        sink: &mut impl FetchSink,
    ) -> Result<(), LoadError> {
        let code = self.i16()?;
        // High watermark, last stable offset, log start offset.
        self.skip(24)?;
        for _ in 0..self.length()? {
            self.skip(16)?;
            self.skip_tags()?;
        }
        // Preferred read replica.
        self.i32()?;
        let records = self.length()?;
        sink.partition(Fetched { partition, code });
        self.batches(partition, records, depth, sink)?;
        self.skip_tags()
    }

    fn batches(
        &mut self,
        partition: u32,
        records: usize,
        depth: Depth,
        sink: &mut impl FetchSink,
    ) -> Result<(), LoadError> {
        if records > self.left {
            return Err(LoadError::Reply("records that are longer than their frame"));
        }
        let mut left = records;
        while left > HEAD_BYTES {
            let head = self.peek(LENGTH_AT + 4)?;
            let length = &head[LENGTH_AT..];
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            let total = length as usize + LENGTH_AT + 4;
            if total > left {
                // Fetch may cut the last batch at its byte limit.
                break;
            }
            let shown = match depth {
                Depth::Whole => total,
                Depth::Head => total.min(HEAD_BYTES + FIRST_RECORD_BYTES),
            };
            sink.batch(partition, total, self.peek(shown)?);
            self.skip(total)?;
            left -= total;
        }
        self.skip(left)
    }
}

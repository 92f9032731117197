//! The group being filled, the groups on their way to the device, and how far each has come.
//!
//! A chunk of memory mirrors a region of the segment. Groups fill it front to back, so that a
//! group's write, its copy in the cache and every slice that a reader takes are views of it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::limits::GROUP_BYTES_MAX;
use crate::base::{ByteCount, Span, Ticks};
use crate::runtime::{Block, BlockPool, FileId, Ticket};

use super::entry::Sequence;
use super::format::{HEADER_BYTES, Header, ROW_BYTES, Row, group_bytes};
use super::unflushed::Unflushed;

/// How far a sealed group has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Queued,
    /// `plain`: the write's end does not mean that it is durable.
    Writing {
        plain: bool,
    },
    Written,
    Flushed,
}

/// A group that takes no more rows.
#[derive(Debug)]
pub(super) struct SealedGroup {
    pub sequence: Sequence,
    pub file: FileId,
    pub segment: u32,
    pub at: u32,
    pub bytes: Bytes,
    /// How long it may stay unflushed; None: somebody waits for its flush.
    within: Option<Span>,
    /// When `within` is over; known once it is handed to the device.
    pub flush_by: Ticks,
    pub progress: Progress,
}

impl SealedGroup {
    /// True if somebody waits for the flush of it, and not only for the write.
    pub fn is_awaited(&self) -> bool {
        self.within.is_none()
    }

    fn is_plain(&self) -> bool {
        matches!(
            self.progress,
            Progress::Writing { plain: true } | Progress::Written
        )
    }
}

/// Where the next row would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    ThisGroup,
    NextGroup,
    NextChunk,
    NextSegment,
}

struct Chunk {
    block: Block,
    /// The place in the segment of the block's first byte.
    start: u32,
    /// How much of the block may be used: the segment may end earlier.
    limit: usize,
}

/// Where appending goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub segment: u32,
    pub file: FileId,
    pub at: u32,
    pub sequence: Sequence,
    pub previous_sum: u32,
}

/// What stays the same while a journal is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub segment_bytes: usize,
    pub chunk_bytes: usize,
    pub incarnation: u64,
    pub session: u32,
}

/// A journal's append path.
pub(super) struct Appender {
    shape: Shape,
    pool: BlockPool,
    /// Where the open group begins, and its number.
    tail: Tail,
    chunk: Option<Chunk>,
    /// Bytes of header and payloads in the open group; 0 before its first row.
    filled: usize,
    /// The open group's rows as they will be written.
    table: Vec<u8>,
    rows: u32,
    /// How long the open group may stay unflushed: as long as its most urgent row.
    within: Option<Span>,
    /// Sealed groups on their way to the device, in order.
    pub groups: VecDeque<SealedGroup>,
    /// Those before, written and not flushed.
    pub unflushed: Unflushed,
    pub flushed: Sequence,
    pub written: Sequence,
    /// Bytes staged whose write has not ended.
    pub unwritten_bytes: u64,
}

impl Appender {
    pub fn new(shape: Shape, pool: BlockPool, tail: Tail) -> Self {
        let durable = Sequence(tail.sequence.0 - 1);
        Self {
            shape,
            pool,
            tail,
            chunk: None,
            filled: 0,
            table: Vec::new(),
            rows: 0,
            within: None,
            groups: VecDeque::new(),
            unflushed: Unflushed::default(),
            flushed: durable,
            written: durable,
            unwritten_bytes: 0,
        }
    }

    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// True if the open group has no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Where a payload of `length` bytes would go, with `reserve` bytes left free at the end of
    /// the segment.
    pub fn room(&self, length: usize, reserve: usize) -> Room {
        let alone = group_bytes(length, 1);
        let end = self.shape.segment_bytes.saturating_sub(reserve);
        let start = self.tail.at as usize;
        let here = if self.rows == 0 {
            alone
        } else {
            group_bytes(self.filled - HEADER_BYTES + length, self.rows as usize + 1)
        };
        let small = self.rows == 0 || here <= GROUP_BYTES_MAX.as_usize();
        if small && start + here <= end && here <= self.chunk_left() {
            return Room::ThisGroup;
        }
        let used = if self.rows == 0 { 0 } else { self.open_bytes() };
        if start + used + alone > end {
            return Room::NextSegment;
        }
        if self.chunk_left().saturating_sub(used) >= alone {
            return Room::NextGroup;
        }
        Room::NextChunk
    }

    /// True if the segment has room for an empty group.
    pub fn has_unit(&self) -> bool {
        self.tail.at as usize + group_bytes(0, 0) <= self.shape.segment_bytes
    }

    fn chunk_left(&self) -> usize {
        self.chunk
            .as_ref()
            .map_or(0, |chunk| chunk.limit - chunk.block.filled())
    }

    fn open_bytes(&self) -> usize {
        group_bytes(
            self.filled.max(HEADER_BYTES) - HEADER_BYTES,
            self.rows as usize,
        )
    }

    /// Takes memory for the region that begins at the open group's place. That group is empty.
    pub fn next_chunk(&mut self, length: usize) {
        assert_eq!(self.rows, 0, "a group can not change its chunk");
        let left = self.shape.segment_bytes - self.tail.at as usize;
        let wanted = group_bytes(length, 1).max(self.shape.chunk_bytes);
        let block = self.pool.take(ByteCount(wanted as u64));
        let limit = wanted.min(left);
        self.chunk = Some(Chunk {
            block,
            start: self.tail.at,
            limit,
        });
    }

    /// Goes on at the start of another segment. The open group is empty.
    pub fn next_segment(&mut self, segment: u32, file: FileId) {
        assert_eq!(self.rows, 0, "a group can not change its segment");
        self.chunk = None;
        (self.tail.segment, self.tail.file, self.tail.at) = (segment, file, 0);
    }

    /// Copies a payload into the open group, which has room for it; returns its place in the
    /// segment. `within`: see `Entry::flush_within`.
    pub fn put(&mut self, row: &Row, head: &[u8], body: &[u8], within: Option<Span>) -> u32 {
        self.within = match (self.within, within) {
            (Some(open), Some(within)) => Some(open.min(within)),
            (_, within) if self.rows == 0 => within,
            (_, _) => None,
        };
        let length = head.len() + body.len();
        assert_eq!(
            length, row.length as usize,
            "a row must tell its payload's length"
        );
        let filled = self.filled.max(HEADER_BYTES);
        let chunk = self.chunk.as_mut().expect("room was made");
        let spare = chunk.block.spare();
        spare[filled..filled + head.len()].copy_from_slice(head);
        spare[filled + head.len()..filled + length].copy_from_slice(body);
        self.filled = filled + length;
        let row_at = self.table.len();
        self.table.resize(row_at + ROW_BYTES, 0);
        row.write(&mut self.table[row_at..]);
        self.rows += 1;
        self.unwritten_bytes += (length + ROW_BYTES) as u64;
        self.tail.at + filled as u32
    }

    /// Ends the open group, even if it is empty, and begins the next.
    pub fn seal(&mut self) -> &SealedGroup {
        if self.chunk_left() == 0 {
            self.next_chunk(0);
        }
        let length = self.open_bytes();
        let filled = self.filled.max(HEADER_BYTES);
        let chunk = self.chunk.as_mut().expect("room was made");
        assert_eq!(
            chunk.start as usize + chunk.block.filled(),
            self.tail.at as usize,
            "the chunk must mirror the segment"
        );
        let group = &mut chunk.block.spare()[..length];
        group[filled..filled + self.table.len()].copy_from_slice(&self.table);
        group[filled + self.table.len()..].fill(0);
        let header = Header {
            incarnation: self.shape.incarnation,
            sequence: self.tail.sequence,
            flushed: self.flushed,
            segment: self.tail.segment,
            at: self.tail.at,
            session: self.shape.session,
            length: length as u32,
            table_at: filled as u32,
            rows: self.rows,
            previous: self.tail.previous_sum,
        };
        self.tail.previous_sum = header.seal(group);
        let start = chunk.block.filled();
        chunk.block.advance(length);
        let bytes = chunk.block.share(start..start + length);
        if chunk.block.filled() >= chunk.limit {
            self.chunk = None;
        }
        self.groups.push_back(SealedGroup {
            sequence: self.tail.sequence,
            file: self.tail.file,
            segment: self.tail.segment,
            at: self.tail.at,
            bytes,
            within: self.within.take(),
            flush_by: Ticks(0),
            progress: Progress::Queued,
        });
        self.tail.at += length as u32;
        self.tail.sequence.0 += 1;
        self.filled = 0;
        self.rows = 0;
        self.table.clear();
        self.groups.back().expect("just pushed")
    }

    /// Groups handed to the device that are not yet as durable as somebody waits for.
    pub fn in_flight(&self) -> usize {
        let under_way = |group: &&SealedGroup| match group.progress {
            Progress::Queued | Progress::Flushed => false,
            Progress::Writing { .. } => true,
            Progress::Written => group.is_awaited(),
        };
        self.groups.iter().filter(under_way).count() + self.unflushed.awaited()
    }

    /// The oldest group that has not been handed to the device; it is from now on.
    pub fn begin_write(&mut self, now: Ticks, durable: bool) -> Option<(&SealedGroup, bool)> {
        // Behind a plain write a durable one would have to wait for a flush nevertheless: so one
        // flush is for both.
        let plain_ahead =
            !self.unflushed.is_empty() || self.groups.iter().any(SealedGroup::is_plain);
        let queued = |group: &&mut SealedGroup| group.progress == Progress::Queued;
        let group = self.groups.iter_mut().find(queued)?;
        let plain = !durable || plain_ahead || !group.is_awaited();
        group.progress = Progress::Writing { plain };
        group.flush_by = now + group.within.unwrap_or(Span(0));
        Some((group, !plain))
    }

    pub fn has_queued(&self) -> bool {
        let queued = |group: &SealedGroup| group.progress == Progress::Queued;
        self.groups.iter().any(queued)
    }

    /// A group's write ended, whole.
    pub fn wrote(&mut self, sequence: Sequence) {
        let group = self
            .groups
            .iter_mut()
            .find(|group| group.sequence == sequence)
            .expect("only a known group is written");
        group.progress = match group.progress {
            Progress::Writing { plain: true } => Progress::Written,
            Progress::Writing { plain: false } => Progress::Flushed,
            other => panic!("{sequence:?} was not being written: {other:?}"),
        };
        let bytes = self
            .groups
            .iter()
            .filter(|group| matches!(group.progress, Progress::Queued | Progress::Writing { .. }));
        self.unwritten_bytes = bytes.map(|group| group.bytes.len() as u64).sum::<u64>()
            + (self.filled + self.table.len()) as u64;
        self.settle();
    }

    /// A flush ended: the groups that it covered are durable.
    pub fn flushed_by(&mut self, ticket: Ticket) {
        self.unflushed.flushed_by(ticket);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(last) = self.unflushed.pop_flushed() {
            assert!(self.flushed < last, "flushed fell: {:?}", self.flushed);
            self.flushed = last;
        }
        while let Some(group) = self
            .groups
            .pop_front_if(|group| matches!(group.progress, Progress::Written | Progress::Flushed))
        {
            let before = self.unflushed.last().unwrap_or(self.flushed);
            assert_eq!(group.sequence.0, before.0 + 1, "groups settle in order");
            if group.progress == Progress::Written {
                self.unflushed.push(&group);
                continue;
            }
            assert!(
                self.unflushed.is_empty(),
                "{:?} is durable before what it follows",
                group.sequence
            );
            self.flushed = group.sequence;
        }
        let written = self.unflushed.last().unwrap_or(self.flushed);
        assert!(
            self.written <= written,
            "written fell: {:?} -> {written:?}",
            self.written
        );
        self.written = written;
    }
}

//! A shard's directory: numbered files, written and read directly, flushed on demand.
//!
//! Rules of the medium, which both drivers keep and the machine must live with: a write may end
//! short, and says so; writes in flight end in any order; a flush covers the writes that had ended
//! when it was handed over, and no others; after a failed write or flush nothing is known about
//! the bytes. Positions and lengths of writes and reads are multiples of `limits::ALIGN_BYTES`: any
//! other is a bug of the machine, and both drivers end the process for it. A write, flush or read
//! of a file that is not there is refused (ENOENT) and makes none. A file is removed when the
//! operation ends: a read handed over before that finds it or does not.
//!
//! What is fast (2026-11-22, 2-core reference machine, ext4 on a virtual disk, through the real
//! driver, `benches/disk.rs`, medians of 5 interleaved rounds while other programs ran: believe the
//! ratios). MB/s of prepared files, and the p50 of one durable group in us:
//!
//! | group    | durable, 1 in flight | write + flush, 1 | durable, 2 | write + flush, 2 |
//! |----------|----------------------|------------------|------------|------------------|
//! | 4 KiB    |    19 (161 us)       |    14 (181 us)   |    38      |    27            |
//! | 64 KiB   |   289 (197 us)       |   243 (222 us)   |   377      |   346            |
//! | 256 KiB  |   680 (335 us)       |   621 (389 us)   |  1075      |   851            |
//! | 1 MiB    |  1361 (687 us)       |  1208 (781 us)   |  1712      |  1555            |
//!
//! So: `Write { durable: true }`, two in flight. In merely allocated files a durable group of 4 KiB
//! takes 228 us instead of 161, in growing ones 262; of 64 KiB 257 and 340 instead of 197.

use bytes::Bytes;

use super::block::Block;
use crate::base::limits::ALIGN_BYTES;
use crate::base::{ByteCount, Position};

/// A file of a shard's directory. The number is the name (`00000012.journal`): a file needs no
/// opening. File 0 is the superblock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// The machine's name for one disk operation; unique among those under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An operation on the directory, off the machine's thread of thought.
#[derive(Clone, Debug)]
pub enum DiskOp {
    /// Writes `data` (from an aligned block, in whole units) at `at`. `durable`: the write's end
    /// means that it is on stable storage (as O_DSYNC), as if a flush had followed it; of other
    /// writes it says nothing. Said for each write (RWF_DSYNC), so one descriptor serves both.
    Write {
        ticket: Ticket,
        file: FileId,
        at: Position,
        data: Bytes,
        durable: bool,
    },
    /// Makes every write to `file` that had ended by now durable.
    Flush { ticket: Ticket, file: FileId },
    /// Reads `length` bytes at `at`. Beyond the end of the file it ends short.
    Read {
        ticket: Ticket,
        file: FileId,
        at: Position,
        length: ByteCount,
    },
    /// Makes `file` exist with `length` bytes, all of them zero and allocated, so that a later
    /// write changes no metadata of the file system; ends when file and directory are durable. An
    /// existing longer file keeps its length.
    Prepare {
        ticket: Ticket,
        file: FileId,
        length: ByteCount,
    },
    /// Removes `file`; ends when the directory is durable.
    Remove { ticket: Ticket, file: FileId },
    /// Asks how many bytes the file system has, and how many it can still give.
    Space { ticket: Ticket },
}

impl DiskOp {
    pub fn ticket(&self) -> Ticket {
        match self {
            Self::Write { ticket, .. }
            | Self::Flush { ticket, .. }
            | Self::Read { ticket, .. }
            | Self::Prepare { ticket, .. }
            | Self::Remove { ticket, .. }
            | Self::Space { ticket } => *ticket,
        }
    }

    /// A bug of the machine, which direct I/O would refuse and the page cache would not see.
    pub(super) fn assert_aligned(&self) {
        let (at, length) = match self {
            Self::Write { at, data, .. } => (at.0, data.len() as u64),
            Self::Read { at, length, .. } => (at.0, length.0),
            Self::Flush { .. }
            | Self::Prepare { .. }
            | Self::Remove { .. }
            | Self::Space { .. } => return,
        };
        assert!(at % ALIGN_BYTES.0 == 0, "misaligned position: {self:?}");
        assert!(length % ALIGN_BYTES.0 == 0, "misaligned length: {self:?}");
    }
}

/// The end of an operation.
#[derive(Debug)]
pub struct DiskDone {
    pub ticket: Ticket,
    pub result: Result<DiskOutput, DiskError>,
}

/// What an operation brought.
#[derive(Debug)]
pub enum DiskOutput {
    /// This many bytes were written; fewer than asked is a fault of the medium.
    Written(ByteCount),
    Flushed,
    /// The bytes read, as the filled part of the block; fewer than asked at the end of the file.
    Read(Block),
    Prepared,
    Removed,
    Space(DiskSpace),
}

/// The bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// That it can still give to us.
    pub usable: ByteCount,
    pub total: ByteCount,
}

/// A call that the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskError {
    pub call: &'static str,
    pub file: FileId,
    pub at: Position,
    pub errno: i32,
}

impl DiskError {
    /// True if a place of the medium could not be read, as Linux says it: EIO, ENODATA (a medium
    /// error of the block layer), EILSEQ (protection information) and EBADMSG (a file system's own
    /// sums). Other places may be as good as ever.
    pub fn is_medium(&self) -> bool {
        matches!(self.errno, 5 | 61 | 74 | 84)
    }
}

/// A file found in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub file: FileId,
    pub length: ByteCount,
}

/// The same directory for code that may wait: a machine that boots, and `inspect`. Writes made
/// here and flushed are durable before any event is delivered.
pub trait Directory {
    /// The journal's files, by number. Others are passed over.
    fn list(&mut self) -> Result<Vec<Found>, DiskError>;

    /// Up to `length` bytes at `at`; fewer at the end of the file.
    fn read(&mut self, file: FileId, at: Position, length: ByteCount) -> Result<Block, DiskError>;

    /// Writes all of `data`; the file is made if it is not there.
    fn write(&mut self, file: FileId, at: Position, data: &Bytes) -> Result<(), DiskError>;

    /// Makes every write to `file` so far durable, and the file's name too.
    fn flush(&mut self, file: FileId) -> Result<(), DiskError>;

    /// As `DiskOp::Prepare`.
    fn prepare(&mut self, file: FileId, length: ByteCount) -> Result<(), DiskError>;

    /// As `DiskOp::Remove`.
    fn remove(&mut self, file: FileId) -> Result<(), DiskError>;

    /// As `DiskOp::Space`.
    fn space(&mut self) -> Result<DiskSpace, DiskError>;
}

//! What may go wrong, how often, and how often it did.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::{ByteCount, Span};

/// How a disk behaves. A rate is "one in so many operations"; zero means never.
#[derive(Clone, Copy, Debug)]
pub struct DiskFaults {
    /// A write ends with fewer bytes than asked, and says so.
    pub short_write: u64,
    /// A write fails; any of its sectors may have been written.
    pub write_error: u64,
    /// A flush fails; any of what it covered may have been kept, the rest is gone for good.
    pub flush_error: u64,
    /// A read fails. The next one of the same place may succeed.
    pub read_error: u64,
    /// A read brings one wrong bit. The medium itself is as it was.
    pub read_flip: u64,
    /// A write lands elsewhere in the directory and reports success.
    pub misdirect: u64,
    /// An operation takes a hundred times as long.
    pub slow: u64,
    /// A file can not be prepared for want of space.
    pub full: u64,
    /// The faults above happen to a machine that boots, too.
    pub at_boot: bool,
    /// The faults of reads happen to a machine that boots, once for twenty times otherwise.
    pub reads_at_boot: bool,
    /// The longest that an ordinary operation takes.
    pub latency_max: Span,
    /// What the file system can hold.
    pub capacity: ByteCount,
}

impl DiskFaults {
    /// A disk that never fails, though a crash still drops what was not flushed.
    pub const NONE: Self = Self {
        short_write: 0,
        write_error: 0,
        flush_error: 0,
        read_error: 0,
        read_flip: 0,
        misdirect: 0,
        slow: 0,
        full: 0,
        at_boot: false,
        reads_at_boot: false,
        latency_max: Span::millis(1),
        capacity: ByteCount::mib(1 << 20),
    };
}

/// A bug put in on purpose, to prove that the suite catches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A flush is reported as done before it has done anything.
    AckBeforeFlush,
    /// A flush, or a durable write, makes nothing durable.
    NoFlush,
    /// A completed disk operation is not reported, now and then.
    LostWakeUp,
    /// Bytes that went wrong are sent on, now and then, as if a check had let them pass.
    CorruptionServed,
    /// Two replies of one connection leave in the wrong order, now and then.
    RepliesSwapped,
    /// A connection falls silent, now and then: nothing that is sent on it arrives any more.
    RepliesLost,
}

/// How often each kind of fault or event happened.
#[derive(Clone, Debug, Default)]
pub struct Tally(pub BTreeMap<&'static str, u64>);

impl Tally {
    pub fn hit(&mut self, kind: &'static str) {
        self.add(kind, 1);
    }

    pub fn add(&mut self, kind: &'static str, count: u64) {
        *self.0.entry(kind).or_default() += count;
    }

    pub fn count(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            self.add(kind, *count);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.0 {
            writeln!(f, "  {kind:<28} {count:>10}")?;
        }
        Ok(())
    }
}

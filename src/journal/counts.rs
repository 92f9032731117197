//! What a journal tells of itself in numbers.

use crate::base::{ByteCount, Metric, Reading};

use super::journal::Journal;

static GROUPS: Metric = Metric::counter(
    "thalweg_journal_groups_total",
    "Groups that were written: each is one durable write for the batches of many partitions.",
);
static FLUSHES: Metric = Metric::counter(
    "thalweg_journal_flushes_total",
    "Times that the journal asked the disk to make something durable.",
);
static ENTRIES: Metric = Metric::counter(
    "thalweg_journal_entries_total",
    "Batches and other entries that were staged.",
);
static STAGED: Metric = Metric::counter(
    "thalweg_journal_staged_bytes_total",
    "Bytes of entries that were staged, without what the journal adds.",
);
static WRITTEN: Metric = Metric::counter(
    "thalweg_journal_written_bytes_total",
    "Bytes that were written in groups, headers and padding included; over groups_total it is the \
     mean size of a group.",
);
static HITS: Metric = Metric::counter(
    "thalweg_cache_hits_total",
    "Reads that were answered from memory alone.",
);
static MISSES: Metric = Metric::counter(
    "thalweg_cache_misses_total",
    "Reads that had to wait for the disk.",
);
static CACHE: Metric = Metric::gauge(
    "thalweg_cache_bytes",
    "Memory of groups that are kept for readers.",
);
static COLD: Metric = Metric::gauge(
    "thalweg_cache_cold_bytes",
    "Memory of what was read from the disk for readers behind the cache, and is kept for others.",
);
static SEGMENTS: Metric = Metric::gauge("thalweg_journal_segments", "Segments on the disk.");

/// Since the journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub groups: u64,
    pub flushes: u64,
    pub entries: u64,
    pub staged: ByteCount,
    pub written: ByteCount,
    pub hits: u64,
    pub misses: u64,
}

impl Journal {
    /// Tells of itself in numbers, for people.
    pub fn readings(&self, out: &mut Vec<Reading>) {
        let mut whole = |metric, value| out.push(Reading::whole(metric, value));
        whole(&GROUPS, self.turn.counts.groups);
        whole(&FLUSHES, self.turn.counts.flushes);
        whole(&ENTRIES, self.turn.counts.entries);
        whole(&STAGED, self.turn.counts.staged.0);
        whole(&WRITTEN, self.turn.counts.written.0);
        whole(&HITS, self.turn.counts.hits);
        whole(&MISSES, self.turn.counts.misses);
        whole(&CACHE, self.cache.bytes());
        whole(&COLD, self.reads.windows.bytes());
        whole(&SEGMENTS, self.book.segments.len() as u64);
    }
}

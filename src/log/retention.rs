//! Retention: by which clock records expire, and what is given up.

use super::error::LogError;
use super::offset::Offset;
use super::partition::Partition;
use super::partitions::Partitions;
use crate::base::{Now, Span, Ticks, WallMs};
use crate::journal::{Extent, Journal, JournalError};

/// What each restart may add to the retention clock.
const RESTART_ALLOWANCE_MS: i64 = 10 * 60 * 1_000;

/// The clock of retention: wall time that can not be pushed forward. It is the smaller of the wall
/// clock and what was last persisted plus the monotonic time run since, plus ten minutes for each
/// restart, so that a clock that jumps forward deletes nothing (FAULTS 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionClock {
    /// The latest time believed possible at `anchored`.
    anchor: WallMs,
    anchored: Ticks,
}

/// A reading of the retention clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionTime {
    pub at: WallMs,
    /// How far the wall clock runs ahead, in milliseconds: more than ten minutes are a jump, to be
    /// logged; retention is held back until it is accepted.
    pub held_back_ms: i64,
    pub ticks: Ticks,
}

impl RetentionClock {
    /// The clock after a start. `persisted` is the last reading that was made durable; None on the
    /// first start. `accepted` is the wall clock at the moment when somebody said that it was
    /// right (`thalweg doctor --accept-clock`): surely reached, as if it had been persisted.
    pub fn started(persisted: Option<WallMs>, accepted: Option<WallMs>, now: Now) -> Self {
        let allowed = |at: WallMs| WallMs(at.0.saturating_add(RESTART_ALLOWANCE_MS));
        let reached = persisted.map(|at| at.max(accepted.unwrap_or(at)));
        Self {
            anchor: reached.map_or(now.wall, allowed),
            anchored: now.ticks,
        }
    }

    pub fn read(&self, now: Now) -> RetentionTime {
        let Span(run_nanos) = now.ticks.since(self.anchored);
        let run_ms = (run_nanos / 1_000_000) as i64;
        let latest = self.anchor.0.saturating_add(run_ms);
        RetentionTime {
            at: WallMs(now.wall.0.min(latest)),
            held_back_ms: now.wall.0.saturating_sub(latest).max(0),
            ticks: now.ticks,
        }
    }
}

impl RetentionTime {
    /// True when the wall clock has jumped, by more than restarts and clock drift explain.
    pub fn is_jump(&self) -> bool {
        self.held_back_ms > RESTART_ALLOWANCE_MS
    }
}

impl Partitions {
    /// Applies retention to the next `count` partitions in turn, and forgets producers that have
    /// been silent too long. Returns how many records were given up. Call it now and then; a full
    /// round every five minutes is what Kafka does.
    pub fn retain(
        &mut self,
        journal: &mut Journal,
        time: RetentionTime,
        count: usize,
    ) -> Result<u64, LogError> {
        self.drop_streams(journal)?;
        let expiration = self.settings.producer_expiration;
        let mut removed = 0;
        for _ in 0..count.min(self.slots.len()) {
            let slot = self.retention_cursor % self.slots.len();
            if let Some(partition) = &mut self.slots[slot] {
                partition.producers.expire(time.ticks, expiration);
                match retain_one(partition, journal, time.at) {
                    Ok(0) => {}
                    Ok(records) => {
                        removed += records;
                        self.watches.changed(partition.stream);
                    }
                    // The same partition comes first next time.
                    Err(JournalError::Busy | JournalError::Full) => return Ok(removed),
                    Err(error) => return Err(error.into()),
                }
            }
            self.retention_cursor = slot + 1;
        }
        Ok(removed)
    }
}

/// Gives up the oldest parts of a partition, as far as `retention.ms` and `retention.bytes` say.
fn retain_one(
    partition: &mut Partition,
    journal: &mut Journal,
    now: WallMs,
) -> Result<u64, JournalError> {
    if !partition.config.cleanup.delete {
        return Ok(0);
    }
    let before = partition.log_start;
    while let Some((extent, sealed)) = journal.oldest_extent(partition.stream) {
        let kept = journal.stream_bytes(partition.stream).0;
        let end = Offset::from(extent.end);
        // Never what may not be read yet.
        if end > partition.high_watermark || end <= partition.log_start {
            break;
        }
        if !expires(partition, extent, sealed, kept, now) {
            break;
        }
        journal.trim(partition.stream, extent.end)?;
        partition.trim(end);
    }
    Ok((partition.log_start.0 - before.0) as u64)
}

/// Whether an extent goes, with the same rules by which Kafka lets go of a segment: all of it is
/// older than `retention.ms` (the newest extent too), or at least `retention.bytes` remain without
/// it.
fn expires(partition: &Partition, extent: Extent, sealed: bool, kept: u64, now: WallMs) -> bool {
    let too_old = partition.config.retention_ms.is_some_and(|allowed| {
        extent.time_max >= 0 && now.0.saturating_sub(extent.time_max) > allowed
    });
    let too_much = partition
        .config
        .retention_bytes
        .is_some_and(|allowed| sealed && kept.saturating_sub(extent.bytes.0) >= allowed);
    too_old || too_much
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;

//! What the device does next, and what follows from what it did.

use crate::base::limits::{JOURNAL_SEAL_WAIT, JOURNAL_SPACE_WAIT};
use crate::base::{ByteCount, Now, Position};
use crate::runtime::{DiskDone, DiskError, DiskOp, DiskOutput, FileId, Ticket};

use super::checkpoint::Round;
use super::entry::Sequence;
use super::footer::FooterWriter;
use super::format::UNIT;
use super::journal::Journal;
use super::reads::Shelf;
use super::requests::Snapshots;
use super::superblock::SUPERBLOCK_FILE;
use super::turn::{Next, Purpose};

impl Journal {
    pub(super) fn hand_out(&mut self, now: Now, snapshots: &dyn Snapshots, disk: &mut Vec<DiskOp>) {
        let runs = self.turn.failure.is_none() && !self.turn.closed;
        if runs && !self.turn.closing {
            self.clean(snapshots);
        }
        let turn = &mut self.turn;
        self.reads.hand_out(&self.book, || turn.ticket(), disk);
        if !runs {
            return;
        }
        if !self.turn.closing {
            self.sweep();
            self.checkpoint(snapshots);
            self.write_footer(disk);
            self.turn.prepare(now, &self.settings, disk);
        }
        self.flush_written(now, disk);
        self.write_groups(now, disk);
        self.shrink(now);
        self.write_superblock(disk);
    }

    /// Hands groups to the device while it is free for one: those that wait, then the open one.
    fn write_groups(&mut self, now: Now, disk: &mut Vec<DiskOp>) {
        while self.appender.in_flight() < self.turn.groups_in_flight {
            let full = self.appender.unflushed.is_full();
            if full || (!self.appender.has_queued() && !self.seal_if_due(now)) {
                break;
            }
            let durable = self.turn.writes_durable;
            let Some((group, durable)) = self.appender.begin_write(now.ticks, durable) else {
                break;
            };
            self.turn.counts.groups += 1;
            self.turn.counts.flushes += u64::from(durable);
            self.turn.counts.written.0 += group.bytes.len() as u64;
            let at = Position(u64::from(group.at));
            let ticket = self.turn.begin(Purpose::Group {
                sequence: group.sequence,
                file: group.file,
                at,
                length: ByteCount(group.bytes.len() as u64),
            });
            disk.push(DiskOp::Write {
                ticket,
                file: group.file,
                at,
                data: group.bytes.clone(),
                durable,
            });
        }
    }

    /// Seals the open group if it has rows, or if the journal came to rest a while ago.
    fn seal_if_due(&mut self, now: Now) -> bool {
        if self.appender.is_empty() {
            let due = self.turn.unsealed && (self.is_idle(now) || self.turn.closing);
            if !due || !self.is_drained() {
                return false;
            }
            if !self.appender.has_unit() {
                // No room, so no group can follow here; the superblock makes the claim at a stop.
                self.turn.unsealed = false;
                return false;
            }
        }
        self.seal_group();
        true
    }

    /// One flush for every file that has groups written and not flushed, if somebody waits for it
    /// or it is time.
    fn flush_written(&mut self, now: Now, disk: &mut Vec<DiskOp>) {
        let unflushed = &self.appender.unflushed;
        let due = unflushed.is_due(now.ticks, self.appender.tail().segment);
        if !due && !self.turn.closing && !self.is_idle(now) {
            return;
        }
        let turn = &mut self.turn;
        let unflushed = &mut self.appender.unflushed;
        while let Some((ticket, file)) = unflushed.next_flush(|| turn.begin(Purpose::Flush)) {
            turn.counts.flushes += 1;
            disk.push(DiskOp::Flush { ticket, file });
        }
    }

    /// True if no group has come for a while.
    fn is_idle(&self, now: Now) -> bool {
        self.is_still() && now.ticks >= self.turn.idle_since + JOURNAL_SEAL_WAIT
    }

    pub(super) fn footers_are_done(&self) -> bool {
        self.footer.is_none() && self.footers_due.is_empty()
    }

    /// Takes the footer of the oldest sealed segment that lacks one a slice further.
    fn write_footer(&mut self, disk: &mut Vec<DiskOp>) {
        if self.turn.footer_under_way {
            return;
        }
        if self.footer.is_none() {
            self.footer = self.next_footer();
        }
        let Some(writer) = &mut self.footer else {
            return;
        };
        let length = ByteCount(writer.next_bytes());
        let ticket = self.turn.begin(Purpose::Footer { length });
        disk.push(writer.next(&self.book, &self.turn.pool, ticket));
        self.turn.footer_under_way = true;
    }

    fn next_footer(&mut self) -> Option<FooterWriter> {
        let groups = self.appender.groups.front().map(|group| group.segment);
        let unflushed = self.appender.unflushed.first_segment().or(groups);
        while let Some(number) = self.footers_due.front().copied() {
            if unflushed.is_some_and(|segment| segment <= number) {
                return None;
            }
            self.footers_due.pop_front();
            let Some(segment) = self.book.segments.get(&number) else {
                continue;
            };
            let Some(index) = &segment.index else {
                continue;
            };
            let writer = FooterWriter::new(segment, index, self.settings.incarnation);
            if writer.end() <= self.settings.segment_bytes.0 {
                return Some(writer);
            }
            tracing::warn!(
                segment = number,
                "no room for a footer; its index stays in memory"
            );
        }
        None
    }

    fn footer_ended(&mut self, count: ByteCount, length: ByteCount) {
        self.turn.footer_under_way = false;
        let Some(writer) = &self.footer else {
            return;
        };
        let segment = self.book.segments.get_mut(&writer.segment);
        if writer.is_last() {
            if let Some(segment) = segment {
                segment.footer = Some(writer.footer);
            }
            self.footer = None;
        } else if count != length {
            let file = segment.map_or(FileId(0), |segment| segment.file);
            self.turn.fail(short_write(file, Position(0)));
        }
    }

    /// The superblock's next generation, when a table of segments is durable or at a clean stop.
    fn write_superblock(&mut self, disk: &mut Vec<DiskOp>) {
        if self.turn.superblock_under_way {
            return;
        }
        let flushed = self.appender.flushed;
        if let Round::Table {
            group,
            segment,
            at,
            replay_from,
        } = self.checkpoints.round
            && flushed >= group
        {
            self.checkpoints.round = Round::Superblock { replay_from };
            self.turn.superblock.table = Some((segment, at));
            self.turn.superblock.replay_from = replay_from;
            self.turn.superblock.flushed = flushed;
            self.turn.write_superblock(disk);
        } else if self.turn.closing && self.is_drained() && !self.turn.unsealed {
            self.turn.superblock.clean = true;
            self.turn.superblock.flushed = flushed;
            self.turn.write_superblock(disk);
        }
    }

    fn superblock_ended(&mut self) {
        self.turn.superblock_under_way = false;
        self.turn.closed = self.turn.superblock.clean;
        if let Round::Superblock { replay_from } = self.checkpoints.round {
            let before = self.checkpoints.replay_from;
            assert!(
                before <= replay_from,
                "replay went back: {before} -> {replay_from}"
            );
            self.checkpoints.replay_from = replay_from;
            self.checkpoints.round = Round::Rest;
            self.book.sweep_due = true;
        }
    }

    pub(super) fn take_in(&mut self, now: Now, done: DiskDone) {
        let mut shelf = Shelf {
            horizon: self.horizon(),
            book: &mut self.book,
            cache: &self.cache,
            incarnation: self.settings.incarnation,
        };
        let left = self.reads.completed(&mut shelf, done);
        self.turn.index_bytes += self.reads.take_rescanned_bytes();
        let Some(done) = left else {
            return;
        };
        let ticket = done.ticket;
        let Some(purpose) = self.turn.under_way.remove(&ticket) else {
            panic!("an operation ended that nobody began: {ticket:?}");
        };
        match purpose {
            Purpose::Space => self.space_known(now, done.result),
            Purpose::Survey => self.turn.surveyed(&done.result),
            Purpose::Prepare(file) => self.prepared(now, file, done.result.err()),
            Purpose::Remove => {
                self.turn.spares.removed(now.ticks);
                if let Err(error) = done.result {
                    tracing::warn!(?error, "a file that is not needed could not be removed");
                }
            }
            Purpose::Group { .. }
            | Purpose::Flush
            | Purpose::Superblock
            | Purpose::Footer { .. } => match done.result {
                // What a failed flush was to make stable may be gone, and another one that ends
                // well behind it did not bring it back: after a failure nothing counts any more.
                Ok(_) if self.turn.failure.is_some() => {}
                Ok(output) => self.write_ended(ticket, purpose, output),
                Err(error) => self.turn.fail(error),
            },
        }
        if self.is_still() {
            self.turn.idle_since = now.ticks;
        }
    }

    fn write_ended(&mut self, ticket: Ticket, purpose: Purpose, output: DiskOutput) {
        let count = match output {
            DiskOutput::Written(count) => count,
            DiskOutput::Flushed
            | DiskOutput::Read(_)
            | DiskOutput::Prepared
            | DiskOutput::Removed
            | DiskOutput::Space(_) => ByteCount(0),
        };
        match purpose {
            Purpose::Group {
                sequence,
                file,
                at,
                length,
            } => self.group_ended(sequence, (file, at), count == length),
            Purpose::Flush => self.appender.flushed_by(ticket),
            Purpose::Superblock if count.0 == UNIT as u64 => self.superblock_ended(),
            Purpose::Superblock => {
                let at = self.turn.superblock.at();
                self.turn.fail(short_write(SUPERBLOCK_FILE, at));
            }
            Purpose::Footer { length } => self.footer_ended(count, length),
            Purpose::Space | Purpose::Survey | Purpose::Prepare(_) | Purpose::Remove => {}
        }
    }

    fn group_ended(&mut self, sequence: Sequence, place: (FileId, Position), whole: bool) {
        if whole {
            self.appender.wrote(sequence);
        } else {
            self.turn.fail(short_write(place.0, place.1));
        }
    }

    fn space_known(&mut self, now: Now, result: Result<DiskOutput, DiskError>) {
        self.turn.surveyed(&result);
        let free = match result {
            Ok(DiskOutput::Space(space)) => space.usable,
            Ok(_) | Err(_) => ByteCount(0),
        };
        let wanted = self.settings.segment_bytes.0 + self.settings.reserve_bytes.0;
        self.turn.next = if free.0 >= wanted {
            Next::Wanted
        } else {
            Next::Short(now.ticks + JOURNAL_SPACE_WAIT)
        };
    }

    fn prepared(&mut self, now: Now, file: FileId, error: Option<DiskError>) {
        self.turn.next = match error {
            None => Next::Ready(file),
            Some(error) => {
                tracing::warn!(?error, "no file could be prepared for the next segment");
                self.turn.spares.add_found(file);
                Next::Short(now.ticks + JOURNAL_SPACE_WAIT)
            }
        };
    }
}

fn short_write(file: FileId, at: Position) -> DiskError {
    DiskError {
        call: "write (ended short)",
        file,
        at,
        errno: 0,
    }
}

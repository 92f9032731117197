//! What the device does next, and what follows from what it did.

use std::collections::HashMap;

use crate::base::limits::{
    JOURNAL_GROUPS_IN_FLIGHT, JOURNAL_SEAL_WAIT, JOURNAL_SPACE_WAIT, JOURNAL_WRITES_DURABLE,
};
use crate::base::{ByteCount, Now, Position, Ticks};
use crate::runtime::{BlockPool, DiskDone, DiskError, DiskOp, DiskOutput, FileId, Ticket};

use super::appender::Progress;
use super::entry::Sequence;
use super::error::JournalError;
use super::format::UNIT;
use super::journal::{Journal, Snapshots};
use super::superblock::{SUPERBLOCK_FILE, Superblock};

/// What an operation under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Group {
        sequence: Sequence,
        file: FileId,
        at: Position,
        length: ByteCount,
    },
    Flush,
    Superblock,
    Space,
    Prepare(FileId),
}

/// The file that the next segment will use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nobody has asked yet.
    None,
    /// There is no space; ask again then.
    Short(Ticks),
    Asking,
    /// There is space for it.
    Wanted,
    Ready(FileId),
}

/// State that lives from turn to turn beside the data.
pub(super) struct Turn {
    pool: BlockPool,
    pub groups_in_flight: usize,
    pub writes_durable: bool,
    pub failure: Option<DiskError>,
    pub closing: bool,
    closed: bool,
    /// The newest sealed group holds rows: no seal has followed it.
    pub unsealed: bool,
    /// When the journal last came to have nothing to write.
    idle_since: Ticks,
    superblock: Superblock,
    spare: Vec<FileId>,
    next: Next,
    next_segment: u32,
    next_file: u32,
    tickets: u64,
    under_way: HashMap<Ticket, Purpose>,
}

impl Turn {
    pub fn new(
        pool: BlockPool,
        now: Now,
        superblock: Superblock,
        spare: Vec<FileId>,
        next_segment: u32,
        next_file: u32,
    ) -> Self {
        Self {
            pool,
            groups_in_flight: JOURNAL_GROUPS_IN_FLIGHT,
            writes_durable: JOURNAL_WRITES_DURABLE,
            failure: None,
            closing: false,
            closed: false,
            unsealed: false,
            idle_since: now.ticks,
            superblock,
            spare,
            next: Next::None,
            next_segment,
            next_file,
            tickets: 0,
            under_way: HashMap::new(),
        }
    }

    pub fn has_prepared(&self) -> bool {
        matches!(self.next, Next::Ready(_))
    }

    /// Why there is no segment to go on in.
    pub fn why_no_segment(&self) -> JournalError {
        match self.next {
            Next::Short(_) => JournalError::Full,
            Next::None | Next::Asking | Next::Wanted | Next::Ready(_) => JournalError::Busy,
        }
    }

    /// The prepared file and the number of the segment that it becomes.
    pub fn take_prepared(&mut self) -> (u32, FileId) {
        let Next::Ready(file) = self.next else {
            panic!("no file is prepared: {:?}", self.next);
        };
        self.next = Next::None;
        self.next_segment += 1;
        (self.next_segment - 1, file)
    }

    pub fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub fn is_closed_if_asked(&self) -> bool {
        self.closed || !self.closing
    }

    /// The next time that matters, if nothing is on its way when `drained`.
    pub fn wake_at(&self, drained: bool) -> Option<Ticks> {
        if self.failure.is_some() {
            return None;
        }
        let seal = (drained && self.unsealed).then(|| self.idle_since + JOURNAL_SEAL_WAIT);
        let space = match self.next {
            Next::Short(until) => Some(until),
            Next::None | Next::Asking | Next::Wanted | Next::Ready(_) => None,
        };
        seal.into_iter().chain(space).min()
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn begin(&mut self, purpose: Purpose) -> Ticket {
        let ticket = self.ticket();
        self.under_way.insert(ticket, purpose);
        ticket
    }

    fn fail(&mut self, error: DiskError) {
        tracing::error!(
            ?error,
            "the journal's device failed; nothing more is written to it"
        );
        self.failure.get_or_insert(error);
    }

    /// Asks for the next segment's file ahead of need.
    fn prepare(&mut self, now: Now, length: ByteCount, disk: &mut Vec<DiskOp>) {
        if self.next == Next::Wanted {
            let file = self.spare.pop().unwrap_or_else(|| {
                self.next_file += 1;
                FileId(self.next_file - 1)
            });
            self.next = Next::Asking;
            let ticket = self.begin(Purpose::Prepare(file));
            disk.push(DiskOp::Prepare {
                ticket,
                file,
                length,
            });
            return;
        }
        let due = match self.next {
            Next::None => true,
            Next::Short(until) => now.ticks >= until,
            Next::Asking | Next::Wanted | Next::Ready(_) => false,
        };
        if due && !self.closing {
            self.next = Next::Asking;
            let ticket = self.begin(Purpose::Space);
            disk.push(DiskOp::Space { ticket });
        }
    }

    fn mark_clean(&mut self, flushed: Sequence, disk: &mut Vec<DiskOp>) {
        self.superblock.clean = true;
        self.superblock.flushed = flushed;
        self.write_superblock(disk);
    }

    fn write_superblock(&mut self, disk: &mut Vec<DiskOp>) {
        self.superblock.generation += 1;
        let mut block = self.pool.take(ByteCount(UNIT as u64));
        self.superblock.write(block.spare());
        block.advance(UNIT);
        let ticket = self.begin(Purpose::Superblock);
        disk.push(DiskOp::Write {
            ticket,
            file: SUPERBLOCK_FILE,
            at: self.superblock.at(),
            data: block.freeze(),
            durable: true,
        });
    }
}

impl Journal {
    pub(super) fn hand_out(
        &mut self,
        now: Now,
        _snapshots: &dyn Snapshots,
        disk: &mut Vec<DiskOp>,
    ) {
        let turn = &mut self.turn;
        self.reads.hand_out(|| turn.ticket(), disk);
        if self.turn.failure.is_some() || self.turn.closed {
            return;
        }
        self.turn.prepare(now, self.settings.segment_bytes, disk);
        self.flush_written(disk);
        self.write_groups(now, disk);
        self.shrink_cache();
        let marked = self.turn.superblock.clean;
        if self.turn.closing && self.is_drained() && !self.turn.unsealed && !marked {
            self.turn.mark_clean(self.appender.flushed, disk);
        }
    }

    /// Hands groups to the device while it is free for one: those that wait, then the open one.
    fn write_groups(&mut self, now: Now, disk: &mut Vec<DiskOp>) {
        while self.appender.in_flight() < self.turn.groups_in_flight {
            if self.appender.next_queued().is_none() {
                let quiet = self.is_drained() && self.turn.unsealed;
                let idle = now.ticks >= self.turn.idle_since + JOURNAL_SEAL_WAIT;
                let seal_due = quiet && (idle || self.turn.closing);
                if self.appender.is_empty() && !(seal_due && self.appender.has_unit()) {
                    break;
                }
                self.seal_group();
            }
            let durable = self.turn.writes_durable;
            let Some(group) = self.appender.next_queued() else {
                break;
            };
            group.progress = Progress::Writing;
            let ticket = self.turn.begin(Purpose::Group {
                sequence: group.sequence,
                file: group.file,
                at: Position(u64::from(group.at)),
                length: ByteCount(group.bytes.len() as u64),
            });
            disk.push(DiskOp::Write {
                ticket,
                file: group.file,
                at: Position(u64::from(group.at)),
                data: group.bytes.clone(),
                durable,
            });
        }
    }

    /// One flush for every file that has groups written and not flushed.
    fn flush_written(&mut self, disk: &mut Vec<DiskOp>) {
        loop {
            let written = |progress| progress == Progress::Written;
            let mut groups = self.appender.groups.iter_mut();
            let Some(file) = groups
                .find(|group| written(group.progress))
                .map(|group| group.file)
            else {
                return;
            };
            let ticket = self.turn.begin(Purpose::Flush);
            for group in &mut self.appender.groups {
                if group.file == file && written(group.progress) {
                    group.progress = Progress::Flushing(ticket);
                }
            }
            disk.push(DiskOp::Flush { ticket, file });
        }
    }

    fn shrink_cache(&mut self) {
        let limit = self.settings.cache_bytes.0;
        let (segment, at) = match self.appender.groups.front() {
            Some(group) => (group.segment, group.at),
            None => (self.appender.tail().segment, self.appender.tail().at),
        };
        while self.cache.bytes() > limit && self.cache.pop_before(segment, at) {}
    }

    pub(super) fn take_in(&mut self, now: Now, done: DiskDone) {
        let Some(done) = self.reads.completed(&mut self.book, done) else {
            return;
        };
        let ticket = done.ticket;
        let Some(purpose) = self.turn.under_way.remove(&ticket) else {
            panic!("an operation ended that nobody began: {ticket:?}");
        };
        match (purpose, done.result) {
            (
                Purpose::Group {
                    sequence,
                    file,
                    at,
                    length,
                },
                Ok(DiskOutput::Written(count)),
            ) => {
                if count == length {
                    self.appender.wrote(sequence, self.turn.writes_durable);
                } else {
                    self.turn.fail(short_write(file, at));
                }
            }
            (Purpose::Flush, Ok(DiskOutput::Flushed)) => self.appender.flushed_by(ticket),
            (Purpose::Superblock, Ok(DiskOutput::Written(count))) => {
                if count.0 != UNIT as u64 {
                    self.turn
                        .fail(short_write(SUPERBLOCK_FILE, self.turn.superblock.at()));
                } else if self.turn.superblock.clean {
                    self.turn.closed = true;
                }
            }
            (Purpose::Space, result) => self.space_known(now, result),
            (Purpose::Prepare(file), result) => match result {
                Ok(_) => self.turn.next = Next::Ready(file),
                Err(error) => {
                    tracing::warn!(?error, "no file could be prepared for the next segment");
                    self.turn.spare.push(file);
                    self.turn.next = Next::Short(now.ticks + JOURNAL_SPACE_WAIT);
                }
            },
            (_, Err(error)) => self.turn.fail(error),
            (purpose, Ok(output)) => panic!("{purpose:?} ended as {output:?}"),
        }
        if self.is_drained() {
            self.turn.idle_since = now.ticks;
        }
    }

    fn space_known(&mut self, now: Now, result: Result<DiskOutput, DiskError>) {
        let free = match result {
            Ok(DiskOutput::Space(free)) => free,
            Ok(_) | Err(_) => ByteCount(0),
        };
        let wanted = self.settings.segment_bytes.0 + self.settings.reserve_bytes.0;
        self.turn.next = if free.0 >= wanted || !self.turn.spare.is_empty() {
            Next::Wanted
        } else {
            Next::Short(now.ticks + JOURNAL_SPACE_WAIT)
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

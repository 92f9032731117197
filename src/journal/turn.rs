//! What is under way, and what lives from turn to turn beside the data.

use std::collections::HashMap;

use crate::base::limits::{JOURNAL_GROUPS_IN_FLIGHT, JOURNAL_SEAL_WAIT, JOURNAL_WRITES_DURABLE};
use crate::base::{ByteCount, Now, Position, Ticks};
use crate::runtime::{BlockPool, DiskError, DiskOp, DiskOutput, DiskSpace, FileId, Ticket};

use super::counts::Counts;
use super::entry::Sequence;
use super::error::JournalError;
use super::format::UNIT;
use super::growth::Growth;
use super::journal::Settings;
use super::spares::{Spare, Spares};
use super::superblock::{SUPERBLOCK_FILE, Superblock};

/// What an operation under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Group {
        sequence: Sequence,
        file: FileId,
        at: Position,
        length: ByteCount,
    },
    Flush,
    Superblock,
    /// A slice of a footer, or the flush behind the last one (of no bytes).
    Footer {
        length: ByteCount,
    },
    Space,
    /// The same, for those who only want to know.
    Survey,
    Prepare(FileId),
    Remove,
}

/// The file that the next segment will use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nobody has asked yet.
    None,
    /// There is no space; ask again then.
    Short(Ticks),
    Asking,
    /// There is space for it.
    Wanted,
    Ready(FileId),
}

/// With less than so many segments of usable space, no files are kept for later.
const SHORT_SEGMENTS: u64 = 8;

/// All files that one shard keeps take at most one part in so many of the usable space.
const SPARES_SHARE: u64 = 32;

/// Of a used file one part in so many is zeroed, at its front.
const USED_HEAD_SHARE: u64 = 64;

/// How much of a used file is zeroed before the next segment begins in it: a start knows a file by
/// its first group, which may not have reached the device, and must not find the old one's there.
fn used_head(segment: ByteCount) -> ByteCount {
    ByteCount((segment.0 / USED_HEAD_SHARE).next_multiple_of(UNIT as u64))
}

/// What a start finds of the files: those that hold nothing, and the numbers to go on with.
pub(super) struct Files {
    pub spare: Vec<FileId>,
    pub next_segment: u32,
    pub next_file: u32,
    pub indexed_from: u32,
}

/// State that lives from turn to turn beside the data.
pub(super) struct Turn {
    pub pool: BlockPool,
    /// How much memory the cache may take by now.
    pub growth: Growth,
    /// The cache gave something up in this turn.
    pub gave_up: u64,
    pub groups_in_flight: usize,
    pub writes_durable: bool,
    pub counts: Counts,
    pub failure: Option<DiskError>,
    pub closing: bool,
    pub closed: bool,
    /// The newest sealed group holds rows: no seal has followed it.
    pub unsealed: bool,
    /// When the journal last came to have nothing to write, or a flush then ended.
    pub idle_since: Ticks,
    pub superblock: Superblock,
    pub superblock_under_way: bool,
    pub footer_under_way: bool,
    pub spares: Spares,
    pub next: Next,
    next_segment: u32,
    next_file: u32,
    /// Segments that are free once what emptied them is durable.
    pub emptied: Vec<u32>,
    /// Segments below this one have no index in memory.
    pub indexed_from: u32,
    /// Memory that the indexes of sealed segments take.
    pub index_bytes: u64,
    tickets: u64,
    pub under_way: HashMap<Ticket, Purpose>,
    /// What the file system had when it was last asked, and whether to ask again.
    pub space: Option<DiskSpace>,
    pub survey_due: bool,
}

impl Turn {
    pub fn new(
        pool: BlockPool,
        growth: Growth,
        now: Now,
        superblock: Superblock,
        files: Files,
    ) -> Self {
        Self {
            pool,
            growth,
            gave_up: 0,
            groups_in_flight: JOURNAL_GROUPS_IN_FLIGHT,
            writes_durable: JOURNAL_WRITES_DURABLE,
            counts: Counts::default(),
            failure: None,
            closing: false,
            closed: false,
            unsealed: false,
            idle_since: now.ticks,
            superblock,
            superblock_under_way: false,
            footer_under_way: false,
            spares: Spares::new(files.spare, now.ticks),
            next: Next::None,
            next_segment: files.next_segment,
            next_file: files.next_file,
            emptied: Vec::new(),
            indexed_from: files.indexed_from,
            index_bytes: 0,
            tickets: 0,
            under_way: HashMap::new(),
            space: None,
            survey_due: false,
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

    /// The next time that matters: `flush` is the journal's, and nothing is on its way when
    /// `drained`.
    pub fn wake_at(&self, drained: bool, flush: Option<Ticks>) -> Option<Ticks> {
        if self.failure.is_some() {
            return None;
        }
        let seal = (drained && self.unsealed).then(|| self.idle_since + JOURNAL_SEAL_WAIT);
        let space = match self.next {
            Next::Short(until) => Some(until),
            Next::None | Next::Asking | Next::Wanted | Next::Ready(_) => None,
        };
        let remove = self.spares.wake_at();
        // Neither is looked after any more once the journal closes.
        let (space, remove) = match self.closing {
            true => (None, None),
            false => (space, remove),
        };
        [seal, space, flush, remove].into_iter().flatten().min()
    }

    /// What the file system had when it was last asked.
    pub fn surveyed(&mut self, result: &Result<DiskOutput, DiskError>) {
        if let Ok(DiskOutput::Space(space)) = result {
            self.space = Some(*space);
        }
    }

    pub fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub fn begin(&mut self, purpose: Purpose) -> Ticket {
        let ticket = self.ticket();
        self.under_way.insert(ticket, purpose);
        ticket
    }

    pub fn fail(&mut self, error: DiskError) {
        tracing::error!(
            ?error,
            "the journal's device failed; nothing more is written to it"
        );
        self.failure.get_or_insert(error);
    }

    /// Asks for the next segment's file ahead of need, and removes one that nobody needs.
    pub fn prepare(&mut self, now: Now, settings: &Settings, disk: &mut Vec<DiskOp>) {
        self.remove_spare(now, settings, disk);
        if std::mem::take(&mut self.survey_due) {
            let ticket = self.begin(Purpose::Survey);
            disk.push(DiskOp::Space { ticket });
        }
        let (due, has_file) = match self.next {
            Next::Wanted => (true, true),
            Next::None => (true, !self.spares.is_empty()),
            Next::Short(until) => (now.ticks >= until, self.spares.have_used()),
            Next::Asking | Next::Ready(_) => (false, false),
        };
        if due && has_file {
            self.begin_file(now, settings.segment_bytes, disk);
        } else if due {
            self.next = Next::Asking;
            let ticket = self.begin(Purpose::Space);
            disk.push(DiskOp::Space { ticket });
        }
    }

    /// Makes a file ready for the next segment.
    fn begin_file(&mut self, now: Now, length: ByteCount, disk: &mut Vec<DiskOp>) {
        self.spares.begins(now.ticks);
        let (file, length) = match self.spares.take() {
            Some(Spare::Used(file)) => (file, used_head(length)),
            Some(Spare::Found(file)) => (file, length),
            None => {
                self.next_file += 1;
                (FileId(self.next_file - 1), length)
            }
        };
        self.next = Next::Asking;
        let ticket = self.begin(Purpose::Prepare(file));
        disk.push(DiskOp::Prepare {
            ticket,
            file,
            length,
        });
    }

    fn remove_spare(&mut self, now: Now, settings: &Settings, disk: &mut Vec<DiskOp>) {
        let segment = settings.segment_bytes.0;
        let least = settings.reserve_bytes.0 + SHORT_SEGMENTS * segment;
        let kept_max = match self.space.map(|space| space.usable.0) {
            Some(usable) if usable < least => 0,
            Some(usable) => (usable / SPARES_SHARE / segment) as usize,
            None => usize::MAX,
        };
        if let Some(file) = self.spares.remove(now.ticks, kept_max) {
            let ticket = self.begin(Purpose::Remove);
            disk.push(DiskOp::Remove { ticket, file });
        }
    }

    pub fn write_superblock(&mut self, disk: &mut Vec<DiskOp>) {
        self.superblock_under_way = true;
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

//! Opening a journal: straight-line code over a directory that may be waited for.
//!
//! In this order, so that a crash at any point finds the same log again: find out what the log is;
//! write the part of it that may be volatile once more, and flush it; say so in the superblock,
//! with a new session; end the log with a seal of that session, so that nothing which was cut can
//! ever be taken for its continuation; remove the segments that were cut.

use std::collections::BTreeMap;

use crate::base::{ByteCount, Position};
use crate::runtime::disk::Found as FoundFile;
use crate::runtime::{Block, BlockPool, Directory, FileId};

use super::appender::Tail;
use super::book::Book;
use super::checkpoint::{Checkpoints, SavedSegment, read_table};
use super::damage::Damage;
use super::entry::Sequence;
use super::error::JournalError;
use super::format::{Kind, UNIT, rows};
use super::journal::Settings;
use super::losses::Gone;
use super::numbering::number_files;
use super::rebuild::Rebuild;
use super::requests::Replay;
use super::scan::{Item, Reader, ScannedGroup, Wanted, group_at, scan};
use super::sources::Source;
use super::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_FILE, Superblock};
use super::torn::{Found, Known, judge};

/// Enough to find a file's first group.
const HEAD_WINDOW_BYTES: u64 = UNIT as u64;

/// A journal's state as found.
pub(super) struct Recovered {
    pub book: Book,
    pub tail: Tail,
    pub superblock: Superblock,
    pub damage: Vec<Damage>,
    /// Files that hold no segment.
    pub spare: Vec<FileId>,
    /// Sealed segments without a footer.
    pub footers_due: Vec<u32>,
    pub next_segment: u32,
    pub next_file: u32,
}

impl Recovered {
    /// After damage a round begins at once, so that the ends that streams were given because of it
    /// are kept by more than the damage itself. Until it has ended, what streams were taken up in
    /// for want of a newer checkpoint is not freed.
    pub fn checkpoints(&self) -> Checkpoints {
        let needed = self.book.replay_from().unwrap_or(0);
        let mut checkpoints = Checkpoints::new(self.superblock.replay_from.min(needed));
        if !self.damage.is_empty() {
            checkpoints.begin_whole();
        }
        checkpoints
    }
}

/// What recovery works with.
pub(super) struct Recovery<'a> {
    pub settings: Settings,
    pub directory: &'a mut dyn Directory,
    pub pool: &'a BlockPool,
    files: Vec<FoundFile>,
    /// The file of each segment.
    segments: BTreeMap<u32, FoundFile>,
    /// The newest table of segments that is durable, if there is one.
    table: BTreeMap<u32, SavedSegment>,
    /// Segments from this one on have never been freed.
    freed_below: u32,
    /// Higher than the number of any segment found.
    pub next_segment: u32,
    /// Higher than the number of any file found.
    pub next_file: u32,
    pub spare: Vec<FileId>,
}

/// Finds the journal in `directory`, or makes one, and tells `replay` what there is.
pub(super) fn recover(
    settings: Settings,
    directory: &mut dyn Directory,
    pool: &BlockPool,
    replay: &mut dyn Replay,
) -> Result<Recovered, JournalError> {
    let files = directory.list()?;
    let mut recovery = Recovery {
        settings,
        directory,
        pool,
        next_file: files.iter().map(|found| found.file.0).max().unwrap_or(0) + 1,
        files,
        segments: BTreeMap::new(),
        table: BTreeMap::new(),
        freed_below: u32::MAX,
        next_segment: 1,
        spare: Vec::new(),
    };
    let mut superblock = recovery.superblock()?;
    recovery.find_segments()?;
    recovery.load_table(&mut superblock)?;
    let (mut sources, before) = recovery.sources(&superblock);
    let gone = recovery.gone(&superblock);
    let scan_from = sources.last().map_or(0, |source| source.segment + 1);
    let items = recovery.scan(scan_from, before)?;
    let verdict = judge(&items, recovery.known(before, &superblock));
    let (kept, cut) = items.split_at(verdict.kept);
    recovery.add_scanned(&mut sources, kept);
    let mut rebuild = Rebuild::new(recovery.directory, settings.incarnation);
    rebuild.gone = gone;
    rebuild.run(&mut sources, &verdict.losses, replay)?;
    let (mut book, damage) = (rebuild.book, rebuild.damage);
    damage.iter().for_each(Damage::report);
    if !superblock.clean {
        recovery.write_again(kept, verdict.flushed)?;
    }
    let superblock = Superblock {
        generation: superblock.generation + 1,
        clean: false,
        flushed: verdict.last,
        session: session_after(&superblock, &items),
        ..superblock
    };
    superblock.store(recovery.directory, pool)?;
    recovery.remove_cut(kept, cut, &book)?;
    let mut tail = recovery.tail(kept, &verdict, &mut book)?;
    recovery.seal(&mut tail, &superblock, &mut book)?;
    Ok(Recovered {
        footers_due: footers_due(&book, &tail),
        next_segment: recovery.next_segment,
        next_file: recovery.next_file,
        spare: recovery.spare,
        book,
        tail,
        superblock,
        damage,
    })
}

/// The sealed segments that a crash kept from getting a footer.
fn footers_due(book: &Book, tail: &Tail) -> Vec<u32> {
    let segments = book.segments.values();
    let sealed = segments.filter(|segment| segment.number < tail.segment);
    let due = sealed.filter(|segment| segment.footer.is_none());
    due.map(|segment| segment.number).collect()
}

fn session_after(superblock: &Superblock, items: &[Found]) -> u32 {
    let seen = items.iter().map(|found| match &found.item {
        Item::Group(group) => group.header.session,
        Item::Gap => 0,
    });
    seen.max().unwrap_or(0).max(superblock.session) + 1
}

impl Recovery<'_> {
    /// The superblock, made if there is none: then nothing was ever acknowledged, or it is lost
    /// and the segments tell the rest.
    fn superblock(&mut self) -> Result<Superblock, JournalError> {
        let is_new = self.files.is_empty();
        let known = self.files.iter().any(|found| found.file == SUPERBLOCK_FILE);
        if !known {
            self.directory.prepare(SUPERBLOCK_FILE, SUPERBLOCK_BYTES)?;
        }
        let incarnation = self.settings.incarnation;
        match Superblock::load(self.directory)? {
            Some(loaded) if loaded.superblock.incarnation != incarnation => {
                Err(JournalError::Format {
                    file: SUPERBLOCK_FILE,
                    found: loaded.superblock.incarnation as u32,
                })
            }
            Some(loaded) => {
                self.freed_below = loaded.freed_below();
                Ok(loaded.superblock)
            }
            // Of segments without it nobody knows where a restart begins, now and later.
            None => Ok(Superblock {
                replay_from: u32::from(is_new),
                ..Superblock::fresh(incarnation)
            }),
        }
    }

    fn find_segments(&mut self) -> Result<(), JournalError> {
        let numbered = number_files(self.directory, &self.files, self.settings.incarnation)?;
        self.segments = numbered.segments;
        self.spare = numbered.spare;
        self.next_segment = self.next_segment.max(numbered.last + 1);
        Ok(())
    }

    /// Reads the table that the superblock names. A segment older than the newest in it and not
    /// named by it was freed; its file may be used again.
    fn load_table(&mut self, superblock: &mut Superblock) -> Result<(), JournalError> {
        let Some((segment, at)) = superblock.table else {
            return Ok(());
        };
        if let Some(file) = self.segments.get(&segment).copied() {
            let mut reader = Reader::new(self.directory, file);
            self.table = table_at(&mut reader, at, self.settings.incarnation)?;
        }
        let Some(newest) = self.table.keys().next_back().copied() else {
            tracing::error!(
                segment,
                at,
                "the table of segments can not be read; scanning all"
            );
            superblock.table = None;
            superblock.replay_from = 0;
            return Ok(());
        };
        let table = &self.table;
        let spare = &mut self.spare;
        self.segments.retain(|number, found| {
            let known = table
                .get(number)
                .is_some_and(|saved| saved.file == found.file);
            let live = *number >= newest || known;
            if !live {
                spare.push(found.file);
            }
            live
        });
        Ok(())
    }

    /// The segments that need no scan, and the last sequence before those that do.
    fn sources(&self, superblock: &Superblock) -> (Vec<Source>, Option<Sequence>) {
        let mut sources = Vec::new();
        let first = self.segments.keys().next().copied();
        // If none was ever freed, those ahead of the first that is there are lost.
        let begins = first.unwrap_or(1) == 1 || self.freed_below == 1;
        let mut before = begins.then_some(Sequence(0));
        for (number, saved) in &self.table {
            let file = self.segments.get(number);
            let replayed = *number >= superblock.replay_from;
            let there = file.is_some() || *number >= self.freed_below;
            if there && replayed && saved.footer.is_none() {
                before = Some(Sequence(saved.first.0 - 1));
                break;
            }
            sources.extend(file.map(|file| Source::of(saved, *file, replayed)));
        }
        (sources, before)
    }

    fn known(&self, before: Option<Sequence>, superblock: &Superblock) -> Known {
        Known {
            before,
            flushed: superblock.flushed,
            freed_below: self.freed_below,
        }
    }

    /// The segments that the table names and the directory lacks, but for those that a scan misses.
    fn gone(&self, superblock: &Superblock) -> Vec<Gone> {
        let is_scanned = |saved: &SavedSegment| {
            saved.number >= superblock.replay_from.max(self.freed_below) && saved.footer.is_none()
        };
        let named = self.table.values().take_while(|saved| !is_scanned(saved));
        let gone = named.filter(|saved| !self.segments.contains_key(&saved.number));
        let gone = gone.map(|saved| {
            let behind = self.table.range(saved.number + 1..).next();
            let last = behind.map_or(saved.first.0, |(_, behind)| {
                behind.first.0.saturating_sub(1)
            });
            Gone {
                segment: saved.number,
                file: saved.file,
                first: saved.first,
                last: Sequence(last.max(saved.first.0)),
                needed: saved.number >= self.freed_below,
            }
        });
        gone.collect()
    }

    fn scan(&mut self, from: u32, before: Option<Sequence>) -> Result<Vec<Found>, JournalError> {
        let mut found = Vec::new();
        let mut wanted = Wanted {
            incarnation: self.settings.incarnation,
            segment: 0,
            after: before.unwrap_or_default(),
            session: 0,
        };
        for (number, file) in self.segments.range(from..) {
            wanted.segment = *number;
            let mut reader = Reader::new(self.directory, *file);
            let (items, _) = scan(&mut reader, wanted)?;
            for item in items {
                if let Item::Group(group) = &item {
                    wanted.after = group.header.sequence;
                    wanted.session = group.header.session;
                }
                found.push(Found {
                    segment: *number,
                    item,
                });
            }
        }
        Ok(found)
    }

    /// Adds the segments that were scanned, as far as they are kept.
    fn add_scanned(&self, sources: &mut Vec<Source>, kept: &[Found]) {
        for (number, found) in kept.iter().enumerate() {
            let Item::Group(group) = &found.item else {
                continue;
            };
            let same = sources
                .last()
                .is_some_and(|last| last.segment == found.segment);
            if !same {
                sources.push(Source {
                    segment: found.segment,
                    file: self.segments[&found.segment],
                    first: group.header.sequence,
                    used: 0,
                    footer: None,
                    groups: Vec::new(),
                    judged: true,
                    replayed: true,
                });
            }
            if let Some(source) = sources.last_mut() {
                source.used = group.header.at + group.header.length;
                source.groups.push((number, group.clone()));
            }
        }
    }

    /// What is whole but was not known to be flushed is written again and flushed before anybody
    /// sees it: a crash may have come between write and flush, and the next one must not take it.
    fn write_again(&mut self, kept: &[Found], flushed: Sequence) -> Result<(), JournalError> {
        let mut touched: Vec<FileId> = Vec::new();
        for found in kept {
            let Item::Group(group) = &found.item else {
                continue;
            };
            if group.header.sequence <= flushed {
                continue;
            }
            let file = self.segments[&found.segment];
            let at = Position(u64::from(group.header.at));
            let mut reader = Reader::with_window(self.directory, file, HEAD_WINDOW_BYTES);
            let block = whole_group(&mut reader, self.pool, group)?;
            let file = file.file;
            self.directory.write(file, at, &block.freeze())?;
            if touched.last() != Some(&file) {
                touched.push(file);
            }
        }
        for file in touched {
            self.directory.flush(file)?;
        }
        Ok(())
    }

    /// Removes the segments of which nothing is kept: their groups must never be found again.
    fn remove_cut(
        &mut self,
        kept: &[Found],
        cut: &[Found],
        book: &Book,
    ) -> Result<(), JournalError> {
        let last_kept = kept.last().map_or(0, |found| found.segment);
        let first_cut = cut.first().map_or(u32::MAX, |found| found.segment);
        for (number, file) in self.segments.range(last_kept.min(first_cut)..) {
            if !book.segments.contains_key(number) {
                self.directory.remove(file.file)?;
            }
        }
        Ok(())
    }
}

/// The bytes of a group that was whole when it was scanned, and still is: a wrong byte here would
/// be written over the right one.
fn whole_group(
    reader: &mut Reader<'_>,
    pool: &BlockPool,
    group: &ScannedGroup,
) -> Result<Block, JournalError> {
    let header = &group.header;
    let (file, at) = (reader.file(), u64::from(header.at));
    let found = group_at(reader, at, header.incarnation)?;
    let same = found.is_some_and(|found| found.whole && found.sum == group.sum);
    let bytes = reader.view(at, header.length as usize)?;
    let Some(bytes) = bytes.filter(|_| same) else {
        return Err(JournalError::Checksum {
            file,
            at: Position(at),
            expected: group.sum,
            found: 0,
        });
    };
    let mut block = pool.take(ByteCount(bytes.len() as u64));
    block.append(bytes);
    Ok(block)
}

/// The table of segments in the group at a place; empty if there is none that can be read.
fn table_at(
    reader: &mut Reader<'_>,
    at: u32,
    incarnation: u64,
) -> Result<BTreeMap<u32, SavedSegment>, JournalError> {
    let at = u64::from(at);
    let Some(group) = group_at(reader, at, incarnation)? else {
        return Ok(BTreeMap::new());
    };
    let Some(bytes) = reader.view(at, group.header.length as usize)? else {
        return Ok(BTreeMap::new());
    };
    let rows = rows(&group.header, bytes).unwrap_or_default();
    let table = rows
        .iter()
        .rev()
        .find(|(row, _)| row.kind == Kind::Segments);
    let payload = table.and_then(|(row, at)| {
        let payload = bytes.get(*at as usize..(*at + row.length) as usize)?;
        row.fits(payload).then_some(payload)
    });
    Ok(payload.map(read_table).unwrap_or_default())
}

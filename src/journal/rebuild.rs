//! From the rows of a journal back to its book, and to its caller's state.
//!
//! Two passes over the segments that a restart replays: the first finds each stream's newest
//! checkpoint, the second takes up streams there and tells what follows. Segments before those are
//! only listed; their rows are read when somebody asks for them.
//!
//! What is read is read in few and large pieces, and little more than is needed: with 140,000
//! streams a read for each of them took a minute.

use std::collections::{HashMap, HashSet};

use crate::base::Position;
use crate::runtime::Directory;

use super::book::{Book, Segment};
use super::boot::BootIndex;
use super::checkpoint::{end_of, read_state};
use super::damage::Damage;
use super::entry::{Index, StreamId};
use super::error::JournalError;
use super::format::{Kind, Row};
use super::index::{NONE, SegmentIndex};
use super::losses::Gone;
use super::pages::PageCache;
use super::parts::{Change, Part};
use super::requests::Replay;
use super::sources::{FooterReader, Seen, Source};
use super::torn::Loss;

/// What rebuilding works with.
pub(super) struct Rebuild<'a> {
    pub directory: &'a mut dyn Directory,
    pub incarnation: u64,
    pub book: Book,
    pub damage: Vec<Damage>,
    /// Pages of footers that were needed to take folded parts apart.
    pages: PageCache,
    /// Where each stream's newest checkpoint is, until it is taken up.
    saved: HashMap<StreamId, (u32, u32)>,
    /// Streams whose checkpoints can not be read: all segments tell of them.
    unsaved: HashSet<StreamId>,
    /// The streams of which something is known from behind the last group whose rows are lost.
    pub proven: HashSet<StreamId>,
    /// Groups whose rows nobody knows.
    pub groups_lost: u64,
    /// Segments that the table names and the directory lacks, by number.
    pub gone: Vec<Gone>,
    /// Somewhere rows are lost that nobody knows, checkpoints perhaps among them.
    rows_lost: bool,
}

impl<'a> Rebuild<'a> {
    pub fn new(directory: &'a mut dyn Directory, incarnation: u64) -> Self {
        Self {
            directory,
            incarnation,
            book: Book::new(),
            damage: Vec::new(),
            pages: PageCache::default(),
            saved: HashMap::new(),
            unsaved: HashSet::new(),
            proven: HashSet::new(),
            groups_lost: 0,
            gone: Vec::new(),
            rows_lost: false,
        }
    }

    /// Rebuilds the book from `sources`, oldest first, and tells `replay`.
    pub fn run(
        &mut self,
        sources: &mut [Source],
        losses: &[Loss],
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        self.rows_lost = self.are_rows_lost(sources, losses);
        for source in sources.iter_mut() {
            // A stream whose newest checkpoint is lost is known from an older one, or its rows.
            // If it were not, its segments would be freed.
            source.replayed |= self.rows_lost;
            self.list(source)?;
        }
        let replayed = sources.iter().filter(|source| source.replayed).count();
        let mut share = Share::of(2 * replayed);
        for source in sources.iter_mut().filter(|source| source.replayed) {
            self.find_checkpoints(source)?;
            share.grew(replay);
        }
        self.replay_unsaved(sources, replay)?;
        for source in sources.iter_mut() {
            self.note_gone(source.segment);
            if source.replayed {
                self.replay(source, losses, replay)?;
                share.grew(replay);
            } else if source.footer.is_none() && self.unsaved.is_empty() {
                let seen = source.rows_of_groups(self.directory)?;
                self.index(source.segment, &seen);
            }
        }
        self.note_gone(u32::MAX);
        self.lose_ends(losses, replay);
        let last = sources.last().map(|source| source.file.file);
        let noticed = |loss: &&Loss| self.damage.iter().any(|known| known.first == loss.first);
        let unseen: Vec<Loss> = losses.iter().filter(|l| !noticed(l)).copied().collect();
        for loss in unseen {
            self.damage.push(Damage {
                file: last.unwrap_or(super::superblock::SUPERBLOCK_FILE),
                at: Position(0),
                first: loss.first,
                last: loss.last,
                streams: Vec::new(),
                gone: false,
            });
        }
        // Not before the end: an entry that a checkpoint knows in a segment freed since was carried
        // to another, and a later row says so.
        let missed = self.missed();
        self.note_missed(&missed);
        self.note_holes()?;
        if !missed.is_empty() {
            self.drop_lost_parts();
        }
        Ok(())
    }

    fn list(&mut self, source: &mut Source) -> Result<(), JournalError> {
        if source.footer.is_none() && source.groups.is_empty() {
            source.scan(self.directory, self.incarnation)?;
        }
        let mut segment = Segment::new(source.segment, source.file.file);
        segment.first = source.first;
        segment.used = source.used;
        segment.footer = source.footer;
        if source.footer.is_some() {
            segment.index = None;
        }
        self.book.segments.insert(source.segment, segment);
        Ok(())
    }

    /// The rows that the question takes, from a footer that can be read, or else those of all
    /// groups.
    fn rows(
        &mut self,
        source: &mut Source,
        ask: impl Fn(&mut FooterReader<'_>) -> Result<Option<Vec<Seen>>, JournalError>,
    ) -> Result<Vec<Seen>, JournalError> {
        if let Some(footer) = source.footer {
            let mut reader = FooterReader::new(self.directory, self.incarnation, source, footer);
            if let Some(rows) = ask(&mut reader)? {
                return Ok(rows);
            }
            let segment = source.segment;
            tracing::warn!(segment, "a footer can not be read; scanning");
            source.scan(self.directory, self.incarnation)?;
            if let Some(segment) = self.book.segments.get_mut(&segment) {
                segment.footer = None;
                segment.index = Some(SegmentIndex::default());
            }
        }
        source.rows_of_groups(self.directory)
    }

    fn find_checkpoints(&mut self, source: &mut Source) -> Result<(), JournalError> {
        let seen = self.rows(source, |footer| footer.loose_rows())?;
        let saved = seen.iter().filter(|seen| seen.row.kind == Kind::Checkpoint);
        let saved: Vec<&Seen> = saved.collect();
        let payloads = source.payloads(self.directory, &saved)?;
        for seen in saved {
            let payload = payloads.get(&seen.at);
            if payload.is_some_and(|bytes| read_state(&seen.row, bytes).is_some()) {
                self.unsaved.remove(&seen.row.stream);
                self.saved
                    .insert(seen.row.stream, (source.segment, seen.at));
            } else if !self.saved.contains_key(&seen.row.stream) {
                let (stream, segment) = (seen.row.stream.0, source.segment);
                tracing::error!(stream, segment, "a checkpoint can not be read");
                self.unsaved.insert(seen.row.stream);
            }
        }
        Ok(())
    }

    /// Numbers the runs of rows that come without.
    fn index(&mut self, segment: u32, seen: &[Seen]) -> Vec<u32> {
        let mut last: HashMap<(StreamId, bool), u32> = HashMap::new();
        let mut runs = Vec::with_capacity(seen.len());
        let index = self.book.index_mut(segment);
        for seen in seen {
            let key = (seen.row.stream, seen.row.kind == Kind::Moved);
            let before = last.get(&key).copied().unwrap_or(NONE);
            let run = index.push(seen.row, seen.at, before);
            if run != NONE {
                last.insert(key, run);
            }
            runs.push(run);
        }
        runs
    }

    fn replay(
        &mut self,
        source: &mut Source,
        losses: &[Loss],
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        let seen = self.rows(source, |footer| footer.all_rows())?;
        let states = self.states(source, &seen)?;
        let runs = match source.footer {
            Some(_) => seen.iter().map(|seen| seen.run.unwrap_or(NONE)).collect(),
            None => self.index(source.segment, &seen),
        };
        for (seen, run) in seen.iter().zip(runs) {
            self.note_losses(source, seen.item, losses);
            if matches!(seen.row.kind, Kind::Entry | Kind::Checkpoint) {
                self.proven.insert(seen.row.stream);
            }
            if self.saved.contains_key(&seen.row.stream) {
                if self.is_newest(source, seen) {
                    let state = states.get(&seen.at).map(Vec::as_slice);
                    self.restore(source, seen, state, replay)?;
                }
                continue;
            }
            self.unfold_for(&seen.row)?;
            self.take(source.segment, &seen.row, run, replay);
        }
        // A later group of the same segment may go on with these runs.
        if source.footer.is_none() {
            for (number, run) in self
                .book
                .index_mut(source.segment)
                .runs
                .clone()
                .iter()
                .enumerate()
            {
                let kind = self.book.index_mut(source.segment).entries[run.head as usize]
                    .row
                    .kind;
                if let Some(stream) = self.book.streams.get_mut(run.stream) {
                    stream.set_last_run(source.segment, kind, number as u32);
                }
            }
        }
        Ok(())
    }

    /// An entry is taken out of a folded part only after a checkpoint of its stream that has it
    /// unfolded. If that can not be read, an older one is taken up: then the part is taken apart
    /// here, without what lay in segments that were freed since.
    fn unfold_for(&mut self, row: &Row) -> Result<(), JournalError> {
        let stream = self.book.streams.get(row.stream);
        let stream = stream.filter(|_| row.kind == Kind::Moved);
        let folded = stream.and_then(|stream| {
            let number = stream.part_at(row.first)?;
            let part = &stream.parts[number];
            part.older.is_some().then(|| (number, part.clone()))
        });
        let Some((number, part)) = folded else {
            return Ok(());
        };
        let pieces = self.boot_index().unfold(row.stream, &part)?;
        self.book.replace(row.stream, number, pieces);
        Ok(())
    }

    pub(super) fn boot_index(&mut self) -> BootIndex<'_> {
        BootIndex {
            directory: self.directory,
            incarnation: self.incarnation,
            book: &mut self.book,
            pages: &mut self.pages,
            rescanned_bytes: 0,
        }
    }

    fn take(&mut self, segment: u32, row: &Row, run: u32, replay: &mut dyn Replay) {
        let row = &self.without_checkpoint(row);
        self.note_gap(row);
        tell(row, replay);
        self.book.count(segment, row, run);
        if row.kind != Kind::Checkpoint || !self.unsaved.contains(&row.stream) {
            return;
        }
        // The row itself is whole, and says where the stream began and ended.
        self.trim(segment, row.stream, row.first, replay);
        let end = end_of(row);
        if let Some(stream) = self.book.streams.get_mut(row.stream)
            && stream.end < end
        {
            stream.end = end;
            replay.lost(row.stream, end);
        }
    }

    /// Takes a stream to begin there, as a row of its own would have it.
    fn trim(&mut self, segment: u32, stream: StreamId, first: Index, replay: &mut dyn Replay) {
        let trim = Row::bare(Kind::Trim, stream, first);
        tell(&trim, replay);
        self.book.count(segment, &trim, NONE);
    }

    /// The row as it counts if its stream's newest checkpoint can not be read, or may be lost. Only
    /// the row of that checkpoint, which is yet to come, says where the stream began: older entries
    /// may come, from where they were carried to. One behind all that is known stands for the
    /// entry, of which nothing else is left.
    fn without_checkpoint(&self, row: &Row) -> Row {
        let is_lost = self.rows_lost || self.unsaved.contains(&row.stream);
        if !row.kind.is_data() || !is_lost {
            return *row;
        }
        let known = self.book.streams.get(row.stream);
        let is_behind = known.is_none_or(|stream| row.first >= stream.end);
        let kind = if is_behind { Kind::Entry } else { row.kind };
        Row { kind, ..*row }
    }

    /// What the segments that need no replay tell of the streams whose checkpoints are lost.
    fn replay_unsaved(
        &mut self,
        sources: &mut [Source],
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        for source in sources.iter_mut().filter(|source| !source.replayed) {
            let seen = self.rows(source, |footer| footer.all_rows())?;
            let runs: Vec<u32> = match source.footer {
                Some(_) => seen.iter().map(|seen| seen.run.unwrap_or(NONE)).collect(),
                None => self.index(source.segment, &seen),
            };
            for (seen, run) in seen.iter().zip(runs) {
                if self.unsaved.contains(&seen.row.stream) {
                    self.take(source.segment, &seen.row, run, replay);
                }
            }
        }
        Ok(())
    }

    /// True for the row at which its stream is taken up.
    fn is_newest(&self, source: &Source, seen: &Seen) -> bool {
        seen.row.kind == Kind::Checkpoint
            && self.saved.get(&seen.row.stream) == Some(&(source.segment, seen.at))
    }

    /// The payloads of the checkpoints at which streams are taken up here, by their places. A round
    /// of checkpoints is a small part of a segment, but for the one after damage.
    fn states(
        &mut self,
        source: &Source,
        seen: &[Seen],
    ) -> Result<HashMap<u32, Vec<u8>>, JournalError> {
        let wanted = seen.iter().filter(|seen| self.is_newest(source, seen));
        let wanted: Vec<&Seen> = wanted.collect();
        source.payloads(self.directory, &wanted)
    }

    /// Takes a stream up where its newest checkpoint left it.
    fn restore(
        &mut self,
        source: &Source,
        seen: &Seen,
        state: Option<&[u8]>,
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        let state = state.and_then(|bytes| read_state(&seen.row, bytes));
        let Some(state) = state else {
            return Err(JournalError::Checksum {
                file: source.file.file,
                at: Position(u64::from(seen.at)),
                expected: seen.row.body_sum,
                found: 0,
            });
        };
        let stream = seen.row.stream;
        self.saved.remove(&stream);
        replay.restored(stream, state.first, state.end, state.snapshot);
        for share in state.parts.iter().flat_map(Part::shares) {
            self.book.change(share);
        }
        let restored = self.book.streams.obtain(stream);
        (restored.first, restored.end) = (state.first, state.end);
        (restored.term, restored.parts) = (state.term, state.parts);
        self.book.saved(stream, source.segment);
        Ok(())
    }

    /// Lets go of parts in segments that are not there.
    fn drop_lost_parts(&mut self) {
        let Book {
            streams, segments, ..
        } = &mut self.book;
        let mut changes = Vec::new();
        for stream in streams.all_mut() {
            let is_there = |segment: u32| segments.contains_key(&segment);
            if stream
                .parts
                .iter()
                .all(|part| part.segments().all(is_there))
            {
                continue;
            }
            let kept = stream.parts.iter().map(|part| part.kept_in(is_there));
            let kept: Vec<Part> = kept.flatten().collect();
            let before = std::mem::replace(&mut stream.parts, kept);
            changes.extend(stream.parts.iter().flat_map(Part::shares));
            changes.extend(before.iter().flat_map(Part::shares).map(Change::undone));
        }
        for change in changes {
            self.book.change(change);
        }
    }
}

/// Tells the caller of a row that is about to be counted.
fn tell(row: &Row, replay: &mut dyn Replay) {
    match row.kind {
        Kind::Entry => replay.entry(&row.head()),
        Kind::Trim => replay.trimmed(row.stream, row.first),
        Kind::Drop => replay.dropped(row.stream),
        // What was moved is known already, or its stream is dropped further on.
        Kind::Moved | Kind::Checkpoint | Kind::Segments => {}
    }
}

/// How much of a known number of steps is done.
struct Share {
    done: u32,
    all: u32,
}

impl Share {
    fn of(all: usize) -> Self {
        Self {
            done: 0,
            all: all as u32,
        }
    }

    fn grew(&mut self, replay: &mut dyn Replay) {
        self.done += 1;
        replay.progress(self.done, self.all);
    }
}

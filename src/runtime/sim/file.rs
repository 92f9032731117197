//! One file of a simulated disk: what is on stable storage, what only seems to be, and what a
//! crash makes of the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::base::random::Random;

/// What a device writes whole or not at all (but see `Fate::Torn`).
pub const SECTOR_BYTES: u64 = 512;
const PAGE_BYTES: u64 = 4096;

/// Shared, so that a disk can be copied for every crash that it might suffer.
pub type Page = Arc<[u8; PAGE_BYTES as usize]>;

/// Bytes that a write brought and no flush has covered yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Counts the writes of a disk in the order in which they ended.
    pub order: u64,
    pub at: u64,
    pub data: Bytes,
}

#[derive(Clone, Debug, Default)]
pub struct SimFile {
    /// What stable storage holds. A page that is not there is zero.
    pages: BTreeMap<u64, Page>,
    /// The length as the process sees it.
    length: u64,
    /// The length that stable storage knows; None: it does not know the file.
    durable_length: Option<u64>,
    /// Oldest first.
    pending: Vec<Pending>,
    /// Sectors that answer no read until they are written again.
    bad_sectors: BTreeSet<u64>,
}

impl SimFile {
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Memory that the simulation itself holds for this file.
    pub fn resident_bytes(&self) -> u64 {
        let pending: usize = self.pending.iter().map(|write| write.data.len()).sum();
        self.pages.len() as u64 * PAGE_BYTES + pending as u64
    }

    /// Takes bytes that the device has, in its cache.
    pub fn put(&mut self, pending: Pending) {
        if pending.data.is_empty() {
            return;
        }
        let end = pending.at + pending.data.len() as u64;
        let sectors = pending.at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        self.bad_sectors.retain(|sector| !sectors.contains(sector));
        self.length = self.length.max(end);
        self.pending.push(pending);
    }

    /// Makes all that ended before write number `before` stable, as a flush does.
    pub fn settle(&mut self, before: u64) {
        let ended = |write: &Pending| write.order < before;
        let count = self.pending.iter().take_while(|write| ended(write)).count();
        let settled: Vec<Pending> = self.pending.drain(..count).collect();
        for write in &settled {
            self.store(write.at, &write.data);
        }
        let unsettled = self.pending.iter();
        let reach = unsettled
            .map(|write| write.at + write.data.len() as u64)
            .max();
        // A length that only a pending write has reached is not stable yet.
        let known = settled
            .iter()
            .map(|write| write.at + write.data.len() as u64)
            .chain(self.durable_length)
            .max()
            .unwrap_or(0);
        let stable = if reach.is_some() { known } else { self.length };
        self.durable_length = Some(stable);
    }

    /// Makes one write stable, as a durable one does, and what it lies over; other writes that
    /// ended before may still be lost.
    pub fn settle_one(&mut self, order: u64) {
        let Some(write) = self.pending.iter().find(|write| write.order == order) else {
            return;
        };
        let range = write.at..write.at + write.data.len() as u64;
        let touches = |write: &Pending| {
            write.order <= order
                && write.at < range.end
                && range.start < write.at + write.data.len() as u64
        };
        let pending = std::mem::take(&mut self.pending).into_iter();
        let (settled, rest): (Vec<_>, Vec<_>) = pending.partition(touches);
        for write in &settled {
            self.store(write.at, &write.data);
        }
        self.pending = rest;
        self.durable_length = Some(self.durable_length.unwrap_or(0).max(range.end));
    }

    /// As `settle`, but the device fails on the way: it keeps any part, and forgets the rest.
    pub fn settle_in_part(&mut self, before: u64, random: &mut Random) {
        let (covered, rest) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|write| write.order < before);
        self.pending = covered;
        self.keep_some(random);
        self.pending = rest;
    }

    /// Zeroes the first `length` bytes and makes that stable; the file grows if it must.
    pub fn prepare(&mut self, length: u64) {
        self.settle(u64::MAX);
        self.pages.retain(|page, _| page * PAGE_BYTES >= length);
        self.bad_sectors
            .retain(|sector| sector * SECTOR_BYTES >= length);
        self.length = self.length.max(length);
        self.durable_length = Some(self.length);
    }

    /// A file that was being made when the process died: there, but of any length.
    pub fn prepare_in_part(&mut self, length: u64, random: &mut Random) {
        if self.length == 0 {
            let pages = random.below(length / PAGE_BYTES + 1);
            self.length = pages * PAGE_BYTES;
            self.durable_length = Some(self.length);
        }
    }

    /// The bytes as the process sees them; None if a bad sector lies among them.
    pub fn read(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        // A place behind the end holds nothing.
        let end = (at + length).min(self.length).max(at);
        let sectors = at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        if self.bad_sectors.range(sectors).next().is_some() {
            return None;
        }
        Some(self.peek(at, end))
    }

    /// All bytes as the process sees them; those of bad sectors as they were.
    pub fn image(&self) -> Vec<u8> {
        self.peek(0, self.length)
    }

    fn peek(&self, at: u64, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; (end - at) as usize];
        for (number, page) in self.pages.range(at / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            overlay(&mut bytes, at, number * PAGE_BYTES, &page[..]);
        }
        for write in &self.pending {
            overlay(&mut bytes, at, write.at, &write.data);
        }
        bytes
    }

    /// The power fails. Returns false if stable storage does not know the file: it is gone.
    pub fn cut_power(&mut self, random: &mut Random) -> bool {
        // Half of the time a name that was never flushed is lost with all that it had.
        if self.durable_length.is_none() && random.one_in(2) {
            return false;
        }
        self.keep_some(random);
        true
    }

    /// Keeps any subset of the pending sectors, forgets the others.
    fn keep_some(&mut self, random: &mut Random) {
        let mut length = self.durable_length.unwrap_or(0);
        for write in std::mem::take(&mut self.pending) {
            let mut fate = Fate::draw(random, write.data.len());
            for (number, sector) in write.data.chunks(SECTOR_BYTES as usize).enumerate() {
                let at = write.at + number as u64 * SECTOR_BYTES;
                let kept = fate.of_sector(number, sector.len(), random);
                if kept > 0 {
                    self.store(at, &sector[..kept]);
                    length = length.max(at + sector.len() as u64);
                }
            }
        }
        self.length = length;
        self.durable_length = Some(length);
    }

    /// Turns one bit of stable storage. False: there is nothing of the file's at that place.
    pub fn flip_bit(&mut self, at: u64, bit: u32) -> bool {
        let Some(page) = self.pages.get_mut(&(at / PAGE_BYTES)) else {
            return false;
        };
        Arc::make_mut(page)[(at % PAGE_BYTES) as usize] ^= 1 << (bit % 8);
        true
    }

    /// The page of stable storage that holds `at`.
    pub fn page_at(&self, at: u64) -> Option<Page> {
        self.pages.get(&(at / PAGE_BYTES)).cloned()
    }

    /// Puts a page in the place of the one that holds `at`. False: there is none, or the same.
    pub fn replace_page(&mut self, at: u64, page: Page) -> bool {
        match self.pages.get_mut(&(at / PAGE_BYTES)) {
            Some(known) if *known != page => {
                *known = page;
                true
            }
            _ => false,
        }
    }

    /// Where stable storage holds these bytes, within one page.
    pub fn find(&self, bytes: &[u8]) -> Option<u64> {
        self.pages.iter().find_map(|(number, page)| {
            let at = page.windows(bytes.len()).position(|part| part == bytes)?;
            Some(number * PAGE_BYTES + at as u64)
        })
    }

    /// The sector that holds `at` answers no read from now on.
    pub fn spoil(&mut self, at: u64) {
        self.bad_sectors.insert(at / SECTOR_BYTES);
    }

    /// A page of stable storage that holds something, by chance.
    pub fn some_page(&self, random: &mut Random) -> Option<u64> {
        let count = self.pages.len() as u64;
        let pick = random.below(count.max(1));
        self.pages.keys().nth(pick as usize).copied()
    }

    fn store(&mut self, at: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let place = at + done as u64;
            let inside = (place % PAGE_BYTES) as usize;
            let count = (data.len() - done).min(PAGE_BYTES as usize - inside);
            let part = &data[done..done + count];
            let number = place / PAGE_BYTES;
            if count == PAGE_BYTES as usize && part.iter().all(|byte| *byte == 0) {
                self.pages.remove(&number);
            } else {
                let fresh = || Arc::new([0; PAGE_BYTES as usize]);
                let page = self.pages.entry(number).or_insert_with(fresh);
                Arc::make_mut(page)[inside..inside + count].copy_from_slice(part);
            }
            done += count;
        }
    }
}

/// What becomes of one unflushed write when the power fails. Each kind stresses recovery in its
/// own way, so they are drawn rather than left to independent coins, which hardly ever keep all.
enum Fate {
    Kept,
    Lost,
    /// The first so many sectors are kept.
    Prefix(usize),
    /// All but the first so many are kept.
    Suffix(usize),
    /// Each sector by itself.
    Scattered,
    /// All but this one are kept.
    Hole(usize),
    /// All before this one are kept, and of this one only some bytes.
    Torn(usize),
}

impl Fate {
    fn draw(random: &mut Random, bytes: usize) -> Self {
        let sectors = bytes.div_ceil(SECTOR_BYTES as usize) as u64;
        let some = random.below(sectors.max(1)) as usize;
        match random.below(8) {
            0 | 1 => Self::Kept,
            2 => Self::Lost,
            3 => Self::Prefix(some),
            4 => Self::Suffix(some),
            5 => Self::Scattered,
            6 => Self::Hole(some),
            _ => Self::Torn(some),
        }
    }

    /// How many bytes of sector `number` are kept.
    fn of_sector(&mut self, number: usize, bytes: usize, random: &mut Random) -> usize {
        let kept = match *self {
            Self::Kept => true,
            Self::Lost => false,
            Self::Prefix(count) => number < count,
            Self::Suffix(count) => number >= count,
            Self::Scattered => random.one_in(2),
            Self::Hole(hole) => number != hole,
            Self::Torn(last) if number == last => return random.below(bytes as u64) as usize,
            Self::Torn(last) => number < last,
        };
        if kept { bytes } else { 0 }
    }
}

/// Copies into `target`, which begins at `at`, what of `source`, which begins at `from`, meets it.
fn overlay(target: &mut [u8], at: u64, from: u64, source: &[u8]) {
    let start = at.max(from);
    let end = (at + target.len() as u64).min(from + source.len() as u64);
    if start < end {
        let into = (start - at) as usize..(end - at) as usize;
        target[into].copy_from_slice(&source[(start - from) as usize..(end - from) as usize]);
    }
}

//! A shard's directory on a simulated medium.
//!
//! An operation is handed over with `submit`, which says when it will end, and ended by `finish`;
//! between the two anything may happen, a crash included. The caller ends operations in any order
//! it likes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::directory::SimDirectory;
use super::faults::{DiskFaults, Plant, Tally};
use super::file::{Pending, SECTOR_BYTES, SimFile};
use super::harm::Harm;
use crate::base::limits::ALIGN_BYTES;
use crate::base::random::Random;
use crate::base::{ByteCount, Position, Span, Ticks};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::disk::{DiskDone, DiskError, DiskOp, DiskOutput, DiskSpace, FileId, Ticket};

/// Journals write durably: there are so many more of these than of flushes.
const DURABLE_PER_FLUSH: u64 = 50;

pub(super) const EIO: i32 = 5;
pub(super) const ENOENT: i32 = 2;
pub(super) const ENOSPC: i32 = 28;

/// One shard's disk. It outlives the process that uses it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    pub(super) files: BTreeMap<FileId, SimFile>,
    under_way: BTreeMap<Ticket, UnderWay>,
    pub(super) faults: DiskFaults,
    plant: Option<Plant>,
    /// How long things take.
    pace: Random,
    /// Which operations go wrong.
    pub(super) luck: Random,
    /// What a crash leaves.
    ruin: Random,
    pub tally: Tally,
    /// The order of the next write to end.
    next_order: u64,
    /// Stored bytes that were changed behind the broker's back, oldest first.
    harms: Vec<Harm>,
}

#[derive(Clone, Debug)]
struct UnderWay {
    op: DiskOp,
    /// For a flush: it covers the writes that ended before this one.
    covers: u64,
}

impl SimDisk {
    pub fn new(seed: u64, faults: DiskFaults) -> Self {
        let mut seeds = Random::with_seed(seed);
        Self {
            files: BTreeMap::new(),
            under_way: BTreeMap::new(),
            faults,
            plant: None,
            pace: seeds.fork(1),
            luck: seeds.fork(2),
            ruin: seeds.fork(3),
            tally: Tally::default(),
            next_order: 0,
            harms: Vec::new(),
        }
    }

    /// The same disk, to suffer another fate: `seed` decides what a crash leaves of it.
    pub fn copy_with_fate(&self, seed: u64) -> Self {
        let ruin = Random::with_seed(seed);
        Self {
            ruin,
            ..self.clone()
        }
    }

    pub fn set_faults(&mut self, faults: DiskFaults) {
        self.faults = faults;
    }

    pub fn set_plant(&mut self, plant: Option<Plant>) {
        self.plant = plant;
    }

    /// True once stored bytes have been changed behind the broker's back.
    pub fn is_harmed(&self) -> bool {
        !self.harms.is_empty()
    }

    /// All harm that has been done, oldest first, for those who judge what it explains.
    pub fn harms(&self) -> &[Harm] {
        &self.harms
    }

    /// What every file holds as the process sees it, read without faults: bad sectors as they
    /// would be.
    pub fn images(&self) -> impl Iterator<Item = Vec<u8>> {
        self.files.values().map(SimFile::image)
    }

    /// The bytes that the files take in the file system.
    pub fn used(&self) -> ByteCount {
        ByteCount(self.files.values().map(SimFile::length).sum())
    }

    /// The memory that the simulation holds for what the files contain.
    pub fn resident_bytes(&self) -> u64 {
        self.files.values().map(SimFile::resident_bytes).sum()
    }

    /// The same files for code that may wait. With `ops_left`, the process dies in the operation
    /// after so many: it and all that follow fail, and the caller goes on with `cut_power` or
    /// `kill`.
    pub fn directory(&mut self, pool: BlockPool, ops_left: Option<u64>) -> SimDirectory<'_> {
        SimDirectory::new(self, pool, ops_left)
    }

    /// Hands an operation over and tells when it will end.
    pub fn submit(&mut self, now: Ticks, op: DiskOp) -> Ticks {
        op.assert_aligned();
        let ticket = op.ticket();
        let mut span = self.pace.below(self.faults.latency_max.0.max(1));
        if self.luck.one_in(self.faults.slow) {
            self.tally.hit("disk: slow");
            span *= 100;
        }
        let covers = self.next_order;
        let is_flush = matches!(op, DiskOp::Flush { .. });
        if is_flush && self.plant == Some(Plant::AckBeforeFlush) {
            span = 0;
        }
        let earlier = self.under_way.insert(ticket, UnderWay { op, covers });
        assert!(earlier.is_none(), "{ticket:?} is under way twice");
        now + Span(span)
    }

    /// Operations that have not ended.
    pub fn under_way(&self) -> Vec<Ticket> {
        self.under_way.keys().copied().collect()
    }

    /// True while something is being written or flushed.
    pub fn is_writing(&self) -> bool {
        let mut ops = self.under_way.values().map(|under_way| &under_way.op);
        ops.any(|op| matches!(op, DiskOp::Write { .. } | DiskOp::Flush { .. }))
    }

    /// Ends an operation.
    pub fn finish(&mut self, ticket: Ticket) -> DiskDone {
        let UnderWay { op, covers } = self.under_way.remove(&ticket).expect("it is under way");
        let result = match op {
            DiskOp::Write {
                file,
                at,
                data,
                durable,
                ..
            } => self.write(file, at, data, durable),
            DiskOp::Flush { file, .. } => self.flush(file, covers),
            DiskOp::Read {
                file, at, length, ..
            } => self.read(file, at, length),
            DiskOp::Prepare { file, length, .. } => self.prepare(file, length),
            DiskOp::Remove { file, .. } => self.remove(file),
            DiskOp::Space { .. } => Ok(DiskOutput::Space(self.space())),
        };
        DiskDone { ticket, result }
    }

    fn write(
        &mut self,
        file: FileId,
        at: Position,
        data: Bytes,
        durable: bool,
    ) -> Result<DiskOutput, DiskError> {
        if !self.files.contains_key(&file) {
            return Err(refused("write", file, at, ENOENT));
        }
        if self.luck.one_in(self.faults.write_error) {
            self.tally.hit("disk: write error");
            self.put_some(file, at, &data);
            return Err(refused("write", file, at, EIO));
        }
        // A durable write ends with a flush of its own, which is rarer than a flush asked for.
        if durable
            && self
                .luck
                .one_in(self.faults.flush_error * DURABLE_PER_FLUSH)
        {
            self.tally.hit("disk: flush error");
            self.put_some(file, at, &data);
            return Err(refused("flush", file, at, EIO));
        }
        if self.luck.one_in(self.faults.misdirect) {
            self.misdirect(file, at, &data, durable);
            return Ok(DiskOutput::Written(ByteCount(data.len() as u64)));
        }
        let mut count = data.len();
        if self.luck.one_in(self.faults.short_write) {
            self.tally.hit("disk: short write");
            count = self.luck.below(count as u64 / 512) as usize * 512;
        }
        self.put(file, at, data.slice(..count), durable);
        Ok(DiskOutput::Written(ByteCount(count as u64)))
    }

    pub(super) fn put(&mut self, file: FileId, at: Position, data: Bytes, durable: bool) {
        let order = self.next_order;
        self.next_order += 1;
        let file = self.files.entry(file).or_default();
        file.put(Pending {
            order,
            at: at.0,
            data,
        });
        match self.plant {
            _ if !durable => {}
            Some(Plant::NoFlush) => {}
            // What was written before is made stable, this not yet.
            Some(Plant::AckBeforeFlush) => file.settle(order),
            // It alone: what it means for earlier writes, no flush has said.
            _ => file.settle_one(order),
        }
    }

    /// Any sectors of a write that did not succeed.
    pub(super) fn put_some(&mut self, file: FileId, at: Position, data: &Bytes) {
        for (number, start) in (0..data.len()).step_by(512).enumerate() {
            if self.ruin.one_in(2) {
                let sector = data.slice(start..(start + 512).min(data.len()));
                self.put(file, Position(at.0 + number as u64 * 512), sector, false);
            }
        }
    }

    /// The bytes go to some other page that is in use, by chance of another file.
    fn misdirect(&mut self, file: FileId, at: Position, data: &Bytes, durable: bool) {
        self.tally.hit("disk: misdirected write");
        let numbers: Vec<FileId> = self.files.keys().copied().collect();
        let victim = numbers[self.luck.below(numbers.len() as u64) as usize];
        let length = self.files[&victim].length();
        let pages = length.saturating_sub(data.len() as u64) / ALIGN_BYTES.0;
        let place = Position(self.luck.below(pages + 1) * ALIGN_BYTES.0);
        let length = data.len() as u64;
        let mut harm = Harm::of(&self.files[&victim], victim, place.0..place.0 + length);
        harm.strayed = Some((at, data.clone()));
        self.harms.push(harm);
        if (victim, place) != (file, at) {
            self.put(victim, place, data.clone(), durable);
        }
    }

    fn flush(&mut self, file: FileId, covers: u64) -> Result<DiskOutput, DiskError> {
        let at = Position(0);
        let Some(known) = self.files.get_mut(&file) else {
            return Err(refused("flush", file, at, ENOENT));
        };
        if self.luck.one_in(self.faults.flush_error) {
            self.tally.hit("disk: flush error");
            known.settle_in_part(covers, &mut self.ruin);
            return Err(refused("flush", file, at, EIO));
        }
        match self.plant {
            Some(Plant::NoFlush) => {}
            // The work is done in truth only when the next flush comes.
            Some(Plant::AckBeforeFlush) => known.settle(covers.saturating_sub(4)),
            _ => known.settle(covers),
        }
        Ok(DiskOutput::Flushed)
    }

    pub(super) fn flush_now(&mut self, file: FileId) -> Result<(), DiskError> {
        self.flush(file, u64::MAX).map(|_| ())
    }

    fn read(
        &mut self,
        file: FileId,
        at: Position,
        length: ByteCount,
    ) -> Result<DiskOutput, DiskError> {
        let bytes = self.bytes(file, at, length)?;
        Ok(DiskOutput::Read(block_of(&BlockPool::default(), &bytes)))
    }

    pub(super) fn bytes(
        &mut self,
        file: FileId,
        at: Position,
        length: ByteCount,
    ) -> Result<Vec<u8>, DiskError> {
        let Some(known) = self.files.get(&file) else {
            return Err(refused("read", file, at, ENOENT));
        };
        if self.luck.one_in(self.faults.read_error) {
            self.tally.hit("disk: read error");
            return Err(refused("read", file, at, EIO));
        }
        let Some(mut bytes) = known.read(at.0, length.0) else {
            self.tally.hit("disk: bad sector read");
            return Err(refused("read", file, at, EIO));
        };
        if !bytes.is_empty() && self.luck.one_in(self.faults.read_flip) {
            self.tally.hit("disk: bit flipped in a read");
            let place = self.luck.below(bytes.len() as u64) as usize;
            bytes[place] ^= 1 << self.luck.below(8);
        }
        Ok(bytes)
    }

    pub(super) fn prepare(
        &mut self,
        file: FileId,
        length: ByteCount,
    ) -> Result<DiskOutput, DiskError> {
        let held = self.files.get(&file).map_or(0, SimFile::length);
        let wanted = length.0.saturating_sub(held);
        if wanted > self.space().usable.0 || self.luck.one_in(self.faults.full) {
            self.tally.hit("disk: full");
            return Err(refused("prepare", file, Position(0), ENOSPC));
        }
        self.files.entry(file).or_default().prepare(length.0);
        Ok(DiskOutput::Prepared)
    }

    pub(super) fn remove(&mut self, file: FileId) -> Result<DiskOutput, DiskError> {
        // A file that is not there is removed already.
        self.files.remove(&file);
        Ok(DiskOutput::Removed)
    }

    pub(super) fn space(&self) -> DiskSpace {
        let total = self.faults.capacity;
        DiskSpace {
            usable: ByteCount(total.0.saturating_sub(self.used().0)),
            total,
        }
    }

    /// The process is gone, the machine runs on: what had ended stays, and the kernel may or may
    /// not carry out what was under way.
    pub fn kill(&mut self) {
        for (_, UnderWay { op, covers }) in std::mem::take(&mut self.under_way) {
            let some = self.ruin.below(3);
            match op {
                DiskOp::Write { file, at, data, .. } if self.files.contains_key(&file) => {
                    match some {
                        0 => {}
                        1 => self.put(file, at, data, false),
                        _ => self.put_some(file, at, &data),
                    }
                }
                DiskOp::Flush { file, .. } if some == 0 && self.plant.is_none() => {
                    let known = self.files.get_mut(&file);
                    known.into_iter().for_each(|file| file.settle(covers));
                }
                DiskOp::Prepare { file, length, .. } if some > 0 => {
                    let made = self.files.entry(file).or_default();
                    match some {
                        1 => made.prepare(length.0),
                        _ => made.prepare_in_part(length.0, &mut self.ruin),
                    }
                }
                DiskOp::Remove { file, .. } if some > 0 => drop(self.files.remove(&file)),
                _ => {}
            }
        }
    }

    /// The machine is gone, and with it any part of what no flush has covered.
    pub fn cut_power(&mut self) {
        self.kill();
        let ruin = &mut self.ruin;
        self.files.retain(|_, file| file.cut_power(ruin));
    }

    /// Turns one bit somewhere in what is stored; returns where.
    pub fn rot(&mut self) -> Option<(FileId, Position)> {
        let (file, at) = self.some_place()?;
        let bit = self.luck.below(8) as u32;
        let known = self.files.get_mut(&file)?;
        let harm = Harm::of(known, file, at.0..at.0 + 1);
        let flipped = known.flip_bit(at.0, bit);
        self.harms.extend(flipped.then_some(harm));
        self.tally.add("disk: bit rot", u64::from(flipped));
        flipped.then_some((file, at))
    }

    /// Turns a bit in the page that holds these bytes, so far from the page's start; false if none
    /// does.
    pub fn rot_page_of(&mut self, bytes: &[u8], offset: u64) -> bool {
        let mut files = self.files.iter_mut();
        let harm = files.find_map(|(number, file)| {
            let at = file.find(bytes)? / ALIGN_BYTES.0 * ALIGN_BYTES.0 + offset;
            let harm = Harm::of(file, *number, at..at + 1);
            file.flip_bit(at, 3).then_some(harm)
        });
        let flipped = harm.is_some();
        self.harms.extend(harm);
        flipped
    }

    /// Makes one sector that holds something unreadable; returns where.
    pub fn spoil(&mut self) -> Option<(FileId, Position)> {
        let (file, at) = self.some_place()?;
        let known = self.files.get_mut(&file)?;
        let sector = at.0 / SECTOR_BYTES * SECTOR_BYTES;
        self.harms
            .push(Harm::of(known, file, sector..sector + SECTOR_BYTES));
        known.spoil(at.0);
        self.tally.hit("disk: sector spoilt");
        Some((file, at))
    }

    /// Puts one stored page in the place of another, as a write that went astray; returns where.
    pub fn misplace(&mut self) -> Option<(FileId, Position)> {
        let (from, source) = self.some_place()?;
        let (file, at) = self.some_place()?;
        let page = self.files[&from].page_at(source.0)?;
        let known = self.files.get_mut(&file)?;
        let start = at.0 / ALIGN_BYTES.0 * ALIGN_BYTES.0;
        let harm = Harm::of(known, file, start..start + ALIGN_BYTES.0);
        let replaced = known.replace_page(at.0, page);
        self.harms.extend(replaced.then_some(harm));
        self.tally.add("disk: write astray", u64::from(replaced));
        replaced.then_some((file, Position(start)))
    }

    fn some_place(&mut self) -> Option<(FileId, Position)> {
        let numbers: Vec<FileId> = self.files.keys().copied().collect();
        let pick = self.luck.below(numbers.len().max(1) as u64) as usize;
        let file = *numbers.get(pick)?;
        let page = self.files[&file].some_page(&mut self.luck)?;
        let inside = self.luck.below(ALIGN_BYTES.0);
        Some((file, Position(page * ALIGN_BYTES.0 + inside)))
    }
}

pub(super) fn block_of(pool: &BlockPool, bytes: &[u8]) -> Block {
    let mut block = pool.take(ByteCount(bytes.len() as u64));
    block.append(bytes);
    block
}

pub(super) fn refused(call: &'static str, file: FileId, at: Position, errno: i32) -> DiskError {
    DiskError {
        call,
        file,
        at,
        errno,
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;

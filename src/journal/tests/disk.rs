//! A disk in memory that forgets what was not flushed.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::base::random::Random;
use crate::base::{ByteCount, Position};
use crate::runtime::disk::{DiskSpace, Found};
use crate::runtime::{
    Block, BlockPool, Directory, DiskDone, DiskError, DiskOp, DiskOutput, FileId,
};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct File {
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// What a read sees.
    view: Vec<u8>,
    /// Writes that have ended since the last flush.
    volatile: Vec<(usize, Bytes)>,
}

impl File {
    fn write(&mut self, at: usize, data: &Bytes, durable: bool) {
        overlay(&mut self.view, at, data);
        if durable {
            overlay(&mut self.durable, at, data);
        } else {
            self.volatile.push((at, data.clone()));
        }
    }

    fn flush(&mut self) {
        for (at, data) in std::mem::take(&mut self.volatile) {
            overlay(&mut self.durable, at, &data);
        }
    }
}

fn overlay(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

/// Files, and operations that were handed over and have not ended.
#[derive(Default)]
pub struct Disk {
    files: BTreeMap<FileId, File>,
    pub under_way: Vec<DiskOp>,
    /// Bytes that all files together may take.
    pub capacity: Option<u64>,
    /// Reads seen.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes prepared.
    pub prepared_bytes: u64,
    /// The next write to the front of a segment's file is told to have ended and never does.
    pub lose_front: bool,
    /// That file.
    pub lost: Option<FileId>,
    /// Bytes that groups and superblocks wrote.
    pub written_bytes: u64,
    pub flushes: u64,
    /// The next write ends short; the next write, flush fails.
    pub short_write: bool,
    pub write_error: bool,
    pub flush_error: bool,
    /// A byte of a file that the next so many reads of it bring wrong.
    pub misread: Option<(FileId, u64, u32)>,
    /// A byte of a file that the next so many reads of it fail over.
    pub refused: Vec<(FileId, u64, u32)>,
    /// Boot writes count down to a crash: then every call fails.
    pub boot_writes_left: Option<u64>,
}

fn error(call: &'static str, file: FileId, errno: i32) -> DiskError {
    DiskError {
        call,
        file,
        at: Position(0),
        errno,
    }
}

impl Disk {
    pub fn used(&self) -> u64 {
        self.files.values().map(|file| file.view.len() as u64).sum()
    }

    /// Ends one operation, chosen by `random`.
    pub fn end_one(&mut self, random: &mut Random) -> Option<DiskDone> {
        if self.under_way.is_empty() {
            return None;
        }
        let number = random.below(self.under_way.len() as u64) as usize;
        let operation = self.under_way.remove(number);
        Some(self.perform(operation))
    }

    fn flush_now(&mut self, file: FileId) -> Result<DiskOutput, DiskError> {
        self.flushes += 1;
        if std::mem::take(&mut self.flush_error) {
            return Err(error("flush", file, 5));
        }
        self.files.entry(file).or_default().flush();
        Ok(DiskOutput::Flushed)
    }

    fn write_now(
        &mut self,
        file: FileId,
        at: Position,
        data: &Bytes,
        durable: bool,
    ) -> Result<DiskOutput, DiskError> {
        assert!(self.files.contains_key(&file), "{file:?} was not prepared");
        let mut length = data.len();
        if std::mem::take(&mut self.write_error) {
            return Err(error("write", file, 5));
        }
        if self.lose_front && at.0 == 0 && file != FileId(0) {
            self.lose_front = false;
            self.lost = Some(file);
            return Ok(DiskOutput::Written(ByteCount(length as u64)));
        }
        if std::mem::take(&mut self.short_write) {
            length /= 2;
        }
        self.written_bytes += length as u64;
        let file = self.files.entry(file).or_default();
        file.write(at.0 as usize, &data.slice(..length), durable);
        Ok(DiskOutput::Written(ByteCount(length as u64)))
    }

    fn perform(&mut self, operation: DiskOp) -> DiskDone {
        match operation {
            DiskOp::Write {
                ticket,
                file,
                at,
                data,
                durable,
            } => {
                let result = self.write_now(file, at, &data, durable);
                DiskDone { ticket, result }
            }
            DiskOp::Flush { ticket, file } => {
                let result = self.flush_now(file);
                DiskDone { ticket, result }
            }
            DiskOp::Read {
                ticket,
                file,
                at,
                length,
            } => DiskDone {
                ticket,
                result: self.read(file, at, length).map(DiskOutput::Read),
            },
            DiskOp::Prepare {
                ticket,
                file,
                length,
            } => DiskDone {
                ticket,
                result: self.prepare(file, length).map(|()| DiskOutput::Prepared),
            },
            DiskOp::Remove { ticket, file } => DiskDone {
                ticket,
                result: self.remove(file).map(|()| DiskOutput::Removed),
            },
            DiskOp::Space { ticket } => DiskDone {
                ticket,
                result: self.space().map(DiskOutput::Space),
            },
        }
    }

    /// The power fails: of what was not flushed, any part of any write may be there.
    pub fn crash(&mut self, random: &mut Random) {
        for operation in std::mem::take(&mut self.under_way) {
            if let DiskOp::Write { file, at, data, .. } = operation {
                let file = self.files.entry(file).or_default();
                file.volatile.push((at.0 as usize, data));
            }
        }
        for file in self.files.values_mut() {
            for (at, data) in std::mem::take(&mut file.volatile) {
                match random.below(4) {
                    0 => {}
                    1 => overlay(&mut file.durable, at, &data),
                    2 => {
                        let sectors = data.len().div_ceil(SECTOR) as u64;
                        let cut = random.below(sectors) as usize * SECTOR;
                        overlay(&mut file.durable, at, &data[..cut]);
                    }
                    _ => {
                        for (number, sector) in data.chunks(SECTOR).enumerate() {
                            if random.one_in(2) {
                                overlay(&mut file.durable, at + number * SECTOR, sector);
                            }
                        }
                    }
                }
            }
            file.view = file.durable.clone();
        }
    }

    /// Changes a byte of a file, below everybody's feet.
    pub fn corrupt(&mut self, file: FileId, at: u64) {
        let file = self.files.get_mut(&file).expect("a file to corrupt");
        file.view[at as usize] ^= 0x5A;
        file.durable[at as usize] ^= 0x5A;
    }

    /// Moves the group at a place to the same place of another file, as a write that went astray.
    pub fn stray(&mut self, from: FileId, to: FileId, at: u64) {
        let at = at as usize;
        let file = self.files.get_mut(&from).expect("a file that misses it");
        let length = file.view[at + 44..].first_chunk().expect("a header");
        let range = at..at + u32::from_le_bytes(*length) as usize;
        let group = Bytes::from(file.view[range.clone()].to_vec());
        file.view[range.clone()].fill(0);
        file.durable[range].fill(0);
        let file = self.files.get_mut(&to).expect("a file that gets it");
        file.write(at, &group, true);
    }

    /// Where these bytes are stored.
    pub fn place_of(&self, bytes: &[u8]) -> (FileId, u64) {
        let holds = |file: &File| file.view.windows(bytes.len()).position(|w| w == bytes);
        let mut files = self.files.iter();
        let found = files.find_map(|(file, stored)| Some((*file, holds(stored)? as u64)));
        found.expect("the bytes are stored somewhere")
    }

    fn count_boot_write(&mut self, file: FileId) -> Result<(), DiskError> {
        match &mut self.boot_writes_left {
            Some(0) => Err(error("write (crashed)", file, 5)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Directory for Disk {
    fn list(&mut self) -> Result<Vec<Found>, DiskError> {
        let found = self.files.iter().map(|(file, bytes)| Found {
            file: *file,
            length: ByteCount(bytes.view.len() as u64),
        });
        Ok(found.collect())
    }

    fn read(&mut self, file: FileId, at: Position, length: ByteCount) -> Result<Block, DiskError> {
        assert!(
            at.0.is_multiple_of(4096) && length.0.is_multiple_of(4096),
            "reads are aligned"
        );
        let Some(bytes) = self.files.get(&file) else {
            return Err(error("read", file, 2));
        };
        self.reads += 1;
        self.read_bytes += length.0;
        let covers = |at_byte: u64| (at.0..at.0 + length.0).contains(&at_byte);
        for (bad, byte, times) in &mut self.refused {
            if *bad == file && covers(*byte) && *times > 0 {
                *times -= 1;
                return Err(error("read", file, 5));
            }
        }
        let mut block = BlockPool::default().take(length);
        let start = (at.0 as usize).min(bytes.view.len());
        let end = (start + length.as_usize()).min(bytes.view.len());
        let mut read = bytes.view[start..end].to_vec();
        if let Some((bad, byte, times)) = &mut self.misread
            && *bad == file
            && covers(*byte)
            && *times > 0
        {
            *times -= 1;
            read[(*byte - at.0) as usize] ^= 0x10;
        }
        block.append(&read);
        Ok(block)
    }

    fn write(&mut self, file: FileId, at: Position, data: &Bytes) -> Result<(), DiskError> {
        self.count_boot_write(file)?;
        let file = self.files.entry(file).or_default();
        file.write(at.0 as usize, data, false);
        Ok(())
    }

    fn flush(&mut self, file: FileId) -> Result<(), DiskError> {
        self.count_boot_write(file)?;
        self.files.entry(file).or_default().flush();
        Ok(())
    }

    fn prepare(&mut self, file: FileId, length: ByteCount) -> Result<(), DiskError> {
        self.prepared_bytes += length.0;
        self.count_boot_write(file)?;
        if self.space()?.usable < length {
            return Err(error("prepare", file, 28));
        }
        let file = self.files.entry(file).or_default();
        file.flush();
        for bytes in [&mut file.view, &mut file.durable] {
            overlay(bytes, 0, &vec![0; length.as_usize()]);
        }
        Ok(())
    }

    fn remove(&mut self, file: FileId) -> Result<(), DiskError> {
        self.count_boot_write(file)?;
        self.files.remove(&file);
        Ok(())
    }

    fn space(&mut self) -> Result<DiskSpace, DiskError> {
        let capacity = self.capacity.unwrap_or(u64::MAX);
        Ok(DiskSpace {
            usable: ByteCount(capacity.saturating_sub(self.used())),
            total: ByteCount(capacity),
        })
    }
}

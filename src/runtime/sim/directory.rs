//! The simulated disk for code that may wait, and that may die while it waits.

use bytes::Bytes;

use super::disk::{EIO, SimDisk, block_of, refused};
use crate::base::{ByteCount, Position};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::disk::{Directory, DiskError, DiskSpace, FileId, Found};

/// A device that is wrong now and then must not seem to be wrong for good, as it would if several
/// tries failed in a row.
const BOOT_READS_PER_FAULT: u64 = 20;

pub struct SimDirectory<'a> {
    disk: &'a mut SimDisk,
    pool: BlockPool,
    ops_left: Option<u64>,
    ops: u64,
}

impl<'a> SimDirectory<'a> {
    pub(super) fn new(disk: &'a mut SimDisk, pool: BlockPool, ops_left: Option<u64>) -> Self {
        Self {
            disk,
            pool,
            ops_left,
            ops: 0,
        }
    }

    /// True if the process has died in one of the operations.
    pub fn has_crashed(&self) -> bool {
        self.ops_left.is_some_and(|left| self.ops > left)
    }

    /// The operations so far.
    pub fn ops(&self) -> u64 {
        self.ops
    }

    /// Counts an operation; false if the process dies in it, or had died before.
    fn lives(&mut self) -> bool {
        self.ops += 1;
        !self.has_crashed()
    }

    fn dies_now(&self) -> bool {
        self.ops_left.is_some_and(|left| self.ops == left + 1)
    }
}

fn crashed(file: FileId, at: Position) -> DiskError {
    refused("crash", file, at, EIO)
}

impl Directory for SimDirectory<'_> {
    fn list(&mut self) -> Result<Vec<Found>, DiskError> {
        if !self.lives() {
            return Err(crashed(FileId(0), Position(0)));
        }
        let found = self.disk.files.iter().map(|(number, file)| Found {
            file: *number,
            length: ByteCount(file.length()),
        });
        Ok(found.collect())
    }

    fn read(&mut self, file: FileId, at: Position, length: ByteCount) -> Result<Block, DiskError> {
        if !self.lives() {
            return Err(crashed(file, at));
        }
        let faults = self.disk.faults;
        if !faults.at_boot {
            let rate = if faults.reads_at_boot {
                BOOT_READS_PER_FAULT
            } else {
                0
            };
            self.disk.faults.read_error *= rate;
            self.disk.faults.read_flip *= rate;
        }
        let bytes = self.disk.bytes(file, at, length);
        self.disk.faults = faults;
        Ok(block_of(&self.pool, &bytes?))
    }

    fn write(&mut self, file: FileId, at: Position, data: &Bytes) -> Result<(), DiskError> {
        if !self.lives() {
            if self.dies_now() {
                self.disk.put_some(file, at, data);
            }
            return Err(crashed(file, at));
        }
        let faults = self.disk.faults;
        if faults.at_boot && self.disk.luck.one_in(faults.write_error) {
            self.disk.tally.hit("disk: write error");
            self.disk.put_some(file, at, data);
            return Err(refused("write", file, at, EIO));
        }
        self.disk.put(file, at, data.clone(), false);
        Ok(())
    }

    fn flush(&mut self, file: FileId) -> Result<(), DiskError> {
        if !self.lives() {
            return Err(crashed(file, Position(0)));
        }
        let faults = self.disk.faults;
        if !faults.at_boot {
            self.disk.faults.flush_error = 0;
        }
        let done = self.disk.flush_now(file);
        self.disk.faults = faults;
        done
    }

    fn prepare(&mut self, file: FileId, length: ByteCount) -> Result<(), DiskError> {
        if !self.lives() {
            return Err(crashed(file, Position(0)));
        }
        let faults = self.disk.faults;
        if !faults.at_boot {
            self.disk.faults.full = 0;
        }
        let done = self.disk.prepare(file, length);
        self.disk.faults = faults;
        done.map(|_| ())
    }

    fn remove(&mut self, file: FileId) -> Result<(), DiskError> {
        if !self.lives() {
            return Err(crashed(file, Position(0)));
        }
        self.disk.remove(file).map(|_| ())
    }

    fn space(&mut self) -> Result<DiskSpace, DiskError> {
        if !self.lives() {
            return Err(crashed(FileId(0), Position(0)));
        }
        Ok(self.disk.space())
    }
}

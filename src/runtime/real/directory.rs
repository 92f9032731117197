//! A shard's directory for code that may wait: machines that boot, and `inspect`.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::files::{Files, Home, failed};
use crate::base::{ByteCount, Position};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::disk::{Directory, DiskError, DiskSpace, FileId, Found};
use crate::runtime::system;

/// `Directory` over plain calls.
pub struct FileDirectory {
    files: Files,
    pool: BlockPool,
    /// A file was made whose name is not durable yet.
    unnamed: bool,
}

impl FileDirectory {
    /// The directory must be there. `buffered`: without O_DIRECT, for file systems that refuse it.
    pub fn open(path: &Path, pool: BlockPool, buffered: bool) -> Result<Self, DiskError> {
        let home = Home::open(path, buffered)
            .map_err(|errno| failed("open directory", FileId(0), errno))?;
        Ok(Self::over(Arc::new(home), pool))
    }

    pub(super) fn over(home: Arc<Home>, pool: BlockPool) -> Self {
        Self {
            files: Files::new(home),
            pool,
            unnamed: false,
        }
    }

    /// Plays the faults of a flush; false: the bug is that there is none.
    #[cfg(any(test, feature = "faults"))]
    fn flush_faulty(&self, file: FileId) -> Result<bool, DiskError> {
        if crate::runtime::faults::planted("no-flush") {
            return Ok(false);
        }
        let home = self.files.home();
        if let Some(volatile) = &home.volatile {
            super::volatile::settle(home, file, &volatile.pending(file))?;
        }
        Ok(true)
    }
}

fn failed_at(call: &'static str, file: FileId, at: Position, errno: i32) -> DiskError {
    DiskError {
        at,
        ..failed(call, file, errno)
    }
}

impl Directory for FileDirectory {
    fn list(&mut self) -> Result<Vec<Found>, DiskError> {
        self.files.home().list()
    }

    fn read(&mut self, file: FileId, at: Position, length: ByteCount) -> Result<Block, DiskError> {
        let open = self.files.get(file, false)?;
        let mut block = self.pool.take(length);
        let memory = &mut block.spare()[..length.as_usize()];
        #[cfg(any(test, feature = "faults"))]
        if self.files.home().volatile.is_some() {
            let count = super::volatile::read(self.files.home(), file, at, memory)?;
            block.advance(count);
            return Ok(block);
        }
        let count = system::read_at(&open, memory, at.0)
            .map_err(|errno| failed_at("read", file, at, errno))?;
        block.advance(count);
        Ok(block)
    }

    fn write(&mut self, file: FileId, at: Position, data: &Bytes) -> Result<(), DiskError> {
        if !self.files.is_open(file) && !self.files.home().path_of(file).exists() {
            self.unnamed = true;
        }
        let open = self.files.get(file, true)?;
        #[cfg(any(test, feature = "faults"))]
        if let Some(volatile) = &self.files.home().volatile {
            volatile.put(file, at, data.clone());
            return Ok(());
        }
        system::write_at(&open, data, at.0).map_err(|errno| failed_at("write", file, at, errno))
    }

    fn flush(&mut self, file: FileId) -> Result<(), DiskError> {
        let open = self.files.get(file, false)?;
        #[cfg(any(test, feature = "faults"))]
        if !self.flush_faulty(file)? {
            return Ok(());
        }
        open.sync_data()
            .map_err(|error| failed("fdatasync", file, system::errno_of(&error)))?;
        if self.unnamed {
            self.files.home().sync_names(file)?;
            self.unnamed = false;
        }
        Ok(())
    }

    fn prepare(&mut self, file: FileId, length: ByteCount) -> Result<(), DiskError> {
        self.files.home().prepare(file, length)
    }

    fn remove(&mut self, file: FileId) -> Result<(), DiskError> {
        self.files.forget(file);
        #[cfg(any(test, feature = "faults"))]
        if let Some(volatile) = &self.files.home().volatile {
            volatile.forget(file);
        }
        self.files.home().remove(file)
    }

    fn space(&mut self) -> Result<DiskSpace, DiskError> {
        self.files.home().space()
    }
}

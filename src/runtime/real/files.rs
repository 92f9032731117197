//! A shard's directory on a real file system: names, open files, and the calls that may wait.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{ByteCount, Position};
use crate::runtime::disk::{DiskError, DiskSpace, FileId, Found};
use crate::runtime::system::{self, Errno};

/// Open files of one shard. Reading an older segment opens it; who was opened first is closed
/// first once there are this many.
pub(super) const OPEN_FILES_MAX: usize = 256;

/// Zeroes are written in pieces of this size where the device can not write them itself.
const ZEROES: usize = 1 << 20;

/// A directory and its name; may be used from two threads at once.
pub(super) struct Home {
    path: PathBuf,
    directory: File,
    /// Without O_DIRECT, for file systems that refuse it.
    buffered: bool,
    /// Writes that no flush has covered, if the disk is to forget them.
    #[cfg(any(test, feature = "faults"))]
    pub(super) volatile: Option<super::volatile::Volatile>,
}

impl Home {
    pub(super) fn open(path: &Path, buffered: bool) -> Result<Self, Errno> {
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(path)
            .map_err(|error| system::errno_of(&error))?;
        Ok(Self {
            path: path.to_path_buf(),
            directory,
            buffered,
            #[cfg(any(test, feature = "faults"))]
            volatile: crate::runtime::faults::current()
                .is_ok_and(|faults| faults.volatile_disk)
                .then(Default::default),
        })
    }

    pub(super) fn path_of(&self, file: FileId) -> PathBuf {
        self.path.join(format!("{:08}.journal", file.0))
    }

    pub(super) fn open_file(&self, file: FileId, create: bool) -> Result<File, DiskError> {
        let direct = if self.buffered { 0 } else { libc::O_DIRECT };
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .mode(0o600)
            .custom_flags(direct)
            .open(self.path_of(file))
            .map_err(|error| failed("open", file, system::errno_of(&error)))
    }

    pub(super) fn list(&self) -> Result<Vec<Found>, DiskError> {
        let none = FileId(0);
        let fail = |error: std::io::Error| failed("readdir", none, system::errno_of(&error));
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(file) = entry.file_name().to_str().and_then(file_of_name) else {
                continue;
            };
            let length = ByteCount(entry.metadata().map_err(fail)?.len());
            #[cfg(any(test, feature = "faults"))]
            let length = match &self.volatile {
                Some(volatile) => length.max(volatile.end_of(file)),
                None => length,
            };
            all.push(Found { file, length });
        }
        all.sort_by_key(|found| found.file);
        Ok(all)
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync_names(&self, file: FileId) -> Result<(), DiskError> {
        self.directory
            .sync_all()
            .map_err(|error| failed("fsync directory", file, system::errno_of(&error)))
    }

    /// See `DiskOp::Prepare`.
    pub(super) fn prepare(&self, file: FileId, length: ByteCount) -> Result<(), DiskError> {
        #[cfg(any(test, feature = "faults"))]
        self.settle(file)?;
        let opened = self.open_file(file, true)?;
        let fail = |call| move |errno| failed(call, file, errno);
        if system::write_zeroes(&opened, length.0).is_err() {
            match system::allocate(&opened, length.0) {
                Ok(()) | Err(libc::EOPNOTSUPP) => {}
                Err(errno) => return Err(failed("fallocate", file, errno)),
            }
            write_zeroes_by_hand(&opened, length.0).map_err(fail("pwrite"))?;
        }
        opened
            .sync_all()
            .map_err(|error| failed("fsync", file, system::errno_of(&error)))?;
        self.sync_names(file)
    }

    /// Nothing pending may lie over what follows, and what it does not cover is flushed with it.
    #[cfg(any(test, feature = "faults"))]
    fn settle(&self, file: FileId) -> Result<(), DiskError> {
        let pending = self.volatile.as_ref().map(|all| all.pending(file));
        match pending.filter(|pending| !pending.is_empty()) {
            Some(pending) => super::volatile::settle(self, file, &pending),
            None => Ok(()),
        }
    }

    /// See `DiskOp::Remove`. A file that is not there is removed already.
    pub(super) fn remove(&self, file: FileId) -> Result<(), DiskError> {
        match std::fs::remove_file(self.path_of(file)) {
            Ok(()) => self.sync_names(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.sync_names(file),
            Err(error) => Err(failed("unlink", file, system::errno_of(&error))),
        }
    }

    pub(super) fn space(&self) -> Result<DiskSpace, DiskError> {
        system::space_of(&self.directory).map_err(|errno| failed("statvfs", FileId(0), errno))
    }
}

pub(super) fn failed(call: &'static str, file: FileId, errno: Errno) -> DiskError {
    let at = Position(0);
    DiskError {
        call,
        file,
        at,
        errno,
    }
}

fn file_of_name(name: &str) -> Option<FileId> {
    let digits = name.strip_suffix(".journal")?;
    let plain = digits.len() >= 8 && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(FileId)).flatten()
}

fn write_zeroes_by_hand(file: &File, length: u64) -> Result<(), Errno> {
    let pool = crate::runtime::block::BlockPool::default();
    let mut zeroes = pool.take(ByteCount(ZEROES as u64));
    zeroes.spare().fill(0);
    zeroes.advance(ZEROES);
    let mut at = 0;
    while at < length {
        let count = (length - at).min(ZEROES as u64) as usize;
        system::write_at(file, &zeroes.filled_bytes()[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

/// The files of one shard that are open on its core.
pub(super) struct Files {
    home: Arc<Home>,
    open: HashMap<FileId, (u64, Arc<File>)>,
    /// Counts openings; the age of a file is the count when it was opened.
    opened: u64,
}

impl Files {
    pub(super) fn new(home: Arc<Home>) -> Self {
        Self {
            home,
            open: HashMap::new(),
            opened: 0,
        }
    }

    pub(super) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// The file, opened if it is not. It stays usable while the `Arc` lives.
    pub(super) fn get(&mut self, file: FileId, create: bool) -> Result<Arc<File>, DiskError> {
        if let Some((_, open)) = self.open.get(&file) {
            return Ok(open.clone());
        }
        let open = Arc::new(self.home.open_file(file, create)?);
        if self.open.len() >= OPEN_FILES_MAX {
            let oldest = self.open.iter().min_by_key(|(_, (age, _))| *age);
            let oldest = *oldest.expect("it is full").0;
            self.open.remove(&oldest);
        }
        self.opened += 1;
        self.open.insert(file, (self.opened, open.clone()));
        Ok(open)
    }

    pub(super) fn is_open(&self, file: FileId) -> bool {
        self.open.contains_key(&file)
    }

    pub(super) fn forget(&mut self, file: FileId) {
        self.open.remove(&file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_journals_own_names_are_files_of_it() {
        assert_eq!(file_of_name("00000012.journal"), Some(FileId(12)));
        assert_eq!(file_of_name("123456789.journal"), Some(FileId(123_456_789)));
        assert_eq!(file_of_name("12.journal"), None);
        assert_eq!(file_of_name("+0000012.journal"), None);
        assert_eq!(file_of_name("99999999999.journal"), None);
        assert_eq!(file_of_name("00000012.tmp"), None);
    }
}

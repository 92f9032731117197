//! A directory that is read as it is and written in memory only.
//!
//! A journal that opens repairs what a crash left. Opened over a shadow it does all that, and what
//! it found can be told, while not one byte of the directory changes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::block::{Block, BlockPool};
use super::disk::{Directory, DiskError, DiskSpace, FileId, Found};
use crate::base::limits::ALIGN_BYTES;
use crate::base::{ByteCount, Position};

const UNIT: u64 = ALIGN_BYTES.0;

/// What was done to one file.
#[derive(Debug, Default)]
struct Changes {
    /// The file below is not seen: it was removed.
    hidden: bool,
    /// The file is gone.
    removed: bool,
    /// At least so long.
    length: u64,
    /// By position; each is one unit.
    written: BTreeMap<u64, Bytes>,
}

/// `Directory` over another one, which is only ever read.
pub struct Shadow<D> {
    below: D,
    pool: BlockPool,
    changes: BTreeMap<FileId, Changes>,
}

impl<D: Directory> Shadow<D> {
    pub fn over(below: D, pool: BlockPool) -> Self {
        Self {
            below,
            pool,
            changes: BTreeMap::new(),
        }
    }

    fn length_below(&mut self, file: FileId) -> Result<u64, DiskError> {
        let files = self.below.list()?;
        let found = files.iter().find(|found| found.file == file);
        Ok(found.map_or(0, |found| found.length.0))
    }
}

impl<D: Directory> Directory for Shadow<D> {
    fn list(&mut self) -> Result<Vec<Found>, DiskError> {
        let mut all = BTreeMap::new();
        for found in self.below.list()? {
            all.insert(found.file, found.length.0);
        }
        for (file, changes) in &self.changes {
            if changes.hidden {
                all.remove(file);
            }
            if !changes.removed {
                let length = all.entry(*file).or_default();
                *length = (*length).max(changes.length);
            }
        }
        let found = all.into_iter().map(|(file, length)| Found {
            file,
            length: ByteCount(length),
        });
        Ok(found.collect())
    }

    fn read(&mut self, file: FileId, at: Position, length: ByteCount) -> Result<Block, DiskError> {
        let Some(changes) = self.changes.get(&file) else {
            return self.below.read(file, at, length);
        };
        let (hidden, known) = (changes.hidden, changes.length);
        let below = if hidden { 0 } else { self.length_below(file)? };
        let end = below.max(known);
        let wanted = length.0.min(end.saturating_sub(at.0));
        let mut block = self.pool.take(length);
        let memory = &mut block.spare()[..wanted as usize];
        memory.fill(0);
        if at.0 < below {
            let beneath = self.below.read(file, at, length)?;
            let filled = beneath.filled_bytes();
            let count = filled.len().min(memory.len());
            memory[..count].copy_from_slice(&filled[..count]);
        }
        let changes = &self.changes[&file];
        for (unit, data) in changes.written.range(at.0 / UNIT * UNIT..at.0 + wanted) {
            let start = (unit.saturating_sub(at.0)) as usize;
            let skip = at.0.saturating_sub(*unit) as usize;
            let count = (data.len() - skip).min(memory.len() - start);
            memory[start..start + count].copy_from_slice(&data[skip..skip + count]);
        }
        block.advance(wanted as usize);
        Ok(block)
    }

    fn write(&mut self, file: FileId, at: Position, data: &Bytes) -> Result<(), DiskError> {
        let changes = self.changes.entry(file).or_default();
        changes.removed = false;
        changes.length = changes.length.max(at.0 + data.len() as u64);
        for start in (0..data.len()).step_by(UNIT as usize) {
            let end = data.len().min(start + UNIT as usize);
            changes
                .written
                .insert(at.0 + start as u64, data.slice(start..end));
        }
        Ok(())
    }

    fn flush(&mut self, _file: FileId) -> Result<(), DiskError> {
        Ok(())
    }

    fn prepare(&mut self, file: FileId, length: ByteCount) -> Result<(), DiskError> {
        let changes = self.changes.entry(file).or_default();
        changes.removed = false;
        changes.length = changes.length.max(length.0);
        Ok(())
    }

    fn remove(&mut self, file: FileId) -> Result<(), DiskError> {
        let gone = Changes {
            hidden: true,
            removed: true,
            ..Changes::default()
        };
        self.changes.insert(file, gone);
        Ok(())
    }

    fn space(&mut self) -> Result<DiskSpace, DiskError> {
        self.below.space()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::real::FileDirectory;

    const ONE: FileId = FileId(1);

    fn unit(byte: u8) -> Bytes {
        Bytes::from(vec![byte; UNIT as usize])
    }

    fn bytes_at(shadow: &mut impl Directory, unit: u64) -> Vec<u8> {
        let at = Position(unit * UNIT);
        let block = shadow.read(ONE, at, ByteCount(UNIT)).expect("read");
        block.filled_bytes().to_vec()
    }

    #[test]
    fn a_shadow_shows_what_was_written_to_it_and_leaves_the_file_as_it_was() {
        let path = std::env::temp_dir().join(format!("thalweg-shadow-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let name = path.join("00000001.journal");
        std::fs::write(&name, [unit(1), unit(2)].concat()).expect("a file");
        let below = FileDirectory::open(&path, BlockPool::default(), true).expect("there");
        let mut shadow = Shadow::over(below, BlockPool::default());

        shadow
            .write(ONE, Position(UNIT), &unit(9))
            .expect("in memory");
        shadow.prepare(ONE, ByteCount(4 * UNIT)).expect("in memory");
        shadow
            .prepare(FileId(2), ByteCount(UNIT))
            .expect("in memory");

        assert_eq!(bytes_at(&mut shadow, 0), unit(1));
        assert_eq!(bytes_at(&mut shadow, 1), unit(9));
        assert_eq!(bytes_at(&mut shadow, 3), unit(0));
        assert!(bytes_at(&mut shadow, 4).is_empty());
        assert_eq!(shadow.list().expect("listed").len(), 2);
        shadow.remove(ONE).expect("in memory");
        assert_eq!(shadow.list().expect("listed").len(), 1);
        shadow.prepare(ONE, ByteCount(UNIT)).expect("in memory");
        assert_eq!(bytes_at(&mut shadow, 0), unit(0));
        let left = std::fs::read(&name).expect("still there");
        assert_eq!(left, [unit(1), unit(2)].concat());
        assert_eq!(std::fs::read_dir(&path).expect("there").count(), 1);
        std::fs::remove_dir_all(&path).expect("ours");
    }
}

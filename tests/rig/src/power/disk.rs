//! A disk with a volatile cache: what was written since the last flush is only in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use thalweg::base::random::Random;

const BLOCK: usize = 4096;
/// What a disk writes whole: a cut may tear a block between sectors, never a sector.
const SECTOR: usize = 512;

/// What becomes of the writes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// None of them reached the medium.
    DropAll,
    /// Each sector did or did not, by this seed.
    KeepSome(u64),
}

impl Cut {
    /// As one word, for the daemon's standard input.
    pub fn word(self) -> String {
        match self {
            Self::DropAll => "all".to_string(),
            Self::KeepSome(seed) => seed.to_string(),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "all" => Ok(Self::DropAll),
            seed => seed
                .parse()
                .map(Self::KeepSome)
                .map_err(|e| format!("{seed}: {e}")),
        }
    }
}

pub struct VolatileDisk {
    /// What the medium holds.
    medium: File,
    length: u64,
    /// Blocks written since the last flush, whole, by number.
    pending: BTreeMap<u64, Box<[u8; BLOCK]>>,
    /// False from the cut on: then everything fails.
    powered: bool,
}

impl VolatileDisk {
    pub fn new(medium: File) -> io::Result<Self> {
        let length = medium.metadata()?.len();
        assert_eq!(length % BLOCK as u64, 0, "a disk is whole blocks long");
        Ok(Self {
            medium,
            length,
            pending: BTreeMap::new(),
            powered: true,
        })
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// What was written last, flushed or not. Shorter than asked for at the end of the disk.
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.check_power()?;
        let end = (offset + length as u64).min(self.length);
        let mut bytes = vec![0; end.saturating_sub(offset) as usize];
        self.medium.read_exact_at(&mut bytes, offset)?;
        let blocks = offset / BLOCK as u64..end.div_ceil(BLOCK as u64);
        for (number, block) in self.pending.range(blocks) {
            let start = number * BLOCK as u64;
            let from = start.max(offset);
            let to = (start + BLOCK as u64).min(end);
            bytes[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&block[(from - start) as usize..(to - start) as usize]);
        }
        Ok(bytes)
    }

    pub fn write(&mut self, offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        self.check_power()?;
        if offset + bytes.len() as u64 > self.length {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let mut at = offset;
        while !bytes.is_empty() {
            let within = (at % BLOCK as u64) as usize;
            let take = bytes.len().min(BLOCK - within);
            let block = self.pending_block(at / BLOCK as u64)?;
            block[within..within + take].copy_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            at += take as u64;
        }
        Ok(())
    }

    /// All that was written before is on the medium when this returns.
    pub fn flush(&mut self) -> io::Result<()> {
        self.check_power()?;
        for (number, block) in std::mem::take(&mut self.pending) {
            self.medium
                .write_all_at(&block[..], number * BLOCK as u64)?;
        }
        Ok(())
    }

    pub fn cut(&mut self, cut: Cut) -> io::Result<()> {
        self.powered = false;
        let pending = std::mem::take(&mut self.pending);
        let Cut::KeepSome(seed) = cut else {
            return Ok(());
        };
        let mut random = Random::with_seed(seed);
        for (number, block) in pending {
            for (index, sector) in block.chunks_exact(SECTOR).enumerate() {
                if random.below(2) == 0 {
                    let offset = number * BLOCK as u64 + (index * SECTOR) as u64;
                    self.medium.write_all_at(sector, offset)?;
                }
            }
        }
        Ok(())
    }

    fn pending_block(&mut self, number: u64) -> io::Result<&mut [u8; BLOCK]> {
        if !self.pending.contains_key(&number) {
            let mut block = Box::new([0; BLOCK]);
            self.medium
                .read_exact_at(&mut block[..], number * BLOCK as u64)?;
            self.pending.insert(number, block);
        }
        Ok(self.pending.get_mut(&number).expect("just put there"))
    }

    fn check_power(&self) -> io::Result<()> {
        const EIO: i32 = 5;
        match self.powered {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(EIO)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str) -> VolatileDisk {
        let path = std::env::temp_dir().join(format!("rig-{name}-{}", std::process::id()));
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .clone();
        let medium = options.open(&path).expect("a scratch file");
        std::fs::remove_file(&path).expect("it was just made");
        medium.set_len(16 * BLOCK as u64).expect("grows");
        VolatileDisk::new(medium).expect("a disk")
    }

    fn medium(disk: &VolatileDisk, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        disk.medium
            .read_exact_at(&mut bytes, offset)
            .expect("in the file");
        bytes
    }

    #[test]
    fn unflushed_writes_are_read_back_but_are_not_on_the_medium() {
        let mut disk = disk("unflushed");

        disk.write(4000, &[7; 300]).expect("written");

        assert_eq!(disk.read(4000, 300).expect("read"), [7; 300]);
        assert_eq!(medium(&disk, 4000, 300), [0; 300]);
        disk.flush().expect("flushed");
        assert_eq!(medium(&disk, 4000, 300), [7; 300]);
    }

    #[test]
    fn a_cut_drops_what_was_not_flushed_and_fails_everything_after() {
        let mut disk = disk("cut");
        disk.write(0, &[1; 512]).expect("written");
        disk.flush().expect("flushed");
        disk.write(0, &[2; 512]).expect("written");

        disk.cut(Cut::DropAll).expect("cut");

        assert_eq!(medium(&disk, 0, 512), [1; 512]);
        assert!(disk.read(0, 1).is_err() && disk.write(0, &[3]).is_err() && disk.flush().is_err());
    }

    #[test]
    fn a_torn_cut_keeps_whole_sectors_by_its_seed() {
        let mut disk = disk("torn");
        disk.write(0, &[9; 16 * BLOCK]).expect("written");

        disk.cut(Cut::KeepSome(7)).expect("cut");

        let found = medium(&disk, 0, 16 * BLOCK);
        let kept = found.chunks(SECTOR).filter(|s| **s == [9; SECTOR]).count();
        let lost = found.chunks(SECTOR).filter(|s| **s == [0; SECTOR]).count();
        assert_eq!(kept + lost, 16 * BLOCK / SECTOR);
        assert!(kept > 30 && lost > 30, "{kept} kept, {lost} lost");
    }
}

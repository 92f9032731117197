//! File 0: two slots of 4 KiB, written in turn. The newer valid one counts.
//!
//! | at | size | field |
//! |---:|---:|---|
//! | 0 | 4 | magic `TWS1` |
//! | 4 | 2 | version |
//! | 6 | 2 | 1 if the stop was clean |
//! | 8 | 8 | generation: rises with every write of either slot |
//! | 16 | 8 | incarnation |
//! | 24 | 8 | flushed: every group up to it was durable before this slot was written |
//! | 32 | 4 | session |
//! | 36 | 4 | replay from this segment on; what lies before is covered by checkpoints. 0: all |
//! | 40 | 4 | segment of the newest table of segments; 0 if there is none |
//! | 44 | 4 | position of the group that holds it, in units of 4 KiB |
//! | 48 | 4 | CRC-32C of bytes 0..48 |

use crate::base::crc::crc32c;
use crate::base::limits::READ_TRIES;
use crate::base::{ByteCount, Position};
use crate::runtime::{BlockPool, Directory, FileId};

use super::entry::Sequence;
use super::error::JournalError;
use super::format::{UNIT, get_u16, get_u32, get_u64, put};
use super::scan::read_patiently;

pub(super) const SUPERBLOCK_FILE: FileId = FileId(0);
pub(super) const SUPERBLOCK_BYTES: ByteCount = ByteCount(2 * UNIT as u64);
const MAGIC: u32 = u32::from_le_bytes(*b"TWS1");
const VERSION: u16 = 1;

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub generation: u64,
    pub incarnation: u64,
    pub clean: bool,
    pub flushed: Sequence,
    pub session: u32,
    pub replay_from: u32,
    /// Segment and position of the group with the newest table of segments.
    pub table: Option<(u32, u32)>,
}

/// What a start finds.
pub(super) struct Loaded {
    pub superblock: Superblock,
    /// The other slot can be read as well, so that this is the one that was written last.
    pub is_newest: bool,
}

impl Loaded {
    /// Segments from this one on have never been freed: a segment is, only once the superblock says
    /// that restarts begin behind it.
    pub fn freed_below(&self) -> u32 {
        match self.superblock.replay_from {
            from if from > 0 && self.is_newest => from,
            // Nobody knows any more.
            _ => u32::MAX,
        }
    }
}

/// What one of the two slots holds.
enum Slot {
    Good(Result<Superblock, JournalError>),
    /// Never written.
    Blank,
    /// Torn by a crash, or harmed since.
    Damaged,
}

impl Superblock {
    pub fn fresh(incarnation: u64) -> Self {
        Self {
            generation: 0,
            incarnation,
            clean: false,
            flushed: Sequence(0),
            session: 0,
            replay_from: 1,
            table: None,
        }
    }

    /// Where this generation is written: never over the one before it.
    pub fn at(&self) -> Position {
        Position((self.generation % 2) * UNIT as u64)
    }

    pub fn write(&self, out: &mut [u8]) {
        out[..UNIT].fill(0);
        let (segment, at) = self.table.unwrap_or((0, 0));
        put(out, 0, MAGIC.to_le_bytes());
        put(out, 4, VERSION.to_le_bytes());
        put(out, 6, u16::from(self.clean).to_le_bytes());
        put(out, 8, self.generation.to_le_bytes());
        put(out, 16, self.incarnation.to_le_bytes());
        put(out, 24, self.flushed.0.to_le_bytes());
        put(out, 32, self.session.to_le_bytes());
        put(out, 36, self.replay_from.to_le_bytes());
        put(out, 40, segment.to_le_bytes());
        put(out, 44, (at / UNIT as u32).to_le_bytes());
        let sum = crc32c(&out[..48]);
        put(out, 48, sum.to_le_bytes());
    }

    /// None if the slot is torn or was never written.
    pub fn read(bytes: &[u8]) -> Option<Result<Self, JournalError>> {
        if bytes.len() < UNIT || get_u32(bytes, 0) != MAGIC {
            return None;
        }
        if get_u32(bytes, 48) != crc32c(&bytes[..48]) {
            return None;
        }
        let version = get_u16(bytes, 4);
        if version != VERSION {
            let found = u32::from(version);
            return Some(Err(JournalError::Format {
                file: SUPERBLOCK_FILE,
                found,
            }));
        }
        let table = (
            get_u32(bytes, 40),
            get_u32(bytes, 44).wrapping_mul(UNIT as u32),
        );
        Some(Ok(Self {
            clean: get_u16(bytes, 6) == 1,
            generation: get_u64(bytes, 8),
            incarnation: get_u64(bytes, 16),
            flushed: Sequence(get_u64(bytes, 24)),
            session: get_u32(bytes, 32),
            replay_from: get_u32(bytes, 36),
            table: (table.0 > 0).then_some(table),
        }))
    }

    /// The newer of the two slots, if either was ever written. What a slot that is damaged said is
    /// not known, so the stop before counts as unclean then.
    ///
    /// # Errors
    ///
    /// The device's, if it can read neither; `Format` if a slot is of another version.
    pub fn load(directory: &mut dyn Directory) -> Result<Option<Loaded>, JournalError> {
        let slots = [0, 1].map(|slot| Self::load_slot(directory, slot));
        if let [Err(error), Err(_)] = slots {
            return Err(error);
        }
        let damaged = !slots
            .iter()
            .all(|slot| matches!(slot, Ok(Slot::Good(_) | Slot::Blank)));
        let mut newest: Option<Self> = None;
        for slot in slots {
            let Ok(Slot::Good(slot)) = slot else { continue };
            let slot = slot?;
            if newest.is_none_or(|known| known.generation < slot.generation) {
                newest = Some(slot);
            }
        }
        Ok(newest.map(|newest| Loaded {
            superblock: Self {
                clean: newest.clean && !damaged,
                ..newest
            },
            is_newest: !damaged,
        }))
    }

    fn load_slot(directory: &mut dyn Directory, slot: u64) -> Result<Slot, JournalError> {
        let at = Position(slot * UNIT as u64);
        for _ in 0..READ_TRIES {
            let unit = ByteCount(UNIT as u64);
            let block = read_patiently(directory, SUPERBLOCK_FILE, at, unit)?;
            let bytes = block.filled_bytes();
            if let Some(read) = Self::read(bytes) {
                return Ok(Slot::Good(read));
            }
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(Slot::Blank);
            }
        }
        tracing::warn!(at = at.0, "a slot of the superblock is torn or damaged");
        Ok(Slot::Damaged)
    }

    /// Writes and flushes this generation, while the machine boots.
    pub fn store(
        &self,
        directory: &mut dyn Directory,
        pool: &BlockPool,
    ) -> Result<(), JournalError> {
        let mut block = pool.take(ByteCount(UNIT as u64));
        self.write(block.spare());
        block.advance(UNIT);
        directory.write(SUPERBLOCK_FILE, self.at(), &block.freeze())?;
        directory.flush(SUPERBLOCK_FILE)?;
        Ok(())
    }
}

//! Aligned memory that is written once, front to back, while what is already written is shared.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;

use super::fresh::{Haste, Keeper, Stock};
use super::pool::Pool;
use super::raw::Raw;
use crate::base::ByteCount;
use crate::base::limits::{ALIGN_BYTES, POOLED_BYTES_MAX, RECEIVE_BYTES_MAX};

/// Memory aligned for direct I/O. One holder appends; parts that are filled can be shared as
/// `Bytes`, which keep the memory alive and may cross threads. It goes home to its pool when the
/// last holder is gone.
pub struct Block {
    memory: Arc<Memory>,
    filled: usize,
}

impl Block {
    pub fn capacity(&self) -> usize {
        self.memory.capacity
    }

    /// False: too large for a pool's free lists, so that its memory comes as it is written.
    fn is_pooled(&self) -> bool {
        self.memory.capacity <= POOLED_BYTES_MAX.as_usize()
    }

    /// False: large, and never used before, so that writing to it costs several times as much.
    pub fn is_ready(&self) -> bool {
        self.is_pooled() || self.memory.raw.was_used()
    }

    /// The memory that it takes, with what the next receive may add.
    pub fn charge(&self) -> usize {
        match self.is_pooled() {
            true => self.memory.capacity,
            // What was used before is there whole, whatever is filled of it.
            false if self.is_ready() => self.memory.raw.size.bytes(),
            false => (self.filled + RECEIVE_BYTES_MAX.as_usize()).min(self.memory.capacity),
        }
    }

    /// The number of bytes written so far.
    pub fn filled(&self) -> usize {
        self.filled
    }

    pub fn filled_bytes(&self) -> &[u8] {
        // SAFETY: bytes below `filled` are initialised and are never written again.
        unsafe { std::slice::from_raw_parts(self.memory.pointer.as_ptr(), self.filled) }
    }

    /// The rest of the memory; what is written to it counts once `advance` says so.
    pub fn spare(&mut self) -> &mut [u8] {
        let rest = self.memory.capacity - self.filled;
        // SAFETY: the range lies inside the allocation and is initialised (zeroed, or written in an
        // earlier life). `Block` is the only writer and is borrowed mutably; shared views cover
        // only bytes below `filled`, which this range does not touch.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.pointer.as_ptr().add(self.filled), rest)
        }
    }

    /// Counts `count` bytes of `spare` as written.
    pub fn advance(&mut self, count: usize) {
        assert!(
            count <= self.memory.capacity - self.filled,
            "advance past the end of the block"
        );
        self.filled += count;
    }

    /// Appends as much of `bytes` as fits; returns how much did.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.capacity() - self.filled);
        self.spare()[..count].copy_from_slice(&bytes[..count]);
        self.advance(count);
        count
    }

    /// A view of a part that is filled. Cheap to clone and to slice further.
    pub fn share(&self, range: Range<usize>) -> Bytes {
        assert!(
            range.start <= range.end,
            "a range that ends before it begins"
        );
        assert!(
            range.end <= self.filled,
            "only what is filled can be shared"
        );
        if range.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(View {
            memory: self.memory.clone(),
            range,
        })
    }

    /// The filled part, given up to be shared.
    pub fn freeze(self) -> Bytes {
        self.share(0..self.filled)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} of {})", self.filled, self.memory.capacity)
    }
}

struct View {
    memory: Arc<Memory>,
    range: Range<usize>,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `share` proved the range to be filled, and filled bytes are never written again.
        unsafe {
            let start = self.memory.pointer.as_ptr().add(self.range.start);
            std::slice::from_raw_parts(start, self.range.len())
        }
    }
}

struct Memory {
    pointer: NonNull<u8>,
    capacity: usize,
    /// What goes home when this is dropped.
    raw: ManuallyDrop<Raw>,
    home: Arc<Pool>,
}

// SAFETY: the memory is plain bytes; who may write which part is decided by `Block`. The pool may
// be given a piece by any thread.
unsafe impl std::marker::Send for Memory {}
// SAFETY: as above; shared views only read what is never written again.
unsafe impl Sync for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: taken out once, here, and not touched afterwards.
        let raw = unsafe { ManuallyDrop::take(&mut self.raw) };
        self.home.put(raw);
    }
}

/// Where blocks come from and go back to. Clones share their memory; see `pool` for how, and for
/// which thread it is fastest.
#[derive(Clone, Default)]
pub struct BlockPool {
    pool: Arc<Pool>,
}

impl BlockPool {
    /// A pool for which the keeper makes memory ready.
    pub fn with_keeper(keeper: Keeper) -> Self {
        Self {
            pool: Arc::new(Pool::with_keeper(keeper)),
        }
    }

    /// Memory that was made ready and that nobody has claimed, at most so much. It is the caller's
    /// to hold beside what it holds already; `take` gives it out. More is made ready meanwhile, up
    /// to what the caller still wants. Without a keeper it is all the caller's at once, and dear
    /// when it is first written to.
    pub fn claim(&self, most: ByteCount, haste: Haste) -> ByteCount {
        let Some(stock) = self.pool.stock() else {
            return most;
        };
        ByteCount(stock.claim(&self.pool, most.as_usize(), haste) as u64)
    }

    /// What was asked to be ready for this pool, or is ready, and was not claimed.
    pub fn asked_ready(&self) -> ByteCount {
        let asked = self.pool.stock().map_or(0, Stock::asked);
        ByteCount(asked as u64)
    }

    /// A block of at least `bytes`, rounded up to whole units, with nothing filled. What `spare`
    /// shows may be left from an earlier life.
    pub fn take(&self, bytes: ByteCount) -> Block {
        let capacity = bytes
            .as_usize()
            .max(1)
            .next_multiple_of(ALIGN_BYTES.as_usize());
        let raw = self.pool.take(capacity);
        Block {
            memory: Arc::new(Memory {
                pointer: raw.pointer(),
                capacity,
                raw: ManuallyDrop::new(raw),
                home: self.pool.clone(),
            }),
            filled: 0,
        }
    }
}

impl fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockPool")
    }
}

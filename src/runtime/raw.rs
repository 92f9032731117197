//! Pieces of memory as the allocator and the kernel give them, in a few sizes.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::base::limits::{ALIGN_BYTES, POOLED_BYTES_MAX};

/// Sizes that are kept for reuse: two per doubling, so that at most a third is left unused.
pub(super) const SIZES: [usize; 20] = {
    let mut sizes = [4 << 10; 20];
    let mut index = 1;
    while index < sizes.len() {
        let base = (8 << 10) << ((index - 1) / 2);
        sizes[index] = if index % 2 == 1 { base } else { base / 2 * 3 };
        index += 1;
    }
    sizes
};

/// From this size on memory comes from the kernel directly, zero without being written.
const MAPPED_FROM: usize = 64 << 10;

/// From this size on memory is aligned for huge pages.
pub(super) const HUGE: usize = 2 << 20;

/// A page of the kernel, where it gives no huge one.
const PAGE: usize = 4 << 10;

/// Touched before the processor is offered to who wants it.
const TOUCHED_AT_ONCE: usize = 64 << 10;

const _: () = assert!(SIZES[19] as u64 == POOLED_BYTES_MAX.0);

/// One piece of memory, owned: aligned to 4 KiB, initialised.
pub(super) struct Raw {
    pub(super) pointer: NonNull<u8>,
    /// An index of `SIZES`, or the size itself of memory that no free list keeps.
    pub(super) size: Size,
    /// Its pages are there: it had another life before, or was made ready.
    used: bool,
}

// SAFETY: the memory is plain bytes that no one else points to.
unsafe impl std::marker::Send for Raw {}

#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Kept(usize),
    Odd(usize),
}

impl Size {
    pub(super) fn for_bytes(bytes: usize) -> Self {
        let index = SIZES.partition_point(|size| *size < bytes);
        if index < SIZES.len() {
            Self::Kept(index)
        } else {
            Self::Odd(bytes.next_multiple_of(ALIGN_BYTES.as_usize()))
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Kept(index) => SIZES[index],
            Self::Odd(bytes) => bytes,
        }
    }
}

impl Raw {
    pub(super) fn pointer(&self) -> NonNull<u8> {
        self.pointer
    }

    pub(super) fn was_used(&self) -> bool {
        self.used
    }

    /// A piece whose pages are there: given back before, or made ready.
    pub(super) fn again(pointer: NonNull<u8>, size: Size) -> Self {
        let used = true;
        Self {
            pointer,
            size,
            used,
        }
    }

    pub(super) fn new(size: Size) -> Self {
        let bytes = size.bytes();
        let layout = layout_of(bytes);
        let pointer = if bytes >= MAPPED_FROM {
            map(bytes)
        } else {
            // SAFETY: the layout's size is not zero.
            NonNull::new(unsafe { alloc_zeroed(layout) })
        };
        let Some(pointer) = pointer else {
            handle_alloc_error(layout)
        };
        Self {
            pointer,
            size,
            used: false,
        }
    }

    pub(super) fn free(self) {
        let bytes = self.size.bytes();
        if bytes >= MAPPED_FROM {
            // SAFETY: `map` or `slab` gave this range, and nobody else holds it.
            unsafe { libc::munmap(self.pointer.as_ptr().cast(), bytes) };
        } else {
            // SAFETY: allocated with this very layout, and nobody else holds it.
            unsafe { dealloc(self.pointer.as_ptr(), layout_of(bytes)) };
        }
    }

    /// Frees large memory in slices: all at once would keep every other thread of the process
    /// from mapping memory meanwhile.
    pub(super) fn free_gently(self) {
        let bytes = self.size.bytes();
        if bytes >= HUGE {
            for at in (0..bytes).step_by(HUGE) {
                let slice = HUGE.min(bytes - at);
                // SAFETY: the slice lies in the range that `map` or `slab` gave, and nobody else
                // holds it.
                unsafe {
                    let start = self.pointer.as_ptr().add(at).cast();
                    libc::madvise(start, slice, libc::MADV_DONTNEED);
                }
            }
        }
        self.free();
    }
}

fn layout_of(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGN_BYTES.as_usize()).expect("a sane size")
}

/// Fresh pages of the kernel, zero; from 2 MiB on where huge ones can lie, but not asked to be
/// such: these are touched by a core that has other things to do, and a huge page comes all at once
/// (on the 2-core reference machine in 7 to 30 ms, 256 KiB of small ones in 0.5 to 2 ms).
fn map(bytes: usize) -> Option<NonNull<u8>> {
    let slack = if bytes >= HUGE { HUGE } else { 0 };
    let mapped = reserve(bytes + slack, libc::PROT_READ | libc::PROT_WRITE)?;
    if slack == 0 {
        return Some(mapped);
    }
    let before = mapped.as_ptr().align_offset(HUGE);
    // SAFETY: what is cut off the ends lies within the new mapping: `start` is less than `HUGE`
    // beyond `mapped`, and `slack` is `HUGE`.
    unsafe {
        let start = mapped.add(before);
        if before > 0 {
            libc::munmap(mapped.as_ptr().cast(), before);
        }
        libc::munmap(start.add(bytes).as_ptr().cast(), slack - before);
        Some(start)
    }
}

/// A new private mapping.
fn reserve(bytes: usize, protection: i32) -> Option<NonNull<u8>> {
    // SAFETY: a new private mapping touches no memory that is in use.
    let mapped = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0)
    };
    match mapped == libc::MAP_FAILED {
        true => None,
        false => NonNull::new(mapped.cast()),
    }
}

/// Pieces of `HUGE` bytes side by side, every page of them there: the thread that calls waits for
/// the kernel, and nobody else does.
///
/// Each page is written, because `MADV_POPULATE_WRITE` holds the lock of the whole address space
/// meanwhile, a fault only that of its own area. 2-core reference machine, Linux 6.18, 768 MiB made
/// ready at nice 19 while another thread mapped 64 KiB at a time: 99.9 % of its calls took up to
/// 3-213 ms beside `MADV_POPULATE_WRITE` and up to 0.11 ms beside writes, which took no more of the
/// processor (0.12-0.17 s/GB). Addresses that nobody may touch around the slab keep its area from
/// becoming one with a neighbour's.
///
/// Small pages, and few at a time: the kernel takes the processor from nobody before a few
/// milliseconds are over, and a core that woke beside the zeroing of a huge page waited for 2 to
/// 3 ms (`benches/stalls`, Linux 6.18).
pub(super) fn slab(pieces: usize) -> Option<Vec<Raw>> {
    let bytes = pieces * HUGE;
    let reserved = reserve(bytes + 2 * HUGE, libc::PROT_NONE)?;
    // SAFETY: at least a page and less than two huge pages are left out in front, and so is the
    // rest of the two behind: all that is named here lies in the new mapping, which is ours.
    unsafe {
        let inside = reserved.add(PAGE);
        let start = inside.add(inside.as_ptr().align_offset(HUGE));
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        if libc::mprotect(start.as_ptr().cast(), bytes, writable) != 0 {
            libc::munmap(reserved.as_ptr().cast(), bytes + 2 * HUGE);
            return None;
        }
        // Refused where there are none, which is no harm.
        libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_NOHUGEPAGE);
        for few in (0..bytes).step_by(TOUCHED_AT_ONCE) {
            for at in (few..few + TOUCHED_AT_ONCE).step_by(PAGE) {
                start.as_ptr().add(at).write_volatile(0);
            }
            std::thread::yield_now();
        }
        let size = Size::for_bytes(HUGE);
        let piece = |index| Raw::again(start.add(index * HUGE), size);
        Some((0..pieces).map(piece).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_rise_and_waste_at_most_a_third() {
        for bytes in [1, 4096, 4097, 70_000, 1 << 20, (1 << 20) + 1, 4 << 20] {
            let size = Size::for_bytes(bytes).bytes();
            assert!(
                size >= bytes && size.is_multiple_of(4096),
                "{bytes}: {size}"
            );
            assert!(size * 2 <= bytes * 3 || size <= 8192, "{bytes}: {size}");
        }
        assert!(matches!(Size::for_bytes((4 << 20) + 1), Size::Odd(_)));
    }

    #[test]
    fn pieces_of_a_slab_are_zero_aligned_and_freed_one_by_one() {
        let pieces = slab(3).expect("memory");

        assert_eq!(pieces.len(), 3);
        for raw in pieces {
            assert_eq!(raw.size.bytes(), HUGE);
            assert_eq!(raw.pointer().as_ptr().align_offset(HUGE), 0);
            // SAFETY: the piece is ours and that long.
            let bytes = unsafe { std::slice::from_raw_parts(raw.pointer().as_ptr(), HUGE) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            raw.free_gently();
        }
    }
}

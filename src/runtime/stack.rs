//! A stack of free memory that any thread may push to, linked through the memory itself.
//!
//! Whoever takes, takes all of it, so that no piece is popped that somebody pushes again meanwhile.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

/// The newest piece; the first word of each points to the next.
#[derive(Default)]
pub(super) struct Stack(AtomicPtr<u8>);

impl Stack {
    /// Gives a piece to whoever takes next.
    ///
    /// # Safety
    /// The piece is the caller's alone, aligned to a word and at least as large, and nobody touches
    /// it until it is taken.
    pub(super) unsafe fn push(&self, piece: NonNull<u8>) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: the piece is ours alone until it is pushed, as the caller promised.
            unsafe { piece.cast::<*mut u8>().write(head) };
            // Release: whoever takes the piece sees its link.
            let pushed = self.0.compare_exchange_weak(
                head,
                piece.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match pushed {
                Ok(_) => return,
                Err(newer) => head = newer,
            }
        }
    }

    /// All pieces, newest first; returns how many there were.
    pub(super) fn take_all(&self, mut each: impl FnMut(NonNull<u8>)) -> usize {
        if self.0.load(Ordering::Relaxed).is_null() {
            return 0;
        }
        // Acquire: the links were written before the pieces were pushed.
        let mut next = self.0.swap(null_mut(), Ordering::Acquire);
        let mut count = 0;
        while let Some(piece) = NonNull::new(next) {
            // SAFETY: the piece is ours now, and its first word is the link that `push` wrote.
            next = unsafe { piece.cast::<*mut u8>().read() };
            each(piece);
            count += 1;
        }
        count
    }
}

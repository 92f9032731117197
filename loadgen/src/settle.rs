//! A disk that has come to rest, before it is measured on.
//!
//! What the run before left in the page cache would be written back under this one's flushes, and
//! what it deleted is still being given back to the device: a file system that is mounted with
//! `discard` tells the device of every freed block, and each flush waits for that. Kafka deletes
//! late, too, so that its data went in the middle of somebody else's run: of the soak's three
//! rounds (2026-11-30, half a minute of Kafka's data) two had a p99 of 20 ms from that moment on,
//! and 2 to 4 ms before it.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use thalweg::load::process::DiskSample;

/// How long one look takes, how many in a row must find the disk at rest, and when to give up: a
/// disk on which somebody else works never rests.
const LOOK: Duration = Duration::from_millis(500);
const QUIET_LOOKS: u32 = 5;
const LOOKS_MAX: u32 = 120;

/// A disk at rest does no more than this within a look: an idle system's own notes.
const QUIET_BYTES: u64 = 2 << 20;

/// Waits until the disk under `data` rests, for a minute at the most.
pub fn settle(data: &Path) {
    // Without the tool the runs are only noisier.
    let _ = Command::new("sync").arg("-f").arg(data).status();
    let looks = std::iter::from_fn(|| {
        let before = DiskSample::under(data)?;
        thread::sleep(LOOK);
        Some(DiskSample::under(data)?.work_since(before))
    });
    wait_for_quiet(looks);
}

/// Takes looks, each the bytes that the disk had to do with, until enough in a row are quiet.
fn wait_for_quiet(looks: impl Iterator<Item = u64>) {
    let mut quiet = 0;
    for bytes in looks.take(LOOKS_MAX as usize) {
        quiet = if bytes <= QUIET_BYTES { quiet + 1 } else { 0 };
        if quiet == QUIET_LOOKS {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks are taken of a disk that does this, and then nothing.
    fn looks_taken(busy: &[u64], then: u64) -> u32 {
        let mut taken = 0;
        let after = std::iter::repeat(then);
        let looks = busy.iter().copied().chain(after).inspect(|_| taken += 1);
        wait_for_quiet(looks);
        taken
    }

    #[test]
    fn a_disk_rests_once_several_looks_in_a_row_were_quiet() {
        assert_eq!(looks_taken(&[], 0), QUIET_LOOKS);
        assert_eq!(looks_taken(&[0, 0, 64 << 20], 4096), 3 + QUIET_LOOKS);
    }

    #[test]
    fn a_disk_that_never_rests_is_not_waited_for_for_ever() {
        assert_eq!(looks_taken(&[], 64 << 20), LOOKS_MAX);
    }
}

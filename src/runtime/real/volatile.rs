//! A disk that forgets: written bytes that no flush has covered, kept in process memory. Only with
//! the feature `faults`.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;

use super::files::{Home, failed};
use crate::base::{ByteCount, Position};
use crate::runtime::disk::{DiskError, FileId};
use crate::runtime::system;

/// One write that the file has not seen.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    number: u64,
    at: u64,
    data: Bytes,
}

/// Pending writes per file, oldest first.
#[derive(Default)]
pub(super) struct Volatile {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: HashMap<FileId, Vec<Pending>>,
    numbers: u64,
}

impl Volatile {
    /// Keeps a write; the answer is what `settle` needs to make it, and it alone, durable.
    pub(super) fn put(&self, file: FileId, at: Position, data: Bytes) -> Vec<Pending> {
        let mut state = self.state.lock().expect("no holder panics");
        state.numbers += 1;
        let write = Pending {
            number: state.numbers,
            at: at.0,
            data,
        };
        let writes = state.files.entry(file).or_default();
        writes.push(write.clone());
        vec![write]
    }

    /// What a flush handed over now covers.
    pub(super) fn pending(&self, file: FileId) -> Vec<Pending> {
        let state = self.state.lock().expect("no holder panics");
        state.files.get(&file).cloned().unwrap_or_default()
    }

    fn settled(&self, file: FileId, writes: &[Pending]) {
        let mut state = self.state.lock().expect("no holder panics");
        if let Some(kept) = state.files.get_mut(&file) {
            kept.retain(|kept| writes.iter().all(|write| write.number != kept.number));
        }
    }

    pub(super) fn forget(&self, file: FileId) {
        let mut state = self.state.lock().expect("no holder panics");
        state.files.remove(&file);
    }

    /// Where the pending writes of `file` end; the file is as long as that at least.
    pub(super) fn end_of(&self, file: FileId) -> ByteCount {
        let pending = self.pending(file);
        let ends = pending.iter().map(|w| w.at + w.data.len() as u64);
        ByteCount(ends.max().unwrap_or(0))
    }
}

/// Lays the pending writes over `memory`, of which the file gave the first `count` bytes;
/// returns how many are there now.
fn lay_over(pending: &[Pending], memory: &mut [u8], at: u64, count: usize) -> usize {
    let end = at + memory.len() as u64;
    let mut filled = count;
    for write in pending {
        let from = write.at.max(at);
        let to = (write.at + write.data.len() as u64).min(end);
        if from >= to {
            continue;
        }
        let target = (from - at) as usize..(to - at) as usize;
        let source = (from - write.at) as usize..(to - write.at) as usize;
        if target.start > filled {
            memory[filled..target.start].fill(0);
        }
        filled = filled.max(target.end);
        memory[target].copy_from_slice(&write.data[source]);
    }
    filled
}

/// Reads what the process should see.
pub(super) fn read(
    home: &Home,
    file: FileId,
    at: Position,
    memory: &mut [u8],
) -> Result<usize, DiskError> {
    let open = home.open_file(file, false)?;
    let fail = |errno| failed("read", file, errno);
    // Taken first: what settles meanwhile is in the file, or here, or both.
    let pending = home.volatile.as_ref().map(|all| all.pending(file));
    let count = system::read_at(&open, memory, at.0).map_err(fail)?;
    Ok(lay_over(&pending.unwrap_or_default(), memory, at.0, count))
}

/// Writes `writes` to the file and flushes it.
pub(super) fn settle(home: &Home, file: FileId, writes: &[Pending]) -> Result<(), DiskError> {
    let open = home.open_file(file, false)?;
    for write in writes {
        let fail = |errno| failed("write", file, errno);
        system::write_at(&open, &write.data, write.at).map_err(fail)?;
    }
    let synced = open.sync_data();
    synced.map_err(|error| failed("fdatasync", file, system::errno_of(&error)))?;
    if let Some(volatile) = &home.volatile {
        volatile.settled(file, writes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_writes_lie_over_older_ones_and_over_the_file() {
        let volatile = Volatile::default();
        let file = FileId(1);
        volatile.put(file, Position(2), Bytes::from_static(b"aaaa"));
        volatile.put(file, Position(4), Bytes::from_static(b"bb"));
        volatile.put(file, Position(8), Bytes::from_static(b"cc"));
        let mut memory = *b"........";

        let count = lay_over(&volatile.pending(file), &mut memory, 1, 4);

        assert_eq!(count, 8);
        assert_eq!(&memory, b".aabb\0\0c");
        assert_eq!(volatile.end_of(file), ByteCount(10));
    }
}

//! The state that a metadata log holds.

use super::encode::{Logged, Unreadable, change_of, decode};
use super::metadata::Metadata;
use super::metadata_log::MetadataError;
use super::snapshot::Part;
use crate::journal::Slice;

/// What was read, and how it is spread, so that the next snapshot comes in its time.
#[derive(Default)]
pub(super) struct Replayed {
    pub metadata: Metadata,
    pub snapshot_bytes: u64,
    pub change_bytes: u64,
}

/// Loads the newest snapshot that is whole, then follows every change that is newer.
pub(super) fn replay(slices: &[Slice]) -> Result<Replayed, MetadataError> {
    let mut logged = Vec::with_capacity(slices.len());
    for slice in slices {
        logged.push(entry(slice).map_err(|why| unreadable(slice, why))?);
    }
    let (first, parts) = newest_snapshot(&logged);
    let mut replayed = Replayed::default();
    for place in parts {
        if let Entry::Part(part) = &logged[place] {
            let restored = part.restore(&mut replayed.metadata);
            restored.map_err(|why| unreadable(&slices[place], why))?;
            replayed.snapshot_bytes += slices[place].payload.len() as u64;
        }
    }
    for (entry, slice) in logged.into_iter().zip(slices).skip(first) {
        if let Entry::Change(record) = entry {
            replayed.change_bytes += slice.payload.len() as u64;
            follow(&mut replayed.metadata, record).map_err(|why| unreadable(slice, why))?;
        }
    }
    Ok(replayed)
}

enum Entry<'a> {
    Change(super::encode::ChangeRecord),
    Part(Part<'a>),
}

fn entry(slice: &Slice) -> Result<Entry<'_>, Unreadable> {
    match decode(&slice.payload)? {
        Logged::Change(record) => Ok(Entry::Change(record)),
        Logged::Part(bytes) => Ok(Entry::Part(Part::decode(bytes)?)),
    }
}

fn unreadable(slice: &Slice, why: Unreadable) -> MetadataError {
    let at = slice.head.first;
    MetadataError::Unreadable { at, why }
}

/// Where the parts of the newest whole snapshot are, and the place from which changes may follow
/// it. A snapshot whose last parts are missing was given up and counts for nothing.
fn newest_snapshot(logged: &[Entry<'_>]) -> (usize, Vec<usize>) {
    let mut whole = Vec::new();
    let mut parts: Vec<usize> = Vec::new();
    for (place, entry) in logged.iter().enumerate() {
        let Entry::Part(part) = entry else { continue };
        if part.number == 0 {
            parts.clear();
        }
        if part.number as usize != parts.len() {
            parts.clear();
            continue;
        }
        parts.push(place);
        if part.last {
            whole = std::mem::take(&mut parts);
        }
    }
    (whole.first().copied().unwrap_or(0), whole)
}

fn follow(metadata: &mut Metadata, record: super::encode::ChangeRecord) -> Result<(), Unreadable> {
    if record.version <= metadata.version() {
        return Err("a change is older than the snapshot before it");
    }
    if record.version > metadata.version() + 1 {
        return Err("a change is missing before this one");
    }
    let change = change_of(record, metadata)?;
    metadata.apply_change(&change);
    Ok(())
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;

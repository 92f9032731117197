//! Which segment each file holds: what its groups say, for a file's name says nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::runtime::disk::Found;
use crate::runtime::{Directory, FileId};

use super::error::JournalError;
use super::format::UNIT;
use super::scan::{Reader, group_at, number_of};
use super::superblock::SUPERBLOCK_FILE;

/// Enough to find a file's first group.
const HEAD_WINDOW_BYTES: u64 = UNIT as u64;

/// The files of a journal by what they hold.
#[derive(Default)]
pub(super) struct Numbered {
    /// The file of each segment.
    pub segments: BTreeMap<u32, Found>,
    /// Files without a group.
    pub spare: Vec<FileId>,
    /// The highest number of a segment that some file seems to hold; 0 if there is none.
    pub last: u32,
}

/// Looks into every file but the superblock.
pub(super) fn number_files(
    directory: &mut dyn Directory,
    files: &[Found],
    incarnation: u64,
) -> Result<Numbered, JournalError> {
    let mut numbered = Numbered::default();
    let mut seeming: BTreeMap<u32, Vec<Found>> = BTreeMap::new();
    for found in files.iter().filter(|found| found.file != SUPERBLOCK_FILE) {
        let mut reader = Reader::with_window(directory, *found, HEAD_WINDOW_BYTES);
        match number_of(&mut reader, incarnation)? {
            Some(number) => seeming.entry(number).or_default().push(*found),
            None => numbered.spare.push(found.file),
        }
    }
    numbered.last = seeming.keys().next_back().copied().unwrap_or(0);
    let mut disputed = Vec::new();
    for (number, files) in seeming {
        match files[..] {
            [found] => drop(numbered.segments.insert(number, found)),
            _ => disputed.extend(files.into_iter().map(|found| (number, found))),
        }
    }
    settle_dispute(directory, disputed, incarnation, &mut numbered)?;
    Ok(numbered)
}

/// Several files seem to hold the same segment: a group of it went astray into a file that was not
/// its own, which must not hide all the others. The segment is in the file that has the most
/// groups of it; of two with as many, in the one where they begin further in front. The other file
/// holds the newest of what else it has groups of. One that is left over stays as it is: it may
/// hold the only copy of what went astray.
fn settle_dispute(
    directory: &mut dyn Directory,
    disputed: Vec<(u32, Found)>,
    incarnation: u64,
    numbered: &mut Numbered,
) -> Result<(), JournalError> {
    let mut owners: BTreeMap<u32, Claimant> = BTreeMap::new();
    for (number, found) in disputed {
        tracing::error!(
            file = found.file.0,
            segment = number,
            "several files hold groups of this segment: one went astray"
        );
        let mut others = groups_by_segment(&mut Reader::new(directory, found), incarnation)?;
        let mut asking = others.remove_entry(&number).map(|held| Claimant {
            held,
            found,
            others,
        });
        while let Some(claimant) = asking {
            let (number, groups) = claimant.held;
            let owner = owners.get(&number).map(|owner| owner.held.1);
            let taken = numbered.segments.contains_key(&number) || Some(groups) <= owner;
            asking = match taken {
                true => claimant.next(),
                false => owners.insert(number, claimant).and_then(Claimant::next),
            };
        }
    }
    let owners = owners.into_iter().map(|(number, it)| (number, it.found));
    numbered.segments.extend(owners);
    Ok(())
}

/// How many groups of one segment a file holds, and where they begin: the more, and then the
/// further in front, the greater.
type GroupsIn = (u32, Reverse<u64>);

/// A file that may hold a segment of which another has groups, too.
struct Claimant {
    /// The segment, and its groups in this file.
    held: (u32, GroupsIn),
    found: Found,
    /// What else it has groups of.
    others: BTreeMap<u32, GroupsIn>,
}

impl Claimant {
    /// The same file, for the newest of its other segments; None if there is none.
    fn next(mut self) -> Option<Self> {
        self.held = self.others.pop_last()?;
        Some(self)
    }
}

/// The groups that a file holds, whichever segments they are of.
fn groups_by_segment(
    reader: &mut Reader<'_>,
    incarnation: u64,
) -> Result<BTreeMap<u32, GroupsIn>, JournalError> {
    let mut segments: BTreeMap<u32, GroupsIn> = BTreeMap::new();
    let mut at = 0;
    while at < reader.length() {
        let group = group_at(reader, at, incarnation)?;
        if let Some(group) = &group {
            let groups = segments.entry(group.header.segment);
            groups.or_insert((0, Reverse(at))).0 += 1;
        }
        let whole = group.filter(|group| group.whole);
        at += whole.map_or(UNIT as u64, |group| u64::from(group.header.length));
    }
    Ok(segments)
}

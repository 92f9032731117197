//! Keeping a partition of `__consumer_offsets` short without compaction: when dead records
//! clearly outnumber live ones, all that lives is written again at the end, and what was before is
//! given up.
//!
//! Values that have a newer one on its way are passed over: that one lies behind the place where
//! the partition will begin. If such a write fails, the round is abandoned and nothing is given up.

use super::ask::{GroupId, Place};
use super::context::{After, Effects};
use super::coordinator::Groups;
use super::error::GroupError;
use super::records::Change;
use crate::base::Now;
use crate::base::limits::{GROUP_REWRITE_BYTES, GROUP_REWRITE_RECORDS};

/// A partition with fewer records is left as it is.
pub const REWRITE_RECORDS_MIN: u64 = 10_000;
/// So many records for each live one make it due.
const REWRITE_FACTOR: u64 = 4;
/// What an offset's record takes besides its names and metadata.
const OFFSET_BYTES: usize = 64;

/// How far a round has come.
#[derive(Debug, Default)]
pub(super) struct Rewrite {
    /// Where it goes on; None: at the beginning.
    at: Option<Cursor>,
    /// The slice under way is the last.
    is_last: bool,
    is_over: bool,
}

/// The group to go on with, and its next offset; None: its own record first.
#[derive(Clone, Debug)]
struct Cursor {
    group: GroupId,
    place: Option<Place>,
}

impl Groups {
    /// Begins a round if it is due for a partition with so many records in its log.
    pub fn rewrite(&mut self, partition: u32, records: u64, now: Now, out: &mut Effects) -> bool {
        let Some(shelf) = self.shelves.get(&partition) else {
            return false;
        };
        if records < REWRITE_RECORDS_MIN || !shelf.is_loaded || shelf.rewrite.is_some() {
            return false;
        }
        let here = self
            .groups
            .values()
            .filter(|group| group.partition == partition);
        let live = |group: &super::group::Group| {
            group.offsets.visible_count() as u64 + u64::from(group.written.is_some())
        };
        let live: u64 = here.map(live).sum();
        if records < live.saturating_mul(REWRITE_FACTOR) {
            return false;
        }
        if let Some(shelf) = self.shelves.get_mut(&partition) {
            shelf.rewrite = Some(Rewrite::default());
        }
        self.next_slice(partition, now, out);
        true
    }

    /// True, once, when the last slice of a round is durable: what was before the round may go.
    pub fn take_rewritten(&mut self, partition: u32) -> bool {
        let Some(shelf) = self.shelves.get_mut(&partition) else {
            return false;
        };
        let is_over = shelf
            .rewrite
            .as_ref()
            .is_some_and(|rewrite| rewrite.is_over);
        if is_over {
            shelf.rewrite = None;
        }
        is_over
    }

    /// True while a round is under way.
    pub fn is_rewriting(&self, partition: u32) -> bool {
        let shelf = self.shelves.get(&partition);
        shelf.is_some_and(|shelf| shelf.rewrite.is_some())
    }

    pub(super) fn abandon_rewrite(&mut self, partition: u32) {
        if let Some(shelf) = self.shelves.get_mut(&partition) {
            shelf.rewrite = None;
        }
    }

    pub(super) fn rewritten(
        &mut self,
        partition: u32,
        result: Result<(), GroupError>,
        now: Now,
        out: &mut Effects,
    ) {
        match result {
            Ok(()) => self.next_slice(partition, now, out),
            Err(_) => self.abandon_rewrite(partition),
        }
    }

    /// Writes the next slice of what lives; after the last one the round is over.
    fn next_slice(&mut self, partition: u32, now: Now, out: &mut Effects) {
        let shelf = self.shelves.get_mut(&partition);
        let Some(mut rewrite) = shelf.and_then(|shelf| shelf.rewrite.take()) else {
            return;
        };
        let (mut changes, mut next) = (Vec::new(), None);
        if !rewrite.is_last {
            (changes, next) = self.live_from(partition, rewrite.at.take());
        }
        rewrite.is_over = changes.is_empty();
        rewrite.is_last = next.is_none();
        rewrite.at = next;
        if let Some(shelf) = self.shelves.get_mut(&partition) {
            shelf.rewrite = Some(rewrite);
        }
        if !changes.is_empty() {
            let (_, mut cx) = self.parts(now, out);
            cx.write(partition, changes, After::Rewritten);
        }
    }

    /// Live records from a place on, about as many as a batch takes, and where the next begin.
    fn live_from(&self, partition: u32, at: Option<Cursor>) -> (Vec<Change>, Option<Cursor>) {
        let from = at.as_ref().map_or("", |at| &at.group);
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let (mut changes, mut bytes) = (Vec::new(), 0);
        let is_full = |count: usize, bytes: usize| {
            count >= GROUP_REWRITE_RECORDS || bytes > GROUP_REWRITE_BYTES.as_usize()
        };
        for (id, group) in self.groups.range::<str, _>(bounds) {
            if group.partition != partition {
                continue;
            }
            let place = at.as_ref().filter(|at| at.group == *id);
            let place = place.and_then(|at| at.place.as_ref());
            if let (Some(value), 0, None) = (&group.written, group.unwritten, place) {
                let more = value.len() + id.len();
                if !changes.is_empty() && is_full(changes.len(), bytes + more) {
                    let (group, place) = (id.clone(), None);
                    return (changes, Some(Cursor { group, place }));
                }
                bytes += more;
                let (group, value) = (id.clone(), Some(value.clone()));
                changes.push(Change::Group { group, value });
            }
            for (place, committed) in group.offsets.settled_from(place) {
                let group = id.clone();
                if is_full(changes.len(), bytes) {
                    let place = Some(place);
                    return (changes, Some(Cursor { group, place }));
                }
                let metadata = committed.metadata.as_ref().map_or(0, |text| text.len());
                bytes += id.len() + place.0.len() + metadata + OFFSET_BYTES;
                let value = Some(committed.clone());
                changes.push(Change::Offset {
                    group,
                    place,
                    value,
                });
            }
        }
        (changes, None)
    }
}

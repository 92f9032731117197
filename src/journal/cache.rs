//! Groups that are still in memory: what a tail read is served from.

use std::collections::VecDeque;

use bytes::Bytes;

#[derive(Debug)]
struct Cached {
    segment: u32,
    at: u32,
    bytes: Bytes,
}

/// Sealed groups in the order of their places; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    groups: VecDeque<Cached>,
    bytes: u64,
}

impl Cache {
    /// Adds a group that lies behind all others.
    pub fn push(&mut self, segment: u32, at: u32, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        self.groups.push_back(Cached { segment, at, bytes });
    }

    /// The payload of `length` bytes at a place, if its group is here.
    pub fn get(&self, segment: u32, at: u32, length: u32) -> Option<Bytes> {
        let after = self
            .groups
            .partition_point(|group| (group.segment, group.at) <= (segment, at));
        let group = self.groups.get(after.checked_sub(1)?)?;
        let start = (at - group.at.min(at)) as usize;
        let inside = group.segment == segment && start + length as usize <= group.bytes.len();
        inside.then(|| group.bytes.slice(start..start + length as usize))
    }

    /// The place of the oldest group that is here.
    pub fn oldest(&self) -> Option<(u32, u32)> {
        self.groups.front().map(|group| (group.segment, group.at))
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives up the oldest group if it lies before the place; true if it did.
    pub fn pop_before(&mut self, segment: u32, at: u32) -> bool {
        let may_go = |group: &Cached| (group.segment, group.at) < (segment, at);
        if !self.groups.front().is_some_and(may_go) {
            return false;
        }
        if let Some(group) = self.groups.pop_front() {
            self.bytes -= group.bytes.len() as u64;
        }
        true
    }
}

//! What a decision may use besides the group itself: the time, alarms, records, answers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::ask::{Answer, Caller, GroupId, Joined, MemberId, Synced};
use super::config::GroupConfig;
use super::error::GroupError;
use super::records::{Change, Record};
use crate::base::random::Random;
use crate::base::{Now, Span, Ticks};

/// What came of a question or of time passing.
#[derive(Debug, Default)]
pub struct Effects {
    pub answers: Vec<(Caller, Answer)>,
    /// To be appended to `__consumer_offsets` in this order; `Groups::written` tells of each.
    pub writes: Vec<Write>,
}

/// Names one write. Given in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// One batch for one partition of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub id: WriteId,
    pub partition: u32,
    pub records: Vec<Record>,
}

/// A write under way: what it changes, and what follows when it is durable.
#[derive(Debug)]
pub(super) struct OpenWrite {
    pub partition: u32,
    pub changes: Vec<Change>,
    pub after: After,
}

/// What follows when a write is durable, or has failed.
#[derive(Debug)]
pub(super) enum After {
    Nothing,
    /// The leader's assignment is kept: everybody who waits for it may have it.
    Assigned {
        group: GroupId,
        generation: i32,
        assignments: BTreeMap<MemberId, bytes::Bytes>,
    },
    /// A static member has come back without a rebalance.
    Returned {
        caller: Caller,
        group: GroupId,
        joined: Box<Joined>,
    },
    /// An answer that rests on this write alone.
    Answer {
        caller: Caller,
        answer: Answer,
    },
    /// A group's tombstones.
    Deleted {
        group: GroupId,
        caller: Option<Caller>,
    },
    /// A slice of the live state, written again.
    Rewritten,
}

/// What an alarm is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A member, or one that was given an id, has not been heard of.
    Session(MemberId),
    /// The join phase ends.
    Join,
    /// Members that have joined must have synced.
    Sync,
}

/// Alarms of all groups. None is taken out early: whoever is woken looks whether it still holds.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    heap: BinaryHeap<Reverse<(Ticks, GroupId, What)>>,
}

impl Alarms {
    pub fn set(&mut self, at: Ticks, group: &GroupId, what: What) {
        self.heap.push(Reverse((at, group.clone(), what)));
    }

    pub fn pop_due(&mut self, now: Ticks) -> Option<(Ticks, GroupId, What)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(alarm)| alarm)
    }

    pub fn next(&self) -> Option<Ticks> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}

/// Writes that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Writes {
    next: u64,
    pub open: BTreeMap<WriteId, OpenWrite>,
}

/// Memory that groups and offsets take, roughly.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub bytes: usize,
}

impl Usage {
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub fn sub(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// All of it, borrowed for one decision.
pub(super) struct Context<'a> {
    pub config: &'a GroupConfig,
    pub now: Now,
    pub out: &'a mut Effects,
    pub alarms: &'a mut Alarms,
    pub writes: &'a mut Writes,
    pub usage: &'a mut Usage,
    pub random: &'a mut Random,
}

impl Context<'_> {
    pub fn answer(&mut self, caller: Caller, answer: Answer) {
        self.out.answers.push((caller, answer));
    }

    pub fn joined(&mut self, caller: Caller, joined: Joined) {
        self.answer(caller, Answer::Joined(Box::new(joined)));
    }

    pub fn refuse_join(&mut self, caller: Caller, member: &str, error: GroupError) {
        self.joined(caller, Joined::refused(member, error));
    }

    pub fn synced(&mut self, caller: Caller, synced: Synced) {
        self.answer(caller, Answer::Synced(synced));
    }

    pub fn write(&mut self, partition: u32, changes: Vec<Change>, after: After) {
        self.writes.next += 1;
        let id = WriteId(self.writes.next);
        self.out.writes.push(Write {
            id,
            partition,
            records: changes.iter().map(Change::encode).collect(),
        });
        let open = OpenWrite {
            partition,
            changes,
            after,
        };
        self.writes.open.insert(id, open);
    }

    /// The moment `ms` milliseconds from now.
    pub fn after_ms(&self, ms: i64) -> Ticks {
        self.now.ticks + Span::millis(u64::try_from(ms).unwrap_or(0))
    }

    /// True when no more may be remembered.
    pub fn is_full(&self) -> bool {
        self.usage.bytes as u64 >= self.config.memory.0
    }
}

//! What every client called, what came of it, and what was seen. What can be judged at once is
//! judged here; the rest is `checker`'s.

use std::collections::{BTreeMap, BTreeSet};

use thalweg::base::{Span, Ticks};
use thalweg::runtime::sim::Tally;
use uuid::Uuid;

use super::harm::Claim;
use super::value::ValueId;

/// A partition, by its topic's place in `History::topics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tp {
    pub topic: usize,
    pub partition: i32,
}

/// What became of a record. A time-out, a connection that broke, and a storage error are
/// `Unknown`: it may be there later, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Unknown,
    Acked { at: Ticks },
}

#[derive(Clone, Debug)]
pub struct Written {
    pub tp: Tp,
    /// First sent.
    pub sent: Ticks,
    pub outcome: Outcome,
    /// Records of one lane and partition keep the order of their numbers: one idempotent
    /// producer, or one connection of a plain one.
    pub lane: (u32, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicState {
    /// Asked for, not confirmed.
    Wanted,
    Created,
    /// Its deletion was asked for: from now on it may be there or not.
    Doomed,
    /// Its deletion was confirmed.
    Deleted,
    /// Harm has taken it, or something of it.
    Ruined,
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub id: Option<Uuid>,
    pub partitions: i32,
    pub state: TopicState,
    /// Acknowledged when written: a loss of power may take its newest records.
    pub relaxed: bool,
}

#[derive(Debug, Default)]
pub struct History {
    pub topics: Vec<Topic>,
    pub written: BTreeMap<ValueId, Written>,
    /// What was read at each offset.
    pub seen: BTreeMap<Tp, BTreeMap<i64, ValueId>>,
    /// What was acknowledged at each offset.
    pub acked: BTreeMap<Tp, BTreeMap<i64, ValueId>>,
    /// Below this offset everything has been acknowledged or shown to somebody.
    pub floors: BTreeMap<Tp, i64>,
    /// Requests sent.
    pub operations: u64,
    pub tally: Tally,
    pub violations: Vec<String>,
    /// What is a violation unless harm explains it, which `Run::sift` decides at once.
    pub claims: Vec<(Claim, String)>,
    /// Partitions that harm has changed in a way that was forgiven: nothing more is held against
    /// the broker there.
    pub ruined: BTreeSet<Tp>,
}

impl History {
    pub fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    /// A violation, unless harm explains it.
    pub fn claim(&mut self, claim: Claim, what: String) {
        self.claims.push((claim, what));
    }

    /// The partitions that clients may use.
    pub fn usable(&self) -> Vec<Tp> {
        let created = self.topics.iter().enumerate();
        created
            .filter(|(_, topic)| topic.state == TopicState::Created && topic.id.is_some())
            .flat_map(|(index, topic)| {
                (0..topic.partitions).map(move |partition| Tp {
                    topic: index,
                    partition,
                })
            })
            .filter(|tp| !self.ruined.contains(tp))
            .collect()
    }

    /// The power failed, so that relaxed topics may lack what was not flushed: everything but what
    /// was acknowledged `flushed_within` ago (None: nothing is sure to be flushed). A record that
    /// may be gone is one whose fate is unknown.
    pub fn excuse_relaxed(&mut self, now: Ticks, flushed_within: Option<Span>) {
        let relaxed: Vec<bool> = self.topics.iter().map(|topic| topic.relaxed).collect();
        let is_old = |written: &Written| match (written.outcome, flushed_within) {
            (Outcome::Acked { at }, Some(within)) => at + within < now,
            _ => false,
        };
        let mut kept: BTreeMap<Tp, i64> = BTreeMap::new();
        for (tp, ids) in self.acked.iter_mut().filter(|(tp, _)| relaxed[tp.topic]) {
            let mut old = ids.iter().rev();
            let last = old.find(|(_, id)| is_old(&self.written[id]));
            let end = last.map_or(0, |(offset, _)| offset + 1);
            drop(ids.split_off(&end));
            kept.insert(*tp, end);
        }
        for (tp, ids) in self.seen.iter_mut().filter(|(tp, _)| relaxed[tp.topic]) {
            drop(ids.split_off(kept.get(tp).unwrap_or(&0)));
        }
        for (tp, floor) in self.floors.iter_mut().filter(|(tp, _)| relaxed[tp.topic]) {
            *floor = kept.get(tp).copied().unwrap_or(0);
        }
        for written in self.written.values_mut() {
            let acked = matches!(written.outcome, Outcome::Acked { .. });
            if acked && relaxed[written.tp.topic] && !is_old(written) {
                written.outcome = Outcome::Unknown;
                self.tally.hit("relaxed: not held against a power cut");
            }
        }
    }

    pub fn topic_named(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic.name == name)
    }

    pub fn topic_with(&self, id: Uuid) -> Option<usize> {
        let is_it = |topic: &Topic| topic.id == Some(id);
        self.topics.iter().position(is_it)
    }

    /// True if nothing that happens to this partition's records can be held against the broker.
    pub fn is_doomed(&self, tp: Tp) -> bool {
        let state = self.topics[tp.topic].state;
        let gone = [TopicState::Doomed, TopicState::Deleted, TopicState::Ruined];
        gone.contains(&state) || self.ruined.contains(&tp)
    }

    /// A record that was acknowledged or read at an offset, the first from `from` on.
    pub fn known_from(&self, tp: Tp, from: i64) -> Option<i64> {
        let sides = [&self.acked, &self.seen].into_iter();
        let firsts = sides.filter_map(|side| Some(*side.get(&tp)?.range(from..).next()?.0));
        firsts.min()
    }

    pub fn floor(&self, tp: Tp) -> i64 {
        self.floors.get(&tp).copied().unwrap_or(0)
    }

    pub fn raise_floor(&mut self, tp: Tp, end: i64) {
        let floor = self.floors.entry(tp).or_default();
        *floor = (*floor).max(end);
    }

    pub fn sent(&mut self, id: ValueId, written: Written) {
        let earlier = self.written.insert(id, written);
        assert!(earlier.is_none(), "{id:?} is written twice");
    }

    /// `offset` None: the broker did not say.
    pub fn acked(&mut self, id: ValueId, offset: Option<i64>, at: Ticks) {
        let written = self.written.get_mut(&id).expect("it was sent");
        written.outcome = Outcome::Acked { at };
        let tp = written.tp;
        let Some(offset) = offset else { return };
        let earlier = self.acked.entry(tp).or_default().insert(offset, id);
        if let Some(earlier) = earlier.filter(|earlier| *earlier != id) {
            let what = format!(
                "{tp:?} offset {offset} was acknowledged twice: to {earlier:?} and to {id:?}"
            );
            self.claim(Claim::Record(tp, offset), what);
        }
        self.compare(tp, offset, id);
        self.raise_floor(tp, offset + 1);
    }

    /// A client read this.
    pub fn saw(&mut self, tp: Tp, offset: i64, id: ValueId) {
        let earlier = self.seen.entry(tp).or_default().insert(offset, id);
        if let Some(earlier) = earlier.filter(|earlier| *earlier != id) {
            let what = format!("two values at {tp:?} offset {offset}: {earlier:?}, later {id:?}");
            self.claim(Claim::Record(tp, offset), what);
        }
        self.compare(tp, offset, id);
        match self.written.get(&id) {
            None => self.violate(format!("{id:?} was read, and never written")),
            Some(written) if written.tp != tp => {
                let wanted = written.tp;
                self.violate(format!(
                    "{id:?} was written to {wanted:?} and read in {tp:?}"
                ));
            }
            Some(_) => {}
        }
    }

    fn compare(&mut self, tp: Tp, offset: i64, id: ValueId) {
        let sides = [&self.acked, &self.seen];
        let other = sides
            .into_iter()
            .filter_map(|side| side.get(&tp)?.get(&offset).copied())
            .find(|other| *other != id);
        if let Some(other) = other {
            let what = format!("two values at {tp:?} offset {offset}: {other:?} and {id:?}");
            self.claim(Claim::Record(tp, offset), what);
        }
    }
}

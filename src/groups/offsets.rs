//! Committed offsets: of one group, and what may be committed, fetched and deleted.
//!
//! A commit is visible once its record is durable; records become durable in the order of the log,
//! so a later one never gives way to an earlier one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::{Answer, Caller, CommitAsk, Fetched, NewOffset, Place};
use super::context::{After, Context, Usage};
use super::error::GroupError;
use super::group::{Group, State};
use super::records::{Change, Committed};
use crate::base::WallMs;

/// What one offset takes in memory besides its metadata; a topic takes as much again.
const ENTRY_BYTES: usize = 128;

/// One partition's offset.
#[derive(Debug, Default)]
struct Entry {
    visible: Option<Committed>,
    /// Records about it that are not durable yet.
    unwritten: u32,
}

/// The offsets of one group.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, Entry>>,
    visible: usize,
}

impl Offsets {
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub fn has_visible(&self) -> bool {
        self.visible > 0
    }

    pub fn visible_count(&self) -> usize {
        self.visible
    }

    pub fn contains(&self, place: &Place) -> bool {
        let topic = self.topics.get(&place.0);
        topic.is_some_and(|topic| topic.contains_key(&place.1))
    }

    pub fn get(&self, place: &Place) -> Option<&Committed> {
        self.topics.get(&place.0)?.get(&place.1)?.visible.as_ref()
    }

    /// All that is visible, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &Committed)> + '_ {
        self.topics.iter().flat_map(|(topic, entries)| {
            entries.iter().filter_map(|(partition, entry)| {
                let place = (topic.clone(), *partition);
                Some((place, entry.visible.as_ref()?))
            })
        })
    }

    /// All places with an offset, visible or on its way.
    pub fn places(&self) -> Vec<Place> {
        let topics = self.topics.iter();
        let of = |(topic, entries): (&Arc<str>, &BTreeMap<i32, Entry>)| {
            let partitions = entries.keys();
            partitions
                .map(|partition| (topic.clone(), *partition))
                .collect::<Vec<_>>()
        };
        topics.flat_map(of).collect()
    }

    /// Places of one topic.
    pub fn places_of(&self, topic: &str) -> Vec<Place> {
        let Some((topic, entries)) = self.topics.get_key_value(topic) else {
            return Vec::new();
        };
        entries
            .keys()
            .map(|partition| (topic.clone(), *partition))
            .collect()
    }

    /// Visible, and no record on its way: what may be written again. In order, from `from` on.
    pub fn settled_from(&self, from: Option<&Place>) -> impl Iterator<Item = (Place, &Committed)> {
        let first = from.map_or("", |place| &place.0);
        let bounds = (std::ops::Bound::Included(first), std::ops::Bound::Unbounded);
        let topics = self.topics.range::<str, _>(bounds);
        topics.flat_map(move |(topic, entries)| {
            let least = match from {
                Some((name, partition)) if name == topic => *partition,
                Some(_) | None => i32::MIN,
            };
            entries.range(least..).filter_map(|(partition, entry)| {
                let settled = entry.visible.as_ref().filter(|_| entry.unwritten == 0)?;
                Some(((topic.clone(), *partition), settled))
            })
        })
    }

    /// A record about `place` is on its way.
    pub fn began(&mut self, place: &Place, usage: &mut Usage) {
        if !self.contains(place) {
            usage.add(2 * ENTRY_BYTES + place.0.len());
        }
        let topic = self.topics.entry(place.0.clone()).or_default();
        topic.entry(place.1).or_default().unwritten += 1;
    }

    /// The record is durable, or (None) will not be.
    pub fn ended(&mut self, place: &Place, value: Option<Option<Committed>>, usage: &mut Usage) {
        let Some(topic) = self.topics.get_mut(&place.0) else {
            return;
        };
        let Some(entry) = topic.get_mut(&place.1) else {
            return;
        };
        entry.unwritten = entry.unwritten.saturating_sub(1);
        if let Some(value) = value {
            let length = |value: &Option<Committed>| {
                let metadata = value.as_ref().and_then(|value| value.metadata.as_ref());
                metadata.map_or(0, |metadata| metadata.len())
            };
            usage.add(length(&value));
            usage.sub(length(&entry.visible));
            self.visible += usize::from(value.is_some());
            self.visible -= usize::from(entry.visible.is_some());
            entry.visible = value;
        }
        if entry.visible.is_none() && entry.unwritten == 0 {
            usage.sub(2 * ENTRY_BYTES + place.0.len());
            topic.remove(&place.1);
            if topic.is_empty() {
                self.topics.remove(&place.0);
            }
        }
    }
}

impl Group {
    /// Answers when the offsets are durable.
    pub fn commit(&mut self, caller: Caller, ask: CommitAsk, cx: &mut Context<'_>) {
        if let Err(error) = self.check_commit(&ask) {
            let refused = vec![Err(error); ask.offsets.len()];
            return cx.answer(caller, Answer::Committed(refused));
        }
        // A commit is a sign of life.
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.heard(&ask.member.member, cx);
        }
        let expires = |ms: i64| WallMs(cx.now.wall.0.saturating_add(ms));
        let expires = ask.retention_ms.map(expires);
        let mut changes = Vec::with_capacity(ask.offsets.len());
        let mut results = Vec::with_capacity(ask.offsets.len());
        for offset in ask.offsets {
            let checked = self.check_offset(&offset, cx);
            if checked.is_ok() {
                changes.push(Change::Offset {
                    group: self.id.clone(),
                    place: offset.place,
                    value: Some(Committed {
                        offset: offset.offset,
                        leader_epoch: offset.leader_epoch,
                        metadata: offset.metadata.filter(|metadata| !metadata.is_empty()),
                        at: cx.now.wall,
                        expires,
                    }),
                });
            }
            results.push(checked);
        }
        let answer = Answer::Committed(results);
        if changes.is_empty() {
            return cx.answer(caller, answer);
        }
        self.stage(changes, After::Answer { caller, answer }, cx);
    }

    /// Who may commit. A generation of -1 without a member comes from consumers that manage their
    /// partitions themselves, and from administrators: fine as long as nobody is in the group.
    fn check_commit(&self, ask: &CommitAsk) -> Result<(), GroupError> {
        let member = &ask.member;
        if self.state == State::Dead {
            return Err(GroupError::NotAvailable);
        }
        if member.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if member.generation >= 0 || !member.member.is_empty() || member.instance.is_some() {
            self.check_member(&member.member, member.instance.as_deref())?;
            if member.generation != self.generation {
                return Err(GroupError::IllegalGeneration);
            }
        } else if self.state != State::Empty {
            return Err(GroupError::UnknownMember);
        }
        match self.state {
            // It has its generation and not its assignment: it can not know what it commits.
            State::CompletingRebalance => Err(GroupError::RebalanceInProgress),
            State::Empty | State::PreparingRebalance | State::Stable | State::Dead => Ok(()),
        }
    }

    fn check_offset(&self, offset: &NewOffset, cx: &Context<'_>) -> Result<(), GroupError> {
        // Kafka counts UTF-16 units, as Java's strings do.
        let length = |metadata: &Arc<str>| metadata.encode_utf16().count();
        if offset.metadata.as_ref().map_or(0, length) > cx.config.metadata_bytes_max {
            return Err(GroupError::MetadataTooLarge);
        }
        match cx.is_full() && !self.offsets.contains(&offset.place) {
            true => Err(GroupError::CommitTooLarge),
            false => Ok(()),
        }
    }

    /// The offsets at these places; None: all.
    pub fn fetch(&self, places: Option<Vec<Place>>) -> Vec<Fetched> {
        let Some(places) = places else {
            let all = self.offsets.iter();
            return all
                .map(|(place, found)| fetched(place, Some(found)))
                .collect();
        };
        let found = places.into_iter().map(|place| {
            let found = self.offsets.get(&place).cloned();
            fetched(place, found.as_ref())
        });
        found.collect()
    }

    /// DeleteGroups. Answers when the tombstones are durable.
    pub fn delete(&mut self, caller: Option<Caller>, cx: &mut Context<'_>) {
        let refusal = match self.state {
            State::Empty => None,
            State::Dead => Some(GroupError::GroupNotFound),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                Some(GroupError::NonEmptyGroup)
            }
        };
        if let Some(error) = refusal {
            if let Some(caller) = caller {
                cx.answer(caller, Answer::Deleted(Err(error)));
            }
            return;
        }
        let mut changes: Vec<Change> = self.tombstones(self.offsets.places());
        changes.push(Change::Group {
            group: self.id.clone(),
            value: None,
        });
        self.move_to(State::Dead, cx);
        let group = self.id.clone();
        self.stage(changes, After::Deleted { group, caller }, cx);
    }

    /// OffsetDelete. Answers when the tombstones are durable.
    pub fn delete_offsets(&mut self, caller: Caller, places: Vec<Place>, cx: &mut Context<'_>) {
        let refusal = match self.state {
            State::Dead => Some(GroupError::GroupNotFound),
            State::Empty => None,
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                // Of other kinds of groups it is not known what they read.
                (!self.uses_consumer_protocol()).then_some(GroupError::NonEmptyGroup)
            }
        };
        if let Some(error) = refusal {
            return cx.answer(caller, Answer::OffsetsDeleted(Err(error)));
        }
        let (mut gone, mut results) = (Vec::new(), Vec::with_capacity(places.len()));
        for place in places {
            if self.is_subscribed_to(&place.0) {
                results.push(Err(GroupError::SubscribedToTopic));
                continue;
            }
            if self.offsets.contains(&place) {
                gone.push(place);
            }
            results.push(Ok(()));
        }
        let answer = Answer::OffsetsDeleted(Ok(results));
        if gone.is_empty() {
            return cx.answer(caller, answer);
        }
        self.stage(self.tombstones(gone), After::Answer { caller, answer }, cx);
    }

    /// What can not be read of a subscription may be anything.
    fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub fn tombstones(&self, places: Vec<Place>) -> Vec<Change> {
        let gone = |place| Change::Offset {
            group: self.id.clone(),
            place,
            value: None,
        };
        places.into_iter().map(gone).collect()
    }
}

/// No offset is an answer too.
pub(super) fn fetched(place: Place, found: Option<&Committed>) -> Fetched {
    Fetched {
        place,
        offset: found.map_or(-1, |found| found.offset),
        leader_epoch: found.map_or(-1, |found| found.leader_epoch),
        metadata: found.and_then(|found| found.metadata.clone()),
    }
}

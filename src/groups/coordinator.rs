//! All groups whose partition of `__consumer_offsets` is on this shard.

use std::collections::BTreeMap;

use super::ask::{Answer, Ask, Caller, CommitAsk, GroupId, JoinAsk, Joined};
use super::config::GroupConfig;
use super::context::{After, Alarms, Context, Effects, Usage, WriteId, Writes};
use super::error::GroupError;
use super::group::Group;
use super::offsets;
use super::records::{Change, GroupRecord};
use super::rewrite::Rewrite;
use crate::base::random::Random;
use crate::base::{Now, Ticks, WallMs};

/// Groups that a tick looks at for offsets whose time is over.
const EXPIRY_GROUPS_PER_TICK: usize = 1_000;

/// One partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Its log has been read: its groups may be asked.
    pub is_loaded: bool,
    /// Its live state is being written again.
    pub rewrite: Option<Rewrite>,
}

/// The coordinator of one shard.
#[derive(Debug)]
pub struct Groups {
    pub(super) config: GroupConfig,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) shelves: BTreeMap<u32, Shelf>,
    pub(super) alarms: Alarms,
    pub(super) writes: Writes,
    pub(super) usage: Usage,
    pub(super) random: Random,
    /// When offsets are next looked at for their age.
    expiry_due: Ticks,
    /// Where the look at them goes on; None: none is under way.
    expiry_at: Option<GroupId>,
}

/// The groups, and apart from them all that a decision about one may use.
pub(super) type Parts<'a> = (&'a mut BTreeMap<GroupId, Group>, Context<'a>);

impl Groups {
    /// No groups. `random` draws member ids.
    pub fn new(config: GroupConfig, random: Random) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            shelves: BTreeMap::new(),
            alarms: Alarms::default(),
            writes: Writes::default(),
            usage: Usage::default(),
            random,
            expiry_due: Ticks(0),
            expiry_at: None,
        }
    }

    pub(super) fn parts<'a>(&'a mut self, now: Now, out: &'a mut Effects) -> Parts<'a> {
        let context = Context {
            config: &self.config,
            now,
            out,
            alarms: &mut self.alarms,
            writes: &mut self.writes,
            usage: &mut self.usage,
            random: &mut self.random,
        };
        (&mut self.groups, context)
    }

    /// Answers a question about a group of this partition, now or later.
    pub fn ask(&mut self, caller: Caller, partition: u32, ask: Ask, now: Now, out: &mut Effects) {
        if let Err(error) = self.check(partition, &ask) {
            // While groups are loaded a member's heartbeat tells nothing about it: it is let live.
            let answer = match (&ask, error) {
                (Ask::Heartbeat(_), GroupError::Loading) => Answer::Heartbeat(Ok(())),
                _ => ask.refused(error),
            };
            return out.answers.push((caller, answer));
        }
        match ask {
            Ask::Join(ask) => self.join(caller, partition, *ask, now, out),
            Ask::Commit(ask) => self.commit(caller, partition, ask, now, out),
            Ask::List { states, types } => {
                let seen = self.groups.values().filter(|group| group.is_visible());
                let listed = seen.filter_map(|group| group.listed(&states, &types));
                let answer = Answer::Listed(Ok(listed.collect()));
                out.answers.push((caller, answer));
            }
            ask => self.ask_known(caller, ask, now, out),
        }
    }

    /// Whether the question may be asked here and now.
    fn check(&self, partition: u32, ask: &Ask) -> Result<(), GroupError> {
        let unnamed = ask.group().is_some_and(|group| group.is_empty());
        let needs_name = match ask {
            Ask::Join(_) | Ask::Sync(_) | Ask::Heartbeat(_) => true,
            Ask::Leave { .. } | Ask::DeleteOffsets { .. } => true,
            // Kafka lets old consumers keep offsets under no name at all.
            Ask::Commit(_) | Ask::Fetch { .. } | Ask::Describe { .. } => false,
            Ask::Delete { .. } | Ask::List { .. } => false,
        };
        if unnamed && needs_name {
            return Err(GroupError::InvalidGroupId);
        }
        if let Ask::Join(ask) = ask {
            let (min, max) = (
                self.config.session_timeout_ms_min,
                self.config.session_timeout_ms_max,
            );
            if !(min..=max).contains(&ask.session_timeout_ms) {
                return Err(GroupError::InvalidSessionTimeout);
            }
        }
        if ask.group().is_none() {
            let loaded = self.shelves.values().all(|shelf| shelf.is_loaded);
            return if loaded {
                Ok(())
            } else {
                Err(GroupError::Loading)
            };
        }
        match self.shelves.get(&partition) {
            None => Err(GroupError::NotCoordinator),
            Some(shelf) if !shelf.is_loaded => Err(GroupError::Loading),
            Some(_) => Ok(()),
        }
    }

    fn join(&mut self, caller: Caller, partition: u32, ask: JoinAsk, now: Now, out: &mut Effects) {
        let id = ask.group.clone();
        let is_new = !self.groups.contains_key(&id);
        if is_new && !ask.member.is_empty() {
            let refused = Joined::refused(&ask.member, GroupError::UnknownMember);
            let answer = Answer::Joined(Box::new(refused));
            return out.answers.push((caller, answer));
        }
        self.create(&id, partition, now);
        let (groups, mut cx) = self.parts(now, out);
        let Some(group) = groups.get_mut(&id) else {
            return;
        };
        group.join(caller, ask, &mut cx);
        if is_new && !group.is_vacant() && group.unwritten == 0 {
            // The group is to be seen from now on, and to be there after a restart.
            let value = Some(GroupRecord::default().encode());
            let group_id = id.clone();
            let change = Change::Group {
                group: group_id,
                value,
            };
            group.stage(vec![change], After::Nothing, &mut cx);
        }
        self.forget_if_vacant(&id);
    }

    fn commit(
        &mut self,
        caller: Caller,
        partition: u32,
        ask: CommitAsk,
        now: Now,
        out: &mut Effects,
    ) {
        let id = ask.member.group.clone();
        if !self.groups.contains_key(&id) {
            if ask.member.generation >= 0 {
                let refused = Ask::Commit(ask).refused(GroupError::GroupNotFound);
                return out.answers.push((caller, refused));
            }
            self.create(&id, partition, now);
        }
        let (groups, mut cx) = self.parts(now, out);
        if let Some(group) = groups.get_mut(&id) {
            group.commit(caller, ask, &mut cx);
        }
        self.forget_if_vacant(&id);
    }

    /// Questions that make no group.
    fn ask_known(&mut self, caller: Caller, ask: Ask, now: Now, out: &mut Effects) {
        let id = ask.group().cloned();
        let (groups, mut cx) = self.parts(now, out);
        let Some(group) = id.as_ref().and_then(|id| groups.get_mut(id)) else {
            return cx.answer(caller, without_group(ask));
        };
        match ask {
            Ask::Sync(ask) => group.sync(caller, *ask, &mut cx),
            Ask::Heartbeat(ask) => group.heartbeat(caller, &ask, &mut cx),
            Ask::Leave { members, .. } => group.leave(caller, &members, &mut cx),
            Ask::Fetch { places, .. } => {
                let found = group.fetch(places);
                cx.answer(caller, Answer::Fetched(Ok(found)));
            }
            Ask::Describe { .. } => {
                let seen = group.is_visible().then(|| group.described());
                let described = seen.ok_or(GroupError::GroupNotFound);
                cx.answer(caller, Answer::Described(described));
            }
            Ask::Delete { .. } => group.delete(Some(caller), &mut cx),
            Ask::DeleteOffsets { places, .. } => group.delete_offsets(caller, places, &mut cx),
            Ask::Join(_) | Ask::Commit(_) | Ask::List { .. } => {}
        }
        if let Some(id) = id {
            self.forget_if_vacant(&id);
        }
    }

    pub(super) fn create(&mut self, id: &GroupId, partition: u32, now: Now) {
        if self.groups.contains_key(id) {
            return;
        }
        let group = Group::new(id.clone(), partition, Some(now.wall));
        self.usage.add(group.own_bytes());
        self.groups.insert(id.clone(), group);
    }

    pub(super) fn forget_if_vacant(&mut self, id: &GroupId) {
        if self.groups.get(id).is_some_and(Group::is_vacant)
            && let Some(group) = self.groups.remove(id)
        {
            self.usage.sub(group.own_bytes());
        }
    }

    /// The write is durable, or can not be made. Called for every write, for those of one partition
    /// in their order.
    pub fn written(
        &mut self,
        id: WriteId,
        result: Result<(), GroupError>,
        now: Now,
        out: &mut Effects,
    ) {
        let Some(open) = self.writes.open.remove(&id) else {
            return;
        };
        if matches!(open.after, After::Rewritten) {
            return self.rewritten(open.partition, result, now, out);
        }
        if result.is_err() {
            self.abandon_rewrite(open.partition);
        }
        let ids: Vec<GroupId> = open
            .changes
            .iter()
            .map(|change| change.group().clone())
            .collect();
        for change in open.changes {
            self.settle(change, result.is_ok());
        }
        self.follow(open.after, result, now, out);
        for id in ids {
            self.forget_if_vacant(&id);
        }
    }

    fn settle(&mut self, change: Change, is_durable: bool) {
        let Some(group) = self.groups.get_mut(change.group()) else {
            return;
        };
        match change {
            Change::Group { value, .. } => {
                group.unwritten = group.unwritten.saturating_sub(1);
                if is_durable {
                    let length =
                        |value: &Option<bytes::Bytes>| value.as_ref().map_or(0, |v| v.len());
                    self.usage.add(length(&value));
                    self.usage.sub(length(&group.written));
                    group.written = value;
                }
            }
            Change::Offset { place, value, .. } => {
                let value = is_durable.then_some(value);
                group.offsets.ended(&place, value, &mut self.usage);
            }
        }
    }

    fn follow(
        &mut self,
        after: After,
        result: Result<(), GroupError>,
        now: Now,
        out: &mut Effects,
    ) {
        let (groups, mut cx) = self.parts(now, out);
        match after {
            After::Nothing | After::Rewritten => {}
            After::Assigned {
                group,
                generation,
                assignments,
            } => {
                if let Some(group) = groups.get_mut(&group) {
                    group.assigned(generation, assignments, result, &mut cx);
                }
            }
            After::Returned {
                caller,
                group,
                joined,
            } => match result {
                Ok(()) => cx.answer(caller, Answer::Joined(joined)),
                Err(error) => {
                    // Its new id is nowhere but here: it is to begin anew.
                    cx.refuse_join(caller, "", error);
                    if let Some(group) = groups.get_mut(&group) {
                        group.remove(&joined.member, &mut cx);
                        group.member_gone(&mut cx);
                    }
                }
            },
            After::Answer { caller, answer } => {
                let answer = match result {
                    Ok(()) => answer,
                    Err(error) => answer.failed(error),
                };
                cx.answer(caller, answer);
            }
            After::Deleted { group, caller } => {
                if let (Err(_), Some(group)) = (result, groups.get_mut(&group)) {
                    group.move_to(super::group::State::Empty, &cx);
                }
                if let Some(caller) = caller {
                    cx.answer(caller, Answer::Deleted(result));
                }
            }
        }
    }

    /// Lets time pass: sessions end, phases end.
    pub fn wake(&mut self, now: Now, out: &mut Effects) {
        while let Some((at, id, what)) = self.alarms.pop_due(now.ticks) {
            let (groups, mut cx) = self.parts(now, out);
            if let Some(group) = groups.get_mut(&id) {
                group.ring(at, what, &mut cx);
            }
            self.forget_if_vacant(&id);
        }
    }

    /// When `wake` has something to do.
    pub fn wake_at(&self) -> Option<Ticks> {
        self.alarms.next()
    }

    /// Looks after offsets whose time is over, a part at a time. `wall` is a clock that can not be
    /// pushed forward.
    pub fn tick(&mut self, wall: WallMs, now: Now, out: &mut Effects) {
        if self.expiry_at.is_none() {
            if now.ticks < self.expiry_due {
                return;
            }
            let wait = crate::base::Span::millis(u64::from(self.config.retention_check_ms));
            let is_first = self.expiry_due == Ticks(0);
            self.expiry_due = now.ticks + wait;
            if is_first {
                return;
            }
            self.expiry_at = Some("".into());
        }
        let Some(from) = self.expiry_at.take() else {
            return;
        };
        let (groups, mut cx) = self.parts(now, out);
        let mut rest = groups.range_mut(from..);
        for (_, group) in rest.by_ref().take(EXPIRY_GROUPS_PER_TICK) {
            group.expire(wall, &mut cx);
        }
        let next = rest.next().map(|(id, _)| id.clone());
        self.expiry_at = next;
    }

    /// A topic is gone, and so are the offsets in it.
    pub fn topic_deleted(&mut self, topic: &str, now: Now, out: &mut Effects) {
        let (groups, mut cx) = self.parts(now, out);
        for group in groups.values_mut() {
            let places = group.offsets.places_of(topic);
            if !places.is_empty() {
                let gone = group.tombstones(places);
                group.stage(gone, After::Nothing, &mut cx);
            }
        }
    }

    /// The broker stops: whoever waits for others is told to look for another coordinator.
    pub fn stop(&mut self, now: Now, out: &mut Effects) {
        let (groups, mut cx) = self.parts(now, out);
        for group in groups.values_mut() {
            group.refuse_syncs(GroupError::NotCoordinator, &mut cx);
            group.refuse_joins(GroupError::NotCoordinator, &mut cx);
        }
    }

    /// Bytes that groups and offsets take, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.usage.bytes
    }
}

/// What is answered of a group that is not there.
fn without_group(ask: Ask) -> Answer {
    match ask {
        Ask::Leave { members, .. } => {
            let unknown = vec![Err(GroupError::UnknownMember); members.len()];
            Answer::Left(Ok(unknown))
        }
        Ask::Fetch { places, .. } => {
            let places = places.unwrap_or_default().into_iter();
            Answer::Fetched(Ok(places
                .map(|place| offsets::fetched(place, None))
                .collect()))
        }
        Ask::Sync(_) | Ask::Heartbeat(_) | Ask::Join(_) | Ask::Commit(_) => {
            ask.refused(GroupError::UnknownMember)
        }
        Ask::Describe { .. } | Ask::Delete { .. } | Ask::DeleteOffsets { .. } => {
            ask.refused(GroupError::GroupNotFound)
        }
        Ask::List { .. } => Answer::Listed(Ok(Vec::new())),
    }
}

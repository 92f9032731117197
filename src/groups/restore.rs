//! How groups come back after a start: from the records of their partition.

use bytes::Bytes;

use super::ask::GroupId;
use super::context::{After, Effects};
use super::coordinator::{Groups, Shelf};
use super::group::{Group, State};
use super::member::Member;
use super::records::{Change, GroupRecord, MemberRecord};
use crate::base::Now;

impl Groups {
    /// This partition is here from now on. Its groups are not answered for until `loaded`.
    pub fn open(&mut self, partition: u32) {
        self.shelves.insert(partition, Shelf::default());
    }

    /// One record of the partition's log, in order. False: it can not be read, and is passed over.
    pub fn replay(&mut self, partition: u32, key: &[u8], value: Option<Bytes>, now: Now) -> bool {
        let Some(change) = Change::decode(key, value) else {
            return false;
        };
        let id = change.group().clone();
        match change {
            Change::Offset { place, value, .. } => {
                if value.is_some() || self.groups.contains_key(&id) {
                    self.create(&id, partition, now);
                }
                if let Some(group) = self.groups.get_mut(&id) {
                    group.offsets.began(&place, &mut self.usage);
                    group.offsets.ended(&place, Some(value), &mut self.usage);
                }
            }
            Change::Group { value, .. } => {
                let record = match &value {
                    Some(value) => match GroupRecord::decode(value) {
                        Some(record) => record,
                        None => return false,
                    },
                    None => GroupRecord::default(),
                };
                self.restore(&id, partition, record, value, now);
            }
        }
        self.forget_if_vacant(&id);
        true
    }

    fn restore(
        &mut self,
        id: &GroupId,
        partition: u32,
        record: GroupRecord,
        value: Option<Bytes>,
        now: Now,
    ) {
        self.create(id, partition, now);
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let members: usize = group.members.values().map(Member::bytes).sum();
        self.usage.sub(members);
        self.usage.sub(group.written.as_ref().map_or(0, Bytes::len));
        let mut fresh = Group::new(id.clone(), partition, record.since);
        fresh.offsets = std::mem::take(&mut group.offsets);
        self.usage.add(value.as_ref().map_or(0, Bytes::len));
        fresh.written = value;
        fresh.generation = record.generation.max(0);
        fresh.protocol_type = record.protocol_type;
        fresh.leader = record.leader.filter(|_| !record.members.is_empty());
        fresh.state = match record.members.is_empty() {
            true => State::Empty,
            false => State::Stable,
        };
        for member in record.members {
            let member = restored(member, record.protocol.as_ref());
            if let Some(instance) = &member.instance {
                fresh.instances.insert(instance.clone(), member.id.clone());
            }
            self.usage.add(member.bytes());
            fresh.members.insert(member.id.clone(), member);
        }
        fresh.protocol = record.protocol;
        fresh.look_at_subscriptions();
        *group = fresh;
    }

    /// The partition's log has been read to its end: its members have a session's time to be heard
    /// of. Offsets of topics that are gone go too: a crash may have come between.
    pub fn loaded(
        &mut self,
        partition: u32,
        is_topic: &dyn Fn(&str) -> bool,
        now: Now,
        out: &mut Effects,
    ) {
        if let Some(shelf) = self.shelves.get_mut(&partition) {
            shelf.is_loaded = true;
        }
        let (groups, mut cx) = self.parts(now, out);
        let here = groups
            .values_mut()
            .filter(|group| group.partition == partition);
        for group in here {
            let ids: Vec<_> = group.members.keys().cloned().collect();
            for id in ids {
                group.heard(&id, &mut cx);
            }
            if group.members.len() > cx.config.members_max as usize {
                group.prepare(&mut cx);
            }
            let mut gone = group.offsets.places();
            gone.retain(|(topic, _)| !is_topic(topic));
            if !gone.is_empty() {
                let gone = group.tombstones(gone);
                group.stage(gone, After::Nothing, &mut cx);
            }
        }
    }
}

fn restored(record: MemberRecord, protocol: Option<&std::sync::Arc<str>>) -> Member {
    let protocol = protocol.cloned().unwrap_or_else(|| "".into());
    Member {
        id: record.member,
        instance: record.instance,
        client_id: record.client_id,
        client_host: record.client_host,
        rebalance_timeout_ms: record.rebalance_timeout_ms,
        session_timeout_ms: record.session_timeout_ms,
        protocols: vec![(protocol, record.subscription)],
        assignment: record.assignment,
        joining: None,
        syncing: None,
        is_new: false,
        deadline: None,
        alarm: None,
    }
}

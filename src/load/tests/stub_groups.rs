//! The stub's coordinator: groups of the classic protocol, members and offsets in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::wire::StrBytes;
use crate::wire::messages::join_group_response::JoinGroupResponseMember;
use crate::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::messages::offset_fetch_request::OffsetFetchRequestTopic;
use crate::wire::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use crate::wire::messages::*;

const REBALANCE_IN_PROGRESS: i16 = 27;
/// How long a rebalance waits for the members that were there.
const REJOIN_WITHIN: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Groups {
    groups: Mutex<HashMap<GroupId, Group>>,
    changed: Condvar,
}

#[derive(Default)]
struct Group {
    generation: i32,
    /// By id, whether it has asked to join the next generation.
    members: BTreeMap<String, bool>,
    born: u32,
    assigned: HashMap<String, Bytes>,
    committed: HashMap<(TopicName, i32), i64>,
}

impl Group {
    fn is_rebalancing(&self) -> bool {
        self.members.values().any(|joins| *joins)
    }
}

impl Groups {
    /// Answers when everybody that was in the group has asked, too.
    pub fn join(&self, request: &JoinGroupRequest) -> JoinGroupResponse {
        let mut groups = self.groups.lock().unwrap();
        let group = groups.entry(request.group_id.clone()).or_default();
        let mut id = request.member_id.to_string();
        if !group.members.contains_key(&id) {
            group.born += 1;
            id = format!("member-{}", group.born);
        }
        group.members.insert(id.clone(), true);
        let before = group.generation;
        if group.members.values().all(|joins| *joins) {
            group.begin();
            self.changed.notify_all();
        }
        let group_of = |groups: &mut HashMap<GroupId, Group>| {
            groups.get_mut(&request.group_id).map(|it| it.generation) == Some(before)
        };
        let waited = self
            .changed
            .wait_timeout_while(groups, REJOIN_WITHIN, group_of);
        let (mut groups, late) = waited.unwrap();
        let group = groups.get_mut(&request.group_id).unwrap();
        if late.timed_out() {
            // Whoever did not come is out.
            group.members.retain(|_, joins| *joins);
            group.begin();
            self.changed.notify_all();
        }
        let leader = group.members.keys().next().cloned().unwrap_or_default();
        let member = |id: &String| JoinGroupResponseMember::default().with_member_id(text(id));
        let members = match leader == id {
            true => group.members.keys().map(member).collect(),
            false => Vec::new(),
        };
        JoinGroupResponse::default()
            .with_generation_id(group.generation)
            .with_protocol_name(Some(StrBytes::from_static_str("range")))
            .with_leader(text(&leader))
            .with_member_id(text(&id))
            .with_members(members)
    }

    pub fn sync(&self, request: &SyncGroupRequest) -> SyncGroupResponse {
        let mut groups = self.groups.lock().unwrap();
        let group = groups.get_mut(&request.group_id).unwrap();
        for given in &request.assignments {
            let (member, given) = (given.member_id.to_string(), given.assignment.clone());
            group.assigned.insert(member, given);
        }
        if !request.assignments.is_empty() {
            self.changed.notify_all();
        }
        let own = request.member_id.to_string();
        let waits = |groups: &mut HashMap<GroupId, Group>| {
            let group = &groups[&request.group_id];
            group.generation == request.generation_id && !group.assigned.contains_key(&own)
        };
        let waited = self
            .changed
            .wait_timeout_while(groups, REJOIN_WITHIN, waits);
        let groups = waited.unwrap().0;
        let group = &groups[&request.group_id];
        match group.assigned.get(&own) {
            Some(given) if group.generation == request.generation_id => {
                SyncGroupResponse::default().with_assignment(given.clone())
            }
            _ => SyncGroupResponse::default().with_error_code(REBALANCE_IN_PROGRESS),
        }
    }

    pub fn beat(&self, request: &HeartbeatRequest) -> HeartbeatResponse {
        let groups = self.groups.lock().unwrap();
        let group = &groups[&request.group_id];
        let stays = group.generation == request.generation_id && !group.is_rebalancing();
        HeartbeatResponse::default().with_error_code(if stays { 0 } else { REBALANCE_IN_PROGRESS })
    }

    /// The others learn of it at their next heartbeat.
    pub fn leave(&self, request: &LeaveGroupRequest) -> LeaveGroupResponse {
        let mut groups = self.groups.lock().unwrap();
        let group = groups.get_mut(&request.group_id).unwrap();
        group.members.remove(request.member_id.as_str());
        group.generation += 1;
        group.assigned.clear();
        self.changed.notify_all();
        LeaveGroupResponse::default()
    }

    pub fn commit(&self, request: &OffsetCommitRequest) -> OffsetCommitResponse {
        let mut groups = self.groups.lock().unwrap();
        let group = groups.get_mut(&request.group_id).unwrap();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for partition in &topic.partitions {
                let key = (topic.name.clone(), partition.partition_index);
                group.committed.insert(key, partition.committed_offset);
                let answer = OffsetCommitResponsePartition::default();
                partitions.push(answer.with_partition_index(partition.partition_index));
            }
            let answer = OffsetCommitResponseTopic::default().with_name(topic.name.clone());
            topics.push(answer.with_partitions(partitions));
        }
        OffsetCommitResponse::default().with_topics(topics)
    }

    pub fn committed(&self, request: &OffsetFetchRequest) -> OffsetFetchResponse {
        let groups = self.groups.lock().unwrap();
        let group = &groups[&request.group_id];
        let of_topic = |topic: &OffsetFetchRequestTopic| {
            let of_partition = |index: &i32| {
                let found = group.committed.get(&(topic.name.clone(), *index));
                OffsetFetchResponsePartition::default()
                    .with_partition_index(*index)
                    .with_committed_offset(found.copied().unwrap_or(-1))
            };
            OffsetFetchResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(topic.partition_indexes.iter().map(of_partition).collect())
        };
        let topics = request.topics.iter().flatten().map(of_topic).collect();
        OffsetFetchResponse::default().with_topics(topics)
    }
}

impl Group {
    fn begin(&mut self) {
        self.generation += 1;
        self.assigned.clear();
        self.members.values_mut().for_each(|joins| *joins = false);
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

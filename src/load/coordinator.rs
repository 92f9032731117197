//! What a member of a consumer group says to its coordinator, by the classic protocol (KIP-62).

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::admin::{Admin, LEADERS_WITHIN, LOOK_EVERY, address_of, ask};
use super::route::{Global, Numbering};
use super::sender::{Job, connect};
use super::{LoadError, Plan};
use crate::wire::ErrorCode;
use crate::wire::StrBytes;
use crate::wire::client;
use crate::wire::membership::{self, RANGE};
use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch_request::OffsetFetchRequestTopic;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::messages::{
    DeleteGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(20);
/// Longer than a rebalance may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The newest versions without the fields of KIP-345, KIP-559 and KIP-709.
const JOIN_VERSION: i16 = 4;
const SYNC_VERSION: i16 = 2;
const BEAT_VERSION: i16 = 2;
const LEAVE_VERSION: i16 = 2;
const COMMIT_VERSION: i16 = 6;
const COMMITTED_VERSION: i16 = 5;

/// Whether the group goes on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Member,
    /// Partitions are given out anew: join again.
    Rebalance,
}

/// What a member is given for a generation.
pub struct Given {
    pub generation: i32,
    /// Members of this generation, by what its leader says.
    pub members: usize,
    pub partitions: Vec<Global>,
}

/// A connection to the coordinator of one group, and who we are to it.
pub struct Coordinator<'a> {
    plan: &'a Plan,
    group: String,
    stream: TcpStream,
    next_id: i32,
    member_id: String,
    generation: i32,
}

impl<'a> Coordinator<'a> {
    pub fn find(job: &Job<'a>, group: &str) -> Result<Self, LoadError> {
        let plan = job.plan;
        let found = Admin::connect(plan.address)?.coordinator(group)?;
        // A broker that leads everything is spoken to where the plan says.
        let address = match job.route.leaders.len() {
            1 => plan.address,
            _ => found,
        };
        let stream = connect(address)?;
        stream
            .set_read_timeout(Some(ANSWER_WITHIN))
            .map_err(LoadError::socket("setting a time-out"))?;
        Ok(Self {
            plan,
            group: group.to_string(),
            stream,
            next_id: 0,
            member_id: String::new(),
            generation: -1,
        })
    }

    /// Takes part in the next generation. None: it was over before it began.
    pub fn join(&mut self) -> Result<Option<Given>, LoadError> {
        let names: Vec<String> = (0..self.plan.topics)
            .map(|it| self.plan.topic_name(it))
            .collect();
        let topics: Vec<&str> = names.iter().map(String::as_str).collect();
        let range = JoinGroupRequestProtocol::default()
            .with_name(text(RANGE))
            .with_metadata(membership::subscription(&topics)?);
        let request = JoinGroupRequest::default()
            .with_group_id(self.group_id())
            .with_session_timeout_ms(SESSION.as_millis() as i32)
            .with_rebalance_timeout_ms(REBALANCE.as_millis() as i32)
            .with_member_id(text(&self.member_id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![range]);
        let reply = self.ask(&request, JOIN_VERSION, |it| it.error_code)?;
        if reply.error_code == ErrorCode::MemberIdRequired as i16 {
            // The id is ours from now on; the second try counts (KIP-394).
            self.member_id = reply.member_id.to_string();
            return Ok(None);
        }
        if self.standing("JoinGroup", reply.error_code)? == Standing::Rebalance {
            return Ok(None);
        }
        self.member_id = reply.member_id.to_string();
        self.generation = reply.generation_id;
        let leads = reply.leader == reply.member_id;
        let mut members: Vec<String> = reply
            .members
            .iter()
            .map(|it| it.member_id.to_string())
            .collect();
        members.sort_unstable();
        self.sync(if leads { &members } else { &[] })
    }

    /// Hands in what the leader gives to whom; receives our own.
    fn sync(&mut self, members: &[String]) -> Result<Option<Given>, LoadError> {
        let mut assignments = Vec::new();
        let note = Bytes::copy_from_slice(&(members.len() as u32).to_be_bytes());
        for (member, given) in members.iter().zip(give_out(self.plan, members.len())) {
            let given = membership::assignment(&given, Some(note.clone()))?;
            let assignment = SyncGroupRequestAssignment::default().with_member_id(text(member));
            assignments.push(assignment.with_assignment(given));
        }
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member_id))
            .with_assignments(assignments);
        let reply = self.ask(&request, SYNC_VERSION, |it| it.error_code)?;
        if self.standing("SyncGroup", reply.error_code)? == Standing::Rebalance {
            return Ok(None);
        }
        let assigned = membership::partitions_in(&reply.assignment)
            .ok_or(LoadError::Reply("an assignment that is none"))?;
        let note = membership::note_in(&reply.assignment).unwrap_or_default();
        let members = note
            .first_chunk::<4>()
            .map_or(0, |it| u32::from_be_bytes(*it));
        let numbering = Numbering::of(self.plan);
        let global = |(topic, partition): (String, i32)| {
            numbering.global(numbering.topic_named(topic.as_bytes()), partition as u32)
        };
        Ok(Some(Given {
            generation: self.generation,
            members: members as usize,
            partitions: assigned.into_iter().map(global).collect(),
        }))
    }

    pub fn beat(&mut self) -> Result<Standing, LoadError> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member_id));
        let reply = self.ask(&request, BEAT_VERSION, |it| it.error_code)?;
        self.standing("Heartbeat", reply.error_code)
    }

    pub fn commit(&mut self, places: &[(Global, i64)]) -> Result<Standing, LoadError> {
        let partition = |index, next| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(next)
        };
        let topics = self.by_topic(places).into_iter().map(|(name, places)| {
            let places = places
                .into_iter()
                .map(|(index, next)| partition(index, next));
            OffsetCommitRequestTopic::default()
                .with_name(name)
                .with_partitions(places.collect())
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.member_id))
            .with_topics(topics.collect());
        let first_code = |reply: &crate::wire::messages::OffsetCommitResponse| {
            let codes = reply.topics.iter().flat_map(|it| &it.partitions);
            codes
                .map(|it| it.error_code)
                .find(|it| *it != 0)
                .unwrap_or(0)
        };
        let reply = self.ask(&request, COMMIT_VERSION, first_code)?;
        self.standing("OffsetCommit", first_code(&reply))
    }

    /// What is committed for these partitions; those of which nothing is are left out.
    pub fn committed(&mut self, wanted: &[Global]) -> Result<Vec<(Global, i64)>, LoadError> {
        let wanted: Vec<(Global, i64)> = wanted.iter().map(|it| (*it, 0)).collect();
        let topics = self.by_topic(&wanted).into_iter().map(|(name, places)| {
            OffsetFetchRequestTopic::default()
                .with_name(name)
                .with_partition_indexes(places.into_iter().map(|it| it.0).collect())
        });
        let request = OffsetFetchRequest::default()
            .with_group_id(self.group_id())
            .with_topics(Some(topics.collect()));
        let reply = self.ask(&request, COMMITTED_VERSION, |it| it.error_code)?;
        refused("OffsetFetch", reply.error_code)?;
        let numbering = Numbering::of(self.plan);
        let mut found = Vec::new();
        for topic in &reply.topics {
            let index = numbering.topic_named(topic.name.0.as_bytes());
            for partition in &topic.partitions {
                refused("OffsetFetch", partition.error_code)?;
                let at = numbering.global(index, partition.partition_index as u32);
                if partition.committed_offset >= 0 {
                    found.push((at, partition.committed_offset));
                }
            }
        }
        Ok(found)
    }

    /// So that the others get our partitions at once.
    pub fn leave(&mut self) {
        let request = LeaveGroupRequest::default()
            .with_group_id(self.group_id())
            .with_member_id(text(&self.member_id));
        // If it does not arrive, the session ends by itself.
        let _ = self.ask(&request, LEAVE_VERSION, |it| it.error_code);
        self.member_id.clear();
    }

    /// Whether this generation goes on; forgets who we were, if the coordinator has.
    fn standing(&mut self, request: &'static str, code: i16) -> Result<Standing, LoadError> {
        match ErrorCode::from_i16(code) {
            Some(ErrorCode::RebalanceInProgress) => Ok(Standing::Rebalance),
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                self.member_id.clear();
                Ok(Standing::Rebalance)
            }
            _ => refused(request, code).map(|()| Standing::Member),
        }
    }

    /// Asks again while the coordinator loads its groups, or only becomes it.
    fn ask<R: client::Message>(
        &mut self,
        request: &R,
        version: i16,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, LoadError> {
        let started = Instant::now();
        loop {
            self.next_id += 1;
            let reply = ask(&mut self.stream, self.next_id, request, version)?;
            let waits = matches!(
                ErrorCode::from_i16(code(&reply)),
                Some(ErrorCode::CoordinatorLoadInProgress | ErrorCode::NotCoordinator)
            );
            if !waits || started.elapsed() > LEADERS_WITHIN {
                return Ok(reply);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn by_topic(&self, places: &[(Global, i64)]) -> Vec<(TopicName, Vec<(i32, i64)>)> {
        let numbering = Numbering::of(self.plan);
        let mut topics: BTreeMap<u32, Vec<(i32, i64)>> = BTreeMap::new();
        for (partition, next) in places {
            let of_topic = topics.entry(numbering.topic_of(*partition)).or_default();
            of_topic.push((numbering.within_topic(*partition) as i32, *next));
        }
        let named = |(topic, places)| (TopicName(text(&self.plan.topic_name(topic))), places);
        topics.into_iter().map(named).collect()
    }

    fn group_id(&self) -> GroupId {
        GroupId(text(&self.group))
    }
}

impl Admin {
    /// Where a group's coordinator is. A broker that makes its offsets' topic only now has none for
    /// a while.
    pub(super) fn coordinator(&mut self, group: &str) -> Result<SocketAddr, LoadError> {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        let started = Instant::now();
        loop {
            let reply = self.ask(&request, 2)?;
            match reply.error_code {
                0 => return address_of(reply.host.as_str(), reply.port as u16),
                code if code == ErrorCode::CoordinatorNotAvailable as i16
                    && started.elapsed() < LEADERS_WITHIN =>
                {
                    thread::sleep(LOOK_EVERY)
                }
                code => {
                    return Err(LoadError::Refused {
                        request: "FindCoordinator",
                        code,
                    });
                }
            }
        }
    }

    /// Forgets groups that have no member any more.
    pub(super) fn delete_groups(&mut self, groups: &[String]) -> Result<(), LoadError> {
        for group in groups {
            let address = self.coordinator(group)?;
            let id = GroupId(text(group));
            let request = DeleteGroupsRequest::default().with_groups_names(vec![id]);
            Admin::connect(address)?.ask(&request, 1)?;
        }
        Ok(())
    }
}

/// Each member's share of every topic, by Kafka's range assignor.
fn give_out(plan: &Plan, members: usize) -> Vec<Vec<(String, Vec<i32>)>> {
    let partitions: Vec<i32> = (0..plan.partitions as i32).collect();
    let shares = membership::ranges(&partitions, members);
    let of_member = |share: Vec<i32>| {
        let topics = (0..plan.topics).map(|it| (plan.topic_name(it), share.clone()));
        topics.filter(|it| !it.1.is_empty()).collect()
    };
    shares.into_iter().map(of_member).collect()
}

fn refused(request: &'static str, code: i16) -> Result<(), LoadError> {
    match code {
        0 => Ok(()),
        code => Err(LoadError::Refused { request, code }),
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

//! A member of a consumer group, by the classic protocol (KIP-62), for `consume --group`.
//!
//! One topic, the range assignor, no thread of its own: whoever reads also beats, between fetches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::offsets::{self, Identity, PartitionOf};
use crate::cli::Failure;
use crate::cli::client::{check, text};
use crate::cli::coordinator::Coordinator;
use crate::wire::membership::{RANGE, assignment, partitions_in, ranges, subscription, topics_in};
use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::join_group_response::JoinGroupResponseMember;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use crate::wire::{ErrorCode, WireError};

/// Kafka's default is 45 s; a person who ends a command does not wait that long for the next.
const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(30);
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// Joins in a row that end in another rebalance.
const JOINS_MAX: u32 = 100;
/// The newest versions that need none of the fields of KIP-345 and KIP-559.
const JOIN_VERSION: i16 = 4;
const SYNC_VERSION: i16 = 3;
const LEAVE_VERSION: i16 = 2;
const NEWEST: i16 = i16::MAX;

/// Whether the group goes on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Member,
    /// Partitions are given out anew: join again.
    Rebalance,
}

/// A member that has joined.
pub struct Member {
    coordinator: Coordinator,
    topic: String,
    who: Identity,
    /// The partitions of the topic that are ours.
    pub partitions: Vec<i32>,
    beaten: Instant,
}

impl Member {
    /// Joins `group` as a reader of `topic`, which has so many partitions.
    pub fn join(
        bootstrap_server: &str,
        group: &str,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Self, Failure> {
        let mut member = Self {
            coordinator: Coordinator::connect(bootstrap_server, group)?,
            topic: topic.to_owned(),
            who: Identity::nobody(),
            partitions: Vec::new(),
            beaten: Instant::now(),
        };
        member.rejoin(partitions)?;
        Ok(member)
    }

    /// Takes part in the next generation.
    pub fn rejoin(&mut self, partitions: &[i32]) -> Result<(), Failure> {
        for _ in 0..JOINS_MAX {
            let Some(joined) = self.ask_to_join()? else {
                continue;
            };
            if self.sync(&joined, partitions)? {
                self.beaten = Instant::now();
                return Ok(());
            }
        }
        Err(Failure::try_again(
            "the group does not come to rest; its members come and go",
        ))
    }

    /// None: to be asked again, with what was learnt.
    fn ask_to_join(&mut self) -> Result<Option<JoinGroupResponse>, Failure> {
        let range = JoinGroupRequestProtocol::default()
            .with_name(text(RANGE))
            .with_metadata(subscription(&[&self.topic]).map_err(unwritable)?);
        let request = JoinGroupRequest::default()
            .with_group_id(self.coordinator.group_id())
            .with_session_timeout_ms(SESSION.as_millis() as i32)
            .with_rebalance_timeout_ms(REBALANCE.as_millis() as i32)
            .with_member_id(text(&self.who.member_id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![range]);
        let reply = self
            .coordinator
            .ask(&request, JOIN_VERSION, |reply| reply.error_code)?;
        match ErrorCode::from_i16(reply.error_code) {
            // The id is ours from now on; the second try counts (KIP-394).
            Some(ErrorCode::MemberIdRequired) => self.who.member_id = reply.member_id.to_string(),
            Some(ErrorCode::UnknownMemberId) => self.who = Identity::nobody(),
            _ => {
                check(reply.error_code, None, "joining the group")?;
                self.who.member_id = reply.member_id.to_string();
                self.who.generation = reply.generation_id;
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// False: another rebalance has begun.
    fn sync(&mut self, joined: &JoinGroupResponse, partitions: &[i32]) -> Result<bool, Failure> {
        let mut assignments = Vec::new();
        if joined.leader == joined.member_id {
            for (member, given) in self.give_out(&joined.members, partitions) {
                let given = [(self.topic.clone(), given)];
                let given = assignment(&given, None).map_err(unwritable)?;
                let given = SyncGroupRequestAssignment::default()
                    .with_member_id(text(&member))
                    .with_assignment(given);
                assignments.push(given);
            }
        }
        let request = SyncGroupRequest::default()
            .with_group_id(self.coordinator.group_id())
            .with_generation_id(self.who.generation)
            .with_member_id(text(&self.who.member_id))
            .with_assignments(assignments);
        let reply = self
            .coordinator
            .ask(&request, SYNC_VERSION, |reply| reply.error_code)?;
        if self.is_over(reply.error_code) {
            return Ok(false);
        }
        check(reply.error_code, None, "the group's assignment")?;
        let given = partitions_in(&reply.assignment).unwrap_or_default();
        let own = given.into_iter().filter(|(topic, _)| *topic == self.topic);
        self.partitions = own.map(|(_, partition)| partition).collect();
        Ok(true)
    }

    /// Each reader of our topic gets a run of its partitions; of the topics that others of the
    /// group read we know nothing, and give out nothing.
    fn give_out(
        &self,
        members: &[JoinGroupResponseMember],
        partitions: &[i32],
    ) -> BTreeMap<String, Vec<i32>> {
        let mut readers: Vec<String> = (members.iter())
            .filter(|member| topics_in(&member.metadata).contains(&self.topic))
            .map(|member| member.member_id.to_string())
            .collect();
        readers.sort_unstable();
        let mut given: BTreeMap<String, Vec<i32>> = (members.iter())
            .map(|member| (member.member_id.to_string(), Vec::new()))
            .collect();
        let shares = ranges(partitions, readers.len());
        given.extend(readers.into_iter().zip(shares));
        given
    }

    /// Tells the coordinator that we are there, if that is due.
    pub fn beat(&mut self) -> Result<Standing, Failure> {
        if self.beaten.elapsed() < BEAT_EVERY {
            return Ok(Standing::Member);
        }
        self.beaten = Instant::now();
        let request = HeartbeatRequest::default()
            .with_group_id(self.coordinator.group_id())
            .with_generation_id(self.who.generation)
            .with_member_id(text(&self.who.member_id));
        let reply = self
            .coordinator
            .ask(&request, NEWEST, |reply| reply.error_code)?;
        if self.is_over(reply.error_code) {
            return Ok(Standing::Rebalance);
        }
        check(reply.error_code, None, "the group's heartbeat")?;
        Ok(Standing::Member)
    }

    /// Our partitions' committed offsets.
    pub fn committed(&mut self) -> Result<BTreeMap<PartitionOf, i64>, Failure> {
        offsets::committed(&mut self.coordinator)
    }

    pub fn commit(&mut self, offsets: &BTreeMap<i32, i64>) -> Result<Standing, Failure> {
        let named = |(partition, offset): (&i32, &i64)| ((self.topic.clone(), *partition), *offset);
        let named = offsets.iter().map(named).collect();
        let code = offsets::commit(&mut self.coordinator, &self.who, &named)?;
        if self.is_over(code) {
            return Ok(Standing::Rebalance);
        }
        check(code, None, "committing the group's offsets")?;
        Ok(Standing::Member)
    }

    /// So that the others get our partitions at once.
    pub fn leave(mut self) {
        let request = LeaveGroupRequest::default()
            .with_group_id(self.coordinator.group_id())
            .with_member_id(text(&self.who.member_id));
        // If it does not arrive, the session ends by itself.
        let _ = self
            .coordinator
            .ask(&request, LEAVE_VERSION, |reply| reply.error_code);
    }

    /// Whether this generation is over; forgets who we were, if the coordinator has.
    fn is_over(&mut self, code: i16) -> bool {
        match ErrorCode::from_i16(code) {
            Some(ErrorCode::RebalanceInProgress) => true,
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                self.who = Identity::nobody();
                true
            }
            _ => false,
        }
    }
}

fn unwritable(error: WireError) -> Failure {
    Failure::failed(format!("can not write the subscription: {error:?}"))
}

//! JoinGroup 0-9, SyncGroup 0-5, Heartbeat 0-4, LeaveGroup 0-5.

use bytes::Bytes;

use crate::groups::ask::{JoinAsk, Joined, JoinedMember, Leaver, MemberAsk, SyncAsk, Synced};
use crate::groups::{Answer, Ask, GroupError};
use crate::wire::messages::join_group_response::JoinGroupResponseMember;
use crate::wire::messages::leave_group_response::MemberResponse;
use crate::wire::messages::*;
use crate::wire::{ErrorCode, ReplyTo, StrBytes, WireError, reply};

use super::super::super::calls::Asked;
use super::super::super::machine::Shard;
use super::{Shape, code, code_of, owned, owned_or_null, text};

/// Clients of this version join again under an id (KIP-394).
const MEMBER_ID_SINCE: i16 = 4;
/// Before, an absent protocol name is empty, not null.
const NULL_PROTOCOL_SINCE: i16 = 7;
/// Clients of this version know `skip_assignment` (KIP-814).
const SKIP_SINCE: i16 = 9;
/// A SyncGroup of this version names protocol type and name (KIP-559).
const NAMED_PROTOCOL_SINCE: i16 = 5;
/// A LeaveGroup of this version names members, before only one.
const LEAVERS_SINCE: i16 = 3;

/// Who wants to leave, as the request has it.
pub(super) type Leavers = Vec<(StrBytes, Option<StrBytes>)>;

impl Shard {
    pub(in super::super) fn join_group(
        &mut self,
        asked: Asked,
        request: JoinGroupRequest,
        client_id: Option<StrBytes>,
    ) {
        let version = asked.to.version;
        let connection = self.connections.get(asked.connection);
        let peer = connection.map(|connection| connection.peer.ip().to_canonical());
        let rebalance_timeout_ms = match version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        };
        let protocols = request.protocols.iter();
        let ask = JoinAsk {
            group: owned(&request.group_id.0),
            member: owned(&request.member_id),
            instance: owned_or_null(request.group_instance_id.as_ref()),
            client_id: client_id.as_ref().map_or_else(|| "".into(), owned),
            // As Java prints an address without a name.
            client_host: peer.map_or_else(String::new, |ip| format!("/{ip}")).into(),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms,
            protocol_type: owned(&request.protocol_type),
            protocols: protocols
                .map(|own| (owned(&own.name), Bytes::copy_from_slice(&own.metadata)))
                .collect(),
            takes_member_id: version >= MEMBER_ID_SINCE,
            skips_assignment: version >= SKIP_SINCE,
        };
        self.ask_coordinators(asked, Shape::Join, vec![Ask::Join(Box::new(ask))]);
    }

    pub(in super::super) fn sync_group(&mut self, asked: Asked, request: SyncGroupRequest) {
        let unnamed = request.protocol_type.is_none() || request.protocol_name.is_none();
        if asked.to.version >= NAMED_PROTOCOL_SINCE && unnamed {
            let refused = Answer::Synced(Synced::refused(GroupError::InconsistentProtocol));
            let frame = sync_reply(asked.to, std::iter::once(refused));
            return self.send_reply(asked, frame.map(|frame| vec![frame]));
        }
        let assignments = request.assignments.iter();
        let ask = SyncAsk {
            member: MemberAsk {
                group: owned(&request.group_id.0),
                member: owned(&request.member_id),
                instance: owned_or_null(request.group_instance_id.as_ref()),
                generation: request.generation_id,
            },
            protocol_type: owned_or_null(request.protocol_type.as_ref()),
            protocol: owned_or_null(request.protocol_name.as_ref()),
            assignments: assignments
                .map(|own| {
                    (
                        owned(&own.member_id),
                        Bytes::copy_from_slice(&own.assignment),
                    )
                })
                .collect(),
        };
        self.ask_coordinators(asked, Shape::Sync, vec![Ask::Sync(Box::new(ask))]);
    }

    pub(in super::super) fn heartbeat(&mut self, asked: Asked, request: HeartbeatRequest) {
        let ask = MemberAsk {
            group: owned(&request.group_id.0),
            member: owned(&request.member_id),
            instance: owned_or_null(request.group_instance_id.as_ref()),
            generation: request.generation_id,
        };
        self.ask_coordinators(asked, Shape::Heartbeat, vec![Ask::Heartbeat(ask)]);
    }

    pub(in super::super) fn leave_group(&mut self, asked: Asked, request: LeaveGroupRequest) {
        let leavers: Leavers = match asked.to.version >= LEAVERS_SINCE {
            true => {
                let members = request.members.into_iter();
                members
                    .map(|one| (one.member_id, one.group_instance_id))
                    .collect()
            }
            false => vec![(request.member_id, None)],
        };
        let members = leavers.iter().map(|(member, instance)| Leaver {
            member: owned(member),
            instance: owned_or_null(instance.as_ref()),
        });
        let ask = Ask::Leave {
            group: owned(&request.group_id.0),
            members: members.collect(),
        };
        self.ask_coordinators(asked, Shape::Leave(leavers), vec![ask]);
    }
}

pub(super) fn join_reply(
    to: ReplyTo,
    mut answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let joined = match answers.next() {
        Some(Answer::Joined(joined)) => *joined,
        _ => Joined::refused("", GroupError::NotAvailable),
    };
    let null = (to.version < NULL_PROTOCOL_SINCE).then(StrBytes::default);
    let member = |member: JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&member.member))
            .with_group_instance_id(member.instance.as_ref().map(text))
            .with_metadata(member.metadata)
    };
    let response = JoinGroupResponse::default()
        .with_error_code(joined.error.map_or(ErrorCode::None.code(), code))
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.as_ref().map(text))
        .with_protocol_name(joined.protocol.as_ref().map(text).or(null))
        .with_leader(text(&joined.leader))
        .with_skip_assignment(joined.skip_assignment && to.version >= SKIP_SINCE)
        .with_member_id(text(&joined.member))
        .with_members(joined.members.into_iter().map(member).collect());
    reply::encode(to, &response)
}

pub(super) fn sync_reply(
    to: ReplyTo,
    mut answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let synced = match answers.next() {
        Some(Answer::Synced(synced)) => synced,
        _ => Synced::refused(GroupError::NotAvailable),
    };
    let response = SyncGroupResponse::default()
        .with_error_code(synced.error.map_or(ErrorCode::None.code(), code))
        .with_protocol_type(synced.protocol_type.as_ref().map(text))
        .with_protocol_name(synced.protocol.as_ref().map(text))
        .with_assignment(synced.assignment);
    reply::encode(to, &response)
}

pub(super) fn heartbeat_reply(
    to: ReplyTo,
    mut answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let result = match answers.next() {
        Some(Answer::Heartbeat(result)) => result,
        _ => Err(GroupError::NotAvailable),
    };
    let response = HeartbeatResponse::default().with_error_code(code_of(&result));
    reply::encode(to, &response)
}

pub(super) fn leave_reply(
    to: ReplyTo,
    leavers: Leavers,
    mut answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let result = match answers.next() {
        Some(Answer::Left(result)) => result,
        _ => Err(GroupError::NotAvailable),
    };
    let mut response = LeaveGroupResponse::default().with_error_code(code_of(&result));
    let results = result.unwrap_or_default();
    if to.version < LEAVERS_SINCE {
        if let Some(first) = results.first() {
            response.error_code = code_of(first);
        }
        return reply::encode(to, &response);
    }
    let members = leavers.into_iter().zip(results);
    let members = members.map(|((member, instance), result)| {
        MemberResponse::default()
            .with_member_id(member)
            .with_group_instance_id(instance)
            .with_error_code(code_of(&result))
    });
    reply::encode(to, &response.with_members(members.collect()))
}

//! DescribeGroups 0-6, ListGroups 0-5, DeleteGroups 0-2.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::ShardId;
use crate::groups::ask::{self, DescribedMember};
use crate::groups::{Answer, Ask, GroupError, OFFSETS_TOPIC};
use crate::wire::messages::delete_groups_response::DeletableGroupResult;
use crate::wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::wire::messages::list_groups_response::ListedGroup;
use crate::wire::messages::*;
use crate::wire::{ErrorCode, ReplyTo, StrBytes, WireError, reply};

use super::super::super::calls::Asked;
use super::super::super::machine::Shard;
use super::super::operations;
use super::{Shape, code, code_of, owned, text};

/// From here on a group that is not there is an error, before it is a dead group; and errors have
/// words.
const NOT_FOUND_SINCE: i16 = 6;

/// Which groups are described, and whether with what the client may do.
#[derive(Debug)]
pub(super) struct Described {
    groups: Vec<Arc<str>>,
    operations: bool,
}

impl Shard {
    pub(in super::super) fn describe_groups(
        &mut self,
        asked: Asked,
        request: DescribeGroupsRequest,
    ) {
        let groups: Vec<Arc<str>> = request.groups.iter().map(|group| owned(&group.0)).collect();
        let ask = |group: &Arc<str>| Ask::Describe {
            group: group.clone(),
        };
        let asks = groups.iter().map(ask).collect();
        let described = Described {
            groups,
            operations: request.include_authorized_operations,
        };
        self.ask_coordinators(asked, Shape::Describe(described), asks);
    }

    /// Every shard with a partition of `__consumer_offsets` is asked.
    pub(in super::super) fn list_groups(&mut self, asked: Asked, request: ListGroupsRequest) {
        let words = |words: &[StrBytes]| words.iter().map(|word| word.to_string()).collect();
        let ask = Ask::List {
            states: words(&request.states_filter),
            types: words(&request.types_filter),
        };
        let topic = self.known().and_then(|known| known.topic(OFFSETS_TOPIC));
        let places = topic.into_iter().flat_map(|topic| topic.partitions());
        let shards: BTreeMap<ShardId, u32> =
            places.map(|place| (place.shard, place.partition)).collect();
        let working = shards
            .into_iter()
            .filter(|(shard, _)| !self.is_leaderless(*shard));
        let asks = working.map(|target| (ask.clone(), Ok(target))).collect();
        self.ask_shards(asked, Shape::List, asks);
    }

    pub(in super::super) fn delete_groups(&mut self, asked: Asked, request: DeleteGroupsRequest) {
        let names = request.groups_names.iter();
        let groups: Vec<Arc<str>> = names.map(|group| owned(&group.0)).collect();
        let ask = |group: &Arc<str>| Ask::Delete {
            group: group.clone(),
        };
        let asks = groups.iter().map(ask).collect();
        self.ask_coordinators(asked, Shape::Delete(groups), asks);
    }
}

pub(super) fn describe_reply(
    to: ReplyTo,
    described: Described,
    answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let Described { groups, operations } = described;
    let groups = groups.iter().zip(answers).map(|(id, answer)| {
        let shown = DescribedGroup::default().with_group_id(text(id).into());
        match answer {
            Answer::Described(Ok(group)) => {
                let mut shown = described_group(shown, group);
                if operations {
                    shown.authorized_operations = operations::OF_GROUPS;
                }
                shown
            }
            Answer::Described(Err(GroupError::GroupNotFound)) => not_found(shown, id, to.version),
            Answer::Described(Err(error)) => failed(shown, error, to.version),
            _ => failed(shown, GroupError::NotAvailable, to.version),
        }
    });
    let response = DescribeGroupsResponse::default().with_groups(groups.collect());
    reply::encode(to, &response)
}

fn described_group(shown: DescribedGroup, group: ask::Described) -> DescribedGroup {
    let optional = |name: &Option<Arc<str>>| name.as_ref().map_or_else(StrBytes::default, text);
    let member = |member: DescribedMember| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.member))
            .with_group_instance_id(member.instance.as_ref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    shown
        .with_group_state(StrBytes::from_static_str(group.state))
        .with_protocol_type(optional(&group.protocol_type))
        .with_protocol_data(optional(&group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}

fn failed(shown: DescribedGroup, error: GroupError, version: i16) -> DescribedGroup {
    let words = StrBytes::from_static_str(error.words());
    shown
        .with_error_code(code(error))
        .with_error_message((version >= NOT_FOUND_SINCE).then_some(words))
}

fn not_found(shown: DescribedGroup, id: &str, version: i16) -> DescribedGroup {
    let shown = shown.with_group_state(StrBytes::from_static_str("Dead"));
    if version < NOT_FOUND_SINCE {
        return shown;
    }
    let words = format!("Group {id} not found.");
    shown
        .with_error_code(ErrorCode::GroupIdNotFound.code())
        .with_error_message(Some(StrBytes::from_string(words)))
}

pub(super) fn list_reply(
    to: ReplyTo,
    answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let mut response = ListGroupsResponse::default();
    for answer in answers {
        match answer {
            Answer::Listed(Ok(groups)) => {
                let shown = groups.into_iter().map(|group| {
                    let kind = group.protocol_type.as_ref();
                    ListedGroup::default()
                        .with_group_id(text(&group.group).into())
                        .with_protocol_type(kind.map_or_else(StrBytes::default, text))
                        .with_group_state(StrBytes::from_static_str(group.state))
                        .with_group_type(StrBytes::from_static_str("classic"))
                });
                response.groups.extend(shown);
            }
            Answer::Listed(Err(error)) => response.error_code = code(error),
            _ => response.error_code = code(GroupError::NotAvailable),
        }
    }
    if response.error_code != ErrorCode::None.code() {
        response.groups.clear();
    }
    reply::encode(to, &response)
}

pub(super) fn delete_reply(
    to: ReplyTo,
    groups: Vec<Arc<str>>,
    answers: impl Iterator<Item = Answer>,
) -> Result<Bytes, WireError> {
    let results = groups.iter().zip(answers).map(|(id, answer)| {
        let result = match answer {
            Answer::Deleted(result) => result,
            _ => Err(GroupError::NotAvailable),
        };
        DeletableGroupResult::default()
            .with_group_id(text(id).into())
            .with_error_code(code_of(&result))
    });
    let response = DeleteGroupsResponse::default().with_results(results.collect());
    reply::encode(to, &response)
}

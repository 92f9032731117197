//! Groups of the classic protocol: JoinGroup to LeaveGroup, and what tells of them.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiKey, DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::Case;
use crate::run::{Outcome, Run, Stop};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::JoinGroup, "alone", alone),
    Case::new(ApiKey::JoinGroup, "bad", bad_joins),
    Case::new(ApiKey::JoinGroup, "static", static_member).since(5),
    Case::new(ApiKey::JoinGroup, "two", two_members),
    Case::new(ApiKey::SyncGroup, "bad", bad_syncs),
    Case::new(ApiKey::Heartbeat, "beats", beats),
    Case::new(ApiKey::LeaveGroup, "leaves", leaves),
    Case::new(ApiKey::DescribeGroups, "states", described),
    Case::new(ApiKey::ListGroups, "filters", listed),
    Case::new(ApiKey::DeleteGroups, "states", deleted),
];

/// A group without a name is one like any other once an offset was committed to it: scripts that
/// would see another's leave it alone.
pub fn group(run: &Run) -> GroupId {
    GroupId(run.name("group"))
}

/// A consumer's subscription of version 0, without topics and without data of its own. Kafka never
/// answers the second JoinGroup of a member whose subscription it cannot read.
const WANTS_NOTHING: &[u8] = &[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

/// A member that the coordinator knows.
pub struct Member {
    pub id: StrBytes,
    pub generation: i32,
}

/// Kafka makes its internal topic when a coordinator is first asked for.
pub fn wait_coordinator(run: &Run, group: &GroupId) -> Outcome {
    let request = FindCoordinatorRequest::default().with_key(group.0.clone());
    run.wait("a coordinator", |run| {
        let reply = run.quietly(&request, 3)?;
        Ok((reply.error_code == 0).then_some(()))
    })
}

fn join(version: i16, group: &GroupId, member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name("range".into())
        .with_metadata(Bytes::from_static(WANTS_NOTHING));
    let request = JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(30_000)
        .with_member_id(StrBytes::from_string(member.to_string()))
        .with_protocol_type("consumer".into())
        .with_protocols(vec![protocol]);
    match version {
        ..1 => request,
        _ => request.with_rebalance_timeout_ms(30_000),
    }
}

/// Joins until the coordinator has loaded, with the id that it asks to come back with.
pub fn joined(run: &mut Run, group: &GroupId) -> Result<Member, Stop> {
    wait_coordinator(run, group)?;
    let mut id = StrBytes::default();
    let (id, generation) = run.wait("a member", |run| {
        let reply = run.quietly(&join(5, group, &id), 5)?;
        id = reply.member_id.clone();
        Ok((reply.error_code == 0).then_some((reply.member_id, reply.generation_id)))
    })?;
    run.call(id.as_str(), "member");
    Ok(Member { id, generation })
}

/// A group of one, which has its assignment.
pub fn stable(run: &mut Run, group: &GroupId) -> Result<Member, Stop> {
    let member = joined(run, group)?;
    let reply = run.quietly(&sync(3, group, &member), 3)?;
    match reply.error_code {
        0 => Ok(member),
        code => Err(Stop::Failed(format!("syncing {group:?}: error {code}"))),
    }
}

fn sync(version: i16, group: &GroupId, member: &Member) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.id.clone())
        .with_assignment(Bytes::from_static(b"what the member gets"));
    let request = SyncGroupRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(member.generation)
        .with_member_id(member.id.clone())
        .with_assignments(vec![assignment]);
    match version {
        ..5 => request,
        _ => request
            .with_protocol_type(Some("consumer".into()))
            .with_protocol_name(Some("range".into())),
    }
}

fn beat(group: &GroupId, member: &Member) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(member.generation)
        .with_member_id(member.id.clone())
}

fn leave(version: i16, group: &GroupId, member: &StrBytes) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group.clone());
    match version {
        ..3 => request.with_member_id(member.clone()),
        _ => {
            let identity = MemberIdentity::default().with_member_id(member.clone());
            request.with_members(vec![identity])
        }
    }
}

fn alone(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    wait_coordinator(run, &group)?;
    // The coordinator may be loading still.
    run.wait("a loaded coordinator", |run| {
        let reply = run.quietly(&join(5, &GroupId("another".into()), "nobody"), 5)?;
        Ok((![14, 15, 16].contains(&reply.error_code)).then_some(()))
    })?;
    // Ids have the client's before them, and are drawn.
    run.send_on(0, &join(version, &group, ""), version)?;
    let first = run.hear_named::<JoinGroupRequest>(0, "join", version, |reply| {
        vec![(reply.member_id.to_string(), "member")]
    })?;
    let mut member = Member {
        id: first.member_id,
        generation: first.generation_id,
    };
    if version >= 4 {
        let again = run.ask(
            "join with the id",
            &join(version, &group, &member.id),
            version,
        )?;
        member.generation = again.generation_id;
    }
    let reply = run.ask("sync", &sync(3, &group, &member), 3)?;
    drop(reply);
    run.ask("beat", &beat(&group, &member), 3)?;
    let again = run.ask("join again", &join(version, &group, &member.id), version)?;
    member.generation = again.generation_id;
    run.ask("sync again", &sync(3, &group, &member), 3)?;
    run.ask(
        "leave",
        &leave(version.min(5), &group, &member.id),
        version.min(5),
    )?;
    Ok(())
}

fn bad_joins(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let member = stable(run, &group)?;
    let base = join(version, &group, "");
    run.ask(
        "no group",
        &base.clone().with_group_id(GroupId("".into())),
        version,
    )?;
    run.ask(
        "an unknown member",
        &join(version, &group, "nobody"),
        version,
    )?;
    for timeout in [0, 1, 5_999, 1_800_001, -1] {
        let request = base.clone().with_session_timeout_ms(timeout);
        run.ask(&format!("session {timeout}"), &request, version)?;
    }
    run.ask(
        "no protocols",
        &base.clone().with_protocols(Vec::new()),
        version,
    )?;
    run.ask(
        "no protocol type",
        &base.clone().with_protocol_type("".into()),
        version,
    )?;
    let other = join(version, &group, &member.id).with_protocol_type("connect".into());
    run.ask("another protocol type", &other, version)?;
    let protocol = JoinGroupRequestProtocol::default().with_name("roundrobin".into());
    let stranger = base.with_protocols(vec![protocol]);
    run.ask("another protocol", &stranger, version)?;
    Ok(())
}

fn static_member(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    wait_coordinator(run, &group)?;
    let instance: Option<StrBytes> = Some("an instance".into());
    let request = join(version, &group, "").with_group_instance_id(instance.clone());
    run.send_on(0, &request, version)?;
    let first = run.hear_named::<JoinGroupRequest>(0, "join", version, |reply| {
        vec![(reply.member_id.to_string(), "first")]
    })?;
    let mut member = Member {
        id: first.member_id,
        generation: first.generation_id,
    };
    run.ask(
        "sync",
        &sync(3, &group, &member).with_group_instance_id(instance.clone()),
        3,
    )?;
    run.send_on(0, &request, version)?;
    let second = run.hear_named::<JoinGroupRequest>(0, "the same instance", version, |reply| {
        vec![(reply.member_id.to_string(), "second")]
    })?;
    let fenced = beat(&group, &member).with_group_instance_id(instance.clone());
    run.ask("the first is fenced", &fenced, 3)?;
    member = Member {
        id: second.member_id,
        generation: second.generation_id,
    };
    run.ask(
        "the second beats",
        &beat(&group, &member).with_group_instance_id(instance),
        3,
    )?;
    let unknown = beat(&group, &member).with_group_instance_id(Some("nobody".into()));
    run.ask("an unknown instance", &unknown, 3)?;
    Ok(())
}

fn two_members(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let one = stable(run, &group)?;
    let mut second = StrBytes::default();
    if version >= 4 {
        let reply = run.quietly(&join(version, &group, ""), version)?;
        second = reply.member_id;
        run.call(second.as_str(), "second");
    }
    run.send_on(1, &join(version, &group, &second), version)?;
    run.wait("a rebalance", |run| {
        let reply = run.quietly(&beat(&group, &one), 3)?;
        Ok((reply.error_code == 27).then_some(()))
    })?;
    run.ask("the first is told", &beat(&group, &one), 3)?;
    run.send_on(0, &join(version, &group, &one.id), version)?;
    let first =
        run.hear_named::<JoinGroupRequest>(0, "the first joins again", version, |reply| {
            let members = reply
                .members
                .iter()
                .map(|member| member.member_id.to_string());
            let second = members.filter(|id| *id != one.id.as_str());
            second.map(|id| (id, "second")).collect()
        })?;
    let joined = run.hear_on::<JoinGroupRequest>(1, "the second has joined", version)?;
    let one = Member {
        generation: first.generation_id,
        ..one
    };
    let two = Member {
        id: joined.member_id,
        generation: joined.generation_id,
    };
    run.send_on(1, &sync(3, &group, &two).with_assignments(Vec::new()), 3)?;
    run.ask("the first syncs", &sync(3, &group, &one), 3)?;
    run.hear_on::<SyncGroupRequest>(1, "the second is given nothing", 3)?;
    run.ask("the second leaves", &leave(1, &group, &two.id), 1)?;
    run.ask("the first is told again", &beat(&group, &one), 3)?;
    Ok(())
}

fn bad_syncs(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let member = joined(run, &group)?;
    let request = sync(version, &group, &member);
    run.ask(
        "stale",
        &request.clone().with_generation_id(member.generation - 1),
        version,
    )?;
    run.ask(
        "from the future",
        &request.clone().with_generation_id(99),
        version,
    )?;
    run.ask(
        "a stranger",
        &request.clone().with_member_id("nobody".into()),
        version,
    )?;
    let nowhere = GroupId(run.name("nowhere"));
    run.ask(
        "no such group",
        &request.clone().with_group_id(nowhere),
        version,
    )?;
    run.ask(
        "no group",
        &request.clone().with_group_id(GroupId("".into())),
        version,
    )?;
    if version >= 5 {
        let other = request
            .clone()
            .with_protocol_name(Some("roundrobin".into()));
        run.ask("another protocol", &other, version)?;
        run.ask(
            "no protocol",
            &request.clone().with_protocol_type(None),
            version,
        )?;
    }
    run.ask("good", &request, version)?;
    run.ask("again", &request, version)?;
    Ok(())
}

fn beats(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let member = stable(run, &group)?;
    let request = beat(&group, &member);
    run.ask("good", &request, version)?;
    for generation in [member.generation + 1, 0, -1] {
        let request = request.clone().with_generation_id(generation);
        run.ask(&format!("generation {generation}"), &request, version)?;
    }
    run.ask(
        "a stranger",
        &request.clone().with_member_id("nobody".into()),
        version,
    )?;
    run.ask(
        "nobody",
        &request.clone().with_member_id("".into()),
        version,
    )?;
    let nowhere = GroupId(run.name("nowhere"));
    run.ask(
        "no such group",
        &request.clone().with_group_id(nowhere),
        version,
    )?;
    run.ask(
        "no group",
        &request.with_group_id(GroupId("".into())),
        version,
    )?;
    Ok(())
}

fn leaves(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let member = stable(run, &group)?;
    run.ask(
        "a stranger",
        &leave(version, &group, &"nobody".into()),
        version,
    )?;
    let nowhere = GroupId(run.name("nowhere"));
    run.ask(
        "no such group",
        &leave(version, &nowhere, &member.id),
        version,
    )?;
    run.ask(
        "no group",
        &leave(version, &GroupId("".into()), &member.id),
        version,
    )?;
    if version >= 3 {
        let mut both = leave(version, &group, &member.id);
        both.members
            .push(MemberIdentity::default().with_member_id("nobody".into()));
        run.ask("one known", &both, version)?;
        run.ask("nobody", &both.with_members(Vec::new()), version)?;
    }
    run.ask("known", &leave(version, &group, &member.id), version)?;
    run.ask("a beat after", &beat(&group, &member), 3)?;
    Ok(())
}

fn described(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let of = |groups: Vec<GroupId>| DescribeGroupsRequest::default().with_groups(groups);
    let member = stable(run, &group)?;
    run.ask("stable", &of(vec![group.clone()]), version)?;
    let nowhere = GroupId(run.name("nowhere"));
    run.ask("two", &of(vec![group.clone(), nowhere]), version)?;
    run.ask("none", &of(Vec::new()), version)?;
    if version >= 3 {
        let operations = of(vec![group.clone()]).with_include_authorized_operations(true);
        run.ask("operations", &operations, version)?;
    }
    run.quietly(&leave(1, &group, &member.id), 1)?;
    run.ask("empty", &of(vec![group]), version)?;
    Ok(())
}

/// Other scripts have groups, too: only filters that let none of theirs through.
fn listed(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    stable(run, &group)?;
    if version >= 4 {
        let states = ListGroupsRequest::default().with_states_filter(vec!["Dead".into()]);
        run.ask("dead", &states, version)?;
        let states = ListGroupsRequest::default().with_states_filter(vec!["Nonsense".into()]);
        run.ask("nonsense", &states, version)?;
    }
    if version >= 5 {
        let types = ListGroupsRequest::default().with_types_filter(vec!["share".into()]);
        run.ask("share groups", &types, version)?;
        let types = ListGroupsRequest::default().with_types_filter(vec!["nonsense".into()]);
        run.ask("groups of nonsense", &types, version)?;
    }
    let reply = run.quietly(&ListGroupsRequest::default(), version)?;
    let own = reply.groups.iter().find(|row| row.group_id == group);
    let own = own.ok_or_else(|| Stop::Failed("a stable group is not listed".into()))?;
    run.show("its row among all", own);
    Ok(())
}

fn deleted(run: &mut Run, version: i16) -> Outcome {
    let group = group(run);
    let member = stable(run, &group)?;
    let of = |groups: Vec<GroupId>| DeleteGroupsRequest::default().with_groups_names(groups);
    let nowhere = GroupId(run.name("nowhere"));
    run.ask("not empty", &of(vec![group.clone()]), version)?;
    run.ask("unknown", &of(vec![nowhere]), version)?;
    run.ask("none", &of(Vec::new()), version)?;
    run.quietly(&leave(1, &group, &member.id), 1)?;
    run.ask("empty", &of(vec![group.clone()]), version)?;
    run.ask("gone", &of(vec![group]), version)?;
    Ok(())
}

use super::*;
use crate::groups::{OFFSETS_TOPIC, partition_of};
use crate::wire::ErrorCode;
use crate::wire::messages::describe_groups_response::DescribedGroup;
use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::leave_group_request::MemberIdentity;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::wire::messages::offset_fetch_request::*;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// A broker that has `__consumer_offsets`.
fn start(shards: u16) -> Broker {
    let mut broker = Broker::start_with(shards, |config| {
        config.groups.initial_rebalance_delay_ms = 0;
    });
    find(&mut broker);
    broker
}

fn find(broker: &mut Broker) {
    let socket = broker.connect();
    let request = FindCoordinatorRequest::default().with_key(text("g"));
    let found = broker.ask(socket, &request, 1);
    assert_eq!((found.error_code, found.node_id.0), (0, 1000));
}

fn commit_of(name_of: &str, topic: &str, offsets: &[(i32, i64)]) -> OffsetCommitRequest {
    let partition = |(index, offset): &(i32, i64)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("note")))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name(topic))
        .with_partitions(offsets.iter().map(partition).collect());
    OffsetCommitRequest::default()
        .with_group_id(group(name_of))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

fn commit(broker: &mut Broker, socket: SocketId, of: &str, topic: &str, offset: i64) {
    let response = broker.ask(socket, &commit_of(of, topic, &[(0, offset)]), 8);
    assert_eq!(
        response.topics[0].partitions[0].error_code, 0,
        "{response:?}"
    );
}

/// The group's offset in partition 0; patient while groups are loaded.
fn fetch(broker: &mut Broker, socket: SocketId, of: &str, topic: &str) -> i64 {
    let asked = OffsetFetchRequestTopics::default()
        .with_name(name(topic))
        .with_partition_indexes(vec![0]);
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(group(of))
        .with_topics(Some(vec![asked]));
    let request = OffsetFetchRequest::default().with_groups(vec![asked]);
    for _ in 0..1_000 {
        let response = broker.ask(socket, &request, 8);
        let found = &response.groups[0];
        if found.error_code == ErrorCode::CoordinatorLoadInProgress.code() {
            broker.pass(Span::millis(10));
            continue;
        }
        assert_eq!(found.error_code, 0, "{response:?}");
        return found.topics[0].partitions[0].committed_offset;
    }
    panic!("the groups do not load");
}

fn join_of(of: &str, member: &StrBytes, version: i16) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(
            b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff",
        ));
    let mut request = JoinGroupRequest::default()
        .with_group_id(group(of))
        .with_session_timeout_ms(10_000)
        .with_member_id(member.clone())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    if version >= 1 {
        request.rebalance_timeout_ms = 20_000;
    }
    request
}

/// A member of its own group, through every phase, in the newest version not above `version`.
fn join(broker: &mut Broker, socket: SocketId, of: &str, version: i16) -> (StrBytes, i32) {
    let mut joined = broker.ask(socket, &join_of(of, &StrBytes::default(), version), version);
    if version >= 4 {
        assert_eq!(joined.error_code, ErrorCode::MemberIdRequired.code());
        let again = join_of(of, &joined.member_id, version);
        joined = broker.ask(socket, &again, version);
    }
    assert_eq!(joined.error_code, 0, "{joined:?}");
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
    (joined.member_id, joined.generation_id)
}

fn sync_of(of: &str, member: &StrBytes, generation: i32, version: i16) -> SyncGroupRequest {
    let given = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"all of it"));
    let mut request = SyncGroupRequest::default()
        .with_group_id(group(of))
        .with_member_id(member.clone())
        .with_generation_id(generation)
        .with_assignments(vec![given]);
    if version >= 5 {
        request.protocol_type = Some(text("consumer"));
        request.protocol_name = Some(text("range"));
    }
    request
}

fn describe(broker: &mut Broker, socket: SocketId, of: &str, version: i16) -> DescribedGroup {
    let request = DescribeGroupsRequest::default().with_groups(vec![group(of)]);
    broker.ask(socket, &request, version).groups.remove(0)
}

#[test]
fn a_member_goes_through_its_life_in_every_version() {
    let mut broker = start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    for version in 0..=9_i16 {
        let of = format!("group {version}");
        let (member, generation) = join(&mut broker, socket, &of, version);

        let sync = version.min(5);
        let synced = broker.ask(socket, &sync_of(&of, &member, generation, sync), sync);
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"all of it"[..])
        );
        let beat = HeartbeatRequest::default()
            .with_group_id(group(&of))
            .with_member_id(member.clone())
            .with_generation_id(generation);
        assert_eq!(broker.ask(socket, &beat, version.min(4)).error_code, 0);
        let mut offsets = commit_of(&of, "t", &[(0, 7)]);
        offsets.generation_id_or_member_epoch = generation;
        offsets.member_id = member.clone();
        let committed = broker.ask(socket, &offsets, version.max(2));
        assert_eq!(committed.topics[0].partitions[0].error_code, 0);
        let shown = describe(&mut broker, socket, &of, version.min(6));
        assert_eq!(
            (shown.error_code, shown.group_state.as_str()),
            (0, "Stable")
        );
        assert_eq!(shown.members[0].client_id.as_str(), "test");
        assert!(shown.members[0].client_host.starts_with('/'));

        leave(&mut broker, socket, &of, &member, version.min(5));
        let shown = describe(&mut broker, socket, &of, version.min(6));
        assert_eq!(shown.group_state.as_str(), "Empty");
    }
    let request = ListGroupsRequest::default();
    for version in 0..=5 {
        assert_eq!(broker.ask(socket, &request, version).groups.len(), 10);
    }
}

fn leave(broker: &mut Broker, socket: SocketId, of: &str, member: &StrBytes, version: i16) {
    let mut request = LeaveGroupRequest::default().with_group_id(group(of));
    if version >= 3 {
        let leaver = MemberIdentity::default().with_member_id(member.clone());
        request.members = vec![leaver];
    } else {
        request.member_id = member.clone();
    }
    let response = broker.ask(socket, &request, version);
    assert_eq!(response.error_code, 0);
    assert!(response.members.iter().all(|member| member.error_code == 0));
}

#[test]
fn offsets_are_fetched_in_every_version_by_partition_and_all_together() {
    let mut broker = start(2);
    broker.create_topic("t", 3);
    let socket = broker.connect();
    broker.ask(socket, &commit_of("g", "t", &[(0, 5), (2, 6)]), 8);

    for version in 1..=9 {
        let old = OffsetFetchRequestTopic::default()
            .with_name(name("t"))
            .with_partition_indexes(vec![2, 1]);
        let new = OffsetFetchRequestTopics::default()
            .with_name(name("t"))
            .with_partition_indexes(vec![2, 1]);
        let request = match version {
            1..=7 => OffsetFetchRequest::default()
                .with_group_id(group("g"))
                .with_topics(Some(vec![old])),
            _ => OffsetFetchRequest::default().with_groups(vec![
                OffsetFetchRequestGroup::default()
                    .with_group_id(group("g"))
                    .with_topics(Some(vec![new])),
                OffsetFetchRequestGroup::default()
                    .with_group_id(group("g"))
                    .with_topics(None),
            ]),
        };
        let response = broker.ask(socket, &request, version);
        assert_eq!(response.error_code, 0);
        if version < 8 {
            let parts = response.topics[0].partitions.iter();
            let found: Vec<_> = parts
                .map(|part| (part.committed_offset, part.error_code))
                .collect();
            assert_eq!(found, [(6, 0), (-1, 0)]);
            assert_eq!(
                response.topics[0].partitions[0].metadata.as_deref(),
                Some("note")
            );
        } else {
            let counts = response
                .groups
                .iter()
                .map(|own| own.topics[0].partitions.len());
            assert_eq!(counts.collect::<Vec<_>>(), [2, 2]);
            let all = response.groups[1].topics[0].partitions.iter();
            assert_eq!(
                all.map(|part| part.committed_offset).collect::<Vec<_>>(),
                [5, 6]
            );
        }
    }
}

#[test]
fn the_offsets_topic_is_made_on_first_use_and_is_not_the_clients() {
    let mut broker = start(2);
    let socket = broker.connect();

    let all = broker.ask(socket, &MetadataRequest::default().with_topics(None), 12);

    let topic = &all.topics[0];
    assert_eq!(
        topic.name.as_ref().map(|name| name.as_str()),
        Some(OFFSETS_TOPIC)
    );
    assert!(topic.is_internal && topic.partitions.len() == 50);
    let answer = broker.produce(socket, OFFSETS_TOPIC, 0, b"forged");
    assert_eq!(answer.error_code, ErrorCode::InvalidTopicException.code());
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name(OFFSETS_TOPIC)]);
    let response = broker.ask(socket, &request, 5);
    assert_eq!(
        response.responses[0].error_code,
        ErrorCode::InvalidRequest.code()
    );
}

#[test]
fn without_the_offsets_topic_clients_are_sent_to_look_for_it() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();

    let committed = broker.ask(socket, &commit_of("g", "t", &[(0, 1)]), 8);
    let listed = broker.ask(socket, &ListGroupsRequest::default(), 4);

    let code = committed.topics[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::NotCoordinator.code());
    assert_eq!((listed.error_code, listed.groups.len()), (0, 0));
}

#[test]
fn a_power_cut_loses_no_committed_offset_on_any_number_of_cores() {
    let mut broker = start(3);
    broker.create_topic("t", 1);
    let groups: Vec<String> = (0..12).map(|number| format!("group {number}")).collect();
    let mut offset = 0;
    for cores in [1, 3, 2] {
        let socket = broker.connect();
        for _ in 0..5 {
            offset += 1;
            for of in &groups {
                commit(&mut broker, socket, of, "t", offset);
            }
        }
        broker.send(socket, &commit_of(&groups[0], "t", &[(0, offset + 1)]), 8);

        broker.world.crash(true);
        broker.boot(cores);

        let socket = broker.connect();
        let first = fetch(&mut broker, socket, &groups[0], "t");
        assert!(
            first == offset || first == offset + 1,
            "{first} after {offset}"
        );
        for of in &groups[1..] {
            assert_eq!(fetch(&mut broker, socket, of, "t"), offset, "{of}");
        }
        offset += 1;
    }
}

#[test]
fn a_group_that_can_not_be_described_says_why_where_there_is_room() {
    // Nobody has asked for a coordinator yet.
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    for version in 0..=6 {
        let described = describe(&mut broker, socket, "g", version);

        assert_eq!(described.error_code, ErrorCode::NotCoordinator.code());
        let words = described.error_message.unwrap_or_default();
        assert_eq!(
            words.contains("__consumer_offsets"),
            version >= 6,
            "{words}"
        );
    }
}

#[test]
fn a_commit_is_not_answered_before_its_flush() {
    let mut broker = start(1);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    commit(&mut broker, socket, "g", "t", 1);

    broker.answers_after_the_flush(socket, &commit_of("g", "t", &[(0, 2)]), 8);
}

#[test]
fn a_stop_sends_members_that_wait_away_at_once() {
    let mut broker = start(2);
    let socket = broker.connect();
    let (member, _) = join(&mut broker, socket, "g", 9);
    let other = broker.connect();
    let invited = broker.ask(other, &join_of("g", &StrBytes::default(), 9), 9);
    broker.send(other, &join_of("g", &invited.member_id, 9), 9);
    assert!(
        broker.frame_within(other, Span::seconds(2)).is_none(),
        "{member} has not rejoined"
    );

    broker.world.stop();

    let (_, refused) = broker.reply::<JoinGroupRequest>(other, 9);
    assert_eq!(refused.error_code, ErrorCode::NotCoordinator.code());
    let began = broker.world.now();
    while broker.stopped.is_none() {
        assert!(broker.world.now().since(began) < Span::seconds(5));
        broker.pass(Span::millis(10));
    }
    assert_eq!(broker.stopped, Some(0));
}

#[test]
fn unknown_topics_and_deleted_ones_have_no_offsets() {
    let mut broker = start(2);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    let response = broker.ask(socket, &commit_of("g", "t", &[(0, 1), (9, 1)]), 8);
    let codes = response.topics[0].partitions.iter();
    let codes: Vec<_> = codes
        .map(|part| (part.partition_index, part.error_code))
        .collect();
    assert_eq!(codes, [(9, 3), (0, 0)]);
    let response = broker.ask(socket, &commit_of("g", "none", &[(0, 1)]), 8);
    assert_eq!(response.topics[0].partitions[0].error_code, 3);

    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
    broker.ask(socket, &request, 5);
    broker.pass(Span::seconds(1));

    assert_eq!(fetch(&mut broker, socket, "g", "t"), -1);
    let shown = describe(&mut broker, socket, "g", 6);
    assert_eq!(shown.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(shown.error_message.as_deref(), Some("Group g not found."));
}

#[test]
fn groups_and_offsets_are_deleted_when_nobody_is_in_the_way() {
    let mut broker = start(2);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    broker.ask(socket, &commit_of("g", "t", &[(0, 1), (1, 1)]), 8);
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name("t"))
        .with_partitions(vec![partition]);
    let one = OffsetDeleteRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![topic]);

    let gone = broker.ask(socket, &one, 0);

    assert_eq!(gone.topics[0].partitions[0].error_code, 0);
    assert_eq!(fetch(&mut broker, socket, "g", "t"), -1);
    for version in 0..=2 {
        broker.ask(socket, &commit_of("g", "t", &[(0, 1)]), 8);
        let all = DeleteGroupsRequest::default().with_groups_names(vec![group("g"), group("no")]);
        let results = broker.ask(socket, &all, version).results;
        let codes: Vec<_> = results.iter().map(|one| one.error_code).collect();
        assert_eq!(codes, [0, ErrorCode::GroupIdNotFound.code()]);
    }
    assert_eq!(fetch(&mut broker, socket, "g", "t"), -1);
    let gone = broker.ask(socket, &one, 0);
    assert_eq!(gone.error_code, ErrorCode::GroupIdNotFound.code());
}

#[test]
fn a_long_partition_is_shortened_and_loses_nothing() {
    const COUNT: i32 = 2_000;
    let mut broker = start(2);
    broker.create_topic("wide", COUNT);
    let socket = broker.connect();
    for round in 1..=6 {
        let offsets: Vec<(i32, i64)> = (0..COUNT).map(|index| (index, round)).collect();
        let response = broker.ask(socket, &commit_of("g", "wide", &offsets), 8);
        let parts = &response.topics[0].partitions;
        assert!(parts.iter().all(|part| part.error_code == 0));
    }

    broker.pass(Span::seconds(15));

    let partition = partition_of("g", 50) as i32;
    let part = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_timestamp(-2);
    let topic = ListOffsetsTopic::default()
        .with_name(name(OFFSETS_TOPIC))
        .with_partitions(vec![part]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let response = broker.ask(socket, &request, 7);
    assert_eq!(
        response.topics[0].partitions[0].offset,
        6 * i64::from(COUNT)
    );
    broker.world.crash(true);
    broker.boot(1);
    let socket = broker.connect();
    assert_eq!(fetch(&mut broker, socket, "g", "wide"), 6);
    let all = OffsetFetchRequestGroup::default()
        .with_group_id(group("g"))
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![all]);
    let response = broker.ask(socket, &request, 8);
    let parts = &response.groups[0].topics[0].partitions;
    assert_eq!(parts.len(), COUNT as usize);
    assert!(parts.iter().all(|part| part.committed_offset == 6));
}

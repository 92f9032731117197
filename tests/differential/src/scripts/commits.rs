//! OffsetCommit, OffsetFetch and OffsetDelete.

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    ApiKey, GroupId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::Case;
use super::groups::{group, stable, wait_coordinator};
use super::help::*;
use crate::run::{Outcome, Run, Topic};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::OffsetCommit, "simple", simple),
    Case::new(ApiKey::OffsetCommit, "members", members),
    Case::new(ApiKey::OffsetCommit, "bad", bad_commits),
    Case::new(ApiKey::OffsetFetch, "committed", fetched),
    Case::new(ApiKey::OffsetFetch, "unknown", unknown_fetched),
    Case::new(ApiKey::OffsetDelete, "offsets", deleted),
];

fn commit(group: &GroupId, topic: &Topic, parts: &[(i32, i64)]) -> OffsetCommitRequest {
    let parts = parts.iter().map(|(partition, offset)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some("a note".into()))
    });
    let wanted = OffsetCommitRequestTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(parts.collect());
    OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![wanted])
}

fn fetch_offsets(
    version: i16,
    group: &GroupId,
    asked: Option<(&Topic, &[i32])>,
) -> OffsetFetchRequest {
    if version < 8 {
        let topics = asked.map(|(topic, parts)| {
            let wanted = OffsetFetchRequestTopic::default().with_name(topic.name.clone());
            vec![wanted.with_partition_indexes(parts.to_vec())]
        });
        let request = OffsetFetchRequest::default().with_group_id(group.clone());
        return request.with_topics(topics);
    }
    let topics = asked.map(|(topic, parts)| {
        let wanted = OffsetFetchRequestTopics::default().with_name(topic.name.clone());
        vec![wanted.with_partition_indexes(parts.to_vec())]
    });
    let wanted = OffsetFetchRequestGroup::default()
        .with_group_id(group.clone())
        .with_topics(topics);
    let wanted = match version {
        ..9 => wanted,
        _ => wanted.with_member_id(None).with_member_epoch(-1),
    };
    OffsetFetchRequest::default().with_groups(vec![wanted])
}

/// The coordinator is found and has loaded.
fn ready(run: &Run, group: &GroupId) -> Outcome {
    wait_coordinator(run, group)?;
    run.wait("a loaded coordinator", |run| {
        let reply = run.quietly(&fetch_offsets(5, group, None), 5)?;
        Ok((reply.error_code == 0).then_some(()))
    })
}

/// Without a member: the group is only where the offsets are kept.
fn simple(run: &mut Run, version: i16) -> Outcome {
    let (group, topic) = (group(run), run.topic(3)?);
    ready(run, &group)?;
    run.ask("two", &commit(&group, &topic, &[(0, 5), (2, 7)]), version)?;
    run.ask("back", &commit(&group, &topic, &[(0, 1)]), version)?;
    run.ask(
        "beyond the end",
        &commit(&group, &topic, &[(1, 1 << 40)]),
        version,
    )?;
    run.ask("negative", &commit(&group, &topic, &[(1, -1)]), version)?;
    run.ask(
        "then",
        &fetch_offsets(5, &group, Some((&topic, &[0, 1, 2]))),
        5,
    )?;
    let mut silent = commit(&group, &topic, &[(0, 9)]);
    silent.topics[0].partitions[0].committed_metadata = None;
    run.ask("without a note", &silent, version)?;
    run.ask("then all", &fetch_offsets(5, &group, None), 5)?;
    Ok(())
}

fn members(run: &mut Run, version: i16) -> Outcome {
    let (group, topic) = (group(run), run.topic(1)?);
    let member = stable(run, &group)?;
    let mine = |generation: i32, id: &str| {
        commit(&group, &topic, &[(0, 3)])
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(StrBytes::from_string(id.to_string()))
    };
    let generation = member.generation;
    run.ask("its own", &mine(generation, &member.id), version)?;
    run.ask("stale", &mine(generation - 1, &member.id), version)?;
    run.ask(
        "from the future",
        &mine(generation + 1, &member.id),
        version,
    )?;
    run.ask("a stranger", &mine(generation, "nobody"), version)?;
    run.ask("nobody while somebody is there", &mine(-1, ""), version)?;
    if version >= 7 {
        let other = mine(generation, &member.id).with_group_instance_id(Some("other".into()));
        run.ask("another instance", &other, version)?;
    }
    Ok(())
}

fn bad_commits(run: &mut Run, version: i16) -> Outcome {
    let (group, topic) = (group(run), run.topic(1)?);
    ready(run, &group)?;
    run.ask(
        "unknown topic",
        &commit(&group, &unknown_topic(run), &[(0, 1)]),
        version,
    )?;
    run.ask(
        "unknown partitions",
        &commit(&group, &topic, &[(1, 1), (-1, 1)]),
        version,
    )?;
    run.ask(
        "one known",
        &commit(&group, &topic, &[(0, 1), (4, 1)]),
        version,
    )?;
    run.ask(
        "a bad name",
        &commit(&group, &named(".."), &[(0, 1)]),
        version,
    )?;
    run.ask(
        "no group",
        &commit(&GroupId("".into()), &topic, &[(0, 1)]),
        version,
    )?;
    run.ask(
        "nothing",
        &commit(&group, &topic, &[]).with_topics(Vec::new()),
        version,
    )?;
    let nowhere = GroupId(run.name("nowhere"));
    let request = commit(&nowhere, &topic, &[(0, 1)]);
    let generation = request.clone().with_generation_id_or_member_epoch(4);
    run.ask("a generation of no group", &generation, version)?;
    run.ask(
        "a member of no group",
        &generation.with_member_id("nobody".into()),
        version,
    )?;
    for length in [4096, 4097] {
        let mut long = commit(&group, &topic, &[(0, 2)]);
        let note = StrBytes::from_string("n".repeat(length));
        long.topics[0].partitions[0].committed_metadata = Some(note);
        run.ask(&format!("a note of {length}"), &long, version)?;
    }
    Ok(())
}

fn fetched(run: &mut Run, version: i16) -> Outcome {
    let (group, topic) = (group(run), run.topic(3)?);
    ready(run, &group)?;
    run.quietly(&commit(&group, &topic, &[(0, 5), (2, 7)]), 8)?;
    let parts: &[i32] = &[0, 1, 2, 9, -1];
    run.ask(
        "some",
        &fetch_offsets(version, &group, Some((&topic, parts))),
        version,
    )?;
    run.ask(
        "twice",
        &fetch_offsets(version, &group, Some((&topic, &[0, 0]))),
        version,
    )?;
    if version >= 2 {
        run.ask("all", &fetch_offsets(version, &group, None), version)?;
    }
    if version >= 7 {
        let stable = fetch_offsets(version, &group, Some((&topic, &[0])));
        run.ask("stable", &stable.with_require_stable(true), version)?;
    }
    if version >= 8 {
        let mut two = fetch_offsets(version, &group, None);
        let other = GroupId(run.name("other"));
        two.groups
            .extend(fetch_offsets(version, &other, None).groups);
        run.ask("two groups", &two, version)?;
        run.ask("no groups", &two.with_groups(Vec::new()), version)?;
    }
    Ok(())
}

fn unknown_fetched(run: &mut Run, version: i16) -> Outcome {
    let (group, topic) = (group(run), run.topic(1)?);
    ready(run, &group)?;
    let nowhere = unknown_topic(run);
    run.ask(
        "group",
        &fetch_offsets(version, &group, Some((&topic, &[0]))),
        version,
    )?;
    run.ask(
        "topic",
        &fetch_offsets(version, &group, Some((&nowhere, &[0]))),
        version,
    )?;
    let empty = GroupId("".into());
    run.ask(
        "no group",
        &fetch_offsets(version, &empty, Some((&topic, &[0]))),
        version,
    )?;
    run.ask(
        "no partitions",
        &fetch_offsets(version, &group, Some((&topic, &[]))),
        version,
    )?;
    Ok(())
}

fn deleted(run: &mut Run, version: i16) -> Outcome {
    let (group, topic) = (group(run), run.topic(3)?);
    ready(run, &group)?;
    run.quietly(&commit(&group, &topic, &[(0, 5), (2, 7)]), 8)?;
    let of = |group: &GroupId, topic: &Topic, parts: &[i32]| {
        let parts = parts.iter().map(|partition| {
            OffsetDeleteRequestPartition::default().with_partition_index(*partition)
        });
        let wanted = OffsetDeleteRequestTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(parts.collect());
        OffsetDeleteRequest::default()
            .with_group_id(group.clone())
            .with_topics(vec![wanted])
    };
    run.ask(
        "known and unknown",
        &of(&group, &topic, &[0, 1, 9]),
        version,
    )?;
    run.ask("then", &fetch_offsets(5, &group, None), 5)?;
    run.ask(
        "unknown topic",
        &of(&group, &unknown_topic(run), &[0]),
        version,
    )?;
    let nowhere = GroupId(run.name("nowhere"));
    run.ask("unknown group", &of(&nowhere, &topic, &[0]), version)?;
    Ok(())
}

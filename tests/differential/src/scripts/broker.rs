//! ApiVersions, Metadata, DescribeCluster and FindCoordinator.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, DescribeClusterRequest, FindCoordinatorRequest, GroupId,
    MetadataRequest,
};

use super::Case;
use super::groups::wait_coordinator;
use super::help::*;
use crate::run::{Outcome, Run, Topic};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::ApiVersions, "list", list),
    Case::new(ApiKey::ApiVersions, "software-names", software_names).since(3),
    Case::new(ApiKey::Metadata, "known", known),
    Case::new(ApiKey::Metadata, "unknown", unknown),
    Case::new(ApiKey::Metadata, "auto-created", auto_created),
    Case::new(ApiKey::Metadata, "by-id", by_id).since(10),
    Case::new(ApiKey::Metadata, "operations", operations).since(8),
    Case::new(ApiKey::DescribeCluster, "cluster", cluster),
    Case::new(ApiKey::FindCoordinator, "groups", coordinator_of_groups).with(ApiKey::JoinGroup),
    Case::new(ApiKey::FindCoordinator, "bad-keys", coordinator_of_bad_keys).with(ApiKey::JoinGroup),
    // Kafka makes a topic for them, which others would see.
    Case::new(
        ApiKey::FindCoordinator,
        "transactions",
        coordinator_of_transactions,
    )
    .since(1)
    .alone(),
];

fn list(run: &mut Run, version: i16) -> Outcome {
    let request = match version {
        ..3 => ApiVersionsRequest::default(),
        _ => named_client("differential", "1.0"),
    };
    run.ask("all", &request, version)?;
    Ok(())
}

fn named_client(name: &'static str, version: &'static str) -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(name.into())
        .with_client_software_version(version.into())
}

fn software_names(run: &mut Run, version: i16) -> Outcome {
    for (name, release) in [
        ("", "1"),
        ("a", ""),
        ("a b", "1"),
        ("-a", "1"),
        ("a", "1-"),
        ("é", "1"),
    ] {
        let request = named_client(name, release);
        run.ask(&format!("{name:?} {release:?}"), &request, version)?;
    }
    Ok(())
}

fn metadata(version: i16, topics: &[Topic], create: bool) -> MetadataRequest {
    let topics = topics
        .iter()
        .map(|topic| MetadataRequestTopic::default().with_name(Some(topic.name.clone())));
    let request = MetadataRequest::default().with_topics(Some(topics.collect()));
    match version {
        ..4 => request,
        _ => request.with_allow_auto_topic_creation(create),
    }
}

fn known(run: &mut Run, version: i16) -> Outcome {
    let one = run.topic_with("one", 3, &[])?;
    let two = run.topic_with("two", 1, &[])?;
    run.ask(
        "one",
        &metadata(version, std::slice::from_ref(&one), false),
        version,
    )?;
    run.ask(
        "two",
        &metadata(version, &[one.clone(), two.clone()], false),
        version,
    )?;
    run.ask(
        "one twice",
        &metadata(version, &[one.clone(), one.clone()], false),
        version,
    )?;
    let all = match version {
        0 => metadata(version, &[], false),
        _ => metadata(version, &[], false).with_topics(None),
    };
    let all = run.quietly(&all, version)?;
    let of_one = all
        .topics
        .iter()
        .find(|row| row.name.as_ref() == Some(&one.name));
    run.show("one among all", &of_one);
    if version >= 1 {
        // In version 0 an empty list asks for every topic.
        run.ask("none", &metadata(version, &[], false), version)?;
    }
    Ok(())
}

fn unknown(run: &mut Run, version: i16) -> Outcome {
    if version >= 4 {
        run.ask(
            "not made",
            &metadata(version, &[unknown_topic(run)], false),
            version,
        )?;
    }
    for name in ["", ".", "..", "a b", "a/b", "é"] {
        let request = metadata(version, &[named(name)], false);
        run.ask(&format!("{name:?}"), &request, version)?;
        run.ask(
            &format!("{name:?}, to be made"),
            &metadata(version, &[named(name)], true),
            version,
        )?;
    }
    Ok(())
}

fn auto_created(run: &mut Run, version: i16) -> Outcome {
    let topic = Topic {
        name: kafka_protocol::messages::TopicName(run.name("new")),
        ..unknown_topic(run)
    };
    run.ask(
        "first",
        &metadata(version, std::slice::from_ref(&topic), true),
        version,
    )?;
    let id = run.wait_led(&topic.name, 1)?;
    run.call(id, "made");
    run.ask("then", &metadata(version, &[topic], true), version)?;
    Ok(())
}

fn by_id(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let nowhere = unknown_topic(run);
    let of = |topic: &Topic| {
        let wanted = MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(topic.id);
        MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(true)
    };
    let _ = run.ask("known", &of(&topic), version);
    let _ = run.ask("unknown", &of(&nowhere), version);
    let mut both = of(&topic);
    both.topics
        .iter_mut()
        .flatten()
        .for_each(|wanted| wanted.name = Some(topic.name.clone()));
    let _ = run.ask("id and name", &both, version);
    let mut neither = of(&topic);
    neither
        .topics
        .iter_mut()
        .flatten()
        .for_each(|wanted| wanted.topic_id = uuid::Uuid::nil());
    let _ = run.ask("neither", &neither, version);
    Ok(())
}

fn operations(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let request = metadata(version, &[topic], false);
    let of_topic = request
        .clone()
        .with_include_topic_authorized_operations(true);
    run.ask("of the topic", &of_topic, version)?;
    if version <= 10 {
        let of_cluster = request.with_include_cluster_authorized_operations(true);
        run.ask("of the cluster", &of_cluster, version)?;
    }
    Ok(())
}

fn cluster(run: &mut Run, version: i16) -> Outcome {
    let request = DescribeClusterRequest::default();
    run.ask("plain", &request, version)?;
    let operations = request
        .clone()
        .with_include_cluster_authorized_operations(true);
    run.ask("operations", &operations, version)?;
    if version >= 1 {
        for kind in [2, 3, 0] {
            let request = request.clone().with_endpoint_type(kind);
            run.ask(&format!("endpoints {kind}"), &request, version)?;
        }
    }
    if version >= 2 {
        run.ask(
            "fenced",
            &request.with_include_fenced_brokers(true),
            version,
        )?;
    }
    Ok(())
}

fn coordinator(version: i16, kind: i8, keys: &[&'static str]) -> FindCoordinatorRequest {
    let request = FindCoordinatorRequest::default();
    let request = match version {
        ..1 => request,
        _ => request.with_key_type(kind),
    };
    match version {
        ..4 => request.with_key(keys.first().copied().unwrap_or("").into()),
        _ => request.with_coordinator_keys(keys.iter().map(|key| (*key).into()).collect()),
    }
}

fn coordinator_of_groups(run: &mut Run, version: i16) -> Outcome {
    let request = coordinator(version, 0, &["a group"]);
    // Kafka makes its internal topic when it is first asked.
    run.wait("a coordinator", |run| {
        let reply = run.quietly(&request, version)?;
        let code = reply
            .coordinators
            .first()
            .map_or(reply.error_code, |row| row.error_code);
        Ok((code != 15).then_some(()))
    })?;
    run.ask("one", &request, version)?;
    if version >= 4 {
        run.ask(
            "two",
            &coordinator(version, 0, &["a group", "another"]),
            version,
        )?;
        run.ask("none", &coordinator(version, 0, &[]), version)?;
    }
    Ok(())
}

/// Waits until a broker that has transactions has made the topic for them.
pub(super) fn wait_transactions(run: &Run) -> Outcome {
    let versions = run.quietly(&ApiVersionsRequest::default(), 0)?;
    let adds = ApiKey::AddPartitionsToTxn as i16;
    if !versions.api_keys.iter().any(|row| row.api_key == adds) {
        return Ok(());
    }
    run.wait("a coordinator of transactions", |run| {
        let reply = run.quietly(&coordinator(4, 1, &["any"]), 4)?;
        let code = reply.coordinators.first().map(|row| row.error_code);
        Ok((code == Some(0)).then_some(()))
    })
}

fn coordinator_of_transactions(run: &mut Run, version: i16) -> Outcome {
    wait_transactions(run)?;
    run.ask("one", &coordinator(version, 1, &["a"]), version)?;
    Ok(())
}

fn coordinator_of_bad_keys(run: &mut Run, version: i16) -> Outcome {
    wait_coordinator(run, &GroupId("a group".into()))?;
    run.ask("empty", &coordinator(version, 0, &[""]), version)?;
    if version >= 1 {
        for kind in [3, 9, -1] {
            let _ = run.ask(
                &format!("kind {kind}"),
                &coordinator(version, kind, &["a"]),
                version,
            );
        }
    }
    Ok(())
}

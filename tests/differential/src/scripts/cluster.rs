//! What one node answers shortly: partitions, producers, transactions, log directories, quorum,
//! elections, reassignments, features, ACLs, quotas, credentials.

use kafka_protocol::messages::alter_partition_reassignments_request as moved;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest as ProducersOf;
use kafka_protocol::messages::describe_quorum_request as quorum;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request as moving;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::Case;
use super::help::*;
use crate::run::{Outcome, Run, Topic};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::DescribeTopicPartitions, "topics", topic_partitions),
    Case::new(ApiKey::DescribeTopicPartitions, "pages", pages),
    Case::new(ApiKey::DescribeProducers, "producers", producers),
    Case::new(ApiKey::DescribeTransactions, "unknown", transactions),
    Case::new(ApiKey::ListTransactions, "none", no_transactions),
    Case::new(ApiKey::DescribeLogDirs, "dirs", log_dirs),
    Case::new(ApiKey::DescribeQuorum, "metadata", metadata_quorum),
    Case::new(ApiKey::DescribeQuorum, "unknown", no_quorum),
    Case::new(ApiKey::ElectLeaders, "elections", elections),
    Case::new(ApiKey::AlterPartitionReassignments, "moves", moves),
    Case::new(ApiKey::ListPartitionReassignments, "none", no_moves),
    Case::new(ApiKey::UpdateFeatures, "unknown", features),
    Case::new(ApiKey::DescribeAcls, "filters", describe_acls),
    Case::new(ApiKey::CreateAcls, "one", create_acls),
    Case::new(ApiKey::DeleteAcls, "one", delete_acls),
    Case::new(ApiKey::DescribeClientQuotas, "filters", quotas),
    Case::new(ApiKey::DescribeUserScramCredentials, "users", credentials),
];

fn about(topics: &[TopicName], limit: i32) -> DescribeTopicPartitionsRequest {
    let named = |name: &TopicName| TopicRequest::default().with_name(name.clone());
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.iter().map(named).collect())
        .with_response_partition_limit(limit)
}

fn topic_partitions(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(3)?.name;
    let nowhere = unknown_topic(run).name;
    let one = std::slice::from_ref(&topic);
    run.ask("one", &about(one, 2000), version)?;
    run.ask(
        "unknown",
        &about(std::slice::from_ref(&nowhere), 2000),
        version,
    )?;
    run.ask("both", &about(&[topic.clone(), nowhere], 2000), version)?;
    run.ask(
        "twice",
        &about(&[topic.clone(), topic.clone()], 2000),
        version,
    )?;
    for name in ["", "..", "a b"] {
        let bad = about(&[named(name).name], 2000);
        run.ask(&format!("{name:?}"), &bad, version)?;
    }
    for limit in [0, -1, i32::MAX] {
        run.ask(&format!("limit {limit}"), &about(one, limit), version)?;
    }
    Ok(())
}

fn pages(run: &mut Run, version: i16) -> Outcome {
    let (a, b) = (
        run.topic_with("a", 3, &[])?.name,
        run.topic_with("b", 2, &[])?.name,
    );
    let both = [a.clone(), b.clone()];
    run.ask("two of five", &about(&both, 2), version)?;
    let from = |topic: &TopicName, partition: i32| {
        let cursor = Cursor::default()
            .with_topic_name(topic.clone())
            .with_partition_index(partition);
        about(&both, 2).with_cursor(Some(cursor))
    };
    run.ask("from the third", &from(&a, 2), version)?;
    run.ask("from the end of one", &from(&a, 3), version)?;
    run.ask("from the last", &from(&b, 1), version)?;
    run.ask("from beyond", &from(&b, 7), version)?;
    run.ask("from before", &from(&a, -1), version)?;
    run.ask("from nowhere", &from(&unknown_topic(run).name, 0), version)?;
    Ok(())
}

fn producers(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    let (id, epoch) = producer(run)?;
    let batch = records(run, 3).producer(id, epoch, 0).build();
    fill(run, &topic, 0, batch)?;
    let of = |name: &TopicName, parts: &[i32]| {
        let topic = ProducersOf::default()
            .with_name(name.clone())
            .with_partition_indexes(parts.to_vec());
        DescribeProducersRequest::default().with_topics(vec![topic])
    };
    run.ask("one", &of(&topic.name, &[0, 1]), version)?;
    run.ask("unknown partitions", &of(&topic.name, &[2, -1]), version)?;
    run.ask("no partitions", &of(&topic.name, &[]), version)?;
    run.ask(
        "unknown topic",
        &of(&unknown_topic(run).name, &[0]),
        version,
    )?;
    run.ask("bad topic", &of(&named("..").name, &[0]), version)?;
    run.ask("none", &DescribeProducersRequest::default(), version)?;
    Ok(())
}

fn transactions(run: &mut Run, version: i16) -> Outcome {
    let of = |ids: &[StrBytes]| {
        let ids = ids.iter().map(|id| TransactionalId(id.clone()));
        DescribeTransactionsRequest::default().with_transactional_ids(ids.collect())
    };
    let unknown = run.name("unknown");
    run.ask("unknown", &of(&[unknown]), version)?;
    run.ask("none", &of(&[]), version)?;
    Ok(())
}

fn no_transactions(run: &mut Run, version: i16) -> Outcome {
    let all = ListTransactionsRequest::default();
    run.ask("all", &all, version)?;
    for state in ["Ongoing", "Empty", "Nonsense", ""] {
        let request = all.clone().with_state_filters(vec![state.into()]);
        run.ask(&format!("state {state:?}"), &request, version)?;
    }
    let request = all.clone().with_producer_id_filters(vec![7.into()]);
    run.ask("a producer", &request, version)?;
    if version >= 1 {
        for time in [0, 5, -2] {
            let request = all.clone().with_duration_filter(time);
            run.ask(&format!("since {time}"), &request, version)?;
        }
    }
    if version >= 2 {
        for pattern in ["a.*", "", "("] {
            let pattern = Some(StrBytes::from_static_str(pattern));
            let request = all.clone().with_transactional_id_pattern(pattern.clone());
            run.ask(&format!("pattern {pattern:?}"), &request, version)?;
        }
    }
    Ok(())
}

fn log_dirs(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    let batch = batch(run, 3);
    fill(run, &topic, 0, batch)?;
    let of = |name: &TopicName, parts: &[i32]| {
        let topic = DescribableLogDirTopic::default()
            .with_topic(name.clone())
            .with_partitions(parts.to_vec());
        DescribeLogDirsRequest::default().with_topics(Some(vec![topic]))
    };
    run.ask("some", &of(&topic.name, &[0, 1]), version)?;
    run.ask("one", &of(&topic.name, &[1]), version)?;
    run.ask("unknown partitions", &of(&topic.name, &[2, -1]), version)?;
    run.ask("no partitions", &of(&topic.name, &[]), version)?;
    run.ask(
        "unknown topic",
        &of(&unknown_topic(run).name, &[0]),
        version,
    )?;
    let none = DescribeLogDirsRequest::default().with_topics(Some(Vec::new()));
    run.ask("none", &none, version)?;
    Ok(())
}

fn quorum_of(name: &'static str, parts: &[i32]) -> DescribeQuorumRequest {
    let parts = parts.iter();
    let parts = parts.map(|part| quorum::PartitionData::default().with_partition_index(*part));
    let topic = quorum::TopicData::default()
        .with_topic_name(named(name).name)
        .with_partitions(parts.collect());
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

fn metadata_quorum(run: &mut Run, version: i16) -> Outcome {
    run.ask("metadata", &quorum_of("__cluster_metadata", &[0]), version)?;
    Ok(())
}

fn no_quorum(run: &mut Run, version: i16) -> Outcome {
    run.ask("another topic", &quorum_of("topic", &[0]), version)?;
    run.ask(
        "another partition",
        &quorum_of("__cluster_metadata", &[1]),
        version,
    )?;
    run.ask(
        "no partition",
        &quorum_of("__cluster_metadata", &[]),
        version,
    )?;
    run.ask(
        "two partitions",
        &quorum_of("__cluster_metadata", &[0, 1]),
        version,
    )?;
    run.ask("none", &DescribeQuorumRequest::default(), version)?;
    Ok(())
}

fn elections(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    let of = |name: &TopicName, parts: &[i32], kind: i8| {
        let topic = TopicPartitions::default()
            .with_topic(name.clone())
            .with_partitions(parts.to_vec());
        let request = ElectLeadersRequest::default()
            .with_topic_partitions(Some(vec![topic]))
            .with_timeout_ms(30_000);
        // The first version knows the preferred election only.
        if version >= 1 {
            request.with_election_type(kind)
        } else {
            request
        }
    };
    for kind in [0, 1] {
        run.ask(&format!("{kind}"), &of(&topic.name, &[0, 1], kind), version)?;
    }
    run.ask(
        "unknown partition",
        &of(&topic.name, &[0, 2, -1], 0),
        version,
    )?;
    run.ask("no partition", &of(&topic.name, &[], 0), version)?;
    run.ask(
        "unknown topic",
        &of(&unknown_topic(run).name, &[0], 0),
        version,
    )?;
    let none = of(&topic.name, &[0], 0).with_topic_partitions(Some(Vec::new()));
    run.ask("none", &none, version)?;
    if version >= 1 {
        run.ask("no such election", &of(&topic.name, &[0], 5), version)?;
    }
    Ok(())
}

fn moves(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    let to = |name: &TopicName, index: i32, replicas: Option<&[i32]>| {
        let ids = replicas.map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
        let partition = moved::ReassignablePartition::default()
            .with_partition_index(index)
            .with_replicas(ids);
        let topic = moved::ReassignableTopic::default()
            .with_name(name.clone())
            .with_partitions(vec![partition]);
        AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(30_000)
            .with_topics(vec![topic])
    };
    let own = Some(&[1000][..]);
    run.ask("where it is", &to(&topic.name, 0, own), version)?;
    run.ask("none under way", &to(&topic.name, 0, None), version)?;
    run.ask("unknown broker", &to(&topic.name, 0, Some(&[7])), version)?;
    run.ask("no broker", &to(&topic.name, 0, Some(&[])), version)?;
    run.ask("twice", &to(&topic.name, 0, Some(&[1000, 1000])), version)?;
    run.ask("unknown partition", &to(&topic.name, 9, own), version)?;
    run.ask(
        "unknown topic",
        &to(&unknown_topic(run).name, 0, own),
        version,
    )?;
    let none = to(&topic.name, 0, own).with_topics(Vec::new());
    run.ask("none", &none, version)?;
    Ok(())
}

fn no_moves(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(2)?;
    let all = ListPartitionReassignmentsRequest::default().with_timeout_ms(30_000);
    let of = |topic: &Topic, parts: &[i32]| {
        let topic = moving::ListPartitionReassignmentsTopics::default()
            .with_name(topic.name.clone())
            .with_partition_indexes(parts.to_vec());
        all.clone().with_topics(Some(vec![topic]))
    };
    run.ask("all", &all.clone().with_topics(None), version)?;
    run.ask("some", &of(&topic, &[0, 1]), version)?;
    run.ask("unknown partition", &of(&topic, &[9]), version)?;
    run.ask("unknown topic", &of(&unknown_topic(run), &[0]), version)?;
    run.ask("none", &all.clone().with_topics(Some(Vec::new())), version)?;
    Ok(())
}

fn features(run: &mut Run, version: i16) -> Outcome {
    let to = |name: &str, level: i16| {
        let update = FeatureUpdateKey::default()
            .with_feature(StrBytes::from_string(name.to_string()))
            .with_max_version_level(level);
        UpdateFeaturesRequest::default()
            .with_timeout_ms(30_000)
            .with_feature_updates(vec![update])
    };
    run.ask("unknown", &to("no.such.feature", 1), version)?;
    run.ask("no name", &to("", 1), version)?;
    run.ask("unknown, to nothing", &to("no.such.feature", 0), version)?;
    let none = to("x", 1).with_feature_updates(Vec::new());
    run.ask("none", &none, version)?;
    if version >= 1 {
        run.ask(
            "trial",
            &to("no.such.feature", 1).with_validate_only(true),
            version,
        )?;
    }
    Ok(())
}

fn describe_acls(run: &mut Run, version: i16) -> Outcome {
    // Kind, pattern, operation, permission: ANY is 1 in all of them.
    for (kind, pattern, operation, permission) in [
        (1, 1, 1, 1),
        (2, 3, 3, 3),
        (0, 1, 1, 1),
        (2, 3, 99, 3),
        (-1, 1, 1, 1),
    ] {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(kind)
            .with_resource_name_filter((kind == 2).then(|| "t".into()))
            .with_pattern_type_filter(pattern)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(operation)
            .with_permission_type(permission);
        // A closed connection is an answer, too.
        let _ = run.ask(
            &format!("{kind} {pattern} {operation} {permission}"),
            &request,
            version,
        );
    }
    Ok(())
}

fn create_acls(run: &mut Run, version: i16) -> Outcome {
    let good = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name("t".into())
        .with_resource_pattern_type(3)
        .with_principal("User:someone".into())
        .with_host("*".into())
        .with_operation(3)
        .with_permission_type(3);
    let of = |creations| CreateAclsRequest::default().with_creations(creations);
    run.ask("one", &of(vec![good.clone()]), version)?;
    run.ask("two", &of(vec![good.clone(), good.clone()]), version)?;
    run.ask("none", &of(Vec::new()), version)?;
    let bad = good.clone().with_principal("nobody".into());
    run.ask("a bad principal", &of(vec![bad]), version)?;
    let any = good.with_resource_type(1);
    run.ask("of any kind", &of(vec![any]), version)?;
    Ok(())
}

fn delete_acls(run: &mut Run, version: i16) -> Outcome {
    let all = DeleteAclsFilter::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    let of = |filters| DeleteAclsRequest::default().with_filters(filters);
    run.ask("all", &of(vec![all.clone()]), version)?;
    run.ask("two", &of(vec![all.clone(), all.clone()]), version)?;
    run.ask("none", &of(Vec::new()), version)?;
    let bad = all.with_operation(99);
    run.ask("no operation", &of(vec![bad]), version)?;
    Ok(())
}

fn quotas(run: &mut Run, version: i16) -> Outcome {
    let of = |kind: &'static str, how: i8, name: Option<&'static str>| {
        let component = ComponentData::default()
            .with_entity_type(kind.into())
            .with_match_type(how)
            .with_match(name.map(StrBytes::from_static_str));
        DescribeClientQuotasRequest::default().with_components(vec![component])
    };
    run.ask("all", &DescribeClientQuotasRequest::default(), version)?;
    run.ask("a user", &of("user", 0, Some("someone")), version)?;
    run.ask("the default user", &of("user", 1, None), version)?;
    run.ask("any client", &of("client-id", 2, None), version)?;
    run.ask("an address", &of("ip", 0, Some("10.0.0.1")), version)?;
    run.ask("a bad address", &of("ip", 0, Some("no address")), version)?;
    run.ask("no entity", &of("", 2, None), version)?;
    run.ask("unknown entity", &of("planet", 2, None), version)?;
    run.ask("no such match", &of("user", 9, None), version)?;
    run.ask("a name that is none", &of("user", 0, None), version)?;
    let strict = of("user", 2, None).with_strict(true);
    run.ask("strict", &strict, version)?;
    let mut twice = of("user", 2, None);
    twice.components.extend(twice.components.clone());
    run.ask("one entity twice", &twice, version)?;
    Ok(())
}

fn credentials(run: &mut Run, version: i16) -> Outcome {
    let of = |names: &[&'static str]| {
        let users = names
            .iter()
            .map(|name| UserName::default().with_name((*name).into()));
        DescribeUserScramCredentialsRequest::default().with_users(Some(users.collect()))
    };
    let all = DescribeUserScramCredentialsRequest::default().with_users(None);
    run.ask("all", &all, version)?;
    run.ask("one", &of(&["someone"]), version)?;
    run.ask("no name", &of(&[""]), version)?;
    run.ask("twice", &of(&["someone", "someone"]), version)?;
    run.ask("none", &of(&[]), version)?;
    Ok(())
}

//! Fetch, without sessions and with.

use kafka_protocol::messages::fetch_request::{FetchPartition, ForgottenTopic};
use kafka_protocol::messages::{ApiKey, BrokerId, FetchRequest};
use thalweg::wire::batch::Codec;

use super::Case;
use super::help::*;
use crate::run::{Outcome, Run, Topic};

const API: ApiKey = ApiKey::Fetch;

pub const CASES: &[Case] = &[
    Case::new(API, "whole", whole),
    Case::new(API, "offsets", offsets),
    Case::new(API, "unknown", unknown),
    Case::new(API, "limits", limits),
    Case::new(API, "leader-epochs", leader_epochs).since(9),
    Case::new(API, "last-fetched-epochs", last_fetched).since(12),
    Case::new(API, "isolation", isolation),
    Case::new(API, "replicas", replicas).until(14),
    Case::new(API, "session", session).since(7),
    Case::new(API, "bad-sessions", bad_sessions).since(7),
    Case::new(API, "compressed", compressed),
    Case::new(API, "cluster-id", cluster_id).since(12),
];

/// Three batches of two, three and four records.
fn filled(run: &mut Run) -> Result<Topic, crate::run::Stop> {
    let topic = run.topic(2)?;
    for count in [2, 3, 4] {
        fill(run, &topic, 0, batch(run, count))?;
    }
    Ok(topic)
}

fn whole(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    run.ask(
        "both partitions",
        &fetch(version, &topic, &[(0, 0), (1, 0)]),
        version,
    )?;
    run.ask("no partitions", &fetch(version, &topic, &[]), version)?;
    let nothing = fetch(version, &topic, &[]).with_topics(Vec::new());
    run.ask("no topics", &nothing, version)?;
    run.ask(
        "one partition twice",
        &fetch(version, &topic, &[(0, 0), (0, 5)]),
        version,
    )?;
    Ok(())
}

fn offsets(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for offset in [1, 2, 4, 5, 8, 9, 10, -1, -2, i64::MIN, i64::MAX] {
        run.ask(
            &format!("at {offset}"),
            &fetch(version, &topic, &[(0, offset)]),
            version,
        )?;
    }
    Ok(())
}

fn unknown(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let nowhere = unknown_topic(run);
    run.ask("topic", &fetch(version, &nowhere, &[(0, 0)]), version)?;
    for partition in [1, -1, i32::MAX] {
        let request = fetch(version, &topic, &[(partition, 0)]);
        run.ask(&format!("partition {partition}"), &request, version)?;
    }
    let mut both = fetch(version, &topic, &[(0, 0)]);
    both.topics
        .extend(fetch(version, &nowhere, &[(0, 0)]).topics);
    run.ask("one known", &both, version)?;
    Ok(())
}

fn limits(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let asked = |partition_max: i32, max: i32| {
        let part = FetchPartition::default().with_partition_max_bytes(partition_max);
        fetch_parts(version, &topic, vec![part]).with_max_bytes(max)
    };
    for (partition_max, max) in [
        (1, 1 << 20),
        (100, 1 << 20),
        (200, 1 << 20),
        (1 << 20, 1),
        (0, 0),
        (-1, 1 << 20),
        (1, -1),
    ] {
        let label = format!("{partition_max} of {max} bytes");
        run.ask(&label, &asked(partition_max, max), version)?;
    }
    let patient = asked(1 << 20, 1 << 20)
        .with_max_wait_ms(200)
        .with_min_bytes(1);
    run.ask("at least a byte", &patient, version)?;
    run.ask(
        "more than there is",
        &patient.with_min_bytes(1 << 19),
        version,
    )?;
    Ok(())
}

fn leader_epochs(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for epoch in [-1, 0, 1, 5, -2] {
        let part = FetchPartition::default()
            .with_current_leader_epoch(epoch)
            .with_partition_max_bytes(1 << 20);
        run.ask(
            &format!("epoch {epoch}"),
            &fetch_parts(version, &topic, vec![part]),
            version,
        )?;
    }
    Ok(())
}

fn last_fetched(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for (epoch, offset) in [(0, 2), (0, 9), (0, 10), (1, 2), (7, 0), (-1, 2)] {
        let part = FetchPartition::default()
            .with_last_fetched_epoch(epoch)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let request = fetch_parts(version, &topic, vec![part]);
        run.ask(&format!("epoch {epoch} at {offset}"), &request, version)?;
    }
    Ok(())
}

fn isolation(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let request = fetch(version, &topic, &[(0, 2)]);
    for level in [0, 1, 2, -1] {
        let request = request.clone().with_isolation_level(level);
        let _ = run.ask(&format!("level {level}"), &request, version);
    }
    Ok(())
}

fn replicas(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let request = fetch(version, &topic, &[(0, 0)]);
    for id in [-1, -2, 7, 1000] {
        let request = request.clone().with_replica_id(BrokerId(id));
        let _ = run.ask(&format!("replica {id}"), &request, version);
    }
    Ok(())
}

fn in_session(request: FetchRequest, id: i32, epoch: i32) -> FetchRequest {
    request.with_session_id(id).with_session_epoch(epoch)
}

fn session(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let first = in_session(fetch(version, &topic, &[(0, 0), (1, 0)]), 0, 0);
    let opened = run.ask("a new one", &first, version)?;
    let id = opened.session_id;
    run.call(id, "session");
    let nothing = |epoch: i32| {
        let request = fetch(version, &topic, &[]).with_topics(Vec::new());
        in_session(request, id, epoch)
    };
    run.ask("the same again", &nothing(1), version)?;
    let moved = in_session(fetch(version, &topic, &[(0, 9)]), id, 2);
    run.ask("read to the end", &moved, version)?;
    run.ask("nothing new", &nothing(3), version)?;
    fill(run, &topic, 1, batch(run, 1))?;
    run.ask("something new", &nothing(4), version)?;
    let forgotten = ForgottenTopic::default().with_partitions(vec![1]);
    let forgotten = match version {
        ..13 => forgotten.with_topic(topic.name.clone()),
        _ => forgotten.with_topic_id(topic.id),
    };
    let request = nothing(5).with_forgotten_topics_data(vec![forgotten]);
    run.ask("one partition less", &request, version)?;
    run.ask("an epoch again", &nothing(5), version)?;
    run.ask("an epoch too far", &nothing(9), version)?;
    run.ask("the right epoch", &nothing(6), version)?;
    let last = in_session(fetch(version, &topic, &[(0, 0)]), id, -1);
    run.ask("the end of it", &last, version)?;
    run.ask("after its end", &nothing(7), version)?;
    Ok(())
}

fn bad_sessions(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let request = fetch(version, &topic, &[(0, 0)]);
    for (id, epoch) in [
        (123_456, 1),
        (123_456, 0),
        (123_456, -1),
        (0, 5),
        (-1, 1),
        (0, -2),
    ] {
        let request = in_session(request.clone(), id, epoch);
        run.ask(&format!("session {id} epoch {epoch}"), &request, version)?;
    }
    let lost = in_session(fetch(version, &unknown_topic(run), &[(0, 0)]), 0, 0);
    run.ask("of an unknown topic", &lost, version)?;
    Ok(())
}

fn compressed(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        fill(run, &topic, 0, records(run, 5).codec(codec).build())?;
    }
    run.ask("all", &fetch(version, &topic, &[(0, 0)]), version)?;
    run.ask("from within", &fetch(version, &topic, &[(0, 7)]), version)?;
    Ok(())
}

fn cluster_id(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let request = fetch(version, &topic, &[(0, 8)]);
    run.ask(
        "another",
        &request.with_cluster_id(Some("another".into())),
        version,
    )?;
    Ok(())
}

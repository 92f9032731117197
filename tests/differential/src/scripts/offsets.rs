//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords.

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    ApiKey, BrokerId, DeleteRecordsRequest, OffsetForLeaderEpochRequest,
};
use thalweg::wire::batch::Codec;

use super::Case;
use super::help::*;
use crate::run::{Outcome, Run, Topic};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::ListOffsets, "specials", specials),
    Case::new(ApiKey::ListOffsets, "times", times),
    Case::new(ApiKey::ListOffsets, "empty", empty),
    Case::new(ApiKey::ListOffsets, "unknown", unknown),
    Case::new(ApiKey::ListOffsets, "leader-epochs", leader_epochs).since(4),
    Case::new(ApiKey::ListOffsets, "isolation", isolation).since(2),
    Case::new(ApiKey::ListOffsets, "replicas", replicas),
    Case::new(ApiKey::ListOffsets, "compressed", compressed),
    Case::new(ApiKey::ListOffsets, "log-append-time", log_append_time),
    Case::new(ApiKey::OffsetForLeaderEpoch, "epochs", epochs),
    Case::new(ApiKey::OffsetForLeaderEpoch, "unknown", unknown_epochs),
    Case::new(ApiKey::DeleteRecords, "offsets", deleted),
    Case::new(ApiKey::DeleteRecords, "unknown", unknown_deleted),
    Case::new(ApiKey::DeleteRecords, "then-read", deleted_then_read),
];

fn filled(run: &mut Run) -> Result<Topic, crate::run::Stop> {
    let topic = run.topic(1)?;
    for count in [2, 3, 4] {
        fill(run, &topic, 0, batch(run, count))?;
    }
    Ok(topic)
}

fn specials(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for special in [-1, -2, -3, -4, -5, -6, -7, i64::MIN] {
        let request = list_offsets(version, &topic, &[(0, special)]);
        run.ask(&format!("{special}"), &request, version)?;
    }
    Ok(())
}

fn times(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    let now = run.now;
    for back in [-1000, 0, 1, 2, 3, 4, 5, 1000] {
        let request = list_offsets(version, &topic, &[(0, now - back)]);
        run.ask(&format!("{back} ms ago"), &request, version)?;
    }
    for time in [0, i64::MAX] {
        run.ask(
            &format!("{time}"),
            &list_offsets(version, &topic, &[(0, time)]),
            version,
        )?;
    }
    Ok(())
}

fn empty(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    for time in [-1, -2, -3, -4, -5, 0, 5] {
        run.ask(
            &format!("{time}"),
            &list_offsets(version, &topic, &[(0, time)]),
            version,
        )?;
    }
    let nothing = list_offsets(version, &topic, &[]);
    run.ask("no partitions", &nothing, version)?;
    run.ask("no topics", &nothing.with_topics(Vec::new()), version)?;
    Ok(())
}

fn unknown(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    run.ask(
        "topic",
        &list_offsets(version, &unknown_topic(run), &[(0, -1)]),
        version,
    )?;
    for partition in [1, -1, i32::MAX] {
        let request = list_offsets(version, &topic, &[(partition, -1)]);
        run.ask(&format!("partition {partition}"), &request, version)?;
    }
    run.ask(
        "some",
        &list_offsets(version, &topic, &[(3, -1), (0, -1), (1, 0)]),
        version,
    )?;
    run.ask(
        "twice",
        &list_offsets(version, &topic, &[(0, -1), (0, -2)]),
        version,
    )?;
    run.ask(
        "a bad name",
        &list_offsets(version, &named(".."), &[(0, -1)]),
        version,
    )?;
    Ok(())
}

fn leader_epochs(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for epoch in [-1, 0, 1, 9, -2] {
        for time in [-1, -2, run.now] {
            let mut request = list_offsets(version, &topic, &[(0, time)]);
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            let label = format!("epoch {epoch} at {}", time.min(0));
            run.ask(&label, &request, version)?;
        }
    }
    Ok(())
}

fn isolation(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for level in [0, 1, 2, -1] {
        let request = list_offsets(version, &topic, &[(0, -1)]).with_isolation_level(level);
        let _ = run.ask(&format!("level {level}"), &request, version);
    }
    Ok(())
}

fn replicas(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for id in [-1, -2, -3, 7, 1000] {
        let request = list_offsets(version, &topic, &[(0, -1)]).with_replica_id(BrokerId(id));
        run.ask(&format!("replica {id}"), &request, version)?;
    }
    Ok(())
}

fn compressed(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        fill(run, &topic, 0, records(run, 6).codec(codec).build())?;
    }
    for back in [0, 1, 3, 5, 6] {
        let request = list_offsets(version, &topic, &[(0, run.now - back)]);
        run.ask(&format!("{back} ms ago"), &request, version)?;
    }
    run.ask(
        "largest",
        &list_offsets(version, &topic, &[(0, -3)]),
        version,
    )?;
    Ok(())
}

fn log_append_time(run: &mut Run, version: i16) -> Outcome {
    let configs = [("message.timestamp.type", "LogAppendTime")];
    let topic = run.topic_with("topic", 1, &configs)?;
    fill(run, &topic, 0, batch(run, 3))?;
    for time in [0, run.now + 86_400_000] {
        let label = if time == 0 { "long ago" } else { "tomorrow" };
        let reply = run.quietly(&list_offsets(version, &topic, &[(0, time)]), version)?;
        // The time is the broker's own.
        let stamp = reply.topics[0].partitions[0].timestamp;
        if stamp > 0 {
            run.call(stamp, "time of append");
        }
        run.ask(label, &list_offsets(version, &topic, &[(0, time)]), version)?;
    }
    Ok(())
}

fn epoch_request(topic: &Topic, asked: &[(i32, i32, i32)]) -> OffsetForLeaderEpochRequest {
    let parts = asked.iter().map(|(partition, current, epoch)| {
        OffsetForLeaderPartition::default()
            .with_partition(*partition)
            .with_current_leader_epoch(*current)
            .with_leader_epoch(*epoch)
    });
    let wanted = OffsetForLeaderTopic::default()
        .with_topic(topic.name.clone())
        .with_partitions(parts.collect());
    OffsetForLeaderEpochRequest::default().with_topics(vec![wanted])
}

fn asked_as(
    version: i16,
    id: i32,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochRequest {
    match version {
        ..3 => request,
        _ => request.with_replica_id(BrokerId(id)),
    }
}

fn epochs(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for (current, epoch) in [(-1, 0), (0, 0), (-1, 1), (1, 0), (-1, -1), (-1, 7), (0, -1)] {
        let request = asked_as(version, -1, epoch_request(&topic, &[(0, current, epoch)]));
        run.ask(
            &format!("current {current}, asked {epoch}"),
            &request,
            version,
        )?;
    }
    let replica = asked_as(version, 7, epoch_request(&topic, &[(0, -1, 0)]));
    run.ask("a replica", &replica, version)?;
    Ok(())
}

fn unknown_epochs(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let nowhere = asked_as(
        version,
        -1,
        epoch_request(&unknown_topic(run), &[(0, -1, 0)]),
    );
    run.ask("topic", &nowhere, version)?;
    for partition in [1, -1] {
        let request = asked_as(version, -1, epoch_request(&topic, &[(partition, -1, 0)]));
        run.ask(&format!("partition {partition}"), &request, version)?;
    }
    let empty = asked_as(version, -1, epoch_request(&topic, &[(0, -1, 0)]));
    run.ask("an empty partition", &empty, version)?;
    Ok(())
}

fn delete_request(topic: &Topic, asked: &[(i32, i64)]) -> DeleteRecordsRequest {
    let parts = asked.iter().map(|(partition, offset)| {
        DeleteRecordsPartition::default()
            .with_partition_index(*partition)
            .with_offset(*offset)
    });
    let wanted = DeleteRecordsTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(parts.collect());
    DeleteRecordsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(30_000)
}

fn deleted(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    for offset in [0, 2, 3, 3, 1, 10, -2, 8, 9, -1] {
        run.ask(
            &format!("before {offset}"),
            &delete_request(&topic, &[(0, offset)]),
            version,
        )?;
    }
    let compacted = run.topic_with("compacted", 1, &[("cleanup.policy", "compact")])?;
    run.ask(
        "of a compacted topic",
        &delete_request(&compacted, &[(0, 0)]),
        version,
    )?;
    Ok(())
}

fn unknown_deleted(run: &mut Run, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let nowhere = unknown_topic(run);
    run.ask("topic", &delete_request(&nowhere, &[(0, 0)]), version)?;
    run.ask(
        "partitions",
        &delete_request(&topic, &[(1, 0), (-1, 0)]),
        version,
    )?;
    run.ask(
        "nothing",
        &delete_request(&topic, &[]).with_topics(Vec::new()),
        version,
    )?;
    Ok(())
}

fn deleted_then_read(run: &mut Run, version: i16) -> Outcome {
    let topic = filled(run)?;
    run.ask("before 4", &delete_request(&topic, &[(0, 4)]), version)?;
    for time in [-2, -1, -3, -4, 0] {
        run.ask(
            &format!("offset at {time}"),
            &list_offsets(7, &topic, &[(0, time)]),
            7,
        )?;
    }
    for offset in [3, 4, 5] {
        run.ask(
            &format!("fetch at {offset}"),
            &fetch(11, &topic, &[(0, offset)]),
            11,
        )?;
    }
    Ok(())
}

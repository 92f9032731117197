//! Requests that many scripts send, in words.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use thalweg::wire::batch::BatchBuilder;
use uuid::Uuid;

use crate::run::{Run, Stop, Topic};

/// A topic that nobody made.
pub fn unknown_topic(run: &Run) -> Topic {
    Topic {
        name: TopicName(run.name("nowhere")),
        id: Uuid::from_u128(0x0bad_0bad_0bad_0bad),
    }
}

pub fn named(name: &'static str) -> Topic {
    Topic {
        name: TopicName(StrBytes::from_static_str(name)),
        id: Uuid::from_u128(0x0bad_0bad_0bad_0bad),
    }
}

/// So many records of a few bytes, a millisecond apart, the last of them now.
pub fn batch(run: &Run, count: i64) -> Bytes {
    records(run, count).build()
}

pub fn records(run: &Run, count: i64) -> BatchBuilder {
    (0..count).fold(BatchBuilder::new(), |builder, number| {
        let value = format!("value {number}");
        builder.value(run.now - count + number, value.as_bytes())
    })
}

/// A batch with bytes of its header changed and its checksum made good again.
pub fn tampered(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut changed = batch.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = thalweg::base::crc::crc32c(&changed[21..]);
    changed[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(changed)
}

pub type Part = (i32, Option<Bytes>);

/// Acks all.
pub fn produce(version: i16, topic: &Topic, parts: Vec<Part>) -> ProduceRequest {
    let parts = parts.into_iter().map(|(index, records)| {
        let part = PartitionProduceData::default().with_index(index);
        part.with_records(records)
    });
    let data = TopicProduceData::default().with_partition_data(parts.collect());
    let data = match version {
        ..13 => data.with_name(topic.name.clone()),
        _ => data.with_topic_id(topic.id),
    };
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![data])
}

/// Without waiting, up to a megabyte; each part a partition and an offset.
pub fn fetch(version: i16, topic: &Topic, parts: &[(i32, i64)]) -> FetchRequest {
    let parts = parts.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20)
    });
    fetch_parts(version, topic, parts.collect())
}

pub fn fetch_parts(version: i16, topic: &Topic, parts: Vec<FetchPartition>) -> FetchRequest {
    let wanted = FetchTopic::default().with_partitions(parts);
    let wanted = match version {
        ..13 => wanted.with_topic(topic.name.clone()),
        _ => wanted.with_topic_id(topic.id),
    };
    let request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(1 << 20)
        .with_topics(vec![wanted]);
    match version {
        ..7 => request,
        // Neither a session nor the wish for one.
        _ => request.with_session_id(0).with_session_epoch(-1),
    }
}

pub fn list_offsets(version: i16, topic: &Topic, asked: &[(i32, i64)]) -> ListOffsetsRequest {
    let parts = asked.iter().map(|(partition, time)| {
        ListOffsetsPartition::default()
            .with_partition_index(*partition)
            .with_timestamp(*time)
    });
    let wanted = ListOffsetsTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(parts.collect());
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![wanted]);
    match version {
        ..10 => request,
        _ => request.with_timeout_ms(30_000),
    }
}

/// Writes without recording the answer, which must be good.
pub fn fill(run: &Run, topic: &Topic, partition: i32, batch: Bytes) -> Result<(), Stop> {
    let request = produce(9, topic, vec![(partition, Some(batch))]);
    let reply = run.quietly(&request, 9)?;
    let code = reply
        .responses
        .first()
        .and_then(|topic| topic.partition_responses.first())
        .map_or(-1, |part| part.error_code);
    match code {
        0 => Ok(()),
        code => Err(Stop::Failed(format!(
            "filling {:?}: error {code}",
            topic.name
        ))),
    }
}

/// A producer id of the broker's choice, called `producer` from here on.
pub fn producer(run: &mut Run) -> Result<(i64, i16), Stop> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000);
    // The coordinator of a fresh broker may need a moment.
    let (id, epoch) = run.wait("a producer id", |run| {
        let reply = run.quietly(&request, 4)?;
        let known = reply.error_code == 0;
        Ok(known.then_some((reply.producer_id.0, reply.producer_epoch)))
    })?;
    run.call(id, "producer");
    Ok((id, epoch))
}

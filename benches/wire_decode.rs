//! What it costs to understand a Produce request and to check its batches, and to frame a Fetch
//! reply.
//!
//! `cargo bench --bench wire_decode`

mod support;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use support::{Size, print_head, time};
use thalweg::base::random::Random;
use thalweg::wire::batch::{BatchBuilder, CheckedBatch, check_produced};
use thalweg::wire::fetch_reply::{self, FetchReply, PartitionReply, TopicReply};
use thalweg::wire::messages::ProduceRequest;
use thalweg::wire::{
    ApiKey, ErrorCode, ReplyTo, Request, RequestHeader, StrBytes, client, request,
};

const SEED: u64 = 1;
const RECORD_BYTES: usize = 100;
const VERSION: i16 = 12;

/// About `bytes` of records of 100 random bytes.
fn batch_of(bytes: usize, random: &mut Random) -> Bytes {
    let mut value = [0; RECORD_BYTES];
    let mut builder = BatchBuilder::new();
    while builder.size() + RECORD_BYTES <= bytes {
        random.fill(&mut value);
        builder = builder.value(1_700_000_000_000, &value);
    }
    builder.build()
}

/// A frame without its length prefix, one batch for each partition.
fn produce_frame(partitions: usize, batch: &Bytes) -> Bytes {
    let data = (0..partitions).map(|index| {
        PartitionProduceData::default()
            .with_index(index as i32)
            .with_records(Some(batch.clone()))
    });
    let topic = TopicProduceData::default()
        .with_name(StrBytes::from_static_str("orders").into())
        .with_partition_data(data.collect());
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_topic_data(vec![topic]);
    let frame = client::encode(&request, VERSION, 7, "bench").expect("encodes");
    frame.slice(4..)
}

fn decode(frame: &Bytes) -> ProduceRequest {
    let mut frame = frame.clone();
    let header = RequestHeader::parse(&mut frame).expect("a header");
    match request::decode(&header, frame) {
        Ok(Request::Produce(produce)) => produce,
        other => panic!("not a Produce request: {other:?}"),
    }
}

fn bench_decode(partitions: usize, batch_bytes: usize, runs: u64) {
    let size = Size::from_args(100, runs);
    let batch = batch_of(batch_bytes, &mut Random::with_seed(SEED));
    let frame = produce_frame(partitions, &batch);
    let name = format!("decode/partitions={partitions},batch={batch_bytes}");

    let times = time(&size, || decode(&frame).topic_data.len() as u64);

    times.print(&name, None);
}

fn bench_check(batch_bytes: usize, runs: u64) {
    let size = Size::from_args(20, runs);
    let batch = batch_of(batch_bytes, &mut Random::with_seed(SEED));

    let times = time(&size, || {
        let CheckedBatch { header, .. } = check_produced(&batch).expect("a good batch");
        u64::from(header.crc)
    });

    times.print(&format!("check/batch={batch_bytes}"), Some(batch.len()));
}

fn bench_fetch_reply(partitions: usize, piece_bytes: usize, runs: u64) {
    let size = Size::from_args(20, runs);
    let piece = Bytes::from(vec![1; piece_bytes]);
    let to = ReplyTo {
        api: ApiKey::Fetch,
        version: 17,
        correlation_id: 1,
    };
    let name = format!("fetch_reply/partitions={partitions},piece={piece_bytes}");

    let times = time(&size, || {
        let partitions = (0..partitions).map(|index| {
            let mut partition = PartitionReply::failed(index as i32, ErrorCode::None);
            partition.records.push(piece.clone());
            partition
        });
        let topic = TopicReply {
            name: Default::default(),
            id: [1; 16],
            partitions: partitions.collect(),
        };
        let reply = FetchReply {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
        };
        fetch_reply::encode(to, reply).expect("encodes").len() as u64
    });

    times.print(&name, None);
}

fn main() {
    print_head(SEED);
    bench_decode(1, 1 << 10, 2_000_000);
    bench_decode(6, 64 << 10, 500_000);
    bench_decode(1_000, 1 << 10, 5_000);
    for batch_bytes in [1 << 10, 16 << 10, 64 << 10, 1 << 20] {
        bench_check(batch_bytes, (4 << 30) / batch_bytes as u64);
    }
    bench_fetch_reply(6, 64 << 10, 200_000);
    bench_fetch_reply(100, 1 << 10, 20_000);
}

//! What others do on the core: each once, start to end.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use thalweg::wire::batch::BatchBuilder;
use thalweg::wire::client;
use thalweg::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use thalweg::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use thalweg::wire::messages::*;

use super::wire::{Wire, topic_name};

/// The version of the large Produce.
const LARGE_VERSION: i16 = 9;

#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub run: fn(&Shape, &AtomicBool),
}

pub const KINDS: &[Kind] = &[
    Kind {
        name: "requests of 100 MiB",
        run: large_request,
    },
    Kind {
        name: "a slow reader of 50 MB",
        run: slow_reader,
    },
    Kind {
        name: "1,000 pipelined requests",
        run: pipelined,
    },
    Kind {
        name: "Metadata of every partition, never the same twice",
        run: metadata,
    },
];

/// How large everything is, and whom it is sent to.
#[derive(Clone)]
pub struct Shape {
    address: SocketAddr,
    partitions: i32,
    batch_bytes: usize,
    pipelined: usize,
}

impl Shape {
    pub fn new(address: SocketAddr, is_full: bool) -> Self {
        Self {
            address,
            // A batch is at most 1 MiB: so many partitions make the request and the reply large.
            partitions: if is_full { 100 } else { 5 },
            batch_bytes: 1_000_000,
            pipelined: if is_full { 1_000 } else { 50 },
        }
    }

    /// The topic that the large request writes and the slow reader reads.
    pub fn prepare(&self) {
        Wire::connect(self.address).create("bulk", self.partitions);
        large_request(self, &AtomicBool::new(false));
    }

    fn batch(&self) -> Bytes {
        let value = vec![7; self.batch_bytes];
        BatchBuilder::new().value(1_760_000_000_000, &value).build()
    }
}

/// Its bytes are made once: whoever makes and frees 100 MiB again and again holds up everybody on
/// its own core, which is the honest client's too.
fn large_request(shape: &Shape, _over: &AtomicBool) {
    static FRAME: OnceLock<Bytes> = OnceLock::new();
    let mut wire = Wire::connect(shape.address);
    let frame = FRAME.get_or_init(|| wire.frame(&bulk(shape), LARGE_VERSION));
    wire.send_bytes(frame);
    let reply = wire.hear();
    let reply = client::decode::<ProduceRequest>(LARGE_VERSION, reply);
    let (_, reply) = reply.expect("its reply");
    for part in &reply.responses[0].partition_responses {
        assert_eq!(part.error_code, 0, "{part:?}");
    }
}

/// A batch for each partition.
fn bulk(shape: &Shape) -> ProduceRequest {
    let batch = shape.batch();
    let part = |index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch.clone()))
    };
    let topic = TopicProduceData::default()
        .with_name(topic_name("bulk"))
        .with_partition_data((0..shape.partitions).map(part).collect());
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(60_000)
        .with_topic_data(vec![topic])
}

/// Asks for 50 MB and takes 2 MB every 20 ms.
fn slow_reader(shape: &Shape, over: &AtomicBool) {
    let part = |partition| {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(0)
            .with_partition_max_bytes(2 << 20)
    };
    let topic = FetchTopic::default()
        .with_topic(topic_name("bulk"))
        .with_partitions((0..shape.partitions).map(part).collect());
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(50_000_000)
        .with_topics(vec![topic]);
    let mut wire = Wire::connect(shape.address);
    wire.send(&request, 11);
    let mut length = [0; 4];
    wire.stream.read_exact(&mut length).expect("a reply");
    let mut left = u32::from_be_bytes(length) as usize;
    let mut piece = vec![0; 2 << 20];
    while left > 0 {
        let most = left.min(piece.len());
        let got = wire.stream.read(&mut piece[..most]).expect("more of it");
        assert!(got > 0, "the reply ended {left} bytes early");
        left -= got;
        if !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn pipelined(shape: &Shape, _over: &AtomicBool) {
    let mut wire = Wire::connect(shape.address);
    let part = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(
            BatchBuilder::new().value(1_760_000_000_000, b"x").build(),
        ));
    let topic = TopicProduceData::default()
        .with_name(topic_name("bulk"))
        .with_partition_data(vec![part]);
    let request = ProduceRequest::default()
        .with_acks(1)
        .with_timeout_ms(60_000)
        .with_topic_data(vec![topic]);
    let mut all = Vec::new();
    for _ in 0..shape.pipelined {
        all.extend_from_slice(&wire.frame(&request, 9));
    }
    wire.send_bytes(&all);
    for _ in 0..shape.pipelined {
        wire.hear();
    }
}

/// A topic comes and goes, so that no kept reply will do.
fn metadata(shape: &Shape, _over: &AtomicBool) {
    let mut wire = Wire::connect(shape.address);
    wire.create("passing", 1);
    let reply = wire.ask(&MetadataRequest::default().with_topics(None), 9);
    assert!(reply.topics.len() >= 3, "{}", reply.topics.len());
    wire.delete("passing");
}

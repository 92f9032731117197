//! Hours of a simulated broker: memory stays flat, and the disk holds little more than the data.
//!
//!     cargo test --test simulator_long -- --nocapture
//!     THALWEG_SIM_PARTITIONS=20000 cargo test --profile sim --test simulator_long -- --nocapture
//!     THALWEG_SIM_SECONDS=10800 cargo test --profile sim --test simulator_long -- --nocapture

#[path = "sim/broker.rs"]
mod broker;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use broker::World;
use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{CreateTopicsRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use thalweg::base::{ByteCount, Span};
use thalweg::runtime::sim::{DiskFaults, Notice, SocketId};
use thalweg::wire::batch::BatchBuilder;
use thalweg::wire::client;

/// Counts the bytes that are allocated and not freed.
struct Counting;

static LIVE: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, for the count is the process's.
static ALONE: Mutex<()> = Mutex::new(());

const TOPIC: &str = "long";

fn number_from(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A broker and one client that waits for every answer.
struct Bench {
    world: World,
    socket: SocketId,
    inbox: Vec<u8>,
    next_id: i32,
}

impl Bench {
    fn new(segment: ByteCount, cache: ByteCount) -> Self {
        let mut world = World::new(1, 1, DiskFaults::NONE);
        let config = broker::config(1, broker::journal(segment, cache));
        broker::boot(&mut world, 1, None, &config).expect("it boots");
        let socket = loop {
            if let Some(socket) = world.connect() {
                break socket;
            }
            let soon = world.now() + Span::millis(1);
            world.next(soon);
        };
        Self {
            world,
            socket,
            inbox: Vec::new(),
            next_id: 0,
        }
    }

    fn ask<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.next_id += 1;
        let frame = client::encode(request, version, self.next_id, "long").expect("it encodes");
        self.world.send(self.socket, frame);
        let patience = self.world.now() + Span::seconds(60);
        loop {
            if let Some(length) = self.inbox.first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if self.inbox.len() >= 4 + length {
                    let frame: Vec<u8> = self.inbox.drain(..4 + length).skip(4).collect();
                    let reply = client::decode::<R>(version, Bytes::from(frame));
                    return reply.expect("it decodes").1;
                }
            }
            match self.world.next(patience) {
                Some(Notice::Readable(socket)) => self.inbox.extend(self.world.take(socket)),
                Some(other) => panic!("waiting for an answer brought {other:?}"),
                None => panic!("no answer within a minute"),
            }
        }
    }

    fn create(&mut self, partitions: u64, retention: Span) {
        let config = |name: &str, value: u64| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.into()))
                .with_value(Some(StrBytes::from_string(value.to_string())))
        };
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_num_partitions(partitions as i32)
            .with_replication_factor(1)
            .with_configs(vec![config("retention.ms", retention.0 / 1_000_000)]);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5_000);
        let reply = self.ask(&request, 5);
        assert_eq!(reply.topics[0].error_code, 0, "{reply:?}");
    }

    /// One batch of `records` to each of these partitions, in one request.
    fn produce(&mut self, partitions: std::ops::Range<u64>, records: usize, value: &[u8]) {
        let time = self.world.clocks().wall.0;
        let mut builder = BatchBuilder::new();
        for _ in 0..records {
            builder = builder.value(time, value);
        }
        let batch = builder.build();
        let data = partitions.map(|index| {
            PartitionProduceData::default()
                .with_index(index as i32)
                .with_records(Some(batch.clone()))
        });
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_partition_data(data.collect());
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(5_000)
            .with_topic_data(vec![topic]);
        let reply = self.ask(&request, 9);
        for part in &reply.responses[0].partition_responses {
            assert_eq!(part.error_code, 0, "partition {}", part.index);
        }
    }

    fn rest_until(&mut self, time: thalweg::base::Ticks) {
        while self.world.now() < time {
            self.world.next(time);
        }
    }

    /// What the process holds, less what stands for the disk.
    fn memory(&mut self) -> u64 {
        let disk: u64 = self.world.disks().map(|disk| disk.resident_bytes()).sum();
        LIVE.load(Ordering::Relaxed).saturating_sub(disk)
    }
}

/// A round takes two minutes: a batch of 1 KiB to every partition.
const ROUND: Span = Span::seconds(120);
const RETENTION: Span = Span::seconds(1_800);
/// From twice the retention on as much is deleted as is written, by whole segments; the medians
/// even out their saw's teeth.
const STEADY_FROM: u64 = 2 * RETENTION.0 / ROUND.0;
/// A third of the samples must be more than the odd one.
const SAMPLES_MIN: u64 = 15;

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[test]
fn memory_is_flat_over_hours_of_small_batches_to_many_partitions() {
    let _alone = ALONE.lock();
    let partitions = number_from("THALWEG_SIM_PARTITIONS", 300);
    let rounds = number_from("THALWEG_SIM_ROUNDS", 90);
    let mut bench = Bench::new(ByteCount::mib(4), ByteCount::mib(2));
    let least = STEADY_FROM + SAMPLES_MIN;
    assert!(rounds >= least, "{rounds} rounds, at least {least}");
    bench.create(partitions, RETENTION);
    let mut samples = Vec::new();

    for round in 0..rounds {
        let end = bench.world.now() + ROUND;
        for first in (0..partitions).step_by(100) {
            bench.produce(first..(first + 100).min(partitions), 1, &[7; 930]);
        }
        bench.rest_until(end);
        if round >= STEADY_FROM {
            samples.push(bench.memory());
        }
    }

    let third = samples.len() / 3;
    let first = median(&samples[..third]);
    let last = median(&samples[samples.len() - third..]);
    println!("{partitions} partitions, {rounds} rounds of two simulated minutes; live bytes");
    println!("without the disk, from round {STEADY_FROM} on: {samples:?}");
    println!("median of the first third {first}, of the last third {last}");
    let slack = first / 20 + (1 << 20);
    assert!(
        last <= first + slack,
        "memory grew from {first} to {last} bytes"
    );
}

#[test]
fn a_trickle_keeps_the_disk_within_twice_the_data_and_four_segments() {
    let _alone = ALONE.lock();
    let seconds = number_from("THALWEG_SIM_SECONDS", 1_200);
    // A third of the run; for the full three hours, the hour that is promised.
    let retention = seconds / 3;
    let segment = ByteCount((2 << 20).max(retention * (16 << 20) / 3_600));
    let segment = ByteCount(segment.0.next_multiple_of(1 << 20));
    let mut bench = Bench::new(segment, ByteCount::mib(2));
    bench.create(6, Span::seconds(retention));
    let start = bench.world.now();
    let mut most = 0;

    // A hundred records a second, ten at a time.
    for request in 0..seconds * 10 {
        bench.rest_until(start + Span::millis(request * 100));
        let partition = request % 6;
        bench.produce(partition..partition + 1, 10, &[7; 100]);
        most = most.max(bench.world.disks().map(|disk| disk.used().0).sum());
    }

    // A record of 100 bytes takes 110; a batch's header 61. Retention works by segments and in
    // rounds of minutes, so that up to a segment more than an hour's data is alive.
    let batch = 10 * 110 + 61;
    let data = retention * 10 * batch;
    let allowed = 2 * data + 4 * segment.0;
    println!("{seconds} s, retention {retention} s: {data} bytes of data, segments of {segment},");
    println!("at most {most} bytes on disk, {allowed} allowed");
    assert!(most <= allowed, "{most} bytes on disk, {allowed} allowed");
}

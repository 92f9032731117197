//! How many instructions a shard spends on a batch that is produced, and on one that is fetched:
//! everything from received bytes to bytes to send, without sockets and disk, counted by callgrind.
//!
//! `cargo bench --profile trial --bench instructions` counts and compares with what is recorded
//! in `benches/instructions.txt`: more than 5 % above it fails. `-- --record` at the end records
//! anew. Needs `valgrind`. Run by `cargo test`, it does the work a few times, counts nothing, and
//! sees that each count is recorded and that a rise would be noticed.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use bytes::Bytes;
use thalweg::base::limits::STREAM_PARTS_MAX;
use thalweg::base::{ByteCount, NodeId, Now, ShardId, Span};
use thalweg::journal::Settings;
use thalweg::runtime::sim::{DiskFaults, Notice, SocketId, World};
use thalweg::runtime::{Actions, Event, Machine};
use thalweg::shard::{Addresses, Message, Shard, ShardConfig};
use thalweg::wire::batch::BatchBuilder;
use thalweg::wire::messages::create_topics_request::CreatableTopic;
use thalweg::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use thalweg::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use thalweg::wire::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest, TopicName};
use thalweg::wire::{StrBytes, client};

const TOPIC: &str = "counted";
/// A count is the difference of these two, so that start and warm-up fall out.
const FEW: u64 = 100;
const MANY: u64 = 600;
const RISE_MAX: f64 = 1.05;
const RECORD: &str = "cargo bench --profile trial --bench instructions -- --record";

/// What is counted: a name, records of 100 bytes in a batch, and whether it is fetched.
const WORKS: [(&str, usize, bool); 4] = [
    ("produce, batches of 64 KiB", 590, false),
    ("produce, batches of 1 KiB", 8, false),
    ("fetch, batches of 64 KiB", 590, true),
    ("fetch, batches of 1 KiB", 8, true),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [work, number, times] = &arguments[..]
        && work == "--work"
    {
        let (_, records, fetches) = WORKS[number.parse::<usize>().expect("a number of a work")];
        run(records, fetches, times.parse().expect("how often"));
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|it| it == "--bench") {
        for (name, records, fetches) in WORKS {
            run(records, fetches, 5);
            assert!(recorded(name).is_some(), "{name}: {RECORD}");
        }
        assert!(!has_risen(1_000, 1_050));
        assert!(has_risen(1_000, 1_051));
        return ExitCode::SUCCESS;
    }
    support::print_head(0);
    let counts = (0..WORKS.len()).map(|work| (WORKS[work].0, count(work)));
    let counts: Vec<(&str, u64)> = counts.collect();
    match arguments.iter().any(|it| it == "--record") {
        true => record(&counts),
        false => compare(&counts),
    }
}

fn recorded_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

fn record(counts: &[(&str, u64)]) -> ExitCode {
    let mut text = String::new();
    for (name, count) in counts {
        let _ = writeln!(text, "{name}: {count}");
    }
    print!("{text}");
    fs::write(recorded_file(), text).expect("benches/instructions.txt can be written");
    ExitCode::SUCCESS
}

fn compare(counts: &[(&str, u64)]) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for (name, count) in counts {
        let before = recorded(name).unwrap_or(0);
        let ratio = *count as f64 / before as f64;
        println!("{name}: {count} instructions a batch, {before} recorded, {ratio:.3} x");
        if has_risen(before, *count) {
            eprintln!("{name}: more than 5 % above the record. If that is meant: {RECORD}");
            status = ExitCode::FAILURE;
        }
    }
    status
}

fn recorded(name: &str) -> Option<u64> {
    let text = fs::read_to_string(recorded_file()).ok()?;
    let mut lines = text.lines().filter_map(|it| it.split_once(": "));
    lines.find(|it| it.0 == name)?.1.parse().ok()
}

/// True for a work that was never recorded, too.
fn has_risen(before: u64, count: u64) -> bool {
    count as f64 / before as f64 > RISE_MAX
}

/// Instructions of one more batch.
fn count(work: usize) -> u64 {
    (collected(work, MANY) - collected(work, FEW)) / (MANY - FEW)
}

/// What callgrind collects within `counted_event` and `counted_end`.
fn collected(work: usize, times: u64) -> u64 {
    let own = std::env::current_exe().expect("this program's own file");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([
            "--toggle-collect=*counted_event*",
            "--toggle-collect=*counted_end*",
        ])
        .arg(own)
        .args(["--work", &work.to_string(), &times.to_string()])
        .output()
        .expect("valgrind runs: install `valgrind`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.split_once("Collected : ").map(|it| it.1.trim_start());
    let number = collected.and_then(|it| it.split_whitespace().next());
    number
        .and_then(|it| it.parse().ok())
        .expect("what callgrind collected")
}

/// A shard whose decisions, and nothing of the world around it, are counted.
struct Counted(Shard);

#[inline(never)]
fn counted_event(shard: &mut Shard, now: Now, event: Event<Message>, out: &mut Actions<Message>) {
    shard.handle(now, event, out);
}

#[inline(never)]
fn counted_end(shard: &mut Shard, now: Now, out: &mut Actions<Message>) {
    shard.end_turn(now, out);
}

impl Machine for Counted {
    type Message = Message;

    fn handle(&mut self, now: Now, event: Event<Message>, actions: &mut Actions<Message>) {
        counted_event(&mut self.0, now, event, actions);
    }

    fn end_turn(&mut self, now: Now, actions: &mut Actions<Message>) {
        counted_end(&mut self.0, now, actions);
    }
}

/// Produces `times` batches one by one, or fetches as many, of a few that were produced before.
fn run(records: usize, fetches: bool, times: u64) {
    let mut bench = Bench::start();
    let creation = CreatableTopic::default()
        .with_name(topic())
        .with_num_partitions(1)
        .with_replication_factor(-1);
    bench.ask(
        &CreateTopicsRequest::default().with_topics(vec![creation]),
        7,
    );
    let mut batch = BatchBuilder::new();
    for _ in 0..records {
        batch = batch.value(1_760_000_000_000, &[0x5C; 100]);
    }
    let batch = batch.build();
    let produced = if fetches { 10 } else { times };
    for at in 0..produced {
        let reply = bench.ask(&produce(batch.clone()), 9);
        let answer = &reply.responses[0].partition_responses[0];
        let expected = (0, (at * records as u64) as i64);
        assert_eq!((answer.error_code, answer.base_offset), expected);
    }
    for at in 0..if fetches { times } else { 0 } {
        let offset = (at % produced * records as u64) as i64;
        let reply = bench.ask(&fetch(offset, batch.len()), 12);
        let answer = &reply.responses[0].partitions[0];
        let got = answer.records.as_ref().map_or(0, Bytes::len);
        assert_eq!((answer.error_code, got), (0, batch.len()));
    }
}

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

fn produce(batch: Bytes) -> ProduceRequest {
    let part = PartitionProduceData::default().with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(topic())
        .with_partition_data(vec![part]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// One batch.
fn fetch(offset: i64, bytes: usize) -> FetchRequest {
    let part = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes as i32);
    let topic = FetchTopic::default()
        .with_topic(topic())
        .with_partitions(vec![part]);
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// A broker of one shard in a world of its own, and one client.
struct Bench {
    world: World<Counted>,
    socket: SocketId,
    received: Vec<u8>,
    next_id: i32,
}

impl Bench {
    fn start() -> Self {
        let mut world = World::new(7, 1, DiskFaults::NONE);
        let made = world.boot(1, None, |boot| Shard::open(boot, config()).map(Counted));
        assert!(made.is_ok(), "the shard boots");
        let until = world.now() + Span::seconds(1);
        while world.next(until).is_some() {}
        let socket = world.connect().expect("the shard listens");
        Self {
            world,
            socket,
            received: Vec::new(),
            next_id: 0,
        }
    }

    fn ask<R: client::Message>(&mut self, request: &R, version: i16) -> R::Response {
        self.next_id += 1;
        let frame = client::encode(request, version, self.next_id, "bench").expect("a request");
        self.world.send(self.socket, frame);
        let until = self.world.now() + Span::seconds(40);
        loop {
            if let Some(frame) = self.frame() {
                let (id, reply) = client::decode::<R>(version, frame).expect("a reply");
                assert_eq!(id, self.next_id);
                return reply;
            }
            match self.world.next(until).expect("a reply in time") {
                Notice::Readable(socket) => self.received.extend(self.world.take(socket)),
                other => panic!("{other:?} instead of a reply"),
            }
        }
    }

    fn frame(&mut self) -> Option<Bytes> {
        let length = u32::from_be_bytes(*self.received.first_chunk()?) as usize;
        if self.received.len() < 4 + length {
            return None;
        }
        let rest = self.received.split_off(4 + length);
        let frame = std::mem::replace(&mut self.received, rest);
        Some(Bytes::from(frame).slice(4..))
    }
}

fn config() -> ShardConfig {
    let journal = Settings {
        segment_bytes: ByteCount::mib(128),
        chunk_bytes: ByteCount::mib(2),
        cache_bytes: ByteCount::mib(64),
        index_cache_bytes: ByteCount::mib(4),
        reserve_bytes: ByteCount::mib(8),
        parts_max: STREAM_PARTS_MAX,
        incarnation: 1,
    };
    let addresses = Addresses::of_one("localhost", 9092);
    let shards = vec![ShardId(0)];
    ShardConfig::new(NodeId(1), "counted".into(), shards, addresses, journal)
}

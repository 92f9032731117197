//! kill -9 with very many partitions, and how long the next start takes.
//!
//! Small batches go to every partition in turn, so that every segment holds a part of every
//! partition: the most that a restart can have to take up. The load engine writes and reads back
//! what it wrote; before the kill and after the restart all ends, and a sample of records, must be
//! the same.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use thalweg::base::ByteCount;
use thalweg::load::admin::Admin;
use thalweg::load::{Length, Observer, Plan, run};

use crate::broker::{Broker, Recipe};
use crate::campaign::Failure;
use crate::kafka::{Connection, Record};

/// What to load before the kill, and what to demand after it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub topics: u32,
    /// Of all topics together.
    pub partitions: u32,
    /// Batches of 1 KiB to each partition.
    pub batches: u32,
    pub cores: usize,
    /// The restart must answer within this.
    pub limit: Duration,
}

const BATCH_BYTES: ByteCount = ByteCount(1024);
const RECORD_BYTES: ByteCount = ByteCount(100);
/// What one reply of the reading back carries.
const FETCH_BYTES: ByteCount = ByteCount::mib(2);
/// Batches of one request.
const REQUEST_BATCHES: u32 = 200;
/// A start without any data, and a slow machine's patience with it.
const FIRST_START: Duration = Duration::from_secs(60);
/// So many partitions of each topic are read before and after.
const SAMPLED: u32 = 25;
/// A start that takes longer must have told how far it is.
const SILENCE: Duration = Duration::from_secs(3);
/// What it tells then.
const PROGRESS: &str = "recovering";

struct Quiet;

impl Observer for Quiet {}

/// What a topic holds, as far as is looked.
#[derive(PartialEq, Eq)]
struct Seen {
    ends: Vec<i64>,
    sample: Vec<Vec<Record>>,
}

/// Loads, kills, restarts, compares; the figures in words.
pub fn run_restart(recipe: &Recipe, dir: &Path, shape: Shape) -> Result<String, Failure> {
    let (mut broker, first) = start(recipe, dir, shape.cores, FIRST_START)?;
    let loading = Instant::now();
    load(&broker, shape)?;
    let loading = loading.elapsed();
    let before = look(&broker, shape)?;
    let resident_before = resident_bytes(broker.pid());
    broker.kill();
    let (mut broker, took) = start(recipe, dir, shape.cores, shape.limit)?;
    let (resident_after, reads) = (resident_bytes(broker.pid()), reads(broker.pid()));
    let after = look(&broker, shape)?;
    if before != after {
        return Err(Failure::Verdict("what is there has changed".into()));
    }
    let told = fs::read_to_string(&recipe.log).unwrap_or_default();
    if took > SILENCE && !told.contains(PROGRESS) {
        let silence = format!("no word of progress in {:.1} s", took.as_secs_f64());
        return Err(Failure::Verdict(silence));
    }
    broker.stop().map_err(Failure::Verdict)?;
    let per_partition = |bytes: u64| bytes / u64::from(shape.partitions);
    Ok(format!(
        "{} partitions of {} topics, {} batches of {} bytes each, loaded in {:.0} s; first start \
         {:.2} s, restart after kill -9 {:.2} s (limit {:.0}) with {} reads of {} MiB; resident \
         {} MiB before ({} bytes a partition), {} MiB after ({})",
        shape.partitions,
        shape.topics,
        shape.batches,
        BATCH_BYTES.0,
        loading.as_secs_f64(),
        first.as_secs_f64(),
        took.as_secs_f64(),
        shape.limit.as_secs_f64(),
        reads.0,
        reads.1 >> 20,
        resident_before >> 20,
        per_partition(resident_before),
        resident_after >> 20,
        per_partition(resident_after),
    ))
}

/// Starts the broker and waits for its first answer.
fn start(
    recipe: &Recipe,
    dir: &Path,
    cores: usize,
    limit: Duration,
) -> Result<(Broker, Duration), Failure> {
    let began = Instant::now();
    let mut broker = recipe.start(dir, cores).map_err(Failure::Trial)?;
    loop {
        // It listens before it has recovered; an answer comes when it has.
        let asked = Admin::connect(broker.address).and_then(|mut admin| admin.brokers());
        let took = began.elapsed();
        match asked {
            Ok(_) if took <= limit => return Ok((broker, took)),
            Ok(_) => {
                let late = format!("the start took {:.2} s", took.as_secs_f64());
                return Err(Failure::Verdict(late));
            }
            Err(error) => {
                broker.is_alive().map_err(Failure::Verdict)?;
                if took > limit + FIRST_START {
                    let silence = format!("no answer after {took:?}: {error}");
                    return Err(Failure::Verdict(silence));
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn topic(number: u32) -> String {
    format!("restart-{number}")
}

fn partitions_of(shape: Shape, number: u32) -> u32 {
    let surplus = u32::from(number < shape.partitions % shape.topics);
    shape.partitions / shape.topics + surplus
}

/// All topics at once: each with a producer of its own, which goes round its partitions.
fn load(broker: &Broker, shape: Shape) -> Result<(), Failure> {
    let address = broker.address;
    let drive = |number: u32| {
        let partitions = partitions_of(shape, number);
        let mut plan = Plan::new(address, &topic(number));
        plan.partitions = partitions;
        plan.record_bytes = RECORD_BYTES.into();
        plan.batch_bytes = BATCH_BYTES;
        plan.request_batches = REQUEST_BATCHES.min(partitions);
        plan.warm_up = Duration::ZERO;
        // Replies that wait for their readers are memory of the broker, but not of its partitions.
        plan.fetch_bytes = FETCH_BYTES;
        plan.keep_topic = true;
        plan.seed = u64::from(number);
        let records = BATCH_BYTES.0 / (RECORD_BYTES.0 + 9);
        plan.length = Length::Records(u64::from(partitions) * u64::from(shape.batches) * records);
        match run(&plan, &mut Quiet) {
            Ok(outcome) if outcome.holds() => Ok(()),
            Ok(outcome) => Err(format!("{:?} {:?}", outcome.verdict, outcome.failure)),
            Err(error) => Err(error.to_string()),
        }
    };
    let ended: Vec<Result<(), String>> = thread::scope(|scope| {
        let drivers = (0..shape.topics).map(|number| scope.spawn(move || drive(number)));
        let drivers: Vec<_> = drivers.collect();
        let ends = drivers.into_iter().map(|driver| driver.join());
        ends.map(|end| end.unwrap_or_else(|_| Err("a driver panicked".into())))
            .collect()
    });
    let failed = ended.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |error| Err(Failure::Verdict(error)))
}

/// The ends of all partitions, and the records of some.
fn look(broker: &Broker, shape: Shape) -> Result<Vec<Seen>, Failure> {
    let topics = (0..shape.topics).map(|number| {
        let partitions = partitions_of(shape, number);
        let mut admin = Admin::connect(broker.address).map_err(|e| e.to_string())?;
        let ends = admin.ends(&topic(number), partitions);
        let ends = ends.map_err(|e| e.to_string())?;
        let mut connection =
            Connection::open(broker.address, &topic(number)).map_err(|e| e.to_string())?;
        let step = (partitions / SAMPLED).max(1) as usize;
        let mut sample = Vec::new();
        for partition in (0..partitions).step_by(step) {
            let end = ends[partition as usize];
            sample.push(read_all(&mut connection, partition as i32, end)?);
        }
        Ok(Seen { ends, sample })
    });
    topics
        .collect::<Result<_, String>>()
        .map_err(Failure::Verdict)
}

fn read_all(connection: &mut Connection, partition: i32, end: i64) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = 0;
    while next < end {
        let fetched = connection.fetch(partition, next);
        let fetched = fetched.map_err(|e| format!("partition {partition} at {next}: {e}"))?;
        let first = fetched.records.first().map(|record| record.offset);
        if first != Some(next) {
            return Err(format!("partition {partition} at {next} brought {first:?}"));
        }
        next += fetched.records.len() as i64;
        records.extend(fetched.records);
    }
    Ok(records)
}

/// Zero where the kernel does not say.
fn resident_bytes(pid: u32) -> u64 {
    thalweg::load::process::ProcessSample::of(pid).map_or(0, |sample| sample.resident_bytes)
}

/// Reading calls of a process since its start, and their bytes.
fn reads(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    };
    (number("syscr:"), number("rchar:"))
}

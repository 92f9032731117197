//! What the journal's choices rest on: `Write { durable }` against a write and a flush, one group
//! in flight against two, prepared against allocated against fresh files; all through the real
//! driver, ring and eventfd bridge included, with a plain thread beside it for comparison.
//!
//! `cargo bench --bench disk -- DIRECTORY`: the directory lies on the device to measure.
//! Rounds go through all variants in turn, so that a neighbour's load falls on each alike: believe
//! the ratios.

mod support;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use thalweg::base::{ByteCount, Now, Position, ShardId, Span, Ticks};
use thalweg::runtime::real::{Config, Listeners, ShardHome, Stats, Stopper, run};
use thalweg::runtime::{
    Actions, BlockPool, Boot, DiskOp, DiskOutput, Event, FileId, Machine, Ticket,
};

const FILE: FileId = FileId(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    /// `Write { durable: true }`.
    Durable,
    /// `Write`, then `Flush`.
    Flush,
    /// `Write` alone.
    Plain,
    /// A thread with pwrite and fdatasync, no driver.
    Thread,
    /// A thread with pwritev2 and RWF_DSYNC, no driver.
    ThreadDurable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Prepared,
    Allocated,
    Fresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Variant {
    way: Way,
    group_kib: u64,
    in_flight: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
struct Outcome {
    mb_per_s: f64,
    p50_us: f64,
    p99_us: f64,
}

fn main() {
    let size = support::Size::from_args(1, 5);
    support::print_head(0);
    let mut arguments = std::env::args().skip(1);
    let root = arguments.find(|argument| !argument.starts_with("--"));
    let root = root.map_or_else(std::env::temp_dir, PathBuf::from);
    let (rounds, bytes) = (size.runs, if size.is_full { 64 << 20 } else { 1 << 20 });
    let mut outcomes: HashMap<Variant, Vec<Outcome>> = HashMap::new();
    for _ in 0..rounds {
        for variant in variants() {
            let scratch = Scratch::new(&root);
            let outcome = measure(variant, &scratch.0, bytes.min(variant.group_kib << 20));
            outcomes.entry(variant).or_default().push(outcome);
        }
    }
    println!(
        "disk: {rounds} rounds of at most {} MiB, medians",
        bytes >> 20
    );
    println!("way            state      group KiB  in flight      MB/s   p50 us   p99 us");
    for variant in variants() {
        let all = &outcomes[&variant];
        println!(
            "{:<14} {:<10} {:>9}  {:>9}  {:>8.0} {:>8.0} {:>8.0}",
            format!("{:?}", variant.way),
            format!("{:?}", variant.state),
            variant.group_kib,
            variant.in_flight,
            median(all, |outcome| outcome.mb_per_s),
            median(all, |outcome| outcome.p50_us),
            median(all, |outcome| outcome.p99_us),
        );
    }
}

fn variants() -> Vec<Variant> {
    let mut all = Vec::new();
    for group_kib in [4, 64, 256, 1024] {
        let of = |way, in_flight, state| Variant {
            way,
            group_kib,
            in_flight,
            state,
        };
        for in_flight in [1, 2] {
            all.push(of(Way::Durable, in_flight, State::Prepared));
            all.push(of(Way::Flush, in_flight, State::Prepared));
        }
        all.push(of(Way::Plain, 1, State::Prepared));
        all.push(of(Way::Thread, 1, State::Prepared));
        all.push(of(Way::ThreadDurable, 1, State::Prepared));
        for way in [Way::Durable, Way::Flush] {
            all.push(of(way, 1, State::Allocated));
            all.push(of(way, 1, State::Fresh));
        }
    }
    all
}

fn median(all: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(root: &Path) -> Self {
        let path = root.join(format!("thalweg-bench-disk-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn group(kib: u64) -> Bytes {
    let length = ByteCount::kib(kib);
    let mut block = BlockPool::default().take(length);
    block.append(&vec![0xA5; length.as_usize()]);
    block.freeze()
}

fn measure(variant: Variant, directory: &Path, bytes: u64) -> Outcome {
    let path = directory.join("00000001.journal");
    let file = File::create(&path).expect("create");
    if variant.state == State::Allocated {
        // SAFETY: no memory is passed.
        unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, bytes as i64) };
    }
    if variant.state == State::Prepared {
        file.write_all_at(&vec![0; bytes as usize], 0)
            .expect("write");
    }
    file.sync_all().expect("fsync");
    drop(file);
    match variant.way {
        Way::Thread | Way::ThreadDurable => by_thread(variant, &path, bytes),
        Way::Durable | Way::Flush | Way::Plain => by_driver(variant, directory, bytes),
    }
}

fn outcome(bytes: u64, nanos: u64, mut latencies: Vec<u64>) -> Outcome {
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100] as f64 / 1e3;
    Outcome {
        mb_per_s: bytes as f64 * 1e3 / nanos as f64,
        p50_us: at(50),
        p99_us: at(99),
    }
}

fn by_thread(variant: Variant, path: &Path, bytes: u64) -> Outcome {
    let file = File::options()
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(path)
        .expect("direct I/O");
    let data = group(variant.group_kib);
    let mut latencies = Vec::new();
    let began = Instant::now();
    for at in (0..bytes).step_by(data.len()) {
        let this = Instant::now();
        if variant.way == Way::ThreadDurable {
            let piece = libc::iovec {
                iov_base: data.as_ptr().cast_mut().cast(),
                iov_len: data.len(),
            };
            // SAFETY: the piece lies in `data`, which outlives the call.
            let count =
                unsafe { libc::pwritev2(file.as_raw_fd(), &piece, 1, at as i64, libc::RWF_DSYNC) };
            assert_eq!(count, data.len() as isize);
        } else {
            file.write_all_at(&data, at).expect("write");
            file.sync_data().expect("fdatasync");
        }
        latencies.push(this.elapsed().as_nanos() as u64);
    }
    outcome(bytes, began.elapsed().as_nanos() as u64, latencies)
}

fn by_driver(variant: Variant, directory: &Path, bytes: u64) -> Outcome {
    let (result, results) = channel();
    let config = Config {
        cores: vec![0],
        pin: false,
        shards: vec![ShardHome {
            shard: ShardId(0),
            directory: directory.to_path_buf(),
        }],
        listeners: Listeners::bind(&[], 1).expect("nothing to bind"),
        buffered: false,
        idle_poll: Span(0),
        stopper: Stopper::new().expect("an eventfd"),
        stats: Arc::new(Stats::new([ShardId(0)])),
    };
    let result = Mutex::new(result);
    let factory = move |_: Boot<'_>| {
        Ok::<_, Infallible>(Writer {
            variant,
            data: group(variant.group_kib),
            bytes,
            next: 0,
            ended: 0,
            began: Ticks(0),
            times: HashMap::new(),
            latencies: Vec::new(),
            result: result.lock().expect("no panic").clone(),
        })
    };
    assert_eq!(run(config, factory).expect("it runs"), 0);
    results.recv().expect("an outcome")
}

/// Writes groups one after the other, so many at a time.
struct Writer {
    variant: Variant,
    data: Bytes,
    bytes: u64,
    next: u64,
    ended: u64,
    began: Ticks,
    times: HashMap<Ticket, Ticks>,
    latencies: Vec<u64>,
    result: Sender<Outcome>,
}

impl Writer {
    fn write_more(&mut self, now: Now, actions: &mut Actions<()>) {
        let size = self.data.len() as u64;
        while self.next * size < self.bytes && self.next - self.ended < self.variant.in_flight {
            let ticket = Ticket(self.next);
            self.times.insert(ticket, now.ticks);
            actions.disk.push(DiskOp::Write {
                ticket,
                file: FILE,
                at: Position(self.next * size),
                data: self.data.clone(),
                durable: self.variant.way == Way::Durable,
            });
            self.next += 1;
        }
    }
}

impl Machine for Writer {
    type Message = ();

    fn handle(&mut self, now: Now, event: Event<()>, actions: &mut Actions<()>) {
        let done = match event {
            Event::Started => {
                self.began = now.ticks;
                return self.write_more(now, actions);
            }
            Event::Disk(done) => done,
            other => panic!("nobody asked for {other:?}"),
        };
        let ticket = done.ticket;
        match done.result.expect("the device works") {
            DiskOutput::Written(_) if self.variant.way == Way::Flush => {
                let file = FILE;
                actions.disk.push(DiskOp::Flush { ticket, file });
                return;
            }
            DiskOutput::Written(count) => assert_eq!(count.0, self.data.len() as u64),
            DiskOutput::Flushed => {}
            other => panic!("nobody asked for {other:?}"),
        }
        self.ended += 1;
        let began = self.times.remove(&ticket).expect("it was begun");
        self.latencies.push(now.ticks.since(began).0);
        if self.ended * self.data.len() as u64 >= self.bytes {
            let took = now.ticks.since(self.began).0;
            let latencies = std::mem::take(&mut self.latencies);
            let _ = self.result.send(outcome(self.bytes, took, latencies));
            actions.stopped = Some(0);
        }
        self.write_more(now, actions);
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<()>) {}
}

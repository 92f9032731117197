//! How long one connection waits for what others do on its core.
//!
//! `cargo bench --bench stalls`. A broker on one core; an honest client asks a small question
//! every five milliseconds, in an open loop, so that a stall shows in every question that was due
//! meanwhile. Beside it, one at a time and then together: a request of 100 MiB, readers that take
//! 50 MB slowly, a thousand pipelined requests, and Metadata of 140,000 partitions after each
//! change of it. The clients share the machine's other core. `-- WORD` runs those of that name.
//!
//! The honest client is a process of its own: in one with the others it would wait for them, since
//! whoever gives 100 MiB back to the kernel holds the address space for as long. How late it asked,
//! which is nobody's fault but its own core's, is told too: no figure can be better than that.

#[path = "support/broker.rs"]
mod broker;
mod support;

#[path = "stalls/disturb.rs"]
mod disturb;
#[path = "stalls/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use broker::Broker;
use support::{Size, print_head};

use wire::Wire;

/// Questions a second.
const RATE: u32 = 200;

/// The honest client is started with this, the broker's address, and for how long to ask.
const HONEST: &str = "--honest";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mark, address, seconds] = &arguments[..]
        && mark == HONEST
    {
        let address = address.parse().expect("an address");
        let seconds = seconds.parse().expect("a number of seconds");
        for (late, wait) in ask_at_rate(address, Duration::from_secs(seconds)) {
            println!("{} {}", late.as_nanos(), wait.as_nanos());
        }
        return;
    }
    let size = Size::from_args(1, 1);
    print_head(0);
    let broker = Broker::start_on("stalls", "1");
    let partitions = if size.is_full { 140_000 } else { 2_000 };
    let seconds = if size.is_full { 20 } else { 1 };
    Wire::connect(broker.address).create("large", partitions);
    Wire::connect(broker.address).create("probe", 1);
    let shape = disturb::Shape::new(broker.address, size.is_full);
    shape.prepare();
    // `-- WORD` keeps those whose name has it.
    let word = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let wanted = |name: &str| word.as_deref().is_none_or(|word| name.contains(word));
    measure(&broker, "nothing else", &[], &shape, seconds);
    for kind in disturb::KINDS.iter().filter(|kind| wanted(kind.name)) {
        measure(&broker, kind.name, &[*kind], &shape, seconds);
    }
    if wanted("all") {
        measure(&broker, "all of them", disturb::KINDS, &shape, seconds);
    }
}

/// Questions in an open loop while the disturbers run.
fn measure(
    broker: &Broker,
    name: &str,
    kinds: &[disturb::Kind],
    shape: &disturb::Shape,
    seconds: u64,
) {
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = kinds
        .iter()
        .map(|kind| {
            let (over, done, shape, run) = (over.clone(), done.clone(), shape.clone(), kind.run);
            thread::spawn(move || {
                be_modest();
                while !over.load(Ordering::Relaxed) {
                    run(&shape, &over);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let asked = ask_in_a_process(broker.address, seconds);
    let (mut lates, mut waits): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a disturber that did its work");
    }
    waits.sort_unstable();
    lates.sort_unstable();
    let of = |all: &[Duration], share: f64| {
        all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
    };
    let at = |share: f64| of(&waits, share);
    println!(
        "beside {name}: p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, max {:.3} ms of {} questions; \
         disturbed {} times; the client itself was late: p99 {:.3} ms, p99.9 {:.3} ms",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        waits.len(),
        done.load(Ordering::Relaxed),
        of(&lates, 0.99),
        of(&lates, 0.999),
    );
}

fn ask_in_a_process(address: SocketAddr, seconds: u64) -> Vec<(Duration, Duration)> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([HONEST, &address.to_string(), &seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("the honest client starts");
    assert!(output.status.success(), "the honest client failed");
    let lines = String::from_utf8(output.stdout).expect("numbers");
    let nanos = |text: &str| Duration::from_nanos(text.parse().expect("a number"));
    let asked = lines
        .lines()
        .map(|line| line.split_once(' ').expect("two numbers"));
    asked
        .map(|(late, wait)| (nanos(late), nanos(wait)))
        .collect()
}

/// Small questions one after the other; how late each was asked after the answer before it, which
/// is this process's own fault, and its wait, which counts from when it was due.
fn ask_at_rate(address: SocketAddr, length: Duration) -> Vec<(Duration, Duration)> {
    leave_the_first_core();
    let mut wire = Wire::connect(address);
    let step = Duration::from_secs(1) / RATE;
    let begun = Instant::now();
    let (mut due, mut answered) = (begun, begun);
    let mut waits = Vec::new();
    while due.duration_since(begun) < length {
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
        let late = Instant::now().duration_since(due.max(answered));
        wire.ask_small("probe");
        answered = Instant::now();
        waits.push((late, answered.duration_since(due)));
        due += step;
    }
    waits
}

/// The clients are to measure the broker's core, not to disturb it or each other.
fn leave_the_first_core() {
    // SAFETY: an all zero set is a valid one, and is only read.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for core in 1..thread::available_parallelism().map_or(1, usize::from) {
            libc::CPU_SET(core, &mut set);
        }
        // Refused where there is one core only.
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// The honest client goes first.
fn be_modest() {
    leave_the_first_core();
    // SAFETY: no pointers; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

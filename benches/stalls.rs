//! How long one connection waits for what others do on its core.
//!
//! `cargo bench --bench stalls`. A broker on one core; an honest client asks a small question
//! every five milliseconds, in an open loop, so that a stall shows in every question that was due
//! meanwhile. Beside it, one at a time and then together: a request of 100 MiB, readers that take
//! 50 MB slowly, a thousand pipelined requests, and Metadata of 140,000 partitions after each
//! change of it. The clients share the machine's other core. `-- WORD` runs those of that name.
//!
//! The honest client is a process of its own: in one with the others it would wait for them, since
//! whoever gives 100 MiB back to the kernel holds the address space for as long. Its core is busy
//! with the others too, and a wait for that core is not the broker's: a question counts from when
//! it was due, less how late this process came to asking, until the kernel had received the last
//! byte of its answer (`SO_TIMESTAMPNS`). Both delays of its own core are told beside it.

#[path = "support/broker.rs"]
mod broker;
mod support;

#[path = "stalls/disturb.rs"]
mod disturb;
#[path = "stalls/honest.rs"]
mod honest;
#[path = "stalls/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use broker::Broker;
use honest::Question;
use support::{Size, print_head};
use wire::Wire;

/// The honest client is started with this, the broker's address, and for how long to ask.
const HONEST: &str = "--honest";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mark, address, seconds] = &arguments[..]
        && mark == HONEST
    {
        let address = address.parse().expect("an address");
        let seconds = seconds.parse().expect("a number of seconds");
        leave_the_first_core();
        for asked in honest::ask_at_rate(address, Duration::from_secs(seconds)) {
            let parts = [asked.wait, asked.asked_late, asked.read_late];
            println!("{}", parts.map(|it| it.as_nanos().to_string()).join(" "));
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
    over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a disturber that did its work");
    }
    let sorted = |part: fn(&Question) -> Duration| {
        let mut all: Vec<_> = asked.iter().map(part).collect();
        all.sort_unstable();
        move |share: f64| all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
    };
    let wait = sorted(|it| it.wait);
    let own = [sorted(|it| it.asked_late), sorted(|it| it.read_late)];
    println!(
        "beside {name}: p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, max {:.3} ms of {} questions; \
         disturbed {} times; the client's own core, p99.9: asked {:.3} ms late, read {:.3} ms late",
        wait(0.5),
        wait(0.99),
        wait(0.999),
        wait(1.0),
        asked.len(),
        done.load(Ordering::Relaxed),
        own[0](0.999),
        own[1](0.999),
    );
}

fn ask_in_a_process(address: SocketAddr, seconds: u64) -> Vec<Question> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([HONEST, &address.to_string(), &seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("the honest client starts");
    assert!(output.status.success(), "the honest client failed");
    let lines = String::from_utf8(output.stdout).expect("numbers");
    let question = |line: &str| {
        let mut parts = line.split(' ').map(|it| it.parse().expect("a number"));
        let mut next = || Duration::from_nanos(parts.next().expect("three numbers"));
        Question {
            wait: next(),
            asked_late: next(),
            read_late: next(),
        }
    };
    lines.lines().map(question).collect()
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

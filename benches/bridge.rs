//! What it costs to wake a sleeping core: messages thrown to and fro between two cores, each of
//! which sleeps in between. Beside it two plain threads that do the same over two eventfds.
//!
//! `cargo bench --bench bridge`

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use thalweg::base::{Now, ShardId, Span};
use thalweg::runtime::real::{Config, Listeners, ShardHome, Stats, Stopper, run};
use thalweg::runtime::{Actions, Boot, Event, Machine};

fn main() {
    let size = support::Size::from_args(200, 50_000);
    support::print_head(0);
    for round in 0..if size.is_full { 3 } else { 1 } {
        let (driver, cpu) = timed(|| by_driver(size.runs));
        let (plain, plain_cpu) = timed(|| by_threads(size.runs));
        println!(
            "round {round}: driver {driver:.2} us and {cpu:.2} us of CPU per wake; \
             plain eventfd {plain:.2} and {plain_cpu:.2}"
        );
    }
}

/// Time and processor time per wake, in microseconds; `work` says how many wakes there were.
fn timed(work: impl FnOnce() -> u64) -> (f64, f64) {
    let (began, cpu) = (Instant::now(), cpu_us());
    let wakes = work() as f64;
    let took = began.elapsed().as_secs_f64() * 1e6;
    (took / wakes, (cpu_us() - cpu) / wakes)
}

/// Processor time of the whole process.
fn cpu_us() -> f64 {
    // SAFETY: all zero is a valid `rusage`, and it is valid for writes.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let us = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    us(usage.ru_utime) + us(usage.ru_stime)
}

fn by_driver(trips: u64) -> u64 {
    let name = format!("thalweg-bench-bridge-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("a scratch directory");
    let home = |number| ShardHome {
        shard: ShardId(number),
        directory: directory.clone(),
    };
    let config = Config {
        cores: vec![0, 1],
        pin: true,
        shards: vec![home(0), home(1)],
        listeners: Listeners::bind(&[], 2).expect("nothing to bind"),
        buffered: true,
        idle_poll: Span(0),
        stopper: Stopper::new().expect("an eventfd"),
        stats: Arc::new(Stats::default()),
    };
    let make = move |boot: Boot<'_>| {
        Ok::<_, Infallible>(Thrower {
            me: boot.shard,
            trips,
        })
    };
    run(config, make).expect("it runs");
    let _ = std::fs::remove_dir_all(&directory);
    trips * 2
}

struct Thrower {
    me: ShardId,
    trips: u64,
}

impl Machine for Thrower {
    type Message = u64;

    fn handle(&mut self, _: Now, event: Event<u64>, actions: &mut Actions<u64>) {
        let other = ShardId(1 - self.me.0);
        match event {
            Event::Started if self.me == ShardId(0) => actions.mesh.push((other, 0)),
            Event::Mesh { message, .. } => {
                let trip = message + u64::from(self.me == ShardId(0));
                actions.mesh.push((other, trip));
                if trip >= self.trips {
                    actions.stopped = Some(0);
                }
            }
            _ => {}
        }
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<u64>) {}
}

/// Cores are pinned, so these are too: two threads on one processor wake each other for less.
fn pin_to(cpu: usize) {
    // SAFETY: all zero is the empty set, and `cpu` is below its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn by_threads(trips: u64) -> u64 {
    // SAFETY: no memory is passed.
    let eventfds = [0, 1].map(|_| unsafe { libc::eventfd(0, 0) });
    let throwers = [0, 1].map(|me| {
        thread::spawn(move || {
            pin_to(me);
            let (mine, other) = (eventfds[me], eventfds[1 - me]);
            for _ in 0..trips {
                let mut count = 1u64;
                // SAFETY: eight bytes are read from and written to `count`.
                unsafe {
                    if me == 0 {
                        libc::write(other, (&raw const count).cast(), 8);
                    }
                    libc::read(mine, (&raw mut count).cast(), 8);
                    if me == 1 {
                        count = 1;
                        libc::write(other, (&raw const count).cast(), 8);
                    }
                }
            }
        })
    });
    for thrower in throwers {
        thrower.join().expect("no panic");
    }
    for eventfd in eventfds {
        // SAFETY: it is open and not used any more.
        unsafe { libc::close(eventfd) };
    }
    trips * 2
}

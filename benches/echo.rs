//! What the real driver costs per event: round trips over loopback, their latency, and the
//! processor time of the core's thread; the same with a plain blocking thread beside it. And what
//! an idle core uses.
//!
//! `cargo bench --bench echo`

mod support;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use thalweg::base::{ByteCount, Now, ShardId, Span};
use thalweg::runtime::event::Receive;
use thalweg::runtime::real::{Config, Listeners, ShardHome, Stats, Stopper, run};
use thalweg::runtime::{Actions, Boot, ConnectionId, Event, Machine, Send};

fn main() {
    let size = support::Size::from_args(200, 20_000);
    support::print_head(0);
    for round in 0..if size.is_full { 3 } else { 1 } {
        println!("round {round}");
        for connections in [1, 16] {
            for bytes in [100, 64 << 10] {
                let trips = size.runs * 100 / (100 + bytes as u64 / 64) + 1;
                let driver = with_driver(|address| play(address, connections, bytes, trips));
                let thread = with_threads(|address| play(address, connections, bytes, trips));
                driver.print("driver ", connections, bytes);
                thread.print("threads", connections, bytes);
            }
        }
    }
    let wait = Duration::from_millis(if size.is_full { 5_000 } else { 50 });
    let began = Instant::now();
    let idle = with_driver(|_| {
        thread::sleep(wait);
        Vec::new()
    });
    println!(
        "idle: {:.2} % of a core",
        idle.cpu_us / began.elapsed().as_micros() as f64 * 100.0
    );
}

struct Outcome {
    /// Of one round trip, sorted.
    nanos: Vec<u64>,
    took: Duration,
    cpu_us: f64,
}

impl Outcome {
    fn print(&self, name: &str, connections: usize, bytes: usize) {
        let at = |part: usize| self.nanos[(self.nanos.len() - 1) * part / 100] as f64 / 1e3;
        println!(
            "{name} {connections:>3} connections {bytes:>6} bytes: p50 {:.1} us, p99 {:.1} us, \
             {:.0} trips/s, {:.2} us of server CPU per trip",
            at(50),
            at(99),
            self.nanos.len() as f64 / self.took.as_secs_f64(),
            self.cpu_us / self.nanos.len() as f64,
        );
    }
}

fn play(address: SocketAddr, connections: usize, bytes: usize, trips: u64) -> Vec<u64> {
    let clients: Vec<_> = (0..connections)
        .map(|_| thread::spawn(move || client(address, bytes, trips)))
        .collect();
    let joined = clients.into_iter().map(|client| client.join());
    joined.flat_map(|nanos| nanos.expect("a client")).collect()
}

fn client(address: SocketAddr, bytes: usize, trips: u64) -> Vec<u64> {
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => thread::yield_now(),
        }
    };
    stream.set_nodelay(true).expect("set");
    let mut buffer = vec![7; bytes];
    let mut nanos = Vec::with_capacity(trips as usize);
    for _ in 0..trips {
        let began = Instant::now();
        stream.write_all(&buffer).expect("send");
        stream.read_exact(&mut buffer).expect("receive");
        nanos.push(began.elapsed().as_nanos() as u64);
    }
    nanos
}

/// Processor time of the threads whose names begin so, in microseconds.
fn cpu_of(prefix: &str) -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").expect("proc") {
        let path = task.expect("proc").path();
        // A thread may end while we look.
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let stat = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        if name.starts_with(prefix) {
            let nanos = stat.split(' ').next().and_then(|text| text.parse().ok());
            sum += nanos.unwrap_or(0.0f64) / 1e3;
        }
    }
    sum
}

fn outcome(prefix: &str, work: impl FnOnce() -> Vec<u64>) -> Outcome {
    let (began, cpu) = (Instant::now(), cpu_of(prefix));
    let mut nanos = work();
    let cpu_us = cpu_of(prefix) - cpu;
    nanos.sort_unstable();
    let took = began.elapsed();
    Outcome {
        nanos,
        took,
        cpu_us,
    }
}

fn with_driver(work: impl FnOnce(SocketAddr) -> Vec<u64>) -> Outcome {
    let directory = std::env::temp_dir().join(format!("thalweg-bench-echo-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a scratch directory");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listeners = Listeners::bind(&[any], 1).expect("a free port");
    let address = listeners.addresses()[0];
    let stopper = Stopper::new().expect("an eventfd");
    let config = Config {
        cores: vec![0],
        pin: false,
        shards: vec![ShardHome {
            shard: ShardId(0),
            directory: directory.clone(),
        }],
        listeners,
        buffered: true,
        idle_poll: Span(0),
        stopper: stopper.clone(),
        stats: Arc::new(Stats::default()),
    };
    let process = thread::spawn(move || run(config, |_: Boot<'_>| Ok::<_, Infallible>(Echo)));
    let outcome = outcome("core-", || work(address));
    stopper.stop();
    process.join().expect("no panic").expect("it runs");
    let _ = std::fs::remove_dir_all(&directory);
    outcome
}

fn with_threads(work: impl FnOnce(SocketAddr) -> Vec<u64>) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_nodelay(true);
            let serve = move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
                // Its processor time is read before it may end.
                thread::park_timeout(Duration::from_millis(50));
            };
            let named = thread::Builder::new().name("echo-server".into());
            named.spawn(serve).expect("a thread");
        }
    };
    thread::spawn(server);
    outcome("echo-server", || work(address))
}

struct Echo;

fn wish(connection: ConnectionId) -> Receive {
    Receive {
        connection,
        into: None,
        want: ByteCount::kib(64),
    }
}

impl Machine for Echo {
    type Message = ();

    fn handle(&mut self, _: Now, event: Event<()>, actions: &mut Actions<()>) {
        match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received {
                connection,
                count: 0,
                ..
            } => actions.close.push((connection, false)),
            Event::Received {
                connection, block, ..
            } => {
                let pieces = vec![block.freeze()];
                actions.send.push(Send { connection, pieces });
                actions.receive.push(wish(connection));
            }
            Event::Stop => actions.stopped = Some(0),
            Event::Sent { .. }
            | Event::Closed { .. }
            | Event::Detached { .. }
            | Event::Attached { .. }
            | Event::Disk(_)
            | Event::Bound(_)
            | Event::Mesh { .. }
            | Event::Wake => {}
        }
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<()>) {}
}

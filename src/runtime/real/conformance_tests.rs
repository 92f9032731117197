use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Config, FileDirectory, Listeners, ShardHome, Stats, Stopper, run};
use crate::base::{ShardId, Span};
use crate::runtime::block::BlockPool;
use crate::runtime::conformance::{LOST, Network, Peer, Rig, Shape, run_all};
use crate::runtime::disk::Directory;
use crate::runtime::faults;
use crate::runtime::machine::{Boot, Machine};

/// A process that has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fresh directories below the target directory, on a real file system, removed at the end.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("thalweg-runtime-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub(super) fn homes(&self, shards: u16) -> Vec<ShardHome> {
        let home = |number| {
            let directory = self.0.join(format!("shard-{number}"));
            std::fs::create_dir_all(&directory).expect("a shard's directory");
            ShardHome {
                shard: ShardId(number),
                directory,
            }
        };
        (0..shards).map(home).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct RealRig {
    buffered: bool,
    seen: BTreeSet<&'static str>,
}

struct RealNetwork {
    address: SocketAddr,
    stopper: Stopper,
}

impl Network for RealNetwork {
    fn connect(&mut self) -> Box<dyn Peer> {
        let began = Instant::now();
        loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).expect("set");
                    return Box::new(RealPeer { stream });
                }
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::yield_now();
        }
    }

    fn connect_at(&mut self, port: u16) -> Option<Box<dyn Peer>> {
        let address = SocketAddr::new(self.address.ip(), port);
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        Some(Box::new(RealPeer { stream }))
    }

    fn is_refused(&mut self) -> bool {
        let refused = TcpStream::connect(self.address).err();
        refused.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    }

    fn stop(&mut self) {
        self.stopper.stop();
    }
}

struct RealPeer {
    stream: TcpStream,
}

impl Peer for RealPeer {
    fn send(&mut self, bytes: &[u8]) {
        // The echo sends back while we send: somebody must take it. The sockets' buffers hold
        // what the suite sends.
        self.stream.write_all(bytes).expect("the process receives");
    }

    fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("shutdown");
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut done = 0;
        while done < count {
            match self.stream.read(&mut bytes[done..]) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("nothing came in time: {error}"),
            }
        }
        bytes.truncate(done);
        bytes
    }

    fn reset(self: Box<Self>) {
        let socket = socket2::Socket::from(self.stream);
        // Closing now sends a reset.
        socket.set_linger(Some(Duration::ZERO)).expect("set");
    }
}

impl Rig for RealRig {
    fn run_and_look<M, F>(
        &mut self,
        shape: Shape,
        make: F,
        client: fn(&mut dyn Network),
        look: impl FnOnce(&mut dyn Directory),
    ) -> u8
    where
        M: Machine + 'static,
        F: Fn(Boot<'_>) -> M + Clone + Send + 'static,
    {
        let scratch = Scratch::new();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners::bind(&[any], shape.cores).expect("a free port");
        let stopper = Stopper::new().expect("an eventfd");
        let mut network = RealNetwork {
            address: listeners.addresses()[0],
            stopper: stopper.clone(),
        };
        let config = Config {
            cores: (0..shape.cores).collect(),
            pin: false,
            shards: scratch.homes(shape.shards),
            listeners,
            buffered: self.buffered,
            idle_poll: Span::micros(if self.buffered { 50 } else { 0 }),
            stopper,
            stats: Arc::new(Stats::new((0..shape.shards).map(ShardId))),
        };
        let make = Mutex::new(make);
        let factory = move |boot: Boot<'_>| {
            let make = make.lock().expect("no panic").clone();
            Ok::<M, Infallible>(make(boot))
        };
        let (ended, code) = channel();
        std::thread::spawn(move || ended.send(run(config, factory)));
        client(&mut network);
        let code = code
            .recv_timeout(PATIENCE)
            .expect("the process ends in time")
            .expect("it runs");
        // What a volatile disk held in memory is gone: it was the process's.
        let home = &scratch.homes(1)[0].directory;
        let found = FileDirectory::open(home, BlockPool::default(), self.buffered);
        look(&mut found.expect("it is there"));
        code
    }

    fn note(&mut self, seen: &'static str) {
        self.seen.insert(seen);
    }

    /// What the kernel grants a socket for sending and one for receiving, and more.
    fn flood(&self) -> usize {
        48 << 20
    }
}

fn check_conforms(buffered: bool) {
    let seen = BTreeSet::new();
    let mut rig = RealRig { buffered, seen };

    run_all(&mut rig);

    // A plain disk has no power cut here; a volatile one that loses nothing is not volatile.
    let is_volatile = faults::current().expect("known faults").volatile_disk;
    assert_eq!(rig.seen.contains(LOST), is_volatile);
}

#[test]
fn the_real_driver_conforms() {
    check_conforms(false);
}

#[test]
fn the_real_driver_conforms_without_direct_io() {
    check_conforms(true);
}

/// The suite in a process that plays these faults; true if it passed.
fn conforms_with(faults: &str) -> bool {
    let suite = concat!(module_path!(), "::the_real_driver_conforms");
    let suite = suite.split_once("::").expect("the crate comes first").1;
    let output = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", suite])
        .env("THALWEG_FAULTS", faults)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "{suite} is gone: {said}");
    output.status.success()
}

#[test]
fn the_real_driver_conforms_on_a_disk_that_forgets() {
    assert!(conforms_with("volatile-disk"));
    assert!(conforms_with("volatile-disk,flush-delay-ms=2"));
}

#[test]
fn the_suite_catches_a_driver_that_does_not_flush_in_time() {
    assert!(!conforms_with("volatile-disk,plant=no-flush"));
    // Delayed, so that a flush behind the answer can not be done by the time that anybody looks.
    let late = "volatile-disk,plant=ack-before-flush,flush-delay-ms=500";
    assert!(!conforms_with(late));
}

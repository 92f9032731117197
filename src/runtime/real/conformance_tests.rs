use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Config, Listeners, ShardHome, Stats, Stopper, run};
use crate::base::{ShardId, Span};
use crate::runtime::conformance::{Network, Peer, Rig, Shape, run_all};
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
}

struct RealNetwork {
    address: SocketAddr,
    stopper: Stopper,
}

impl Network for RealNetwork {
    fn connect(&mut self) -> Box<dyn Peer + '_> {
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
            match self.stream.read(&mut bytes[done..]).expect("in time") {
                0 => break,
                more => done += more,
            }
        }
        bytes.truncate(done);
        bytes
    }
}

impl Rig for RealRig {
    fn run<M, F>(&mut self, shape: Shape, make: F, client: fn(&mut dyn Network)) -> u8
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
        code.recv_timeout(PATIENCE)
            .expect("the process ends in time")
            .expect("it runs")
    }
}

#[test]
fn the_real_driver_conforms() {
    run_all(&mut RealRig { buffered: false });
}

#[test]
fn the_real_driver_conforms_without_direct_io() {
    run_all(&mut RealRig { buffered: true });
}

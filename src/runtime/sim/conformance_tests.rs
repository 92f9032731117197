use std::convert::Infallible;

use bytes::Bytes;

use super::{DiskFaults, NetworkFaults, Notice, SocketId, World};
use crate::base::{Span, Ticks};
use crate::runtime::conformance::{Network, Peer, Rig, Shape, run_all};
use crate::runtime::machine::{Boot, Machine};

struct SimRig {
    seed: u64,
}

/// The world, and whether its process has ended.
struct SimNetwork<M: Machine> {
    world: World<M>,
    code: Option<u8>,
}

struct SimPeer<'a, M: Machine> {
    network: &'a mut SimNetwork<M>,
    socket: SocketId,
    closed: bool,
    received: Vec<u8>,
}

const LONG: Ticks = Ticks(3_600_000_000_000);

impl<M: Machine> SimNetwork<M> {
    fn next(&mut self) -> Option<Notice> {
        let notice = self.world.next(LONG);
        if let Some(Notice::Stopped(code)) = notice {
            self.code = Some(code);
        }
        notice
    }
}

impl<M: Machine> Network for SimNetwork<M> {
    fn connect(&mut self) -> Box<dyn Peer + '_> {
        loop {
            if let Some(socket) = self.world.connect() {
                return Box::new(SimPeer {
                    network: self,
                    socket,
                    closed: false,
                    received: Vec::new(),
                });
            }
            let soon = self.world.now() + Span::millis(1);
            self.world.next(soon);
        }
    }

    fn stop(&mut self) {
        self.world.stop();
    }
}

impl<M: Machine> Peer for SimPeer<'_, M> {
    fn send(&mut self, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.network.world.send(self.socket, bytes);
    }

    fn finish_sending(&mut self) {
        self.network.world.finish_sending(self.socket);
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count && !self.closed {
            match self.network.next() {
                Some(Notice::Readable(socket)) => {
                    assert_eq!(socket, self.socket);
                    self.received.extend(self.network.world.take(socket));
                }
                Some(Notice::Closed(_)) => self.closed = true,
                other => panic!("waiting for bytes brought {other:?}"),
            }
        }
        let count = count.min(self.received.len());
        self.received.drain(..count).collect()
    }
}

impl Rig for SimRig {
    fn run<M, F>(&mut self, shape: Shape, make: F, client: fn(&mut dyn Network)) -> u8
    where
        M: Machine + 'static,
        F: Fn(Boot<'_>) -> M + Clone + Send + 'static,
    {
        let mut world = World::new(self.seed, shape.shards, DiskFaults::NONE);
        world.network = NetworkFaults {
            slow: 20,
            tiny_pieces: 2,
            window: crate::base::ByteCount(1_000 + self.seed * 7_919),
            ..NetworkFaults::NONE
        };
        world
            .boot(shape.cores, None, |boot| Ok::<M, Infallible>(make(boot)))
            .expect("it boots");
        let mut network = SimNetwork { world, code: None };
        client(&mut network);
        while network.code.is_none() {
            network.next().expect("it stops");
        }
        network.code.expect("it stopped")
    }
}

#[test]
fn the_simulated_driver_conforms() {
    for seed in 0..32 {
        println!("seed {seed}");
        run_all(&mut SimRig { seed });
    }
}

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use bytes::Bytes;

use super::{DiskFaults, NetworkFaults, Notice, Plant, SocketId, World};
use crate::base::{ByteCount, ShardId, Span, Ticks};
use crate::runtime::block::BlockPool;
use crate::runtime::conformance::{LOST, Network, Peer, REORDERED, Rig, Shape, run_all};
use crate::runtime::disk::Directory;
use crate::runtime::machine::{Boot, Machine};

struct SimRig {
    seed: u64,
    plant: Option<Plant>,
    seen: BTreeSet<&'static str>,
}

impl SimRig {
    fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            plant: None,
            seen: BTreeSet::new(),
        }
    }
}

/// The world, whether its process has ended, and which connections have.
struct State<M: Machine> {
    world: World<M>,
    code: Option<u8>,
    closed: BTreeSet<SocketId>,
}

/// Shared by the network and its peers.
struct Shared<M: Machine>(Rc<RefCell<State<M>>>);

struct SimPeer<M: Machine> {
    state: Shared<M>,
    socket: SocketId,
    received: Vec<u8>,
}

const LONG: Ticks = Ticks(3_600_000_000_000);

impl<M: Machine> State<M> {
    /// Lets the next thing happen.
    fn step(&mut self) {
        match self.world.next(LONG) {
            Some(Notice::Stopped(code)) => self.code = Some(code),
            Some(Notice::Closed(socket)) => drop(self.closed.insert(socket)),
            // Taken by whoever reads, when it does.
            Some(Notice::Readable(_)) => {}
            other => panic!("waiting brought {other:?}"),
        }
    }
}

impl<M: Machine + 'static> Network for Shared<M> {
    fn connect(&mut self) -> Box<dyn Peer> {
        let mut state = self.0.borrow_mut();
        loop {
            if let Some(socket) = state.world.connect() {
                return Box::new(SimPeer {
                    state: Shared(self.0.clone()),
                    socket,
                    received: Vec::new(),
                });
            }
            let soon = state.world.now() + Span::millis(1);
            state.world.next(soon);
        }
    }

    fn connect_at(&mut self, port: u16) -> Option<Box<dyn Peer>> {
        let socket = self.0.borrow_mut().world.connect_at(port)?;
        Some(Box::new(SimPeer {
            state: Shared(self.0.clone()),
            socket,
            received: Vec::new(),
        }))
    }

    fn is_refused(&mut self) -> bool {
        self.0.borrow_mut().world.connect().is_none()
    }

    fn stop(&mut self) {
        self.0.borrow_mut().world.stop();
    }
}

impl<M: Machine> Peer for SimPeer<M> {
    fn send(&mut self, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.state.0.borrow_mut().world.send(self.socket, bytes);
    }

    fn finish_sending(&mut self) {
        self.state.0.borrow_mut().world.finish_sending(self.socket);
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let mut state = self.state.0.borrow_mut();
        self.received.extend(state.world.take(self.socket));
        while self.received.len() < count && !state.closed.contains(&self.socket) {
            state.step();
            self.received.extend(state.world.take(self.socket));
        }
        let count = count.min(self.received.len());
        self.received.drain(..count).collect()
    }

    fn reset(self: Box<Self>) {
        self.state.0.borrow_mut().world.reset(self.socket);
    }
}

impl Rig for SimRig {
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
        let mut world = World::new(self.seed, shape.shards, DiskFaults::NONE);
        world.set_plant(self.plant);
        world.network = NetworkFaults {
            slow: 20,
            tiny_pieces: 2,
            window: ByteCount(1_000 + self.seed * 7_919),
            ..NetworkFaults::NONE
        };
        world
            .boot(shape.cores, None, |boot| Ok::<M, Infallible>(make(boot)))
            .expect("it boots");
        let mut network = Shared(Rc::new(RefCell::new(State {
            world,
            code: None,
            closed: BTreeSet::new(),
        })));
        client(&mut network);
        let mut state = network.0.borrow_mut();
        while state.code.is_none() {
            state.step();
        }
        let disk = state.world.disk(ShardId(0));
        disk.cut_power();
        look(&mut disk.directory(BlockPool::default(), None));
        state.code.expect("it stopped")
    }

    fn note(&mut self, seen: &'static str) {
        self.seen.insert(seen);
    }

    /// More than any window above.
    fn flood(&self) -> usize {
        512 << 10
    }
}

#[test]
fn the_simulated_driver_conforms() {
    let mut seen = BTreeSet::new();
    for seed in 0..32 {
        println!("seed {seed}");
        let mut rig = SimRig::with_seed(seed);
        run_all(&mut rig);
        seen.append(&mut rig.seen);
    }
    // What it may do it does, or nobody would be tried by it.
    assert_eq!(seen, BTreeSet::from([LOST, REORDERED]));
}

#[test]
fn the_suite_catches_a_simulated_disk_that_does_not_flush_in_time() {
    for plant in [Plant::NoFlush, Plant::AckBeforeFlush] {
        let passes = |seed| {
            let plant = Some(plant);
            let mut rig = SimRig {
                plant,
                ..SimRig::with_seed(seed)
            };
            catch_unwind(AssertUnwindSafe(|| run_all(&mut rig))).is_ok()
        };

        assert!(!(0..32).all(passes), "{plant:?} was not seen");
    }
}

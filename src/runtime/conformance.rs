//! What every driver must do, as machines that try it. A driver's tests make a `Rig` of it and
//! call `run_all`.
//!
//! A machine here asserts what it sees as it goes; it says `stopped(0)` when it is content. A
//! driver that never gets there fails by its rig's own time-out.

mod disk;
mod mesh;
mod net;
mod transit;

use crate::base::{ByteCount, Now, ShardId, Ticks};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::{Boot, Machine};

/// A driver, and the way to reach what it runs.
pub trait Rig {
    /// Runs one process of `shards` machines on `cores` cores over fresh directories until all of
    /// them have stopped; returns the exit code. `client` plays a peer meanwhile.
    fn run<M, F>(&mut self, shape: Shape, make: F, client: fn(&mut dyn Network)) -> u8
    where
        M: Machine + 'static,
        F: Fn(Boot<'_>) -> M + Clone + Send + 'static;
}

/// How large the process is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub shards: u16,
    pub cores: usize,
}

impl Shape {
    pub const ONE: Self = Self {
        shards: 1,
        cores: 1,
    };
}

/// The outside world, for code that may wait.
pub trait Network {
    /// Connects to the process; waits until it listens.
    fn connect(&mut self) -> Box<dyn Peer + '_>;
    /// Asks the process to end, as SIGTERM would.
    fn stop(&mut self);
}

/// A client's end of a connection.
pub trait Peer {
    fn send(&mut self, bytes: &[u8]);
    fn finish_sending(&mut self);
    /// Waits for so many bytes; fewer if the connection ends first.
    fn read(&mut self, count: usize) -> Vec<u8>;
}

pub fn run_all(rig: &mut impl Rig) {
    disk::run(rig);
    net::run(rig);
    mesh::run(rig);
    transit::run(rig);
    starts_once_and_wakes_in_time(rig);
    stops_with_the_largest_code(rig);
}

fn no_client(_: &mut dyn Network) {}

fn stops_on_request(network: &mut dyn Network) {
    network.stop();
}

/// A machine that is one function of its events.
struct Script<F>(F);

impl<F: FnMut(Now, Event<u64>, &mut Actions<u64>)> Machine for Script<F> {
    type Message = u64;

    fn handle(&mut self, now: Now, event: Event<u64>, actions: &mut Actions<u64>) {
        (self.0)(now, event, actions);
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<u64>) {}
}

fn starts_once_and_wakes_in_time(rig: &mut impl Rig) {
    const WAIT: u64 = 20_000_000;
    let make = |_: Boot<'_>| {
        let mut began: Option<Ticks> = None;
        Script(
            move |now: Now, event, actions: &mut Actions<u64>| match event {
                Event::Started => {
                    assert!(began.is_none(), "started twice");
                    began = Some(now.ticks);
                    actions.wake_at = Some(Ticks(now.ticks.0 + 1_000 * WAIT));
                    // The newest wish counts.
                    actions.wake_at = Some(Ticks(now.ticks.0 + WAIT));
                }
                Event::Wake => {
                    let began = began.expect("started comes first");
                    let waited = now.ticks.since(began).0;
                    assert!(waited >= WAIT, "woken after {waited} ns instead of {WAIT}");
                    assert!(waited < 500 * WAIT, "the older wish was kept");
                    actions.stopped = Some(0);
                }
                other => panic!("nobody asked for {other:?}"),
            },
        )
    };

    let code = rig.run(Shape::ONE, make, no_client);

    assert_eq!(code, 0);
}

fn stops_with_the_largest_code(rig: &mut impl Rig) {
    let shape = Shape {
        shards: 3,
        cores: 2,
    };
    let make = |boot: Boot<'_>| {
        let code = [0, 74, 3][usize::from(boot.shard.0)];
        assert_eq!(boot.shards, [ShardId(0), ShardId(1), ShardId(2)]);
        Script(move |_, event, actions: &mut Actions<u64>| {
            if let Event::Stop = event {
                actions.stopped = Some(code);
            }
        })
    };

    let code = rig.run(shape, make, stops_on_request);

    assert_eq!(code, 74);
}

/// A size that all pieces of the suite agree on.
const PAGE: ByteCount = crate::base::limits::ALIGN_BYTES;

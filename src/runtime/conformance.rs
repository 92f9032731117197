//! What every driver must do, as machines that try it. A driver's tests make a `Rig` of it and
//! call `run_all`.
//!
//! A machine here asserts what it sees as it goes; it says `stopped(0)` when it is content. A
//! driver that never gets there fails by its rig's own time-out.
//!
//! What journal and shard rely on, by the file that tries it:
//!
//! - `disk`, `flight`: an operation ends once, under its ticket, with the length that it was asked
//!   for, however many are under way and in whatever order they end; reads end where the file
//!   does; what is not there is refused, with its place, and not made; files prepared again,
//!   removed, made anew and listed are what they were said to be.
//! - `keep`: what a flush covered, and a durable write, survive the loss of everything else.
//! - `net`, `ends`, `pressure`: bytes keep their order, every send is told before the end, and the
//!   end once, with its reason: asked for (at once, or behind what is queued), reset, finished by
//!   the peer; nothing is received unasked, nothing has left that the peer does not take; old
//!   connections outlive the listening, none outlives the process.
//! - `listeners`: what is bound late listens once it is opened, on every core, and no more once it
//!   is shut; a port that somebody has is refused.
//! - `transit`: a connection that moves loses nothing, nor the block that it was lent.
//! - `mesh`: messages arrive in order, each once; a shard that has stopped hears nothing.
//! - `timer`: a wake comes once and not before its time, for the newest wish.

mod disk;
mod ends;
mod flight;
mod keep;
mod listeners;
mod mesh;
mod net;
mod ops;
mod pressure;
mod timer;
mod transit;

use crate::base::{ByteCount, Now, ShardId};
use crate::runtime::disk::Directory;
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::{Boot, Machine};

/// A driver, and the way to reach what it runs.
pub trait Rig {
    /// Runs one process of `shards` machines on `cores` cores over fresh directories until all of
    /// them have stopped; returns the exit code. `client` plays a peer meanwhile. Then the power
    /// fails, if this driver can play that, and `look` sees what the next start of the first shard
    /// would.
    fn run_and_look<M, F>(
        &mut self,
        shape: Shape,
        make: F,
        client: fn(&mut dyn Network),
        look: impl FnOnce(&mut dyn Directory),
    ) -> u8
    where
        M: Machine + 'static,
        F: Fn(Boot<'_>) -> M + Clone + Send + 'static;

    fn run<M, F>(&mut self, shape: Shape, make: F, client: fn(&mut dyn Network)) -> u8
    where
        M: Machine + 'static,
        F: Fn(Boot<'_>) -> M + Clone + Send + 'static,
    {
        self.run_and_look(shape, make, client, |_| {})
    }

    /// Something happened that a driver may do, and need not.
    fn note(&mut self, seen: &'static str);

    /// More bytes than the network takes for a peer that does not read.
    fn flood(&self) -> usize;
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
    fn connect(&mut self) -> Box<dyn Peer>;
    /// The same at another port of the process; None if who connects there is turned away.
    fn connect_at(&mut self, port: u16) -> Option<Box<dyn Peer>>;
    /// True if who connects now is turned away.
    fn is_refused(&mut self) -> bool;
    /// Asks the process to end, as SIGTERM would.
    fn stop(&mut self);
}

/// A client's end of a connection.
pub trait Peer {
    fn send(&mut self, bytes: &[u8]);
    fn finish_sending(&mut self);
    /// Waits for so many bytes; fewer if the connection ends first, however it does.
    fn read(&mut self, count: usize) -> Vec<u8>;
    /// Ends the connection without a word.
    fn reset(self: Box<Self>);
}

pub use keep::LOST;
pub use ops::REORDERED;

pub fn run_all(rig: &mut impl Rig) {
    disk::run(rig);
    flight::run(rig);
    keep::run(rig);
    net::run(rig);
    ends::run(rig);
    pressure::run(rig);
    listeners::run(rig);
    mesh::run(rig);
    transit::run(rig);
    timer::run(rig);
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

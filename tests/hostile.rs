//! Hostile clients on a real broker, one case for each line of "bad input" in the fault plan, then
//! mutated frames by the thousand.
//!
//! Throughout, an honest user writes and reads on connections of its own. Afterwards each of its
//! acknowledged records is there, the broker lives, and what the hostile ones held is free.
//!
//!     cargo test --test hostile -- --nocapture
//!     THALWEG_HOSTILE_FRAMES=100000 cargo test --test hostile mutated -- --nocapture
//!     THALWEG_HOSTILE_SEED=... cargo test --test hostile mutated       repeats a run

mod support;

// First, because it waits for long, and all others can be run beside it.
#[path = "hostile/absent.rs"]
mod absent;
#[path = "hostile/batches.rs"]
mod batches;
#[path = "hostile/crowds.rs"]
mod crowds;
#[path = "hostile/frames.rs"]
mod frames;
#[path = "hostile/mutate.rs"]
mod mutate;
#[path = "hostile/mutated.rs"]
mod mutated;

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use support::client::Heard;
use support::{Broker, Client, Honest, Scratch, serve, system, wait_for};
use thalweg::wire::versions;

const MIB: u64 = 1 << 20;
/// The broker's cache, which the honest user fills sooner or later.
const CACHE_BYTES: u64 = 64 * MIB;
/// The honest user never waits longer for a produce and a fetch together, on a busy machine and
/// with a debug build.
const HONEST_WAIT: Duration = Duration::from_secs(15);
/// Descriptors besides sockets: segments that were opened meanwhile.
const FILES_MORE: usize = 16;

/// A broker under attack, and the honest user beside it.
struct Siege {
    broker: Broker,
    honest: Honest,
    sockets: usize,
    descriptors: usize,
    resident: u64,
    _scratch: Scratch,
}

impl Siege {
    fn begin(name: &str) -> Self {
        Self::begin_with(name, &[])
    }

    fn begin_with(name: &str, more: &[&str]) -> Self {
        Self::begin_as(name, more, |_| {})
    }

    /// With so many open files at most.
    fn begin_limited(name: &str, files: u64) -> Self {
        Self::begin_as(name, &[], |command| {
            system::limit(command, libc::RLIMIT_NOFILE, files);
        })
    }

    fn begin_as(name: &str, more: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let scratch = Scratch::new(name);
        let cache = format!("{}MiB", CACHE_BYTES / MIB);
        let flags = ["--cores", "2", "--cache-bytes", &cache, "--allow-buffered"];
        let data_dir = scratch.path("data");
        let mut command = serve(&data_dir, &[&flags, more].concat());
        prepare(&mut command);
        let broker = Broker::start_command(&data_dir, command);
        let pid = broker.pid();
        let sockets = settled_sockets(pid);
        let honest = Honest::begin(&broker);
        wait_for("the first acknowledgements", || {
            (honest.acknowledged() > 20).then_some(())
        });
        Self {
            sockets,
            descriptors: system::open_descriptors(pid),
            resident: system::resident(pid),
            broker,
            honest,
            _scratch: scratch,
        }
    }

    fn connect(&self) -> Client {
        self.broker.connect()
    }

    /// How far resident memory is above that before the attack.
    fn growth(&self) -> u64 {
        system::resident(self.broker.pid()).saturating_sub(self.resident)
    }

    /// These bytes, and then no more, end in a closed connection without any reply, and in one
    /// line of the log that names the peer and says `why`.
    fn check_closed(&self, what: &str, bytes: &[u8], why: &str) {
        let mut client = self.connect();
        client.send_raw(bytes);

        assert_eq!(client.hear(), Heard::Closed, "{what}");

        let peer = format!("127.0.0.1:{}", client.port());
        let lines = wait_for("a line of the log", || {
            let log = self.broker.log();
            let about = log.lines().filter(|line| line.contains(&peer));
            let lines: Vec<String> = about.map(str::to_owned).collect();
            (!lines.is_empty()).then_some(lines)
        });
        assert_eq!(lines.len(), 1, "{what}: {lines:?}");
        assert!(
            lines[0].contains(why),
            "{what}: no \"{why}\" in {}",
            lines[0]
        );
    }

    /// The attack is over: whoever was hostile is gone, and nobody was harmed. Memory may have
    /// grown by so much, besides the cache that the honest user fills.
    fn end(mut self, growth_max: u64) {
        let served_before = self.honest.acknowledged();
        wait_for("service after the attack", || {
            (self.honest.acknowledged() > served_before + 20).then_some(())
        });
        let account = self.honest.end();
        assert!(
            account.slowest < HONEST_WAIT,
            "the honest user waited {:?}",
            account.slowest
        );
        let pid = self.broker.pid();
        wait_for("hostile sockets to be closed", || {
            (system::open_sockets(pid) <= self.sockets).then_some(())
        });
        let descriptors = system::open_descriptors(pid);
        assert!(
            descriptors <= self.descriptors + FILES_MORE,
            "{descriptors} descriptors"
        );
        let growth = system::resident(pid).saturating_sub(self.resident);
        println!(
            "the honest user: {} records, slowest {:?}; memory grew by {} KiB",
            account.records(),
            account.slowest,
            growth >> 10
        );
        assert!(
            growth < CACHE_BYTES + growth_max,
            "memory grew by {growth} bytes"
        );
        // Reading all of it takes memory of its own, the more the faster the honest user was.
        account.verify(&mut self.broker.connect());
        assert_eq!(self.broker.ended(), None);
        assert!(
            !self.broker.log().contains("panicked"),
            "{}",
            self.broker.log()
        );
        assert_eq!(self.broker.stop().0, Some(0));
    }
}

/// Sockets of a broker that nobody is connected to any more.
fn settled_sockets(pid: u32) -> usize {
    // Listeners only, one per core: what asked whether it is ready has left.
    wait_for("connections to be closed", || {
        let count = system::open_sockets(pid);
        (count <= 2).then_some(count)
    })
}

/// A frame of this API and version around `body`.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let api = versions::find(key);
    let mut inner = Vec::new();
    inner.extend(key.to_be_bytes());
    inner.extend(version.to_be_bytes());
    inner.extend(7_i32.to_be_bytes());
    inner.extend(b"\x00\x07hostile");
    if api.is_some_and(|api| api.is_flexible(version)) {
        inner.push(0);
    }
    inner.extend(body);
    framed(&inner)
}

fn framed(inner: &[u8]) -> Vec<u8> {
    let mut bytes = (inner.len() as i32).to_be_bytes().to_vec();
    bytes.extend(inner);
    bytes
}

/// The next reply; the connection is still open.
fn reply_on(client: &mut Client, what: &str) -> Bytes {
    match client.hear() {
        Heard::Frame(frame) => frame,
        Heard::Closed => panic!("{what}: closed where a reply was due"),
    }
}

//! Clients that stop, and stay: one takes no more of its replies, one sends no more of its request.

use std::io::Read;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thalweg::base::limits::STALLED_SEND_WAIT;
use thalweg::wire::client::encode;

use super::support::client::{Heard, fetch_request};
use super::support::{Client, batch_of, wait_for};
use super::{HONEST_WAIT, MIB, Siege, framed};

/// So that both limits are seen in one run: a client that stops in a request is idle.
const IDLE: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_nanos(STALLED_SEND_WAIT.0);
const PATIENCE: Duration = Duration::from_secs(90);
const CLIENTS: usize = 20;
/// What each of them has sent of a larger request.
const SENT: usize = 4 << 20;

/// A client that the broker knows, so that no time for a handshake ends it.
fn known(siege: &Siege) -> Client {
    let mut client = siege.connect();
    client.try_metadata().expect("an answer");
    client
}

fn ask_for_much(client: &mut Client) {
    let request = fetch_request("t", 0, 0);
    let bytes = encode(&request, 11, 1, "absent").expect("it encodes");
    // 30 MiB of replies: more than the kernel's buffers and ours for one connection.
    client.send_raw(&bytes.repeat(30));
}

/// Clients whose manners are good, or good enough: each must live to the end.
struct Kept {
    /// Asks now and then.
    seldom: Client,
    /// Waits in fetches of what never comes, each for longer than one may be idle.
    waits: JoinHandle<Client>,
    /// Takes its replies, slowly.
    slow: Client,
    taken: usize,
    /// Sends a request that takes it longer than one may be idle.
    uploads: Client,
    request: Vec<u8>,
    sent: usize,
}

impl Kept {
    fn begin(siege: &Siege) -> Self {
        let [seldom, mut waits, mut slow, uploads] = [(); 4].map(|()| known(siege));
        waits.create_topic("nothing", 1);
        let waits = std::thread::spawn(move || {
            for _ in 0..2 {
                waits.send_waiting_fetch("nothing", 28_000);
                assert_ne!(waits.hear(), Heard::Closed, "who waits is kept");
            }
            waits
        });
        ask_for_much(&mut slow);
        Self {
            seldom,
            waits,
            slow,
            taken: 0,
            uploads,
            request: framed(&vec![0; 2 * SENT]),
            sent: 0,
        }
    }

    fn go_on(&mut self) {
        let asked = Instant::now();
        self.seldom.try_metadata().expect("who asks is kept");
        let waited = asked.elapsed();
        assert!(waited < HONEST_WAIT, "an answer took {waited:?}");
        let mut part = [0; 16 << 10];
        let count = self.slow.stream.read(&mut part);
        self.taken += count.expect("who takes something is kept");
        let part = &self.request[self.sent..][..part.len()];
        self.uploads.send_raw(part);
        self.sent += part.len();
    }

    fn end(mut self) {
        assert!(self.taken > 0);
        self.go_on();
        assert!(!is_closed(&mut self.uploads), "who sends something is kept");
        let mut waits = self.waits.join().expect("it was served");
        waits.try_metadata().expect("who waited is kept");
    }
}

/// Clients that send a part of a request and no more, each on a connection that it keeps.
fn send_halves(siege: &Siege) -> Vec<Client> {
    let whole = framed(&vec![0; 2 * SENT]);
    let mut halves: Vec<Client> = (0..CLIENTS).map(|_| known(siege)).collect();
    for half in &mut halves {
        half.send_raw(&whole[..SENT]);
    }
    halves
}

/// Looks every half second, while the kept ones go on, until `ask` has an answer.
fn watch(kept: &mut Kept, began: Instant, mut ask: impl FnMut() -> bool) -> Duration {
    while !ask() {
        assert!(began.elapsed() < PATIENCE, "not after {PATIENCE:?}");
        kept.go_on();
        // The pace of a slow client, which is what is tried.
        std::thread::sleep(Duration::from_millis(500));
    }
    began.elapsed()
}

/// Nothing was sent to it, so that all it can hear is the end.
fn is_closed(client: &mut Client) -> bool {
    let at_once = Some(Duration::from_millis(1));
    client.stream.set_read_timeout(at_once).expect("it is open");
    match client.stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_stops_in_a_request_or_in_its_replies_is_closed_in_time_and_nobody_else_is() {
    let idle = format!("connections.max.idle.ms={}", IDLE.as_millis());
    let siege = Siege::begin_with("hostile-absent", &["--override", &idle]);
    let mut writer = siege.connect();
    writer.create_topic("t", 1);
    for _ in 0..8 {
        let batch = Some(batch_of(&[&vec![1; 900_000]]));
        assert_eq!(writer.produce("t", 0, batch).0, 0);
    }
    let mut kept = Kept::begin(&siege);
    let before = siege.growth();

    let began = Instant::now();
    let mut deaf: Vec<Client> = (0..CLIENTS).map(|_| known(&siege)).collect();
    deaf.iter_mut().for_each(ask_for_much);
    let mut halves = send_halves(&siege);
    let held = wait_for("memory for what was sent", || {
        let held = siege.growth().saturating_sub(before);
        (held > (CLIENTS * SENT) as u64).then_some(held)
    });
    let took = watch(&mut kept, began, || halves.iter_mut().all(is_closed));
    println!("stopped in a request: closed after {took:?}");
    assert!(took >= IDLE, "closed too soon");
    assert!(took < STALL, "the limit is {IDLE:?}");
    // What they held is others' now: the next as many need nothing more.
    let next = Instant::now();
    let mut halves = send_halves(&siege);
    let took = watch(&mut kept, next, || halves.iter_mut().all(is_closed));
    println!("the next: closed after {took:?}");
    let now = siege.growth().saturating_sub(before);
    println!("held {} MiB, after the next {} MiB", held / MIB, now / MIB);
    assert!(now < held + held / 3, "{held} bytes, then {now}");

    check_deaf(&siege, &mut kept, &deaf, began);
    kept.end();
    drop((writer, deaf, halves));
    // A core's pool keeps up to 64 MiB idle, and its caches begin with 24 MiB.
    siege.end(128 * MIB);
}

/// Whoever takes no replies since `began` is closed when its time is over, and nobody else.
fn check_deaf(siege: &Siege, kept: &mut Kept, deaf: &[Client], began: Instant) {
    let why = "it does not take its replies";
    let mut first = None;
    let took = watch(kept, began, || {
        let log = siege.broker.log();
        let told = |client: &Client| {
            let peer = format!("127.0.0.1:{}", client.port());
            let mut lines = log.lines();
            lines.any(|line| line.contains(&peer) && line.contains(why))
        };
        if log.contains(why) {
            first.get_or_insert(began.elapsed());
        }
        deaf.iter().all(told)
    });

    println!("stopped in its replies: closed after {first:?} to {took:?}");
    assert!(first >= Some(STALL), "closed too soon");
    assert_eq!(siege.broker.log().matches(why).count(), deaf.len());
}

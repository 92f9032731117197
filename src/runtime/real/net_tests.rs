//! What only real sockets show: full buffers, resets, many peers, ports that are taken.

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::conformance_tests::Scratch;
use super::{BindError, Config, Listeners, RunError, Stats, Stopper, run};
use crate::base::{ByteCount, Now, ShardId, Span};
use crate::runtime::event::{Actions, CloseReason, ConnectionId, Event, Receive, Send};
use crate::runtime::machine::{Boot, Machine};

/// What does not happen within this time never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Any free port of the loopback.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A machine that is one function of its events, told which shard it is.
struct Script<F>(ShardId, F);

impl<F: FnMut(ShardId, Event<()>, &mut Actions<()>)> Machine for Script<F> {
    type Message = ();

    fn handle(&mut self, _: Now, event: Event<()>, actions: &mut Actions<()>) {
        (self.1)(self.0, event, actions);
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<()>) {}
}

/// A process on one core, and its end.
struct Process {
    address: SocketAddr,
    stopper: Stopper,
    thread: JoinHandle<Result<u8, RunError>>,
    _scratch: Scratch,
}

impl Process {
    fn start<F>(shards: u16, handle: F) -> Self
    where
        F: FnMut(ShardId, Event<()>, &mut Actions<()>) + Clone,
        F: std::marker::Send + Sync + 'static,
    {
        let listeners = Listeners::bind(&[ANY], 1).expect("a free port");
        Self::start_at(listeners, 1, shards, handle)
    }

    fn start_at<F>(listeners: Listeners, cores: usize, shards: u16, handle: F) -> Self
    where
        F: FnMut(ShardId, Event<()>, &mut Actions<()>) + Clone,
        F: std::marker::Send + Sync + 'static,
    {
        let scratch = Scratch::new();
        let address = listeners.addresses()[0];
        let stopper = Stopper::new().expect("an eventfd");
        let config = Config {
            cores: (0..cores).collect(),
            pin: false,
            shards: scratch.homes(shards),
            listeners,
            buffered: true,
            idle_poll: Span(0),
            stopper: stopper.clone(),
            stats: Arc::new(Stats::default()),
        };
        let make = move |boot: Boot<'_>| Ok::<_, Infallible>(Script(boot.shard, handle.clone()));
        let thread = std::thread::spawn(move || run(config, make));
        Self {
            address,
            stopper,
            thread,
            _scratch: scratch,
        }
    }

    fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    fn stop(self) -> u8 {
        self.stopper.stop();
        self.thread.join().expect("no panic").expect("it ran")
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = within("connected", || TcpStream::connect(address).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

/// The shard that answers at an address.
fn shard_at(address: SocketAddr) -> usize {
    let mut stream = connect(address);
    let mut name = [0];
    stream.write_all(b"x").expect("send");
    stream.read_exact(&mut name).expect("served");
    usize::from(name[0])
}

/// The address of a shard that has a port of its own.
fn own(first: SocketAddr, shard: usize) -> SocketAddr {
    SocketAddr::new(first.ip(), first.port() + shard as u16)
}

fn within<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not {what} in time");
        std::thread::yield_now();
    }
}

fn wish(connection: ConnectionId) -> Receive {
    Receive {
        connection,
        into: None,
        want: ByteCount::kib(4),
    }
}

/// Answers every receive with one byte that names the shard.
fn name_shard(shard: ShardId, event: Event<()>, actions: &mut Actions<()>) {
    match event {
        Event::Started => actions.listen = true,
        Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
        Event::Received {
            connection,
            count: 0,
            ..
        } => actions.close.push((connection, true)),
        Event::Received { connection, .. } => {
            let pieces = vec![Bytes::from(vec![shard.0 as u8])];
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

#[test]
fn a_slow_reader_gets_every_byte_in_order() {
    const PIECE: usize = 3_000_017;
    const SENDS: usize = 8;
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let process = Process::start(1, |_, event, actions: &mut Actions<()>| match event {
        Event::Started => actions.listen = true,
        Event::Accepted { connection, .. } => {
            for number in 0..SENDS {
                // An empty piece, a whole and a part: a send is what lies between its ends.
                let bytes = Bytes::from(vec![number as u8; PIECE]);
                let pieces = vec![Bytes::new(), bytes.slice(..7), bytes.slice(7..)];
                actions.send.push(Send { connection, pieces });
            }
            actions.close.push((connection, false));
        }
        Event::Sent { .. } => drop(SENT.fetch_add(1, Ordering::Relaxed)),
        Event::Stop => actions.stopped = Some(0),
        _ => {}
    });
    let mut stream = process.connect();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("it arrives");

    assert_eq!(all.len(), PIECE * SENDS);
    let right = |(at, byte): (usize, &u8)| usize::from(*byte) == at / PIECE;
    assert!(all.iter().enumerate().all(right), "bytes out of order");
    assert_eq!(SENT.load(Ordering::Relaxed), SENDS);
    assert_eq!(process.stop(), 0);
}

#[test]
fn a_reset_is_told_and_harms_no_other_connection() {
    static RESETS: AtomicUsize = AtomicUsize::new(0);
    let process = Process::start(1, |shard, event, actions: &mut Actions<()>| {
        if let Event::Closed { reason, .. } = &event {
            assert_eq!(*reason, CloseReason::Reset);
            RESETS.fetch_add(1, Ordering::Relaxed);
        }
        name_shard(shard, event, actions);
    });
    let mut honest = process.connect();
    for _ in 0..20 {
        let mut stream = process.connect();
        // Who resets before it is let in is never heard of.
        stream.write_all(b"x").expect("send");
        stream.read_exact(&mut [0]).expect("served");
        let socket = socket2::Socket::from(stream);
        // Closing now sends a reset.
        socket.set_linger(Some(Duration::ZERO)).expect("set");
    }

    within("all told", || {
        (RESETS.load(Ordering::Relaxed) == 20).then_some(())
    });

    honest.write_all(b"x").expect("send");
    honest.read_exact(&mut [0]).expect("served");
    assert_eq!(process.stop(), 0);
}

#[test]
fn hundreds_of_connections_are_dealt_evenly_to_the_shards_of_a_core() {
    let process = Process::start(3, name_shard);
    let mut streams: Vec<TcpStream> = (0..300).map(|_| process.connect()).collect();

    let mut dealt = [0; 3];
    for stream in &mut streams {
        stream.write_all(b"x").expect("send");
    }
    for stream in &mut streams {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("served");
        dealt[usize::from(byte[0])] += 1;
    }

    assert_eq!(dealt.iter().sum::<i32>(), 300);
    // Shards begin to listen one after the other; the first may get a few more.
    assert!(dealt.iter().all(|count| *count >= 90), "{dealt:?}");
    assert_eq!(process.stop(), 0);
}

#[test]
fn who_stops_to_listen_serves_old_peers_and_lets_no_new_ones_in() {
    let process = Process::start(1, |shard, event, actions: &mut Actions<()>| {
        if let Event::Received { count: 1.., .. } = &event {
            actions.stop_listening = true;
        }
        name_shard(shard, event, actions);
    });
    let mut old = process.connect();
    old.write_all(b"x").expect("send");
    old.read_exact(&mut [0]).expect("served");

    let refused = within("refused", || TcpStream::connect(process.address).err());

    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    old.write_all(b"x").expect("send");
    old.read_exact(&mut [0]).expect("served");
    assert_eq!(process.stop(), 0);
}

#[test]
fn a_port_that_somebody_listens_on_is_refused_with_advice() {
    let process = Process::start(1, name_shard);
    let mut stream = process.connect();
    stream.write_all(b"x").expect("send");
    stream.read_exact(&mut [0]).expect("served");

    let Err(error) = Listeners::bind(&[process.address], 2) else {
        panic!("two processes on one port");
    };

    assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("--listen"), "{error}");
    assert_eq!(process.stop(), 0);
}

#[test]
fn two_that_bound_before_either_listened_do_not_share_the_port() {
    type Bind = fn(&[SocketAddr], usize) -> Result<Listeners, BindError>;
    for bind in [Listeners::bind as Bind, Listeners::bind_each] {
        // A port that was free a moment ago: both are given it.
        let given = Listeners::bind(&[ANY], 1).expect("a free port").addresses()[0];
        let mut ours = bind(&[given], 1).expect("nobody listens yet");
        let mut theirs = bind(&[given], 1).expect("nobody listens yet");
        let (first, second) = (ours.start(), theirs.start());
        let starts = [first, second].map(Mutex::new);
        let shards = [(0, ShardId(0))];
        let (mut first, mut second) = (ours.take(0, &shards), theirs.take(0, &shards));
        let begin = super::listen::begin;
        begin(&mut first, 0, &starts[0]).expect("the first may listen");

        let refused = begin(&mut second, 0, &starts[1]);

        let kind = refused.expect_err("the port is taken").kind();
        assert_eq!(kind, ErrorKind::AddrInUse);
    }
}

#[test]
fn shards_with_a_port_each_get_who_comes_there_at_any_address_and_on_any_core() {
    let addresses = [1, 2].map(|last| SocketAddr::from(([127, 0, 0, last], 0)));
    let listeners = Listeners::bind_each(&addresses, 5).expect("five free ports in a row");
    let firsts = listeners.addresses().to_vec();
    assert_eq!(firsts[0].port(), firsts[1].port());
    let process = Process::start_at(listeners, 2, 5, name_shard);

    for first in firsts {
        for shard in [0, 1, 2, 3, 4, 3, 3] {
            assert_eq!(shard_at(own(first, shard)), shard);
        }
    }

    assert_eq!(process.stop(), 0);
}

#[test]
fn a_shard_that_stops_to_listen_shuts_its_own_port_only() {
    let listeners = Listeners::bind_each(&[ANY], 3).expect("three free ports in a row");
    let process = Process::start_at(
        listeners,
        1,
        3,
        |shard, event, actions: &mut Actions<()>| {
            if let (Event::Received { count: 1.., .. }, ShardId(1)) = (&event, shard) {
                actions.stop_listening = true;
            }
            name_shard(shard, event, actions);
        },
    );
    assert_eq!(shard_at(own(process.address, 1)), 1);

    let address = own(process.address, 1);
    let refused = within("refused", || TcpStream::connect(address).err());

    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(shard_at(process.address), 0);
    assert_eq!(shard_at(own(process.address, 2)), 2);
    assert_eq!(process.stop(), 0);
}

#[test]
fn a_port_that_one_shard_can_not_have_is_named() {
    let taken = within("a port with one before it", || {
        let listener = TcpListener::bind(ANY).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let first = SocketAddr::new(address.ip(), address.port() - 1);
        TcpListener::bind(first).ok().map(|_| (first, listener))
    });
    let (first, listener) = taken;

    let Err(error) = Listeners::bind_each(&[first], 3) else {
        panic!("two processes on one port");
    };

    assert_eq!(Some(error.address), listener.local_addr().ok());
    assert!(error.is_taken(), "{error}");
    let last = SocketAddr::new(first.ip(), u16::MAX);
    let error = Listeners::bind_each(&[last], 2)
        .err()
        .expect("beyond the last port");
    assert!(error.is_taken(), "{error}");
}

#[test]
fn a_machine_that_does_not_come_up_ends_the_run_with_its_message() {
    let scratch = Scratch::new();
    let config = Config {
        cores: vec![0, 1],
        pin: false,
        shards: scratch.homes(2),
        listeners: Listeners::bind(&[], 2).expect("nothing to bind"),
        buffered: true,
        idle_poll: Span(0),
        stopper: Stopper::new().expect("an eventfd"),
        stats: Arc::new(Stats::default()),
    };
    let result = run(config, |boot: Boot<'_>| match boot.shard {
        ShardId(1) => Err("the journal is of a newer version"),
        shard => Ok(Script(shard, name_shard)),
    });

    let error = result.expect_err("shard 1 did not come up");

    assert_eq!(
        error.to_string(),
        "shard 1: the journal is of a newer version"
    );
}

#[test]
fn a_stop_during_a_boot_that_takes_long_ends_the_run_with_code_0() {
    let scratch = Scratch::new();
    let stopper = Stopper::new().expect("an eventfd");
    let config = Config {
        cores: vec![0, 1],
        pin: false,
        shards: scratch.homes(2),
        listeners: Listeners::bind(&[], 2).expect("nothing to bind"),
        buffered: true,
        idle_poll: Span(0),
        stopper: stopper.clone(),
        stats: Arc::new(Stats::default()),
    };
    let (recovered, recovery) = channel::<()>();
    let recovery = Mutex::new(recovery);
    stopper.stop();

    // Shard 1 recovers for as long as the other end of its channel lives.
    let result = run(config, move |boot: Boot<'_>| {
        if boot.shard == ShardId(1) {
            let _ = recovery.lock().expect("one asks").recv();
        }
        Ok::<_, Infallible>(Script(boot.shard, name_shard))
    });

    assert_eq!(result.expect("a stop is no error"), 0);
    drop(recovered);
}

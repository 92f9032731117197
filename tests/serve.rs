//! What `thalweg serve` promises: a clean end, everything there after a restart on any number of
//! cores, rest when nobody asks anything, and one sentence with the remedy where it can not run.

mod support;

#[path = "serve/configuration.rs"]
mod configuration;
#[path = "serve/disks.rs"]
mod disks;
#[path = "serve/gateway.rs"]
mod gateway;
#[path = "serve/late_listeners.rs"]
mod late_listeners;
#[path = "serve/listeners.rs"]
mod listeners;
#[path = "serve/loggers.rs"]
mod loggers;
#[path = "serve/output.rs"]
mod output;
#[path = "serve/ports.rs"]
mod ports;
#[path = "serve/refusals.rs"]
mod refusals;

use std::time::{Duration, Instant};

use bytes::Bytes;
use support::client::{Heard, fetch_request, produce_request};
use support::{Broker, Client, Scratch, batch_of, system, wait_for};
use thalweg::wire::client::decode;
use thalweg::wire::messages::{FetchRequest, ProduceRequest};

const CORES_2: &[&str] = &["--cores", "2", "--allow-buffered"];
/// The longest that an end may take.
const END_SECONDS: f64 = 10.0;

fn number(number: usize) -> Bytes {
    Bytes::from(format!("record {number}"))
}

#[test]
fn sigterm_answers_what_is_owed_ends_with_0_and_a_restart_finds_it_all() {
    let scratch = Scratch::new("serve-stop");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, CORES_2);
    let mut writer = broker.connect();
    writer.create_topic("t", 1);
    let mut waiting = broker.connect();
    let long = fetch_request("t", 0, 0)
        .with_max_wait_ms(30_000)
        .with_min_bytes(1 << 20);
    waiting.send(&long, 11);
    for at in 0..40 {
        let batch = Some(batch_of(&[&number(at)]));
        writer.send(&produce_request("t", 0, batch), 9);
    }
    let Heard::Frame(_) = writer.hear() else {
        panic!("the first produce is answered");
    };

    let (code, seconds) = broker.stop();

    assert_eq!(code, Some(0));
    assert!(seconds < END_SECONDS, "{seconds} s");
    let Heard::Frame(reply) = waiting.hear() else {
        panic!("a waiting fetch is answered at the end");
    };
    decode::<FetchRequest>(11, reply).expect("a fetch's reply");
    let acknowledged = 1 + acknowledgements(&mut writer);
    let broker = Broker::start(&data_dir, CORES_2);
    let found = broker.connect().read_all("t", 0);
    assert!(
        found.len() >= acknowledged,
        "{} < {acknowledged}",
        found.len()
    );
    for (at, (offset, value)) in found.iter().enumerate() {
        assert_eq!((*offset, value), (at as i64, &number(at)));
    }
}

#[test]
fn clients_that_read_nothing_or_stop_in_a_request_do_not_hold_up_the_end() {
    let scratch = Scratch::new("serve-stop-deaf");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, CORES_2);
    let mut writer = broker.connect();
    writer.create_topic("t", 1);
    for at in 0..8_u8 {
        let batch = Some(batch_of(&[&vec![at; 900_000]]));
        assert_eq!(writer.produce("t", 0, batch).0, 0);
    }
    let mut deaf = broker.connect();
    for _ in 0..40 {
        deaf.send(&fetch_request("t", 0, 0), 11);
    }
    let mut stops = broker.connect();
    stops.send_raw(b"\x00\x10\x00\x00\x00\x00\x00\x09");
    // It has asked for more than any buffer holds once its first reply begins to come.
    let mut first = [0];
    std::io::Read::read_exact(&mut deaf.stream, &mut first).expect("a reply begins");

    let (code, seconds) = broker.stop();

    assert_eq!(code, Some(0));
    assert!(seconds < END_SECONDS, "{seconds} s");
    let broker = Broker::start(&data_dir, CORES_2);
    assert_eq!(broker.connect().read_all("t", 0).len(), 8);
}

/// Reads replies to the end of the connection; each must be an acknowledgement.
fn acknowledgements(client: &mut Client) -> usize {
    let mut count = 0;
    while let Heard::Frame(frame) = client.hear() {
        let (_, reply) = decode::<ProduceRequest>(9, frame).expect("a produce's reply");
        assert_eq!(reply.responses[0].partition_responses[0].error_code, 0);
        count += 1;
    }
    count
}

fn check_intact(name: &str, flags: &[&str]) {
    let scratch = Scratch::new(name);
    let data_dir = scratch.path("data");
    let mut written = 0;
    for (run, cores) in ["2", "1", "3", "2"].into_iter().enumerate() {
        let base = ["--cores", cores, "--allow-buffered"];
        let broker = Broker::start(&data_dir, &[&base, flags].concat());
        let mut client = broker.connect();
        client.create_topic("t", 4);

        for partition in 0..4 {
            let found = client.read_all("t", partition);
            assert_eq!(
                found.len(),
                written,
                "partition {partition} on {cores} cores"
            );
            for (at, (_, value)) in found.iter().enumerate() {
                assert_eq!(value, &number(at));
            }
            for at in written..written + 5 {
                let answer = client.produce("t", partition, Some(batch_of(&[&number(at)])));
                assert_eq!(answer, (0, at as i64));
            }
        }

        written += 5;
        match run % 2 {
            0 => broker.kill(),
            _ => assert_eq!(broker.stop().0, Some(0)),
        }
    }
}

#[test]
fn data_is_intact_on_fewer_cores_on_more_and_after_a_kill() {
    check_intact("serve-cores", &[]);
}

#[test]
fn what_was_acknowledged_unflushed_is_intact_after_a_kill_too() {
    let relaxed = ["--override", "log.flush.interval.messages=1000000"];
    check_intact("serve-relaxed", &relaxed);
}

#[test]
fn a_broker_without_work_rests() {
    /// Of one processor, in percent, as promised.
    const MOST: f64 = 1.0;
    const WATCHED: Duration = Duration::from_secs(5);
    let scratch = Scratch::new("serve-idle");
    let broker = Broker::start(&scratch.path("data"), CORES_2);
    let mut idle: Vec<Client> = (0..100).map(|_| broker.connect()).collect();
    for client in &mut idle {
        client.try_metadata().expect("an answer");
    }

    // The first seconds hold what the start left to do: segments are prepared.
    let share = wait_for("a quiet broker", || {
        let share = busy_share(broker.pid(), WATCHED);
        (share < MOST).then_some(share)
    });

    println!("idle with 100 connections: {share:.2} % of a processor over {WATCHED:?}");
    for client in &mut idle {
        client.try_metadata().expect("an answer after the rest");
    }
}

fn busy_share(pid: u32, span: Duration) -> f64 {
    let (began, before) = (Instant::now(), system::processor_seconds(pid));
    // The span itself is what is measured.
    std::thread::sleep(span);
    let used = system::processor_seconds(pid) - before;
    used * 100.0 / began.elapsed().as_secs_f64()
}

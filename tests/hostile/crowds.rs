//! Too many, too slow, too eager: clients whose frames are right and whose manners are not.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::SockRef;
use thalweg::wire::client::{correlation_id, decode, encode};
use thalweg::wire::messages::{MetadataRequest, ProduceRequest};

use super::support::client::{Heard, fetch_request, produce_request};
use super::support::{Client, batch_of, system, wait_for};
use super::{CACHE_BYTES, MIB, Siege, frame, reply_on};

/// As many as descriptors allow, at most.
const IDLE: usize = 10_000;

/// The honest user gets this much more done, now.
fn check_service(siege: &Siege, records: u64) {
    let before = siege.honest.acknowledged();
    wait_for("service beside the hostile", || {
        (siege.honest.acknowledged() > before + records).then_some(())
    });
}

#[test]
fn thousands_of_idle_connections_cost_little_and_leave_nothing() {
    /// What one may hold while it rests.
    const BYTES_EACH: u64 = 16 << 10;
    let allowed = system::raise_open_files() as usize;
    let count = IDLE.min(allowed.saturating_sub(500));
    if count < IDLE {
        println!("only {count} connections: {allowed} descriptors are allowed");
    }
    let siege = Siege::begin("hostile-idle");
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = siege.connect();
        client.try_metadata().expect("an answer");
        idle.push(client);
    }

    let each = siege.growth() / count as u64;

    println!("{count} idle connections, {each} bytes each");
    assert!(each < BYTES_EACH, "{each} bytes each");
    check_service(&siege, 100);
    for client in idle.iter_mut().step_by(97) {
        client.try_metadata().expect("it is still served");
    }
    drop(idle);
    siege.end(count as u64 * BYTES_EACH + 32 * MIB);
}

#[test]
fn connections_that_use_up_all_descriptors_leave_the_journals_enough() {
    const ALLOWED: u64 = 400;
    /// More than are allowed.
    const CROWD: usize = 600;
    /// Beyond what a shard's segment holds, so that files are opened meanwhile.
    const WRITTEN: usize = 160;
    system::raise_open_files();
    let siege = Siege::begin_limited("hostile-descriptors", ALLOWED);
    let mut writer = siege.connect();
    writer.create_topic("t", 1);

    let mut crowd: Vec<Client> = (0..CROWD)
        .filter_map(|_| Client::try_connect(siege.broker.address).ok())
        .collect();
    let told = "no more connections can be accepted for now";
    wait_for("a line of the log", || {
        siege.broker.log().contains(told).then_some(())
    });

    let used = system::open_descriptors(siege.broker.pid());
    println!("{used} of {ALLOWED} descriptors are in use");
    let batch = Some(batch_of(&[&vec![1; 900_000]]));
    for _ in 0..WRITTEN {
        assert_eq!(writer.produce("t", 0, batch.clone()).0, 0);
    }
    check_service(&siege, 100);
    assert_eq!(
        siege.broker.log().matches(told).count(),
        2,
        "told by each core once in 10 s"
    );
    let served = crowd
        .iter_mut()
        .filter_map(|client| client.try_metadata().ok());
    let served = served.count();
    assert!(
        served > 100 && served < CROWD,
        "{served} of {CROWD} are served"
    );
    drop(crowd);
    wait_for("a new connection", || {
        let mut client = Client::try_connect(siege.broker.address).ok()?;
        client.try_metadata().ok()
    });
    drop(writer);
    siege.end(192 * MIB);
}

#[test]
fn who_connects_and_says_nothing_is_closed_after_the_time_for_a_handshake() {
    let siege = Siege::begin("hostile-silent");
    let began = Instant::now();
    let mut silent: Vec<Client> = (0..200).map(|_| siege.connect()).collect();
    // Half of a request is no sign of life either.
    silent
        .iter_mut()
        .step_by(2)
        .for_each(|client| client.send_raw(b"\x00\x00\x00\x20\x00"));

    for client in &mut silent {
        assert_eq!(client.hear(), Heard::Closed);
    }

    let took = began.elapsed();
    assert!(took > Duration::from_secs(9), "closed too soon: {took:?}");
    drop(silent);
    siege.end(32 * MIB);
}

#[test]
fn clients_that_never_read_are_read_no_further_and_pin_little() {
    let siege = Siege::begin("hostile-deaf");
    let mut client = siege.connect();
    client.create_topic("t", 1);
    for _ in 0..8 {
        let batch = Some(batch_of(&[&vec![1; 900_000]]));
        assert_eq!(client.produce("t", 0, batch).0, 0);
    }
    let before = siege.growth();
    let mut deaf: Vec<Client> = (0..8).map(|_| siege.connect()).collect();

    // Each asks for megabytes thousands of times and takes nothing of it.
    let request = fetch_request("t", 0, 0).with_max_bytes(64 << 20);
    let bytes = encode(&request, 11, 1, "deaf").expect("it encodes");
    let mut held_back = 0;
    for client in &mut deaf {
        let wait = Some(Duration::from_millis(100));
        client.stream.set_write_timeout(wait).expect("it is open");
        let blocked = (0..100_000).any(|_| client.stream.write_all(&bytes).is_err());
        held_back += usize::from(blocked);
    }

    assert_eq!(held_back, deaf.len(), "who does not read is not read");
    check_service(&siege, 100);
    let rise = siege.growth().saturating_sub(before);
    println!("8 clients that do not read: {} KiB", rise >> 10);
    // 8 MiB of unsent replies each and one reply beyond, and the cache that they came from.
    assert!(rise < 8 * 12 * MIB + 64 * MIB, "{rise} bytes");
    drop(deaf);
    drop(client);
    siege.end(192 * MIB);
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_their_order() {
    const COUNT: i32 = 1_000;
    let siege = Siege::begin("hostile-pipeline");
    let mut client = siege.connect();
    client.create_topic("t", 2);
    let mut sender = client.stream.try_clone().expect("a second handle");
    let all: Vec<u8> = (0..COUNT).flat_map(numbered_request).collect();

    let writer = std::thread::spawn(move || sender.write_all(&all));

    for number in 0..COUNT {
        let reply = reply_on(&mut client, "a pipelined request");
        assert_eq!(correlation_id(&reply), Some(number));
        match number % 4 {
            0 => {}
            1 => drop(decode::<MetadataRequest>(1, reply).expect("it decodes")),
            _ => {
                let (_, reply) = decode::<ProduceRequest>(9, reply).expect("it decodes");
                assert_eq!(reply.responses[0].partition_responses[0].error_code, 0);
            }
        }
    }
    writer
        .join()
        .expect("it only writes")
        .expect("all was taken");
    let count = client.read_all("t", 0).len() + client.read_all("t", 1).len();
    assert_eq!(count as i32, COUNT / 2);
    drop(client);
    siege.end(32 * MIB);
}

fn numbered_request(number: i32) -> Vec<u8> {
    let mut bytes = match number % 4 {
        0 => frame(18, 0, &[]),
        1 => frame(3, 1, &[0, 0, 0, 0]),
        _ => {
            let batch = Some(batch_of(&[format!("record {number}").as_bytes()]));
            let request = produce_request("t", number % 2, batch);
            encode(&request, 9, number, "eager")
                .expect("it encodes")
                .to_vec()
        }
    };
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    bytes
}

#[test]
fn who_leaves_in_the_middle_of_a_frame_leaves_nothing_behind() {
    let siege = Siege::begin("hostile-leave");
    siege.connect().create_topic("t", 1);
    let batch = Some(batch_of(&[&vec![7; 200_000]]));
    let whole = encode(&produce_request("t", 0, batch), 9, 1, "gone").expect("it encodes");

    for (number, cut) in (1..whole.len()).step_by(whole.len() / 300).enumerate() {
        let mut client = siege.connect();
        client.send_raw(&whole[..cut]);
        if number % 2 == 0 {
            // A reset instead of an end.
            let linger = SockRef::from(&client.stream).set_linger(Some(Duration::ZERO));
            linger.expect("it is open");
        }
    }

    let mut client = siege.connect();
    assert_eq!(
        client.list_offset("t", 0, -1),
        (0, 0),
        "half a batch was stored"
    );
    drop(client);
    siege.end(32 * MIB);
}

#[test]
fn who_leaves_with_replies_owed_leaves_nothing_behind() {
    let siege = Siege::begin("hostile-owed");
    siege.connect().create_topic("t", 1);
    for _ in 0..100 {
        let mut client = siege.connect();
        for number in 0..10_u8 {
            let batch = Some(batch_of(&[&[number; 1_000]]));
            client.send(&produce_request("t", 0, batch), 9);
        }
        // Whoever has finished sending is still owed this reply, and is gone after it.
        let wait = fetch_request("t", 0, 0)
            .with_max_wait_ms(10_000)
            .with_min_bytes(i32::MAX);
        client.send(&wait, 11);
    }

    siege.connect().try_metadata().expect("an answer");

    siege.end(32 * MIB);
}

/// The beginning of a Produce of 90 MiB.
fn large_head() -> Vec<u8> {
    let mut head = (90_i32 << 20).to_be_bytes().to_vec();
    head.extend(b"\x00\x00\x00\x09\x00\x00\x00\x01\x00\x01c\x00\x00\xff\xff");
    head
}

#[test]
fn memory_follows_what_was_received_not_what_was_claimed() {
    const CLIENTS: usize = 300;
    let siege = Siege::begin("hostile-claims");
    let before = siege.growth();
    let mut head = large_head();
    head.resize(1_000, 0);
    let mut claims: Vec<Client> = (0..CLIENTS).map(|_| siege.connect()).collect();
    claims.iter_mut().for_each(|client| client.send_raw(&head));
    siege
        .connect()
        .try_metadata()
        .expect("an answer beside them");

    let rise = siege.growth().saturating_sub(before);

    // 90 MiB are claimed by each; 4 KiB or 64 KiB of room are given.
    println!("{CLIENTS} claims of 90 MiB: {} KiB", rise >> 10);
    assert!(
        rise < CLIENTS as u64 * (64 << 10) + CACHE_BYTES,
        "{rise} bytes"
    );
    check_service(&siege, 50);
    drop(claims);
    siege.end(32 * MIB);
}

#[test]
fn large_requests_that_are_never_finished_do_not_stop_the_honest() {
    // Each sends 20 MiB of 90 and stops: together more than the memory for requests. Beyond it
    // only the oldest frame of a shard keeps reading.
    const CLIENTS: usize = 40;
    let siege = Siege::begin("hostile-large");
    let piece = Bytes::from(vec![0; 1 << 20]);
    let mut greedy: Vec<Client> = (0..CLIENTS).map(|_| siege.connect()).collect();
    for client in &mut greedy {
        let wait = Some(Duration::from_millis(200));
        // Known to the broker, so that no time for a handshake ends it.
        client.try_metadata().expect("an answer");
        client.stream.set_write_timeout(wait).expect("it is open");
        client.send_raw(&large_head());
    }
    let mut held_back = 0;
    for client in &mut greedy {
        held_back += usize::from((0..20).any(|_| client.stream.write_all(&piece).is_err()));
    }

    let growth = siege.growth();
    println!(
        "{held_back} of {CLIENTS} were held back, memory: {} MiB",
        growth / MIB
    );
    check_service(&siege, 20);
    // 256 MiB per shard, the last receive of each, and what growing copies.
    assert!(growth < 1_200 * MIB, "{growth} bytes");
    drop(greedy);
    siege.end(1_200 * MIB);
}

use super::*;
use crate::base::random::Random;

/// An honest client is served throughout, whatever `bytes` another one sends.
fn check(broker: &mut Broker, bytes: &[u8], what: &str) {
    let (bad, good) = (broker.connect(), broker.connect());
    broker.world.send(bad, Bytes::copy_from_slice(bytes));
    let versions = broker.ask(good, &ApiVersionsRequest::default(), 0);
    assert_eq!(versions.error_code, 0, "{what}");
    assert!(!broker.closed.contains(&good), "{what}");
}

fn frame(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend(0_i16.to_be_bytes());
    frame.extend(body);
    let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
    bytes.extend(frame);
    bytes
}

#[test]
fn what_cannot_be_understood_closes_that_connection_and_no_other() {
    let mut broker = Broker::start(2);
    let cases: [(&str, Vec<u8>); 12] = [
        ("length 0", vec![0; 4]),
        ("negative length", vec![255; 4]),
        ("huge length", i32::MAX.to_be_bytes().to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]),
        ("no header", vec![0, 0, 0, 2, 0, 0]),
        ("unknown API", frame(999, 0, &[])),
        ("API that is not served", frame(11, 5, &[])),
        ("unknown version", frame(3, 99, &[])),
        ("array of 2^31-1", frame(3, 1, &i32::MAX.to_be_bytes())),
        ("trailing bytes", frame(3, 1, &[0, 0, 0, 0, 9])),
        (
            "string past the frame",
            frame(3, 1, &[0, 0, 0, 1, 127, 255]),
        ),
    ];
    for (what, bytes) in cases {
        check(&mut broker, &bytes, what);
        let bad = *broker.closed.last().unwrap_or(&SocketId(0));
        broker.pass(Span::millis(10));
        assert!(!broker.closed.is_empty(), "{what} is not closed");
        broker.closed.retain(|socket| *socket != bad);
        broker.closed.clear();
    }
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    broker
        .world
        .send(socket, Bytes::from(frame(18, 99, &[0, 0])));

    let (id, response) = broker.reply::<ApiVersionsRequest>(socket, 0);

    assert_eq!((id, response.error_code), (7, 35));
    assert_eq!(response.api_keys[0].api_key, 18);
    let again = broker.ask(socket, &ApiVersionsRequest::default(), 0);
    assert_eq!(again.error_code, 0);
}

#[test]
fn what_was_asked_before_a_bad_frame_is_answered_before_the_close() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 1);
    let socket = broker.connect();
    broker.send(socket, &produce_of("t", 0, -1, batch_of(b"good")), 9);
    broker
        .world
        .send(socket, Bytes::from_static(b"GET / HTTP/1.1\r\n"));

    let (_, response) = broker.reply::<ProduceRequest>(socket, 9);

    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    assert!(broker.is_closed(socket));
}

#[test]
fn mutated_frames_harm_nobody() {
    let seed = 11;
    println!("seed {seed}");
    let mut random = Random::with_seed(seed);
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let samples = [
        client::encode(&produce_of("t", 0, -1, batch_of(b"x")), 9, 1, "c").unwrap(),
        client::encode(&fetch_of(&[("t", 0, 0)], 0, 1), 11, 2, "c").unwrap(),
        client::encode(&MetadataRequest::default(), 9, 3, "c").unwrap(),
        client::encode(&creation("u", 1, &[]), 5, 4, "c").unwrap(),
    ];
    for _ in 0..500 {
        let mut bytes = samples[random.below(4) as usize].to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next_u64() as u8;
        }
        let bad = broker.connect();
        broker.world.send(bad, Bytes::from(bytes));
        broker.world.finish_sending(bad);
        broker.pass(Span::millis(2));
    }

    let good = broker.connect();
    assert_eq!(broker.produce(good, "t", 1, b"alive").error_code, 0);
}

#[test]
fn a_produce_of_before_version_3_is_told_so_in_its_own_layout() {
    let mut broker = Broker::start(1);
    let socket = broker.connect();
    let mut body = Vec::new();
    body.extend(1_i16.to_be_bytes());
    body.extend(30_000_i32.to_be_bytes());
    body.extend([0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1]);
    body.extend([0, 0, 0, 0, 0, 0, 0, 0]);
    broker.world.send(socket, Bytes::from(frame(0, 2, &body)));

    let reply = broker.frame_within(socket, PATIENCE).expect("a reply");

    assert_eq!(&reply[19..21], 35_i16.to_be_bytes());
    let again = broker.ask(socket, &ApiVersionsRequest::default(), 0);
    assert_eq!(again.error_code, 0);
}

#[test]
fn what_old_administration_tools_ask_is_answered_in_their_versions() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    let mut ask = |api: i16, version: i16, body: &[u8]| {
        let request = Bytes::from(frame(api, version, body));
        broker.world.send(socket, request);
        let reply = broker.frame_within(socket, PATIENCE).expect("a reply");
        assert_eq!(reply[..4], 7_i32.to_be_bytes(), "the correlation id");
        reply.slice(4..)
    };
    let wanted = |name: &[u8; 1]| {
        let mut body = b"\0\0\0\x01\0\x01".to_vec();
        body.extend(name);
        // Three partitions, one replica, no assignments, no configs, a time-out.
        body.extend(b"\0\0\0\x03\0\x01\0\0\0\0\0\0\0\0\0\0\x75\x30");
        body
    };
    let only_checked = [&wanted(b"u")[..], b"\x01"].concat();

    assert_eq!(&ask(19, 0, &wanted(b"t"))[..], b"\0\0\0\x01\0\x01t\0\0");
    let again = ask(19, 1, &[&wanted(b"t")[..], b"\0"].concat());
    assert!(again.starts_with(b"\0\0\0\x01\0\x01t\0\x24\0"), "{again:?}");
    let checked = ask(19, 1, &only_checked);
    assert_eq!(&checked[..], b"\0\0\0\x01\0\x01u\0\0\xff\xff");
    let described = ask(
        32,
        0,
        b"\0\0\0\x01\x02\0\x01t\0\0\0\x01\0\x0eflush.messages",
    );
    let expected =
        b"\0\0\0\0\0\0\0\x01\0\0\0\0\x02\0\x01t\0\0\0\x01\0\x0eflush.messages\0\x011\0\x01\0";
    assert_eq!(&described[..], expected);
    let deleted = ask(20, 0, b"\0\0\0\x01\0\x01t\0\0\x75\x30");
    assert_eq!(&deleted[..], b"\0\0\0\x01\0\x01t\0\0");
    let again = broker.ask(socket, &ApiVersionsRequest::default(), 0);
    assert_eq!(again.error_code, 0);
}

//! Frames that are not what they say: each ends in a defined error, or in a closed connection.

use std::io::Write;
use std::net::Shutdown;

use bytes::{Buf, Bytes};
use thalweg::wire::ApiKey;
use thalweg::wire::client::{decode, encode};
use thalweg::wire::messages::metadata_request::MetadataRequestTopic;
use thalweg::wire::messages::produce_request::PartitionProduceData;
use thalweg::wire::messages::{ApiVersionsRequest, MetadataRequest};
use thalweg::wire::versions::APIS;

use super::support::client::{Heard, fetch_request, produce_request, topic_name};
use super::support::{Client, batch_of};
use super::{MIB, Siege, frame, framed, reply_on};

const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
const API_VERSIONS: i16 = 18;

#[test]
fn lengths_and_protocols_that_are_not_kafkas_close_the_connection() {
    let siege = Siege::begin("hostile-lengths");
    let prefix = |length: i32| length.to_be_bytes().to_vec();

    for length in [-1, i32::MIN, 0, i32::MAX, (100 << 20) + 1] {
        siege.check_closed(&format!("length {length}"), &prefix(length), "a request of");
    }
    let http = b"GET / HTTP/1.1\r\nHost: broker\r\nAccept: */*\r\n\r\n";
    siege.check_closed("HTTP", http, "HTTP");
    siege.check_closed("more HTTP", b"POST /topics HTTP/1.1\r\n\r\n", "HTTP");
    let mut hello = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03".to_vec();
    hello.resize(205, 0xA5);
    siege.check_closed("TLS", &hello, "TLS");
    siege.check_closed("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", "a request of");

    siege.end(32 * MIB);
}

#[test]
fn only_a_produce_is_served_above_16_mib_and_whatever_else_claims_so_much_is_closed() {
    const LENGTH: i32 = (16 << 20) + 1;
    let siege = Siege::begin("hostile-large");
    let others = APIS.iter().map(|api| api.key as i16);
    for key in others.filter(|key| *key != ApiKey::Produce as i16) {
        let mut large = LENGTH.to_be_bytes().to_vec();
        large.extend(key.to_be_bytes());
        large.extend([0, 1]);
        let why = "a request of 16777217 bytes, more than 16 MiB";
        siege.check_closed(&format!("API {key}"), &large, why);
    }
    let mut client = siege.connect();
    let parts = 17;
    client.create_topic("large", parts);
    let value = vec![7; 1_040_000];
    let mut request = produce_request("large", 0, None);
    let one = |index| {
        let batch = Some(batch_of(&[&value]));
        PartitionProduceData::default()
            .with_index(index)
            .with_records(batch)
    };
    request.topic_data[0].partition_data = (0..parts).map(one).collect();
    let bytes = encode(&request, 9, 1, "large").expect("it encodes").len();
    assert!(bytes > LENGTH as usize, "only {bytes} bytes");

    let reply = client.call(&request, 9);

    let answers = &reply.responses[0].partition_responses;
    assert_eq!(answers.len(), parts as usize);
    assert!(answers.iter().all(|one| one.error_code == 0), "{answers:?}");
    drop(client);
    siege.end(64 * MIB);
}

#[test]
fn a_length_beyond_what_follows_ends_with_the_connection() {
    let siege = Siege::begin("hostile-short");
    for cut in [1, 3, 4, 5, 12, 20] {
        let mut whole = frame(METADATA, 1, &[0, 0, 0, 0]);
        whole.truncate(cut);
        let mut client = siege.connect();
        client.send_raw(&whole);
        client.stream.shutdown(Shutdown::Write).expect("it is open");

        assert_eq!(client.hear(), Heard::Closed, "{cut} bytes");
    }
    siege.end(32 * MIB);
}

#[test]
fn unknown_apis_and_versions_close_or_are_answered_as_kafka_does() {
    let siege = Siege::begin("hostile-versions");

    for key in [-1, 4, 58, 99, i16::MAX, i16::MIN] {
        siege.check_closed(&format!("API {key}"), &frame(key, 0, &[]), "API key");
    }
    for version in [-1, 14, 99, i16::MAX] {
        let bytes = frame(METADATA, version, &[]);
        siege.check_closed(&format!("Metadata {version}"), &bytes, "version");
    }
    // KIP-511: in the layout of version 0, and the connection stays.
    let mut client = siege.connect();
    client.send_raw(&frame(API_VERSIONS, 99, b"\x02x\x02y\x00"));
    let mut reply = reply_on(&mut client, "ApiVersions 99");
    assert_eq!((reply.get_i32(), reply.get_i16()), (7, 35));
    client
        .try_metadata()
        .expect("the connection is still of use");
    // Produce 2 is advertised for old clients and refused, each partition in its own layout.
    let body = b"\x00\x01\0\0\0\x0a\0\0\0\x01\x00\x01t\0\0\0\x01\0\0\0\x05\xff\xff\xff\xff";
    client.send_raw(&frame(0, 2, body));
    let reply = reply_on(&mut client, "Produce 2");
    let expected = b"\0\0\0\x07\0\0\0\x01\x00\x01t\0\0\0\x01\0\0\0\x05\x00\x23";
    assert_eq!(&reply[..expected.len()], expected);
    drop(client);

    siege.end(32 * MIB);
}

/// Bodies of Metadata that break their layout: what, version, bytes. In version 9 an empty array
/// and three booleans stand before the tags.
const BROKEN_METADATA: &[(&str, i16, &[u8])] = &[
    ("an array of 2^31-1", 1, b"\x7f\xff\xff\xff"),
    ("a compact array of 2^32-2", 9, b"\xff\xff\xff\xff\x0f"),
    ("a compact array of 2^31-1", 9, b"\x80\x80\x80\x80\x08"),
    ("a varint of six bytes", 9, b"\x80\x80\x80\x80\x80\x00"),
    ("a varint beyond 32 bits", 9, b"\xff\xff\xff\xff\x7f"),
    ("a varint that never ends", 9, &[0xFF; 4_000]),
    ("a name past the frame", 1, b"\0\0\0\x01\x03\xe8topic"),
    ("a name of negative length", 1, b"\0\0\0\x01\xff\xf0topic"),
    ("a compact name past the frame", 9, b"\x02\xe8\x07topic"),
    ("tags that fall", 9, b"\x01\x01\0\0\x02\x05\0\x03\0"),
    ("a tag twice", 9, b"\x01\x01\0\0\x02\x05\0\x05\0"),
    ("2^32-1 tags", 9, b"\x01\x01\0\0\xff\xff\xff\xff\x0f"),
    ("a tag past the frame", 9, b"\x01\x01\0\0\x01\x05\xff\x7f"),
    ("a byte too many", 1, b"\0\0\0\0\x00"),
    ("a name not in UTF-8", 1, b"\0\0\0\x01\x00\x02\xff\xfe"),
    ("a cut character", 9, b"\x02\x02\xc3\x00\x00\x00\x00\x00"),
    ("a body that is missing", 1, b""),
];

/// The same of other APIs: what, API, version, body.
fn broken_bodies() -> Vec<(&'static str, i16, i16, Vec<u8>)> {
    let most = i32::MAX.to_be_bytes();
    let mut fetch = Vec::new();
    for number in [-1_i32, 100, 1, 1 << 20] {
        fetch.extend(number.to_be_bytes());
    }
    fetch.push(0);
    let one_topic = b"\0\0\0\x01\0\x01t";
    let topics = [&fetch[..], &most].concat();
    let partitions = [&fetch[..], one_topic, &most].concat();
    let produce = b"\xff\xff\xff\xff\0\0\x75\x30\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0";
    let records = [&produce[..], &most].concat();
    let group = vec![b'g'; 40_000];
    let old = [&40_000_u16.to_be_bytes()[..], &group].concat();
    let compact = [b"\xc1\xb8\x02", &group[..], b"\x00\x00"].concat();
    let joining = old.clone();
    let member = b"\0\x01g\xff\xff\xff\xff\0\0";
    let commit = [&member[..], &[0xff; 8], &most].concat();
    let sync = [&member[..], &most].concat();
    vec![
        ("2^31-1 topics", 1, 4, topics),
        ("2^31-1 partitions", 1, 4, partitions),
        ("records past the frame", 0, 3, records),
        ("a group id of 40 KB", FIND_COORDINATOR, 0, old),
        ("the same, compact", FIND_COORDINATOR, 3, compact),
        ("a group id of 40 KB in JoinGroup", 11, 0, joining),
        ("2^31-1 topics to commit", 8, 2, commit),
        ("2^31-1 assignments", 14, 0, sync),
        ("2^31-1 groups", 15, 0, most.to_vec()),
    ]
}

#[test]
fn bodies_that_break_their_layout_close_the_connection_and_allocate_nothing() {
    let siege = Siege::begin("hostile-bodies");

    let metadata = BROKEN_METADATA.iter();
    let metadata = metadata.map(|(what, version, body)| (*what, METADATA, *version, body.to_vec()));
    for (what, key, version, body) in metadata.chain(broken_bodies()) {
        siege.check_closed(what, &frame(key, version, &body), "closing the connection");
    }

    siege.end(32 * MIB);
}

#[test]
fn headers_that_break_their_layout_close_the_connection() {
    let siege = Siege::begin("hostile-headers");
    let start = b"\x00\x03\x00\x01\x00\x00\x00\x07";
    let flexible = b"\x00\x03\x00\x09\x00\x00\x00\x07\xff\xff";
    let with = |start: &[u8], rest: &[u8]| framed(&[start, rest].concat());
    let long = vec![b'c'; 40_000];

    siege.check_closed("one byte", &framed(b"\x00"), "header");
    siege.check_closed("half a header", &framed(&start[..5]), "header");
    siege.check_closed(
        "a client id past the frame",
        &with(start, b"\x7f\xffme"),
        "header",
    );
    siege.check_closed(
        "a client id of -2",
        &with(start, b"\xff\xfe\0\0\0\0"),
        "header",
    );
    let id = with(start, b"\x00\x02\xff\xfe\0\0\0\0");
    siege.check_closed("a client id that is not UTF-8", &id, "header");
    let id = [&40_000_u16.to_be_bytes()[..], &long, b"\0\0\0\0"].concat();
    siege.check_closed("a client id of 40 KB", &with(start, &id), "header");
    siege.check_closed(
        "six bytes of tag count",
        &with(flexible, &[0x80; 6]),
        "header",
    );
    let tags = with(flexible, b"\x02\x05\x00\x03\x00\x01\x00\x00\x00");
    siege.check_closed("header tags that fall", &tags, "header");

    siege.end(32 * MIB);
}

#[test]
fn names_and_places_that_can_not_be_get_their_codes_and_the_connection_stays() {
    let siege = Siege::begin("hostile-names");
    let mut client = siege.connect();
    client.create_topic("t", 1);
    assert_eq!(client.produce("t", 0, Some(batch_of(&[b"one"]))), (0, 0));

    for name in ["..", ".", "", "a/b", "a b", "käse", &"n".repeat(250)] {
        assert_eq!(topic_code(&mut client, name), 17, "Metadata of {name:?}");
        let (code, _) = client.produce(name, 0, Some(batch_of(&[b"x"])));
        assert_eq!(code, 3, "Produce to {name:?}");
        assert_eq!(client.fetch(name, 0, 0).code, 3, "Fetch of {name:?}");
    }
    for offset in [-1, -5, i64::MIN, 2, i64::MAX] {
        assert_eq!(client.fetch("t", 0, offset).code, 1, "Fetch at {offset}");
    }
    for time in [-6, -100, i64::MIN] {
        assert_eq!(
            client.list_offset("t", 0, time).0,
            35,
            "ListOffsets at {time}"
        );
    }
    assert_eq!(client.list_offset("t", 0, i64::MAX), (0, -1));
    for partition in [-1, 1, i32::MIN, i32::MAX] {
        assert_eq!(client.produce("t", partition, Some(batch_of(&[b"x"]))).0, 3);
        assert_eq!(client.fetch("t", partition, 0).code, 3);
        assert_eq!(client.list_offset("t", partition, -1).0, 3);
    }
    assert_eq!(client.read_all("t", 0), [(0, Bytes::from_static(b"one"))]);
    drop(client);

    siege.end(32 * MIB);
}

/// What Metadata, allowed to create, says of a name.
fn topic_code(client: &mut Client, name: &str) -> i16 {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(true);
    client.call(&request, 9).topics[0].error_code
}

#[test]
fn a_replica_id_in_a_clients_fetch_changes_nothing() {
    let siege = Siege::begin("hostile-replica");
    let mut client = siege.connect();
    client.create_topic("t", 1);
    for _ in 0..3 {
        assert_eq!(client.produce("t", 0, Some(batch_of(&[b"x"]))).0, 0);
    }

    for offset in [-1, 0, 2, 3, 4] {
        let ask = |client: &mut Client, replica: i32| {
            let request = fetch_request("t", 0, offset).with_replica_id(replica.into());
            client.call(&request, 11).responses
        };
        let usual = ask(&mut client, -1);
        for replica in [0, 1, 1_000, 5, -2, i32::MAX] {
            assert_eq!(
                ask(&mut client, replica),
                usual,
                "replica {replica} at {offset}"
            );
        }
    }
    drop(client);

    siege.end(32 * MIB);
}

#[test]
fn bytes_that_dribble_in_one_by_one_make_whole_requests() {
    let siege = Siege::begin("hostile-dribble");
    let mut clients: Vec<Client> = (0..50).map(|_| siege.connect()).collect();
    let mut bytes = frame(API_VERSIONS, 0, &[]);
    bytes.extend(frame(METADATA, 1, &[0, 0, 0, 0]));

    for byte in &bytes {
        clients
            .iter_mut()
            .for_each(|client| client.send_raw(&[*byte]));
    }

    for client in &mut clients {
        let reply = reply_on(client, "ApiVersions");
        let (id, reply) = decode::<ApiVersionsRequest>(0, reply).expect("it decodes");
        assert_eq!((id, reply.error_code), (7, 0));
        let reply = reply_on(client, "Metadata");
        decode::<MetadataRequest>(1, reply).expect("it decodes");
    }
    drop(clients);
    siege.end(32 * MIB);
}

/// A socket that is closed with unread bytes in it is reset: the peer's next write fails, and what
/// it has not read yet may be lost.
#[test]
fn who_is_refused_in_the_middle_of_sending_gets_what_was_owed_and_an_orderly_end() {
    let siege = Siege::begin("hostile-refused");
    for more in [0, 1 << 10, 1 << 20, 3 << 20] {
        let mut client = siege.connect();
        let mut all = frame(API_VERSIONS, 0, b"");
        all.extend((-1_i32).to_be_bytes());
        all.resize(all.len() + more, 0);

        client.stream.write_all(&all).expect("nobody resets");

        reply_on(&mut client, "asked before the bad frame");
        assert_eq!(client.hear(), Heard::Closed);
    }
    siege.end(32 * MIB);
}

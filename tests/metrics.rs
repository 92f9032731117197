//! Metrics and health of a real broker, over HTTP.

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use support::{Broker, Client, Scratch, batch_of, refusal, serve, system, wait_for};

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// A broker of two shards with metrics; it buffers where it must.
fn start(scratch: &Scratch) -> (Broker, SocketAddr) {
    let at = free_address();
    let flags = [
        "--cores",
        "2",
        "--allow-buffered",
        "--metrics",
        &at.to_string(),
    ];
    let broker = Broker::start(&scratch.path("data"), &flags);
    (broker, at)
}

/// Status and body of one page.
fn get(at: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.unwrap_or(0), body.to_owned()))
}

/// The sum over all shards of one metric, by its name and the label it must have.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let own = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('{') && rest.contains(label))
    };
    let values = text.lines().filter(own);
    let values = values.map(|line| line.rsplit(' ').next().unwrap_or(""));
    values
        .map(|text| text.parse::<f64>().expect("a number"))
        .sum()
}

#[test]
fn what_was_asked_is_what_is_counted() {
    let scratch = Scratch::new("metrics");
    let (broker, at) = start(&scratch);
    let mut client = Client::try_connect(broker.address).expect("it listens");
    client.create_topic("t", 2);
    let value = [7; 1_000];

    for partition in [0, 1, 0, 1, 0] {
        client.produce("t", partition, Some(batch_of(&[&value])));
    }
    assert_eq!(client.read_all("t", 0).len(), 3);

    let text = wait_for("the counts", || {
        let (status, text) = get(at, "/metrics").expect("it answers");
        assert_eq!(status, 200);
        // Each shard tells for itself, and not in the same moment.
        let produced = sum(&text, "thalweg_request_seconds_count", "api=\"Produce\"");
        let read = sum(&text, "thalweg_cache_hits_total", "");
        let staged = sum(&text, "thalweg_journal_staged_bytes_total", "");
        (produced >= 5.0 && read >= 1.0 && staged > 5_000.0).then_some(text)
    });
    check_counts(&text);
    assert_eq!(broker.stop().0, Some(0));
}

/// What `text` must say after five times Produce, one at a time, of 1,000 bytes each.
fn check_counts(text: &str) {
    let produced = sum(text, "thalweg_requests_total", "api=\"Produce\"");
    let created = sum(text, "thalweg_requests_total", "api=\"CreateTopics\"");
    assert_eq!((produced, created), (5.0, 1.0));
    let timed = sum(text, "thalweg_request_seconds_bucket", "le=\"+Inf\"");
    assert_eq!(timed, sum(text, "thalweg_request_seconds_count", "api="));
    for (name, least) in [
        ("received_bytes_total", 5_000.0),
        ("sent_bytes_total", 3_000.0),
        // Every acknowledgement had a durable write of its own.
        ("journal_flushes_total", 5.0),
        ("journal_staged_bytes_total", 5_000.0),
        ("cache_hits_total", 1.0),
        ("longest_stall_seconds", 1e-9),
        ("partitions", 2.0),
        ("connections", 1.0),
    ] {
        let found = sum(text, &format!("thalweg_{name}"), "");
        assert!(found >= least, "{name}: {found}\n{text}");
    }
    let own = sum(text, "thalweg_routed_own_total", "");
    let mesh = sum(text, "thalweg_routed_mesh_total", "");
    // Five times Produce, and what reading took.
    assert!(own + mesh >= 6.0, "{own} {mesh}");
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).expect("a name");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: no help");
    }
}

#[test]
fn readmes_table_of_metrics_equals_what_is_served() {
    let scratch = Scratch::new("metrics-readme");
    let (_broker, at) = start(&scratch);
    // Counted by API from the first request on, and a page may be 0.1 s old.
    let page = wait_for("the first request's count", || {
        let (_, page) = get(at, "/metrics").expect("it answers");
        (sum(&page, "thalweg_requests_total", "api=") > 0.0).then_some(page)
    });

    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let served = names.filter_map(|line| line.split(' ').next()).map(|name| {
        let mut samples = page.lines().filter(|line| line.starts_with(name));
        let by_api = samples.any(|line| line.contains("api=\""));
        format!("{name}{}", if by_api { "{api}" } else { "" })
    });

    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let (_, section) = readme
        .split_once("\n## Metrics and health\n")
        .expect("a section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let code = section.split('`').skip(1).step_by(2);
    let told = code.filter(|word| word.starts_with("thalweg_"));
    let told: BTreeSet<String> = told.map(str::to_owned).collect();
    assert_eq!(told, served.collect());
}

#[test]
fn a_broker_is_ready_when_it_serves_and_not_while_it_stops() {
    let scratch = Scratch::new("metrics-ready");
    let (broker, at) = start(&scratch);
    assert_eq!(get(at, "/livez").expect("it answers").0, 200);
    // One shard may answer clients a moment before the other does.
    let ready = wait_for("a broker that serves", || {
        get(at, "/readyz").ok().filter(|(status, _)| *status == 200)
    });
    assert_eq!(ready.1, "ready\n");

    // A request that waits holds the stop back for as long as it takes.
    let mut waiting = Client::try_connect(broker.address).expect("it listens");
    waiting.create_topic("t", 1);
    waiting.send_waiting_fetch("t", 3_000);
    system::terminate(broker.pid());

    let (status, why) = wait_for("a broker that stops", || {
        get(at, "/readyz").ok().filter(|(status, _)| *status != 200)
    });
    assert_eq!(status, 503);
    assert!(why.contains("stopping"), "{why}");
}

#[test]
fn garbage_on_the_port_for_metrics_harms_nobody() {
    let scratch = Scratch::new("metrics-garbage");
    let (broker, at) = start(&scratch);
    let pieces: [&[u8]; 5] = [
        b"\x00\x00\x00\x12\x00\x12\x00\x00",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
        &[0xFF; 100_000],
    ];

    for piece in pieces {
        let mut stream = TcpStream::connect(at).expect("it listens");
        // It may close before it has read all of it.
        let _ = stream.write_all(piece);
    }
    let held: Vec<_> = (0..200).map(|_| TcpStream::connect(at)).collect();

    assert_eq!(get(at, "/no/such/page").expect("it answers").0, 404);
    assert_eq!(get(at, "/metrics").expect("it answers").0, 200);
    let mut client = Client::try_connect(broker.address).expect("it listens");
    client.create_topic("t", 1);
    assert_eq!(client.produce("t", 0, Some(batch_of(&[b"x"]))), (0, 0));
    drop(held);
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn an_address_that_others_reach_and_a_port_that_is_taken_are_refused_with_advice() {
    let scratch = Scratch::new("metrics-refused");
    let data_dir: &Path = &scratch.path("data");
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = held.local_addr().expect("its address").to_string();

    let (code, said) = refusal(serve(data_dir, &["--metrics", "0.0.0.0:0"]));
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("--metrics-allow-remote"), "{said}");

    let (code, said) = refusal(serve(data_dir, &["--metrics", &taken]));
    assert_eq!(code, Some(69), "{said}");
    assert!(
        said.contains("choose another port with --metrics"),
        "{said}"
    );
    assert!(!data_dir.exists(), "nothing is left behind");
    drop(held);
}

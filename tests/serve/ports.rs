//! `listener.layout=ports`: a shard per port, over real sockets.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use thalweg::wire::messages::MetadataRequest;

use super::support::{Broker, Client, Scratch, batch_of, refusal, serve, system};
use super::{END_SECONDS, number};

const PORTS: &[&str] = &[
    "--listener-layout",
    "ports",
    "--shards",
    "5",
    "--cores",
    "2",
    "--allow-buffered",
];

/// Id and port of each broker that clients are told of.
fn places(client: &mut Client) -> Vec<(i32, u16)> {
    let metadata = client.try_metadata().expect("an answer");
    let brokers = metadata.brokers.iter();
    brokers
        .map(|one| (one.node_id.0, u16::try_from(one.port).expect("a port")))
        .collect()
}

/// Writes to every partition of `t` at its leader's port, and reads all of it there.
fn use_every_shard(broker: &Broker, before: usize) {
    let mut first = broker.connect();
    first.create_topic("t", 10);
    let places = places(&mut first);
    let wanted = (0..5).map(|shard| (1000 + shard, broker.address.port() + shard as u16));
    assert_eq!(places, wanted.collect::<Vec<_>>());
    let metadata = first.call(&MetadataRequest::default().with_topics(None), 12);
    for part in &metadata.topics[0].partitions {
        let (_, port) = places[(part.leader_id.0 - 1000) as usize];
        let at = SocketAddr::new(broker.address.ip(), port);
        let mut client = Client::try_connect(at).expect("the shard's port is open");
        let index = part.partition_index;
        let answer = client.produce("t", index, Some(batch_of(&[&number(before)])));
        assert_eq!(answer, (0, before as i64));
        assert_eq!(client.read_all("t", index).len(), before + 1);
    }
}

#[test]
fn every_shard_serves_its_port_on_any_number_of_cores_and_after_a_restart() {
    let scratch = Scratch::new("ports");
    let data_dir = scratch.path("data");
    let log = "info,thalweg::shard::stop=debug";
    for (run, cores) in ["2", "1", "3"].into_iter().enumerate() {
        let mut flags = PORTS.to_vec();
        flags[5] = cores;
        let mut command = serve(&data_dir, &flags);
        command.env("RUST_LOG", log);
        let broker = Broker::start_command(&data_dir, command);
        let last = broker.address.port() + 4;
        let told = broker.introduction();
        assert!(
            told.contains(&format!("{}-{last}", broker.address)),
            "{told}"
        );
        assert!(told.contains("a port for each shard"), "{told}");

        use_every_shard(&broker, run);

        let (code, seconds) = broker.stop();
        assert_eq!(code, Some(0));
        assert!(seconds < END_SECONDS, "{seconds} s");
    }
    let log = fs::read_to_string(data_dir.with_extension("log")).expect("a log");
    assert!(
        !log.contains("over_mesh=1"),
        "every shard served its own: {log}"
    );
}

#[test]
fn localhost_has_the_same_ports_at_both_families_and_an_advertised_one_counts_on() {
    let scratch = Scratch::new("ports-localhost");
    let data_dir = scratch.path("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["serve", "--listen", "localhost:0", "--output", "json"]);
    command.args(PORTS).arg("--data-dir").arg(&data_dir);
    system::die_with_parent(&mut command);
    let (broker, listens) = super::listeners::start(&data_dir, command);
    assert_eq!(listens.len() % 5, 0, "{listens:?}");
    for (at, address) in listens.iter().enumerate() {
        assert_eq!(address.port(), broker.address.port() + (at % 5) as u16);
        let mut client = Client::try_connect(*address).expect("open");
        assert_eq!(places(&mut client).len(), 5);
    }
    assert_eq!(broker.stop().0, Some(0));

    let advertised = [PORTS, &["--advertise", "127.0.0.1:7000"]].concat();
    let command = serve(&data_dir, &advertised);
    let broker = Broker::start_told(&data_dir, command, |said| {
        let (_, rest) = said.split_once("listens on")?;
        rest.split_once('-')?.0.trim().parse().ok()
    });
    let ports: Vec<u16> = places(&mut broker.connect())
        .iter()
        .map(|one| one.1)
        .collect();
    assert_eq!(ports, [7000, 7001, 7002, 7003, 7004]);
    assert!(
        broker
            .introduction()
            .contains("clients use  127.0.0.1:7000")
    );
}

#[test]
fn a_file_of_either_kind_sets_it() {
    let scratch = Scratch::new("ports-file");
    for (name, text) in [
        ("broker.toml", "listener-layout = \"ports\"\nshards = 3\n"),
        ("server.properties", "listener.layout=ports\nshards=3\n"),
    ] {
        let file = scratch.path(name);
        fs::write(&file, text).expect("a file");
        let flags = [
            "--allow-buffered",
            "--config",
            file.to_str().expect("a name"),
        ];
        let broker = Broker::start(&scratch.path(&format!("{name}-data")), &flags);
        assert_eq!(places(&mut broker.connect()).len(), 3, "{name}");
    }
}

/// It ends with `code`, says all of `words`, and has made no data directory.
fn check(at: &str, flags: &[&str], code: i32, words: &[&str]) {
    let scratch = Scratch::new("ports-refused");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["serve", "--listen", at, "--data-dir"]);
    command.arg(scratch.path("data")).args(PORTS).args(flags);
    system::die_with_parent(&mut command);

    let (found, said) = refusal(command);

    assert_eq!(found, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no \"{word}\" in: {said}");
    }
    assert!(!scratch.path("data").exists(), "the ports come first");
}

#[test]
fn a_taken_port_and_one_beyond_the_last_are_refused_with_what_is_needed() {
    let scratch = Scratch::new("ports-taken");
    let other = Broker::start(&scratch.path("data"), PORTS);
    let (first, third) = (other.address, other.address.port() + 2);
    let third = format!("127.0.0.1:{third}");
    let words = ["listens there", "5 in a row", "--listen"];
    check(
        &first.to_string(),
        &[],
        69,
        &[&[first.to_string().as_str()], &words[..]].concat(),
    );
    check(&third, &[], 69, &[&[third.as_str()], &words[..]].concat());
    let foreign = TcpListener::bind("127.0.0.1:0").expect("a port");
    let foreign = foreign.local_addr().expect("bound");
    let before = format!("127.0.0.1:{}", foreign.port() - 4);
    check(
        &before,
        &[],
        69,
        &["can not listen on 127.0.0.1:", "5 in a row"],
    );

    let words = ["5 shards", "65535", "choose 65531"];
    check("127.0.0.1:65532", &[], 78, &words);
    check("127.0.0.1:0", &["--advertise", "h:65534"], 78, &words);
}

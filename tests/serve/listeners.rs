//! Several listeners: who comes by one is told what that one tells, as the usual set-up of Kafka in
//! containers needs it (one address inside their network, one outside).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use thalweg::wire::StrBytes;
use thalweg::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use thalweg::wire::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest,
};

use super::support::{Broker, Client, Scratch, batch_of, refusal, system};

const NAMES: &str = "controller.listener.names=CONTROLLER\n\
                     listener.security.protocol.map=CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,\
                     OUTSIDE:PLAINTEXT\n";

fn command(data_dir: &Path, file: &Path, text: &str) -> Command {
    fs::write(file, format!("{NAMES}{text}")).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["serve", "--output", "json", "--allow-buffered", "--config"]);
    command.arg(file).arg("--data-dir").arg(data_dir);
    system::die_with_parent(&mut command);
    command
}

/// What runs; a second object tells how long the start took.
fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}

/// What a broker says that it listens on, in the order of its listeners.
fn addresses(said: &str) -> Option<Vec<SocketAddr>> {
    let told: serde_json::Value = serde_json::from_str(first_line(said)).ok()?;
    let listens = told["listens_on"].as_array()?.iter();
    listens.map(|one| one.as_str()?.parse().ok()).collect()
}

/// A broker that says so as JSON, and where it listens.
pub(super) fn start(data_dir: &Path, command: Command) -> (Broker, Vec<SocketAddr>) {
    let broker = Broker::start_told(data_dir, command, |said| addresses(said)?.first().copied());
    let listens = addresses(&broker.introduction()).expect("addresses");
    (broker, listens)
}

/// What Metadata, DescribeCluster and FindCoordinator tell, each once.
pub(super) fn told(client: &mut Client) -> Vec<(String, i32)> {
    let metadata = client.try_metadata().expect("an answer");
    let brokers = metadata.brokers.into_iter();
    let mut told: Vec<_> = brokers
        .map(|broker| (broker.host.to_string(), broker.port))
        .collect();
    let cluster = client.call(&DescribeClusterRequest::default(), 0);
    for broker in cluster.brokers {
        told.push((broker.host.to_string(), broker.port));
    }
    let find = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("group"));
    let found = client.call(&find, 2);
    told.push((found.host.to_string(), found.port));
    told.sort();
    told.dedup();
    told
}

pub(super) fn address(host: &str, port: u16) -> (String, i32) {
    (host.to_owned(), i32::from(port))
}

#[test]
fn every_listener_tells_its_own_address_and_serves_the_same_topics() {
    let scratch = Scratch::new("listeners");
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    let text = "listeners=INSIDE://127.0.0.1:0,OUTSIDE://:0,CONTROLLER://:1\n\
                advertised.listeners=INSIDE://broker:19092\nshards=3\n\
                listener.layout=core\n";
    let (broker, listens) = start(&data_dir, command(&data_dir, &file, text));
    let [inside, outside] = listens[..] else {
        panic!("{listens:?}");
    };
    let introduction: serde_json::Value =
        serde_json::from_str(first_line(&broker.introduction())).expect("one object");

    let outside = SocketAddr::new(inside.ip(), outside.port());
    let mut within = Client::try_connect(inside).expect("it listens");
    let mut without = Client::try_connect(outside).expect("it listens");

    assert_eq!(told(&mut within), [address("broker", 19_092)]);
    let reached = [address("127.0.0.1", outside.port())];
    assert_eq!(told(&mut without), reached);
    let shown = introduction["clients_use"].as_str();
    let port = outside.port();
    let use_outside = format!("the address that they reached:{port}");
    let both = format!("broker:19092 (INSIDE) and {use_outside} (OUTSIDE)");
    assert_eq!(shown, Some(both.as_str()));
    let expected = serde_json::json!([
        {"name": "INSIDE", "listens_on": [inside.to_string()], "clients_use": "broker:19092"},
        {"name": "OUTSIDE", "listens_on": [format!("0.0.0.0:{port}")], "clients_use": use_outside},
    ]);
    assert_eq!(introduction["listeners"], expected);
    within.create_topic("t", 6);
    for partition in 0..6 {
        let answer = within.produce("t", partition, Some(batch_of(&[b"inside"])));
        assert_eq!(answer, (0, 0));
        assert_eq!(without.read_all("t", partition).len(), 1);
        // Each has moved to the partition's shard by now, and is told the same there.
        assert_eq!(told(&mut within), [address("broker", 19_092)]);
        assert_eq!(told(&mut without), reached);
    }
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_listener_that_is_full_keeps_nobody_from_another() {
    let scratch = Scratch::new("listeners-full");
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    let text = "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0\nshards=3\n\
                listener.name.inside.max.connections=5\n\
                listener.name.outside.max.connections=2\n";
    let (broker, listens) = start(&data_dir, command(&data_dir, &file, text));
    let [inside, outside] = listens[..] else {
        panic!("{listens:?}");
    };
    let enter = |at| {
        let mut client = Client::try_connect(at).expect("it listens");
        client.try_metadata().map(|_| client)
    };

    let clients: Vec<_> = (0..2).map(|_| enter(outside).expect("room")).collect();
    assert!(enter(outside).is_err(), "a third was served");
    let mut admin = enter(inside).expect("the other listener has room");
    let bound = AlterableConfig::default()
        .with_name(StrBytes::from_static_str(
            "listener.name.outside.max.connections",
        ))
        .with_value(Some(StrBytes::from_static_str("3")));
    let all_brokers = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_configs(vec![bound]);
    let edit = IncrementalAlterConfigsRequest::default().with_resources(vec![all_brokers]);
    let edited = admin.call(&edit, 1);
    assert_eq!(edited.responses[0].error_code, 0, "{edited:?}");
    let third = enter(outside).expect("room for one more");
    assert!(enter(outside).is_err(), "a fourth was served");

    drop((clients, third));
    let log = broker.log();
    let words = "all 2 connections of the listener OUTSIDE are taken \
                 (listener.name.outside.max.connections)";
    assert!(log.contains(words), "{log}");
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_bound_for_no_listener_is_refused_with_its_place() {
    let scratch = Scratch::new("listeners-typo");
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    let text = "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0\n\
                listener.name.controller.max.connections=2\n\
                listener.name.outsde.max.connections=2\n";

    let (code, words) = refusal(command(&data_dir, &file, text));

    let place = format!("{}:5:1", file.display());
    assert_eq!(code, Some(78), "{words}");
    assert!(words.contains(&place), "{words}");
    let what = "listener.name.outsde.max.connections is for no listener that there is: \
                inside and outside";
    assert!(words.contains(what), "{words}");

    // A flag that replaces the file's listeners takes them from nobody unawares.
    let mut replaced = command(&data_dir, &file, text);
    replaced.args(["--listen", "127.0.0.1:0"]);
    let (broker, _) = start(&data_dir, replaced);
    let said = "listener.name.outsde.max.connections has no effect: there is no such listener";
    let introduction = broker.introduction();
    assert!(introduction.contains(said), "{introduction}");
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn each_listener_has_a_port_for_every_shard_where_shards_have_ports() {
    let scratch = Scratch::new("listeners-ports");
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    let text = "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0\n\
                advertised.listeners=OUTSIDE://localhost:7000\n\
                listener.layout=ports\nshards=3\n";
    let (broker, listens) = start(&data_dir, command(&data_dir, &file, text));
    assert_eq!(listens.len(), 6, "{listens:?}");

    let own: Vec<_> = listens[..3]
        .iter()
        .map(|at| address("127.0.0.1", at.port()))
        .collect();
    let outer: Vec<_> = (7000..7003)
        .map(|port| address("localhost", port))
        .collect();
    for (at, expected) in [(&listens[..3], &own), (&listens[3..], &outer)] {
        for at in at {
            let mut client = Client::try_connect(*at).expect("it listens");
            assert_eq!(told(&mut client), *expected, "{at}");
        }
    }
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn listeners_that_share_a_port_are_refused_before_anything_is_made() {
    let scratch = Scratch::new("listeners-refused");
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    for (text, words) in [
        (
            "listeners=INSIDE://127.0.0.1:7001,OUTSIDE://:7001\n",
            "share a port",
        ),
        (
            "listeners=INSIDE://127.0.0.1:7001,OUTSIDE://127.0.0.1:7003\n\
             listener.layout=ports\nshards=3\n",
            "takes 3 in a row",
        ),
        (
            "listeners=INSIDE://127.0.0.1:7001\nadvertised.listeners=OUTSIDE://h:1\n",
            "server.properties:4:1: advertised.listeners: OUTSIDE://h:1 is for no listener",
        ),
        (
            "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0\n\
             advertised.listeners=INSIDE://h:7001,OUTSIDE://h:7002\n\
             listener.layout=ports\nshards=3\n",
            "h:7001 and h:7002 are too close",
        ),
    ] {
        let (code, said) = refusal(command(&data_dir, &file, text));

        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(words), "{said}");
        assert!(!data_dir.exists(), "the listeners come first");
    }
}

/// The addresses of which a broker with these listeners warns that nobody is asked who he is.
fn warned_of(name: &str, listeners: &str) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let scratch = Scratch::new(name);
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    let text = format!("listeners={listeners}\nshards=1\n");
    let (broker, listens) = start(&data_dir, command(&data_dir, &file, &text));
    let log = broker.log();
    assert_eq!(broker.stop().0, Some(0));
    let words = " is reachable by others, and there is no authentication yet";
    let open = log.lines().filter_map(|line| {
        let (before, _) = line.split_once(words)?;
        assert!(line.contains("WARN"), "{line}");
        before.rsplit(' ').next()?.parse().ok()
    });
    (listens, open.collect())
}

#[test]
fn who_listens_where_others_can_reach_it_is_warned_and_nobody_else_is() {
    let (listens, open) = warned_of("listeners-home", "INSIDE://127.0.0.1:0,OUTSIDE://[::1]:0");
    assert_eq!((listens.len(), open), (2, vec![]));

    let (listens, open) = warned_of("listeners-open", "INSIDE://127.0.0.1:0,OUTSIDE://:0");
    assert_eq!((listens.len(), open), (2, vec![listens[1]]));
}

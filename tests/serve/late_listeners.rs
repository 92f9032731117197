//! Listeners that are added to a running broker and taken out again, by our own command.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};

use super::listeners::{address, told};
use super::support::client::Heard;
use super::support::{Broker, Client, Scratch, batch_of};

const FIRST: &str = "PLAINTEXT://127.0.0.1:0";
const MAP: &str = "listener.security.protocol.map=EXTRA:PLAINTEXT";

/// `thalweg config` for this broker.
fn config(broker: &Broker, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.arg("config").args(words);
    command.args(["--broker-id", "1000", "--bootstrap-server"]);
    let output = command.arg(broker.address.to_string()).output();
    output.expect("it can be started")
}

fn set(broker: &Broker, listeners: &str) -> Output {
    config(broker, &["set", &format!("listeners={listeners}"), MAP])
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Where the listener EXTRA was opened last.
fn extra(broker: &Broker) -> SocketAddr {
    let log = broker.log();
    let (_, last) = log
        .rsplit_once("the listener EXTRA is open at ")
        .unwrap_or_else(|| panic!("it was opened: {log}"));
    let address = last.split_whitespace().next().expect("an address");
    address.parse().expect("an address")
}

fn is_refused(at: SocketAddr) -> bool {
    let refused = TcpStream::connect(at).err();
    refused.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn a_listener_comes_outlives_a_restart_and_goes_while_the_others_serve() {
    let scratch = Scratch::new("late-listeners");
    let data_dir = scratch.path("data");
    let flags = ["--cores", "2", "--shards", "3", "--allow-buffered"];
    let broker = Broker::start(&data_dir, &flags);
    let mut stays = broker.connect();
    stays.create_topic("t", 3);

    let added = set(&broker, &format!("{FIRST},EXTRA://127.0.0.1:0"));

    assert!(added.status.success(), "{}", said(&added));
    let at = extra(&broker);
    assert_ne!(at, broker.address);
    // Whichever core the kernel gives them to.
    let mut many: Vec<_> = (0..40)
        .map(|_| Client::try_connect(at).expect("it listens"))
        .collect();
    for client in &mut many {
        assert_eq!(told(client), [address("127.0.0.1", at.port())]);
    }
    for partition in 0..3 {
        let answer = many[0].produce("t", partition, Some(batch_of(&[b"by the new one"])));
        assert_eq!(answer, (0, 0));
        assert_eq!(stays.read_all("t", partition).len(), 1);
    }
    assert_eq!(
        told(&mut stays),
        [address("127.0.0.1", broker.address.port())]
    );
    assert_eq!(broker.stop().0, Some(0));

    let broker = Broker::start(&data_dir, &flags);
    let at = extra(&broker);
    let mut client = Client::try_connect(at).expect("it listens after a restart");
    assert_eq!(told(&mut client), [address("127.0.0.1", at.port())]);
    assert_eq!(client.read_all("t", 0).len(), 1);
    let mut stays = broker.connect();
    assert!(stays.try_metadata().is_ok());

    let gone = set(&broker, FIRST);

    assert!(gone.status.success(), "{}", said(&gone));
    assert!(is_refused(at), "it was taken out");
    assert!(
        matches!(client.hear(), Heard::Closed),
        "it came by what is closed"
    );
    assert_eq!(stays.produce("t", 0, Some(batch_of(&[b"on"]))), (0, 1));
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_port_that_somebody_has_is_refused_and_nothing_changes() {
    let scratch = Scratch::new("late-listeners-taken");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, &["--cores", "2", "--allow-buffered"]);
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = other.local_addr().expect("it is bound");
    let mut stays = broker.connect();

    for (list, words) in [
        (
            format!("{FIRST},EXTRA://{taken}"),
            format!("can not listen on {taken}"),
        ),
        (
            format!("{FIRST},EXTRA://{}", broker.address),
            "something listens there already".to_owned(),
        ),
        (
            "EXTRA://127.0.0.1:0".to_owned(),
            "PLAINTEXT://127.0.0.1:0 is the first that the broker was started with".to_owned(),
        ),
    ] {
        let refused = set(&broker, &list);

        assert!(!refused.status.success(), "{list}");
        assert!(said(&refused).contains(&words), "{}", said(&refused));
    }

    let shown = said(&config(&broker, &["describe"]));
    assert!(!shown.contains("EXTRA"), "{shown}");
    assert!(stays.try_metadata().is_ok());
    assert!(!broker.log().contains("is open at"));
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_late_listener_has_a_port_for_every_shard_where_shards_have_ports() {
    let scratch = Scratch::new("late-listeners-ports");
    let data_dir = scratch.path("data");
    let flags = [
        "--listener-layout",
        "ports",
        "--shards",
        "3",
        "--cores",
        "2",
    ];
    let broker = Broker::start(&data_dir, &[&flags[..], &["--allow-buffered"]].concat());

    let added = set(&broker, &format!("{FIRST},EXTRA://127.0.0.1:0"));

    assert!(added.status.success(), "{}", said(&added));
    let first = extra(&broker);
    let row = (0..3).map(|number| SocketAddr::new(first.ip(), first.port() + number));
    let all: Vec<_> = row
        .clone()
        .map(|at| address("127.0.0.1", at.port()))
        .collect();
    for at in row.clone() {
        let mut client = Client::try_connect(at).expect("it listens");
        assert_eq!(told(&mut client), all, "{at}");
    }
    let gone = set(&broker, FIRST);
    assert!(gone.status.success(), "{}", said(&gone));
    assert!(row.clone().all(is_refused), "it was taken out");
    assert_eq!(broker.stop().0, Some(0));
}

//! `serve --config`: what a file says is in force, flags override it, and mistakes are explained.

use std::fs;
use std::process::Command;

use thalweg::wire::ErrorCode;

use super::support::client::Heard;
use super::support::{Broker, Client, Scratch, batch_of, refusal, serve, system, wait_for};

const CONFIG: Option<i32> = Some(78);

/// It ends with the code of a wrong configuration, and says every one of `words`.
fn check(name: &str, text: &str, words: &[&str]) {
    let scratch = Scratch::new("config-refused");
    let (file, data_dir) = (scratch.path(name), scratch.path("data"));
    fs::write(&file, text).expect("a file");

    let flags = ["--config", file.to_str().expect("a name")];
    let (code, said) = refusal(serve(&data_dir, &flags));

    assert_eq!(code, CONFIG, "{said}");
    for word in words {
        assert!(said.contains(word), "no \"{word}\" in: {said}");
    }
    assert!(!data_dir.exists(), "a wrong file touches nothing");
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place_and_what_was_perhaps_meant() {
    let unknown = [
        "server.properties:2:1:",
        "'num.partition'",
        "'num.partitions'",
    ];
    check("server.properties", "\nnum.partition=3\n", &unknown);
    check(
        "broker.toml",
        "cores = 1\nlisten = oops\n",
        &["broker.toml:2:10:"],
    );
    let bounds = ["broker.toml:1:1:", "num.partitions", "from 1 to 200000"];
    check("broker.toml", "num-partitions = 0\n", &bounds);
    check("broker.conf", "", &[".toml", ".properties"]);
    check(
        "server.properties",
        "advertised.listeners=SSL://a:9093\n",
        &["server.properties:1:1:", "only PLAINTEXT"],
    );
    // Wrong only as what clients are told, as a number of this node, or beside another key.
    for (text, words) in [
        (
            "\nadvertised.listeners=PLAINTEXT://:9092\n",
            "could connect to",
        ),
        ("\nbroker.id=65536\n", "from 0 to 65535"),
        ("\nconnections.max.idle.ms=0\n", "must be above 100"),
        (
            "\ngroup.min.session.timeout.ms=2000000\n",
            "must not be the larger",
        ),
    ] {
        check(
            "server.properties",
            text,
            &["server.properties:2:1:", words],
        );
    }
}

/// A topic created without a count has `count` partitions.
fn check_partitions(client: &mut Client, count: i32) {
    assert!(client.create_topic("t", -1));
    let batch = || Some(batch_of(&[b"value"]));

    assert_eq!(client.produce("t", count - 1, batch()).0, 0);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(client.produce("t", count, batch()).0, unknown);
}

#[test]
fn kafkas_own_kind_of_file_starts_a_broker_and_says_what_has_no_meaning() {
    let scratch = Scratch::new("config-kafka");
    let (file, data_dir) = (scratch.path("server.properties"), scratch.path("data"));
    // Kafka 3 gives its only broker the id 0.
    let text = "process.roles=broker,controller\nbroker.id=0\n\
                listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:1\n\
                controller.listener.names=CONTROLLER\n\
                controller.quorum.bootstrap.servers=localhost:9093\n\
                num.network.threads=9\nnum.partitions=3\nsocket.request.max.bytes=4096\n";
    fs::write(&file, text).expect("a file");
    let flags = [
        "--cores",
        "1",
        "--allow-buffered",
        "--config",
        file.to_str().expect("a name"),
    ];
    let broker = Broker::start(&data_dir, &flags);

    let told = broker.introduction();
    assert!(told.contains("num.network.threads has no effect"), "{told}");
    assert!(
        told.contains("controller.quorum.bootstrap.servers has no meaning"),
        "{told}"
    );
    let mut client = broker.connect();
    check_partitions(&mut client, 3);
    let known = client.try_metadata().expect("an answer");
    assert_eq!(known.brokers[0].node_id.0, 0);
    client.send_raw(&5_000_i32.to_be_bytes());
    assert_eq!(
        client.hear(),
        Heard::Closed,
        "socket.request.max.bytes holds"
    );
}

#[test]
fn clients_are_told_what_is_advertised_port_and_all_and_so_is_the_operator() {
    let scratch = Scratch::new("config-advertised");
    let flags = ["--cores", "1", "--allow-buffered", "--output", "json"];
    let mut command = serve(&scratch.path("data"), &flags);
    command.args(["--advertise", "broker.example:7777"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn();
    let mut child = child.expect("it can be started");
    let mut line = String::new();
    let mut words = std::io::BufReader::new(child.stdout.take().expect("piped"));
    std::io::BufRead::read_line(&mut words, &mut line).expect("what runs");
    let told: serde_json::Value = serde_json::from_str(&line).expect("one object");

    let address = told["listens_on"][0].as_str().expect("an address");
    let address = address.parse().expect("an address");
    let mut client = wait_for("a listener", || Client::try_connect(address).ok());
    let brokers = client.try_metadata().expect("an answer").brokers;

    system::terminate(child.id());
    wait_for("its end", || child.try_wait().expect("ours"));
    assert_eq!(told["clients_use"].as_str(), Some("broker.example:7777"));
    assert!(!brokers.is_empty());
    for broker in brokers {
        assert_eq!(
            (broker.host.as_str(), broker.port),
            ("broker.example", 7777)
        );
    }
}

#[test]
fn a_flag_goes_before_the_file() {
    let scratch = Scratch::new("config-flag");
    let (file, data_dir) = (scratch.path("broker.toml"), scratch.path("data"));
    fs::write(
        &file,
        "num-partitions = 3\ndata-dir = \"/proc/nowhere\"\ncores = 2\n",
    )
    .expect("a file");
    let name = file.to_str().expect("a name");
    let flags = [
        "--cores",
        "1",
        "--allow-buffered",
        "--config",
        name,
        "--num-partitions",
        "5",
    ];

    let broker = Broker::start(&data_dir, &flags);

    let mut client = broker.connect();
    check_partitions(&mut client, 5);
    assert!(broker.introduction().contains("on 1 cores"));
}

#[test]
fn a_disk_that_is_missing_is_not_taken_for_an_empty_one() {
    let scratch = Scratch::new("config-disks");
    let (one, two) = (scratch.path("one"), scratch.path("two"));
    let dirs = format!("log.dirs={},{}", one.display(), two.display());
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
        let flags = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--shards",
            "2",
            "--allow-buffered",
        ];
        command.args(flags).args(["--override", &dirs]);
        system::die_with_parent(&mut command);
        command
    };
    let broker = Broker::start_command(&one, command());
    assert!(broker.connect().create_topic("t", 4));
    assert_eq!(broker.stop().0, Some(0));
    assert!(
        two.join("shard-1").is_dir(),
        "shard 1 is on the second disk"
    );
    fs::rename(&two, scratch.path("away")).expect("unmounted");

    let (code, said) = refusal(command());

    assert_eq!(code, Some(73), "{said}");
    assert!(
        said.contains("is missing") && said.contains("mount"),
        "{said}"
    );
}

#[test]
fn with_json_serve_says_in_one_object_what_runs() {
    let scratch = Scratch::new("serve-json");
    let flags = ["--output", "json", "--cores", "2", "--allow-buffered"];
    let mut command = serve(&scratch.path("data"), &flags);
    let child = command.stdout(std::process::Stdio::piped()).spawn();
    let mut child = child.expect("it can be started");
    let mut line = String::new();
    let mut words = std::io::BufReader::new(child.stdout.take().expect("piped"));

    let read = std::io::BufRead::read_line(&mut words, &mut line);

    let told: serde_json::Value = serde_json::from_str(&line).expect("one object");
    let address = told["listens_on"][0].as_str().expect("an address");
    // It says so before it listens, and before it takes a signal for a wish to stop.
    let listens = address.parse().expect("an address");
    wait_for("a listener", || Client::try_connect(listens).ok());
    system::terminate(child.id());
    let status = wait_for("its end", || child.try_wait().expect("ours"));
    assert!(read.is_ok() && status.success(), "{status}: {line}");
    assert!(address.starts_with("127.0.0.1:"), "{told}");
    assert_eq!(
        (told["shards"].as_u64(), told["cores"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(told["is_new"].as_bool(), Some(true));
}

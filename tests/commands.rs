//! What commands that ask a broker do where it shows only from the outside: how they end, what they
//! wait for, what they change. `tests/clients/commands.py` compares their words with Kafka's.

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Broker, Scratch, system, wait_for};

const FAILED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);
const TRY_AGAIN: Option<i32> = Some(75);

/// How a command ended, and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    errors: String,
}

/// The words of a command, against the broker at `address`.
fn command(address: &str, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command
        .args(words.split(' '))
        .args(["--bootstrap-server", address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    system::die_with_parent(&mut command);
    command
}

fn said(child: Child) -> Said {
    let output = child.wait_with_output().expect("ours");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        errors: text(output.stderr),
    }
}

fn run(address: &str, words: &str, input: &str) -> Said {
    let mut child = command(address, words).spawn().expect("it can be started");
    let mut stdin = child.stdin.take().expect("piped");
    // One that refuses its flags reads nothing.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    said(child)
}

/// A broker, and where it listens.
fn start(scratch: &Scratch) -> (Broker, String) {
    start_with(scratch, &[])
}

fn start_with(scratch: &Scratch, more: &[&str]) -> (Broker, String) {
    let flags = ["--cores", "2", "--allow-buffered"];
    let broker = Broker::start(&scratch.path("data"), &[&flags, more].concat());
    let address = broker.address.to_string();
    (broker, address)
}

/// Runs a command that must end well; what it said on standard output.
fn done(address: &str, words: &str, input: &str) -> String {
    let said = run(address, words, input);
    assert_eq!(said.code, Some(0), "{words}: {said:?}");
    said.out
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An address at which nobody listens any more.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

#[test]
fn where_no_broker_answers_every_command_says_so_and_invites_to_try_again() {
    let address = nobody();

    for words in [
        "topic list",
        "topic create t",
        "produce t",
        "consume t",
        "config describe --topic t",
        "config set --broker-id 1 log.retention.ms=1",
        "group list",
        "group describe g",
    ] {
        let said = run(&address, words, "");

        assert_eq!(said.code, TRY_AGAIN, "{words}: {said:?}");
        let next = "start one with 'thalweg serve', or name another with --bootstrap-server";
        assert!(said.errors.contains(next), "{words}: {said:?}");
    }
}

/// A host of a domain that is never given to anybody (RFC 6761).
const NO_HOST: &str = "broker.invalid";

#[test]
fn a_name_that_leads_nowhere_is_told_with_what_would_change_it() {
    let said = run(&format!("{NO_HOST}:9092"), "topic list", "");
    assert_eq!(said.code, TRY_AGAIN, "{said:?}");
    let next = "name another with --bootstrap-server";
    assert!(said.errors.contains(next), "{said:?}");

    let scratch = Scratch::new("commands-told");
    let data_dir = scratch.path("data");
    let mut serve = support::serve(&data_dir, &["--cores", "1", "--allow-buffered"]);
    serve.args(["--advertise", &format!("{NO_HOST}:9092")]);
    let broker = Broker::start_told(&data_dir, serve, |said| {
        let (_, listens) = said.split_once("listens on")?;
        let (address, _) = listens.split_once("clients use")?;
        address.trim().parse().ok()
    });
    let address = broker.address.to_string();
    done(&address, "topic create t --partitions 1", "");
    for words in [
        "produce t",
        "consume t",
        "consume t --group g",
        "group list",
    ] {
        let said = run(&address, words, "a line\n");

        assert_eq!(said.code, TRY_AGAIN, "{words}: {said:?}");
        let head = format!("no broker at {NO_HOST}:9092: ");
        assert!(said.errors.contains(&head), "{words}: {said:?}");
        assert!(
            said.errors.contains("advertised.listeners"),
            "{words}: {said:?}"
        );
    }
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn what_would_fail_again_does_not_invite_to_try_again() {
    let scratch = Scratch::new("commands-fail");
    let (broker, address) = start(&scratch);
    done(&address, "topic create t --partitions 2", "");

    for (words, code, told) in [
        ("topic create t", FAILED, "TOPIC_ALREADY_EXISTS"),
        (
            "consume t --partition 9",
            FAILED,
            "t has no partition 9; it has 2",
        ),
        (
            "produce t --partition 9",
            FAILED,
            "t has no partition 9; it has 2",
        ),
        (
            "consume t --offset 9",
            FAILED,
            "`thalweg consume --from-beginning`",
        ),
        ("produce t --acks 2", USAGE, "'2' is none of all, 1 and 0"),
        ("produce t --key-separator=", USAGE, "--key-separator"),
        ("topic alter t", USAGE, "nothing to alter"),
    ] {
        let said = run(&address, words, "a line\n");

        assert_eq!(said.code, code, "{words}: {said:?}");
        assert!(said.errors.contains(told), "{words}: {said:?}");
    }
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_command_about_a_topic_that_is_not_there_says_how_to_find_or_make_one() {
    let scratch = Scratch::new("commands-absent");
    let by_hand = ["--override", "auto.create.topics.enable=false"];
    let (broker, address) = start_with(&scratch, &by_hand);

    for words in [
        "topic describe absent",
        "topic alter absent --partitions 4",
        "topic delete absent",
        "produce absent",
        "consume absent",
        "consume absent --group g",
        "config describe --topic absent",
        "config set --topic absent retention.ms=1",
        "group reset-offsets g --topic absent --to-earliest",
    ] {
        let said = run(&address, words, "a line\n");

        assert_eq!(said.code, FAILED, "{words}: {said:?}");
        let head = "absent: UNKNOWN_TOPIC_OR_PARTITION (3): ";
        let next = "`thalweg topic list` shows the topics that are there, \
                    `thalweg topic create NAME` makes one\n";
        assert!(said.errors.contains(head), "{words}: {said:?}");
        assert!(said.errors.ends_with(next), "{words}: {said:?}");
    }
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn records_sent_without_acknowledgement_arrive_and_are_not_called_acknowledged() {
    let scratch = Scratch::new("commands-acks");
    let (broker, address) = start(&scratch);
    done(&address, "topic create t --partitions 3", "");
    // More than one batch, so that several requests follow each other without a reply.
    let lines: Vec<String> = (0..20_000)
        .map(|number| format!("key {number}:{number:040}"))
        .collect();

    let text = run(
        &address,
        "produce t --acks 0 --key-separator :",
        &(lines.join("\n") + "\n"),
    );
    let counted = done(&address, "produce t --acks 0 --output json", "one more\n");

    assert_eq!(text.code, Some(0), "{text:?}");
    let words = "20000 records sent; none was acknowledged, as --acks 0 asks for.";
    assert!(text.errors.contains(words), "{text:?}");
    assert_eq!(
        (
            json(&counted)["sent"].as_u64(),
            json(&counted)["acknowledged"].as_u64()
        ),
        (Some(1), Some(0))
    );
    // Nobody was told when they are there: this waits for them.
    let read = done(
        &address,
        "consume t --from-beginning --max-messages 20001",
        "",
    );
    let mut read: Vec<&str> = read.lines().collect();
    let mut sent: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(':').nth(1))
        .collect();
    sent.push("one more");
    read.sort_unstable();
    sent.sort_unstable();
    assert!(read == sent, "{} were read of {}", read.len(), sent.len());
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_consumer_that_begins_at_the_end_waits_for_what_comes_and_stops_after_so_many() {
    let scratch = Scratch::new("commands-tail");
    let (broker, address) = start(&scratch);
    done(&address, "topic create t --partitions 1", "");
    done(&address, "produce t", "old\nolder\n");
    let mut reader = command(&address, "consume t --max-messages 5")
        .spawn()
        .expect("it can be started");

    // Where it began to read nobody is told: records come until it has enough.
    let mut client = broker.connect();
    let mut sent = 0;
    wait_for("five records", || {
        let value = format!("new {sent}");
        client.produce("t", 0, Some(support::batch_of(&[value.as_bytes()])));
        sent += 1;
        reader.try_wait().expect("ours").map(|_| ())
    });

    let said = said(reader);
    assert_eq!(said.code, Some(0), "{said:?}");
    let read: Vec<&str> = said.out.lines().collect();
    let first = read[0]
        .strip_prefix("new ")
        .and_then(|it| it.parse::<usize>().ok());
    let first = first.unwrap_or_else(|| panic!("it began with an old record: {said:?}"));
    let wanted: Vec<String> = (first..first + 5)
        .map(|number| format!("new {number}"))
        .collect();
    assert_eq!(read, wanted);
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_brokers_configs_are_set_shown_and_unset_by_its_id() {
    let scratch = Scratch::new("commands-configs");
    let (broker, address) = start(&scratch);
    done(&address, "topic create t --partitions 1", "");
    let topic = json(&done(&address, "topic describe t --output json", ""));
    let id = topic[0]["partitions"][0]["leader"].as_i64().expect("an id");
    let key = "log.retention.ms";
    let shown = |flags: &str| {
        let words = format!("config describe --broker-id {id} --output json{flags}");
        let all = json(&done(&address, &words, ""));
        let found = all
            .as_array()
            .expect("configs")
            .iter()
            .find(|it| it["name"] == key);
        found.map(|it| (it["value"].clone(), it["source"].clone()))
    };

    assert_eq!(shown(""), None, "nobody set it yet");
    let set = done(
        &address,
        &format!("config set --broker-id {id} {key}=77000000"),
        "",
    );
    assert_eq!(set, format!("broker {id}: set {key}.\n"));
    assert_eq!(shown(""), Some(("77000000".into(), "broker".into())));
    let text = done(&address, &format!("config describe --broker-id {id}"), "");
    let row = text.lines().find(|line| line.contains(key)).expect("a row");
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row, [key, "77000000", "broker"]);
    let unset = done(
        &address,
        &format!("config unset --broker-id {id} {key}"),
        "",
    );
    assert_eq!(unset, format!("broker {id}: unset {key}.\n"));
    assert_eq!(shown(""), None);
    assert_eq!(shown(" --all"), Some((Value::Null, "default".into())));

    let other = run(&address, "config describe --broker-id 77", "");
    assert_eq!(other.code, FAILED);
    assert!(
        other
            .errors
            .contains(&format!("there is no broker 77; there are {id}")),
        "{other:?}"
    );
    let fixed = run(
        &address,
        &format!("config set --broker-id {id} num.partitions=3"),
        "",
    );
    assert_eq!(fixed.code, FAILED, "{fixed:?}");
    assert_eq!(broker.stop().0, Some(0));
}

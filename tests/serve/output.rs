//! What people and programs read of it: the introduction, logs as JSON, completions.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;

use super::support::{Broker, Scratch, serve, wait_for};

/// All that a broker says of itself before the first client can connect.
fn introduction(name: &str, flags: &[&str], last: &str) -> String {
    let scratch = Scratch::new(name);
    let data_dir = scratch.path("data");
    let broker = Broker::start_command(&data_dir, serve(&data_dir, flags));
    let said = wait_for("the introduction", || {
        let said = fs::read_to_string(data_dir.with_extension("out")).ok()?;
        said.contains(last).then_some(said)
    });
    assert_eq!(broker.stop().0, Some(0));
    said
}

#[test]
fn it_says_where_it_listens_what_it_has_and_what_it_promises() {
    let flags = ["--cores", "1", "--allow-buffered"];

    let said = introduction("serve-says", &flags, "started in");

    for label in [
        "listens on",
        "clients use",
        "directory",
        "shards       1 on 1 cores",
        "durability",
        "device",
        "cache",
    ] {
        let found = said
            .lines()
            .find(|line| line.trim_start().starts_with(label));
        assert!(found.is_some(), "no {label:?}: {said}");
    }
    let device = said.lines().find(|line| line.contains("device  "));
    let device = device.expect("it was found");
    for word in ["direct I/O", "free"] {
        assert!(device.contains(word), "no {word:?}: {device}");
    }
}

/// Where it listens, once it has said how long its start took: by then it must.
fn served_at(said: &str) -> Option<SocketAddr> {
    let (before, _) = said.split_once("started")?;
    let (_, listens) = before.split_once("listens")?;
    let (_, address) = listens.split_once("127.0.0.1:")?;
    let digits = address.split(|c: char| !c.is_ascii_digit()).next()?;
    let address = SocketAddr::from(([127, 0, 0, 1], digits.parse().ok()?));
    TcpStream::connect(address).expect("clients are served");
    Some(address)
}

#[test]
fn the_time_that_a_start_took_is_told_when_clients_are_served() {
    let scratch = Scratch::new("serve-took");
    let flags = ["--cores", "2", "--allow-buffered", "--output"];
    for form in ["text", "json"] {
        let data_dir = scratch.path(form);
        let command = serve(&data_dir, &[&flags[..], &[form]].concat());

        let broker = Broker::start_told(&data_dir, command, served_at);

        let said = broker.introduction();
        let told = said.lines().last().expect("a line");
        assert!(told.contains("started"), "{said}");
        assert_eq!(broker.stop().0, Some(0));
    }
}

#[test]
fn logs_are_one_json_object_a_line_if_asked_for() {
    let scratch = Scratch::new("serve-log");
    let data_dir = scratch.path("data");
    let flags = ["--log-format", "json", "--cores", "1", "--allow-buffered"];
    let mut command = serve(&data_dir, &flags);
    command.env("RUST_LOG", "debug");
    let broker = Broker::start_command(&data_dir, command);
    assert!(broker.connect().create_topic("t", 1));
    assert_eq!(broker.stop().0, Some(0));

    let log = fs::read_to_string(data_dir.with_extension("log")).expect("a log");

    assert!(!log.is_empty());
    for line in log.lines() {
        let told: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        for key in ["timestamp", "level", "target", "fields"] {
            assert!(told.get(key).is_some(), "no {key}: {line}");
        }
    }
}

#[test]
fn every_shell_gets_completions_that_name_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
        let output = command.args(["completions", shell]).output().expect("ours");

        assert!(output.status.success(), "{shell}");
        let said = String::from_utf8(output.stdout).expect("text");
        for name in ["serve", "reset-offsets", "listener-layout"] {
            assert!(said.contains(name), "{shell}: no {name}");
        }
    }
}

//! `thalweg inspect`: what a directory holds, and what of it was spoilt; not one byte changes.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use serde_json::Value;
use support::{Broker, Scratch, batch_of, refusal, system};

fn inspect(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.arg("inspect").arg(data_dir).args(flags);
    system::die_with_parent(&mut command);
    command
}

fn json_of(data_dir: &Path) -> (Option<i32>, Value) {
    let output = inspect(data_dir, &["--verify", "--output", "json"]).output();
    let output = output.expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text);
    (
        output.status.code(),
        json.unwrap_or_else(|error| panic!("{error}: {output:?}")),
    )
}

/// Every file of a directory, with what is in it.
fn contents(path: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(path).expect("it is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            contents(&path, into);
        } else {
            into.insert(
                path.display().to_string(),
                fs::read(&path).expect("readable"),
            );
        }
    }
}

fn filled(data_dir: &Path) -> Broker {
    let broker = Broker::start(
        data_dir,
        &["--cores", "1", "--shards", "2", "--allow-buffered"],
    );
    let mut client = broker.connect();
    client.create_topic("t", 2);
    for at in 0..20_i64 {
        let value = Bytes::from(vec![0x5E + at as u8; 20_000]);
        assert_eq!(client.produce("t", 0, Some(batch_of(&[&value]))), (0, at));
    }
    broker
}

fn stream<'a>(json: &'a Value, name: &str) -> &'a Value {
    let shards = json["shards"].as_array().expect("shards").iter();
    let mut streams = shards.flat_map(|shard| shard["streams"].as_array().expect("streams"));
    let found = streams.find(|stream| stream["partition"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {json}"))
}

#[test]
fn a_directory_after_a_kill_is_shown_whole_and_not_one_byte_of_it_changes() {
    let scratch = Scratch::new("inspect-kill");
    let data_dir = scratch.path("data");
    filled(&data_dir).kill();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    contents(&data_dir, &mut before);

    let (code, json) = json_of(&data_dir);

    contents(&data_dir, &mut after);
    assert!(before == after, "something was changed");
    assert_eq!(code, Some(0), "{json}");
    assert_eq!(json["damages"], 0);
    assert_eq!(json["shards"].as_array().expect("shards").len(), 2);
    assert_eq!(stream(&json, "t-0")["end"], 20);
    assert!(stream(&json, "(metadata)")["end"].as_i64() > Some(0));
    let groups = json["shards"][0]["segments"][0]["verified"]["groups"].as_u64();
    assert!(groups > Some(0), "{json}");
    let text = inspect(&data_dir, &[]).output().expect("it can be started");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("t-0") && text.contains("No damage found."),
        "{text}"
    );
}

#[test]
fn spoilt_bytes_of_an_acknowledged_record_are_found_by_name() {
    let scratch = Scratch::new("inspect-spoilt");
    let data_dir = scratch.path("data");
    assert_eq!(filled(&data_dir).stop().0, Some(0));
    let mut files = BTreeMap::new();
    contents(&data_dir, &mut files);
    // The eleventh value: nothing else is made of so many of these bytes.
    let marked = vec![0x5E + 10; 20_000];
    let found = files.iter().find_map(|(name, bytes)| {
        let at = bytes
            .windows(marked.len())
            .position(|window| window == marked)?;
        Some((name, bytes, at))
    });
    let (name, bytes, at) = found.expect("the value lies somewhere");
    let mut spoilt = bytes.clone();
    spoilt[at + 5_000] ^= 1;
    fs::write(name, spoilt).expect("written");

    let (code, json) = json_of(&data_dir);

    assert_eq!(code, Some(1), "{json}");
    assert!(json["damages"].as_u64() > Some(0), "{json}");
}

#[test]
fn a_directory_in_use_and_what_is_no_data_directory_are_refused() {
    let scratch = Scratch::new("inspect-use");
    let data_dir = scratch.path("data");
    let broker = filled(&data_dir);

    let (code, said) = refusal(inspect(&data_dir, &[]));
    assert_eq!(code, Some(73));
    assert!(said.contains("in use by a broker"), "{said}");

    assert_eq!(broker.stop().0, Some(0));
    let (code, said) = refusal(inspect(&scratch.path("nothing"), &[]));
    assert_eq!(code, Some(73));
    assert!(said.contains("not a data directory"), "{said}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_command_without_a_word() {
    let scratch = Scratch::new("inspect-pipe");
    let mut shell = Command::new("sh");
    let line = "\"$0\" completions bash | head -n 1";
    shell.args(["-c", line, env!("CARGO_BIN_EXE_thalweg")]);
    let output = shell
        .current_dir(scratch.path(""))
        .output()
        .expect("a shell");

    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{said}");
}

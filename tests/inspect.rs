//! `thalweg inspect`: what a directory holds, and what of it was spoilt; not one byte changes.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
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

/// Where a value of `filled` lies on the disk.
struct Place {
    path: PathBuf,
    /// The number that the file's name is.
    file: u64,
    /// Somewhere in the value.
    value: usize,
    /// Where the group begins that has it.
    group: usize,
}

impl Place {
    /// Of the value that was acknowledged with this offset: nothing else is made of so many of its
    /// byte.
    fn of(data_dir: &Path, offset: u8) -> Self {
        /// Half a value: one of so many lies in it whole.
        const STEP: usize = 10_000;
        let marked = vec![0x5E + offset; STEP];
        let mut files = BTreeMap::new();
        contents(data_dir, &mut files);
        let found = files.iter().find_map(|(name, bytes)| {
            let mut steps = (0..bytes.len()).step_by(STEP);
            let value = steps.find(|at| bytes[*at..].starts_with(&marked))?;
            Some((name, bytes, value))
        });
        let (name, bytes, value) = found.expect("the value lies somewhere");
        // A group begins with its magic, at a whole unit of the disk.
        let mut units = (0..=value / 4096).rev().map(|unit| unit * 4096);
        let group = units.find(|at| bytes[*at..].starts_with(b"TWG1"));
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
        Self {
            path: PathBuf::from(name),
            file: stem.and_then(|it| it.parse().ok()).expect("a number"),
            value,
            group: group.expect("a group has it"),
        }
    }

    fn spoil(&self, at: usize) {
        let mut bytes = fs::read(&self.path).expect("readable");
        bytes[at] ^= 1;
        fs::write(&self.path, bytes).expect("written");
    }
}

/// The shard that has the stream of this name.
fn shard_of<'a>(json: &'a Value, name: &str) -> &'a Value {
    let mut shards = json["shards"].as_array().expect("shards").iter();
    let has = |shard: &&Value| {
        let mut streams = shard["streams"].as_array().expect("streams").iter();
        streams.any(|stream| stream["partition"] == name)
    };
    shards.find(has).expect("some shard has it")
}

/// File and place of all groups that `--verify` found bad in a shard.
fn bad_groups(shard: &Value) -> Vec<(u64, u64)> {
    let segments = shard["segments"].as_array().expect("segments").iter();
    let bad = segments.flat_map(|segment| {
        let file = segment["file"].as_u64().expect("a number");
        let bad = segment["verified"]["bad"]
            .as_array()
            .expect("places")
            .iter();
        bad.map(move |at| (file, at.as_u64().expect("a number")))
    });
    bad.collect()
}

#[test]
fn spoilt_bytes_of_an_acknowledged_record_are_told_by_topic_partition_offset_and_place() {
    let scratch = Scratch::new("inspect-spoilt");
    let data_dir = scratch.path("data");
    assert_eq!(filled(&data_dir).stop().0, Some(0));
    let place = Place::of(&data_dir, 10);
    place.spoil(place.value);

    let (code, json) = json_of(&data_dir);

    assert_eq!(code, Some(1), "{json}");
    assert_eq!(json["damages"], 1, "{json}");
    let shard = shard_of(&json, "t-0");
    let wanted = (place.file, place.group as u64);
    assert_eq!(bad_groups(shard), [wanted], "{json}");
    let noticed = &shard["damage"][0];
    assert_eq!(
        (noticed["file"].as_u64(), noticed["at"].as_u64()),
        (Some(wanted.0), Some(wanted.1))
    );
    let spoilt = serde_json::json!([{ "partition": "t-0", "from": 10, "until": 11 }]);
    let verified = &shard["segments"][0]["verified"];
    assert_eq!(verified["spoilt"], spoilt, "{json}");
    let text = inspect(&data_dir, &["--verify"]).output();
    let text = text.expect("it can be started").stdout;
    let text = String::from_utf8_lossy(&text);
    let named = "DAMAGE: t-0 offsets 10 to 10 do not match their sums";
    assert!(text.contains(named), "{text}");
    let name = format!("{:08}.journal", place.file);
    let row = text.lines().find(|line| line.contains(&name));
    let last = row.and_then(|row| row.split_whitespace().last());
    assert_eq!(last, Some(&*place.group.to_string()), "{text}");
    assert!(text.contains("1 place can not be read."), "{text}");
}

#[test]
fn a_lost_group_is_told_by_topic_partition_and_offset() {
    let scratch = Scratch::new("inspect-lost");
    let data_dir = scratch.path("data");
    filled(&data_dir).kill();
    let (place, next) = (Place::of(&data_dir, 10), Place::of(&data_dir, 11));
    // The sum over header and table: nothing of the group can be believed.
    place.spoil(place.group + 60);

    let (code, json) = json_of(&data_dir);

    assert_eq!(code, Some(1), "{json}");
    let shard = shard_of(&json, "t-0");
    let damage = shard["damage"].as_array().expect("damage");
    let [damage] = &damage[..] else {
        panic!("one damage: {json}");
    };
    assert_eq!(json["damages"], 1, "{json}");
    let missed = serde_json::json!([{ "partition": "t-0", "from": 10, "until": 11 }]);
    assert_eq!(damage["streams"], missed, "{json}");
    assert_eq!(damage["first_group"], damage["last_group"], "{json}");
    // It is noticed at the group behind it.
    assert_eq!(damage["file"].as_u64(), Some(next.file), "{json}");
    assert_eq!(damage["at"].as_u64(), Some(next.group as u64), "{json}");
    assert_eq!(bad_groups(shard), [(place.file, place.group as u64)]);
    assert_eq!(stream(&json, "t-0")["end"], 20);
    let text = inspect(&data_dir, &[]).output().expect("it can be started");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for words in [
        "DAMAGE: groups ",
        &format!("in {:08}.journal at {}", next.file, next.group),
        "t-0 misses offsets 10 to 10",
    ] {
        assert!(text.contains(words), "no {words:?}: {text}");
    }
}

#[test]
fn a_segment_whose_file_is_gone_is_counted_and_told_with_what_lay_in_it() {
    let scratch = Scratch::new("inspect-gone");
    let data_dir = scratch.path("data");
    let flags = ["--cores", "1", "--shards", "1", "--allow-buffered"];
    let broker = Broker::start(&data_dir, &flags);
    let mut client = broker.connect();
    client.create_topic("t", 1);
    // Two segments of 128 MiB, and some of a third.
    let (batch, count) = (batch_of(&[&[0x5E; 1_000_000]]), 290);
    for at in 0..count {
        assert_eq!(client.produce("t", 0, Some(batch.clone())), (0, at));
    }
    assert_eq!(broker.stop().0, Some(0));
    let (code, json) = json_of(&data_dir);
    assert_eq!(code, Some(0), "{json}");
    let second = &json["shards"][0]["segments"][1];
    let number = second["file"].as_u64().expect("a second segment");
    let name = format!("{number:08}.journal");
    let mut directories = fs::read_dir(&data_dir).expect("it is there");
    let file = directories.find_map(|entry| {
        let path = entry.expect("readable").path().join(&name);
        path.exists().then_some(path)
    });
    fs::remove_file(file.expect("some shard has it")).expect("it can be removed");

    let (code, json) = json_of(&data_dir);

    assert_eq!(code, Some(1), "{json}");
    assert_eq!(json["damages"], 1, "{json}");
    let damage = &json["shards"][0]["damage"][0];
    assert_eq!(damage["gone"], true, "{json}");
    assert_eq!(damage["file"], number, "{json}");
    assert_eq!(damage["first_group"], second["first_group"], "{json}");
    let missed = damage["streams"].as_array().expect("streams");
    let [missed] = &missed[..] else {
        panic!("one stream: {json}");
    };
    let (from, until) = (missed["from"].as_i64(), missed["until"].as_i64());
    let (from, until) = (from.expect("an offset"), until.expect("an offset"));
    assert_eq!(missed["partition"], "t-0", "{json}");
    assert!(0 < from && from + 100 < until && until < count, "{json}");
    let text = inspect(&data_dir, &[]).output().expect("it can be started");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for words in [
        &format!("DAMAGE: {name} is gone, with groups "),
        &format!("t-0 misses offsets {from} to {}", until - 1),
    ] {
        assert!(text.contains(words), "no {words:?}: {text}");
    }
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

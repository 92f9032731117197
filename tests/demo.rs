//! The demo, from the outside: what programs read of it, and that nothing stays however it ends.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Scratch, system, wait_for};

/// Ours, in a process group of its own, as a shell would start it.
fn demo(folder: &Path, flags: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command
        .arg("demo")
        .args(flags)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    system::lead_group(&mut command);
    system::die_with_parent(&mut command);
    command.spawn().expect("it can be started")
}

/// Reads on until a line says `what`; the lines so far.
fn read_until(lines: &mut impl Iterator<Item = String>, what: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for line in lines {
        let found = line.contains(what);
        seen.push(line);
        if found {
            return seen;
        }
    }
    panic!("it ended before it said {what:?}: {seen:#?}");
}

fn left_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is there");
    entries.map(|entry| entry.expect("ours").path()).collect()
}

/// Starts a demo, strikes when it has said `moment`, and checks that nothing is left of it.
fn check_end(flags: &[&str], moment: &str, strike: fn(u32)) {
    let scratch = Scratch::new("demo-end");
    let folder = scratch.path("");
    let mut child = demo(&folder, flags);
    let stdout = child.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let seen = read_until(&mut lines, moment);
    let address = seen
        .iter()
        .find_map(|line| line.trim().strip_prefix("listens on"));
    let address = address.map(|it| it.trim().parse::<SocketAddr>().expect("an address"));
    if address.is_some() {
        assert_eq!(left_in(&folder).len(), 1, "its scratch directory");
    }

    strike(child.id());

    let status = wait_for("the demo's end", || child.try_wait().expect("ours"));
    wait_for("the end of its broker", || {
        system::group_is_gone(child.id()).then_some(())
    });
    assert_eq!(left_in(&folder), Vec::<PathBuf>::new());
    if let Some(address) = address {
        let refused = TcpStream::connect(address).err();
        assert!(
            refused.is_some(),
            "its broker still listens; the demo ended with {status}"
        );
    }
}

#[test]
fn ctrl_c_in_the_middle_of_the_load_leaves_nothing() {
    check_end(&[], "seconds of load", system::interrupt_group);
}

#[test]
fn ctrl_c_before_its_broker_listens_leaves_nothing() {
    check_end(&[], "$ thalweg serve", system::interrupt_group);
}

#[test]
fn an_impatient_ctrl_c_leaves_nothing() {
    check_end(&[], "What the disk does", system::interrupt_group_twice);
}

#[test]
fn a_signal_to_the_demo_alone_ends_its_broker_too() {
    check_end(&[], "$ thalweg topic list", system::terminate);
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_either() {
    check_end(&[], "What the disk does", system::kill);
}

#[test]
fn ctrl_c_ends_a_demo_that_stays() {
    check_end(
        &["--quick", "--stay"],
        "until Ctrl-C",
        system::interrupt_group,
    );
}

#[test]
fn with_json_the_demo_says_one_value_a_line_and_the_report_last() {
    let scratch = Scratch::new("demo-json");

    let child = demo(&scratch.path(""), &["--quick", "--output", "json"]);
    let output = child.wait_with_output().expect("ours");

    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8(output.stdout).expect("text");
    let values: Vec<Value> = (said.lines())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    let report = values.last().expect("a report");
    for key in [
        "records_per_s",
        "share_of_flushed_rate",
        "acknowledged_p99_ms",
        "broker_cpu_s_per_gb",
        "first_message_ms",
    ] {
        assert!(
            report[key].as_f64().is_some_and(|it| it > 0.0),
            "{key}: {report}"
        );
    }
    assert_eq!(
        report["lost_doubled_reordered"],
        serde_json::json!([0, 0, 0])
    );
    let records = values.iter().filter_map(|it| it["value"].as_str());
    assert_eq!(
        records.collect::<Vec<_>>(),
        ["the line of fastest flow", "in a river", "is its thalweg"]
    );
    assert_eq!(left_in(&scratch.path("")), Vec::<PathBuf>::new());
}

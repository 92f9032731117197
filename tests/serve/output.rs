//! What programs read of it: logs as JSON, completions.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::support::{Broker, Scratch, serve};

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

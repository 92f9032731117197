//! The files of `tuning/`: each parses, and claims nothing that is not so.

mod support;

#[path = "tuning/scripts.rs"]
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Broker, Scratch, batch_of, refusal, serve, system};
use thalweg::admin::{BrokerKey, Named};

fn tuning(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tuning")
        .join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(tuning(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files of a folder of `tuning`, by name.
fn names(folder: &str) -> Vec<String> {
    let list = fs::read_dir(tuning(folder)).expect("it is there");
    let names = list.map(|entry| entry.expect("readable").file_name());
    names.filter_map(|name| name.into_string().ok()).collect()
}

#[test]
fn every_file_says_what_it_changes_why_how_to_undo_it_and_what_it_gained() {
    let profiles = names("profiles")
        .into_iter()
        .map(|name| format!("profiles/{name}"));
    let files = names("").into_iter().filter(|name| tuning(name).is_file());
    let files = files.filter(|name| name != "README.md");
    for name in files.chain(profiles) {
        // JSON has no comments; the README speaks for the profile.
        let text = match name.as_str() {
            "seccomp.json" => read("README.md"),
            _ => read(&name),
        };
        for word in ["# Changes  ", "# Why      ", "# Undo     ", "# Gained   "] {
            assert!(text.contains(word), "{name} has no line \"{word}\"");
        }
    }
}

#[test]
fn the_readme_names_every_file_and_no_other() {
    let readme = read("README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let told: BTreeSet<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();

    let mut there: BTreeSet<String> = names("").into_iter().collect();
    there.remove("README.md");
    assert!(there.remove("profiles"));
    there.insert("profiles/*.toml".to_owned());

    assert_eq!(told, there.iter().map(String::as_str).collect());
}

#[test]
fn every_script_is_shell_and_refuses_what_it_does_not_know() {
    let scripts = names("").into_iter().filter(|name| name.ends_with(".sh"));
    let scripts: Vec<String> = scripts.collect();
    assert!(!scripts.is_empty());
    for name in scripts {
        let parsed = Command::new("sh").arg("-n").arg(tuning(&name)).output();
        let parsed = parsed.expect("there is a shell");
        assert!(parsed.status.success(), "{name}: {parsed:?}");

        let mut command = Command::new("sh");
        command.arg(tuning(&name)).arg("no-such-word-or-device");
        let (code, said) = refusal(command);
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(said.contains("usage:"), "{name}: {said}");
    }
}

#[test]
fn the_unit_has_the_sections_of_a_service_and_starts_what_exists() {
    let text = read("thalweg.service");
    let mut sections: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut section = "";
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
        } else {
            let (key, value) = line.split_once('=').expect("KEY=VALUE");
            assert!(key.chars().all(char::is_alphanumeric), "{key}");
            sections.entry(section).or_default().insert(key, value);
        }
    }

    let names: Vec<&str> = sections.keys().copied().collect();
    assert_eq!(names, ["Install", "Service", "Unit"]);
    let service = &sections["Service"];
    assert_eq!(service["LimitNOFILE"], "65536");
    assert_eq!(service["LimitMEMLOCK"], "8M");
    let start = service["ExecStart"].split_whitespace().skip(2);
    for flag in start.filter(|word| word.starts_with("--")) {
        assert!(help_of("serve").contains(flag), "serve has no {flag}");
    }
}

fn help_of(command: &str) -> String {
    let mut help = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    let output = help.args([command, "--help"]).output().expect("it runs");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_limits_are_lines_that_pam_reads_and_enough_for_a_broker() {
    let text = read("limits.conf");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let fields: Vec<Vec<&str>> = lines
        .map(|line| line.split_whitespace().collect())
        .collect();

    assert_eq!(
        fields,
        [
            ["thalweg", "-", "memlock", "8192"],
            ["thalweg", "-", "nofile", "65536"]
        ]
    );
}

#[test]
fn the_profiles_name_only_keys_that_the_broker_knows_and_a_broker_starts_with_each() {
    for name in names("profiles") {
        let text = read(&format!("profiles/{name}"));
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        for line in lines {
            let (key, _) = line.split_once(" = ").expect("key = value");
            let known = matches!(BrokerKey::look_up(key), Named::Key(_));
            assert!(known, "{name}: {key}");
        }
        if !help_of("serve").contains("--config ") {
            println!("SKIPPED {name}: serve reads no configuration file");
            continue;
        }
        let scratch = Scratch::new("tuning-profile");
        let file = tuning("profiles").join(&name);
        let file = file.to_str().expect("a plain path");
        let broker = Broker::start(
            &scratch.path("data"),
            &["--allow-buffered", "--config", file],
        );
        assert_eq!(broker.stop().0, Some(0));
    }
}

#[test]
fn the_image_copies_what_it_builds_and_its_command_is_one_of_ours() {
    let text = read("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines[0].starts_with("FROM rust:"));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("cargo build --release --locked"))
    );
    let command = lines.iter().find_map(|line| line.strip_prefix("CMD "));
    let command: Vec<String> =
        serde_json::from_str(command.expect("a command")).expect("an array of words");
    assert_eq!(command[0], "serve");
    for flag in command.iter().filter(|word| word.starts_with("--")) {
        assert!(
            help_of("serve").contains(flag.as_str()),
            "serve has no {flag}"
        );
    }
}

const RING: [&str; 3] = ["io_uring_enter", "io_uring_register", "io_uring_setup"];

/// The calls of the profile that are allowed to everybody, whatever their arguments.
fn allowed(profile: &Value) -> BTreeSet<&str> {
    let rules = profile["syscalls"].as_array().expect("rules");
    let plain = rules
        .iter()
        .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule.get("args").is_none());
    let names = plain.flat_map(|rule| rule["names"].as_array().expect("names"));
    names.map(|name| name.as_str().expect("a name")).collect()
}

fn profile() -> Value {
    serde_json::from_str(&read("seccomp.json")).expect("JSON")
}

/// What Docker's default profile gives only to containers with a capability, or to none.
const PRIVILEGED: &str = "
    acct add_key bpf chroot clock_settime delete_module fanotify_init finit_module fsconfig fsmount
    fsopen fspick init_module ioperm iopl kcmp kexec_load keyctl lookup_dcookie mbind mount
    mount_setattr move_mount open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root
    process_madvise process_vm_readv process_vm_writev ptrace quotactl reboot request_key
    set_mempolicy setdomainname sethostname setns settimeofday stime swapoff swapon syslog umount2
    unshare userfaultfd vhangup";

#[test]
fn the_container_profile_allows_io_uring_and_nothing_that_needs_a_capability() {
    let profile = profile();

    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let allowed = allowed(&profile);
    for call in RING {
        assert!(allowed.contains(call), "{call}");
    }
    for call in PRIVILEGED.split_whitespace() {
        assert!(!allowed.contains(call), "{call}");
    }
    // New namespaces stay refused: clone is allowed without any of their flags only.
    let rules = profile["syscalls"].as_array().expect("rules");
    let clone = rules
        .iter()
        .find(|rule| rule["names"][0] == "clone")
        .expect("a rule");
    assert_eq!(clone["args"][0]["value"], 0x7E02_0000);
    assert_eq!(clone["args"][0]["op"], "SCMP_CMP_MASKED_EQ");
    assert!(!allowed.contains("clone") && !allowed.contains("clone3"));
}

/// System calls of this machine by name, as the kernel's own header numbers them.
fn numbers() -> Option<BTreeMap<String, i64>> {
    let header = "asm/unistd_64.h";
    let folders = ["/usr/include/x86_64-linux-gnu", "/usr/include"];
    let text = folders
        .iter()
        .find_map(|folder| fs::read_to_string(Path::new(folder).join(header)).ok())?;
    let numbered = text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("#define __NR_")?.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    });
    Some(numbered.collect())
}

/// The profile as a filter for `command`, without the calls of `but`. Arguments are passed over:
/// what the profile allows on a condition is allowed here.
fn confine(command: &mut Command, numbers: &BTreeMap<String, i64>, but: &[&str]) {
    const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let profile = profile();
    let mut calls = Vec::new();
    for rule in profile["syscalls"].as_array().expect("rules") {
        let outcome = match rule["action"].as_str() {
            Some("SCMP_ACT_ALLOW") => libc::SECCOMP_RET_ALLOW,
            _ => libc::SECCOMP_RET_ERRNO | rule["errnoRet"].as_u64().expect("a number") as u32,
        };
        let names = rule["names"].as_array().expect("names").iter();
        let names = names
            .filter_map(Value::as_str)
            .filter(|name| !but.contains(name));
        calls.extend(names.filter_map(|name| Some((*numbers.get(name)?, outcome))));
    }
    system::filter_calls(command, &calls, REFUSED);
}

#[test]
fn a_broker_works_under_the_container_profile_and_without_its_ring_says_what_to_do() {
    let Some(numbers) = numbers() else {
        println!("SKIPPED: no kernel headers of x86-64 on this machine");
        return;
    };
    let scratch = Scratch::new("tuning-seccomp");
    let data_dir = scratch.path("data");
    let mut command = serve(&data_dir, &["--cores", "2", "--allow-buffered"]);
    confine(&mut command, &numbers, &[]);

    let broker = Broker::start_command(&data_dir, command);

    let mut client = broker.connect();
    client.create_topic("t", 2);
    let value = bytes::Bytes::from_static(b"under a filter");
    assert_eq!(client.produce("t", 1, Some(batch_of(&[&value]))), (0, 0));
    assert_eq!(client.read_all("t", 1), [(0, value)]);
    assert_eq!(broker.stop().0, Some(0));

    for (flags, code) in [
        (&["serve", "--data-dir", "unused"][..], 69),
        (&["serve", "--dev", "--data-dir", "unused"], 69),
        (&["demo", "--quick"], 69),
        // The machine can be told of all the same.
        (&["doctor"], 1),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
        command.args(flags).current_dir(scratch.path(""));
        confine(&mut command, &numbers, &RING);
        let output = command.output().expect("it can be started");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains("--security-opt seccomp=tuning/seccomp.json"),
            "{said}"
        );
    }
}

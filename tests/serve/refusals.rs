//! Where a broker can not run it says so in one sentence with the remedy, and touches nothing.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use super::support::{Broker, Scratch, refusal, serve, system};

const UNAVAILABLE: Option<i32> = Some(69);
const DATA_DIR: Option<i32> = Some(73);

/// It ends with `code`, and its last line holds every one of `words`.
fn check(command: Command, code: Option<i32>, words: &[&str]) {
    let (found, said) = refusal(command);

    let last = said.lines().last().unwrap_or_default();
    assert_eq!(found, code, "{said}");
    for word in words {
        assert!(last.contains(word), "no \"{word}\" in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_directory_that_another_broker_holds_is_refused_and_the_holder_is_not_disturbed() {
    let scratch = Scratch::new("refuse-use");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, &["--cores", "1", "--allow-buffered"]);

    check(serve(&data_dir, &[]), DATA_DIR, &["in use", "--data-dir"]);

    assert!(broker.connect().create_topic("t", 1));
}

#[test]
fn a_manifest_of_a_newer_format_is_refused_with_both_formats() {
    let scratch = Scratch::new("refuse-format");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, &["--cores", "1", "--allow-buffered"]);
    assert_eq!(broker.stop().0, Some(0));
    let name = data_dir.join("manifest.toml");
    let manifest = fs::read_to_string(&name).expect("it has a manifest");
    let newer = manifest.replace("\"format\": 1", "\"format\": 77");
    assert_ne!(manifest, newer);
    fs::write(&name, newer).expect("it can be written");

    check(serve(&data_dir, &[]), DATA_DIR, &["format 77", "knows 1"]);
}

#[test]
fn a_port_that_is_taken_is_refused_with_the_way_out() {
    let scratch = Scratch::new("refuse-port");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args([
        "serve",
        "--allow-buffered",
        "--listen",
        &address,
        "--data-dir",
    ]);
    command.arg(scratch.path("data"));
    system::die_with_parent(&mut command);

    check(
        command,
        UNAVAILABLE,
        &[&address, "--listen", "listens there"],
    );
    assert!(!scratch.path("data").exists(), "the port comes first");
}

#[test]
fn a_name_that_is_no_address_is_refused_with_the_flag_that_gives_another() {
    let scratch = Scratch::new("refuse-name");
    let data_dir = scratch.path("data");
    for flag in ["--listen", "--metrics"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
        command.args(["serve", "--allow-buffered", flag, "broker.invalid:9092"]);
        if flag != "--listen" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--data-dir").arg(&data_dir);
        system::die_with_parent(&mut command);

        check(
            command,
            UNAVAILABLE,
            &["broker.invalid", "of this machine", flag],
        );
    }
    assert!(!data_dir.exists(), "addresses come first");
}

#[test]
fn the_port_of_another_broker_is_refused_although_brokers_share_ports_among_cores() {
    let scratch = Scratch::new("refuse-share");
    let broker = Broker::start(&scratch.path("data"), &["--cores", "1", "--allow-buffered"]);
    let address = broker.address.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args([
        "serve",
        "--allow-buffered",
        "--listen",
        &address,
        "--data-dir",
    ]);
    command.arg(scratch.path("other"));
    system::die_with_parent(&mut command);

    check(command, UNAVAILABLE, &[&address, "listens there"]);
}

#[test]
fn a_flag_that_does_not_exist_and_a_value_that_means_nothing_are_wrong_usage() {
    let scratch = Scratch::new("refuse-flag");
    let data_dir = scratch.path("data");
    for flags in [
        &["--coers", "2"][..],
        &["--cores", "0"],
        &["--cores", "many"],
    ] {
        let (code, said) = refusal(serve(&data_dir, flags));
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(said.contains(flags[0]), "{said}");
    }
    assert!(!data_dir.exists(), "a wrong flag touches nothing");
}

#[test]
fn a_directory_that_can_not_be_made_or_written_is_refused_by_name() {
    let scratch = Scratch::new("refuse-directory");
    let file = scratch.path("file");
    fs::write(&file, "not a directory").expect("a file");
    // Nobody may write there, not even root.
    let closed = std::path::Path::new("/proc/sys");

    let words = ["file/below", "local disk"];
    check(serve(&file.join("below"), &[]), DATA_DIR, &words);
    check(serve(&file, &[]), DATA_DIR, &["file", "local disk"]);
    check(serve(closed, &[]), DATA_DIR, &["/proc/sys", "local disk"]);
}

#[test]
fn too_few_descriptors_are_refused_with_the_limit_to_raise() {
    let scratch = Scratch::new("refuse-files");
    let mut command = serve(&scratch.path("data"), &["--allow-buffered"]);
    system::limit(&mut command, libc::RLIMIT_NOFILE, 40);

    check(command, UNAVAILABLE, &["40 open files", "ulimit -n"]);
}

#[test]
fn too_little_locked_memory_is_refused_with_the_limit_to_raise() {
    let scratch = Scratch::new("refuse-locked");
    let mut command = serve(&scratch.path("data"), &["--allow-buffered"]);
    system::limit(&mut command, libc::RLIMIT_MEMLOCK, 64 << 10);

    check(command, UNAVAILABLE, &["locked memory", "ulimit -l"]);
}

#[test]
fn a_container_that_refuses_io_uring_is_named_with_the_flag_that_allows_it() {
    let scratch = Scratch::new("refuse-uring");
    for (errno, words) in [
        (libc::EPERM, &["io_uring is refused", "seccomp"][..]),
        (libc::ENOSYS, &["io_uring is refused", "Linux 5.15"]),
    ] {
        let data_dir = scratch.path("data");
        let mut command = serve(&data_dir, &["--allow-buffered"]);
        system::refuse_call(&mut command, libc::SYS_io_uring_setup, errno);

        check(command, UNAVAILABLE, words);
        assert!(!data_dir.exists(), "nothing was touched");
    }
}

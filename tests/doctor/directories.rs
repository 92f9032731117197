//! Data directories that are no good, and the clock that is kept in one.

use std::fs;
use std::process::{Command, Stdio};

use super::support::{Broker, Scratch, refusal, system};
use super::{after, ask, doctor, may};

#[test]
fn a_directory_in_memory_is_found_and_one_on_a_disk_mends_it() {
    if !may("a_directory_in_memory") {
        return;
    }
    let scratch = Scratch::new("doctor-tmpfs");
    let (point, disk) = (scratch.path("point"), scratch.path("disk"));
    fs::create_dir(&point).expect("a mount point");
    let plain = doctor(&point.join("data"), &[]);
    let mut command = Command::new("unshare");
    let line = "mount -t tmpfs none \"$0\" && exec \"$@\"";
    command.args(["--mount", "sh", "-c", line]).arg(&point);
    command.arg(plain.get_program()).args(plain.get_args());
    command.stdin(Stdio::null());

    let said = ask(command);

    let fix = said.problem("file system", "ends with the machine");
    assert!(fix.contains("thalweg serve --data-dir"), "{fix}");
    let mended = ask(doctor(&disk, &[]));
    if mended.finding("file system").1.starts_with("tmpfs") {
        println!("SKIPPED the fix: the scratch directory itself is in memory");
    } else {
        assert_ne!(mended.state("file system"), "problem");
    }
}

#[test]
fn prepared_files_with_holes_are_found_and_the_fix_fills_them() {
    let scratch = Scratch::new("doctor-holes");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, &["--cores", "1", "--allow-buffered"]);
    assert_eq!(broker.stop().0, Some(0));
    let said = ask(doctor(&data_dir, &[]));
    assert_eq!(
        said.state("prepared files"),
        "ok",
        "{}",
        said.finding("prepared files").1
    );
    let hole = data_dir.join("shard-0/00009999.journal");
    let file = fs::File::create(&hole).expect("a file");
    file.set_len(1 << 20).expect("a hole");

    let said = ask(doctor(&data_dir, &[]));

    let (state, found, fixes) = said.finding("prepared files");
    if found.contains("btrfs") || state == "ok" {
        panic!("{found}");
    }
    let mended = ask(after(fixes[0], &data_dir));
    assert_eq!(mended.state("prepared files"), "ok", "after {}", fixes[0]);
}

#[test]
fn a_directory_that_can_not_be_written_is_a_problem() {
    let said = ask(doctor(std::path::Path::new("/proc/sys"), &[]));

    said.problem("access", "can not be written");
}

#[test]
fn the_clock_is_accepted_for_a_stopped_broker_only_and_the_next_start_takes_it() {
    let scratch = Scratch::new("doctor-clock");
    let data_dir = scratch.path("data");
    let accept = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
        command
            .args(["doctor", "--accept-clock", "--data-dir"])
            .arg(&data_dir);
        system::die_with_parent(&mut command);
        command
    };
    let (code, said) = refusal(accept());
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("not a data directory"), "{said}");

    let broker = Broker::start(&data_dir, &["--cores", "1", "--allow-buffered"]);
    let (code, said) = refusal(accept());
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("in use by a broker"), "{said}");
    broker.connect().create_topic("t", 1);
    assert_eq!(broker.stop().0, Some(0));

    assert!(accept().status().expect("it can be started").success());
    let manifest = fs::read_to_string(data_dir.join("manifest.toml")).expect("a manifest");
    assert!(manifest.contains("clock_accepted"), "{manifest}");
    let broker = Broker::start(&data_dir, &["--cores", "1", "--allow-buffered"]);
    assert!(
        !broker.connect().create_topic("t", 1),
        "the topic is still there"
    );
}

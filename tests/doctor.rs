//! `thalweg doctor` on machines made bad on purpose: each finding, and the command that mends it.
//!
//! A fix is run as it is printed, but for `sudo`. Limits are lowered for the child alone; mounts
//! are made in a mount namespace that ends with it. What takes root is said to be skipped.

mod support;

#[path = "doctor/addresses.rs"]
mod addresses;
#[path = "doctor/directories.rs"]
mod directories;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Scratch, system};

/// What one run of the doctor said.
pub struct Said {
    pub code: Option<i32>,
    pub json: Value,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let json = serde_json::from_str(&text);
        Self {
            code: output.status.code(),
            json: json.unwrap_or_else(|error| panic!("{error}: {text}{errors}")),
        }
    }

    /// State and words of a finding, and its fixes.
    pub fn finding(&self, what: &str) -> (&str, &str, Vec<&str>) {
        let findings = self.json["findings"].as_array().expect("an array");
        let found = findings.iter().find(|finding| finding["what"] == what);
        let found = found.unwrap_or_else(|| panic!("nothing on {what}: {}", self.json));
        let text = |name: &str| found[name].as_str().expect("a text");
        let fixes = found["fixes"].as_array().expect("an array");
        let fixes = fixes.iter().map(|fix| fix.as_str().expect("a text"));
        (text("state"), text("found"), fixes.collect())
    }

    pub fn state(&self, what: &str) -> &str {
        self.finding(what).0
    }

    /// It is a problem, says `words`, and makes the run fail; its first fix.
    pub fn problem(&self, what: &str, words: &str) -> String {
        let (state, found, fixes) = self.finding(what);
        assert_eq!(state, "problem", "{what}: {found}");
        assert!(found.contains(words), "no \"{words}\" in: {found}");
        assert_eq!(self.code, Some(1));
        fixes.first().expect("a problem has a fix").to_string()
    }
}

/// `thalweg doctor` on a directory that does not exist yet, and a port that is free.
pub fn doctor(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["doctor", "--output", "json", "--data-dir"]);
    command.arg(data_dir).args(flags).stdin(Stdio::null());
    if !flags.contains(&"--listen") {
        command.args(["--listen", &format!("127.0.0.1:{}", free_port())]);
    }
    system::die_with_parent(&mut command);
    command
}

pub fn ask(mut command: Command) -> Said {
    Said::of(&command.output().expect("it can be started"))
}

pub fn free_port() -> u16 {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("bound").port()
}

pub fn may(test: &str) -> bool {
    let may = system::is_root();
    if !may {
        println!("SKIPPED {test}: only root may do this");
    }
    may
}

/// `sh` runs `before`, a fix as it was printed, and then the doctor in its place.
pub fn after(before: &str, data_dir: &Path) -> Command {
    let plain = before.replace("sudo ", "");
    let mut command = Command::new("sh");
    // A fix may end with a comment.
    let line = format!("set -e\nexec 3>&1 >&2\n{plain}\nexec >&3 3>&-\nexec \"$@\"");
    command.args(["-c", &line, "sh"]);
    let doctor = doctor(data_dir, &[]);
    command.arg(doctor.get_program()).args(doctor.get_args());
    command.stdin(Stdio::null());
    system::die_with_parent(&mut command);
    command
}

fn check_limit(resource: u32, low: u64, what: &str, words: &str) {
    let scratch = Scratch::new("doctor-limit");
    let data_dir = scratch.path("data");
    let mut command = doctor(&data_dir, &[]);
    system::limit(&mut command, resource, low);

    let said = ask(command);

    let fix = said.problem(what, words);
    assert!(!data_dir.exists(), "nothing is changed");
    if may_raise_limits(what) {
        let mut command = after(&fix, &data_dir);
        system::limit(&mut command, resource, low);
        assert_eq!(ask(command).state(what), "ok", "after {fix}");
    }
    // What the fix asks for, or what this test itself may give a child.
    let (_, asked) = fix.rsplit_once(':').expect("soft:hard");
    let given = asked
        .parse::<u64>()
        .expect("a number")
        .min(system::hard_limit(resource));
    let mut command = doctor(&data_dir, &[]);
    system::limit(&mut command, resource, given);
    assert_eq!(ask(command).state(what), "ok", "with {given}");
}

/// Root may, unless a container took that from it.
fn may_raise_limits(test: &str) -> bool {
    let mut command = Command::new("sh");
    let line = "prlimit --pid $$ --nofile=64:64 && prlimit --pid $$ --nofile=65:65";
    command.args(["-c", line]).stderr(Stdio::null());
    let may = command.status().is_ok_and(|status| status.success());
    if !may {
        println!("SKIPPED the fix of {test}: only CAP_SYS_RESOURCE raises a hard limit");
    }
    may
}

#[test]
fn too_little_locked_memory_is_found_and_the_fix_raises_it() {
    check_limit(libc::RLIMIT_MEMLOCK, 64 << 10, "locked memory", "ulimit -l");
}

#[test]
fn too_few_descriptors_are_found_and_the_fix_raises_them() {
    check_limit(libc::RLIMIT_NOFILE, 64, "open files", "ulimit -n");
}

#[test]
fn without_io_uring_doctor_serve_and_demo_say_how_to_allow_it() {
    let scratch = Scratch::new("doctor-uring");
    let data_dir = scratch.path("data");
    let refuse = |mut command: Command| {
        system::refuse_call(&mut command, libc::SYS_io_uring_setup, libc::EPERM);
        command
    };

    let said = ask(refuse(doctor(&data_dir, &[])));
    let fix = said.problem("io_uring", "seccomp");
    assert!(
        fix.contains("--security-opt seccomp=tuning/seccomp.json"),
        "{fix}"
    );

    let mut demo = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    demo.args(["demo", "--quick"]).current_dir(scratch.path(""));
    for command in [support::serve(&data_dir, &[]), demo] {
        let (code, said) = support::refusal(refuse(command));
        assert_ne!(code, Some(0), "{said}");
        assert!(
            said.contains("io_uring is refused") && said.contains(&fix),
            "{said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
    let left = fs::read_dir(scratch.path("")).expect("it is there").count();
    assert_eq!(left, 0, "nothing is left behind");
}

/// What `lines` of shell make bad, in a mount namespace of its own, is advised against; and the fix
/// mends it. `$scratch` is an empty folder.
fn check_setting(what: &str, lines: &str) {
    let scratch = Scratch::new("doctor-kernel");
    let data_dir = scratch.path("data");
    let bad = |command: Command| {
        let mut unshare = Command::new("unshare");
        let line = format!("scratch=$1; shift\n{lines}\nexec \"$@\"");
        unshare.args(["--mount", "sh", "-euc", &line, "sh"]);
        unshare.arg(scratch.path("")).arg(command.get_program());
        unshare.args(command.get_args()).stdin(Stdio::null());
        unshare
    };

    let said = ask(bad(doctor(&data_dir, &[])));

    let (state, found, fixes) = said.finding(what);
    assert_eq!(state, "advice", "{what}: {found}");
    let mended = ask(bad(after(fixes[0], &data_dir)));
    assert_eq!(mended.state(what), "ok", "after {}", fixes[0]);
}

/// The file of the kernel's, with this text in its place.
fn instead(file: &str, text: &str) -> String {
    format!("echo '{text}' >\"$scratch/fake\"\nmount --bind \"$scratch/fake\" {file}")
}

#[test]
fn settings_of_the_kernel_that_cost_latency_are_found_and_mended() {
    if !may("settings_of_the_kernel") {
        return;
    }
    let pages = "/sys/kernel/mm/transparent_hugepage/enabled";
    let clocks = "/sys/devices/system/clocksource/clocksource0";
    let clock = format!("{clocks}/current_clocksource");
    let fast = fs::read_to_string(format!("{clocks}/available_clocksource"));
    // Its fix names a clock of this machine.
    let has_fast = fast.is_ok_and(|text| text.contains("tsc") || text.contains("kvm-clock"));
    let processor = "/sys/devices/system/cpu/cpu0";
    let governor = format!(
        "mount -t tmpfs none {processor}\nmkdir {processor}/cpufreq\n\
         echo powersave >{processor}/cpufreq/scaling_governor"
    );
    for (what, is_there, lines) in [
        (
            "huge pages",
            Path::new(pages).exists(),
            instead(pages, "[always] madvise never"),
        ),
        ("clock source", has_fast, instead(&clock, "hpet")),
        ("cpu governor", Path::new(processor).exists(), governor),
    ] {
        match is_there {
            true => check_setting(what, &lines),
            false => println!("SKIPPED {what}: nothing of it is on this machine"),
        }
    }
}

#[test]
fn a_scheduler_that_sorts_for_a_disk_that_sorts_itself_is_found_and_mended() {
    if !may("a_scheduler") {
        return;
    }
    let scratch = Scratch::new("doctor-scheduler");
    let said = ask(doctor(&scratch.path("data"), &[]));
    let all = said.json["findings"].as_array().expect("an array");
    let of_disk = all.iter().find(|finding| finding["what"] == "scheduler");
    let found = of_disk.and_then(|finding| finding["found"].as_str());
    let Some((disk, _)) = found.and_then(|found| found.split_once(": ")) else {
        println!("SKIPPED: not on a disk of this machine");
        return;
    };
    let queue = format!("/sys/block/{disk}/queue");
    let is_shown = Path::new(&queue).join("scheduler").exists();
    let turns = fs::read_to_string(format!("{queue}/rotational"));
    if !is_shown || turns.is_ok_and(|text| text.trim() == "1" && !disk.starts_with("vd")) {
        println!("SKIPPED: {disk} has no scheduler, or heads");
        return;
    }
    check_setting(
        "scheduler",
        &instead(&format!("{queue}/scheduler"), "none [bfq]"),
    );
}

#[test]
fn people_get_lines_without_colours_when_they_look_through_a_pipe() {
    let scratch = Scratch::new("doctor-text");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["doctor", "--listen", &format!("127.0.0.1:{}", free_port())]);
    command.arg("--data-dir").arg(scratch.path("data"));

    let output = command.output().expect("it can be started");

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains('\x1b'), "{text}");
    for words in [
        "machine\n",
        "data directory\n",
        "addresses\n",
        "Nothing was changed.",
    ] {
        assert!(text.contains(words), "no \"{words}\" in {text}");
    }
}

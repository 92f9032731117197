//! What the program says on machines where something is missing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of its own, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("loadgen-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("bin")).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is said on standard error, by a run that must fail, where only `tools` can be found.
fn refusal(scratch: &Scratch, tools: &[&str], arguments: &[&str]) -> String {
    for tool in tools {
        let place = Path::new("/usr/bin").join(tool);
        symlink(place, scratch.0.join("bin").join(tool)).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .env("PATH", scratch.0.join("bin"))
        .env("THALWEG_CACHE", scratch.0.join("cache"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn without_maven_it_says_what_to_install() {
    let scratch = Scratch::new("maven");

    let said = refusal(&scratch, &[], &["kafka", "fetch"]);

    assert!(
        said.contains("Maven is needed to fetch Kafka: install `maven`"),
        "{said}"
    );
}

#[test]
fn without_java_it_says_what_to_install() {
    for tools in [&[][..], &["setpriv"]] {
        let scratch = Scratch::new("java");
        fs::create_dir_all(scratch.0.join("cache/kafka-4.1.1/libs")).unwrap();
        let data = scratch.0.join("data").display().to_string();

        let said = refusal(&scratch, tools, &["kafka", "start", "--data-dir", &data]);

        assert!(
            said.contains("Java is needed to run Kafka"),
            "{tools:?}: {said}"
        );
    }
}

#[test]
fn a_preset_that_is_no_run_says_why() {
    let scratch = Scratch::new("preset");

    let said = refusal(&scratch, &[], &["run", "--preset", "cores"]);

    assert!(said.contains("loadgen versus --preset cores"), "{said}");
}

#[test]
fn a_comparison_with_brokers_that_cannot_be_had_is_refused_before_anything_is_started() {
    for (arguments, why) in [
        (
            &["--without-thalweg", "--against", "gone=127.0.0.1:1"][..],
            "gone at 127.0.0.1:1: cannot be reached",
        ),
        (
            &["--self", "127.0.0.1:1", "--against", "kafka"],
            "thalweg at 127.0.0.1:1: cannot be reached",
        ),
        (
            &["--without-thalweg", "--against", "kafka"],
            "kafka is started here: name a folder with --data-dir",
        ),
        (
            &[
                "--without-thalweg",
                "--against",
                "a=127.0.0.1:1,a=127.0.0.1:2",
            ],
            "two brokers are called a",
        ),
        (
            &["--against", "kafka,pid=7"],
            "pid= belongs after NAME=HOST:PORT",
        ),
    ] {
        let scratch = Scratch::new("versus");
        let command = ["versus", "--preset", "two-million"];

        let said = refusal(&scratch, &[], &[&command[..], arguments].concat());

        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}

#[test]
fn the_page_of_results_has_no_column_for_others_and_only_presets_of_its_own() {
    let scratch = Scratch::new("results");
    let arguments = ["results", "--against", "other=127.0.0.1:1"];

    let said = refusal(&scratch, &[], &arguments);

    assert!(said.contains("the page has no column for other"), "{said}");

    let said = refusal(&scratch, &[], &["results", "--presets", "partitions-1"]);

    assert!(said.contains("the page has no partitions-1"), "{said}");
    assert!(said.contains(", cores, partitions-scaling"), "{said}");
}

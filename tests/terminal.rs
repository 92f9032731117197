//! What people see on a terminal and programs do not: colours, and the demo's progress bar.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::terminal::run_on_terminal;
use support::{Scratch, system};

/// Ours, with this folder and nothing of the outer terminal's settings.
fn thalweg(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args(arguments).current_dir(folder);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
        command.env_remove(name);
    }
    system::die_with_parent(&mut command);
    command
}

/// What it says where both its outputs are pipes.
fn piped(mut command: Command) -> String {
    command.env("TERM", "xterm-256color").stdin(Stdio::null());
    let output = command.output().expect("it can be started");
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).expect("text")
}

const ESCAPE: char = '\u{1b}';

/// Says `word`, in colours on a terminal and only there, and not even there with NO_COLOR.
fn check_colours(arguments: &[&str], word: &str) {
    let scratch = Scratch::new("terminal");
    let folder = scratch.path("");
    let command = || thalweg(&folder, arguments);
    let mut without = command();
    without.env("NO_COLOR", "1");

    let (_, shown) = run_on_terminal(command());
    let (_, plain) = run_on_terminal(without);
    let piped = piped(command());

    assert!(shown.contains("\u{1b}["), "{arguments:?}: {shown:?}");
    assert!(!plain.contains(ESCAPE), "{arguments:?}: {plain:?}");
    assert!(!piped.contains(ESCAPE), "{arguments:?}: {piped:?}");
    for said in [shown, plain, piped] {
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

#[test]
fn the_doctors_findings_have_colours_on_a_terminal_only() {
    check_colours(&["doctor", "--data-dir", "data"], "advice");
}

#[test]
fn the_brokers_log_has_colours_on_a_terminal_only() {
    // What others can reach is warned of, and nobody types, so that it ends at once.
    let flags = ["serve", "--listen", "0.0.0.0:0", "--data-dir", "data"];
    let more = ["--cores", "1", "--allow-buffered", "--until-input-ends"];
    check_colours(&[&flags[..], &more].concat(), "WARN");
}

#[test]
fn help_and_its_errors_have_colours_on_a_terminal_only() {
    check_colours(&["topic", "--help"], "describe");
    check_colours(&["topic", "describe", "--no-such"], "--no-such");
}

#[test]
fn the_demo_shows_its_progress_on_a_terminal_only_and_its_table_everywhere() {
    let scratch = Scratch::new("terminal-demo");
    let command = || thalweg(&scratch.path(""), &["demo", "--quick"]);

    let (status, shown) = run_on_terminal(command());
    let piped = piped(command());

    assert!(status.success(), "{shown}");
    let told = "M records/s";
    assert!(shown.contains(told) && shown.contains('█'), "{shown:?}");
    assert!(!piped.contains('█') && !piped.contains(ESCAPE), "{piped:?}");
    for said in [&shown, &piped] {
        for row in [
            "records/s",
            "share of the disk",
            "From nothing to the first message",
        ] {
            assert!(said.contains(row), "no {row:?} in {said}");
        }
    }
}

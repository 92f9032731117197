//! README says what is so: every block of it, its transcript, its tables.
//!
//! Every block of shell runs, line by line, as it stands there. But for this: programs are those
//! that were built for the test, ports and directories are free ones, and what takes long takes its
//! short form. `OTHERWISE` lists the lines that are treated otherwise, and why. A block or a line
//! that no rule knows fails, so that nobody adds one that was never run.

mod support;

#[path = "readme/blocks.rs"]
mod blocks;
#[path = "readme/container.rs"]
mod container;
#[path = "readme/image.rs"]
mod image;
#[path = "readme/loadgen.rs"]
mod loadgen;
#[path = "readme/session.rs"]
mod session;
#[path = "readme/transcript.rs"]
mod transcript;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use blocks::{Block, readme, spans, split, table};
use session::Session;
use thalweg::log::TOPIC_CONFIGS;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const THALWEG: &str = env!("CARGO_BIN_EXE_thalweg");
/// Where README's commands find what they have built.
const BUILT: &str = "target/release/thalweg ";
/// Lines that do not run as they stand: how each begins, and what is done instead.
const OTHERWISE: [(&str, &str); 5] = [
    (
        "cargo build ",
        "cargo has built what is tested: its flags are read",
    ),
    (
        "cargo run --release -- demo",
        "by the program that is tested, with --quick",
    ),
    (
        "./tests/run",
        "this test is a part of it: it is asked for its steps",
    ),
    (
        "docker ",
        "held against tuning/ here, and run by a test of their own where there are containers",
    ),
    ("loadgen versus ", "the preset's small size, once"),
];

/// How a line of README is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Build,
    Demo,
    TestRun,
    Docker,
    Loadgen,
    Serve,
    /// A command of ours that asks a broker.
    Client,
    Doctor,
    Inspect,
    Kcat,
    Apache,
}

/// None: nobody knows how to try it.
fn rule_of(line: &str) -> Option<Rule> {
    if let Some((_, ours)) = line.split_once(BUILT) {
        return match ours.split(' ').next()? {
            "serve" => Some(Rule::Serve),
            "topic" | "produce" | "consume" | "config" | "group" => Some(Rule::Client),
            "doctor" => Some(Rule::Doctor),
            "inspect" => Some(Rule::Inspect),
            _ => None,
        };
    }
    let begins = [
        ("cargo build ", Rule::Build),
        ("cargo run --release -- demo", Rule::Demo),
        ("./tests/run", Rule::TestRun),
        ("docker ", Rule::Docker),
        ("loadgen versus ", Rule::Loadgen),
    ];
    let begun = begins.iter().find(|(begin, _)| line.starts_with(begin));
    // What a tool reads may be piped into it.
    let foreign = match line.split("| ").last()?.split(' ').next()? {
        "kcat" => Some(Rule::Kcat),
        name if session::APACHE.iter().any(|(script, _)| *script == name) => Some(Rule::Apache),
        _ => None,
    };
    begun.map(|(_, rule)| *rule).or(foreign)
}

/// What all blocks come to.
#[derive(Default)]
struct Told {
    commands: Vec<(String, Rule)>,
    /// Of the demo.
    transcripts: Vec<String>,
    /// Configuration in Kafka's form.
    properties: Vec<String>,
}

/// Fails at what nobody knows how to try.
fn told(blocks: &[Block]) -> Result<Told, String> {
    let mut told = Told::default();
    for block in blocks {
        match block.language.as_str() {
            "sh" => {
                for line in block.commands() {
                    let rule = rule_of(&line);
                    let rule = rule.ok_or(format!("line {}: no rule for {line}", block.line))?;
                    told.commands.push((line, rule));
                }
            }
            "text" if block.text.starts_with("$ thalweg serve") => {
                told.transcripts.push(block.text.clone());
            }
            "properties" => told.properties.push(block.text.clone()),
            language => return Err(format!("line {}: a block of {language:?}", block.line)),
        }
    }
    Ok(told)
}

fn docker_lines(commands: &[(String, Rule)]) -> Vec<String> {
    let docker = commands.iter().filter(|(_, rule)| *rule == Rule::Docker);
    docker.map(|(line, _)| line.clone()).collect()
}

/// The build takes minutes, so `tests/run` gives it a step of its own.
#[test]
fn the_image_is_built_serves_and_stops_as_the_readme_says() {
    let told = told(&split(&readme()).0).unwrap_or_else(|why| panic!("{why}"));
    match container::Engine::find(&image::bases()) {
        Ok(engine) => container::check(&engine, &docker_lines(&told.commands)),
        Err(why) => println!("SKIPPED: {why}"),
    }
}

#[test]
fn every_block_of_the_readme_is_what_happens() {
    let told = told(&split(&readme()).0).unwrap_or_else(|why| panic!("{why}"));
    let commands = told.commands;
    let [transcript] = &told.transcripts[..] else {
        panic!("not one transcript of the demo: {}", told.transcripts.len());
    };
    image::check(&docker_lines(&commands));
    let mut session = Session::new("readme", transcript);

    for (line, rule) in &commands {
        println!("$ {line}");
        session.run(line, *rule);
    }

    assert_eq!(told.properties.len(), 1, "the one of several listeners");
    for text in &told.properties {
        session.serve_file(text);
    }

    assert!(session.ran >= 20, "only {} were run", session.ran);
    for (begin, _) in OTHERWISE {
        let stale = !commands.iter().any(|(line, _)| line.starts_with(begin));
        assert!(!stale, "no line of README begins with {begin:?} any more");
    }
}

#[test]
fn a_block_or_a_line_that_nobody_knows_how_to_try_is_refused() {
    let refused = |readme: &str| told(&split(readme).0).is_err();

    assert!(!refused("```sh\ntarget/release/thalweg topic list\n```\n"));
    assert!(refused("```sh\ntarget/release/thalweg frobnicate\n```\n"));
    assert!(refused("```sh\nmake install\n```\n"));
    assert!(refused("```\ntarget/release/thalweg topic list\n```\n"));
    assert!(refused("```toml\ncores = 2\n```\n"));
    assert!(refused("```text\nsomething\n```\n"));
}

/// Ends well if these words are flags and commands of the program; it runs nothing.
fn check_words(program: &str, words: &[&str]) {
    // Behind `--` stand other programs' words.
    let own: Vec<&str> = words
        .iter()
        .copied()
        .take_while(|word| *word != "--")
        .collect();
    let mut command = Command::new(program);
    let output = command.args(&own).arg("--help").output();
    let output = output.expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "README's `{}`: {said}",
        words.join(" ")
    );
}

/// Ends well if what `program` cannot do without is among these words; for a line that is whole,
/// with another program's words behind `--`.
fn check_whole(program: &str, words: &[&str]) {
    let help = Command::new(program).args([words[0], "--help"]).output();
    let help = String::from_utf8(help.expect("it can be started").stdout).expect("text");
    let usage = help.lines().find(|line| line.starts_with("Usage: "));
    // What may be left out stands in brackets.
    let needed = usage.expect("a usage").split(' ');
    for flag in needed.filter(|word| word.starts_with("--") && *word != "--") {
        let line = words.join(" ");
        assert!(words.contains(&flag), "README's `{line}` lacks {flag}");
    }
}

/// The word behind each `flag`.
fn behind<'a>(words: &[&'a str], flag: &str) -> Vec<&'a str> {
    let pairs = words.windows(2).filter(|pair| pair[0] == flag);
    pairs.map(|pair| pair[1]).collect()
}

#[test]
fn commands_between_the_blocks_have_only_words_that_their_programs_know() {
    let loadgen = loadgen::program();
    let presets = Command::new(&loadgen).arg("presets").output();
    let presets = String::from_utf8(presets.expect("it runs").stdout).expect("text");
    let presets: Vec<&str> = presets
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut checked = 0;

    for span in spans(&split(&readme()).1) {
        let words: Vec<&str> = span.split(' ').collect();
        match words[..] {
            ["thalweg", _, ..] => check_words(THALWEG, &words[1..]),
            ["loadgen", _, ..] => check_words(&loadgen, &words[1..]),
            ["cargo", "bench" | "test", ..] => {}
            _ => continue,
        }
        if words[0] == "loadgen" && words.contains(&"--") {
            check_whole(&loadgen, &words[1..]);
        }
        for name in behind(&words, "--preset") {
            let known = name == "NAME" || presets.contains(&name);
            assert!(known, "no preset {name}: `{span}`");
        }
        for (flag, folder) in [("--bench", "benches"), ("--test", "tests")] {
            for name in behind(&words, flag) {
                let file = Path::new(ROOT).join(folder).join(format!("{name}.rs"));
                assert!(file.is_file(), "no {}: `{span}`", file.display());
            }
        }
        checked += 1;
    }

    assert!(checked >= 10, "only {checked} were found");
}

#[test]
fn the_table_of_topic_configs_equals_the_programs() {
    let told = table(&readme(), "## Topic configs").into_iter();
    let told: BTreeSet<Vec<String>> = told.map(|cells| cells[..3].to_vec()).collect();

    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{text}`"),
    };
    let own = TOPIC_CONFIGS.iter().map(|key| {
        let acts = if key.acts { "yes" } else { "no" };
        vec![code(key.name), code(key.default), acts.to_owned()]
    });

    let own: BTreeSet<Vec<String>> = own.collect();
    let wrong: Vec<_> = told.symmetric_difference(&own).collect();
    assert!(wrong.is_empty(), "README or the program only: {wrong:?}");
}

#[test]
fn durability_is_explained_in_ten_lines() {
    let readme = readme();
    let (_, rest) = readme
        .split_once("## How durability works\n\n")
        .expect("it is there");
    let (list, _) = rest.split_once("\n\n").expect("an end");

    let numbers = list
        .lines()
        .map(|line| line.split(". ").next().unwrap_or_default());
    let numbers: Vec<String> = numbers.map(str::to_owned).collect();

    let wanted: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(
        numbers, wanted,
        "ten numbered lines, none of them continued"
    );
}

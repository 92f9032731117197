//! Every block of shell in the README runs, line by line, as it stands there.
//!
//! But for this: programs are those that were built for the test, ports and directories are free
//! ones, and the demo and the test run take their short forms. A line that no rule below knows
//! fails, so that nobody adds one that was never run.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{Broker, Scratch, serve, system};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const THALWEG: &str = env!("CARGO_BIN_EXE_thalweg");
const BUILT: &str = "target/release/thalweg";
/// Apache's scripts, and the class that each starts.
const APACHE: [(&str, &str); 3] = [
    ("kafka-topics.sh", "TopicCommand"),
    ("kafka-console-producer.sh", "ConsoleProducer"),
    ("kafka-console-consumer.sh", "consumer.ConsoleConsumer"),
];
/// Words of our commands that ask a broker.
const CLIENTS: [&str; 5] = ["topic", "produce", "consume", "config", "group"];

/// The commands of the README's blocks of shell, continued lines joined, comments taken off.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("a README");
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("\n```").next().unwrap_or_default());
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    let lines = joined.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    let plain = lines.map(|line| {
        line.split("  #")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    });
    plain.filter(|line| !line.is_empty()).collect()
}

struct Session {
    scratch: Scratch,
    broker: Option<Broker>,
    ran: usize,
}

impl Session {
    fn shell(&mut self, line: &str) -> Output {
        let mut command = Command::new("bash");
        command
            .args(["-o", "pipefail", "-c", line])
            .current_dir(self.scratch.path(""));
        system::die_with_parent(&mut command);
        self.ran += 1;
        command.output().expect("there is a bash")
    }

    fn check(&mut self, line: &str) {
        let output = self.shell(line);
        let said =
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{line}: {}\n{said}", output.status);
    }

    /// Where the broker of this session listens; it is started if it is not there.
    fn address(&mut self) -> String {
        let data_dir = self.scratch.path("thalweg-data");
        let flags = ["--cores", "2", "--allow-buffered"];
        let start = || Broker::start_command(&data_dir, serve(&data_dir, &flags));
        self.broker.get_or_insert_with(start).address.to_string()
    }

    /// Ours, against the broker of this session.
    fn client(&mut self, line: &str) {
        let address = self.address();
        self.check(&format!(
            "{} --bootstrap-server {address}",
            line.replace(BUILT, THALWEG)
        ));
    }

    /// With the data directory and the address of this session.
    fn local(&mut self, line: &str, address: &str) {
        let line = line
            .replace(BUILT, THALWEG)
            .replace("localhost:9092", address);
        self.check(&line);
    }

    fn run(&mut self, line: &str) {
        let after = |word: &str| {
            line.split(BUILT)
                .nth(1)
                .is_some_and(|rest| rest.starts_with(word))
        };
        if line.starts_with("cargo run --release -- demo") {
            self.check(&format!("{THALWEG} demo --quick"));
        } else if line.starts_with("./tests/run") {
            self.check(&format!("{ROOT}/tests/run --list"));
        } else if line.starts_with("cargo build ") {
            println!("built already: {line}");
        } else if after(" serve") {
            self.address();
        } else if CLIENTS.iter().any(|word| after(&format!(" {word} "))) {
            self.client(line);
        } else if after(" doctor") {
            let address = self.address();
            self.local(line, &address);
        } else if after(" inspect") {
            if let Some(broker) = self.broker.take() {
                assert_eq!(broker.stop().0, Some(0));
            }
            self.local(line, "");
        } else if line.contains("kcat ") {
            self.foreign(line, "kcat", "command -v kcat");
        } else if let Some((script, class)) = APACHE.iter().find(|(name, _)| line.contains(name)) {
            let jars =
                "${THALWEG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/thalweg}/kafka-tools-4.1.1";
            let java = format!("java -Xmx256m -cp \"{jars}/*\" org.apache.kafka.tools.{class}");
            let there = format!("command -v java && [ -d \"{jars}\" ]");
            self.foreign(&line.replace(script, &java), script, &there);
        } else if line.starts_with("docker ") {
            println!("SKIPPED, it needs a Docker daemon: {line}");
        } else {
            panic!("no rule for this line of the README: {line}");
        }
    }

    /// A line for a tool that we did not build. `tests/run` installs them all, so that there a
    /// missing one is a failure.
    fn foreign(&mut self, line: &str, tool: &str, there: &str) {
        if !self.shell(there).status.success() {
            let required = std::env::var_os("THALWEG_TOOLS_REQUIRED").is_some();
            assert!(!required, "no {tool}, and tests/run was to install it");
            println!("SKIPPED, there is no {tool}: {line}");
            return;
        }
        let address = self.address();
        self.local(line, &address);
    }
}

#[test]
fn durability_is_explained_in_ten_lines() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("a README");
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

#[test]
fn every_command_of_the_readme_runs() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    let mut session = Session {
        scratch: Scratch::new("readme"),
        broker: None,
        ran: 0,
    };

    for line in &commands {
        println!("$ {line}");
        session.run(line);
    }

    assert!(session.ran >= 10, "only {} were run", session.ran);
}

//! README's commands one after the other, with the broker that they start.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use super::support::{Broker, Scratch, system};
use super::{BUILT, ROOT, Rule, THALWEG, loadgen, transcript};

/// Where README's broker listens, and its clients look for it.
const LISTEN: &str = "localhost:9092";
/// Where its other listener is.
const LATE: &str = "localhost:19092";
/// What stands for both here.
const FREE: &str = "localhost:0";
/// Apache's scripts, and the class that each starts.
pub const APACHE: [(&str, &str); 4] = [
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    (
        "kafka-console-producer.sh",
        "org.apache.kafka.tools.ConsoleProducer",
    ),
    (
        "kafka-console-consumer.sh",
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
    ),
    ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
];

pub struct Session<'a> {
    /// Gone before its directory is.
    broker: Option<Broker>,
    scratch: Scratch,
    transcript: &'a str,
    /// How the last `serve` of README reads here.
    serve: Option<String>,
    pub ran: usize,
}

impl<'a> Session<'a> {
    pub fn new(name: &str, transcript: &'a str) -> Self {
        Self {
            broker: None,
            scratch: Scratch::new(name),
            transcript,
            serve: None,
            ran: 0,
        }
    }

    fn shell(&mut self, line: &str) -> Output {
        let mut command = Command::new("bash");
        command
            .args(["-o", "pipefail", "-c", line])
            .current_dir(self.scratch.path(""));
        system::die_with_parent(&mut command);
        self.ran += 1;
        command.output().expect("there is a bash")
    }

    /// Runs a line that must end well; what it says on standard output.
    fn check(&mut self, line: &str) -> String {
        let output = self.shell(line);
        let said =
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{line}: {}\n{said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Serves with a file of README's at free ports: clients are told what it advertises.
    pub fn serve_file(&mut self, text: &str) {
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = lines.find(|(name, _)| *name == key).expect(key);
            value.split(',').filter_map(|one| one.split_once("://"))
        };
        let free = value("listeners").map(|(name, _)| format!("{name}://127.0.0.1:0"));
        let free = free.collect::<Vec<_>>().join(",");
        let told = value("advertised.listeners").map(|(name, at)| format!("{at} ({name})"));
        let told: Vec<_> = told.collect();
        let (file, data_dir) = (
            self.scratch.path("server.properties"),
            self.scratch.path("by-file"),
        );
        let (before, rest) = text.split_once("listeners=").expect("listeners first");
        let (_, rest) = rest.split_once('\n').expect("lines after it");
        std::fs::write(&file, format!("{before}listeners={free}\n{rest}")).expect("a file");
        let mut command = Command::new(THALWEG);
        command.args(["serve", "--allow-buffered", "--config"]);
        command.arg(&file).arg("--data-dir").arg(&data_dir);
        system::die_with_parent(&mut command);

        let broker = Broker::start_told(&data_dir, command, |said| {
            let (_, listens) = said.split_once("listens on")?;
            listens.split_once(" and ")?.0.trim().parse().ok()
        });

        let said = broker.introduction();
        let expected = format!("clients use  {}\n", told.join(" and "));
        assert!(said.contains(&expected), "{said}");
        assert_eq!(broker.stop().0, Some(0));
        self.ran += 1;
    }

    pub fn run(&mut self, line: &str, rule: Rule) {
        let ours = line.replace(BUILT, &format!("{THALWEG} "));
        match rule {
            Rule::Build => drop(self.check(&format!("cd {ROOT} && {line} -h"))),
            Rule::Demo => {
                let (_, demo) = line.split_once("-- ").expect("the rule says so");
                let said = self.check(&format!("{THALWEG} {demo} --quick"));
                assert_eq!(
                    transcript::difference(self.transcript, &said),
                    None,
                    "{said}"
                );
            }
            Rule::TestRun => drop(self.check(&format!("{ROOT}/{line} --list"))),
            Rule::Docker => {}
            Rule::Loadgen => self.versus(line),
            Rule::Serve => self.serve(&ours),
            Rule::Client => {
                let address = self.address();
                // A list of listeners: the first as the broker was started, the others anywhere.
                let ours = ours.replace(LATE, FREE).replace(LISTEN, FREE);
                self.check(&format!("{ours} --bootstrap-server {address}"));
            }
            Rule::Doctor => self.local(&ours),
            Rule::Inspect => {
                if let Some(broker) = self.broker.take() {
                    assert_eq!(broker.stop().0, Some(0));
                }
                self.check(&ours);
            }
            Rule::Kcat => self.foreign(line, "kcat", "command -v kcat"),
            Rule::Apache => self.apache(line),
        }
    }

    /// All flags as they stand, but for the port; a file system that refuses direct I/O is no
    /// reason to fail here.
    fn serve(&mut self, line: &str) {
        assert!(
            line.contains(LISTEN),
            "its clients look for it there: {line}"
        );
        let line = line.replace(LISTEN, FREE);
        self.serve = Some(format!("exec {line} --allow-buffered"));
        self.broker = None;
        self.address();
        self.ran += 1;
    }

    /// Where the broker listens; it is started again if it was stopped.
    fn address(&mut self) -> String {
        if self.broker.is_none() {
            let line = self.serve.as_ref().expect("a `serve` stands before");
            let mut command = Command::new("bash");
            command.args(["-c", line]).stdin(Stdio::null());
            command.current_dir(self.scratch.path(""));
            system::die_with_parent(&mut command);
            let data_dir = self.scratch.path("thalweg-data");
            self.broker = Some(Broker::start_told(&data_dir, command, listens_on));
            assert!(data_dir.is_dir(), "README's --data-dir was obeyed");
        }
        let port = self.broker.as_ref().map(|broker| broker.address.port());
        format!("localhost:{}", port.expect("it runs"))
    }

    /// As it stands, with the broker's own port.
    fn local(&mut self, line: &str) {
        let address = self.address();
        self.check(&line.replace(LISTEN, &address));
    }

    fn apache(&mut self, line: &str) {
        let mut scripts = APACHE.iter();
        let found = scripts.find(|(script, _)| line.contains(script));
        let (script, class) = found.expect("the rule says so");
        let jars = "${THALWEG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/thalweg}/kafka-tools-4.1.1";
        let java = format!("java -Xmx256m -cp \"{jars}/*\" {class}");
        let there = format!("command -v java && [ -d \"{jars}\" ]");
        self.foreign(&line.replace(script, &java), script, &there);
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
        self.local(line);
    }

    /// Every broker that the line names, once, at the preset's small size.
    fn versus(&mut self, line: &str) {
        let program = loadgen::program();
        let folder = self.scratch.path("versus");
        let line = line.replacen("loadgen", &program, 1);
        let line = line.replace("DIR", &folder.display().to_string());
        let said = self.check(&format!(
            "{line} --smoke --repeats 1 --no-limits --thalweg-bin {THALWEG}"
        ));
        assert!(said.contains("thalweg-ports"), "{said}");
    }
}

/// The first address of the line "listens on".
fn listens_on(introduction: &str) -> Option<SocketAddr> {
    // The line is whole once the next has begun.
    let (before, _) = introduction.split_once("clients use")?;
    let (_, addresses) = before.split_once("listens on")?;
    addresses.split_whitespace().next()?.parse().ok()
}

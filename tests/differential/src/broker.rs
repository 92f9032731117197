//! The two brokers as processes, neither of which outlives us.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::messages::MetadataRequest;

use crate::connection::{Connection, Received};

const READY: Duration = Duration::from_secs(120);

/// Thalweg's first node calls itself so. Kafka gets the same id, so that ids need no excuse.
const NODE_ID: &str = "1000";

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Kafka,
    Thalweg,
}

pub struct Broker {
    pub side: Side,
    pub address: SocketAddr,
    child: Child,
    /// Both end when their standard input does, even if we are killed.
    _input: ChildStdin,
}

/// What both are started with, under Kafka's names; Thalweg's are flags where they exist.
const KAFKA_SETTINGS: &[&str] = &[
    "message.max.bytes=1048588",
    "group.initial.rebalance.delay.ms=0",
    "offsets.topic.num.partitions=4",
    "transaction.state.log.num.partitions=4",
];

impl Broker {
    /// Kafka by way of the load generator, which fetches its jars and knows its settings.
    pub fn kafka(loadgen: &Path, folder: &Path, extra: &[String]) -> Result<Broker, String> {
        let mut command = Command::new(loadgen);
        command.args(["kafka", "start", "--heap", "512m", "--node-id", NODE_ID]);
        command.arg("--data-dir").arg(folder.join("kafka"));
        for setting in KAFKA_SETTINGS {
            command.args(["--set", setting]);
        }
        for setting in extra {
            command.args(["--set", setting]);
        }
        let (mut child, input) = start(&mut command, folder, "kafka")?;
        let output = child.stdout.take().ok_or("no output of Kafka's")?;
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let address = line.strip_prefix("ready ").and_then(|rest| {
            let (address, _) = rest.split_once(' ')?;
            address.parse().ok()
        });
        let Some(address) = address else {
            let _ = (child.kill(), child.wait());
            return Err(format!(
                "Kafka did not start: {read:?} {line:?}, see {folder:?}"
            ));
        };
        Ok(Broker {
            side: Side::Kafka,
            address,
            child,
            _input: input,
        })
    }

    pub fn thalweg(binary: &Path, folder: &Path, extra: &[String]) -> Result<Broker, String> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.args(["serve", "--cores", "2", "--cache-bytes", "64MiB"]);
        command.args(["--until-input-ends", "--listen", &address.to_string()]);
        // What Kafka's server.properties says of these, so that both tell the same source.
        command.args(["--override", "message.max.bytes=1048588"]);
        command.args(["--override", "socket.request.max.bytes=104857600"]);
        command.arg("--data-dir").arg(folder.join("thalweg"));
        command.args(extra);
        let (child, input) = start(&mut command, folder, "thalweg")?;
        let mut broker = Broker {
            side: Side::Thalweg,
            address,
            child,
            _input: input,
        };
        broker.wait_ready()?;
        Ok(broker)
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let until = Instant::now() + READY;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{:?} ended: {status}", self.side));
            }
            if self.answers() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{:?} does not answer after {READY:?}", self.side));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.address) else {
            return false;
        };
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        connection.send(&request, 9).is_ok()
            && matches!(
                connection.receive::<MetadataRequest>(9),
                Ok(Received::Message(reply, _)) if !reply.brokers.is_empty()
            )
    }

    /// Still running, as it should after every script.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The end of standard input stops it and what it started; killed, the load generator
        // would leave its Kafka to the kernel's mercy.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let until = Instant::now() + Duration::from_secs(10);
        while self.lives() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = (self.child.kill(), self.child.wait());
    }
}

fn start(command: &mut Command, folder: &Path, name: &str) -> Result<(Child, ChildStdin), String> {
    let log = |end: &str| -> Result<File, String> {
        let path: PathBuf = folder.join(format!("{name}.{end}"));
        File::create(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    command.stdin(Stdio::piped()).stderr(log("log")?);
    match name {
        "kafka" => command.stdout(Stdio::piped()),
        _ => command.stdout(log("out")?),
    };
    let mut child = command
        .spawn()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    let input = child.stdin.take().ok_or("no standard input")?;
    Ok((child, input))
}

fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("a free port: {error}"))
}

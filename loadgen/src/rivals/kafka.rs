//! Apache Kafka as one KRaft node, as its own scripts would start it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Subcommand;

use super::child::{choose_port, dies_with_us, find_in_path, free_port};
use super::jars::kafka_jars;
use super::{Broker, wait_until_ready};

/// Any 16 bytes in Kafka's base64: the cluster is ours alone.
const CLUSTER_ID: &str = "dGhhbHdlZy1yaXZhbC0xMA";
const JAVA_NEEDED: &str = "Java is needed to run Kafka: install a Java 17 runtime";
const READY_WITHIN: Duration = Duration::from_secs(90);

/// What `kafka-run-class.sh` gives the virtual machine.
const JAVA_FLAGS: [&str; 6] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

#[derive(Subcommand)]
pub enum KafkaCommand {
    /// Fetches Kafka's jars by Maven and prints the folder
    Fetch,
    /// Starts one node, prints `ready HOST:PORT pid N`, stays until stopped
    Start(Kafka),
}

impl KafkaCommand {
    pub fn run(self) -> Result<(), String> {
        match self {
            Self::Fetch => println!("{}", kafka_jars()?.display()),
            Self::Start(kafka) => {
                let broker = kafka.start()?;
                println!("ready {} pid {}", broker.address, broker.pid());
                return broker.stay();
            }
        }
        Ok(())
    }
}

/// One node of Apache Kafka, broker and controller in one process.
#[derive(clap::Args, Clone, Debug)]
pub struct Kafka {
    /// Its folder: settings, log and data; made if missing, kept between starts
    #[arg(long, alias = "dir")]
    pub data_dir: PathBuf,
    /// Port on 127.0.0.1; a free one if not given
    #[arg(long)]
    pub port: Option<u16>,
    /// Acknowledge after a flush (flush.messages=1), as Thalweg does; Kafka's default never waits
    #[arg(long)]
    pub flush: bool,
    /// Java heap
    #[arg(long, default_value = "2g")]
    pub heap: String,
    /// Its id among brokers and controllers
    #[arg(long, default_value_t = 1)]
    pub node_id: u32,
    /// More lines for server.properties, as key=value
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

impl Kafka {
    /// Fetches the jars if needed, formats the folder if it is new, starts, waits until it serves.
    pub fn start(&self) -> Result<Broker, String> {
        let jars = kafka_jars()?;
        if find_in_path("java").is_none() {
            return Err(JAVA_NEEDED.into());
        }
        let port = choose_port(self.port)?;
        let folder = &self.data_dir;
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let folder = folder
            .canonicalize()
            .map_err(|e| format!("{}: {e}", folder.display()))?;
        let properties = self
            .write_settings(&folder, port)
            .map_err(|e| e.to_string())?;
        let java = Java {
            jars,
            folder: folder.clone(),
            heap: self.heap.clone(),
        };
        if !folder.join("data/meta.properties").exists() {
            java.format(&properties)?;
        }

        let log = log_file(&folder.join("kafka.out"))?;
        let child = java
            .command("kafka.Kafka")
            .arg(&properties)
            .stdout(log.0)
            .stderr(log.1)
            .spawn()
            .map_err(explain_java)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut broker = Broker::new("kafka", address, child);
        wait_until_ready(&mut broker, READY_WITHIN)
            .map_err(|e| format!("{e}; see {}", folder.join("kafka.out").display()))?;
        Ok(broker)
    }

    fn write_settings(&self, folder: &Path, port: u16) -> std::io::Result<PathBuf> {
        let controller = free_port()?;
        let mut lines = vec![
            "process.roles=broker,controller".to_string(),
            format!("node.id={}", self.node_id),
            format!(
                "controller.quorum.voters={}@127.0.0.1:{controller}",
                self.node_id
            ),
            format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
            format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}"),
            "controller.listener.names=CONTROLLER".into(),
            format!("log.dirs={}", folder.join("data").display()),
            "offsets.topic.replication.factor=1".into(),
            "transaction.state.log.replication.factor=1".into(),
            "transaction.state.log.min.isr=1".into(),
            "share.coordinator.state.topic.replication.factor=1".into(),
            "share.coordinator.state.topic.min.isr=1".into(),
            "group.initial.rebalance.delay.ms=0".into(),
            "socket.request.max.bytes=104857600".into(),
            "message.max.bytes=10485760".into(),
        ];
        if self.flush {
            lines.push("log.flush.interval.messages=1".into());
        }
        lines.extend(self.settings.iter().cloned());
        fs::write(folder.join("log4j2.properties"), LOG_SETTINGS)?;
        let file = folder.join("server.properties");
        fs::write(&file, lines.join("\n") + "\n")?;
        Ok(file)
    }
}

struct Java {
    jars: PathBuf,
    folder: PathBuf,
    heap: String,
}

impl Java {
    fn command(&self, class: &str) -> Command {
        let mut command = dies_with_us("java");
        command
            .args(JAVA_FLAGS)
            .arg(format!("-Xms{0}", self.heap))
            .arg(format!("-Xmx{0}", self.heap))
            .arg(format!(
                "-Dlog4j2.configurationFile={}/log4j2.properties",
                self.folder.display()
            ))
            .arg("-cp")
            .arg(format!("{}/*", self.jars.display()))
            .arg(class)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    fn format(&self, properties: &Path) -> Result<(), String> {
        let output = self
            .command("kafka.tools.StorageTool")
            .args(["format", "-t", CLUSTER_ID, "-c"])
            .arg(properties)
            .output()
            .map_err(explain_java)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!(
            "Kafka could not format {}: {said}",
            self.folder.display()
        ))
    }
}

fn log_file(path: &Path) -> Result<(File, File), String> {
    let open = || -> std::io::Result<(File, File)> {
        let file = File::create(path)?;
        Ok((file.try_clone()?, file))
    };
    open().map_err(|e| format!("{}: {e}", path.display()))
}

fn explain_java(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => JAVA_NEEDED.into(),
        _ => format!("java: {error}"),
    }
}

const LOG_SETTINGS: &str = "\
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=OUT
";

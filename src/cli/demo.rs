//! `thalweg demo`: a broker on a scratch directory, the quick start, and a measured load.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::process::{DiskSample, ProcessSample};
use crate::load::{Length, Observer, Outcome, Plan, Tick};
use crate::runtime::probe::{self, DeviceProbe, DirectIo};

use super::arguments::{Broker, Consume, Demo, Format, Output, Topic};
use super::table::Table;
use super::{Failure, consume, produce, topic};

const START_WAIT: Duration = Duration::from_secs(20);
const LOAD_SECONDS: u64 = 15;
const TOPIC: &str = "quickstart";

/// Runs the demo; with `--stay` the broker runs until Ctrl-C.
pub fn run(options: &Demo) -> Result<u8, Failure> {
    let begun = Instant::now();
    let broker = Running::start()?;
    quick_start(broker.address, begun)?;
    println!("\nWhat the disk does, flushed, without a broker:");
    let shape = DeviceProbe {
        direct: writes_directly(&broker.directory),
        ..DeviceProbe::default()
    };
    let device = probe::measure(&broker.directory, shape)
        .map_err(|error| Failure::failed(format!("can not measure the disk: {error}")))?;
    println!(
        "  best {:.0} MB/s; one 4 KiB write + flush takes {:.2} ms (p50), {:.2} ms (p99)",
        device.best() / 1e6,
        device.single_p50.0 as f64 / 1e6,
        device.single_p99.0 as f64 / 1e6,
    );
    let seconds = if options.quick { 2 } else { LOAD_SECONDS };
    println!("\n{seconds} seconds of load: 100-byte records, 64 KiB batches, 6 partitions.");
    let mut plan = Plan::new(broker.address, "load");
    plan.producers = 3;
    plan.length = Length::Time(Duration::from_secs(seconds));
    let mut watch = Watch::new(&broker, plan.warm_up.as_secs() + seconds);
    let outcome = crate::load::run(&plan, &mut watch);
    watch.bar.finish_and_clear();
    let outcome = outcome.map_err(|error| Failure::failed(format!("the load: {error}")))?;
    if !outcome.holds() {
        return Err(Failure::failed(format!(
            "the ledger does not hold, so there is no speed: {:?} {:?}",
            outcome.verdict, outcome.failure
        )));
    }
    println!("{}", report(&outcome, &watch, device.best()));
    if options.stay {
        println!("\nThe broker stays at {} until Ctrl-C.", broker.address);
        return broker.wait();
    }
    broker.stop()
}

/// As the broker does: the measurement is of the same kind of write.
fn writes_directly(directory: &Path) -> bool {
    let found = probe::directory(directory);
    found.is_ok_and(|found| matches!(found.direct_io, DirectIo::Works { .. }))
}

fn quick_start(address: SocketAddr, begun: Instant) -> Result<(), Failure> {
    let broker = Broker {
        bootstrap_server: address.to_string(),
        output: Output::Text,
    };
    let show = |command: &str| println!("\n$ thalweg {command}");
    show("topic create quickstart --partitions 6");
    topic::run(&Topic::Create {
        name: TOPIC.to_owned(),
        partitions: Some(6),
        replication_factor: None,
        configs: Vec::new(),
        broker: broker.clone(),
    })?;
    show("topic describe quickstart");
    topic::run(&Topic::Describe {
        name: Some(TOPIC.to_owned()),
        broker: broker.clone(),
    })?;
    show("topic list");
    topic::run(&Topic::List {
        broker: broker.clone(),
    })?;
    show("produce quickstart      # lines of standard input");
    let lines = ["the line of fastest flow", "in a river", "is its thalweg"];
    println!("{}", lines.join("\n"));
    produce::send_lines(&broker, TOPIC, &lines)?;
    show("consume quickstart --from-beginning --max-messages 3");
    consume::run(&Consume {
        topic: TOPIC.to_owned(),
        from_beginning: true,
        offset: None,
        at: None,
        group: None,
        partition: None,
        max_messages: Some(lines.len() as u64),
        until_end: false,
        format: Format::Text,
        broker,
    })?;
    println!(
        "\nFrom nothing to the first message read: {} ms.",
        begun.elapsed().as_millis()
    );
    Ok(())
}

fn report(outcome: &Outcome, watch: &Watch, device: f64) -> Table {
    let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
    let side = &outcome.produced;
    let bytes_per_s = side.bytes as f64 / seconds;
    let ms = |quantile: f64| side.latencies.value_at_quantile(quantile) as f64 / 1e6;
    let mut table = Table::new(&["measured", ""]);
    let mut row = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    row(
        "records/s, acknowledged on disk",
        format!("{:.0}", side.records as f64 / seconds),
    );
    row("MB/s", format!("{:.1}", bytes_per_s / 1e6));
    row(
        "share of the disk's flushed rate",
        format!("{:.0} %", 100.0 * bytes_per_s / device),
    );
    row("acknowledgement p50", format!("{:.2} ms", ms(0.5)));
    row("acknowledgement p99", format!("{:.2} ms", ms(0.99)));
    if let (Some(before), Some(after)) = (watch.broker_before, watch.broker_after) {
        let cpu = (after.cpu_seconds - before.cpu_seconds) / (side.bytes as f64 / 1e9).max(1e-9);
        row("broker CPU s/GB", format!("{cpu:.2}"));
        row(
            "broker resident",
            format!("{} MiB", after.resident_bytes >> 20),
        );
    }
    if let (Some(before), Some(after)) = (watch.disk_before, watch.disk_after) {
        row(
            "flushes/s of the disk",
            format!("{:.0}", (after.flushes - before.flushes) as f64 / seconds),
        );
    }
    let verdict = &outcome.verdict;
    row(
        "records lost, doubled, out of order",
        format!(
            "{}, {}, {}",
            verdict.lost, verdict.duplicated, verdict.reordered
        ),
    );
    table
}

/// A broker of our own, in a process of its own. It ends with us, however we end: its standard
/// input is a pipe that only we hold.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    directory: PathBuf,
    address: SocketAddr,
}

impl Running {
    fn start() -> Result<Self, Failure> {
        let directory = PathBuf::from(format!("thalweg-demo-{}", std::process::id()));
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("can not find myself: {error}")))?;
        println!(
            "$ thalweg serve --data-dir {} --listen 127.0.0.1:0",
            directory.display()
        );
        let mut child = Command::new(program)
            .args(["serve", "--until-input-ends", "--allow-buffered"])
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::failed(format!("can not start the broker: {error}")))?;
        let stdin = child.stdin.take();
        let address = read_introduction(&mut child)?;
        let mut running = Self {
            child,
            stdin,
            directory,
            address,
        };
        running.await_listening()?;
        Ok(running)
    }

    fn await_listening(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < START_WAIT {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(Failure::failed(
            "the broker did not begin to listen; its words are above",
        ))
    }

    fn wait(mut self) -> Result<u8, Failure> {
        let ended = self.child.wait();
        ended.map_err(|error| Failure::failed(format!("lost the broker: {error}")))?;
        Ok(0)
    }

    fn stop(mut self) -> Result<u8, Failure> {
        print!("\nStopping: ");
        // Nobody reads a prompt that fails.
        let _ = std::io::stdout().flush();
        drop(self.stdin.take());
        let status = self.child.wait();
        let status =
            status.map_err(|error| Failure::failed(format!("lost the broker: {error}")))?;
        println!("the broker flushed, sealed and ended ({status}).");
        Ok(if status.success() { 0 } else { 1 })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It was told to end, and removes its directory before it does.
        let _ = self.child.wait();
    }
}

/// Passes on what the broker says of itself, and finds in it where it listens.
fn read_introduction(child: &mut Child) -> Result<SocketAddr, Failure> {
    let silent = || Failure::failed("the broker ended before it listened; its words are above");
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(silent)?);
    let mut address = None;
    loop {
        let mut line = String::new();
        match lines.read_line(&mut line) {
            Ok(0) | Err(_) => return Err(silent()),
            Ok(_) => print!("{line}"),
        }
        if let Some(found) = line.trim().strip_prefix("listens on") {
            address = found.trim().parse().ok();
        }
        if line.trim_start().starts_with("started in") {
            return address.ok_or_else(silent);
        }
    }
}

/// The progress bar, and samples of broker and disk at both ends of the measured part.
struct Watch {
    bar: ProgressBar,
    pid: u32,
    directory: PathBuf,
    broker_before: Option<ProcessSample>,
    broker_after: Option<ProcessSample>,
    disk_before: Option<DiskSample>,
    disk_after: Option<DiskSample>,
    last: (Duration, u64),
}

impl Watch {
    fn new(broker: &Running, seconds: u64) -> Self {
        let bar = ProgressBar::new(seconds * 10);
        if let Ok(style) = ProgressStyle::with_template("  {bar:40} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            pid: broker.child.id(),
            directory: broker.directory.clone(),
            broker_before: None,
            broker_after: None,
            disk_before: None,
            disk_after: None,
            last: (Duration::ZERO, 0),
        }
    }
}

impl Observer for Watch {
    fn stage(&mut self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    fn measuring_begins(&mut self) {
        self.broker_before = ProcessSample::of(self.pid);
        self.disk_before = DiskSample::under(&self.directory);
    }

    fn tick(&mut self, tick: &Tick) {
        let seconds = tick
            .since_begun
            .saturating_sub(self.last.0)
            .as_secs_f64()
            .max(1e-6);
        let rate = (tick.produced_records - self.last.1) as f64 / seconds;
        self.last = (tick.since_begun, tick.produced_records);
        self.bar
            .set_position((tick.since_begun.as_millis() / 100) as u64);
        self.bar
            .set_message(format!("{:.2} M records/s", rate / 1e6));
    }

    fn measuring_ends(&mut self) {
        self.broker_after = ProcessSample::of(self.pid);
        self.disk_after = DiskSample::under(&self.directory);
    }
}

//! `thalweg demo`: a broker on a scratch directory, the quick start, and a measured load.
//!
//! With `--output json` standard output has one JSON value a line: what each command of the quick
//! start says, then the report; the story around them goes to standard error.
//! Begin at `run`.

mod broker;
mod report;
mod watch;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{Length, Plan};
use crate::runtime::probe::{self, DeviceProbe, DirectIo};

use super::arguments::{Broker, Consume, Demo, Format, Output, Topic};
use super::{Failure, consume, produce, topic};

use broker::Running;
use report::Report;
use watch::Watch;

const LOAD_SECONDS: u64 = 15;
const TOPIC: &str = "quickstart";

/// Tells the story where it disturbs no program that reads the results.
#[derive(Clone, Copy, Debug)]
struct Talk(Output);

impl Talk {
    fn say(self, text: &str) {
        match self.0 {
            Output::Text => {
                print!("{text}");
                // Half a line, such as a prompt, should be seen too; nobody reads one that fails.
                let _ = std::io::stdout().flush();
            }
            Output::Json => eprint!("{text}"),
        }
    }
}

/// Runs the demo; with `--stay` the broker runs until Ctrl-C.
pub fn run(options: &Demo) -> Result<u8, Failure> {
    let begun = Instant::now();
    let talk = Talk(options.output);
    let broker = Running::start(talk)?;
    quick_start(broker.address, talk)?;
    let first_message = begun.elapsed();
    talk.say(&format!(
        "\nFrom nothing to the first message read: {} ms.\n",
        first_message.as_millis()
    ));
    let device = measure_device(&broker, talk)?;
    let seconds = if options.quick { 2 } else { LOAD_SECONDS };
    talk.say(&format!(
        "\n{seconds} seconds of load: 100-byte records, 64 KiB batches, 6 partitions.\n"
    ));
    let report = load(&broker, seconds, device)?;
    match options.output {
        Output::Text => println!("{}", report.to_table()),
        Output::Json => {
            let mut told = report.to_json();
            told["first_message_ms"] = json!(first_message.as_millis() as u64);
            println!("{told}");
        }
    }
    if options.stay {
        talk.say(&format!(
            "\nThe broker stays at {} until Ctrl-C.\n",
            broker.address
        ));
        return broker.wait();
    }
    broker.stop()
}

/// The disk's flushed rate in bytes per second, before anything else uses it.
fn measure_device(broker: &Running, talk: Talk) -> Result<f64, Failure> {
    talk.say("\nWhat the disk does, flushed, without a broker:\n");
    let shape = DeviceProbe {
        direct: writes_directly(&broker.directory),
        ..DeviceProbe::default()
    };
    let device = probe::measure(&broker.directory, shape)
        .map_err(|error| Failure::failed(format!("can not measure the disk: {error}")))?;
    talk.say(&format!(
        "  best {:.0} MB/s; one 4 KiB write + flush takes {:.2} ms (p50), {:.2} ms (p99)\n",
        device.best() / 1e6,
        device.single_p50.0 as f64 / 1e6,
        device.single_p99.0 as f64 / 1e6,
    ));
    Ok(device.best())
}

fn load(broker: &Running, seconds: u64, device: f64) -> Result<Report, Failure> {
    let mut plan = Plan::new(broker.address, "load");
    plan.producers = 3;
    plan.length = Length::Time(Duration::from_secs(seconds));
    let mut watch = Watch::new(broker, plan.warm_up.as_secs() + seconds);
    let outcome = crate::load::run(&plan, &mut watch);
    watch.bar.finish_and_clear();
    let outcome = outcome.map_err(|error| Failure::failed(format!("the load: {error}")))?;
    if !outcome.holds() {
        return Err(Failure::failed(format!(
            "the ledger does not hold, so there is no speed: {:?} {:?}",
            outcome.verdict, outcome.failure
        )));
    }
    Ok(Report::new(&outcome, &watch, device))
}

/// As the broker does: the measurement is of the same kind of write.
fn writes_directly(directory: &Path) -> bool {
    let found = probe::directory(directory);
    found.is_ok_and(|found| matches!(found.direct_io, DirectIo::Works { .. }))
}

fn quick_start(address: SocketAddr, talk: Talk) -> Result<(), Failure> {
    let broker = Broker {
        bootstrap_server: address.to_string(),
        output: talk.0,
    };
    let show = |command: &str| talk.say(&format!("\n$ thalweg {command}\n"));
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
    talk.say(&format!("{}\n", lines.join("\n")));
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
    Ok(())
}

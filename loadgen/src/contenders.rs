//! The brokers of a comparison: started together or there already, driven in turn.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use thalweg::load::Outcome;

use crate::comparison::Lane;
use crate::entrants::{Entrant, Entry, OWN, Rival, SelfPart};
use crate::limits::{Marks, Measured};
use crate::metrics::MetricsUrl;
use crate::report::Report;
use crate::rivals::{Broker, Kafka, Thalweg};
use crate::running::Running;
use crate::runs::{self, fresh_topic, pin};
use crate::settings::Settings;
use crate::settle::settle;
use crate::watch::Local;

/// Who takes part, and where.
#[derive(Args)]
pub struct Field {
    /// Whom to compare with. Started here: `kafka`, as it comes, acknowledged from the page cache;
    /// `kafka-flushed`, with flush.messages=1, acknowledged from the disk as Thalweg does;
    /// `thalweg-node`, with listener.layout=node, so that what other shards own goes over the
    /// mesh; `thalweg-ports`, with listener.layout=ports, a port per shard, and no connection
    /// moves. Or NAME=HOST:PORT, any broker that speaks Kafka without TLS and runs already,
    /// anywhere: topics named loadgen-* are made there and deleted after each run. If it runs on
    /// this machine: NAME=HOST:PORT,pid=N for its CPU and memory, `,data=DIR` for its disk,
    /// `,metrics=URL` for a Thalweg's shards; what is not named is not reported
    #[arg(
        long,
        value_name = "WHO",
        value_parser = Entry::parse,
        value_delimiter = ',',
        default_value = "kafka,kafka-flushed"
    )]
    pub against: Vec<Entry>,
    /// The Thalweg that is compared runs already: it is not started; as NAME=HOST:PORT above, with
    /// the same `,pid=N`, `,data=DIR` and `,metrics=URL`
    #[arg(
        long = "self",
        value_name = "HOST:PORT",
        value_parser = SelfPart::parse,
        value_delimiter = ',',
        conflicts_with_all = ["without_thalweg", "thalweg_bin", "cores", "cache_bytes"]
    )]
    own: Vec<SelfPart>,
    /// A folder for the data of all brokers that are started, on the device that is to be measured
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Thalweg's binary; the one beside this if not given
    #[arg(long)]
    thalweg_bin: Option<PathBuf>,
    /// Leave Thalweg out and compare the rivals with each other
    #[arg(long)]
    without_thalweg: bool,
    /// Thalweg's cores; all if not given
    #[arg(long)]
    cores: Option<usize>,
    /// Kafka's heap
    #[arg(long, default_value = "2g")]
    heap: String,
    /// Thalweg's cache, such as 1GiB; its own default if not given
    #[arg(long)]
    cache_bytes: Option<String>,
    /// Seconds of load before the first round of Kafka, and of a rival that runs already, so that
    /// its code is compiled
    #[arg(long, default_value_t = 20.0)]
    kafka_warm_up: f64,
    /// Do not measure the device before and after
    #[arg(long)]
    no_limits: bool,
}

/// One broker of a comparison, and its runs so far.
pub struct Contender {
    pub name: String,
    /// In order. None: a run that could not be made.
    pub rounds: Vec<Option<(Report, Outcome)>>,
    address: SocketAddr,
    local: Local,
    /// Whether the machine that is measured here is what limits it.
    is_measured: bool,
    is_warm: bool,
    /// Dropping it stops it. None: it runs already, and goes on.
    #[expect(dead_code, reason = "held")]
    started: Option<Broker>,
}

impl Field {
    /// Who takes part, the own side first.
    pub fn entrants(&self) -> Result<Vec<Entrant>, String> {
        let mut all = match SelfPart::gather(&self.own)? {
            Some(running) => vec![Entrant::Running(running)],
            None if self.without_thalweg => Vec::new(),
            None => vec![Entrant::Started(Rival::Thalweg)],
        };
        all.extend(Entry::gather(&self.against)?);
        let mut names = BTreeSet::new();
        match all.iter().find(|it| !names.insert(it.name().to_string())) {
            Some(twice) => Err(format!("two brokers are called {}", twice.name())),
            None => Ok(all),
        }
    }

    /// What cannot be had is told before anybody is started or measured.
    pub fn check(&self) -> Result<(), String> {
        for entrant in self.entrants()? {
            match entrant {
                Entrant::Running(running) => running.check()?,
                Entrant::Started(rival) => drop(self.folder_of(rival.name())?),
            }
        }
        Ok(())
    }

    /// Starts everybody who does not run, the own side first, and warms up who needs it with
    /// `settings`.
    pub fn start(&self, settings: &Settings) -> Result<Vec<Contender>, String> {
        self.check()?;
        let mut contenders = Vec::new();
        for entrant in self.entrants()? {
            contenders.push(match entrant {
                Entrant::Running(running) => self.running(running),
                Entrant::Started(rival) => self.started(rival, settings)?,
            });
        }
        for contender in contenders.iter().filter(|it| !it.is_warm) {
            eprintln!("warming {} for {} s", contender.name, self.kafka_warm_up);
            let seconds = Some(self.kafka_warm_up);
            let settings = Settings {
                seconds,
                records: None,
                rate: None,
                ..settings.clone()
            };
            contender.measure("warm", &settings)?;
        }
        Ok(contenders)
    }

    fn started(&self, rival: Rival, settings: &Settings) -> Result<Contender, String> {
        let name = rival.name();
        match rival {
            Rival::Thalweg => self.thalweg(name, self.cores, None),
            Rival::ThalwegNode => self.thalweg(name, self.cores, Some("node")),
            Rival::ThalwegPorts => self.thalweg(name, self.cores, Some("ports")),
            Rival::Kafka => self.kafka(name, false, settings),
            Rival::KafkaFlushed => self.kafka(name, true, settings),
        }
    }

    /// What the machine does now; nothing if that is not wanted, or if nobody is started and so no
    /// device is known.
    pub fn measure(&self, seconds_each: f64) -> Result<Measured, String> {
        match &self.data_dir {
            Some(folder) if !self.no_limits => {
                eprintln!("measuring the machine");
                Measured::now(folder, seconds_each)
            }
            Some(_) | None => Ok(Measured::default()),
        }
    }

    /// Thalweg alone, once with each of these numbers of cores.
    pub fn start_with_cores(&self, cores: &[usize]) -> Result<Vec<Contender>, String> {
        let runs_already = |it: &Entrant| matches!(it, Entrant::Running(_));
        if let Some(other) = self.entrants()?.iter().find(|it| runs_already(it)) {
            return Err(format!(
                "{} cannot take part: this compares Thalwegs of so many cores each, which it \
                 starts itself",
                other.name()
            ));
        }
        let one = |cores: &usize| {
            let name = match cores {
                1 => "one-core",
                2 => "two-cores",
                _ => "more-cores",
            };
            self.thalweg(name, Some(*cores), None)
        };
        cores.iter().map(one).collect()
    }

    fn folder_of(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.data_dir.as_ref().map(|it| it.join(name));
        folder.ok_or_else(|| format!("{name} is started here: name a folder with --data-dir"))
    }

    fn running(&self, running: Running) -> Contender {
        eprintln!("{running} runs already: topics named loadgen-* are made there and deleted");
        let data = running.local.data.as_deref();
        let is_same = |(one, other)| device_of(one).is_some_and(|it| device_of(other) == Some(it));
        Contender {
            is_measured: data.zip(self.data_dir.as_deref()).is_some_and(is_same),
            is_warm: running.name == OWN,
            name: running.name,
            rounds: Vec::new(),
            address: running.address,
            local: running.local,
            started: None,
        }
    }

    fn thalweg(
        &self,
        name: &str,
        cores: Option<usize>,
        layout: Option<&'static str>,
    ) -> Result<Contender, String> {
        let data = self.folder_of(name)?;
        let thalweg = Thalweg {
            binary: self.thalweg_bin.clone(),
            data_dir: data.clone(),
            port: None,
            cores,
            cache_bytes: self.cache_bytes.clone(),
            layout,
        };
        Ok(Contender::new(name, data, true, thalweg.start()?))
    }

    fn kafka(&self, name: &str, flush: bool, settings: &Settings) -> Result<Contender, String> {
        let data = self.folder_of(name)?;
        let kafka = Kafka {
            data_dir: data.clone(),
            port: None,
            flush,
            heap: self.heap.clone(),
            node_id: 1,
            settings: kafka_settings(settings),
        };
        Ok(Contender::new(name, data, false, kafka.start()?))
    }
}

/// None: nobody knows, or no such folder.
fn device_of(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|it| it.dev())
}

/// By default Kafka removes a file a minute after it was deleted, which would be in somebody else's
/// run: here it does so at once. And it looks every five minutes for what is too old or too much,
/// and so deletes nothing in a run of seconds: where deleting is part of the work it looks every
/// second.
fn kafka_settings(settings: &Settings) -> Vec<String> {
    let mut lines = vec!["log.segment.delete.delay.ms=1000".to_string()];
    let mut configs = settings.configs.iter().flatten();
    if configs.any(|it| it.starts_with("retention.")) {
        lines.push("log.retention.check.interval.ms=1000".to_string());
    }
    lines
}

impl Contender {
    fn new(name: &str, data: PathBuf, is_warm: bool, broker: Broker) -> Self {
        Self {
            name: name.to_string(),
            rounds: Vec::new(),
            address: broker.address,
            local: Local {
                pid: Some(broker.pid()),
                data: Some(data),
                metrics: broker.metrics.map(MetricsUrl::at),
            },
            is_measured: true,
            is_warm,
            started: Some(broker),
        }
    }

    /// Runs `settings`, and keeps what came of it.
    pub fn run(&mut self, name: &str, settings: &Settings) -> Result<&Report, String> {
        let ran = self.measure(name, settings);
        let (run, error) = match ran {
            Ok((report, outcome)) => {
                let round = self.rounds.len() + 1;
                (Some((Report { round, ..report }, outcome)), None)
            }
            Err(error) => (None, Some(error)),
        };
        self.rounds.push(run);
        let last = self.rounds.last().and_then(|it| it.as_ref());
        last.map(|it| &it.0).ok_or(error.unwrap_or_default())
    }

    /// Holds its runs against what the machine can do. Not those of a broker that another machine,
    /// or another disk, limits.
    pub fn hold_against(&mut self, marks: Marks) {
        if self.is_measured {
            for (report, _) in self.rounds.iter_mut().flatten() {
                *report = report.clone().against(marks);
            }
        }
    }

    /// What came of its runs so far, for a comparison.
    pub fn lane(&self) -> Lane {
        let report = |it: &Option<(Report, Outcome)>| it.as_ref().map(|it| it.0.clone());
        Lane {
            name: self.name.clone(),
            rounds: self.rounds.iter().map(report).collect(),
        }
    }

    /// Measured on a disk that rests.
    fn measure(&self, name: &str, settings: &Settings) -> Result<(Report, Outcome), String> {
        if let Some(data) = &self.local.data {
            settle(data);
        }
        pin(settings.pin.as_deref())?;
        let fail = |error: String| format!("{}: {error}", self.name);
        let settings = settings.clone().at_its_load(|probe| {
            let plan = probe.plan(self.address, &fresh_topic("probe"));
            let (report, _) = runs::measure("probe", &self.name, &plan, Local::default())?;
            report.produced_rate()
        });
        let plan = settings
            .map_err(fail)?
            .plan(self.address, &fresh_topic(name));
        runs::measure(name, &self.name, &plan, self.local.clone()).map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::PRESETS;

    #[test]
    fn kafka_looks_for_what_to_delete_where_the_preset_has_it_deleted() {
        for preset in PRESETS {
            let lines = kafka_settings(&preset.settings(false));
            let looks = lines.iter().any(|it| it.contains("retention.check"));

            assert_eq!(looks, preset.name == "soak", "{}: {lines:?}", preset.name);
        }
    }
}

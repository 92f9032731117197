//! The brokers of a comparison: started together, driven in turn, stopped together.

use std::path::PathBuf;
use std::process::Command;

use clap::{Args, ValueEnum};
use thalweg::load::Outcome;

use crate::comparison::Lane;
use crate::limits::Marks;
use crate::metrics::MetricsUrl;
use crate::report::Report;
use crate::rivals::{Broker, Kafka, Thalweg};
use crate::runs::{self, fresh_topic, pin};
use crate::settings::Settings;
use crate::watch::Local;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// Kafka as it comes: acknowledged from the page cache
    Kafka,
    /// Kafka with flush.messages=1: acknowledged from the disk, as Thalweg does
    KafkaFlushed,
    /// Thalweg with listener.layout=node: one broker to everybody, so that all of a client's
    /// traffic shares one connection and what other shards own goes over the mesh
    ThalwegNode,
    /// Thalweg with listener.layout=ports: a port per shard, and no connection moves
    ThalwegPorts,
}

/// Who takes part, and where.
#[derive(Args)]
pub struct Field {
    /// Whom to compare with
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "kafka,kafka-flushed"
    )]
    pub against: Vec<Rival>,
    /// A folder for all brokers' data, on the device that is to be measured
    #[arg(long)]
    data_dir: PathBuf,
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
    /// Seconds of load before Kafka's first round, so that its code is compiled
    #[arg(long, default_value_t = 20.0)]
    kafka_warm_up: f64,
    /// Do not measure the device before and after
    #[arg(long)]
    no_limits: bool,
}

/// One broker of a comparison, and its runs so far.
pub struct Contender {
    pub name: &'static str,
    pub runs: Vec<(Report, Outcome)>,
    broker: Broker,
    data: PathBuf,
}

impl Field {
    /// Starts everybody, Thalweg first, and warms Kafka up with `settings`.
    pub fn start(&self, settings: &Settings) -> Result<Vec<Contender>, String> {
        let mut contenders = Vec::new();
        if !self.without_thalweg {
            contenders.push(self.thalweg("thalweg", self.cores, None)?);
        }
        for rival in &self.against {
            contenders.push(match rival {
                Rival::Kafka => self.kafka("kafka", false, settings)?,
                Rival::KafkaFlushed => self.kafka("kafka-flushed", true, settings)?,
                Rival::ThalwegNode => self.thalweg("thalweg-node", self.cores, Some("node"))?,
                Rival::ThalwegPorts => self.thalweg("thalweg-ports", self.cores, Some("ports"))?,
            });
        }
        let cold = |it: &&Contender| it.name.starts_with("kafka");
        for contender in contenders.iter().filter(cold) {
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

    /// What the machine does now; nothing if that is not wanted.
    pub fn marks(&self, seconds_each: f64) -> Result<Marks, String> {
        if self.no_limits {
            return Ok(Marks::default());
        }
        eprintln!("measuring the machine");
        Marks::measure(&self.data_dir, seconds_each)
    }

    /// Thalweg alone, once with each of these numbers of cores.
    pub fn start_with_cores(&self, cores: &[usize]) -> Result<Vec<Contender>, String> {
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

    fn thalweg(
        &self,
        name: &'static str,
        cores: Option<usize>,
        layout: Option<&'static str>,
    ) -> Result<Contender, String> {
        let data = self.data_dir.join(name);
        let thalweg = Thalweg {
            binary: self.thalweg_bin.clone(),
            data_dir: data.clone(),
            port: None,
            cores,
            cache_bytes: self.cache_bytes.clone(),
            layout,
        };
        Ok(Contender {
            name,
            runs: Vec::new(),
            broker: thalweg.start()?,
            data,
        })
    }

    fn kafka(
        &self,
        name: &'static str,
        flush: bool,
        settings: &Settings,
    ) -> Result<Contender, String> {
        let data = self.data_dir.join(name);
        let kafka = Kafka {
            data_dir: data.clone(),
            port: None,
            flush,
            heap: self.heap.clone(),
            node_id: 1,
            settings: kafka_settings(settings),
        };
        Ok(Contender {
            name,
            runs: Vec::new(),
            broker: kafka.start()?,
            data,
        })
    }
}

/// By default Kafka looks every five minutes for what is too old or too much, and so deletes
/// nothing in a run of seconds. Where deleting is part of the work it looks every second.
fn kafka_settings(settings: &Settings) -> Vec<String> {
    let mut configs = settings.configs.iter().flatten();
    match configs.any(|it| it.starts_with("retention.")) {
        true => vec!["log.retention.check.interval.ms=1000".to_string()],
        false => Vec::new(),
    }
}

impl Contender {
    /// Runs `settings`, holds it against `marks`, and keeps what came of it.
    pub fn run(
        &mut self,
        name: &str,
        settings: &Settings,
        marks: Marks,
    ) -> Result<&Report, String> {
        let (report, outcome) = self.measure(name, settings)?;
        self.runs.push((report.against(marks), outcome));
        self.runs
            .last()
            .map(|it| &it.0)
            .ok_or("a run that is not there".into())
    }

    /// What came of its runs so far, for a comparison.
    pub fn lane(&self) -> Lane {
        Lane {
            name: self.name,
            reports: self.runs.iter().map(|it| it.0.clone()).collect(),
        }
    }

    /// Measured on a settled disk: what the one before left in the page cache would be written
    /// back under this one's flushes.
    fn measure(&self, name: &str, settings: &Settings) -> Result<(Report, Outcome), String> {
        let local = Local {
            pid: Some(self.broker.pid()),
            data: Some(self.data.clone()),
            metrics: self.broker.metrics.map(MetricsUrl::at),
        };
        // Without the tool the runs are only noisier.
        let _ = Command::new("sync").arg("-f").arg(&self.data).status();
        pin(settings.pin.as_deref())?;
        let address = self.broker.address;
        let settings = settings.clone().at_its_load(|probe| {
            let plan = probe.plan(address, &fresh_topic("probe"));
            let (report, _) = runs::measure("probe", self.name, &plan, Local::default())?;
            report.produced_rate()
        })?;
        let plan = settings.plan(address, &fresh_topic(name));
        runs::measure(name, self.name, &plan, local)
            .map_err(|error| format!("{}: {error}", self.name))
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

            assert_eq!(!lines.is_empty(), preset.name == "soak", "{}", preset.name);
        }
    }
}

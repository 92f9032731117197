//! Every preset at its small size against one broker: whether all of them run and hold.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::presets::{PRESETS, Preset};
use crate::report::{Report, grouped};
use crate::rivals::Thalweg;
use crate::runs::{fresh_topic, measure};
use crate::settings::{Settings, parse_address};
use crate::watch::Local;

#[derive(Args)]
pub struct SmokeArguments {
    /// A broker that runs already; otherwise Thalweg is started
    #[arg(long, value_parser = parse_address, conflicts_with_all = ["data_dir", "thalweg_bin"])]
    broker: Option<SocketAddr>,
    /// A folder for Thalweg's data
    #[arg(long, required_unless_present = "broker")]
    data_dir: Option<PathBuf>,
    /// Thalweg's binary; the one beside this if not given
    #[arg(long)]
    thalweg_bin: Option<PathBuf>,
}

/// One preset against the broker that runs; of several brokers, with as many cores as it has.
fn one(preset: &Preset, address: SocketAddr) -> Result<Report, String> {
    let name = address.to_string();
    let run = |settings: &Settings| {
        let plan = settings.plan(address, &fresh_topic(preset.name));
        let (report, _) = measure(preset.name, &name, &plan, Local::default())?;
        Ok::<_, String>(report)
    };
    let settings = preset.settings(true);
    run(&settings.at_its_load(|probe| run(probe)?.produced_rate())?)
}

impl SmokeArguments {
    pub fn run(self) -> Result<(), String> {
        // Held until the end: dropping it stops the broker.
        let started = match self.data_dir {
            Some(data_dir) => {
                let binary = self.thalweg_bin;
                Some(
                    Thalweg {
                        binary,
                        data_dir,
                        port: None,
                        cores: None,
                        cache_bytes: None,
                        layout: None,
                    }
                    .start()?,
                )
            }
            None => None,
        };
        let running = started.as_ref().map(|it| it.address).or(self.broker);
        let address = running.ok_or("name a broker or a data directory")?;
        let mut failed = 0;
        for preset in PRESETS {
            match one(preset, address) {
                Ok(report) if report.holds() => {
                    let rate = report.main_side().and_then(|it| it.records_per_second);
                    let (name, rate) = (preset.name, grouped(rate.unwrap_or_default()));
                    println!("{name:<18} holds  {rate:>12} records/s");
                }
                Ok(report) => {
                    failed += 1;
                    print!("{}", report.table());
                }
                Err(error) => {
                    failed += 1;
                    println!("{:<18} FAILS  {error}", preset.name);
                }
            }
        }
        match failed {
            0 => Ok(()),
            count => Err(format!("{count} of {} presets do not hold", PRESETS.len())),
        }
    }
}

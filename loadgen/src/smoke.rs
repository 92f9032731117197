//! Every preset at its small size against one broker: whether all of them run and hold.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::presets::PRESETS;
use crate::report::grouped;
use crate::rivals::Thalweg;
use crate::runs::{fresh_topic, measure};
use crate::settings::parse_address;
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
            let settings = match preset.settings(true) {
                Ok(settings) => settings,
                Err(why) => {
                    println!("{why}");
                    continue;
                }
            };
            let plan = settings.plan(address, &fresh_topic(preset.name));
            match measure(preset.name, &address.to_string(), &plan, Local::default()) {
                Ok((report, _)) if report.holds() => {
                    let rate = report.main_side().and_then(|it| it.records_per_second);
                    let (name, rate) = (preset.name, grouped(rate.unwrap_or_default()));
                    println!("{name:<18} holds  {rate:>12} records/s");
                }
                Ok((report, _)) => {
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

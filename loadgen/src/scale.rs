//! How a broker's rate changes with its partitions: scenario 7, all brokers on one chart.

use std::path::Path;

use clap::Args;

use crate::contenders::{Contender, Field};
use crate::plot::draw_scaling;
use crate::presets::Preset;
use crate::report::grouped;
use crate::runs::Output;
use crate::settings::Settings;
use crate::versus::finish;

/// The preset whose shape every step has.
const SHAPE: &str = "partitions-1";

#[derive(Args)]
pub struct ScaleArguments {
    /// How many partitions in each step
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,10,100,1000,10000,70000,140000"
    )]
    steps: Vec<u32>,
    /// Rivals leave the race after this many: Kafka is made for about 4,000 a broker
    #[arg(long, default_value_t = 4_000)]
    rivals_up_to: u32,
    /// Half a second for each run
    #[arg(long)]
    smoke: bool,
    #[command(flatten)]
    field: Field,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    output: Output,
}

impl ScaleArguments {
    pub fn run(self) -> Result<(), String> {
        let shape = Preset::named(SHAPE)?.settings(self.smoke);
        let base = self.settings.clone().or(shape);
        let mut contenders = self.field.start(&Settings {
            partitions: Some(10),
            ..base.clone()
        })?;
        let mut curves = vec![Vec::new(); contenders.len()];
        for partitions in &self.steps {
            for (contender, curve) in contenders.iter_mut().zip(&mut curves) {
                if contender.name != "thalweg" && *partitions > self.rivals_up_to {
                    continue;
                }
                let settings = Settings {
                    partitions: Some(*partitions),
                    ..base.clone()
                };
                let report = contender.run(&format!("partitions-{partitions}"), &settings)?;
                print!("{}", report.table());
                if let Some(rate) = report.main_side().and_then(|it| it.records_per_second) {
                    curve.push((*partitions, rate));
                }
            }
        }
        print_curves(&contenders, &curves);
        if let Some(file) = &self.output.plot {
            self.plot(file, &contenders, curves)?;
        }
        let output = Output {
            plot: None,
            ..self.output.clone()
        };
        finish(&contenders, &base, &output)
    }

    fn plot(
        &self,
        file: &Path,
        contenders: &[Contender],
        curves: Vec<Vec<(u32, f64)>>,
    ) -> Result<(), String> {
        let names = contenders.iter().map(|it| it.name.to_string());
        draw_scaling(file, names.zip(curves).collect())
    }
}

/// Rates, and each as a share of the broker's best.
fn print_curves(contenders: &[Contender], curves: &[Vec<(u32, f64)>]) {
    for (contender, curve) in contenders.iter().zip(curves) {
        let best = curve.iter().map(|it| it.1).fold(0.0, f64::max);
        println!("{}", contender.name);
        for (partitions, rate) in curve {
            let (count, share) = (grouped(f64::from(*partitions)), 100.0 * rate / best);
            println!(
                "  {count:>9} partitions {:>12} records/s {share:>6.1} %",
                grouped(*rate)
            );
        }
    }
}

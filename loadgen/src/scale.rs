//! How a broker's rate changes with its partitions: scenario 7, all brokers on one chart.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use crate::contenders::{Contender, Field};
use crate::entrants::OWN;
use crate::limits::Bounds;
use crate::plot::{Curve, draw_scaling};
use crate::presets::Preset;
use crate::report::grouped;
use crate::runs::Output;
use crate::settings::Settings;
use crate::versus::finish;

/// The preset whose shape every step has.
pub const SHAPE: &str = "partitions-1";

/// For each of the cells of a measurement of the device.
const SECONDS_EACH: f64 = 0.3;

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
        self.field.check()?;
        let before = self.field.measure(SECONDS_EACH)?;
        let mut contenders = self.field.start(&Settings {
            partitions: Some(10),
            ..base.clone()
        })?;
        let race = Race {
            steps: &self.steps,
            rivals_up_to: self.rivals_up_to,
            base: &base,
        };
        let curves = race.run(&mut contenders)?;
        let machine = Bounds::of(before, self.field.measure(SECONDS_EACH)?);
        for contender in &mut contenders {
            contender.hold_against(machine.marks);
        }
        print!("{}", describe(&curves));
        let runs = || contenders.iter().flat_map(|it| it.rounds.iter().flatten());
        let holds = runs().all(|it| it.0.holds());
        let points = Point::of(&curves);
        if let Some(file) = self.output.plot.as_ref().filter(|_| holds) {
            draw_scaling(file, self.output.formats(), curves)?;
        }
        let output = Output {
            plot: None,
            ..self.output.clone()
        };
        finish(&contenders, &base, &machine, &points, &output)
    }
}

/// Every contender over more and more partitions, in turn.
pub struct Race<'a> {
    pub steps: &'a [u32],
    pub rivals_up_to: u32,
    pub base: &'a Settings,
}

impl Race<'_> {
    pub fn run(&self, contenders: &mut [Contender]) -> Result<Vec<Curve>, String> {
        let mut curves = vec![Vec::new(); contenders.len()];
        for partitions in self.steps {
            for (contender, curve) in contenders.iter_mut().zip(&mut curves) {
                if contender.name != OWN && *partitions > self.rivals_up_to {
                    continue;
                }
                let settings = Settings {
                    partitions: Some(*partitions),
                    ..self.base.clone()
                };
                let name = format!("partitions-{partitions}");
                let report = contender.run(&name, &settings)?;
                print!("{}", report.table());
                if let Some(rate) = report.main_side().and_then(|it| it.records_per_second) {
                    curve.push((*partitions, rate));
                }
            }
        }
        let names = contenders.iter().map(|it| it.name.clone());
        Ok(names.zip(curves).collect())
    }
}

/// A step of one broker's curve, for programs that read a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    pub broker_name: String,
    pub partitions: u32,
    pub records_per_second: f64,
    /// A part of the broker's own best step, which has 1.
    pub of_best: f64,
}

impl Point {
    /// Of all brokers, in the order in which they took part; of each by its steps. A run that does
    /// not hold has no rate, and so no point.
    pub fn of(curves: &[Curve]) -> Vec<Self> {
        let of_one = |(name, curve): &Curve| {
            let best = best(curve);
            let points = curve.iter().map(move |(partitions, rate)| Self {
                broker_name: name.clone(),
                partitions: *partitions,
                records_per_second: *rate,
                of_best: rate / best,
            });
            points.collect::<Vec<_>>()
        };
        curves.iter().flat_map(of_one).collect()
    }
}

fn best(curve: &[(u32, f64)]) -> f64 {
    curve.iter().map(|it| it.1).fold(0.0, f64::max)
}

/// Rates, and each as a share of the broker's best.
pub fn describe(curves: &[Curve]) -> String {
    let mut out = String::new();
    for (name, curve) in curves {
        let _ = writeln!(out, "{name}");
        for (partitions, rate) in curve {
            let share = 100.0 * rate / best(curve);
            let count = grouped(f64::from(*partitions));
            let rate = grouped(*rate);
            let _ = writeln!(
                out,
                "  {count:>9} partitions {rate:>12} records/s {share:>6.1} %"
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_told_in_shares_of_its_best_point() {
        let curves = [
            ("a".to_string(), vec![(1, 50.0), (1_000, 200.0)]),
            ("none of whose runs held".to_string(), Vec::new()),
        ];

        let said = describe(&curves);
        let points = Point::of(&curves);

        assert!(
            said.contains("1 partitions           50 records/s   25.0 %"),
            "{said}"
        );
        assert!(
            said.contains("1,000 partitions          200 records/s  100.0 %"),
            "{said}"
        );
        let shares = points
            .iter()
            .map(|it| (it.broker_name.as_str(), it.partitions, it.of_best));
        let expected = [("a", 1, 0.25), ("a", 1_000, 1.0)];
        assert_eq!(shares.collect::<Vec<_>>(), expected);
    }
}

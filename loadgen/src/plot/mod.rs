//! Charts: latency by percentile and throughput over time, SVG and PNG of the same.
//!
//! Knows: reports, axes, lines.
//! Must not know: how a report came about.
//! Begin at `draw`.

mod chart;
mod glyphs;

use std::path::{Path, PathBuf};

use thalweg::load::Outcome;

use crate::report::{Report, grouped};
use chart::{Axis, Chart, Series};

/// Percentiles drawn: up to one in a million.
const NINES_MAX: f64 = 6.0;

/// Which files a chart becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formats {
    SvgAndPng,
    /// For a repository.
    Svg,
}

/// Writes NAME-latency and NAME-throughput of the brokers whose runs all hold. `outcomes` belong to
/// `reports`.
pub fn draw(
    name: &Path,
    formats: Formats,
    reports: &[Report],
    outcomes: &[&Outcome],
) -> Result<(), String> {
    let title = reports.first().map_or("", |it| it.name.as_str());
    for (kind, chart) in [
        ("latency", latency_chart(title, reports, outcomes)),
        ("throughput", throughput_chart(title, reports)),
    ] {
        write(&chart, name, kind, formats)?;
    }
    Ok(())
}

/// A broker, and its records per second by its partitions.
pub type Curve = (String, Vec<(u32, f64)>);

/// Writes NAME-scaling: each broker's records per second by its partitions.
pub fn draw_scaling(name: &Path, formats: Formats, curves: Vec<Curve>) -> Result<(), String> {
    let values = || curves.iter().flat_map(|curve| &curve.1);
    let decades = values()
        .map(|it| f64::from(it.0).log10())
        .fold(1.0, f64::max)
        .ceil();
    let top = round_up(values().map(|it| it.1).fold(1.0, f64::max));
    let x_ticks =
        (0..=decades as u32).map(|at| (f64::from(at) / decades, grouped(10_f64.powi(at as i32))));
    let y_ticks = (0..=5)
        .map(|at| f64::from(at) / 5.0)
        .map(|it| (it, grouped(it * top)));
    let lines = curves.iter().map(|(name, points)| {
        let points = points.iter().map(|it| (f64::from(it.0).log10(), it.1));
        (name.clone(), points.collect())
    });
    let chart = Chart {
        title: "records per second by partitions".to_string(),
        x: Axis {
            label: "partitions",
            ticks: x_ticks.collect(),
        },
        y: Axis {
            label: "records/s",
            ticks: y_ticks.collect(),
        },
        series: series(lines.collect(), |(decade, rate)| {
            (decade / decades, rate / top)
        }),
    };
    write(&chart, name, "scaling", formats)
}

fn write(chart: &Chart, name: &Path, kind: &str, formats: Formats) -> Result<(), String> {
    chart.write_svg(&with_suffix(name, &format!("-{kind}.svg")))?;
    match formats {
        Formats::SvgAndPng => chart.write_png(&with_suffix(name, &format!("-{kind}.png"))),
        Formats::Svg => Ok(()),
    }
}

fn with_suffix(name: &Path, suffix: &str) -> PathBuf {
    let mut file = name.as_os_str().to_os_string();
    file.push(suffix);
    file.into()
}

fn latency_chart(title: &str, reports: &[Report], outcomes: &[&Outcome]) -> Chart {
    let lines: Vec<(String, Vec<(f64, f64)>)> = reports
        .iter()
        .zip(outcomes)
        .filter(|(report, _)| is_drawn(&report.broker_name, reports))
        .map(|(report, outcome)| (report.broker_name.clone(), percentiles(outcome)))
        .collect();
    let values = || lines.iter().flat_map(|line| &line.1);
    let nines = values().map(|it| it.0).fold(1.0, f64::max).ceil();
    let least = values().map(|it| it.1).fold(f64::INFINITY, f64::min);
    let most = values().map(|it| it.1).fold(1.0, f64::max);
    // Of no runs there is no least.
    let least = least.min(most);
    let (low, high) = (least.max(1.0).log10().floor(), (most.log10() + 1e-9).ceil());
    let span = (high - low).max(1.0);
    let marks = ["0%", "90%", "99%", "99.9%", "99.99%", "99.999%", "99.9999%"];
    let x_ticks = marks
        .iter()
        .enumerate()
        .map(|(at, mark)| (at as f64 / nines, mark.to_string()));
    let y_ticks =
        (0..=span as i32).map(|at| (f64::from(at) / span, microseconds(low + f64::from(at))));
    Chart {
        title: format!("{title}: latency by percentile"),
        x: Axis {
            label: "percentile",
            ticks: x_ticks.filter(|it| it.0 <= 1.0).collect(),
        },
        y: Axis {
            label: "latency",
            ticks: y_ticks.collect(),
        },
        series: series(lines, |(nine, us)| {
            (nine / nines, (us.max(1.0).log10() - low) / span)
        }),
    }
}

/// One run that does not hold speaks for all of its broker's.
fn is_drawn(broker: &str, reports: &[Report]) -> bool {
    let mut own = reports.iter().filter(|it| it.broker_name == broker);
    own.all(Report::holds)
}

/// (nines, microseconds): one nine is 90 %, two are 99 %.
fn percentiles(outcome: &Outcome) -> Vec<(f64, f64)> {
    let latencies = if outcome.consumed.latencies.is_empty() {
        &outcome.produced.latencies
    } else {
        &outcome.consumed.latencies
    };
    latencies
        .iter_quantiles(8)
        .map(|step| {
            let nines = -(1.0 - step.quantile_iterated_to()).log10();
            (nines.min(NINES_MAX), step.value_iterated_to() as f64 / 1e3)
        })
        .take_while(|(nines, _)| *nines < NINES_MAX)
        .collect()
}

fn microseconds(exponent: f64) -> String {
    match exponent as i32 {
        it @ 0..=2 => format!("{} us", 10_u32.pow(it as u32)),
        it @ 3..=5 => format!("{} ms", 10_u32.pow(it as u32 - 3)),
        it => format!("{} s", 10_u32.pow((it - 6).clamp(0, 9) as u32)),
    }
}

fn throughput_chart(title: &str, reports: &[Report]) -> Chart {
    let lines: Vec<(String, Vec<(f64, f64)>)> = reports
        .iter()
        .filter(|report| is_drawn(&report.broker_name, reports))
        .map(|report| (report.broker_name.clone(), rates(&report.samples)))
        .collect();
    let values = || lines.iter().flat_map(|line| &line.1);
    let seconds = values().map(|it| it.0).fold(1.0, f64::max);
    let top = round_up(values().map(|it| it.1).fold(1.0, f64::max));
    let x_ticks = (0..=5).map(|at| {
        let share = f64::from(at) / 5.0;
        (share, format!("{:.1} s", share * seconds))
    });
    let y_ticks = (0..=5).map(|at| {
        let share = f64::from(at) / 5.0;
        (share, grouped(share * top))
    });
    Chart {
        title: format!("{title}: records per second over time"),
        x: Axis {
            label: "since the run began",
            ticks: x_ticks.collect(),
        },
        y: Axis {
            label: "records/s",
            ticks: y_ticks.collect(),
        },
        series: series(lines, |(at, rate)| (at / seconds, rate / top)),
    }
}

/// Records per second between samples, averaged over half a second.
fn rates(samples: &[(f64, u64, u64)]) -> Vec<(f64, f64)> {
    const WINDOW: usize = 5;
    let total = |it: &(f64, u64, u64)| if it.2 > 0 { it.2 } else { it.1 };
    samples
        .windows(WINDOW + 1)
        .map(|window| {
            let (first, last) = (&window[0], &window[WINDOW]);
            let records = total(last).saturating_sub(total(first));
            (last.0, records as f64 / (last.0 - first.0).max(1e-6))
        })
        .collect()
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps
        .iter()
        .map(|it| it * power)
        .find(|it| *it >= value)
        .unwrap_or(value)
}

/// One line each, coloured by name: rounds of one broker look alike.
fn series(
    lines: Vec<(String, Vec<(f64, f64)>)>,
    place: impl Fn((f64, f64)) -> (f64, f64),
) -> Vec<Series> {
    let mut names: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for (name, points) in lines {
        let known = names.iter().position(|it| *it == name);
        let colour = known.unwrap_or(names.len());
        if known.is_none() {
            names.push(name.clone());
        }
        let points = points.into_iter().map(&place).collect();
        all.push(Series {
            name: known.is_none().then_some(name),
            colour,
            points,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_a_run_is_written_as_svg_and_as_png() {
        let folder = std::env::temp_dir().join(format!("loadgen-plot-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut outcome = Outcome::default();
        (1..10_000).for_each(|it| outcome.produced.latencies.saturating_record(it * 1_000));
        let samples = (0..50)
            .map(|it| (f64::from(it) / 10.0, 1_000 * it as u64, 0))
            .collect();
        let mut report = Report {
            name: "two-million".into(),
            broker_name: "kafka".into(),
            samples,
            ..Report::default()
        };
        report.ledger.holds = true;
        let liar = Report {
            broker_name: "liar".into(),
            failure: Some("it lied".into()),
            ..report.clone()
        };

        let honest_once = Report {
            broker_name: "liar".into(),
            ..report.clone()
        };

        let name = folder.join("run");
        let (reports, outcomes) = ([report, honest_once, liar], [&outcome; 3]);
        draw(&name, Formats::SvgAndPng, &reports, &outcomes).unwrap();

        let svg = std::fs::read_to_string(folder.join("run-latency.svg")).unwrap();
        let png = std::fs::read(folder.join("run-throughput.png")).unwrap();
        assert!(svg.contains("99.9%") && svg.contains("kafka"), "{svg}");
        assert!(!svg.contains("liar"), "{svg}");
        assert_eq!(&png[1..4], b"PNG");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!(round_up(1_234.0), 2_000.0);
        assert_eq!(round_up(999.0), 1_000.0);
    }
}

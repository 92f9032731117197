//! Whether latency made a step in a long run: the p99 of every second, before and after.

use serde::{Deserialize, Serialize};

/// Of fewer seconds nothing can be said.
const SECONDS_MIN: usize = 8;
/// Either side of a step has at least this part of all seconds.
const SIDE_SHARE: usize = 4;

/// The place that parts the seconds into two whose medians differ most.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// Since the run began.
    pub at_seconds: f64,
    pub before_us: f64,
    pub after_us: f64,
}

impl Step {
    /// Of (seconds since the run began, p99 of that second in microseconds).
    pub fn largest(pace: &[(f64, f64)]) -> Option<Self> {
        if pace.len() < SECONDS_MIN {
            return None;
        }
        let side = pace.len().div_ceil(SIDE_SHARE);
        let steps = (side..=pace.len() - side).map(|at| Self {
            at_seconds: pace[at].0,
            before_us: median(&pace[..at]),
            after_us: median(&pace[at..]),
        });
        // Medians are the same for several places; of these the one that parts the seconds best.
        let size = |it: &Self| it.fold().ln().abs();
        let strays = |it: &Self| {
            let (before, after) =
                pace.split_at(pace.partition_point(|(at, _)| *at < it.at_seconds));
            away(before, it.before_us) + away(after, it.after_us)
        };
        steps.max_by(|one, other| {
            let larger = size(one).total_cmp(&size(other));
            larger.then_with(|| strays(other).total_cmp(&strays(one)))
        })
    }

    pub fn fold(&self) -> f64 {
        self.after_us / self.before_us.max(1.0)
    }
}

fn median(pace: &[(f64, f64)]) -> f64 {
    let mut values: Vec<f64> = pace.iter().map(|it| it.1).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How far all together are from `middle`.
fn away(pace: &[(f64, f64)], middle: f64) -> f64 {
    pace.iter().map(|(_, value)| (value - middle).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(of: impl Fn(u32) -> f64) -> Vec<(f64, f64)> {
        (0..40).map(|at| (f64::from(at), of(at))).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let seconds = pace(|at| if at < 25 { 1_000.0 } else { 3_000.0 });

        let step = Step::largest(&seconds).unwrap();

        assert_eq!(step.at_seconds, 25.0);
        assert!((step.fold() - 3.0).abs() < 0.01, "{step:?}");
    }

    #[test]
    fn single_bad_seconds_are_no_step() {
        let seconds = pace(|at| if at % 10 == 3 { 90_000.0 } else { 1_000.0 });

        let step = Step::largest(&seconds).unwrap();

        assert_eq!(step.fold(), 1.0, "{step:?}");
    }

    #[test]
    fn of_a_few_seconds_nothing_is_said() {
        assert_eq!(Step::largest(&[(0.0, 1.0); 7]), None);
    }
}

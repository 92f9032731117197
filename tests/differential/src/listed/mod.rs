//! Every difference from Kafka 4.1.1 that is meant, with its reason. A difference that is not
//! here fails the run; so does a line here that no longer occurs. The first line that fits counts.
//!
//! A line names its field and both values as the comparison shows them, so that whatever else
//! changes in the same reply is seen.

mod cluster;
mod configs;
mod dynamic_configs;
mod fetch;
mod produce;

use crate::compare::{Difference, fits};

/// Differences with one reason: each of them occurs in each of the steps. Texts are patterns, in
/// which `*` stands for anything.
pub struct Listed {
    api: &'static str,
    /// Each is `case/step`.
    steps: &'static [&'static str],
    /// Each is a field, Kafka's value and ours.
    differences: &'static [[&'static str; 3]],
    why: &'static str,
}

impl Listed {
    /// What is listed as one here, one by one.
    fn lines(&'static self) -> impl Iterator<Item = Line> {
        let line = move |step| {
            move |[path, kafka, ours]: &[&'static str; 3]| Line {
                api: self.api,
                step,
                path,
                kafka,
                ours,
                why: self.why,
            }
        };
        let steps = self.steps.iter();
        steps.flat_map(move |step| self.differences.iter().map(line(step)))
    }
}

/// A field that differs in a step.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub api: &'static str,
    pub step: &'static str,
    pub path: &'static str,
    pub kafka: &'static str,
    pub ours: &'static str,
    pub why: &'static str,
}

impl Line {
    pub fn covers(&self, found: &Difference) -> bool {
        fits(self.api, &found.api)
            && fits(self.step, &format!("{}/{}", found.case, found.step))
            && fits(self.path, &found.path)
            && fits(self.kafka, &found.kafka)
            && fits(self.ours, &found.ours)
    }
}

const fn listed(
    api: &'static str,
    steps: &'static [&'static str],
    differences: &'static [[&'static str; 3]],
    why: &'static str,
) -> Listed {
    let mut at = 0;
    while at < differences.len() {
        let [_, kafka, ours] = differences[at];
        assert!(
            !is_any(kafka) || !is_any(ours),
            "say which values differ, or `varying`"
        );
        at += 1;
    }
    varying(api, steps, differences, why)
}

/// Only the fields can be named: the values are others in each run.
const fn varying(
    api: &'static str,
    steps: &'static [&'static str],
    differences: &'static [[&'static str; 3]],
    why: &'static str,
) -> Listed {
    let mut at = 0;
    while at < differences.len() {
        assert!(!is_any(differences[at][0]), "say which field differs");
        at += 1;
    }
    Listed {
        api,
        steps,
        differences,
        why,
    }
}

const fn is_any(pattern: &str) -> bool {
    matches!(pattern.as_bytes(), b"*")
}

/// Not meant: to be mended, each with what is missing.
const NOT_YET: &[Listed] = &[];

/// All lines, those that are meant first.
pub fn lines() -> impl Iterator<Item = Line> {
    let groups = [
        cluster::LISTED,
        configs::LISTED,
        dynamic_configs::LISTED,
        produce::LISTED,
        fetch::LISTED,
        NOT_YET,
    ];
    groups.into_iter().flatten().flat_map(Listed::lines)
}

/// Whether some line covers it.
pub fn is_listed(found: &Difference) -> bool {
    lines().any(|line| line.covers(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_differences_are_taken_each_with_each() {
        static PAIR: Listed = listed(
            "A",
            &["c/1", "c/2"],
            &[["f", "0", "1"], ["g", "0", "1"]],
            "w",
        );

        let lines = PAIR
            .lines()
            .map(|line| format!("{} {}", line.step, line.path));

        let lines: Vec<String> = lines.collect();
        assert_eq!(lines, ["c/1 f", "c/1 g", "c/2 f", "c/2 g"]);
    }
}

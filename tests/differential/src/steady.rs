//! Kafka does not always say the same: a coordinator that is loading still, say, answers otherwise
//! a moment later. What differs and is not listed is played again. If Kafka then answers otherwise
//! than before, its later answers count; ours must stay what they were. All of it is printed.

use crate::broker::Broker;
use crate::compare::{Place, compare};
use crate::listed::is_listed;
use crate::scripts::{Performance, Plan, play_again};

const TAKES: u32 = 3;

pub fn settle(plan: &Plan, brokers: [&Broker; 2], now: i64, results: &mut [[Performance; 2]]) {
    for (scene, result) in plan.scenes.iter().zip(results) {
        let place = scene.place();
        for take in 1..=TAKES {
            if is_settled(&place, result) {
                break;
            }
            let again = play_again(scene, brokers, now, take);
            match judge(&place, result, &again) {
                Verdict::KafkaChanged => *result = again,
                Verdict::Stands(words) => {
                    println!(
                        "AGAIN    {} {} {}: {words}",
                        place.api, place.version, place.case
                    );
                    break;
                }
            }
            println!(
                "AGAIN    {} {} {}: Kafka answers otherwise than before, and that counts",
                place.api, place.version, place.case
            );
        }
    }
}

fn is_settled(place: &Place, [kafka, ours]: &[Performance; 2]) -> bool {
    let found = compare(place, &kafka.steps, &ours.steps);
    kafka.failed.is_none() && found.iter().all(is_listed)
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Kafka contradicts itself, and we do not.
    KafkaChanged,
    /// The first result is what is reported.
    Stands(&'static str),
}

fn judge(place: &Place, first: &[Performance; 2], again: &[Performance; 2]) -> Verdict {
    let changed = |side: usize| {
        let (first, again) = (&first[side], &again[side]);
        first.failed.is_some() != again.failed.is_some()
            || !compare(place, &first.steps, &again.steps).is_empty()
    };
    match (changed(0), changed(1)) {
        (true, false) => Verdict::KafkaChanged,
        (true, true) => Verdict::Stands("both answer otherwise than before"),
        (false, true) => Verdict::Stands("Thalweg answers otherwise than before"),
        (false, false) => Verdict::Stands("both answer the same again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Answer, Step};
    use crate::tree::Node;

    fn performance(code: &str) -> Performance {
        let step = Step {
            label: "asked".into(),
            answer: Answer::Reply(Node::parse(&format!("R {{ error_code: {code} }}"))),
            layout: None,
        };
        Performance {
            steps: vec![step],
            failed: None,
        }
    }

    fn check(first: [&str; 2], again: [&str; 2], expected: Verdict) {
        let place = Place {
            api: "JoinGroup".into(),
            version: 4,
            case: "case".into(),
        };
        let verdict = judge(&place, &first.map(performance), &again.map(performance));
        assert_eq!(verdict, expected, "{first:?} then {again:?}");
    }

    #[test]
    fn only_a_change_of_kafkas_alone_counts() {
        check(["14", "0"], ["0", "0"], Verdict::KafkaChanged);
        check(
            ["0", "14"],
            ["0", "0"],
            Verdict::Stands("Thalweg answers otherwise than before"),
        );
        check(
            ["14", "5"],
            ["0", "0"],
            Verdict::Stands("both answer otherwise than before"),
        );
        check(
            ["14", "0"],
            ["14", "0"],
            Verdict::Stands("both answer the same again"),
        );
    }
}

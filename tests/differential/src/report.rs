//! The verdict: differences that nobody meant, and listed ones that no longer occur.

use crate::compare::{Difference, Place, compare};
use crate::listed::lines;
use crate::run::{Answer, Step};
use crate::scripts::{Performance, Plan};
use crate::words;

/// A whole run plays at least so many scripts, a case at a version each.
const SCRIPTS_MIN: usize = 400;

pub struct Report {
    /// All scripts were run, so that every listed difference must have occurred.
    pub whole: bool,
    pub show_listed: bool,
    pub show_answers: bool,
}

impl Report {
    /// Whether all is well.
    pub fn print(&self, plan: &Plan, results: &[[Performance; 2]]) -> bool {
        let mut occurred = vec![0; lines().count()];
        let (mut steps, mut unlisted, mut failed, mut wordless) = (0, 0, 0, 0);
        for (scene, [kafka, ours]) in plan.scenes.iter().zip(results) {
            let place = scene.place();
            for (side, performance) in [("Kafka", kafka), ("Thalweg", ours)] {
                if let Some(why) = &performance.failed {
                    println!("FAILED   {} on {side}: {why}", named(&place));
                    failed += 1;
                }
            }
            steps += kafka.steps.len().max(ours.steps.len());
            if self.show_answers {
                show(&place, kafka, ours);
            }
            for found in compare(&place, &kafka.steps, &ours.steps) {
                unlisted += usize::from(!self.judge(&found, &mut occurred));
            }
            wordless += wordless_of(&place, &ours.steps);
        }
        let gone = if self.whole { gone(&occurred) } else { 0 };
        for api in &plan.missing {
            println!("skipped  {api}: not advertised by both");
        }
        for name in &plan.unasked {
            println!("UNASKED  {name}: advertised by both, and no script asks it");
        }
        println!(
            "differential: {} scripts, {steps} requests; {} listed differences, {unlisted} not \
             listed, {gone} listed but gone, {wordless} errors without words or words without an \
             error, {failed} scripts failed",
            plan.scenes.len(),
            occurred.iter().sum::<usize>(),
        );
        let few = self.whole && plan.scenes.len() < SCRIPTS_MIN;
        if few {
            println!("TOO FEW  a whole run has at least {SCRIPTS_MIN} scripts");
        }
        unlisted == 0
            && gone == 0
            && wordless == 0
            && failed == 0
            && !few
            && plan.unasked.is_empty()
    }

    /// Whether it is listed.
    fn judge(&self, found: &Difference, occurred: &mut [usize]) -> bool {
        let mut known = false;
        for (line, count) in lines().zip(occurred) {
            if line.covers(found) {
                *count += 1;
                known = true;
                if self.show_listed {
                    println!("listed   {found}\n         because {}", line.why);
                }
                break;
            }
        }
        if !known {
            println!("UNLISTED {found}");
        }
        known
    }
}

fn gone(occurred: &[usize]) -> usize {
    let never = lines().zip(occurred).filter(|(_, count)| **count == 0);
    let mut gone = 0;
    for (line, _) in never {
        println!(
            "GONE     {} {}: {}: kafka {}, thalweg {}: {}",
            line.api, line.step, line.path, line.kafka, line.ours, line.why
        );
        gone += 1;
    }
    gone
}

fn wordless_of(place: &Place, ours: &[Step]) -> usize {
    let mut count = 0;
    for step in ours {
        let (Answer::Reply(reply), Some(layout)) = (&step.answer, step.layout) else {
            continue;
        };
        for offence in words::offences(layout, reply) {
            println!("WORDS    {}/{}: {offence}", named(place), step.label);
            count += 1;
        }
    }
    count
}

fn show(place: &Place, kafka: &Performance, ours: &Performance) {
    println!("script   {}", named(place));
    for (side, performance) in [("kafka", kafka), ("thalweg", ours)] {
        for step in &performance.steps {
            println!("  {side:8} {}: {:?}", step.label, step.answer);
        }
    }
}

fn named(place: &Place) -> String {
    format!("{} {} {}", place.api, place.version, place.case)
}

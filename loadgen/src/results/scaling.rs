//! The chart of partitions among the results, and its figures as text and as JSON.

use std::fmt::Write;

use thalweg::load::Outcome;

use super::{Party, ResultsArguments, SCALING, SECONDS_EACH, write_text};
use crate::contenders::Contender;
use crate::limits::Bounds;
use crate::plot::{Formats, draw_scaling};
use crate::report::Report;
use crate::runs::{self, origin};
use crate::scale::{Point, Race, SHAPE, describe};

impl ResultsArguments {
    /// How many runs do not hold; they have no point, and the text says which.
    pub(super) fn scaling(&self, contenders: &mut [Contender]) -> Result<usize, String> {
        let base = self.settings(SHAPE)?;
        let race = Race {
            steps: &self.steps,
            rivals_up_to: 4_000,
            base: &base,
        };
        // One run each: the flushed rival has no place in a chart of partitions.
        let unflushed = contenders
            .iter()
            .filter(|it| Party::Unflushed.has(&it.name));
        let count = unflushed.count();
        let some = &mut contenders[..count];
        let before = self.field.measure(SECONDS_EACH)?;
        let curves = race.run(some)?;
        let machine = Bounds::of(before, self.field.measure(SECONDS_EACH)?);
        for contender in &mut *some {
            contender.hold_against(machine.marks);
        }
        let rounds = some.iter_mut().map(|it| std::mem::take(&mut it.rounds));
        let runs: Vec<(Report, Outcome)> = rounds.flatten().flatten().collect();
        let outcomes: Vec<&Outcome> = runs.iter().map(|it| &it.1).collect();
        let reports: Vec<Report> = runs.iter().map(|it| it.0.clone()).collect();
        let session = runs::Session {
            settings: &base,
            reports: &reports,
            outcomes: &outcomes,
            machine: Some(&machine),
            points: &Point::of(&curves),
            troubles: &[],
        };
        self.write_figures(SCALING, &session)?;
        let mut said = format!("{}\n{}", origin(), describe(&curves));
        let mut failed = 0;
        for report in reports.iter().filter(|it| !it.holds()) {
            failed += 1;
            let _ = write!(said, "a run does not hold:\n{}", report.table());
        }
        // The chart's name gets `-scaling` added.
        draw_scaling(&self.out.join("partitions"), Formats::Svg, curves)?;
        write_text(&self.out.join(format!("{SCALING}.txt")), &said)?;
        Ok(failed)
    }
}

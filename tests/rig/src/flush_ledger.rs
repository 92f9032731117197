//! The flush ledger: no acknowledgement without a flush of its own.
//!
//! The data lies on a loop device that nobody else uses, so that its count of flushes is the
//! broker's. With one request in flight there must be at least as many flushes as answers.

use std::fs;

use thalweg::base::random::Random;

use crate::broker::Recipe;
use crate::campaign::Failure;
use crate::load::Writer;
use crate::power::PowerRig;

const TOPIC: &str = "flushes";
/// Which number in /sys/block/*/stat, from 0: flush requests completed.
const FLUSHES: usize = 15;

/// Sends so many batches, one at a time; the summary in words.
pub fn run(
    rig: &mut PowerRig,
    recipe: &Recipe,
    batches: u64,
    seed: u64,
) -> Result<String, Failure> {
    let dir = rig.power_on().map_err(Failure::Trial)?.join("broker");
    let device = rig.device().ok_or("no loop device").map_err(trial)?;
    let stat = format!("/sys/block/{device}/stat");
    let mut broker = recipe.start(&dir, 2).map_err(Failure::Trial)?;
    let mut connection = broker.wait_ready(TOPIC, 1).map_err(Failure::Trial)?;
    let mut writer = Writer::new(0, 0, false, Random::with_seed(seed));
    let before = flushes(&stat)?;
    let mut flushed = 0;
    for answered in 1..=batches {
        let sent = writer.send_one(&mut connection);
        sent.map_err(|e| Failure::Verdict(format!("batch {answered}: {e}")))?;
        flushed = flushes(&stat)? - before;
        if flushed < answered {
            return Err(Failure::Broken(format!(
                "{answered} batches acknowledged one after the other, after {flushed} flushes"
            )));
        }
    }
    broker.stop().map_err(Failure::Verdict)?;
    rig.take_down().map_err(Failure::Trial)?;
    Ok(format!(
        "{batches} batches acknowledged one after the other, {flushed} flushes"
    ))
}

fn trial(what: impl ToString) -> Failure {
    Failure::Trial(what.to_string())
}

fn flushes(stat: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string(stat).map_err(|e| trial(format!("{stat}: {e}")))?;
    let number = text.split_whitespace().nth(FLUSHES);
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| trial(format!("{stat}: no count of flushes")))
}

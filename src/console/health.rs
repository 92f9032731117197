//! Whether the broker can serve, and what is missing.

use crate::base::{Reading, ReadingValue, ShardId};
use crate::runtime::real::ShardPhase;

/// The reading that tells of a failed disk, by its name.
const FAILED: &str = "thalweg_journal_failed";

/// A sentence for each shard that does not serve.
pub(super) fn missing(
    shards: impl Iterator<Item = (ShardId, ShardPhase, Vec<Reading>)>,
) -> Vec<String> {
    shards
        .filter_map(|(id, phase, readings)| Some(format!("shard {id}: {}", why(phase, &readings)?)))
        .collect()
}

fn why(phase: ShardPhase, readings: &[Reading]) -> Option<String> {
    match phase {
        ShardPhase::Boots(percent) => Some(format!("starting, {percent} % of its journal read")),
        ShardPhase::Stops => Some("stopping".to_owned()),
        ShardPhase::Serves if has_failed(readings) => Some(
            "its disk has failed; its partitions have no leader until the broker is restarted"
                .to_owned(),
        ),
        ShardPhase::Serves => None,
    }
}

fn has_failed(readings: &[Reading]) -> bool {
    readings.iter().any(|reading| {
        reading.metric.name == FAILED && matches!(reading.value, ReadingValue::Whole(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Metric;

    static FAILED_METRIC: Metric = Metric::gauge(FAILED, "");

    #[test]
    fn every_shard_that_does_not_serve_is_named_with_its_reason() {
        let failed = |value| vec![Reading::whole(&FAILED_METRIC, value)];
        let shards = [
            (ShardId(0), ShardPhase::Boots(40), vec![]),
            (ShardId(1), ShardPhase::Serves, failed(0)),
            (ShardId(2), ShardPhase::Serves, failed(1)),
            (ShardId(3), ShardPhase::Stops, failed(0)),
        ];

        let words = missing(shards.into_iter()).join("; ");

        assert!(words.contains("shard 0: starting, 40 %"), "{words}");
        assert!(!words.contains("shard 1"), "{words}");
        assert!(words.contains("shard 2: its disk has failed"), "{words}");
        assert!(words.contains("shard 3: stopping"), "{words}");
    }
}

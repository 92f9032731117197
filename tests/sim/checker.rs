//! What must not be, judged over a whole run.

use std::collections::{BTreeMap, BTreeSet};

use thalweg::base::Ticks;

use super::history::{History, Outcome, Tp};
use super::value::ValueId;

/// Judges the history after everything was read back: `ends` are the partitions' ends, `start`s
/// are 0 everywhere, for nothing expires in these runs. Offsets in `harmed` could not be read, and
/// the broker said so; that is allowed only where the medium was harmed.
pub fn judge(history: &mut History, ends: &BTreeMap<Tp, i64>, harmed: &BTreeSet<(Tp, i64)>) {
    let mut found = Vec::new();
    let empty = BTreeMap::new();
    for (tp, end) in ends {
        let seen = history.seen.get(tp).unwrap_or(&empty);
        holes(*tp, *end, seen, harmed, &mut found);
        twice(*tp, seen, &mut found);
        producer_order(*tp, seen, history, &mut found);
        real_time_order(*tp, seen, history, &mut found);
    }
    lost(history, ends, harmed, &mut found);
    found.into_iter().for_each(|what| history.violate(what));
}

fn holes(
    tp: Tp,
    end: i64,
    seen: &BTreeMap<i64, ValueId>,
    harmed: &BTreeSet<(Tp, i64)>,
    found: &mut Vec<String>,
) {
    let hole =
        (0..end).find(|offset| !seen.contains_key(offset) && !harmed.contains(&(tp, *offset)));
    if let Some(offset) = hole {
        found.push(format!(
            "{tp:?} has nothing at offset {offset}, and ends at {end}"
        ));
    }
    if let Some((offset, id)) = seen.range(end..).next() {
        found.push(format!(
            "{id:?} was read at {tp:?} {offset}, now past the end {end}"
        ));
    }
}

/// No record is sent again but by idempotent producers, so none may be there twice.
fn twice(tp: Tp, seen: &BTreeMap<i64, ValueId>, found: &mut Vec<String>) {
    let mut places = BTreeMap::new();
    for (offset, id) in seen {
        if let Some(earlier) = places.insert(*id, *offset) {
            found.push(format!(
                "duplicate: {id:?} at {tp:?} {earlier} and {offset}"
            ));
        }
    }
}

fn producer_order(
    tp: Tp,
    seen: &BTreeMap<i64, ValueId>,
    history: &History,
    found: &mut Vec<String>,
) {
    let mut last: BTreeMap<(u32, u64), u32> = BTreeMap::new();
    for (offset, id) in seen {
        let Some(written) = history.written.get(id) else {
            continue;
        };
        let earlier = last.insert(written.lane, id.number);
        if let Some(earlier) = earlier.filter(|earlier| *earlier > id.number) {
            found.push(format!(
                "producer order broken in {tp:?}: {id:?} at {offset} follows number {earlier}"
            ));
        }
    }
}

/// Acknowledged before the other was sent, and yet behind it.
fn real_time_order(
    tp: Tp,
    seen: &BTreeMap<i64, ValueId>,
    history: &History,
    found: &mut Vec<String>,
) {
    let mut earliest: Option<(Ticks, ValueId)> = None;
    for (offset, id) in seen.iter().rev() {
        let Some(written) = history.written.get(id) else {
            continue;
        };
        if let Some((at, later)) = earliest.filter(|(at, _)| *at < written.sent) {
            found.push(format!(
                "real-time order broken in {tp:?}: {id:?} at {offset} was sent at {:?}, after \
                 {later:?}, which is behind it, was acknowledged at {at:?}",
                written.sent
            ));
        }
        if let Outcome::Acked { at } = written.outcome {
            let is_earlier = earliest.is_none_or(|(earliest, _)| at < earliest);
            earliest = if is_earlier {
                Some((at, *id))
            } else {
                earliest
            };
        }
    }
}

fn lost(
    history: &History,
    ends: &BTreeMap<Tp, i64>,
    harmed: &BTreeSet<(Tp, i64)>,
    found: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for ids in history.seen.values() {
        seen.extend(ids.values().copied());
    }
    let harmed_ids: BTreeSet<ValueId> = harmed
        .iter()
        .filter_map(|(tp, offset)| history.acked.get(tp)?.get(offset).copied())
        .collect();
    for (id, written) in &history.written {
        let is_acked = matches!(written.outcome, Outcome::Acked { .. });
        if !is_acked || seen.contains(id) || !ends.contains_key(&written.tp) {
            continue;
        }
        if !harmed_ids.contains(id) {
            let tp = written.tp;
            found.push(format!(
                "lost: {id:?} was acknowledged in {tp:?} and is not there"
            ));
        }
    }
}

//! What must not be, judged over a whole run.

use std::collections::{BTreeMap, BTreeSet};

use thalweg::base::Ticks;

use super::harm::{Claim, Explained};
use super::history::{History, Outcome, Tp};
use super::value::ValueId;

/// Judges the history after everything was read back: `ends` are the partitions' ends, `start`s
/// are 0 everywhere, for nothing expires in these runs. Ranges in `harmed` could not be read, and
/// the broker said so; that is allowed only for records whose own bytes were harmed.
pub fn judge(
    history: &mut History,
    ends: &BTreeMap<Tp, i64>,
    harmed: &Harmed,
    explained: &Explained,
) {
    let mut found = Vec::new();
    let mut claims = Vec::new();
    let empty = BTreeMap::new();
    for (tp, end) in ends {
        let seen = history.seen.get(tp).unwrap_or(&empty);
        holes(*tp, *end, seen, harmed, &mut found);
        past_end(*tp, *end, seen, &mut claims);
        twice(*tp, seen, &mut claims);
        producer_order(*tp, seen, history, &mut found);
        real_time_order(*tp, seen, history, &mut found);
    }
    unreadable(history, harmed, explained, &mut found);
    lost(history, ends, harmed, &mut claims);
    found.into_iter().for_each(|what| history.violate(what));
    let claims = claims.into_iter();
    claims.for_each(|(claim, what)| history.claim(claim, what));
}

/// Ranges of offsets by their first, with their ends.
pub type Harmed = BTreeMap<(Tp, i64), i64>;

/// Where the harmed ranges that cover `offset` end, if any do.
fn harmed_to(harmed: &Harmed, tp: Tp, mut offset: i64) -> Option<i64> {
    let mut reached = None;
    while let Some((_, end)) = harmed
        .range((tp, 0)..=(tp, offset))
        .next_back()
        .filter(|(_, end)| **end > offset)
    {
        offset = *end;
        reached = Some(offset);
    }
    reached
}

fn holes(
    tp: Tp,
    end: i64,
    seen: &BTreeMap<i64, ValueId>,
    harmed: &Harmed,
    found: &mut Vec<String>,
) {
    let mut offset = harmed_to(harmed, tp, 0).unwrap_or(0);
    while seen.contains_key(&offset) {
        offset += 1;
        offset = harmed_to(harmed, tp, offset).unwrap_or(offset);
    }
    if offset < end {
        found.push(format!(
            "{tp:?} has nothing at offset {offset}, and ends at {end}"
        ));
    }
}

type Claims = Vec<(Claim, String)>;

fn past_end(tp: Tp, end: i64, seen: &BTreeMap<i64, ValueId>, claims: &mut Claims) {
    if let Some((offset, id)) = seen.range(end..).next() {
        let what = format!("{id:?} was read at {tp:?} {offset}, now past the end {end}");
        claims.push((Claim::Record(tp, *offset), what));
    }
}

/// No record is sent again but by idempotent producers, so none may be there twice.
fn twice(tp: Tp, seen: &BTreeMap<i64, ValueId>, claims: &mut Claims) {
    let mut places = BTreeMap::new();
    for (offset, id) in seen {
        if let Some(earlier) = places.insert(*id, *offset) {
            let what = format!("duplicate: {id:?} at {tp:?} {earlier} and {offset}");
            claims.push((Claim::Producers(tp), what));
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

/// What was acknowledged or read once can be read, unless its own bytes were harmed.
fn unreadable(history: &History, harmed: &Harmed, explained: &Explained, found: &mut Vec<String>) {
    for ((tp, from), to) in harmed.iter().filter(|it| !history.is_doomed(it.0.0)) {
        let known = history.known_from(*tp, *from);
        if let Some(offset) = known.filter(|it| it < to && !explained.is_harmed(*tp, *it)) {
            found.push(format!(
                "{tp:?} {offset} can not be read, though nothing has harmed it"
            ));
        }
    }
}

fn lost(history: &History, ends: &BTreeMap<Tp, i64>, harmed: &Harmed, claims: &mut Claims) {
    let mut seen = BTreeSet::new();
    for ids in history.seen.values() {
        seen.extend(ids.values().copied());
    }
    let harmed_ids: BTreeSet<ValueId> = harmed
        .iter()
        .flat_map(|((tp, from), to)| history.acked.get(tp).map(|ids| ids.range(*from..*to)))
        .flatten()
        .map(|(_, id)| *id)
        .collect();
    for (id, written) in &history.written {
        let is_acked = matches!(written.outcome, Outcome::Acked { .. });
        if !is_acked || seen.contains(id) || !ends.contains_key(&written.tp) {
            continue;
        }
        if !harmed_ids.contains(id) {
            let tp = written.tp;
            let acked = history.acked.get(&tp).into_iter().flatten();
            let mut place = acked.filter(|(_, known)| *known == id).map(|it| *it.0);
            let what = format!("lost: {id:?} was acknowledged in {tp:?} and is not there");
            // No harm explains the loss of what has no offset.
            let offset = place.next_back().unwrap_or(-1);
            claims.push((Claim::Record(tp, offset), what));
        }
    }
}

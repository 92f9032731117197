//! Offsets that nobody wants any more (KIP-211).

use super::ask::Place;
use super::context::{After, Context};
use super::group::{Group, State};
use super::records::Committed;
use crate::base::WallMs;

impl Group {
    /// Gives up the offsets whose time is over at `now`, and the group with them if nothing else
    /// is left of it.
    pub fn expire(&mut self, now: WallMs, cx: &mut Context<'_>) {
        let places = self.offsets.settled_from(None);
        let over = places.filter(|(place, committed)| self.is_over(place, committed, now, cx));
        let over: Vec<Place> = over.map(|(place, _)| place).collect();
        let all = over.len() == self.offsets.places().len();
        if all && self.state == State::Empty && self.invited.is_empty() && self.is_visible() {
            return self.delete(None, cx);
        }
        if !over.is_empty() {
            self.stage(self.tombstones(over), After::Nothing, cx);
        }
    }

    fn is_over(&self, place: &Place, committed: &Committed, now: WallMs, cx: &Context<'_>) -> bool {
        if let Some(expires) = committed.expires {
            return self.counts_from(place, committed).is_some() && now >= expires;
        }
        let allowed = cx.config.offsets_retention_ms;
        let from = self.counts_from(place, committed);
        from.is_some_and(|from| now.0.saturating_sub(from.0) >= allowed)
    }

    /// Since when an offset has been of no use, if it may be: since the group has been empty; since
    /// the commit, for topics that a stable group is not subscribed to and for consumers that only
    /// keep their offsets here.
    fn counts_from(&self, place: &Place, committed: &Committed) -> Option<WallMs> {
        if self.protocol_type.is_none() {
            return Some(committed.at);
        }
        match (self.state, &self.topics) {
            (State::Empty, _) => Some(self.since.unwrap_or(committed.at)),
            (State::Stable, Some(topics)) if self.uses_consumer_protocol() => {
                (!topics.contains(&place.0)).then_some(committed.at)
            }
            _ => None,
        }
    }
}

//! Fetch sessions that are told of changes: each stream once, until it is watched again.

use std::collections::BTreeSet;

use super::offset::WatchToken;
use super::streams::{NumberMap, StreamMap};
use crate::journal::StreamId;

/// All watches of a shard.
///
/// A watch ends with the change that it is told of: a session asks about the stream then, and
/// watches it again in that step. So a change costs something only where somebody has seen all
/// that came before it.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Who watches a stream; a stream that nobody watches is not in it.
    by_stream: StreamMap<Vec<WatchToken>>,
    by_token: NumberMap<WatchToken, BTreeSet<StreamId>>,
    /// Changed, not yet told.
    changed: Vec<(WatchToken, StreamId)>,
}

impl Watches {
    /// Tells `token` of the next change of `stream`. Watching twice is watching once.
    pub fn watch(&mut self, token: WatchToken, stream: StreamId) {
        if self.by_token.entry(token).or_default().insert(stream) {
            self.by_stream.entry(stream).or_default().push(token);
        }
    }

    pub fn end(&mut self, token: WatchToken, stream: StreamId) {
        let Some(streams) = self.by_token.get_mut(&token) else {
            return;
        };
        if !streams.remove(&stream) {
            return;
        }
        if streams.is_empty() {
            self.by_token.remove(&token);
        }
        if let Some(tokens) = self.by_stream.get_mut(&stream) {
            tokens.retain(|other| *other != token);
            if tokens.is_empty() {
                self.by_stream.remove(&stream);
            }
        }
    }

    /// The session is over.
    pub fn end_all(&mut self, token: WatchToken) {
        for stream in self.by_token.remove(&token).unwrap_or_default() {
            if let Some(tokens) = self.by_stream.get_mut(&stream) {
                tokens.retain(|other| *other != token);
                if tokens.is_empty() {
                    self.by_stream.remove(&stream);
                }
            }
        }
    }

    /// Something about `stream` is no longer what it was: its end, its start, its leader.
    pub fn changed(&mut self, stream: StreamId) {
        let Some(tokens) = self.by_stream.remove(&stream) else {
            return;
        };
        for token in tokens {
            if let Some(streams) = self.by_token.get_mut(&token) {
                streams.remove(&stream);
                if streams.is_empty() {
                    self.by_token.remove(&token);
                }
            }
            self.changed.push((token, stream));
        }
    }

    /// Moves what changed to `out`.
    pub fn take_changed(&mut self, out: &mut Vec<(WatchToken, StreamId)>) {
        out.append(&mut self.changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: WatchToken = WatchToken(1);
    const TWO: WatchToken = WatchToken(2);
    const A: StreamId = StreamId(20);
    const B: StreamId = StreamId(21);

    fn changed(watches: &mut Watches) -> Vec<(WatchToken, StreamId)> {
        let mut out = Vec::new();
        watches.take_changed(&mut out);
        out
    }

    #[test]
    fn a_watch_is_told_once_and_again_only_after_it_was_renewed() {
        let mut watches = Watches::default();
        watches.watch(ONE, A);
        watches.watch(ONE, A);
        watches.watch(TWO, A);

        watches.changed(A);
        watches.changed(A);
        watches.changed(B);

        assert_eq!(changed(&mut watches), [(ONE, A), (TWO, A)]);
        watches.watch(TWO, A);
        watches.changed(A);
        assert_eq!(changed(&mut watches), [(TWO, A)]);
    }

    #[test]
    fn what_ended_is_told_of_nothing_and_leaves_nothing_behind() {
        let mut watches = Watches::default();
        for stream in [A, B] {
            watches.watch(ONE, stream);
            watches.watch(TWO, stream);
        }

        watches.end_all(ONE);
        watches.end(TWO, A);
        watches.changed(A);
        watches.changed(B);

        assert_eq!(changed(&mut watches), [(TWO, B)]);
        assert!(watches.by_stream.is_empty());
        assert!(watches.by_token.is_empty());
    }
}

//! Whether a core that has nothing to do stays awake for what may come.
//!
//! To be woken costs a core tens of microseconds, and a produce that is alone wakes it twice: with
//! the request, and when the device has written. A core that stays awake spares them, and spends
//! processor time that clients on the same machine, or the kernel's workers, may have a use for. So
//! it does so only where it has paid: what it waits for has mostly come within the time that it
//! would stay awake, and nobody else wanted the processor. An idle broker's waits are long, and it
//! sleeps at once.
//!
//! A kernel's worker that gets the processor has it for microseconds; whoever computes has it up to
//! the next tick of the scheduler (4 ms), because it was given away, where a core that sleeps and
//! is woken takes it back. So what was lost is lost once in a thousand times as long.
//!
//! 2026-11-30, 2 cores of an Intel Xeon, `benches/produce_path.rs`, with 100 us, with none and with
//! 100 us again: one batch in flight takes, at p50, 1.5, 1.7 and 1.6 times a bare write and flush.
//! Full speed costs the same with and without; without these rules it cost 0.80 to 0.87 processor
//! seconds per GB instead of 0.64 to 0.74.

use crate::base::{Span, Ticks};

/// What a core waits for. The two are learned apart: a device answers within tens of microseconds
/// whatever the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Small disk operations that are under way, or whatever comes before them.
    Device,
    /// Large ones: the kernel's workers want the processor for them.
    Workers,
    /// The clients and the other cores.
    Others,
}

/// A wait that was short counts one up, one that was long one down.
const SCORE_MAX: u8 = 7;
const SCORE_WORTH: u8 = 4;

/// Whoever had the processor for longer than this is no worker of the kernel's.
const WORKER_MAX: Span = Span::micros(200);

/// For so many times as long as the processor was lost, it is not offered again.
const RESTS_AFTER_LOSS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Patience {
    most: Span,
    device: u8,
    others: u8,
    /// Until then the core sleeps at once.
    sleeps_until: Ticks,
}

impl Patience {
    /// A core stays awake for `most` at the longest; zero: never.
    pub(super) fn new(most: Span) -> Self {
        Self {
            most,
            device: 0,
            others: 0,
            sleeps_until: Ticks(0),
        }
    }

    /// How long to stay awake; zero: sleep at once.
    pub(super) fn span(&self, wait: Wait, now: Ticks) -> Span {
        if now < self.sleeps_until {
            return Span(0);
        }
        let score = match wait {
            Wait::Device => self.device,
            Wait::Others => self.others,
            Wait::Workers => 0,
        };
        match score >= SCORE_WORTH {
            true => self.most,
            false => Span(0),
        }
    }

    /// Somebody else wanted the processor meanwhile, and had it for so long.
    pub(super) fn was_crowded(&mut self, now: Ticks, lost: Span) {
        if lost > WORKER_MAX {
            self.sleeps_until = now + Span(lost.0 * RESTS_AFTER_LOSS);
        }
        self.device = self.device.saturating_sub(SCORE_WORTH);
        self.others = self.others.saturating_sub(SCORE_WORTH);
    }

    /// A wait ended, awake or asleep.
    pub(super) fn learn(&mut self, wait: Wait, waited: Span) {
        let score = match wait {
            Wait::Device => &mut self.device,
            Wait::Others => &mut self.others,
            Wait::Workers => return,
        };
        *score = match waited <= self.most {
            true => (*score + 1).min(SCORE_MAX),
            false => score.saturating_sub(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Ticks = Ticks(1_000);
    const MOST: Span = Span::micros(100);
    const SHORT: Span = Span::micros(40);
    const LONG: Span = Span::micros(900);

    fn learned(waits: &[(Wait, Span)]) -> Patience {
        let mut patience = Patience::new(MOST);
        for (wait, span) in waits {
            patience.learn(*wait, *span);
        }
        patience
    }

    #[test]
    fn nothing_is_worth_it_before_it_has_been_seen() {
        let patience = Patience::new(MOST);
        for wait in [Wait::Device, Wait::Workers, Wait::Others] {
            assert_eq!(patience.span(wait, NOW), Span(0));
        }
    }

    #[test]
    fn a_core_stays_awake_for_what_came_soon() {
        let patience = learned(&[(Wait::Others, SHORT); 4]);
        assert_eq!(patience.span(Wait::Others, NOW), MOST);
        assert_eq!(patience.span(Wait::Device, NOW), Span(0));
    }

    #[test]
    fn a_device_is_waited_for_between_clients_that_take_their_time() {
        let patience = learned(&[(Wait::Device, SHORT), (Wait::Others, LONG)].repeat(8));
        assert_eq!(patience.span(Wait::Device, NOW), MOST);
        assert_eq!(patience.span(Wait::Others, NOW), Span(0));
    }

    #[test]
    fn one_late_answer_changes_nothing_and_several_do() {
        let mut patience = learned(&[(Wait::Device, SHORT); 20]);
        patience.learn(Wait::Device, LONG);
        assert_eq!(patience.span(Wait::Device, NOW), MOST);
        for _ in 0..3 {
            patience.learn(Wait::Device, LONG);
        }
        assert_eq!(patience.span(Wait::Device, NOW), Span(0));
    }

    #[test]
    fn whoever_wants_the_processor_ends_it_for_a_while() {
        let mut patience = learned(&[(Wait::Device, SHORT), (Wait::Others, SHORT)].repeat(20));
        patience.was_crowded(NOW, Span::micros(20));
        assert_eq!(patience.span(Wait::Device, NOW), Span(0));
        assert_eq!(patience.span(Wait::Others, NOW), Span(0));
        patience.learn(Wait::Device, SHORT);
        assert_eq!(patience.span(Wait::Device, NOW), MOST);
    }

    #[test]
    fn whoever_took_the_processor_for_long_does_not_get_it_again_soon() {
        let mut patience = learned(&[(Wait::Others, SHORT); 20]);
        patience.was_crowded(NOW, Span::millis(4));
        for _ in 0..20 {
            patience.learn(Wait::Others, SHORT);
        }
        let rested = NOW + Span::seconds(4);
        assert_eq!(patience.span(Wait::Others, Ticks(rested.0 - 1)), Span(0));
        assert_eq!(patience.span(Wait::Others, rested), MOST);
    }

    #[test]
    fn workers_get_the_processor_and_zero_never_stays_awake() {
        let patience = learned(&[(Wait::Workers, SHORT); 20]);
        assert_eq!(patience.span(Wait::Workers, NOW), Span(0));
        let mut never = Patience::new(Span(0));
        for _ in 0..20 {
            never.learn(Wait::Device, SHORT);
        }
        assert_eq!(never.span(Wait::Device, NOW), Span(0));
    }
}

//! The one timer of a machine: told once, not before its time, and the newest wish counts.

use super::{Rig, Script, Shape, no_client};
use crate::base::{Now, Span, Ticks};
use crate::runtime::disk::{DiskOp, Ticket};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Boot;

pub fn run(rig: &mut impl Rig) {
    starts_once_and_wakes_in_time(rig);
    each_wish_is_told_once_and_not_before_its_time(rig);
}

fn starts_once_and_wakes_in_time(rig: &mut impl Rig) {
    const WAIT: u64 = 20_000_000;
    let make = |_: Boot<'_>| {
        let mut began: Option<Ticks> = None;
        Script(
            move |now: Now, event, actions: &mut Actions<u64>| match event {
                Event::Started => {
                    assert!(began.is_none(), "started twice");
                    began = Some(now.ticks);
                    actions.wake_at = Some(Ticks(now.ticks.0 + 1_000 * WAIT));
                    // The newest wish counts.
                    actions.wake_at = Some(Ticks(now.ticks.0 + WAIT));
                }
                Event::Wake => {
                    let began = began.expect("started comes first");
                    let waited = now.ticks.since(began).0;
                    assert!(waited >= WAIT, "woken after {waited} ns instead of {WAIT}");
                    assert!(waited < 500 * WAIT, "the older wish was kept");
                    actions.stopped = Some(0);
                }
                other => panic!("nobody asked for {other:?}"),
            },
        )
    };

    let code = rig.run(Shape::ONE, make, no_client);

    assert_eq!(code, 0);
}

/// What a machine with a timer does, step by step.
struct Wishes {
    step: u32,
    /// The newest wish, and when it was said.
    wish: Option<(Ticks, Ticks)>,
    turns: u64,
}

impl Wishes {
    fn wish(&mut self, now: Now, after: Span, actions: &mut Actions<u64>) {
        let time = now.ticks + after;
        self.wish = Some((time, now.ticks));
        actions.wake_at = Some(time);
    }

    /// Something that ends soon and has nothing to do with time.
    fn turn(&mut self, actions: &mut Actions<u64>) {
        self.turns += 1;
        let ticket = Ticket(self.turns);
        actions.disk.push(DiskOp::Space { ticket });
    }

    fn started(&mut self, now: Now, actions: &mut Actions<u64>) {
        // For the past: at once.
        let time = Ticks(now.ticks.0 - 1);
        self.wish = Some((time, now.ticks));
        actions.wake_at = Some(time);
    }

    fn woken(&mut self, now: Now, actions: &mut Actions<u64>) {
        let (time, said) = self.wish.expect("nothing was wished");
        if now.ticks < time {
            // It was on its way when the wish was replaced.
            assert_eq!(now.ticks, said, "woken before {time:?}");
            return;
        }
        self.wish = None;
        self.step += 1;
        match self.step {
            1 => self.wish(now, Span::millis(3), actions),
            // Far away, and brought near by the next event.
            2 => {
                self.wish(now, Span::seconds(3_000), actions);
                self.turn(actions);
            }
            // Near, and perhaps put off by the next event.
            3 => {
                self.wish(now, Span::millis(2), actions);
                self.turn(actions);
            }
            // No wish any more, and so no wake.
            _ => self.turn(actions),
        }
    }

    fn turned(&mut self, now: Now, actions: &mut Actions<u64>) {
        match self.step {
            2 => self.wish(now, Span::millis(1), actions),
            3 => self.wish(now, Span::millis(20), actions),
            4..10 => {
                self.step += 1;
                self.turn(actions);
            }
            _ => actions.stopped = Some(0),
        }
    }
}

fn each_wish_is_told_once_and_not_before_its_time(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut wishes = Wishes {
            step: 0,
            wish: None,
            turns: 0,
        };
        Script(
            move |now: Now, event, actions: &mut Actions<u64>| match event {
                Event::Started => wishes.started(now, actions),
                Event::Wake => wishes.woken(now, actions),
                Event::Disk(_) => wishes.turned(now, actions),
                other => panic!("nobody asked for {other:?}"),
            },
        )
    };

    let code = rig.run(Shape::ONE, make, no_client);

    assert_eq!(code, 0);
}

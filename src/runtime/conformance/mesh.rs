//! Messages between shards.

use super::{Rig, Script, Shape, no_client, stops_on_request};
use crate::base::{Now, ShardId, Span, Ticks};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Boot;

/// Of two senders they are more than the real driver gathers at a time.
const MESSAGES: u64 = 2_500;
/// Says that a shard has seen all that it should.
const DONE: u64 = u64::MAX;

pub fn run(rig: &mut impl Rig) {
    for cores in 1..=3 {
        messages_of_one_sender_arrive_in_order(rig, cores);
        who_has_stopped_hears_nothing_more(rig, cores);
    }
}

fn messages_of_one_sender_arrive_in_order(rig: &mut impl Rig, cores: usize) {
    let shape = Shape { shards: 3, cores };
    let make = |boot: Boot<'_>| {
        let me = boot.shard;
        let others: Vec<ShardId> = boot
            .shards
            .iter()
            .copied()
            .filter(|other| *other != me)
            .collect();
        let mut next = [0_u64; 3];
        let mut done = 0;
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => {
                for number in 0..MESSAGES {
                    actions
                        .mesh
                        .extend(others.iter().map(|other| (*other, number)));
                }
                actions
                    .mesh
                    .extend(others.iter().map(|other| (*other, DONE)));
            }
            Event::Mesh { from, message } => {
                assert_ne!(from, me);
                let expected = &mut next[usize::from(from.0)];
                if message == DONE {
                    assert_eq!(*expected, MESSAGES);
                    done += 1;
                } else {
                    assert_eq!(message, *expected, "from {from} to {me}");
                    *expected += 1;
                }
                if done == others.len() {
                    actions.stopped = Some(0);
                }
            }
            other => panic!("nobody asked for {other:?}"),
        })
    };

    let code = rig.run(shape, make, no_client);

    assert_eq!(code, 0);
}

/// A shard that has wound up may have let go of everything, while others still talk to it.
fn who_has_stopped_hears_nothing_more(rig: &mut impl Rig, cores: usize) {
    let shape = Shape { shards: 2, cores };
    let make = |boot: Boot<'_>| {
        let is_first = boot.shard == ShardId(0);
        let mut stopped_at: Option<Ticks> = None;
        let mut words = 0;
        Script(move |now: Now, event, actions: &mut Actions<u64>| {
            // What had come by then belongs to the same turn.
            let turn = stopped_at.unwrap_or(now.ticks);
            assert_eq!(now.ticks, turn, "{event:?} after the end");
            match event {
                Event::Started if is_first => {
                    stopped_at = Some(now.ticks);
                    actions.stopped = Some(0);
                }
                Event::Started | Event::Wake if words < 5 => {
                    words += 1;
                    actions.mesh.push((ShardId(0), words));
                    actions.wake_at = Some(now.ticks + Span::millis(1));
                }
                Event::Wake => actions.stopped = Some(0),
                Event::Stop | Event::Mesh { .. } => {}
                other => panic!("nobody asked for {other:?}"),
            }
        })
    };

    let code = rig.run(shape, make, stops_on_request);

    assert_eq!(code, 0);
}

//! Messages between shards.

use super::{Rig, Script, Shape, no_client};
use crate::base::ShardId;
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Boot;

const MESSAGES: u64 = 2_000;
/// Says that a shard has seen all that it should.
const DONE: u64 = u64::MAX;

pub fn run(rig: &mut impl Rig) {
    for cores in 1..=3 {
        messages_of_one_sender_arrive_in_order(rig, cores);
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

//! What a driver drives.

use super::block::BlockPool;
use super::disk::Directory;
use super::event::{Actions, Event};
use crate::base::{Now, Reading, ShardId};

/// One shard: plain code that turns events into actions. It never waits, never reads a clock and
/// never draws a random number that it was not given, so that a simulator can run it.
pub trait Machine {
    /// What shards of this machine tell each other.
    type Message: std::marker::Send + 'static;

    /// Decides what follows from one event. Called for each event of a turn.
    fn handle(
        &mut self,
        now: Now,
        event: Event<Self::Message>,
        actions: &mut Actions<Self::Message>,
    );

    /// Called once after the events of a turn, before its actions are performed: the place to seal
    /// what has gathered, so that one write and one send serve the whole turn.
    fn end_turn(&mut self, now: Now, actions: &mut Actions<Self::Message>);

    /// Tells of itself in numbers, for people; asked a few times a second at most.
    fn readings(&self, _out: &mut Vec<Reading>) {}
}

/// What a machine is given to start from. While it boots, and only then, it may wait for its disk.
pub struct Boot<'a> {
    pub shard: ShardId,
    /// All shards of this process, this one included, in order.
    pub shards: &'a [ShardId],
    pub directory: &'a mut dyn Directory,
    /// Memory for groups, receives and reads.
    pub pool: BlockPool,
    pub now: Now,
    /// Fresh for every start; the simulator derives it from its own seed.
    pub seed: u64,
    /// Told how many of how many steps the boot has come, for people who wait.
    pub progress: &'a dyn Fn(u32, u32),
}

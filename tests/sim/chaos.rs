//! What befalls the process, its machine and its clients, and how the process comes back.

use thalweg::base::{ShardId, Span};
use thalweg::runtime::sim::SocketId;

use super::run::{HARM, Hide, RESTART, Run};
use super::swarm::Chaos;

/// A journal whose device works has flushed a relaxed record so long after it was acknowledged:
/// its second, a pause of the process, and a slow flush.
const RELAXED_FLUSHED_WITHIN: Span = Span::seconds(5);

/// Bits that turn unseen: most are of nothing that a client knows.
const UNSEEN_BITS: u64 = 40;

impl Run {
    pub(super) fn sockets(&self) -> Vec<SocketId> {
        let producers = self.producers.iter().filter_map(|p| p.line.socket);
        let readers = self.readers.iter().filter_map(|r| r.line.socket);
        producers.chain(readers).collect()
    }

    fn all_sockets(&self) -> Vec<SocketId> {
        let mut sockets = self.sockets();
        sockets.extend(self.admin.line.socket);
        sockets
    }

    fn some_socket(&mut self) -> Option<SocketId> {
        let sockets = self.sockets();
        let pick = self.random.below(sockets.len().max(1) as u64) as usize;
        sockets.get(pick).copied()
    }

    /// From now on this connection may owe its client something.
    fn disturb(&mut self, socket: SocketId) {
        for producer in &mut self.producers {
            producer.line.disturbed |= producer.line.socket == Some(socket);
        }
        for reader in &mut self.readers {
            reader.line.disturbed |= reader.line.socket == Some(socket);
        }
    }

    /// The process rests: nobody can be heard meanwhile.
    fn pause(&mut self, span: Span) {
        self.world.pause(span);
        let until = self.world.now() + span;
        self.admin.line.wait_until(until);
        for producer in &mut self.producers {
            producer.line.wait_until(until);
        }
        for reader in &mut self.readers {
            reader.line.wait_until(until);
        }
    }

    pub(super) fn befall(&mut self, chaos: Chaos) {
        if self.healed {
            return;
        }
        match chaos {
            Chaos::Kill => self.crash(false),
            Chaos::PowerCut => self.crash(true),
            Chaos::Stop if self.world.is_up() && !self.stopping => {
                self.stopping = true;
                self.world.stop();
            }
            Chaos::Stop => {}
            Chaos::Pause(span) => self.pause(span),
            Chaos::ClockJump(milliseconds) => self.world.jump_wall_clock(milliseconds),
            Chaos::Stall => {
                if let Some(socket) = self.some_socket() {
                    let stalled = !self.random.one_in(3);
                    self.disturb(socket);
                    self.world.stall(socket, stalled);
                    self.readable(socket);
                }
            }
            Chaos::Reset => {
                if let Some(socket) = self.some_socket() {
                    self.history.tally.hit("client: reset");
                    self.world.reset(socket);
                    self.closed(socket);
                }
            }
            Chaos::HalfClose => {
                if let Some(socket) = self.some_socket() {
                    self.disturb(socket);
                    self.world.finish_sending(socket);
                }
            }
            Chaos::Harm { .. } => {
                self.silent = true;
                let later = self.world.now() + Span::millis(1_500);
                self.world.at(later, HARM);
            }
        }
    }

    /// By now everything is flushed and sealed, so that harm can not look like a torn tail.
    pub(super) fn harm_now(&mut self) {
        self.silent = false;
        if self.healed || !self.world.is_up() {
            return;
        }
        let shard = ShardId(self.random.below(u64::from(self.swarm.shards)) as u16);
        let spoil = self.random.one_in(2);
        let disk = self.world.disk(shard);
        let place = if spoil { disk.spoil() } else { disk.rot() };
        if place.is_some() {
            self.harm_unseen(shard);
        }
        self.crash(false);
    }

    /// More harm, of which the judge is not to know.
    fn harm_unseen(&mut self, seen: ShardId) {
        // Shard 0 last: it has the metadata, too.
        let mut shards = (0..self.swarm.shards).rev().map(ShardId);
        let shard = match self.hide {
            None => None,
            Some(Hide::OnTheSameShard) => Some(seen),
            Some(Hide::OnAHealthyShard) => {
                shards.find(|shard| !self.world.disk(*shard).is_harmed())
            }
        };
        let Some(shard) = shard else { return };
        let disk = self.world.disk(shard);
        for _ in 0..UNSEEN_BITS {
            let number = disk.harms().len();
            if disk.rot().is_some() {
                self.hidden.push((shard, number));
            }
        }
    }

    fn crash(&mut self, power: bool) {
        if !self.world.is_up() {
            return;
        }
        self.stopping = false;
        self.crash_now(power);
        self.restart_soon();
    }

    pub(super) fn crash_now(&mut self, power: bool) {
        self.look_for_harm();
        self.world.crash(power);
        self.explained.crashed(&mut self.world);
        // A flush that failed has lost what it should have kept.
        if power || self.swarm.disk.flush_error > 0 {
            self.excuse_relaxed();
        }
    }

    /// Nothing that was said before the power failed is heard after it.
    fn excuse_relaxed(&mut self) {
        for socket in self.all_sockets() {
            self.closed(socket);
        }
        let disk = self.swarm.disk;
        let fails = disk.short_write + disk.write_error + disk.flush_error > 0;
        let within = (!fails).then_some(RELAXED_FLUSHED_WITHIN);
        self.history.excuse_relaxed(self.world.now(), within);
        for reader in &mut self.readers {
            reader.forget_relaxed(&self.history);
        }
    }

    fn restart_soon(&mut self) {
        let wait = Span::millis(1 + self.random.below(800));
        self.world.at(self.world.now() + wait, RESTART);
    }

    pub(super) fn stopped(&mut self, code: u8) {
        let wanted = std::mem::take(&mut self.stopping);
        self.look_for_harm();
        self.explained.crashed(&mut self.world);
        match code {
            0 if wanted => self.history.tally.hit("process: clean stop"),
            74 => {
                self.history.tally.hit("process: ended with 74");
                if self.swarm.disk.flush_error > 0 {
                    self.excuse_relaxed();
                }
            }
            _ => self
                .history
                .violate(format!("the process ended with {code}")),
        }
        self.restart_soon();
    }
}

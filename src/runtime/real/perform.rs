//! What a shard has decided in its turn is done here, without a decision of its own.

use super::core::Core;
use super::error::RunError;
use super::mesh::Envelope;
use crate::base::ShardId;
use crate::runtime::event::Actions;
use crate::runtime::machine::Machine;

impl<M: Machine> Core<M> {
    pub(super) fn perform(
        &mut self,
        local: usize,
        actions: Actions<M::Message>,
    ) -> Result<(), RunError> {
        for listener in actions.open {
            self.acceptor.open(&mut self.ring, local, listener);
        }
        for listener in actions.shut {
            self.acceptor.shut(local, listener);
        }
        if !actions.bind.is_empty() {
            let door = &self.mesh.doors[self.number];
            self.acceptor.binder.bind(local, actions.bind, door);
        }
        for op in actions.disk {
            self.disks.begin(&mut self.ring, local, op);
        }
        for (to, message) in actions.mesh {
            self.post(local, to, message);
        }
        for send in actions.send {
            self.net.send(local, send);
        }
        for receive in actions.receive {
            self.net.receive(&mut self.ring, local, receive);
        }
        for id in actions.detach {
            let ring = &mut self.ring;
            self.net.detach(ring, &mut self.inboxes, local, id);
        }
        for transit in actions.attach {
            self.net.attach(&mut self.inboxes, local, transit);
        }
        for id in actions.finish {
            self.net.finish(local, id);
        }
        if !actions.close.is_empty() {
            self.net.send_ready(&mut self.ring, &mut self.inboxes);
        }
        for close in actions.close {
            self.net.close(&mut self.inboxes, local, close);
        }
        let shard = self.tenants[local].id;
        if actions.listen {
            self.acceptor.listen(&mut self.ring, local)?;
            self.stats.serves(shard);
        }
        if actions.stop_listening {
            self.acceptor.stop(local);
            let stats = self.stats.of(shard);
            stats.inspect(|stats| stats.stops());
        }
        let tenant = &mut self.tenants[local];
        tenant.wake_at = actions.wake_at.or(tenant.wake_at);
        tenant.stopped = actions.stopped.or(tenant.stopped);
        Ok(())
    }

    fn post(&mut self, local: usize, to: ShardId, message: M::Message) {
        let from = self.tenants[local].id;
        match self.mesh.seat_of(to) {
            Some(seat) if seat.core == self.number => self.deliver(from, to, message),
            Some(seat) => {
                self.mesh.doors[seat.core].put(Envelope::Message { from, to, message });
            }
            None => tracing::error!(%from, %to, "a message to a shard that is not here"),
        }
    }
}

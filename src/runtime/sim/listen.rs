//! Listeners that come and go while a simulated process runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::world::{Due, START, World};
use crate::base::Span;
use crate::runtime::event::{Bind, BindRefusal, Bound, ListenerId};
use crate::runtime::machine::Machine;

/// Ports of the system's choice, from here on.
const FREE_PORTS: u16 = 30_000;
/// A name may take long to resolve.
const BIND_WAIT_MAX: Span = Span::millis(5);

impl<M: Machine> World<M> {
    pub(super) fn bind(&mut self, seat: usize, wishes: &[Bind]) {
        let outcome = self.bind_all(wishes);
        let time = self.now + Span(self.pace.below(BIND_WAIT_MAX.0));
        self.schedule(time, Due::Bound(seat, outcome));
    }

    fn bind_all(&mut self, wishes: &[Bind]) -> Bound {
        let mut bound = Vec::new();
        for wish in wishes {
            let host = wish.host.parse();
            let host: IpAddr = host.unwrap_or(Ipv4Addr::LOCALHOST.into());
            let port = match wish.port {
                0 => FREE_PORTS + wish.listener.0 as u16,
                port => port,
            };
            if self.is_taken(port) {
                let words = format!("can not listen on {host}:{port}: something listens there");
                let listener = wish.listener;
                return Err(BindRefusal { listener, words });
            }
            bound.push((wish.listener, vec![SocketAddr::new(host, port)]));
        }
        self.bound.extend(bound.iter().cloned());
        Ok(bound.into_iter().map(|(_, at)| at).collect())
    }

    fn is_taken(&self, port: u16) -> bool {
        let seats = || self.seats.iter();
        let is_start = port == START.port() && seats().any(|seat| !seat.start_is_shut);
        let opened = seats().flat_map(|seat| &seat.open);
        let mut opened = opened.filter_map(|id| self.bound.get(id)).flatten();
        is_start || self.taken_ports.contains(&port) || opened.any(|at| at.port() == port)
    }

    pub(super) fn open_and_shut(&mut self, seat: usize, open: &[ListenerId], shut: &[ListenerId]) {
        for listener in open {
            assert!(
                self.bound.contains_key(listener),
                "{listener:?} is not bound"
            );
            self.seats[seat].open.insert(*listener);
        }
        for listener in shut {
            self.seats[seat].start_is_shut |= *listener == ListenerId(0);
            self.seats[seat].open.remove(listener);
            if !self.seats.iter().any(|seat| seat.open.contains(listener)) {
                self.bound.remove(listener);
            }
        }
    }
}

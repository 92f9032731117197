//! Listeners that are bound while the process runs: on a thread of their own, for the name of a
//! host may take long to resolve.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};

use super::error::BindError;
use super::listen::{Listeners, Start};
use super::mesh::{Door, Envelope};
use crate::base::ShardId;
use crate::runtime::event::{Bind, BindRefusal, Bound, ListenerId};

/// Whom sockets are bound for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) cores: usize,
    pub(super) shards: usize,
    /// Each shard has a port of its own; otherwise the cores share one.
    pub(super) is_by_shard: bool,
}

/// What one core knows of that.
pub(super) struct Binder {
    /// The core's number.
    pub(super) core: usize,
    /// Its shards.
    pub(super) shards: Vec<ShardId>,
    pub(super) places: Places,
    /// Shared by the cores.
    pub(super) start: Arc<Mutex<Start>>,
}

impl Binder {
    /// Binds all of them, or none, and tells the shard `local` of this core.
    pub(super) fn bind<M: Send + 'static>(&self, local: usize, wishes: Vec<Bind>, door: &Door<M>) {
        let (places, start, answer) = (self.places, self.start.clone(), door.clone());
        let first = wishes.first().map_or(ListenerId(0), |wish| wish.listener);
        let thread = std::thread::Builder::new().name("bind".to_owned());
        let spawned = thread.spawn(move || {
            let outcome = bind_all(&wishes, places, &start);
            answer.put(Envelope::Bound { local, outcome });
        });
        if let Err(error) = spawned {
            let words = format!("no thread could be made that would bind it: {error}");
            let outcome = Err(BindRefusal {
                listener: first,
                words,
            });
            door.put(Envelope::Bound { local, outcome });
        }
    }
}

fn bind_all(wishes: &[Bind], places: Places, start: &Mutex<Start>) -> Bound {
    let mut bound = Vec::new();
    for wish in wishes {
        let refused = |words: String| BindRefusal {
            listener: wish.listener,
            words,
        };
        let addresses = resolve(&wish.host, wish.port);
        let addresses = addresses
            .map_err(|error| refused(format!("the host {} is not known: {error}", wish.host)))?;
        let own = match places.is_by_shard {
            true => Listeners::bind_each(&addresses, places.shards),
            false => Listeners::bind(&addresses, places.cores),
        };
        let own = own.map_err(|error| refused(words_of(&error, places)))?;
        bound.push((wish.listener, own));
    }
    let addresses = bound.iter().map(|(_, own)| own.addresses().to_vec());
    let addresses = addresses.collect();
    let mut start = start.lock().expect("no holder panics");
    for (listener, own) in bound {
        start.keep(listener, own);
    }
    Ok(addresses)
}

/// Every address that a host stands for, IPv4 first.
///
/// # Errors
/// What the resolver says; `NotFound` if it knows none.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    match addresses.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "no address")),
        false => Ok(addresses),
    }
}

fn words_of(BindError { address, error }: &BindError, places: Places) -> String {
    let row = match places.is_by_shard {
        true => format!(" ({} ports in a row, one per shard)", places.shards),
        false => String::new(),
    };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "something listens there already; choose another port",
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose another",
        _ => "choose an address of this machine",
    };
    format!("can not listen on {address}{row}: {error}; {advice}")
}

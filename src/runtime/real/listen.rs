//! The addresses of the process: proven free, then shared by its cores or dealt to its shards.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use socket2::{Domain, Protocol, Socket, Type};

use super::error::BindError;
use crate::base::ShardId;

/// How many connections the kernel keeps for us between two looks at a listener.
const BACKLOG: i32 = 1024;

/// How often the system is asked for another free port, if the last was not free at every address
/// or for every shard.
const TRIES_MAX: usize = 64;

/// Sockets bound to every address. They refuse connections until a shard listens.
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    /// Per core, or per shard, those not yet handed out.
    sockets: Vec<Vec<Socket>>,
    /// Each shard has a port of its own; otherwise the cores share one.
    is_by_shard: bool,
    start: Start,
}

/// What the cores of a process share when they begin to listen.
#[derive(Default)]
pub(super) struct Start {
    /// Nobody else listens at the ports that cores share.
    is_proven: bool,
    /// The sockets of all shards that have a port each: who is told of one by another must find it
    /// open, so all of them listen as soon as the first may.
    of_shards: Vec<Socket>,
}

/// One socket of a core.
pub(super) struct Gate {
    /// None once it is shut.
    pub(super) socket: Option<Socket>,
    /// The shard of the core that it is for; otherwise all have their turns.
    pub(super) owner: Option<usize>,
    is_open: bool,
}

impl Listeners {
    /// Binds every address once per core; the kernel deals connections. Port 0 is replaced by one
    /// that is free at all addresses.
    ///
    /// SO_REUSEPORT would let two brokers share a port silently. So each address is first bound
    /// without it, which a process that listens there refuses; see also `begin`.
    pub fn bind(addresses: &[SocketAddr], cores: usize) -> Result<Self, BindError> {
        with_port(addresses, |addresses, _| {
            let mut sockets: Vec<Vec<Socket>> = (0..cores).map(|_| Vec::new()).collect();
            for address in addresses {
                prove_free(*address)?;
                for of_core in &mut sockets {
                    of_core.push(bind_as(*address, Kind::Shared)?);
                }
            }
            Ok(sockets)
        })
        .map(|(addresses, sockets)| Self {
            addresses,
            sockets,
            is_by_shard: false,
            start: Start::default(),
        })
    }

    /// Binds every address once per shard, each at a port of its own: the given one + the shard's
    /// number. Port 0 is replaced by the first of so many free ones in a row.
    ///
    /// # Errors
    /// `BindError` names the address and the port that could not be had.
    pub fn bind_each(addresses: &[SocketAddr], shards: usize) -> Result<Self, BindError> {
        let bound = with_port(addresses, |addresses, is_chosen| {
            // Ports of the system's choice need not be the same after a restart, so they can be
            // held against everybody from here on.
            let kind = if is_chosen { Kind::Held } else { Kind::Alone };
            let of_shard = |number| {
                let own = addresses.iter().map(|first| {
                    let address = SocketAddr::new(first.ip(), port_of(*first, number)?);
                    bind_as(address, kind)
                });
                own.collect::<Result<Vec<_>, _>>()
            };
            (0..shards).map(of_shard).collect()
        });
        let (addresses, sockets) = bound?;
        let all = sockets.iter().flatten().map(Socket::try_clone);
        let of_shards = all.collect::<io::Result<_>>().map_err(|error| BindError {
            address: addresses[0],
            error,
        })?;
        Ok(Self {
            addresses,
            sockets,
            is_by_shard: true,
            start: Start {
                is_proven: false,
                of_shards,
            },
        })
    }

    /// All of several, which were bound for the same cores or shards.
    pub fn join(several: Vec<Self>) -> Self {
        let mut joined = several.into_iter();
        let mut first = joined.next().expect("at least one");
        for other in joined {
            assert_eq!(first.is_by_shard, other.is_by_shard, "of one kind");
            first.addresses.extend(other.addresses);
            for (own, more) in first.sockets.iter_mut().zip(other.sockets) {
                own.extend(more);
            }
            first.start.of_shards.extend(other.start.of_shards);
        }
        first
    }

    /// What is bound, with real ports; of those that are dealt to shards the first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many ports there are at each address, from that in `addresses` on.
    pub fn ports(&self) -> usize {
        if self.is_by_shard {
            self.sockets.len()
        } else {
            1
        }
    }

    /// True if it was made for these.
    pub(super) fn fits(&self, shards: usize) -> bool {
        !self.is_by_shard || self.sockets.len() == shards
    }

    /// For all cores together.
    pub(super) fn start(&mut self) -> Start {
        std::mem::take(&mut self.start)
    }

    /// The sockets of a core that runs `shards`.
    pub(super) fn take(&mut self, core: usize, shards: &[ShardId]) -> Vec<Gate> {
        let owned: Vec<(usize, Option<usize>)> = match self.is_by_shard {
            false => vec![(core, None)],
            true => {
                let shards = shards.iter().enumerate();
                shards
                    .map(|(local, id)| (usize::from(id.0), Some(local)))
                    .collect()
            }
        };
        let mut gates = Vec::new();
        for (place, owner) in owned {
            let sockets = std::mem::take(&mut self.sockets[place]);
            gates.extend(sockets.into_iter().map(|socket| Gate {
                socket: Some(socket),
                owner,
                is_open: false,
            }));
        }
        gates
    }
}

/// Begins to listen at those of a core's gates that are for one of its shards; returns which. The
/// first core of the process proves once more that nobody else listens: another broker may have
/// begun since `Listeners::bind`.
pub(super) fn begin(
    gates: &mut [Gate],
    shard: usize,
    start: &Mutex<Start>,
) -> io::Result<Vec<usize>> {
    let mut start = start.lock().expect("no holder panics");
    for socket in start.of_shards.drain(..) {
        // It shares its port with none, so the kernel refuses a second listener.
        socket.listen(BACKLOG)?;
    }
    let mut begun = Vec::new();
    for (number, gate) in gates.iter_mut().enumerate() {
        let is_for = gate.owner.is_none_or(|owner| owner == shard);
        let Some(socket) = gate.socket.as_ref().filter(|_| is_for && !gate.is_open) else {
            continue;
        };
        if gate.owner.is_none() {
            if !start.is_proven
                && let Some(address) = socket.local_addr()?.as_socket()
            {
                prove_free(address).map_err(|error| error.error)?;
            }
            socket.listen(BACKLOG)?;
        }
        gate.is_open = true;
        begun.push(number);
    }
    start.is_proven = true;
    Ok(begun)
}

/// Binds by `bind`, which is told whether the port is of the system's choice: port 0 is replaced
/// by a free one, and by another if that turns out not to be free for all.
fn with_port(
    addresses: &[SocketAddr],
    bind: impl Fn(&[SocketAddr], bool) -> Result<Vec<Vec<Socket>>, BindError>,
) -> Result<(Vec<SocketAddr>, Vec<Vec<Socket>>), BindError> {
    let mut tries = 0;
    loop {
        let mut ported = addresses.to_vec();
        let mut chosen = None;
        for address in ported.iter_mut().filter(|address| address.port() == 0) {
            let port = match chosen {
                Some(port) => port,
                None => prove_free(*address)?.port(),
            };
            address.set_port(port);
            chosen = Some(port);
        }
        tries += 1;
        match bind(&ported, chosen.is_some()) {
            Err(error) if chosen.is_some() && error.is_taken() && tries < TRIES_MAX => {}
            bound => return bound.map(|sockets| (ported, sockets)),
        }
    }
}

/// A shard's port. None is left beyond the last: that counts as taken.
fn port_of(first: SocketAddr, shard: usize) -> Result<u16, BindError> {
    let port = usize::from(first.port()) + shard;
    u16::try_from(port).map_err(|_| BindError {
        address: first,
        error: io::ErrorKind::AddrInUse.into(),
    })
}

fn prove_free(address: SocketAddr) -> Result<SocketAddr, BindError> {
    let socket = bind_as(address, Kind::Alone)?;
    let bound = socket.local_addr().ok().and_then(|own| own.as_socket());
    Ok(bound.unwrap_or(address))
}

/// With whom a socket shares its port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With nobody that listens. One in TIME_WAIT after a restart is free.
    Alone,
    /// With nobody at all.
    Held,
    /// With our other cores.
    Shared,
}

fn bind_as(address: SocketAddr, kind: Kind) -> Result<Socket, BindError> {
    let bind = || {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(kind != Kind::Held)?;
        if address.is_ipv6() {
            // `[::]` is every address of both families, as for Kafka; a concrete one has one.
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_port(kind == Kind::Shared)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    bind().map_err(|error| BindError { address, error })
}

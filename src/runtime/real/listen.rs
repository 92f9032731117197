//! The addresses of the process: proven free, then shared by its cores or dealt to its shards.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use socket2::{Domain, Protocol, Socket, Type};

use super::error::BindError;
use crate::base::ShardId;
use crate::runtime::event::ListenerId;

/// How many connections the kernel keeps for us between two looks at a listener.
const BACKLOG: i32 = 1024;

/// How often the system is asked for another free port, if the last was not free at every address
/// or for every shard.
const TRIES_MAX: usize = 64;

/// Sockets bound to every address. They refuse connections until a shard listens.
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    /// Per core, or per shard, those not yet handed out.
    sockets: Vec<Vec<(ListenerId, Socket)>>,
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
    of_shards: Vec<(ListenerId, Socket)>,
    /// Bound while the process runs.
    late: BTreeMap<ListenerId, Listeners>,
}

/// One socket of a core.
pub(super) struct Gate {
    pub(super) listener: ListenerId,
    /// None once it is shut.
    pub(super) socket: Option<Socket>,
    /// The shard of the core that it is for; otherwise all have their turns.
    pub(super) owner: Option<usize>,
    /// Shards of the core that take its connections. It is open once there is one.
    pub(super) takers: Vec<usize>,
    is_open: bool,
}

impl Gate {
    /// True if this shard may take its connections.
    pub(super) fn is_for(&self, shard: usize) -> bool {
        self.owner.is_none_or(|owner| owner == shard)
    }

    /// This shard takes no more; the last one shuts it.
    pub(super) fn leave(&mut self, shard: usize) {
        self.takers.retain(|taker| *taker != shard);
        let is_over = self.takers.is_empty() && self.is_for(shard);
        if let Some(socket) = self.socket.take_if(|_| is_over) {
            // Ends the poll that the ring holds; the queue is refused from here on.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
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
            sockets: numbered(sockets, ListenerId(0)),
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
        let first = ListenerId(0);
        let all = sockets.iter().flatten().map(Socket::try_clone);
        let all = all.map(|clone| clone.map(|socket| (first, socket)));
        let of_shards = all.collect::<io::Result<_>>().map_err(|error| BindError {
            address: addresses[0],
            error,
        })?;
        Ok(Self {
            addresses,
            sockets: numbered(sockets, first),
            is_by_shard: true,
            start: Start {
                of_shards,
                ..Start::default()
            },
        })
    }

    /// All of several, which were bound for the same cores or shards: listeners 0, 1 and so on.
    pub fn join(several: Vec<Self>) -> Self {
        let named = (0..).map(ListenerId).zip(several);
        let mut joined = named.map(|(id, own)| own.called(id));
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

    /// The same, under another number.
    fn called(mut self, id: ListenerId) -> Self {
        let own = self.sockets.iter_mut().flatten();
        for (number, _) in own.chain(&mut self.start.of_shards) {
            *number = id;
        }
        self
    }

    /// True if it was made for these.
    pub(super) fn fits(&self, shards: usize) -> bool {
        !self.is_by_shard || self.sockets.len() == shards
    }

    pub(super) fn is_by_shard(&self) -> bool {
        self.is_by_shard
    }

    /// For all cores together.
    pub(super) fn start(&mut self) -> Start {
        std::mem::take(&mut self.start)
    }

    /// The sockets of a core that are for these of its shards, each with its number there. Those
    /// that the cores share are taken by whoever comes first.
    pub(super) fn take(&mut self, core: usize, shards: &[(usize, ShardId)]) -> Vec<Gate> {
        let owned: Vec<(usize, Option<usize>)> = match self.is_by_shard {
            false => vec![(core, None)],
            true => {
                let shards = shards.iter();
                let places = shards.map(|(local, id)| (usize::from(id.0), Some(*local)));
                places.collect()
            }
        };
        let mut gates = Vec::new();
        for (place, owner) in owned {
            let sockets = std::mem::take(&mut self.sockets[place]);
            gates.extend(sockets.into_iter().map(|(listener, socket)| Gate {
                listener,
                socket: Some(socket),
                owner,
                takers: Vec::new(),
                is_open: false,
            }));
        }
        gates
    }
}

impl Start {
    /// Keeps what was bound while the process runs, until its cores take it.
    pub(super) fn keep(&mut self, id: ListenerId, bound: Listeners) {
        self.late.insert(id, bound.called(id));
    }

    /// What a shard of a core is to take of one that is kept; all ports of a row listen from here
    /// on.
    pub(super) fn take_late(
        &mut self,
        id: ListenerId,
        core: usize,
        shard: (usize, ShardId),
    ) -> io::Result<Vec<Gate>> {
        let Some(late) = self.late.get_mut(&id) else {
            return Ok(Vec::new());
        };
        for (_, socket) in late.start.of_shards.drain(..) {
            socket.listen(BACKLOG)?;
        }
        Ok(late.take(core, &[shard]))
    }

    /// Gives up what nobody has taken of it.
    pub(super) fn forget(&mut self, id: ListenerId) {
        self.late.remove(&id);
        self.of_shards.retain(|(own, _)| *own != id);
    }
}

fn numbered(sockets: Vec<Vec<Socket>>, id: ListenerId) -> Vec<Vec<(ListenerId, Socket)>> {
    let sockets = sockets.into_iter();
    let named = sockets.map(|own| own.into_iter().map(|socket| (id, socket)).collect());
    named.collect()
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
    for (_, socket) in start.of_shards.drain(..) {
        // It shares its port with none, so the kernel refuses a second listener.
        socket.listen(BACKLOG)?;
    }
    let begun = open_for(gates, shard, None, |gate, socket| {
        if gate.owner.is_none()
            && !start.is_proven
            && let Some(address) = socket.local_addr()?.as_socket()
        {
            prove_free(address).map_err(|error| error.error)?;
        }
        Ok(())
    })?;
    start.is_proven = true;
    Ok(begun)
}

/// Takes connections for a shard at the gates that are for it, of one listener or of all; returns
/// those that listen from here on. `check` is asked before one does.
pub(super) fn open_for(
    gates: &mut [Gate],
    shard: usize,
    only: Option<ListenerId>,
    check: impl Fn(&Gate, &Socket) -> io::Result<()>,
) -> io::Result<Vec<usize>> {
    let mut begun = Vec::new();
    for (number, gate) in gates.iter_mut().enumerate() {
        let is_meant = gate.is_for(shard) && only.is_none_or(|only| only == gate.listener);
        let Some(socket) = gate.socket.as_ref().filter(|_| is_meant) else {
            continue;
        };
        if !gate.is_open {
            check(gate, socket)?;
            // One of a row of ports listens already.
            if gate.owner.is_none() {
                socket.listen(BACKLOG)?;
            }
            gate.is_open = true;
            begun.push(number);
        }
        if !gate.takers.contains(&shard) {
            gate.takers.push(shard);
        }
    }
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

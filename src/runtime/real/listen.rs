//! The addresses of the process: proven free, then shared by its cores.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use socket2::{Domain, Protocol, Socket, Type};

use super::error::BindError;

/// How many connections the kernel keeps for us between two looks at a listener.
const BACKLOG: i32 = 1024;

/// Sockets bound to every address, one per core. They refuse connections until a shard listens.
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    /// Per core the sockets not yet handed out.
    sockets: Vec<Vec<Socket>>,
}

impl Listeners {
    /// Binds every address once per core. Port 0 is replaced by a free one.
    ///
    /// SO_REUSEPORT would let two brokers share a port silently. So each address is first bound
    /// without it, which a process that listens there refuses; see also `begin`.
    pub fn bind(addresses: &[SocketAddr], cores: usize) -> Result<Self, BindError> {
        let mut bound = Vec::new();
        let mut sockets: Vec<Vec<Socket>> = (0..cores).map(|_| Vec::new()).collect();
        for address in addresses {
            let fail = |error| BindError {
                address: *address,
                error,
            };
            let address = prove_free(*address).map_err(fail)?;
            for of_core in &mut sockets {
                of_core.push(bind_shared(address).map_err(fail)?);
            }
            bound.push(address);
        }
        Ok(Self {
            addresses: bound,
            sockets,
        })
    }

    /// What is bound, with real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(super) fn take(&mut self, core: usize) -> Vec<Socket> {
        std::mem::take(&mut self.sockets[core])
    }
}

/// Begins to listen on one core's sockets. The first core of the process proves once more that
/// nobody else listens: another broker may have begun since `Listeners::bind`.
pub(super) fn begin(sockets: &[Socket], proven: &Mutex<bool>) -> io::Result<()> {
    let mut proven = proven.lock().expect("no holder panics");
    for socket in sockets {
        if !*proven && let Some(address) = socket.local_addr()?.as_socket() {
            prove_free(address)?;
        }
        socket.listen(BACKLOG)?;
    }
    *proven = true;
    Ok(())
}

fn prove_free(address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = new_socket(address)?;
    socket.bind(&address.into())?;
    let bound = socket.local_addr()?.as_socket();
    Ok(bound.unwrap_or(address))
}

fn bind_shared(address: SocketAddr) -> io::Result<Socket> {
    let socket = new_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // An address in TIME_WAIT after a restart is free.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

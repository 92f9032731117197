//! Where clients connect, and whether what they are told leads there.
//!
//! A running broker is asked. Without one, a socket of our own listens in its place while the
//! advertised address is tried: what comes out there would have come to the broker.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::finding::{Finding, State};
use crate::cli::Failure;
use crate::cli::client::{Client, address_of};
use crate::cli::listen::HostPort;
use crate::wire::messages::{MetadataRequest, MetadataResponse};

const AREA: &str = "addresses";
const CONNECT_WAIT: Duration = Duration::from_secs(3);
/// A connection that was made is in our queue at once; a forwarder may take a moment.
const ARRIVE_WAIT: Duration = Duration::from_secs(1);

/// Who answers where the broker would listen.
enum Holder {
    /// Nobody did; we do, for as long as this lives.
    Us(Vec<TcpListener>),
    /// A broker, with what it tells clients.
    Broker(Box<MetadataResponse>),
    /// Something else, or nothing that can be asked.
    Other,
}

/// Everything about the addresses; the broker takes so many `ports`, one after the other.
///
/// # Errors
/// One of them is not of the form HOST:PORT.
pub fn look(listen: &str, advertise: Option<&str>, ports: usize) -> Result<Vec<Finding>, Failure> {
    let at = HostPort::parse(listen, "--listen")?;
    let told = advertise.map(|text| HostPort::parse(text, "--advertise"));
    let told = told.transpose()?;
    if at.port == 0 {
        let found = "port 0: a free one is chosen at each start";
        return Ok(vec![Finding::ok(AREA, "listen", found)]);
    }
    let (finding, holder) = listener(&at);
    let mut findings = vec![finding];
    // Those of a broker that runs are tried as it lists them.
    if ports > 1 && !matches!(holder, Holder::Broker(_)) {
        findings.push(further(&at, ports));
    }
    if let Holder::Broker(metadata) = &holder {
        findings.extend(metadata.brokers.iter().map(listed));
    }
    match told.or_else(|| own_address(&at)) {
        Some(told) => findings.push(advertised(&told, &at, &holder)),
        None => findings.push(
            Finding::ok(
                AREA,
                "advertised",
                format!("{listen} says no name: each client is told the address it reached"),
            )
            .but(
                State::Advice,
                [format!(
                    "thalweg serve --listen {listen} --advertise $(hostname -f):{}",
                    at.port
                )],
            ),
        ),
    }
    Ok(findings)
}

/// What clients are told without `--advertise`.
fn own_address(at: &HostPort) -> Option<HostPort> {
    let host = at.concrete_host()?;
    Some(HostPort {
        host,
        port: at.port,
    })
}

fn listener(at: &HostPort) -> (Finding, Holder) {
    let shown = show(at);
    let finding = |found: String| Finding::ok(AREA, "listen", found);
    let addresses = match at.resolve() {
        Ok(addresses) => addresses,
        Err(error) => {
            let fix = format!("thalweg serve --listen localhost:{}", at.port);
            let found = format!("--listen {}: {error}", at.host);
            return (finding(found).but(State::Problem, [fix]), Holder::Other);
        }
    };
    let mut ours = Vec::new();
    for address in &addresses {
        match TcpListener::bind(address) {
            Ok(listener) => ours.push(listener),
            // A machine may have no IPv6; the broker goes without it too.
            Err(_) if !ours.is_empty() => {}
            Err(error) => {
                drop(ours);
                return refused_bind(at, *address, &error);
            }
        }
    }
    (finding(format!("{shown} is free")), Holder::Us(ours))
}

/// The ports of the shards after the first.
fn further(at: &HostPort, ports: usize) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "ports of shards", found);
    let fix = format!(
        "thalweg serve --listener-layout ports --listen {}:0",
        at.host
    );
    let last = usize::from(at.port) + ports - 1;
    let Ok(last) = u16::try_from(last) else {
        let found = format!("{ports} shards need ports up to {last}, and 65535 is the last");
        return finding(found).but(State::Problem, [fix]);
    };
    for port in at.port + 1..=last {
        let own = HostPort { port, ..at.clone() };
        let addresses = own.resolve().unwrap_or_default();
        let mut tried = addresses.iter().map(TcpListener::bind);
        if let Some(Err(error)) = tried.find(Result::is_err)
            && error.kind() == ErrorKind::AddrInUse
        {
            let found = format!("{} is one shard's, and something listens there", show(&own));
            let who = format!("sudo ss -ltnp 'sport = :{port}'    # who");
            return finding(found).but(State::Problem, [fix, who]);
        }
    }
    finding(format!("{} to {last} are free", at.port + 1))
}

fn refused_bind(at: &HostPort, address: SocketAddr, error: &std::io::Error) -> (Finding, Holder) {
    let shown = show(at);
    let finding = |found: String| Finding::ok(AREA, "listen", found);
    let (found, fixes) = match error.kind() {
        ErrorKind::AddrInUse => {
            let asked = Client::connect(&shown).and_then(|mut client| {
                client.call(&MetadataRequest::default().with_topics(Some(Vec::new())))
            });
            if let Ok((_, metadata)) = asked {
                let cluster = metadata.cluster_id.as_deref().unwrap_or("without a name");
                let found = format!("a broker answers at {shown}, cluster {cluster}");
                return (finding(found), Holder::Broker(Box::new(metadata)));
            }
            (
                format!("something else than a broker listens at {address}"),
                vec![
                    format!("sudo ss -ltnp 'sport = :{}'    # who", at.port),
                    format!("thalweg serve --listen {}:0    # any free port", at.host),
                ],
            )
        }
        ErrorKind::PermissionDenied => (
            format!("{address}: ports below 1024 need a privilege"),
            vec![format!("thalweg serve --listen {}:9092", at.host)],
        ),
        _ => (
            format!("{address} is not an address of this machine: {error}"),
            vec![
                "ip -brief address    # those that are".to_owned(),
                format!("thalweg serve --listen localhost:{}", at.port),
            ],
        ),
    };
    (finding(found).but(State::Problem, fixes), Holder::Other)
}

/// A broker id that the running broker lists: clients will connect there.
fn listed(broker: &crate::wire::messages::metadata_response::MetadataResponseBroker) -> Finding {
    let at = HostPort {
        host: broker.host.to_string(),
        port: u16::try_from(broker.port).unwrap_or(0),
    };
    let id = broker.node_id.0;
    let finding = |found: String| Finding::ok(AREA, "listed to clients", found);
    match Client::connect(&show(&at)) {
        Ok(_) => finding(format!("broker {id} answers at {}", show(&at))),
        Err(failure) => finding(format!("broker {id}: {}", failure.message)).but(
            State::Problem,
            [format!(
                "thalweg serve --advertise $(hostname -f):{}",
                at.port
            )],
        ),
    }
}

fn advertised(told: &HostPort, at: &HostPort, holder: &Holder) -> Finding {
    let shown = show(told);
    let finding = |found: String| Finding::ok(AREA, "advertised", found);
    let with = |host: &str, port: u16| {
        let (listen, told) = (
            show(at),
            HostPort {
                host: host.to_owned(),
                port,
            },
        );
        format!(
            "thalweg serve --listen {listen} --advertise {}",
            show(&told)
        )
    };
    if told.concrete_host().is_none() {
        return finding(format!(
            "{shown} is no address that a client can connect to"
        ))
        .but(State::Problem, [with("$(hostname -f)", told.port)]);
    }
    let addresses = match told.resolve() {
        Ok(addresses) => addresses,
        Err(error) => {
            let found = format!("--advertise {}: {error}", told.host);
            return finding(format!("{found}: clients can not resolve it")).but(
                State::Problem,
                [
                    with("$(hostname -f)", told.port),
                    format!(
                        "getent hosts {}    # what this machine makes of it",
                        told.host
                    ),
                ],
            );
        }
    };
    match addresses
        .iter()
        .find_map(|address| try_one(*address, holder).err())
    {
        Some(trouble) => closed(told, at, &trouble).but(
            State::Problem,
            [
                with(&told.host, at.port),
                format!("sudo ufw allow {}/tcp", told.port),
            ],
        ),
        None if is_local_only(&addresses) && !listens_locally(at) => finding(format!(
            "{shown} leads other machines to themselves, and {} is for them too",
            show(at)
        ))
        .but(State::Advice, [with("$(hostname -f)", told.port)]),
        None => finding(format!("{shown} leads to the broker")),
    }
}

fn closed(told: &HostPort, at: &HostPort, trouble: &str) -> Finding {
    let found = format!("{} does not lead to {}: {trouble}", show(told), show(at));
    Finding::ok(AREA, "advertised", found)
}

/// Connects, and sees who answers.
fn try_one(address: SocketAddr, holder: &Holder) -> Result<(), String> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_WAIT);
    let stream = stream.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => format!("port {} of {address} is closed", address.port()),
        ErrorKind::TimedOut => format!("{address} does not answer; a firewall drops what it gets"),
        _ => format!("{address}: {error}"),
    })?;
    match holder {
        Holder::Us(ours) => match arrived(ours, &stream) {
            true => Ok(()),
            false => Err(format!("something else listens at {address}")),
        },
        Holder::Broker(_) => {
            drop(stream);
            let answer = Client::connect(&address.to_string());
            answer.map(drop).map_err(|failure| failure.message)
        }
        Holder::Other => Ok(()),
    }
}

/// Whether a connection that we made came out at one of our own sockets. A forwarder makes a
/// connection of its own, so that its other end is not ours: any that comes counts.
fn arrived(ours: &[TcpListener], stream: &TcpStream) -> bool {
    let until = Instant::now() + ARRIVE_WAIT;
    let own = stream.local_addr().ok();
    while Instant::now() < until {
        for listener in ours {
            let ready = listener
                .set_nonblocking(true)
                .and_then(|()| listener.accept());
            if let Ok((_, peer)) = ready {
                tracing::debug!(?peer, ?own, "it came out here");
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn is_local_only(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| address.ip().is_loopback())
}

fn listens_locally(at: &HostPort) -> bool {
    let literal = at.host.parse::<IpAddr>().map(|ip| ip.is_loopback());
    literal.unwrap_or_else(|_| {
        at.resolve()
            .is_ok_and(|addresses| is_local_only(&addresses))
    })
}

fn show(at: &HostPort) -> String {
    address_of(&at.host, at.port)
}

//! From the listeners' addresses and the layout to sockets, and to what people and clients are told
//! of them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::Failure;
use super::listen::HostPort;
use super::settings::Settings;
use crate::admin::{ListenAt, share_a_port};
use crate::runtime::real::{BindError, Listeners};
use crate::runtime::{ListenerId, probe};
use crate::shard::{Addresses, Layout, Listener};

/// Binds all listeners for so many cores or, where each shard has ports of its own, for so many
/// shards. Returns the sockets, and what clients will be told.
pub fn bind(
    settings: &Settings,
    cores: usize,
    shards: usize,
) -> Result<(Listeners, Addresses), Failure> {
    let is_by_shard = settings.layout == Layout::Ports;
    let ports = if is_by_shard { shards } else { 1 };
    // Only one of several could be named by a flag.
    let is_one = settings.listeners.len() == 1;
    let key = if is_one { "--listen" } else { "listeners" };
    let mut resolved: Vec<Vec<SocketAddr>> = Vec::new();
    for listener in &settings.listeners {
        check_range(&listener.at, key, ports)?;
        if let Some(told) = &listener.advertised {
            let key = if is_one {
                "--advertise"
            } else {
                "advertised.listeners"
            };
            check_range(told, key, ports)?;
        }
        check_told_apart(listener, &settings.listeners, ports)?;
        let addresses = listener.at.resolve_own(key)?;
        check_apart(&addresses, resolved.iter().flatten(), ports)?;
        resolved.push(addresses);
    }
    let (mut bound, mut told): (Vec<Listeners>, _) = (Vec::new(), Vec::new());
    let numbers = (0..).map(ListenerId);
    for ((listener, addresses), id) in settings.listeners.iter().zip(&resolved).zip(numbers) {
        let sockets = if is_by_shard {
            let bound = Listeners::bind_each(addresses, shards);
            bound.map_err(|error| refused(&listener.at, key, shards, &error))?
        } else {
            let bound = Listeners::bind(addresses, cores);
            bound.map_err(|error| Failure::unavailable(words(&error, key, "another port")))?
        };
        // A port of the system's choice may be one of another listener.
        let others = bound.iter().flat_map(Listeners::addresses);
        check_apart(sockets.addresses(), others, ports)?;
        told.push(Listener::new(id, listener, sockets.addresses()));
        bound.push(sockets);
    }
    let addresses = Addresses {
        listeners: told,
        ports: u16::try_from(ports).unwrap_or(u16::MAX),
        gateways: gateways(),
    };
    Ok((Listeners::join(bound), addresses))
}

/// Two listeners must not share a port, unless they have different addresses.
fn check_apart<'a>(
    addresses: &[SocketAddr],
    others: impl Iterator<Item = &'a SocketAddr> + Clone,
    ports: usize,
) -> Result<(), Failure> {
    for one in addresses {
        if let Some(other) = others.clone().find(|other| share_a_port(one, other, ports)) {
            return Err(Failure::config(format!(
                "listeners: {one} and {other} share a port{}; each listener needs its own",
                match ports {
                    1 => String::new(),
                    _ => format!(" (listener.layout=ports takes {ports} in a row, one per shard)"),
                }
            )));
        }
    }
    Ok(())
}

/// The ports of shards that one listener tells must not be those that another tells.
fn check_told_apart(listener: &ListenAt, all: &[ListenAt], ports: usize) -> Result<(), Failure> {
    let Some(told) = &listener.advertised else {
        return Ok(());
    };
    let others = all.iter().filter(|other| other.name != listener.name);
    let mut others = others.filter_map(|other| other.advertised.as_ref());
    let overlaps = |other: &&HostPort| {
        let apart = usize::from(other.port.abs_diff(told.port));
        other.host == told.host && apart > 0 && apart < ports
    };
    match others.find(overlaps) {
        None => Ok(()),
        Some(other) => Err(Failure::config(format!(
            "advertised.listeners: {}:{} and {}:{} are too close: listener.layout=ports tells \
             {ports} ports in a row of each, one per shard",
            told.host, told.port, other.host, other.port
        ))),
    }
}

/// Who comes from there came by a port that Docker or Podman published. In a Kubernetes pod nothing
/// is published so, and processes of the pod's own host come from the gateway too.
fn gateways() -> Vec<IpAddr> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Vec::new();
    }
    probe::container_gateways(Path::new("/"))
}

/// Every address and port of these, which are the first of so many ports each.
pub fn all(firsts: impl Iterator<Item = SocketAddr>, ports: u16) -> Vec<String> {
    let all = firsts.flat_map(|first| {
        let (ip, first) = (first.ip(), first.port());
        let ports = (first..).take(usize::from(ports));
        ports.map(move |port| SocketAddr::new(ip, port).to_string())
    });
    all.collect()
}

/// Each address, with the last of its ports if it has several.
pub fn shown(bound: &Listeners) -> Vec<String> {
    let more = bound.ports() - 1;
    let shown = bound.addresses().iter().map(|first| match more {
        0 => first.to_string(),
        _ => format!("{first}-{}", usize::from(first.port()) + more),
    });
    shown.collect()
}

pub fn warn_if_open(listeners: &Listeners) {
    for address in listeners.addresses() {
        if !address.ip().is_loopback() {
            tracing::warn!("{address} is reachable by others, and there is no authentication yet");
        }
    }
}

/// The first port and those of all shards must be ports.
fn check_range(at: &HostPort, flag: &str, shards: usize) -> Result<(), Failure> {
    let last = usize::from(at.port) + shards.saturating_sub(1);
    if last <= usize::from(u16::MAX) {
        return Ok(());
    }
    let highest = usize::from(u16::MAX) + 1 - shards.min(usize::from(u16::MAX));
    Err(Failure::config(format!(
        "{flag} {}:{}: listener.layout=ports gives each of {shards} shards a port, up to {last}, \
         and the last port there is is 65535; choose {highest} or a lower one",
        at.host, at.port
    )))
}

fn refused(at: &HostPort, key: &str, shards: usize, error: &BindError) -> Failure {
    if at.port == 0 && error.is_taken() {
        return Failure::unavailable(format!(
            "found no {shards} free ports in a row at {} for listener.layout=ports; name the \
             first of them with {key}",
            error.address.ip()
        ));
    }
    let advice = format!(
        "another first port (listener.layout=ports takes {shards} in a row, one per shard)"
    );
    Failure::unavailable(words(error, key, &advice))
}

fn words(error: &BindError, key: &str, another: &str) -> String {
    let advice = match error.error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("something listens there already; stop it, or choose {another} with {key}")
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; choose another".to_owned()
        }
        _ => format!("choose an address of this machine with {key}"),
    };
    let (address, error) = (error.address, &error.error);
    format!("can not listen on {address}: {error}; {advice}")
}

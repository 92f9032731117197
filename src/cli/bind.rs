//! From the listeners' addresses and the layout to sockets, and to what people and clients are told
//! of them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::Failure;
use super::listen::HostPort;
use super::listeners::ListenAt;
use super::settings::Settings;
use crate::runtime::probe;
use crate::runtime::real::{BindError, Listeners};
use crate::shard::{Addresses, Endpoint, Layout, Listener};

/// Binds all listeners for so many cores or, where each shard has ports of its own, for so many
/// shards. Returns the sockets, and what clients will be told.
pub fn bind(
    settings: &Settings,
    cores: usize,
    shards: usize,
) -> Result<(Listeners, Addresses), Failure> {
    let is_by_shard = settings.layout == Layout::Ports;
    let ports = if is_by_shard { shards } else { 1 };
    let mut resolved = Vec::new();
    for listener in &settings.listeners {
        check_range(&listener.at, "--listen", ports)?;
        if let Some(told) = &listener.advertised {
            check_range(told, "--advertise", ports)?;
        }
        let addresses = listener.at.resolve("--listen")?;
        check_apart(&addresses, &resolved, ports)?;
        resolved.push(addresses);
    }
    let (mut bound, mut told) = (Vec::new(), Vec::new());
    for (listener, addresses) in settings.listeners.iter().zip(&resolved) {
        let sockets = if is_by_shard {
            let bound = Listeners::bind_each(addresses, shards);
            bound.map_err(|error| refused(&listener.at, shards, &error))?
        } else {
            let bound = Listeners::bind(addresses, cores);
            bound.map_err(|error| Failure::unavailable(words(&error, "choose another port")))?
        };
        told.push(what_is_told(listener, &sockets));
        bound.push(sockets);
    }
    let addresses = Addresses {
        listeners: told,
        ports: u16::try_from(ports).unwrap_or(u16::MAX),
        gateways: gateways(),
    };
    Ok((Listeners::join(bound), addresses))
}

/// What clients of one listener will be told, decided by flags and by what was bound.
fn what_is_told(listener: &ListenAt, bound: &Listeners) -> Listener {
    let (at, addresses) = (&listener.at, bound.addresses());
    let advertised = listener.advertised.as_ref();
    Listener {
        advertised: advertised.map(|told| Endpoint::new(&told.host, told.port)),
        host: at.host.clone(),
        port: addresses.first().map_or(at.port, SocketAddr::port),
        bound: addresses.iter().map(SocketAddr::ip).collect(),
    }
}

/// Two listeners must not share a port, unless they have different addresses. The kernel would let
/// them, for the cores share theirs too.
fn check_apart(
    addresses: &[SocketAddr],
    others: &[Vec<SocketAddr>],
    ports: usize,
) -> Result<(), Failure> {
    // `[::]` is every address of both families.
    let covers = |all: &SocketAddr, one: &SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4())
    };
    let overlap = |one: &SocketAddr, other: &SocketAddr| {
        let same_ip = one.ip() == other.ip() || covers(one, other) || covers(other, one);
        let apart = usize::from(one.port().abs_diff(other.port()));
        // Port 0 is any that is free.
        same_ip && apart < ports && one.port() != 0 && other.port() != 0
    };
    for one in addresses {
        if let Some(other) = others.iter().flatten().find(|other| overlap(one, other)) {
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

/// Who comes from there came by a port that Docker or Podman published. In a Kubernetes pod nothing
/// is published so, and processes of the pod's own host come from the gateway too.
fn gateways() -> Vec<IpAddr> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Vec::new();
    }
    probe::container_gateways(Path::new("/"))
}

/// Every address and port.
pub fn all(bound: &Listeners) -> Vec<String> {
    let firsts = bound.addresses().iter();
    let ports = |first: &SocketAddr| {
        let (ip, first) = (first.ip(), first.port());
        (first..)
            .take(bound.ports())
            .map(move |port| SocketAddr::new(ip, port).to_string())
    };
    firsts.flat_map(ports).collect()
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

fn refused(at: &HostPort, shards: usize, error: &BindError) -> Failure {
    if at.port == 0 && error.is_taken() {
        return Failure::unavailable(format!(
            "found no {shards} free ports in a row at {} for listener.layout=ports; name the \
             first of them with --listen HOST:PORT",
            error.address.ip()
        ));
    }
    let advice = format!(
        "choose another first port (listener.layout=ports takes {shards} in a row, one per shard)"
    );
    Failure::unavailable(words(error, &advice))
}

fn words(error: &BindError, another: &str) -> String {
    let advice = match error.error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("something listens there already; stop it, or {another} with --listen")
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; choose another".to_owned()
        }
        _ => "choose an address of this machine with --listen HOST:PORT".to_owned(),
    };
    let (address, error) = (error.address, &error.error);
    format!("can not listen on {address}: {error}; {advice}")
}

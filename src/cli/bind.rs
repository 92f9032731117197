//! From the listener's address and layout to sockets, and to what people and clients are told of
//! them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::Failure;
use super::listen::HostPort;
use super::settings::Settings;
use crate::runtime::probe;
use crate::runtime::real::{BindError, Listeners};
use crate::shard::{Endpoint, Layout, Listener};

/// Binds for so many cores or, where each shard has a port of its own, for so many shards.
pub fn bind(settings: &Settings, cores: usize, shards: usize) -> Result<Listeners, Failure> {
    let addresses = settings.listen.resolve("--listen")?;
    match settings.layout {
        Layout::Ports => {
            check_range(&settings.listen, "--listen", shards)?;
            if let Some(told) = &settings.advertised {
                check_range(told, "--advertise", shards)?;
            }
            let bound = Listeners::bind_each(&addresses, shards);
            bound.map_err(|error| refused(settings, shards, &error))
        }
        Layout::Auto | Layout::Core | Layout::Node => Listeners::bind(&addresses, cores)
            .map_err(|error| Failure::unavailable(words(&error, "choose another port"))),
    }
}

/// What clients will be told, decided by flags and by what was bound.
pub fn listener(settings: &Settings, bound: &Listeners) -> Listener {
    let (at, first) = (&settings.listen, bound.addresses().first());
    let advertised = settings.advertised.as_ref();
    Listener {
        advertised: advertised.map(|told| Endpoint::new(&told.host, told.port)),
        host: at.host.clone(),
        port: first.map_or(at.port, |address| address.port()),
        gateways: gateways(),
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

fn refused(settings: &Settings, shards: usize, error: &BindError) -> Failure {
    if settings.listen.port == 0 && error.is_taken() {
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

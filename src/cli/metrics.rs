//! Where `serve` opens its port for metrics, and where it does not.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::Failure;
use super::settings::Settings;

/// Binds what `--metrics` names. None: it names nothing.
pub fn bind(settings: &Settings) -> Result<Option<TcpListener>, Failure> {
    let Some(at) = &settings.metrics else {
        return Ok(None);
    };
    let addresses = at.resolve_own("--metrics")?;
    let reachable = addresses.iter().find(|address| !address.ip().is_loopback());
    if let Some(address) = reachable
        && !settings.metrics_allow_remote
    {
        return Err(Failure::config(format!(
            "--metrics {}:{}: {address} is reachable by others, and nobody is asked who he is; \
             use localhost, or add --metrics-allow-remote if that is meant",
            at.host, at.port
        )));
    }
    let first = addresses[0];
    let bound = TcpListener::bind(first).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => {
                "something listens there already; stop it, or choose another port"
            }
            _ => "choose an address of this machine",
        };
        Failure::unavailable(format!(
            "can not serve metrics on {first}: {error}; {advice} with --metrics HOST:PORT"
        ))
    })?;
    Ok(Some(bound))
}

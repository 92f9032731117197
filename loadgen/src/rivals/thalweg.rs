//! Our own broker, started for a comparison.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::child::{choose_port, dies_with_us, free_ports};
use super::{Broker, wait_until_ready};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// One node of Thalweg.
pub struct Thalweg {
    /// The binary; the one beside ours if not given.
    pub binary: Option<PathBuf>,
    pub data_dir: PathBuf,
    pub port: Option<u16>,
    pub cores: Option<usize>,
    pub cache_bytes: Option<String>,
    /// `listener-layout`; its own default if not given.
    pub layout: Option<&'static str>,
}

impl Thalweg {
    pub fn start(&self) -> Result<Broker, String> {
        let binary = match &self.binary {
            Some(binary) => binary.clone(),
            None => beside_us()?,
        };
        let (port, metrics) = self.ports()?;
        let folder = &self.data_dir;
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let log_file = folder.join("thalweg.out");
        let open = || -> std::io::Result<_> {
            let file = fs::File::create(&log_file)?;
            Ok((file.try_clone()?, file))
        };
        let log = open().map_err(|e| format!("{}: {e}", log_file.display()))?;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (address, metrics) = (local(port), local(metrics));
        let mut command = dies_with_us(&binary);
        command
            .args(["serve", "--listen", &address.to_string()])
            .args(["--metrics", &metrics.to_string(), "--data-dir"])
            .arg(folder.join("data"));
        if let Some(cores) = self.cores {
            command.args(["--cores", &cores.to_string()]);
        }
        if let Some(bytes) = &self.cache_bytes {
            command.args(["--cache-bytes", bytes]);
        }
        if let Some(layout) = self.layout {
            command.args(["--listener-layout", layout]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .spawn()
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        let mut broker = Broker::new("thalweg", address, child);
        broker.metrics = Some(metrics);
        wait_until_ready(&mut broker, READY_WITHIN)
            .map_err(|e| format!("{e}; see {}", log_file.display()))?;
        Ok(broker)
    }

    /// Where clients connect first, and where metrics are.
    fn ports(&self) -> Result<(u16, u16), String> {
        let shards = match (self.layout, self.cores) {
            (Some("ports"), Some(cores)) => cores,
            (Some("ports"), None) => std::thread::available_parallelism().map_or(1, usize::from),
            _ => 1,
        };
        match self.port {
            Some(port) => Ok((choose_port(Some(port))?, choose_port(None)?)),
            None => {
                let first = free_ports(shards + 1).map_err(|error| error.to_string())?;
                Ok((first, first + shards as u16))
            }
        }
    }
}

pub fn beside_us() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let beside = own.parent().unwrap_or(Path::new(".")).join("thalweg");
    if beside.is_file() {
        return Ok(beside);
    }
    Err(format!(
        "no {}: build it, or name it with --thalweg-bin",
        beside.display()
    ))
}

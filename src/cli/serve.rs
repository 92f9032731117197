//! `thalweg serve`: from flags to a running broker.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::admin::Loggers;
use crate::base::{ByteCount, ShardId};
use crate::console;
use crate::journal;
use crate::runtime::real::{Config, Listeners, RunError, ShardHome, Stats, Stopper, run as drive};
use crate::runtime::{Boot, Watched};
use crate::shard::{Addresses, Layout, Listener, Shard, ShardConfig};

use super::arguments::{Output, Serve};
use super::bind;
use super::client::address_of;
use super::config_file;
use super::data_dir::{self, DataDir};
use super::listen::HostPort;
use super::metrics;
use super::requirements::{self, Machine, Storage};
use super::settings::Settings;
use super::{Failure, logs};

/// Runs a broker until it is asked to stop; returns the exit code.
pub fn run(options: &Serve) -> Result<u8, Failure> {
    let begun = Instant::now();
    let loggers = logs::start(options.log_format);
    let settings = Settings::resolve(options)?;
    let machine = requirements::check_machine(settings.cores)?;
    // The port first: who finds it taken has left nothing behind.
    let cores = machine.cores.len();
    let shards = data_dir::shards_to_be(&settings.directories, settings.shards, cores)?;
    let (listeners, addresses) = bind::bind(&settings, cores, shards)?;
    let metrics = metrics::bind(&settings)?;
    // From here on there is something to leave in good order.
    let stopper = stopper(options)?;
    let data_dir = DataDir::open(&settings.directories, settings.node, settings.shards, cores)?;
    let serve = || {
        let storage =
            requirements::check_data_dirs(&settings.directories, settings.allow_buffered)?;
        bind::warn_if_open(&listeners);
        let plan = Plan {
            options,
            settings: &settings,
            machine: &machine,
            data_dir: &data_dir,
            addresses: &addresses,
            storage: &storage,
            loggers: &loggers,
        };
        plan.introduce(&listeners, metrics.as_ref());
        plan.drive(listeners, metrics, stopper, begun)
    };
    let code = serve();
    if options.until_input_ends {
        data_dir.remove();
    }
    code
}

fn stopper(options: &Serve) -> Result<Stopper, Failure> {
    let stopper = Stopper::new().map_err(|error| Failure::unavailable(error.to_string()))?;
    // Who is impatient with a broker that cleans up after itself would keep it from that.
    let patient = options.until_input_ends;
    stopper.on_signals(patient);
    if options.until_input_ends {
        stop_with_input(stopper.clone());
    }
    Ok(stopper)
}

fn refused(error: &RunError) -> Failure {
    match error {
        RunError::Directory { .. } | RunError::Boot { .. } => Failure::data_dir(error.to_string()),
        #[cfg(any(test, feature = "faults"))]
        RunError::Faults(_) => Failure::failed(error.to_string()),
        RunError::Config(_)
        | RunError::Pin { .. }
        | RunError::System { .. }
        | RunError::Executor(_) => Failure::unavailable(error.to_string()),
    }
}

/// Everything that was decided before the first thread starts.
struct Plan<'a> {
    options: &'a Serve,
    settings: &'a Settings,
    machine: &'a Machine,
    data_dir: &'a DataDir,
    addresses: &'a Addresses,
    storage: &'a Storage,
    loggers: &'a Arc<Watched<Loggers>>,
}

impl Plan<'_> {
    fn homes(&self) -> Vec<ShardHome> {
        let places = self.data_dir.manifest.shards.iter();
        let homes = places.map(|place| ShardHome {
            shard: place.id,
            directory: self.data_dir.path.join(&place.directory),
        });
        homes.collect()
    }

    fn drive(
        &self,
        listeners: Listeners,
        metrics: Option<TcpListener>,
        stopper: Stopper,
        begun: Instant,
    ) -> Result<u8, Failure> {
        let homes = self.homes();
        let stats = Arc::new(Stats::new(homes.iter().map(|home| home.shard)));
        tell_start(stats.clone(), self.options.output, begun);
        if let Some(listener) = metrics {
            let served = console::serve(listener, stats.clone());
            served.map_err(|error| Failure::unavailable(format!("metrics: {error}")))?;
        }
        let config = Config {
            cores: self.machine.cores.clone(),
            pin: self.machine.pin,
            stats,
            shards: homes,
            listeners,
            buffered: self.storage.buffered,
            idle_poll: self.settings.idle_poll,
            stopper,
        };
        let configs = self.shard_configs();
        let open = move |boot: Boot<'_>| {
            let config = configs[usize::from(boot.shard.0)].clone();
            Shard::open(boot, config)
        };
        drive(config, open).map_err(|error| refused(&error))
    }

    fn cache_bytes(&self) -> ByteCount {
        let default = ByteCount(self.machine.memory.0 / 10 * 4);
        self.settings.cache_bytes.unwrap_or(default)
    }

    fn shard_configs(&self) -> Vec<ShardConfig> {
        let manifest = &self.data_dir.manifest;
        let ids: Vec<ShardId> = manifest.shards.iter().map(|place| place.id).collect();
        let cache = ByteCount(self.cache_bytes().0 / ids.len().max(1) as u64);
        let mut broker = self.settings.broker.clone();
        // Who need not be told its id has one to show.
        let node = config_file::set(&mut broker, "node.id", &manifest.node.0.to_string());
        node.expect("an id that is in use is one");
        let broker = Arc::new(broker);
        let places = manifest.shards.iter();
        let configs = places.map(|place| {
            let mut journal = journal::Settings::new(place.incarnation);
            journal.cache_bytes = cache;
            let mut config = ShardConfig::new(
                manifest.node,
                manifest.cluster_id.clone(),
                ids.clone(),
                self.addresses.clone(),
                journal,
            );
            config.clock_accepted = manifest.clock_accepted;
            config.loggers = self.loggers.clone();
            config.follow(broker.clone());
            config
        });
        configs.collect()
    }

    /// Tells the operator what will run, before the first client can connect.
    fn introduce(&self, listeners: &Listeners, metrics: Option<&TcpListener>) {
        let mode = match self.storage.buffered {
            true => "page cache and fdatasync before each acknowledgement",
            false => "direct I/O, on stable storage before each acknowledgement",
        };
        let made = if self.data_dir.is_new { "new" } else { "found" };
        let shards = self.data_dir.manifest.shards.len();
        let cores = self.machine.cores.len();
        let metrics = metrics.and_then(|own| own.local_addr().ok());
        let metrics = metrics.map(|address| format!("http://{address}/metrics"));
        let clients = self.told();
        let shown = clients.join(" and ");
        let notes = self.settings.notes.iter().chain(&self.machine.notes);
        let notes: Vec<&String> = notes.chain(&self.storage.notes).collect();
        if self.options.output == Output::Json {
            let firsts = listeners.addresses().iter().copied();
            let told = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "listens_on": bind::all(firsts, self.addresses.ports),
                "clients_use": shown,
                "listeners": self.listeners(),
                "directory": display(&self.data_dir.path),
                "is_new": self.data_dir.is_new,
                "shards": shards,
                "cores": cores,
                "durability": mode,
                "devices": self.storage.devices,
                "cache_bytes": self.cache_bytes().0,
                "metrics": metrics,
                "notes": notes,
            });
            return say(&told.to_string());
        }
        let mut lines = vec![
            format!("thalweg {}", env!("CARGO_PKG_VERSION")),
            format!("  listens on   {}", bind::shown(listeners).join(" and ")),
            format!("  clients use  {shown}"),
            format!("  directory    {} ({made})", display(&self.data_dir.path)),
            format!("  shards       {shards} on {cores} cores"),
            format!("  durability   {mode}"),
        ];
        let devices = self.storage.devices.iter();
        lines.extend(devices.map(|device| format!("  device       {device}")));
        lines.push(format!("  cache        {}", self.cache_bytes()));
        if self.settings.layout == Layout::Ports {
            lines.push(
                "  layout       a port for each shard, which serves all that comes there".into(),
            );
        }
        lines.extend(metrics.map(|address| format!("  metrics      {address}")));
        lines.extend(notes.iter().map(|note| format!("  note         {note}")));
        say(&lines.join("\n"));
    }

    /// Where clients are told to connect, by each listener; with its name, if there are several.
    fn told(&self) -> Vec<String> {
        let listeners = &self.addresses.listeners;
        let told = listeners.iter().map(|listener| {
            let told = told_by(listener);
            match listeners.len() {
                1 => told,
                _ => format!("{told} ({})", listener.name),
            }
        });
        told.collect()
    }

    /// For programs: which listens where, and what clients are told there.
    fn listeners(&self) -> Vec<serde_json::Value> {
        let listeners = self.addresses.listeners.iter();
        let shown = listeners.map(|listener| {
            let first = listener
                .bound
                .iter()
                .map(|ip| SocketAddr::new(*ip, listener.port));
            json!({
                "name": listener.name,
                "listens_on": bind::all(first, self.addresses.ports),
                "clients_use": told_by(listener),
            })
        });
        shown.collect()
    }
}

fn told_by(listener: &Listener) -> String {
    let (host, port) = match &listener.advertised {
        Some(told) => (told.host.to_string(), told.port),
        None => (listener.at.host.clone(), listener.port),
    };
    let shown = HostPort { host, port };
    match shown.concrete_host() {
        Some(host) => address_of(&host, port),
        None => format!("the address that they reached:{port}"),
    }
}

/// Says how long the start took, recovery included, once every shard takes connections.
fn tell_start(stats: Arc<Stats>, output: Output, begun: Instant) {
    std::thread::spawn(move || {
        stats.await_serving();
        let took = begun.elapsed().as_millis() as u64;
        match output {
            Output::Json => say(&json!({ "started_in_ms": took }).to_string()),
            Output::Text => say(&format!("  started in   {took} ms")),
        }
    });
}

/// Whoever started us may be gone, and hears nothing: no reason to leave our directory behind.
fn say(words: &str) {
    let _ = writeln!(std::io::stdout(), "{words}");
}

/// Whoever started us for a while holds the other end; it closes when they end, however they do.
fn stop_with_input(stopper: Stopper) {
    std::thread::spawn(move || {
        // An error is an end too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stopper.stop();
    });
}

fn display(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

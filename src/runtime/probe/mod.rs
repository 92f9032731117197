//! What this machine can do, asked of it: for `serve` before it starts, for `doctor` and `demo`,
//! and for the load generator's limits. Every finding is a plain struct; what is refused says
//! why, and what to do.

mod device;
mod directory;
mod gateway;
mod host;
mod process;
mod queue;

pub use device::{DeviceFinding, DeviceProbe, FlushRate, measure};
pub use directory::{DirectIo, DirectoryFinding, device_flushes, directory};
pub use gateway::container_gateways;
pub use host::{HostFinding, host};
pub use process::{
    Limit, Limits, Memory, Processors, Refused, limits, memory, processors, raise_limits, ring,
};
pub use queue::{PreparedFinding, QueueFinding, prepared, queue};

//! What this machine can do, asked of it: for `serve` before it starts, for `doctor` and `demo`,
//! and for the load generator's limits. Every finding is a plain struct; what is refused says
//! why, and what to do.

mod device;
mod directory;
mod process;

pub use device::{DeviceFinding, DeviceProbe, FlushRate, measure};
pub use directory::{DirectIo, DirectoryFinding, device_flushes, directory};
pub use process::{
    Limit, Limits, Memory, Processors, Refused, limits, memory, processors, raise_limits, ring,
};

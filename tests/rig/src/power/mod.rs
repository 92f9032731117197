//! Power cuts: an ext4 file system whose disk forgets what was not flushed.
//!
//! ```text
//! broker -> ext4 -> loop device -> file `disk` in a FUSE file system -> VolatileDisk -> image
//! ```
//!
//! The FUSE daemon is a process of its own and never touches the mount that it serves: a process
//! that waits for itself through the kernel waits for ever. All mounts live in a mount namespace
//! of the rig's own, and the loop device is cleared with its last user, so that nothing is left
//! behind however the rig ends.
//!
//! Begin at `PowerRig`.

mod disk;
mod fuse;
mod rig;
mod self_test;
mod system;

pub use disk::Cut;
pub use fuse::serve;
pub use rig::PowerRig;
pub use self_test::{Trial, trial};
pub use system::{die_with_parent, own_mounts, required, run};

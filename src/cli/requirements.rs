//! What a broker needs of its machine, asked before anything is touched.

use std::path::Path;

use crate::base::ByteCount;

use super::Failure;

/// The machine as `serve` will use it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processors, one thread each.
    pub cores: Vec<usize>,
    /// Tie each thread to its processor. Not done when more cores were asked for than there are.
    pub pin: bool,
    pub memory: ByteCount,
    /// What the operator should know, though it does not keep the broker from running.
    pub notes: Vec<String>,
}

/// Fails with the remedy if this machine can not run a broker.
pub fn check_machine(cores: Option<u16>) -> Result<Machine, Failure> {
    let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = cores.map_or(available, usize::from);
    let mut notes = Vec::new();
    if wanted > available {
        notes.push(format!(
            "{wanted} cores were asked for and {available} are there: slower"
        ));
    }
    Ok(Machine {
        cores: (0..wanted).collect(),
        pin: wanted <= available,
        memory: ByteCount::mib(1024),
        notes,
    })
}

/// True if files must go through the page cache, which is only done when allowed.
pub fn check_data_dir(_path: &Path, _allow_buffered: bool) -> Result<bool, Failure> {
    Ok(false)
}

//! `doctor --accept-clock`: retention goes by the wall clock again after that has jumped forward.
//!
//! The time of the acceptance goes into the manifest of a stopped broker. The next start takes it
//! for a time that was surely reached, as if it had been noted by the broker itself; so doing it
//! twice, or leaving it there, changes nothing, and a later jump is held back like the first.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::Doctor;
use crate::base::WallMs;
use crate::cli::Failure;
use crate::cli::arguments::Output;
use crate::cli::data_dir;

/// Notes in the data directory that the wall clock is right.
pub fn accept(options: &Doctor) -> Result<u8, Failure> {
    let mut held = data_dir::hold(&options.data_dir)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| Failure::failed("the clock stands before 1970; set it first"))?;
    let now = WallMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let mut manifest = held.manifest.clone();
    manifest.clock_accepted = Some(now);
    held.rewrite(manifest)?;
    match options.output {
        Output::Text => println!(
            "The clock is accepted as of now ({} ms since 1970). From the next start on retention \
             goes by it, and deletes what is older than the topics allow.",
            now.0
        ),
        Output::Json => println!("{}", json!({ "clock_accepted_ms": now.0 })),
    }
    Ok(0)
}

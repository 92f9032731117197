//! The rig on trial: a writer that flushes must lose nothing, one that does not must be caught.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Cut, PowerRig};

/// As much as the writer must have acknowledged before the cut, so that there is what to lose.
const ACKNOWLEDGED_MIN: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// Acknowledged and lost records of the tiny writer, over one cut.
#[derive(Debug)]
pub struct Trial {
    pub acknowledged: u64,
    pub lost: u64,
}

/// Writes, cuts, and counts what is missing afterwards.
pub fn trial(rig: &mut PowerRig, flushes: bool, cut: Cut) -> Result<Trial, String> {
    let path = rig.power_on()?.join("records");
    drop(fs::remove_file(&path));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = {
        let (path, acknowledged) = (path.clone(), acknowledged.clone());
        thread::spawn(move || write_records(&path, flushes, &acknowledged))
    };
    let until = Instant::now() + PATIENCE;
    while acknowledged.load(Ordering::Acquire) < ACKNOWLEDGED_MIN && !writer.is_finished() {
        if Instant::now() > until {
            return Err("the writer gets nowhere".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    rig.cut(cut)?;
    // Its next flush fails. Without flushes it would never notice, so it ends by count.
    let ended = writer.join().expect("the writer does not panic");
    let acknowledged = acknowledged.load(Ordering::Acquire);
    if flushes && ended.is_ok() {
        return Err("a flush succeeded without power".into());
    }
    rig.take_down()?;
    let path = rig.power_on()?.join("records");
    let lost = (0..acknowledged)
        .filter(|number| !holds(&path, *number))
        .count() as u64;
    rig.take_down()?;
    Ok(Trial { acknowledged, lost })
}

fn write_records(path: &Path, flushes: bool, acknowledged: &AtomicU64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let parent = path.parent().expect("a file has a folder");
    File::open(parent)?.sync_all()?;
    for number in 0..100_000_u64 {
        file.write_all(&record(number))?;
        if flushes {
            file.sync_data()?;
        }
        acknowledged.store(number + 1, Ordering::Release);
        if !flushes && number >= ACKNOWLEDGED_MIN {
            break;
        }
    }
    Ok(())
}

fn record(number: u64) -> [u8; 512] {
    let mut record = [0xA5; 512];
    record[..8].copy_from_slice(&number.to_le_bytes());
    record
}

fn holds(path: &Path, number: u64) -> bool {
    use std::os::unix::fs::FileExt;
    let mut found = [0; 512];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut found, number * 512));
    read.is_ok() && found == record(number)
}

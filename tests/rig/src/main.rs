//! The rig's command line.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use rig::power::{self, Cut, PowerRig};

const USAGE: &str = "usage:
  rig self-test FOLDER            the power rig on trial, without a broker
  rig volatile-disk IMAGE MOUNT   (the power rig's own daemon)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["self-test", folder] => self_test(Path::new(folder)),
        ["volatile-disk", image, mount] => {
            power::serve(Path::new(image), Path::new(mount)).map_err(|e| e.to_string())
        }
        _ => Err(USAGE.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rig: {error}");
            ExitCode::FAILURE
        }
    }
}

fn self_test(folder: &Path) -> Result<(), String> {
    power::own_mounts()?;
    let mut rig = PowerRig::new(folder, 1 << 30, daemon()?)?;
    for (flushes, cut) in [
        (true, Cut::DropAll),
        (true, Cut::KeepSome(1)),
        (true, Cut::KeepSome(2)),
        (false, Cut::DropAll),
        (false, Cut::KeepSome(3)),
    ] {
        let trial = power::trial(&mut rig, flushes, cut)?;
        println!("a writer that flushes: {flushes}, {cut:?}: {trial:?}");
        if flushes != (trial.lost == 0) {
            return Err("the rig proves nothing: see the line above".into());
        }
    }
    println!("rig: PASSED: flushed records survive power cuts, unflushed ones are missed");
    Ok(())
}

/// This program, as the daemon of a power rig.
fn daemon() -> Result<Vec<OsString>, String> {
    let program = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    Ok(vec![program.into(), "volatile-disk".into()])
}

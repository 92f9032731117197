//! The load generator: a package of its own, so that cargo does not build it for these tests.

use std::path::Path;
use std::process::Command;

use super::THALWEG;

/// Builds it, beside the program that is tested, unless somebody has and says where.
pub fn program() -> String {
    if let Ok(built) = std::env::var("THALWEG_LOADGEN") {
        return built;
    }
    let profile = Path::new(THALWEG).parent().expect("a folder");
    let target = profile.parent().expect("a folder");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--quiet", "--package", "loadgen"]);
    let output = build.arg("--target-dir").arg(target).output();
    let output = output.expect("there is a cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    target.join("debug/loadgen").display().to_string()
}

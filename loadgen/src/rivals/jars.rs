//! Apache Kafka's jars, fetched once by Maven into a folder outside the tree.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const KAFKA_VERSION: &str = "4.1.1";

/// What Kafka's own distribution adds to `kafka_2.13` so that it can log.
const LOG4J_VERSION: &str = "2.24.3";

/// The folder that holds Kafka's jars, fetched when they are not there yet.
///
/// `THALWEG_CACHE` names the cache folder; otherwise it is `thalweg` below the user's cache.
pub fn kafka_jars() -> Result<PathBuf, String> {
    let home = cache_folder()?.join(format!("kafka-{KAFKA_VERSION}"));
    let libs = home.join("libs");
    if !libs.is_dir() {
        fetch(&home, &libs)?;
    }
    Ok(libs)
}

fn cache_folder() -> Result<PathBuf, String> {
    if let Some(folder) = env::var_os("THALWEG_CACHE") {
        return Ok(folder.into());
    }
    if let Some(folder) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("thalweg"));
    }
    match env::var_os("HOME") {
        Some(home) => Ok(PathBuf::from(home).join(".cache/thalweg")),
        None => Err("no HOME: name a cache folder in THALWEG_CACHE".into()),
    }
}

/// Fetches beside the goal and renames, so that a half-fetched folder is never used and two
/// fetches at once do not meet.
fn fetch(home: &Path, libs: &Path) -> Result<(), String> {
    let scratch = home.join(format!("fetching-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let pom = scratch.join("pom.xml");
    fs::write(&pom, pom_text()).map_err(|e| format!("{}: {e}", pom.display()))?;
    eprintln!(
        "fetching Apache Kafka {KAFKA_VERSION} by Maven into {}",
        libs.display()
    );

    let fetched = scratch.join("libs");
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", fetched.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| match e.kind() {
            ErrorKind::NotFound => "Maven is needed to fetch Kafka: install `maven`".to_string(),
            _ => format!("mvn: {e}"),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let last: Vec<&str> = said
            .lines()
            .filter(|l| l.contains("ERROR"))
            .take(5)
            .collect();
        return Err(format!("Maven could not fetch Kafka: {}", last.join("\n")));
    }

    let renamed = fs::rename(&fetched, libs);
    let _ = fs::remove_dir_all(&scratch);
    match renamed {
        Err(e) if !libs.is_dir() => Err(format!("{}: {e}", libs.display())),
        _ => Ok(()),
    }
}

fn pom_text() -> String {
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let mut dependencies = dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION);
    dependencies += &dependency(
        "org.apache.logging.log4j",
        "log4j-slf4j-impl",
        LOG4J_VERSION,
    );
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         <modelVersion>4.0.0</modelVersion>\n\
         <groupId>thalweg.loadgen</groupId><artifactId>kafka</artifactId><version>1</version>\n\
         <packaging>pom</packaging>\n\
         <dependencies>\n{dependencies}</dependencies>\n</project>\n"
    )
}

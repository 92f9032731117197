//! README's lines for Docker, held against what they build and run, on every machine; where there
//! are containers, `container.rs` runs them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thalweg::base::limits::{LOCKED_MEMORY_BYTES_MIN, OPEN_FILES_MIN};

const DOCKERFILE: &str = "tuning/Dockerfile";
const PROFILE: &str = "tuning/seccomp.json";

fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(
        path.is_file(),
        "README names {name}, and there is no such file"
    );
    path
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).expect("text")
}

/// The value behind each `flag` of a line.
pub fn values<'a>(words: &[&'a str], flag: &str) -> Vec<&'a str> {
    let pairs = words.windows(2).filter(|pair| pair[0] == flag);
    pairs.map(|pair| pair[1]).collect()
}

/// The rest of each of the Dockerfile's lines that begin with a word.
fn instructions<'a>(dockerfile: &'a str, word: &str) -> Vec<&'a str> {
    let lines = dockerfile.lines();
    let rests = lines.filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    rests.collect()
}

/// The images that the Dockerfile begins with.
pub fn bases() -> Vec<String> {
    let dockerfile = read(DOCKERFILE);
    let froms = instructions(&dockerfile, "FROM").into_iter();
    let names = froms.filter_map(|rest| rest.split(' ').next().map(str::to_owned));
    names.collect()
}

/// What a container of the image runs.
pub fn command() -> Vec<String> {
    let dockerfile = read(DOCKERFILE);
    let command = instructions(&dockerfile, "CMD")[0];
    serde_json::from_str(command).expect("an array of words")
}

/// The seccomp profile that README names.
pub fn profile() -> String {
    read(PROFILE)
}

/// `docker build` and `docker run` name what is there and agree with each other, with the
/// Dockerfile and its head, and with what a broker needs.
pub fn check(lines: &[String]) {
    let [build, run] = lines else {
        panic!("README builds an image once and runs it once: {lines:?}");
    };
    let build: Vec<&str> = build.split_whitespace().collect();
    let run: Vec<&str> = run.split_whitespace().collect();
    assert_eq!(build[..2], ["docker", "build"]);
    assert_eq!(run[..2], ["docker", "run"]);
    let dockerfile = read(DOCKERFILE);

    assert_eq!(values(&build, "-f"), [DOCKERFILE]);
    assert_eq!(build.last(), Some(&"."), "it copies the top of the tree");
    assert_eq!(
        values(&build, "-t"),
        run[run.len() - 1..],
        "the image's name"
    );
    check_head(&dockerfile, &[&build, &run]);
    check_limits(&run);
    check_places(&dockerfile, &run);
    let rust = instructions(&dockerfile, "FROM")[0];
    let version = concat!("rust:", env!("CARGO_PKG_RUST_VERSION"), "-");
    assert!(
        rust.starts_with(version),
        "{rust}: not the Rust of Cargo.toml"
    );
}

/// The Dockerfile's own head shows the same commands.
fn check_head(dockerfile: &str, commands: &[&[&str]]) {
    let comments = dockerfile.lines().map_while(|line| line.strip_prefix('#'));
    let head = comments.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let head: Vec<Vec<&str>> = head
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    for command in commands {
        assert!(
            head.iter().any(|line| line == command),
            "{DOCKERFILE} lacks {command:?}"
        );
    }
}

fn check_limits(run: &[&str]) {
    let profile = values(run, "--security-opt");
    let profile = profile.iter().find_map(|it| it.strip_prefix("seccomp="));
    assert_eq!(profile, Some(PROFILE));
    let profile: Value = serde_json::from_str(&read(PROFILE)).expect("JSON");
    assert!(profile["syscalls"].is_array(), "no profile of Docker's");
    for (name, least) in [
        ("memlock=", LOCKED_MEMORY_BYTES_MIN.0),
        ("nofile=", OPEN_FILES_MIN),
    ] {
        let given = values(run, "--ulimit");
        let given = given.iter().find_map(|it| it.strip_prefix(name));
        let given: u64 = given.and_then(|it| it.parse().ok()).expect(name);
        assert!(given >= least, "{name}{given}, and a broker needs {least}");
    }
}

/// Volume and port are those of the image, and of the broker in it.
fn check_places(dockerfile: &str, run: &[&str]) {
    let volume = values(run, "-v");
    let (_, inside) = volume[0].split_once(':').expect("NAME:PATH");
    let ports = values(run, "-p");
    let (outside, port) = ports[0].split_once(':').expect("PORT:PORT");

    assert_eq!(instructions(dockerfile, "VOLUME"), [inside]);
    assert_eq!(instructions(dockerfile, "EXPOSE"), [port]);
    let command = command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    assert_eq!(values(&command, "--data-dir"), [inside]);
    assert_eq!(values(&command, "--listen"), [format!("0.0.0.0:{port}")]);
    assert_eq!(
        values(&command, "--advertise"),
        [format!("localhost:{outside}")]
    );
}

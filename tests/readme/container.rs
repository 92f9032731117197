//! README's lines for Docker, run: an image is built, serves through a published port, and stops.
//!
//! They run where an engine answers that has the bases of `tuning/Dockerfile`, or can pull them;
//! elsewhere `Engine::find` says why not. `CONTAINER_ENGINE` names the engine, any program that
//! takes docker's words (docker itself if it is not set, none if it is empty), and
//! `CONTAINER_BUILD_OPTIONS` what a build needs on this machine besides, such as a network.
//! Names are the test's own, the port is a free one, and nothing stays.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::image::{self, values};
use super::support::{Scratch, system, wait_for};
use super::{ROOT, THALWEG};

/// What the broker says once it serves.
const SERVES: &str = "started in";
const UNAVAILABLE: i32 = 69;
const RING: [&str; 3] = ["io_uring_enter", "io_uring_register", "io_uring_setup"];

/// A program that takes docker's words and answers.
pub struct Engine {
    program: String,
}

impl Engine {
    /// Err: why nothing of README can be run here.
    pub fn find(bases: &[String]) -> Result<Self, String> {
        let program = std::env::var("CONTAINER_ENGINE").unwrap_or("docker".to_owned());
        if program.is_empty() {
            return Err("CONTAINER_ENGINE is empty: no containers are wanted".to_owned());
        }
        let engine = Self { program };
        let answer = engine.try_ask(&["info"]);
        answer.map_err(|why| format!("no container engine answers: {why}"))?;
        for base in bases {
            if engine.try_ask(&["image", "inspect", base]).is_err() {
                let pulled = engine.try_ask(&["pull", base]);
                pulled.map_err(|why| format!("the image {base} is not to be had: {why}"))?;
            }
        }
        Ok(engine)
    }

    /// At the top of the tree, where README's lines begin.
    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(ROOT).stdin(Stdio::null());
        // Podman keeps the layers of each step as images if it is not told so; docker has a cache.
        command.env("BUILDAH_LAYERS", "false");
        system::die_with_parent(&mut command);
        command
    }

    /// What it says on standard output; the last words of one that fails.
    fn try_ask(&self, words: &[&str]) -> Result<String, String> {
        let asked = format!("{} {}", self.program, words.join(" "));
        let output = self.command(words.iter().copied()).output();
        let output = output.map_err(|error| format!("{asked}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = both(&output);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        Err(format!("{asked}: {}", last.unwrap_or("it says nothing")))
    }

    fn ask(&self, words: &[&str]) -> String {
        self.try_ask(words).unwrap_or_else(|why| panic!("{why}"))
    }
}

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// How a container began: it serves, or it has ended with this code.
#[derive(Debug, PartialEq, Eq)]
enum Begun {
    Serves,
    Ended(i32),
}

/// README's two lines under names of our own; image, container and volume have the same.
struct Trial<'a> {
    engine: &'a Engine,
    name: String,
    build: Vec<&'a str>,
    run: Vec<&'a str>,
    port: u16,
}

impl<'a> Trial<'a> {
    fn new(engine: &'a Engine, build: &'a str, run: &'a str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self {
            engine,
            name: format!("thalweg-test-{}", std::process::id()),
            build: build.split_whitespace().collect(),
            run: run.split_whitespace().collect(),
            port: free.local_addr().expect("its address").port(),
        }
    }

    /// As README builds it, but for the name and what this machine needs besides.
    fn build(&self) {
        let more = std::env::var("CONTAINER_BUILD_OPTIONS").unwrap_or_default();
        let tag = values(&self.build, "-t")[0];
        let own = self.build[2..].iter().map(|word| match *word == tag {
            true => &self.name,
            false => *word,
        });
        let words = ["build"].into_iter().chain(more.split_whitespace());

        let output = self.engine.command(words.chain(own)).output();

        let output = output.expect("it answered before");
        assert!(output.status.success(), "{}", both(&output));
    }

    /// As README runs it, detached, with `profile` where README has its own; None: without that
    /// option. The image's own command follows, since clients are told where it is published.
    fn begin(&self, profile: Option<&str>) -> Begun {
        let volume = values(&self.run, "-v")[0];
        let port = values(&self.run, "-p")[0];
        let (outside, inside) = port.split_once(':').expect("PORT:PORT");
        let published = format!("127.0.0.1:{}:{inside}", self.port);
        let (_, folder) = volume.split_once(':').expect("NAME:PATH");
        let mut words = vec!["run".to_owned(), "-d".to_owned()];
        words.extend(["--name".to_owned(), self.name.clone()]);
        let options = &self.run[2..self.run.len() - 1];
        assert_eq!(options.len() % 2, 0, "each option has a value: {options:?}");
        for pair in options.chunks(2) {
            let value = match pair[0] {
                "--security-opt" => profile.map(str::to_owned),
                "-v" => Some(format!("{}:{folder}", self.name)),
                "-p" => Some(published.clone()),
                _ => Some(pair[1].to_owned()),
            };
            words.extend(value.into_iter().flat_map(|it| [pair[0].to_owned(), it]));
        }
        words.push(self.name.clone());
        let (there, here) = (
            format!("localhost:{outside}"),
            format!("localhost:{}", self.port),
        );
        words.extend(image::command().iter().map(|it| it.replace(&there, &here)));

        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.engine.ask(&words);
        self.begun()
    }

    fn begun(&self) -> Begun {
        wait_for("a broker in a container", || {
            // In this order: one that has ended says no more.
            let code = self.ended();
            match code {
                Some(code) => Some(Begun::Ended(code)),
                None => self.logs().contains(SERVES).then_some(Begun::Serves),
            }
        })
    }

    fn ended(&self) -> Option<i32> {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let state = self
            .engine
            .ask(&["inspect", "--format", format, &self.name]);
        let (status, code) = state.split_once(' ').expect("two words");
        // Podman says either.
        let ended = ["exited", "stopped"].contains(&status);
        ended.then(|| code.parse().expect("a number"))
    }

    /// Standard output and standard error, of every run of this container.
    fn logs(&self) -> String {
        let output = self.engine.command(["logs", &self.name]).output();
        both(&output.expect("it answered before"))
    }

    /// Our own command through the published port.
    fn ours(&self, words: &str, input: &str) -> String {
        let address = format!("localhost:{}", self.port);
        let mut command = Command::new(THALWEG);
        command.args(words.split(' '));
        command.args(["--bootstrap-server", &address]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        system::die_with_parent(&mut command);
        let mut child = command.spawn().expect("it can be started");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("ours");
        let logs = || self.logs();
        assert!(output.status.success(), "{words}: {output:?}\n{}", logs());
        String::from_utf8(output.stdout).expect("text")
    }

    fn stop(&self) {
        self.engine.ask(&["stop", &self.name]);
        assert_eq!(self.ended(), Some(0), "{}", self.logs());
    }

    /// The container alone.
    fn remove(&self) {
        self.engine.ask(&["rm", "-f", &self.name]);
    }

    /// The last of it: what the engine still has under our name.
    fn clean(&self) -> String {
        for words in [["rm", "-f"], ["rmi", "-f"]] {
            let _ = self.engine.try_ask(&[&words[..], &[&self.name]].concat());
        }
        let volume = ["volume", "rm", "-f", &self.name];
        let _ = self.engine.try_ask(&volume);
        let name = format!("name={}", self.name);
        let left = [
            &["ps", "-a", "-q", "--filter", &name][..],
            &["volume", "ls", "-q", "--filter", &name],
            &["images", "-q", &self.name],
        ];
        left.map(|words| self.engine.ask(words)).concat()
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whether anything is left matters less than what it panics about.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.clean()));
        }
    }
}

/// Builds README's image, and runs it as README says, and without the option for io_uring.
pub fn check(engine: &Engine, lines: &[String]) {
    let [build, run] = lines else {
        panic!("README builds an image once and runs it once: {lines:?}");
    };
    let scratch = Scratch::new("container");
    let trial = Trial::new(engine, build, run);
    let profile = values(&trial.run, "--security-opt")[0];

    trial.build();
    check_service(&trial, profile);
    let refusing = profile_without_ring(&scratch.path("profile.json"));
    let begun = trial.begin(Some(&format!("seccomp={refusing}")));
    check_refusal(&trial, begun, profile);
    match trial.begin(None) {
        Begun::Serves => println!("the engine's own profile allows io_uring"),
        ended => check_refusal(&trial, ended, profile),
    }
    trial.remove();

    assert_eq!(trial.clean(), "", "it is left behind");
}

/// Records get in and out, and are still there in the volume for the next run.
fn check_service(trial: &Trial<'_>, profile: &str) {
    let consume = "consume t --from-beginning --max-messages 2 --partition 1";

    assert_eq!(
        trial.begin(Some(profile)),
        Begun::Serves,
        "{}",
        trial.logs()
    );
    trial.ours("topic create t --partitions 2", "");
    trial.ours("produce t --partition 1", "one\ntwo\n");
    assert_eq!(trial.ours(consume, ""), "one\ntwo\n");
    trial.stop();
    trial.remove();

    assert_eq!(trial.begin(Some(profile)), Begun::Serves);
    assert_eq!(trial.ours(consume, ""), "one\ntwo\n");
    trial.stop();
    trial.remove();
}

/// It ended with the code of a machine that lacks something, and names README's option.
fn check_refusal(trial: &Trial<'_>, begun: Begun, profile: &str) {
    let logs = trial.logs();
    assert_eq!(begun, Begun::Ended(UNAVAILABLE), "{logs}");
    let option = format!("--security-opt {profile}");
    assert!(logs.contains(&option), "no {option}: {logs}");
    trial.remove();
}

/// README's profile without the calls of io_uring, as docker's own is; its path.
fn profile_without_ring(path: &Path) -> String {
    let mut profile: Value = serde_json::from_str(&image::profile()).expect("JSON");
    let rules = profile["syscalls"].as_array_mut().expect("rules");
    for rule in rules {
        let names = rule["names"].as_array_mut().expect("names");
        names.retain(|name| !RING.iter().any(|call| name == call));
    }
    // A rule of no call is none that an engine takes.
    let rules = profile["syscalls"].as_array_mut().expect("rules");
    rules.retain(|rule| rule["names"].as_array().is_some_and(|it| !it.is_empty()));
    std::fs::write(path, profile.to_string()).expect("a scratch file");
    path.display().to_string()
}

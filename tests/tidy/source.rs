//! The source tree as text: its files, their functions, and their code without literals.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub fn folders(below: &str) -> Vec<String> {
    let below = root().join(below);
    names(&below)
        .into_iter()
        .filter(|name| below.join(name).is_dir())
        .collect()
}

/// Paths relative to the root of all files below a folder, build output left out.
pub fn files(below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in names(&root().join(below)) {
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        match root().join(&path).is_dir() {
            _ if [".git", "target", "thalweg-data"].contains(&name.as_str()) => {}
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

pub fn rust_files(below: &str) -> Vec<Source> {
    let rust = files(below)
        .into_iter()
        .filter(|path| path.ends_with(".rs"));
    rust.map(|path| {
        let text = fs::read_to_string(root().join(&path)).expect("a source file is text");
        let code = blank_literals(&text);
        Source { path, text, code }
    })
    .collect()
}

pub fn all_rust_files() -> Vec<Source> {
    ["src", "benches", "loadgen", "tests"]
        .into_iter()
        .flat_map(rust_files)
        .collect()
}

pub struct Source {
    /// Relative to the root of the tree.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked, line for line.
    pub code: String,
}

impl Source {
    /// The room of a file below a folder of `src`; `lib.rs` and `main.rs` have none.
    pub fn room(&self) -> Option<String> {
        let (room, rest) = self.path.strip_prefix("src/")?.split_once('/')?;
        (!rest.is_empty()).then(|| room.to_string())
    }

    /// What the paths from the crate's root begin with, each with its line.
    pub fn names_after_crate(&self) -> Vec<(usize, String)> {
        let mut used = Vec::new();
        for (start, _) in self.code.match_indices("crate::") {
            let line = self.code[..start].matches('\n').count() + 1;
            let rest = &self.code[start + "crate::".len()..];
            for name in first_names(rest) {
                used.push((line, name));
            }
        }
        used
    }

    /// Line, name and length of every function with a body.
    pub fn functions(&self) -> Vec<(usize, String, usize)> {
        let mut found = Vec::new();
        for (start, _) in self.code.match_indices("fn ") {
            let before = self.code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &self.code[start + 3..];
            let name: String = word(rest);
            let Some(length) = body_lines(rest).filter(|_| !name.is_empty()) else {
                continue;
            };
            let line = self.code[..start].matches('\n').count() + 1;
            found.push((line, name, length));
        }
        found
    }
}

/// The names that `a::b` or `{a::b, c::{d, e}}` begin with: `a`, or `a` and `c`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(inner) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let mut names = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && depth == 0 && (c.is_alphabetic() || c == '_') => {
                names.push(word(&inner[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// How many lines a function takes from its name to its last brace; none without a body.
fn body_lines(rest: &str) -> Option<usize> {
    let (mut depth, mut nested, mut lines) = (0, 0, 1);
    for c in rest.chars() {
        match c {
            '\n' => lines += 1,
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if depth == 0 && nested == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(lines);
                }
                if depth < 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// True if the line says the word as a whole, not as a part of a longer name.
pub fn says(line: &str, wanted: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(wanted).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + wanted.len()..].chars().next();
        let begins = !wanted.starts_with(part) || !before.is_some_and(part);
        begins && (!wanted.ends_with(part) || !after.is_some_and(part))
    })
}

/// Blanks comments, strings and characters, and keeps every line break where it was.
fn blank_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        code.extend(
            chars[at..end]
                .iter()
                .map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied().unwrap_or(' ');
    let begins_word = at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next == '/' => find(chars, at, "\n"),
        '/' if next == '*' => block_comment_end(chars, at),
        '"' => string_end(chars, at + 1),
        'r' if begins_word && (next == '"' || next == '#') => raw_string_end(chars, at),
        '\'' if next == '\\' => find(chars, at + 3, "'") + 1,
        '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn find(chars: &[char], from: usize, wanted: &str) -> usize {
    let wanted: Vec<char> = wanted.chars().collect();
    let from = from.min(chars.len());
    let found = chars[from..]
        .windows(wanted.len())
        .position(|window| window == wanted);
    found.map_or(chars.len(), |position| from + position)
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at; // A raw identifier.
    }
    let close = format!("\"{}", "#".repeat(hashes));
    (find(chars, at + 2 + hashes, &close) + close.len()).min(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

#[test]
fn the_blanking_of_literals_keeps_code_and_lines() {
    let text =
        "let a = \"unsafe\\\" {\"; // unsafe\nlet b: &'static str = r#\"fn x() {\"#; '{' b'\\''";

    let code = blank_literals(text);

    assert_eq!(code.lines().count(), 2);
    assert!(!code.contains("unsafe") && !code.contains('{'), "{code}");
    assert!(code.contains("let b: &'static str ="), "{code}");
}

#[test]
fn a_group_of_imports_names_each_of_its_rooms() {
    assert_eq!(
        first_names("{base::{Offset, units}, wire::Frame}"),
        ["base", "wire"]
    );
    assert_eq!(first_names("journal::Appender;"), ["journal"]);
}

#[test]
fn a_word_is_said_only_as_a_whole() {
    assert!(says("a.atomic::b", "atomic") && says("see /tmp/x", "/tmp/"));
    assert!(!says("non_atomic atomics", "atomic"));
}

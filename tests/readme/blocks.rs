//! README as text: its fenced blocks, the commands in them, `code` between them, its tables.

use std::fs;

/// A fenced block: the line of its fence, counted from 1, its language, and what is in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    pub line: usize,
    pub language: String,
    pub text: String,
}

pub fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    fs::read_to_string(path).expect("a README")
}

/// The fenced blocks in their order, and the text without them.
pub fn split(readme: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut text, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (number, line) in readme.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (open.as_mut(), fence) {
            (None, Some(language)) => {
                open = Some(Block {
                    line: number + 1,
                    language: language.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, None) => text.extend([line, "\n"]),
        }
    }
    assert_eq!(open, None, "a block that is never closed");
    (blocks, text)
}

impl Block {
    /// Its commands: continued lines joined, comments taken off.
    pub fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let plain = joined.lines().map(|line| {
            let before = line.split("  #").next().unwrap_or_default();
            before.trim().to_owned()
        });
        plain.filter(|line| !line.is_empty()).collect()
    }
}

/// Every piece of `code` in a text; one that goes on in the next line is whole.
pub fn spans(text: &str) -> Vec<String> {
    let paragraphs = text.split("\n\n").flat_map(|paragraph| {
        let pieces = paragraph.split('`').skip(1).step_by(2);
        let words = pieces.map(|piece| piece.split_whitespace().collect::<Vec<_>>());
        words.map(|words| words.join(" ")).collect::<Vec<_>>()
    });
    paragraphs.collect()
}

/// The rows of the first table below a heading, each as its cells; without its head.
pub fn table(readme: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = readme
        .split_once(&format!("\n{heading}\n"))
        .expect("the heading");
    let rows = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = rows.map(|row| {
        let inner = row.trim_matches('|').split('|');
        inner.map(|cell| cell.trim().to_owned()).collect()
    });
    cells.collect()
}

#[test]
fn blocks_and_what_is_between_them_are_told_apart() {
    let readme = "a `b\nc` d\n```sh\none \\\n  two  # why\n\n```\n`e`\n```zig\nx\n```\n";

    let (blocks, text) = split(readme);

    assert_eq!(blocks[0].commands(), ["one    two"]);
    assert_eq!((blocks[0].line, blocks[0].language.as_str()), (3, "sh"));
    assert_eq!(blocks[1].language, "zig");
    assert_eq!(blocks.len(), 2);
    assert_eq!(spans(&text), ["b c", "e"]);
}

//! Java's properties format, as `java.util.Properties` reads it.

use super::{Entry, Mistake, Place};

/// Comments begin with `#` or `!`; a key ends at `=`, `:` or white space; a backslash at the end
/// of a line joins the next; `\t`, `\n`, `\u` with four hex digits and the like stand for
/// characters.
pub fn parse(text: &str) -> Result<Vec<Entry>, Mistake> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let line = first.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let at = Place {
            line: index + 1,
            column: first.chars().count() - line.chars().count() + 1,
        };
        let mut whole = line.to_owned();
        while is_continued(&whole) {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            whole.push_str(next.trim_start_matches(is_blank));
        }
        let (key, value) = split(&whole);
        let resolve = |part: &str| {
            unescaped(part).ok_or_else(|| Mistake {
                at,
                words: format!("'\\u' in '{part}' is not followed by four hexadecimal digits"),
            })
        };
        entries.push(Entry {
            key: resolve(key)?,
            value: resolve(value)?,
            at,
        });
    }
    Ok(entries)
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\x0c')
}

/// An odd number of backslashes stands at its end.
fn is_continued(line: &str) -> bool {
    let slashes = line.bytes().rev().take_while(|byte| *byte == b'\\');
    slashes.count() % 2 == 1
}

/// The key, and the value without the separator.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let ends = |(_, letter): &(usize, char)| {
        let end = !escaped && (is_blank(*letter) || matches!(letter, '=' | ':'));
        escaped = *letter == '\\' && !escaped;
        end
    };
    let Some((end, _)) = line.char_indices().find(ends) else {
        return (line, "");
    };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\x0c'),
            Some('u') => {
                let digits: String = letters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                plain.push(
                    code.filter(|_| digits.len() == 4)
                        .and_then(char::from_u32)?,
                );
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Some(plain)
}

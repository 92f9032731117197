//! Two runs of one script, step by step and leaf by leaf.

use std::collections::BTreeMap;
use std::fmt;

use crate::normal::sort_key;
use crate::run::{Answer, Step};
use crate::tree::Node;

/// Where the two brokers say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `Api version case: step`.
    pub api: String,
    pub version: i16,
    pub case: String,
    pub step: String,
    /// The field; `answer` for a reply against none.
    pub path: String,
    pub kafka: String,
    pub ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            api,
            version,
            case,
            step,
            path,
            kafka,
            ours,
        } = self;
        let (kafka, ours) = (shortened(kafka), shortened(ours));
        write!(
            f,
            "{api} {version} {case}/{step}: {path}: kafka {kafka}, thalweg {ours}"
        )
    }
}

/// What a run was of.
#[derive(Clone, Debug)]
pub struct Place {
    pub api: String,
    pub version: i16,
    pub case: String,
}

pub fn compare(place: &Place, kafka: &[Step], ours: &[Step]) -> Vec<Difference> {
    let mut found = Vec::new();
    for at in 0..kafka.len().max(ours.len()) {
        let (theirs, mine) = (kafka.get(at), ours.get(at));
        let step = theirs.or(mine).map_or("", |step| &step.label);
        let mut add = |path: &str, kafka: &str, ours: &str| {
            found.push(Difference {
                api: place.api.clone(),
                version: place.version,
                case: place.case.clone(),
                step: step.to_string(),
                path: path.to_string(),
                kafka: kafka.to_string(),
                ours: ours.to_string(),
            });
        };
        match (theirs.map(|s| &s.answer), mine.map(|s| &s.answer)) {
            (Some(Answer::Reply(theirs)), Some(Answer::Reply(mine))) => {
                nodes(String::new(), Some(theirs), Some(mine), &mut add);
            }
            (theirs, mine) if theirs == mine => {}
            (theirs, mine) => add("answer", kind(theirs), kind(mine)),
        }
    }
    found
}

/// Names what differs below `path`; a part that only one has is one difference.
fn nodes(
    path: String,
    kafka: Option<&Node>,
    ours: Option<&Node>,
    add: &mut impl FnMut(&str, &str, &str),
) {
    match (kafka, ours) {
        (Some(Node::Struct(theirs)), Some(Node::Struct(mine))) => {
            let dot = if path.is_empty() { "" } else { "." };
            let named = |fields: &'_ [(String, Node)]| -> Vec<(String, Node)> { fields.to_vec() };
            for (name, theirs, mine) in paired(named(theirs), named(mine)) {
                nodes(
                    format!("{path}{dot}{name}"),
                    theirs.as_ref(),
                    mine.as_ref(),
                    add,
                );
            }
        }
        (Some(Node::List(theirs)), Some(Node::List(mine))) => {
            for (name, theirs, mine) in paired(keyed(theirs), keyed(mine)) {
                nodes(
                    format!("{path}[{name}]"),
                    theirs.as_ref(),
                    mine.as_ref(),
                    add,
                );
            }
        }
        (theirs, mine) if theirs == mine => {}
        (theirs, mine) => add(&path, &text(theirs), &text(mine)),
    }
}

type Pair = (String, Option<Node>, Option<Node>);

/// Parts of the same name, in the order of the first, then those that only the second has.
fn paired(theirs: Vec<(String, Node)>, mine: Vec<(String, Node)>) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = theirs
        .into_iter()
        .map(|(name, node)| (name, Some(node), None))
        .collect();
    for (name, node) in mine {
        match pairs.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, _, place)) => *place = Some(node),
            None => pairs.push((name, None, Some(node))),
        }
    }
    pairs
}

/// Items by their key, or by their number if they have none; a second one of a key is `key#2`.
pub fn keyed(items: &[Node]) -> Vec<(String, Node)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let items = items.iter().enumerate().map(|(at, item)| {
        let key = sort_key(item).unwrap_or_else(|| at.to_string());
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        let name = match count {
            1 => key,
            count => format!("{key}#{count}"),
        };
        (name, item.clone())
    });
    items.collect()
}

fn text(node: Option<&Node>) -> String {
    match node {
        None => "absent".into(),
        Some(Node::Leaf(text)) => text.clone(),
        Some(Node::List(items)) if items.is_empty() => "[]".into(),
        Some(node) => {
            let leaves = node.leaves().into_iter();
            let leaves = leaves.map(|leaf| match leaf.path.is_empty() {
                true => leaf.text,
                false => format!("{}={}", leaf.path, leaf.text),
            });
            format!("{{{}}}", leaves.collect::<Vec<_>>().join(" "))
        }
    }
}

fn kind(answer: Option<&Answer>) -> &'static str {
    match answer {
        Some(Answer::Reply(_)) => "a reply",
        Some(Answer::Closed) => "closed",
        Some(Answer::Silent) => "silence",
        None => "not asked",
    }
}

/// For people to read: what is listed is compared with all of it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_string(),
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let mut starts = (0..=rest.len()).filter(|at| rest.is_char_boundary(*at));
    starts.any(|at| fits(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(debug: &str) -> Vec<Step> {
        vec![Step {
            label: "asked".into(),
            answer: Answer::Reply(Node::parse(debug)),
            layout: None,
        }]
    }

    fn check(kafka: &[Step], ours: &[Step], expected: &[&str]) {
        let place = Place {
            api: "Fetch".into(),
            version: 4,
            case: "case".into(),
        };
        let found = compare(&place, kafka, ours);
        let found: Vec<String> = found.iter().map(|it| it.to_string()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn equal_replies_have_no_difference() {
        check(&reply("R { a: 1 }"), &reply("R { a: 1 }"), &[]);
    }

    #[test]
    fn each_field_that_differs_is_a_difference() {
        check(
            &reply("R { a: 1, l: [P { b: 2 }] }"),
            &reply("R { a: 2, l: [] }"),
            &[
                "Fetch 4 case/asked: a: kafka 1, thalweg 2",
                "Fetch 4 case/asked: l[0]: kafka {b=2}, thalweg absent",
            ],
        );
    }

    #[test]
    fn a_closed_connection_is_no_reply() {
        let closed = [Step {
            label: "asked".into(),
            answer: Answer::Closed,
            layout: None,
        }];

        check(
            &closed,
            &reply("R { a: 1 }"),
            &["Fetch 4 case/asked: answer: kafka closed, thalweg a reply"],
        );
        check(&closed, &closed, &[]);
        check(
            &closed,
            &[],
            &["Fetch 4 case/asked: answer: kafka closed, thalweg not asked"],
        );
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("topics[*].error_code", "topics[12].error_code"));
        assert!(fits("*", ""));
        assert!(!fits("topics[*].error", "topics[1].error_code"));
    }
}

//! Our replies by themselves: where an error has room for words there are words, and where
//! nothing is wrong there are none.

use kafka_protocol::messages::ApiKey;

use crate::compare::keyed;
use crate::run::Layout;
use crate::tree::Node;

/// Layouts that have an error's code from the first version on, but its message only from this.
/// A decoded reply of an older version shows the field all the same, as null.
const ROOM_SINCE: &[(ApiKey, i16)] = &[
    (ApiKey::Produce, 8),
    (ApiKey::FindCoordinator, 1),
    (ApiKey::DescribeGroups, 6),
    (ApiKey::DeleteTopics, 5),
    (ApiKey::DescribeQuorum, 2),
];

/// Where nothing is wrong these say "NONE", as Kafka does.
const NONE_IS_SAID: &[ApiKey] = &[ApiKey::FindCoordinator];

/// Each message that is missing or out of place: its path, and what is wrong with it.
pub fn offences(layout: Layout, reply: &Node) -> Vec<String> {
    let is_this = |api: ApiKey| api as i16 == layout.key;
    let since = ROOM_SINCE.iter().find(|(api, _)| is_this(*api));
    let mut found = Vec::new();
    if since.is_none_or(|(_, since)| layout.version >= *since) {
        let may_speak = NONE_IS_SAID.iter().any(|api| is_this(*api));
        walk("", reply, may_speak, &mut found);
    }
    found
}

/// `may_speak`: there may be words where nothing is wrong.
fn walk(path: &str, node: &Node, may_speak: bool, found: &mut Vec<String>) {
    match node {
        Node::Leaf(_) => {}
        Node::List(items) => {
            for (key, item) in keyed(items) {
                walk(&format!("{path}[{key}]"), &item, may_speak, found);
            }
        }
        Node::Struct(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (name, field) in fields {
                let path = format!("{path}{dot}{name}");
                if let (Some(error), Node::Leaf(words)) = (name.strip_suffix("_message"), field) {
                    // Without a code beside it, as in Produce's errors by record, there is an
                    // error: nothing else is listed.
                    let code = node.field(&format!("{error}_code")).unwrap_or("any");
                    let wordless = ["null", "\"\""].contains(&words.as_str());
                    let wrong = code != "0";
                    if wordless == wrong && (wrong || !may_speak) {
                        found.push(format!("{path}: {words} beside error {code}"));
                    }
                }
                walk(&path, field, may_speak, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(api: ApiKey, version: i16, reply: &str, expected: &[&str]) {
        let key = api as i16;

        let found = offences(Layout { key, version }, &Node::parse(reply));

        assert_eq!(found, expected);
    }

    #[test]
    fn an_error_without_words_is_an_offence_at_any_depth() {
        check(
            ApiKey::CreateTopics,
            7,
            "R { topics: [T { name: \"a\", error_code: 3, error_message: None }, \
             T { name: \"b\", error_code: 3, error_message: Some(\"\") }, \
             T { name: \"c\", error_code: 3, error_message: Some(\"no\") }] }",
            &[
                "topics[a].error_message: null beside error 3",
                "topics[b].error_message: \"\" beside error 3",
            ],
        );
    }

    #[test]
    fn words_where_nothing_is_wrong_are_an_offence() {
        check(
            ApiKey::DescribeCluster,
            2,
            "R { error_code: 0, error_message: Some(\"well\") }",
            &["error_message: \"well\" beside error 0"],
        );
        check(
            ApiKey::DescribeCluster,
            2,
            "R { error_code: 0, error_message: None }",
            &[],
        );
        check(
            ApiKey::FindCoordinator,
            3,
            "R { error_code: 0, error_message: Some(\"NONE\") }",
            &[],
        );
    }

    #[test]
    fn a_listed_error_without_a_code_needs_words() {
        check(
            ApiKey::Produce,
            8,
            "R { record_errors: [E { batch_index: 4, batch_index_error_message: None }] }",
            &["record_errors[0].batch_index_error_message: null beside error any"],
        );
    }

    #[test]
    fn a_version_without_the_field_owes_nothing() {
        let reply = "R { error_code: 3, error_message: None }";

        check(ApiKey::DeleteTopics, 4, reply, &[]);
        check(
            ApiKey::DeleteTopics,
            5,
            reply,
            &["error_message: null beside error 3"],
        );
    }
}

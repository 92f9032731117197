//! What differs between any two brokers and means nothing: ids that a broker draws, times,
//! ports, orders that Kafka does not promise.

use std::collections::BTreeMap;

use thalweg::wire::batch::BatchHeader;

use crate::tree::{Node, bytes_of};

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Values that a broker drew and a script has named, such as a member id.
pub type Names = BTreeMap<String, String>;

/// Fields whose value is any that the broker drew, unless the script has named it.
const DRAWN: &[&str] = &[
    "topic_id",
    "member_id",
    "leader",
    "producer_id",
    "session_id",
    "cluster_id",
    "port",
    "error_message",
    "batch_index_error_message",
    "log_dir",
    "usable_bytes",
    "total_bytes",
];

/// Ids and times are at least as long as this.
const TELLING_LENGTH: usize = 12;

/// Fields that tell the time of day.
const TIMES: &[&str] = &[
    "log_append_time_ms",
    "last_timestamp",
    "transaction_start_time_ms",
    "last_caught_up_timestamp",
    "last_fetch_timestamp",
];

/// Replies list these by one of their fields in an order that Kafka does not promise.
const SORT_KEYS: &[&str] = &[
    "api_key",
    "group_id",
    "name",
    "topic",
    "topic_name",
    "resource_name",
    "partition_index",
    "partition",
    "index",
    "topic_id",
    "member_id",
];

pub fn normal(node: Node, names: &Names) -> Node {
    field("", node, names)
}

fn field(name: &str, node: Node, names: &Names) -> Node {
    match node {
        Node::Leaf(text) => leaf(name, text, names),
        Node::List(items) => {
            let items = items.into_iter().map(|item| field(name, item, names));
            let mut items: Vec<Node> = items.collect();
            items.sort_by_cached_key(order);
            Node::List(items)
        }
        Node::Struct(fields) => {
            let known = fields.into_iter().filter(|(name, node)| {
                // Empty nearly everywhere; shown where it is not.
                name != "unknown_tagged_fields" || *node != Node::Struct(Vec::new())
            });
            let fields = known.map(|(name, node)| {
                let node = field(&name, node, names);
                (name, node)
            });
            Node::Struct(fields.collect())
        }
    }
}

fn leaf(name: &str, text: String, names: &Names) -> Node {
    let drawn = DRAWN.contains(&name);
    // A small number may be anything: it is taken for a drawn one only where those stand.
    let telling = drawn || text.len() >= TELLING_LENGTH;
    if let Some(known) = names.get(text.trim_matches('"')).filter(|_| telling) {
        return Node::leaf(format!("<{known}>"));
    }
    if name == "records" && text != "null" {
        return batches(&text, names);
    }
    let absent = is_absent(&text) || ["-1", "0"].contains(&text.as_str());
    if drawn && !absent {
        return Node::leaf("<some>");
    }
    if TIMES.contains(&name) && !absent {
        return Node::leaf("<time>");
    }
    Node::Leaf(text)
}

/// What tells an item of a list from its neighbours, if it has such a field.
pub fn sort_key(node: &Node) -> Option<String> {
    let present = |key: &&str| node.field(key).filter(|text| !is_absent(text));
    let key = SORT_KEYS.iter().find_map(present);
    key.map(|text| text.trim_matches('"').to_string())
}

fn is_absent(text: &str) -> bool {
    ["null", "\"\"", NIL].contains(&text)
}

/// Numbers sort as numbers, and what has no key keeps its place.
fn order(node: &Node) -> (Option<i64>, Option<String>) {
    let key = sort_key(node);
    (key.as_ref().and_then(|key| key.parse().ok()), key)
}

/// Record batches field by field; of the last, maybe cut, only how far it is there.
fn batches(text: &str, names: &Names) -> Node {
    let Some(bytes) = bytes_of(text) else {
        return Node::leaf(text);
    };
    let (mut rest, mut list) = (&bytes[..], Vec::new());
    while let Ok(header) = BatchHeader::parse(rest) {
        let size = 12 + usize::try_from(header.batch_length).unwrap_or(usize::MAX >> 1);
        let Some((batch, after)) = rest.split_at_checked(size) else {
            break;
        };
        let producer_id = header.producer_id;
        let header = Node::parse(&format!("{header:?}"));
        let Node::Struct(mut fields) = field("", header, names) else {
            break;
        };
        if producer_id >= 0 {
            // The broker drew the id, and so the sum.
            fields.retain(|(name, _)| name != "crc");
        }
        fields.push(("records".into(), Node::leaf(format!("{:?}", &batch[61..]))));
        list.push(Node::Struct(fields));
        rest = after;
    }
    if !rest.is_empty() {
        list.push(Node::leaf(format!("{} bytes of a cut batch", rest.len())));
    }
    Node::List(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg::wire::batch::BatchBuilder;

    fn check(debug: &str, expected: &[(&str, &str)]) {
        let names = Names::from([("drawn-7".to_string(), "first".to_string())]);

        let leaves = normal(Node::parse(debug), &names).leaves();

        let found: Vec<_> = leaves.iter().map(|l| (&*l.path, &*l.text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn drawn_values_differ_from_absent_ones_only() {
        check(
            "R { member_id: \"x\", producer_id: -1, port: 4 }",
            &[
                ("member_id", "<some>"),
                ("producer_id", "-1"),
                ("port", "<some>"),
            ],
        );
    }

    #[test]
    fn what_a_script_named_is_told_apart() {
        check("R { member_id: \"drawn-7\" }", &[("member_id", "<first>")]);
    }

    #[test]
    fn lists_are_sorted_by_their_key_and_numbers_as_numbers() {
        check(
            "R { l: [P { partition_index: 10 }, P { partition_index: 9 }], m: [2, 1] }",
            &[
                ("l[0].partition_index", "9"),
                ("l[1].partition_index", "10"),
                ("m[0]", "2"),
                ("m[1]", "1"),
            ],
        );
    }

    #[test]
    fn batches_are_compared_field_by_field() {
        let batch = BatchBuilder::new().value(5, b"v").build();
        let bytes = bytes::Bytes::from([&batch[..], &batch[..20]].concat());

        let node = normal(
            Node::parse(&format!("R {{ records: {bytes:?} }}")),
            &Names::new(),
        );

        let leaves = node.leaves();
        let text = |path: &str| leaves.iter().find(|l| l.path == path).map(|l| &*l.text);
        assert_eq!(text("records[0].base_timestamp"), Some("5"));
        assert_eq!(text("records[1]"), Some("20 bytes of a cut batch"));
    }
}

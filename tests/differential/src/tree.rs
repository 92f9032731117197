//! A reply as a tree of names and texts, read from its `Debug` output: every field of every
//! message can be walked without naming it.

/// A part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A number, a text, bytes or an id, as `Debug` prints it.
    Leaf(String),
    List(Vec<Node>),
    Struct(Vec<(String, Node)>),
}

/// A leaf with its path, such as `topics[0].partitions[2].error_code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub path: String,
    pub text: String,
}

impl Node {
    /// Reads what `{:?}` of a message printed.
    pub fn parse(debug: &str) -> Node {
        let mut parser = Parser { rest: debug };
        let node = parser.value();
        assert_eq!(parser.rest, "", "Debug output of an unknown form: {debug}");
        node
    }

    pub fn leaf(text: impl Into<String>) -> Node {
        Node::Leaf(text.into())
    }

    /// The text of a field that is a leaf.
    pub fn field(&self, name: &str) -> Option<&str> {
        let Node::Struct(fields) = self else {
            return None;
        };
        let (_, node) = fields.iter().find(|(field, _)| field == name)?;
        match node {
            Node::Leaf(text) => Some(text),
            Node::List(_) | Node::Struct(_) => None,
        }
    }

    pub fn leaves(&self) -> Vec<Leaf> {
        let mut out = Vec::new();
        self.walk(String::new(), &mut out);
        out
    }

    fn walk(&self, path: String, out: &mut Vec<Leaf>) {
        match self {
            Node::Leaf(text) => out.push(Leaf {
                path,
                text: text.clone(),
            }),
            Node::List(items) if items.is_empty() => out.push(Leaf {
                path,
                text: "[]".into(),
            }),
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.walk(format!("{path}[{index}]"), out);
                }
            }
            Node::Struct(fields) => {
                for (name, node) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    node.walk(format!("{path}{dot}{name}"), out);
                }
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn value(&mut self) -> Node {
        if self.take("[") {
            return Node::List(self.items("]"));
        }
        if self.take("{") {
            return Node::Struct(self.fields());
        }
        let word = self.word();
        if self.take(" { ") {
            return Node::Struct(self.fields());
        }
        if self.take("(") {
            // Some(x) is x; a newtype is what it holds.
            let mut inner = self.items(")");
            return inner.pop().unwrap_or(Node::Leaf(word));
        }
        match word.as_str() {
            "None" => Node::leaf("null"),
            _ => Node::Leaf(word),
        }
    }

    fn items(&mut self, end: &str) -> Vec<Node> {
        let mut items = Vec::new();
        while !self.take(end) {
            items.push(self.value());
            self.take(", ");
        }
        items
    }

    fn fields(&mut self) -> Vec<(String, Node)> {
        let mut fields = Vec::new();
        while !self.take(" }") && !self.take("}") {
            let name = self.word();
            self.take(": ");
            fields.push((name, self.value()));
            self.take(", ");
        }
        fields
    }

    /// A literal with its quotes, or everything up to a delimiter.
    fn word(&mut self) -> String {
        let literal = ["\"", "b\""].into_iter().find(|q| self.rest.starts_with(q));
        let length = match literal {
            Some(quote) => quote.len() + literal_length(&self.rest[quote.len()..]),
            None => {
                let ends = |c: char| " ,:[](){}".contains(c);
                self.rest.find(ends).unwrap_or(self.rest.len())
            }
        };
        assert!(length > 0, "Debug output of an unknown form: {}", self.rest);
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word.to_string()
    }

    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else {
            return false;
        };
        self.rest = rest;
        true
    }
}

/// Up to and with the closing quote.
fn literal_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The bytes behind `b"..."` as `Bytes` prints itself.
pub fn bytes_of(literal: &str) -> Option<Vec<u8>> {
    let inner = literal.strip_prefix("b\"")?.strip_suffix('"')?.as_bytes();
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let kind = *inner.get(at)?;
        at += 1;
        out.push(match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = std::str::from_utf8(inner.get(at..at + 2)?).ok()?;
                at += 2;
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages::metadata_response::{MetadataResponseBroker as Broker, *};
    use kafka_protocol::messages::{MetadataResponse, TopicName};
    use kafka_protocol::protocol::StrBytes;

    #[test]
    fn every_field_of_a_reply_is_a_leaf_with_its_path() {
        let name = TopicName(StrBytes::from_static_str("a \"quoted\", {odd} name"));
        let topic = MetadataResponseTopic::default()
            .with_name(Some(name))
            .with_partitions(vec![
                MetadataResponsePartition::default().with_leader_id(7.into()),
            ]);
        let reply = MetadataResponse::default()
            .with_brokers(vec![Broker::default().with_host("h".into())])
            .with_topics(vec![topic]);

        let leaves = Node::parse(&format!("{reply:?}")).leaves();

        let text = |path: &str| {
            let leaf = leaves.iter().find(|leaf| leaf.path == path);
            leaf.map(|leaf| leaf.text.clone())
                .unwrap_or_else(|| panic!("{path}: {leaves:?}"))
        };
        assert_eq!(text("brokers[0].host"), "\"h\"");
        assert_eq!(text("brokers[0].rack"), "null");
        assert_eq!(text("topics[0].name"), "\"a \\\"quoted\\\", {odd} name\"");
        assert_eq!(text("topics[0].partitions[0].leader_id"), "7");
        assert_eq!(text("topics[0].partitions[0].isr_nodes"), "[]");
        assert_eq!(
            text("topics[0].topic_id"),
            "00000000-0000-0000-0000-000000000000"
        );
    }

    #[test]
    fn printed_bytes_are_read_back() {
        let all: Vec<u8> = (0..=255).collect();

        let printed = format!("{:?}", Bytes::from(all.clone()));

        assert_eq!(bytes_of(&printed), Some(all));
    }
}

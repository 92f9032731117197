//! README's table of configuration keys is what the tables of this room say.

use super::{BrokerKey, Update};

const BEGIN: &str = "<!-- broker configuration: begin -->\n";
const END: &str = "<!-- broker configuration: end -->";

fn table() -> String {
    let mut lines = vec![
        "| TOML | Kafka's name | default | |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for key in BrokerKey::all().filter(|key| key.acts) {
        let kafkas = if key.is_kafkas() {
            format!("`{}`", key.name)
        } else {
            String::new()
        };
        let default = key.default.filter(|default| !default.is_empty());
        let default = match (default, key.default.is_some()) {
            (Some("9223372036854775807"), _) => "never".to_owned(),
            (Some(default), _) if default.len() > 40 => "Kafka's".to_owned(),
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "empty".to_owned(),
            (None, false) => "not set".to_owned(),
        };
        let dynamic = match key.update {
            Update::PerBroker | Update::ClusterWide => " *",
            Update::ReadOnly => "",
        };
        let (toml, doc) = (key.toml_name(), key.doc);
        lines.push(format!(
            "| `{toml}` | {kafkas}{dynamic} | {default} | {doc} |"
        ));
    }
    let idle = BrokerKey::all().filter(|key| !key.acts);
    let idle: Vec<String> = idle.map(|key| format!("`{}`", key.name)).collect();
    lines.push(String::new());
    lines.push(format!(
        "Accepted and shown, without effect: {}.",
        idle.join(", ")
    ));
    lines.join("\n") + "\n"
}

#[test]
fn the_readmes_configuration_table_equals_the_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("a README");
    let (_, rest) = readme.split_once(BEGIN).expect("the table's begin");
    let (found, _) = rest.split_once(END).expect("the table's end");

    let wanted = table();

    let same = found == wanted;
    assert!(
        same,
        "README's table should be, between its marks:\n{wanted}"
    );
}

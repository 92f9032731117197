//! Edits of what is set for a topic or a broker (KIP-339): made by the state machine itself, so
//! that two that come at once through different shards both take effect.

use crate::log::{ConfigError, ConfigKey, ConfigKind, Overrides};

/// One edit of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEdit {
    pub name: String,
    pub what: Edit,
}

/// What is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    Set(String),
    /// Back to the default; nothing happens if it was not set.
    Delete,
    /// Adds the items of a list that are not in it.
    Append(String),
    /// Takes items out of a list; those that are not in it do not matter.
    Subtract(String),
}

/// `configs` after the edits, in their order. What the values mean is checked elsewhere
/// (`TopicConfig::from_overrides`). Append and Subtract start from the default if nothing is set.
pub fn edited(configs: &Overrides, edits: &[ConfigEdit]) -> Result<Overrides, ConfigError> {
    let mut configs = configs.clone();
    for ConfigEdit { name, what } in edits {
        let value = match what {
            Edit::Delete => {
                configs.remove(name);
                continue;
            }
            Edit::Set(value) => value.clone(),
            Edit::Append(items) => {
                let mut list = list(&configs, name)?;
                for item in items_of(items) {
                    if !list.contains(&item) {
                        list.push(item);
                    }
                }
                list.join(",")
            }
            Edit::Subtract(items) => {
                let mut list = list(&configs, name)?;
                list.retain(|item| !items_of(items).any(|gone| gone == *item));
                list.join(",")
            }
        };
        configs.insert(name.clone(), value);
    }
    Ok(configs)
}

/// The items that a list has now.
fn list(configs: &Overrides, name: &str) -> Result<Vec<String>, ConfigError> {
    let key = ConfigKey::find(name).or_else(|| ConfigKey::of_broker(name));
    let key = key.filter(|key| key.kind == ConfigKind::List);
    let key = key.ok_or(ConfigError::NotAList { name: name.into() })?;
    let value = configs.get(name).map_or(key.default, String::as_str);
    Ok(items_of(value).collect())
}

fn items_of(list: &str) -> impl Iterator<Item = String> + '_ {
    let items = list.split(',').map(str::trim);
    items.filter(|item| !item.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(set: &[(&str, &str)], name: &str, what: Edit) -> Result<Overrides, ConfigError> {
        let name = name.to_owned();
        edited(&overrides(set), &[ConfigEdit { name, what }])
    }

    fn overrides(set: &[(&str, &str)]) -> Overrides {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        set.iter().map(owned).collect()
    }

    #[test]
    fn appending_starts_from_the_default_and_repeats_nothing() {
        let appended = after(
            &[],
            "cleanup.policy",
            Edit::Append("compact, delete".into()),
        );

        let expected = overrides(&[("cleanup.policy", "delete,compact")]);
        assert_eq!(appended, Ok(expected));
    }

    #[test]
    fn subtracting_takes_out_what_is_there_and_passes_over_the_rest() {
        let set = [("cleanup.policy", "delete,compact")];

        let left = after(
            &set,
            "cleanup.policy",
            Edit::Subtract("delete,other".into()),
        );

        assert_eq!(left, Ok(overrides(&[("cleanup.policy", "compact")])));
    }

    #[test]
    fn only_lists_take_items() {
        let name = "retention.ms".to_owned();
        let appended = after(&[], &name, Edit::Append("1".into()));

        assert_eq!(appended, Err(ConfigError::NotAList { name }));
    }

    #[test]
    fn the_brokers_lists_take_items_too() {
        let appended = after(&[], "log.cleanup.policy", Edit::Append("compact".into()));

        let expected = overrides(&[("log.cleanup.policy", "delete,compact")]);
        assert_eq!(appended, Ok(expected));
    }

    #[test]
    fn deleting_what_is_not_set_changes_nothing_even_if_no_key_has_the_name() {
        let set = [("retention.ms", "1")];

        assert_eq!(after(&set, "no.such", Edit::Delete), Ok(overrides(&set)));
        assert_eq!(
            after(&set, "retention.ms", Edit::Delete),
            Ok(overrides(&[]))
        );
    }
}

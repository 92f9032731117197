//! TOML: our names, one a line. Tables are joined with dots, so that Kafka's names do too.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entry, Mistake, place_in};

/// The settings in the order of the text.
pub fn parse(text: &str) -> Result<Vec<Entry>, Mistake> {
    let table = DeTable::parse(text).map_err(|error| Mistake {
        at: place_in(text, error.span().map_or(0, |span| span.start)),
        words: error.message().replace('\n', ", "),
    })?;
    let mut found = Vec::new();
    gather(text, "", table.get_ref(), &mut found)?;
    found.sort_by_key(|(start, _)| *start);
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

fn gather(
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    found: &mut Vec<(usize, Entry)>,
) -> Result<(), Mistake> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            gather(text, &format!("{key}."), inner, found)?;
            continue;
        }
        let start = name.span().start;
        let at = place_in(text, start);
        let value = plain(value).ok_or_else(|| Mistake {
            at: place_in(text, value.span().start),
            words: format!("{key} must be a string, a number, true, false, or a list of these"),
        })?;
        found.push((start, Entry { key, value, at }));
    }
    Ok(())
}

/// A value as Kafka would write it; lists with commas.
fn plain(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(plain).collect();
            items.map(|items| items.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

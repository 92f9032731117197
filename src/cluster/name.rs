//! Which names topics may have.

/// 1 to 249 characters of `[A-Za-z0-9._-]`, not `.` or `..` (INVALID_TOPIC_EXCEPTION). The error
/// is a sentence for the user.
pub fn check_topic_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the topic name is empty");
    }
    if name == "." || name == ".." {
        return Err("a topic can not be named '.' or '..'");
    }
    if name.len() > 249 {
        return Err("the topic name is longer than 249 characters");
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.bytes().all(legal) {
        return Err(
            "the topic name has characters other than ASCII letters, digits, '.', '_', '-'",
        );
    }
    Ok(())
}

/// What a name becomes in metrics, where a period turns into an underscore. None: it has neither,
/// so that no other name can become the same.
pub(super) fn collision_key(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_1_to_249_legal_characters_and_not_dots_alone() {
        let longest = "a".repeat(249);
        for name in ["a", "A-z_0.9", "...", &longest] {
            assert_eq!(check_topic_name(name), Ok(()), "{name}");
        }
        let too_long = "a".repeat(250);
        for name in ["", ".", "..", "a b", "a/b", "\u{e9}", "a\0", &too_long] {
            assert!(check_topic_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn periods_and_underscores_are_the_same_to_metrics() {
        assert_eq!(collision_key("a.b"), collision_key("a_b"));
        assert_ne!(collision_key("a.b"), collision_key("a_c"));
        assert_eq!(collision_key("a-b"), None);
    }
}

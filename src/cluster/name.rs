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

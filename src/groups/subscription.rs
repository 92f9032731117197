//! What a member subscribes to, read from its metadata under the protocol type `consumer`.
//!
//! Layout (KIP-62 on, every version alike): version, topics, and more that is not looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::records::Reader;

/// Adds the topics that the metadata names. False: it can not be read, and of its topics only those
/// before the fault were added. Public for the fuzzing of what clients send.
pub fn topics(metadata: &[u8], into: &mut BTreeSet<Arc<str>>) -> bool {
    read(metadata, into).is_some()
}

fn read(metadata: &[u8], into: &mut BTreeSet<Arc<str>>) -> Option<()> {
    let mut at = Reader::new(metadata);
    at.i16()?;
    let count = at.i32()?;
    for _ in 0..count {
        into.insert(at.text()??.into());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_what_is_cut_off_is_not_believed() {
        let whole = b"\0\x03\0\0\0\x02\0\x01a\0\x02bb\xff\xff\xff\xff";
        let mut found = BTreeSet::new();

        assert!(topics(whole, &mut found));
        assert_eq!(found, ["a".into(), "bb".into()].into());
        assert!(!topics(&whole[..8], &mut found));
        assert!(!topics(b"", &mut found));
        assert!(!topics(b"\0\0\x7f\xff\xff\xff", &mut found));
    }

    #[test]
    fn whatever_a_member_sends_is_read_or_not_and_names_no_more_than_it_has_bytes() {
        let whole = b"\0\x03\0\0\0\x02\0\x01a\0\x02bb\xff\xff\xff\xff";
        let mut random = crate::base::random::Random::with_seed(41);
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut spoiled = whole.to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(spoiled.len() as u64) as usize;
                spoiled[at] = random.below(256) as u8;
            }
            spoiled.truncate(1 + random.below(whole.len() as u64) as usize);
            let mut found = BTreeSet::new();

            refused += usize::from(!topics(&spoiled, &mut found));

            let bytes: usize = found.iter().map(|name| name.len()).sum();
            assert!(bytes <= spoiled.len(), "{found:?} in {spoiled:02x?}");
        }
        assert!((1..5_000).contains(&refused), "{refused} were refused");
    }
}

//! Requests that may name a thing only once.

use std::collections::BTreeMap;

use crate::wire::StrBytes;

/// One thing of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Named<T> {
    Once(T),
    /// Named more than once; the first of them, and the others are left out, so that the reply
    /// has one answer for the name, as Kafka's.
    Often(T),
}

/// The things of a request in their order, each name once.
pub fn once_each<T>(things: Vec<T>, name: impl Fn(&T) -> StrBytes) -> Vec<Named<T>> {
    let mut times = BTreeMap::<StrBytes, u32>::new();
    for thing in &things {
        *times.entry(name(thing)).or_default() += 1;
    }
    let mut each = Vec::with_capacity(times.len());
    for thing in things {
        match times.get_mut(&name(&thing)) {
            Some(1) => each.push(Named::Once(thing)),
            Some(times @ 2..) => {
                *times = 0;
                each.push(Named::Often(thing));
            }
            Some(0) | None => {}
        }
    }
    each
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_again_is_answered_once_where_it_first_stood() {
        let found = once_each(vec!["a", "b", "a", "c", "a"], |name| {
            StrBytes::from_static_str(name)
        });

        assert_eq!(
            found,
            [Named::Often("a"), Named::Once("b"), Named::Once("c")]
        );
    }
}

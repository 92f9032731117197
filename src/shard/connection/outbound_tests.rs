use super::*;
use crate::base::ShardId;
use crate::journal::{Index, StreamId};

const ME: ConnectionId = ConnectionId(1);

fn sizes(sends: &[Send]) -> Vec<usize> {
    let bytes = |send: &Send| send.pieces.iter().map(Bytes::len).sum();
    sends.iter().map(bytes).collect()
}

fn later(from: i64, bytes: usize) -> Later {
    Later {
        owner: ShardId(0),
        stream: StreamId(16),
        from: Index(from),
        until: Index(from + 1),
        bytes,
    }
}

fn here(text: &'static str) -> Part {
    Part::Here(text.as_bytes().into())
}

#[test]
fn much_is_sent_in_several_sends_and_every_byte_once() {
    let mut outbound = Outbound::default();
    let mut sends = Vec::new();
    let big = Bytes::from(vec![7; (5 << 20) / 2]);
    outbound.push(vec![here("head"), Part::Here(big)]);

    outbound.send(ME, Ticks(5), &mut sends);

    let sizes = sizes(&sends);
    assert_eq!(sizes, [1 << 20, 1 << 20, (1 << 19) + 4]);
    assert_eq!(outbound.waiting_since(), Some(Ticks(5)));

    sizes
        .iter()
        .for_each(|_| assert_eq!(outbound.sent(Ticks(9)), None));
    assert!(outbound.is_empty());
    assert_eq!(outbound.unsent, 0);
}

#[test]
fn what_is_promised_is_pulled_once_all_before_it_has_left_and_keeps_its_place() {
    let mut outbound = Outbound::default();
    let mut sends = Vec::new();
    let (first, second) = (later(0, 4), later(1, 5));
    outbound.push(vec![here("a"), Part::Later(first), here("b")]);
    outbound.push(vec![here("c"), Part::Later(second)]);
    let mut left = Vec::new();
    let mut flush = |outbound: &mut Outbound| {
        outbound.send(ME, Ticks(1), &mut sends);
        for send in sends.drain(..) {
            left.extend(send.pieces.concat());
        }
    };

    flush(&mut outbound);
    assert_eq!(outbound.sent(Ticks(2)), Some(first));
    flush(&mut outbound);
    outbound.pulled(vec!["12".into(), "34".into()]);
    flush(&mut outbound);
    assert_eq!(outbound.sent(Ticks(3)), Some(second));
    assert!(!outbound.is_empty() && outbound.has_more());
    outbound.pulled(vec!["56789".into()]);
    flush(&mut outbound);
    assert_eq!(outbound.sent(Ticks(4)), None);

    assert!(outbound.is_empty());
    assert_eq!(outbound.unsent, 0);
    assert_eq!(left, b"a1234bc56789");
}

#[test]
fn a_peer_that_takes_nothing_holds_only_what_was_here() {
    let mut outbound = Outbound::default();
    let mut sends = Vec::new();
    let much = UNSENT_BYTES_MAX.as_usize();

    outbound.push(vec![here("head"), Part::Later(later(0, much))]);
    outbound.send(ME, Ticks(1), &mut sends);
    outbound.push(vec![here("next")]);
    outbound.send(ME, Ticks(1), &mut sends);

    assert_eq!(sizes(&sends), [4]);
    assert!(outbound.is_full(), "what is promised is owed");
}

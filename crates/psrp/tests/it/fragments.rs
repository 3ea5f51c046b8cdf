//! Cutting messages into fragments and putting them together.

use exconn_psrp::{
    Limits,
    fragment::{Defragmenter, FragmentError, Fragmenter},
    message::{Destination, Message, MessageType},
};
use proptest::prelude::*;
use uuid::Uuid;

fn limits() -> Limits {
    Limits { message_bytes: 100, open_messages: 2, ..Limits::default() }
}

/// Receives streams one after the other; the whole messages, and the first error.
fn receive(streams: &[Vec<u8>]) -> (Vec<Vec<u8>>, Option<FragmentError>) {
    let (mut defragmenter, mut messages) = (Defragmenter::default(), Vec::new());
    for stream in streams {
        if let Err(error) = defragmenter.receive(stream, &limits(), |message| messages.push(message.to_vec()))
        {
            return (messages, Some(error));
        }
    }
    (messages, None)
}

fn fragment(object: u64, number: u64, flags: u8, part: &[u8]) -> Vec<u8> {
    let mut bytes = object.to_be_bytes().to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.push(flags);
    bytes.extend((part.len() as u32).to_be_bytes());
    bytes.extend(part);
    bytes
}

#[test]
fn fragments_look_as_specified() {
    let fragments = Fragmenter::default().fragments(b"abc", 2);
    assert_eq!(fragments, [fragment(1, 0, 1, b"ab"), fragment(1, 1, 2, b"c")]);
    assert_eq!(Fragmenter::default().fragments(b"", 2), [fragment(1, 0, 3, b"")]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let out_of_order = |object, found, expected| Some(FragmentError::OutOfOrder { object, found, expected });
    for (streams, whole, error) in [
        (vec![fragment(1, 0, 1, b"a"), fragment(1, 1, 2, b"b")], 1, None),
        // Interleaved, with an id left out.
        (vec![fragment(1, 0, 1, b"a"), fragment(3, 0, 3, b"c"), fragment(1, 1, 2, b"b")], 2, None),
        // Repeated: whole, at the beginning, in the middle.
        (vec![fragment(1, 0, 3, b"a"), fragment(1, 0, 3, b"a")], 1, out_of_order(1, 0, 0)),
        (vec![fragment(1, 0, 1, b"a"), fragment(1, 0, 1, b"a")], 0, out_of_order(1, 0, 0)),
        (
            vec![fragment(1, 0, 1, b"a"), fragment(1, 1, 0, b"b"), fragment(1, 1, 0, b"b")],
            0,
            out_of_order(1, 1, 2),
        ),
        // An id that went by.
        (vec![fragment(5, 0, 3, b"a"), fragment(4, 0, 3, b"b")], 1, out_of_order(4, 0, 0)),
        // One left out; one without a beginning; a beginning that is none.
        (vec![fragment(1, 0, 1, b"a"), fragment(1, 2, 2, b"c")], 0, out_of_order(1, 2, 1)),
        (vec![fragment(1, 1, 2, b"b")], 0, out_of_order(1, 1, 0)),
        (vec![fragment(1, 1, 3, b"b")], 0, out_of_order(1, 1, 0)),
        // Cut in the header, in the part, and a length that is no length.
        (vec![fragment(1, 0, 3, b"abc")[..20].to_vec()], 0, Some(FragmentError::Cut)),
        (vec![fragment(1, 0, 3, b"abc")[..23].to_vec()], 0, Some(FragmentError::Cut)),
        (vec![[&fragment(1, 0, 3, b"")[..17], &[255; 4], b"abc"].concat()], 0, Some(FragmentError::Cut)),
        // Too large in one, in parts, and together.
        (vec![fragment(1, 0, 3, &[0; 100])], 1, None),
        (vec![fragment(1, 0, 3, &[0; 101])], 0, Some(FragmentError::TooLarge { limit: 100 })),
        (
            vec![fragment(1, 0, 1, &[0; 60]), fragment(1, 1, 2, &[0; 41])],
            0,
            Some(FragmentError::TooLarge { limit: 100 }),
        ),
        (
            vec![fragment(1, 0, 1, &[0; 60]), fragment(2, 0, 1, &[0; 41])],
            0,
            Some(FragmentError::TooLarge { limit: 100 }),
        ),
        (vec![fragment(1, 0, 1, &[0; 60]), fragment(1, 1, 2, b""), fragment(2, 0, 3, &[0; 99])], 2, None),
        (
            vec![fragment(1, 0, 1, b""), fragment(2, 0, 1, b""), fragment(3, 0, 1, b"")],
            0,
            Some(FragmentError::TooMany { limit: 2 }),
        ),
    ] {
        let (messages, found) = receive(&streams);
        assert_eq!((messages.len(), found), (whole, error), "{streams:?}");
    }
}

#[test]
fn messages_have_their_header() {
    let (pool, pipeline) = (Uuid::from_u128(0x0102), Uuid::from_u128(0x0304));
    let message = Message {
        destination: Destination::Server,
        number: MessageType::CreatePipeline as u32,
        pool,
        pipeline,
        content: b"<S/>",
    };
    let bytes = message.to_bytes();
    assert_eq!(bytes[..8], [2, 0, 0, 0, 6, 16, 2, 0]);
    assert_eq!(Message::parse(&bytes), Ok(message));
    assert_eq!(message.kind(), Some(MessageType::CreatePipeline));
    assert!(Message::parse(&bytes[..39]).is_err());
    let marked = [&bytes[..40], b"\xef\xbb\xbf<S/>"].concat();
    assert_eq!(Message::parse(&marked).unwrap().content, b"<S/>");
    let unknown = [&bytes[..4], &[9, 9, 9, 9], &bytes[8..]].concat();
    assert_eq!(Message::parse(&unknown).unwrap().kind(), None);
}

proptest! {
    #[test]
    fn messages_survive_any_size_and_any_mixture(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 1_usize..20), 0..5),
        together in any::<bool>(),
    ) {
        let mut fragmenter = Fragmenter::default();
        let mut streams = Vec::new();
        for pair in messages.chunks(2) {
            // Two messages at a time, turn by turn.
            let cut: Vec<_> = pair.iter().map(|(message, size)| fragmenter.fragments(message, *size)).collect();
            for turn in 0..40 {
                streams.extend(cut.iter().filter_map(|fragments| fragments.get(turn).cloned()));
            }
        }
        if together {
            streams = vec![streams.concat()];
        }
        let (mut received, error) = receive(&streams);
        prop_assert_eq!(error, None);
        let mut sent: Vec<_> = messages.into_iter().map(|(message, _)| message).collect();
        received.sort();
        sent.sort();
        prop_assert_eq!(received, sent);
    }
}

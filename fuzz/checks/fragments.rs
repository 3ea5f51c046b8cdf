//! Putting together fragments that anyone may have written, and fragments of our own in any size.

use exconn_psrp::{
    Limits,
    fragment::{Defragmenter, Fragmenter},
    message::Message,
};

pub(crate) fn check(data: &[u8]) {
    let limits = Limits { message_bytes: 4096, open_messages: 4, ..Limits::default() };
    let mut strangers = Defragmenter::default();
    // Each bar ends one stream and begins the next, so that messages can go over several.
    for stream in data.split(|byte| *byte == b'|') {
        let read = strangers.receive(stream, &limits, |message| {
            assert!(message.len() <= limits.message_bytes);
            if let Ok(parsed) = Message::parse(message) {
                assert!(parsed.content.len() <= message.len());
            }
        });
        if read.is_err() {
            break;
        }
    }

    let (Some((&size, message)), mut ours) = (data.split_first(), Defragmenter::default()) else { return };
    if message.len() > limits.message_bytes {
        return;
    }
    let mut whole = Vec::new();
    for fragment in Fragmenter::default().fragments(message, size.into()) {
        let read = ours.receive(&fragment, &limits, |message| whole.push(message.to_vec()));
        read.expect("fragments of our own are put together");
    }
    assert_eq!(whole, [message]);
    assert!(!ours.has_unfinished());
}

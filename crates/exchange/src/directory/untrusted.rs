//! The readers of what a server may send, for fuzzing.

use bytes::Bytes;
use exconn_model::{ObservedDevice, SyncCookie, Timestamp};

use super::{
    ber,
    cookie::Cookie,
    device, dirsync,
    message::{Message, Operation},
    names, search,
    users::MailboxUser,
};

/// How long the message is that these bytes begin with; `None` if they are too few to tell, or none.
pub fn message_length(data: &[u8]) -> Option<usize> {
    let header = ber::header(data).ok().flatten()?;
    Some(header.size + header.length)
}

/// What a whole message brings: `None` if it is none, and for an object the device that it becomes.
pub fn message(data: &[u8]) -> Option<Option<Result<ObservedDevice, String>>> {
    let message = Message::read(&Bytes::copy_from_slice(data)).ok()?;
    for control in &message.controls {
        search::read_page_cookie(&control.value);
        dirsync::read_cookie(&control.value);
    }
    Some(match message.operation {
        Operation::Entry(entry) => Some(device::observed(&entry, Some(&MailboxUser::default()))),
        _ => None,
    })
}

/// What a cookie of ours becomes when it is read and written again; `None` if it is refused.
pub fn cookie(data: &[u8], now: Timestamp) -> Option<SyncCookie> {
    Cookie::read(&SyncCookie::new(data.to_vec())?, now).ok()?.write()
}

/// A distinguished name as Exchange shows it, and the mailbox that it would belong to.
pub fn name(dn: &str) -> (String, Option<&str>) {
    (names::canonical(dn), names::mailbox_of(dn))
}

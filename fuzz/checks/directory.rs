//! Messages of an LDAP server, cookies and distinguished names from anyone: nothing panics, and a device that comes of it is
//! within its bounds.

use exconn_exchange::directory::untrusted;
use exconn_model::{SyncCookie, Timestamp};

pub(crate) fn check(data: &[u8]) {
    if let Some(read) = untrusted::message(data) {
        assert!(untrusted::message_length(data).is_some_and(|length| length <= data.len()));
        if let Some(Ok(device)) = read {
            assert!(!device.partnership.is_nil() || data.windows(16).any(|bytes| bytes == [0; 16]));
            assert!(!device.device_id.is_empty() && device.device_id.len() <= 4096);
            let texts = [&device.model, &device.identity, &device.user_display_name, &device.access_state];
            assert!(texts.into_iter().flatten().all(|text| text.len() <= 4096));
        }
    }
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    if let Some(cookie) = untrusted::cookie(data, now) {
        assert!(cookie.as_bytes().len() <= SyncCookie::MAX);
        assert_eq!(untrusted::cookie(cookie.as_bytes(), now), Some(cookie));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let (shown, mailbox) = untrusted::name(text);
        // A backslash or a replaced byte at most becomes three, and each part has a separator.
        assert!(shown.len() <= 4 * text.len() + 1);
        assert!(mailbox.is_none_or(|mailbox| text.ends_with(mailbox)));
    }
}

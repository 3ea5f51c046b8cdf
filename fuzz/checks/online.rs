//! What a server of Exchange Online's interface may answer: nothing panics, and what is accepted keeps the bounds and is
//! all that stood there.

use exconn_exchange::online::untrusted::{device_page, grants_token, gunzipped, refusal_reason};

/// Bytes that a compressed body may grow to here.
const MOST: usize = 65_536;
/// Longest text of a server that is passed on, in characters.
const MAX_CHARACTERS: usize = 301;

pub(crate) fn check(data: &[u8]) {
    page(data);
    if let Some(reason) = refusal_reason(data) {
        assert!(reason.chars().count() <= MAX_CHARACTERS);
    }
    for status in [200, 400, 503] {
        assert!(!grants_token(status, data) || status == 200);
    }
    if let Some(inflated) = gunzipped(data, MOST) {
        assert!(inflated.len() <= MOST);
        page(&inflated);
    }
}

fn page(data: &[u8]) {
    let Some(page) = device_page(data) else { return };
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let json: serde_json::Value = serde_json::from_slice(text).expect("a page is JSON");
    if let Some(devices) = &page.devices {
        assert_eq!(json["value"].as_array().map(Vec::len), Some(devices.len()));
        assert!(devices.iter().all(|device| !device.partnership.is_nil() && !device.device_id.is_empty()));
    }
    assert!(page.notes.iter().all(|note| note.chars().count() <= MAX_CHARACTERS));
}

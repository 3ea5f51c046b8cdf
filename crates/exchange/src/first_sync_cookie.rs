//! Where a delta without a directory goes on. Exchange's cmdlets filter by a partnership's first sync and by no later change,
//! so this delta finds new devices, and only those.

use std::time::Duration;

use exconn_model::{SyncCookie, Timestamp};

use crate::ExchangeError;

const PREFIX: &str = "first-sync:";
/// A delta asks again for this much of the past, because Exchange's servers replicate and their clocks differ.
const OVERLAP: Duration = Duration::from_secs(3600);

/// The cookie of a listing that began at this moment.
pub(crate) fn of_listing_begun(moment: Timestamp) -> SyncCookie {
    SyncCookie::from_text(format!("{PREFIX}{moment}"))
}

/// From which first sync on partnerships are asked for.
pub(crate) fn first_sync_since(cookie: &SyncCookie) -> Result<Timestamp, ExchangeError> {
    let text = str::from_utf8(cookie.as_bytes()).ok().and_then(|text| text.strip_prefix(PREFIX));
    let moment = text.and_then(|text| Timestamp::parse(text).ok());
    let refused =
        || ExchangeError::CookieRefused { reason: "it was made by another way to list devices".into() };
    Ok(moment.ok_or_else(refused)?.before(OVERLAP))
}

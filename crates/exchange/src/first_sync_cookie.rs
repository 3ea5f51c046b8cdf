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

/// From which first sync on partnerships are asked for. A cookie of a clock that has been set back since is refused: it would
/// pass over what is new until that time comes.
pub(crate) fn first_sync_since(cookie: &SyncCookie, now: Timestamp) -> Result<Timestamp, ExchangeError> {
    let text = str::from_utf8(cookie.as_bytes()).ok().and_then(|text| text.strip_prefix(PREFIX));
    let moment = text.and_then(|text| Timestamp::parse(text).ok());
    let refused = |reason: &str| ExchangeError::CookieRefused { reason: reason.into() };
    let moment = moment.ok_or_else(|| refused("it was made by another way to list devices"))?;
    let since = moment.before(OVERLAP);
    if since > now {
        return Err(refused("it was made by a clock that ran ahead"));
    }
    Ok(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_of_the_future_or_of_others_is_refused() {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let cookie = of_listing_begun(now);
        assert_eq!(first_sync_since(&cookie, now).unwrap(), now.before(OVERLAP));
        assert!(first_sync_since(&cookie, now.before(OVERLAP)).is_ok(), "nothing new is passed over yet");
        let earlier = now.before(OVERLAP).before(Duration::from_secs(1));
        for (cookie, now) in [(cookie, earlier), (SyncCookie::from_text("{}".into()), now)] {
            let refused = first_sync_since(&cookie, now).unwrap_err();
            assert!(matches!(refused, ExchangeError::CookieRefused { .. }));
        }
    }
}

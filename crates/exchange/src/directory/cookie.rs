use std::time::Duration;

use exconn_model::{SyncCookie, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ExchangeError;

/// The form of cookies that this version writes and reads.
const VERSION: u32 = 1;
/// Most domains of one forest.
const MAX_DOMAINS: usize = 5000;
/// How long a cookie tells all changes: deleted objects vanish for good after the tombstone's lifetime, which can be set to two
/// days at least (MS-ADTS, 6.1.1.2.4.1.1).
const GOOD_FOR: Duration = Duration::from_secs(2 * 24 * 3600);

/// Where a listing of the changes of a forest is to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cookie {
    version: u32,
    made: String,
    /// The head of the forest's first domain.
    forest: String,
    pub(super) domains: Vec<DomainMark>,
}

/// Where a listing of the changes of one domain is to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DomainMark {
    pub(super) domain: String,
    pub(super) mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "feed")]
pub(super) enum Mark {
    DirSync {
        /// Whether changes are read with the right to read all of them, or only those that the account may see.
        everything: bool,
        /// The controller's own cookie, in hexadecimal.
        cookie: String,
    },
    UsnChanged {
        /// The controller that counted.
        service: String,
        /// The copy of the data that it counted in.
        invocation: Uuid,
        /// The first number that is wanted next.
        next: u64,
    },
}

fn refused(reason: impl Into<String>) -> ExchangeError {
    ExchangeError::CookieRefused { reason: reason.into() }
}

impl Cookie {
    /// A cookie of a listing that began at this moment.
    pub(super) fn new(made: Timestamp, forest: &str, domains: Vec<DomainMark>) -> Self {
        Self { version: VERSION, made: made.to_string(), forest: forest.to_owned(), domains }
    }

    /// `None` if it is too large to be kept.
    pub(super) fn write(&self) -> Option<SyncCookie> {
        SyncCookie::new(serde_json::to_vec(self).ok()?)
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// If it is none of ours, or too old for all changes since then to be told.
    pub(super) fn read(cookie: &SyncCookie, now: Timestamp) -> Result<Self, ExchangeError> {
        let read: Self = serde_json::from_slice(cookie.as_bytes())
            .map_err(|_| refused("it was made by another way to list devices"))?;
        if read.version != VERSION || read.domains.len() > MAX_DOMAINS {
            return Err(refused("it was made by another version of exconn"));
        }
        let made = Timestamp::parse(&read.made).map_err(|_| refused("it does not say when it was made"))?;
        if now > made.after(GOOD_FOR) {
            return Err(refused(format!(
                "the last one was at {made}, and the directory may have forgotten since then what was deleted"
            )));
        }
        Ok(read)
    }

    /// Fails unless it is of this forest with just these domains.
    pub(super) fn check<'a>(
        &self,
        forest: &str,
        mut domains: impl Iterator<Item = &'a str>,
    ) -> Result<(), ExchangeError> {
        if self.forest != forest {
            return Err(refused(format!("it was made in the forest {}, and this is {forest}", self.forest)));
        }
        let mut marked = self.domains.iter().map(|mark| mark.domain.as_str());
        if marked.by_ref().eq(domains.by_ref()) {
            Ok(())
        } else {
            Err(refused("the forest has other domains than before"))
        }
    }
}

pub(super) fn to_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> (Cookie, Timestamp) {
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let marks = vec![
            DomainMark {
                domain: "DC=a".into(),
                mark: Mark::DirSync { everything: true, cookie: to_hexadecimal(b"\x00\xffx") },
            },
            DomainMark {
                domain: "DC=b".into(),
                mark: Mark::UsnChanged { service: "CN=x".into(), invocation: Uuid::nil(), next: u64::MAX },
            },
        ];
        (Cookie::new(now, "DC=a", marks), now)
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let (cookie, now) = cookie();
        let written = cookie.write().unwrap();
        assert_eq!(Cookie::read(&written, now).unwrap(), cookie);
        assert_eq!(from_hexadecimal("00ff78").unwrap(), b"\x00\xffx");
        assert_eq!(
            (from_hexadecimal("0"), from_hexadecimal("zz"), from_hexadecimal("éé")),
            (None, None, None)
        );
        cookie.check("DC=a", ["DC=a", "DC=b"].into_iter()).unwrap();
    }

    #[test]
    fn what_cannot_tell_all_changes_is_refused() {
        let (cookie, now) = cookie();
        let written = cookie.write().unwrap();
        let read = |text: &str, now| Cookie::read(&SyncCookie::from_text(text.to_owned()), now);
        let text = str::from_utf8(written.as_bytes()).unwrap();
        assert!(read(text, now.after(GOOD_FOR)).is_ok());
        for (text, now) in [
            (text, now.after(GOOD_FOR + Duration::from_secs(1))),
            ("first-sync:2026-01-01T00:00:00Z", now),
            ("", now),
            (&text.replace("\"version\":1", "\"version\":2"), now),
            (&text.replace("\"made\"", "\"more\":1,\"made\""), now),
            (&text.replace("2027", "soon"), now),
        ] {
            assert!(matches!(read(text, now), Err(ExchangeError::CookieRefused { .. })), "{text}");
        }
        for (forest, domains) in [
            ("DC=b", &["DC=a", "DC=b"][..]),
            ("DC=a", &["DC=a"]),
            ("DC=a", &["DC=a", "DC=c"]),
            ("DC=a", &["DC=a", "DC=b", "DC=c"]),
        ] {
            assert!(cookie.check(forest, domains.iter().copied()).is_err(), "{forest} {domains:?}");
        }
    }
}

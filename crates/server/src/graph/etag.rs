//! Entity tags in requests: what a client demands of a resource's state (RFC 9110, section 13).

use http::{
    HeaderMap, HeaderName,
    header::{IF_MATCH, IF_NONE_MATCH},
};

use crate::failure::Failure;

/// A revision that no row has.
const NEVER: i64 = -1;

/// The conditions of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conditions {
    matches: Option<Tags>,
    matches_none: Option<Tags>,
}

/// The tags of one condition, without what marks them as weak. Weak and strong ones are compared alike: clients send back
/// what they got, and some proxies strip the `W/`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// Any state, so long as the resource exists.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// What the conditions of a request make of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The client has this state already.
    NotModified,
    /// It wants to see it.
    Wanted,
}

/// Reads `If-Match` and `If-None-Match`.
pub(super) fn conditions(headers: &HeaderMap) -> Conditions {
    Conditions { matches: Tags::read(headers, IF_MATCH), matches_none: Tags::read(headers, IF_NONE_MATCH) }
}

impl Conditions {
    /// What becomes of reading a resource with this tag.
    pub(super) fn reading(&self, tag: &str) -> Result<Reading, Failure> {
        if self.matches.as_ref().is_some_and(|tags| !tags.hold(tag)) {
            return Err(Failure::IfMatch);
        }
        match &self.matches_none {
            Some(tags) if tags.hold(tag) => Ok(Reading::NotModified),
            _ => Ok(Reading::Wanted),
        }
    }

    /// The revision to demand of the store for a change; `current` is asked only where the conditions leave a choice.
    pub(super) async fn changing(
        &self,
        current: impl Future<Output = Result<i64, Failure>>,
    ) -> Result<Option<i64>, Failure> {
        match (&self.matches, &self.matches_none) {
            (None | Some(Tags::Any), None) => Ok(None),
            (Some(Tags::OneOf(tags)), None) if tags.len() == 1 => {
                let revision = tags.first().and_then(|tag| tag.parse().ok());
                Ok(Some(revision.filter(|revision| *revision >= 0).unwrap_or(NEVER)))
            }
            _ => {
                let revision = current.await?;
                match self.reading(&revision.to_string())? {
                    Reading::Wanted => Ok(Some(revision)),
                    Reading::NotModified => Err(Failure::IfNoneMatch),
                }
            }
        }
    }

    /// Checks the conditions of adding to a collection: it exists, and has no tag.
    pub(super) fn adding(&self) -> Result<(), Failure> {
        if matches!(self.matches, Some(Tags::OneOf(_))) {
            return Err(Failure::IfMatch);
        }
        if self.matches_none == Some(Tags::Any) {
            return Err(Failure::IfNoneMatch);
        }
        Ok(())
    }
}

impl Tags {
    fn read(headers: &HeaderMap, name: HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter().peekable();
        values.peek()?;
        // A tag may hold a comma (RFC 9110, section 8.8.3), but none of ours does.
        let tags = values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim);
        let mut known = Vec::new();
        for tag in tags {
            if tag == "*" {
                return Some(Self::Any);
            }
            known.push(bare(tag).unwrap_or_default().to_owned());
        }
        Some(Self::OneOf(known))
    }

    fn hold(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|known| known == bare(tag).unwrap_or(tag)),
        }
    }
}

/// What stands between the quotes; `None` if it is no tag.
fn bare(tag: &str) -> Option<&str> {
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn given(matches: Option<&'static str>, matches_none: Option<&'static str>) -> Conditions {
        let mut headers = HeaderMap::new();
        for (name, value) in [(IF_MATCH, matches), (IF_NONE_MATCH, matches_none)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        conditions(&headers)
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).as_mut().poll(&mut cx) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (tags, holds) in [
            ("*", true),
            ("W/\"7\"", true),
            ("\"7\"", true),
            ("W/\"8\" , \"7\"", true),
            ("\"7", false),
            ("7", false),
            ("w/\"7\"", false),
            ("\"07\"", false),
            ("\"\"", false),
            ("", false),
        ] {
            let matching = given(Some(tags), None).reading("W/\"7\"");
            assert_eq!(matching.is_ok(), holds, "{tags}");
            let reading = given(None, Some(tags)).reading("W/\"7\"").unwrap();
            assert_eq!(reading == Reading::NotModified, holds, "{tags}");
        }
        assert!(given(Some("\"8\""), Some("\"7\"")).reading("W/\"7\"").is_err(), "If-Match comes first");
    }

    #[test]
    fn a_change_demands_the_revision_that_fulfils_all_conditions() {
        let unasked = async { panic!("there is no choice") };
        assert_eq!(now(given(None, None).changing(unasked)).unwrap(), None);
        for (matches, matches_none, demanded) in [
            (Some("*"), None, Ok(None)),
            (Some("W/\"7\""), None, Ok(Some(7))),
            (Some("\"6\""), None, Ok(Some(6))),
            (Some("\"x\""), None, Ok(Some(NEVER))),
            (Some("W/\"-1\""), None, Ok(Some(NEVER))),
            (Some("7"), None, Ok(Some(NEVER))),
            (Some("W/\"6\", \"7\""), None, Ok(Some(7))),
            (Some("W/\"5\", \"6\""), None, Err("PreconditionFailed")),
            (None, Some("*"), Err("PreconditionFailed")),
            (None, Some("\"7\""), Err("PreconditionFailed")),
            (None, Some("\"6\""), Ok(Some(7))),
            (Some("\"7\""), Some("\"6\""), Ok(Some(7))),
        ] {
            let outcome = now(given(matches, matches_none).changing(async { Ok(7) }));
            let outcome = outcome.map_err(|failure| failure.code());
            assert_eq!(outcome, demanded, "{matches:?} {matches_none:?}");
        }
    }

    #[test]
    fn a_collection_exists_and_has_no_tag() {
        for (matches, matches_none, may) in [
            (None, None, true),
            (Some("*"), None, true),
            (Some("\"7\""), None, false),
            (None, Some("*"), false),
            (None, Some("\"7\""), true),
        ] {
            assert_eq!(given(matches, matches_none).adding().is_ok(), may, "{matches:?} {matches_none:?}");
        }
    }
}

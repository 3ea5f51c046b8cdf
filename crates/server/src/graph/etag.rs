use exconn_odata::render::entity_tag;
use http::{HeaderMap, HeaderValue, header::IF_MATCH};

/// A revision that no row has.
const NEVER: i64 = -1;

/// The weak entity tag of a revision.
pub(super) fn of(revision: i64) -> Option<HeaderValue> {
    HeaderValue::try_from(entity_tag(revision)).ok()
}

/// What `If-Match` demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing, or that the resource exists.
    Any,
    /// One of these revisions. Weak and strong tags are compared alike: clients send back what they got, and some
    /// proxies strip the `W/`.
    OneOf(Vec<i64>),
}

/// Reads `If-Match`. A tag that exconn never gave matches nothing.
pub(super) fn condition(headers: &HeaderMap) -> Condition {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Condition::Any;
    }
    let mut revisions = Vec::new();
    for value in values {
        for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return Condition::Any;
            }
            revisions.push(revision(tag).unwrap_or(NEVER));
        }
    }
    Condition::OneOf(revisions)
}

fn revision(tag: &str) -> Option<i64> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().filter(|revision| *revision >= 0)
}

impl Condition {
    /// The revision to demand of the store; `current` is asked only where there are several to choose from.
    pub(super) async fn expected<E>(
        self,
        current: impl Future<Output = Result<i64, E>>,
    ) -> Result<Option<i64>, E> {
        match self {
            Self::Any => Ok(None),
            Self::OneOf(revisions) => match revisions.as_slice() {
                [one] => Ok(Some(*one)),
                several => {
                    let current = current.await?;
                    Ok(Some(if several.contains(&current) { current } else { NEVER }))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_revisions() {
        for (given, condition_read) in [
            (None, Condition::Any),
            (Some("*"), Condition::Any),
            (Some("W/\"7\""), Condition::OneOf(vec![7])),
            (Some("\"7\""), Condition::OneOf(vec![7])),
            (Some("W/\"7\" , \"8\""), Condition::OneOf(vec![7, 8])),
            (Some("7"), Condition::OneOf(vec![NEVER])),
            (Some("W/\"-1\""), Condition::OneOf(vec![NEVER])),
            (Some("\"x\""), Condition::OneOf(vec![NEVER])),
            (Some(""), Condition::OneOf(vec![NEVER])),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(IF_MATCH, HeaderValue::from_static(given));
            }
            assert_eq!(condition(&headers), condition_read, "{given:?}");
        }
    }
}

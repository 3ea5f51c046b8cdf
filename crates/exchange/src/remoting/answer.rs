use std::time::Duration;

use exconn_model::{Clock, Timestamp};
use http::{HeaderMap, StatusCode, header};

use super::{connection::Answer, link::Link};
use crate::{ExchangeError, shorten::shortened};

/// The wait that is assumed where a server asks to wait without saying how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// Longest wait that a server can ask for.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// The SOAP message of an answer, or what the answer means without one.
pub(super) fn envelope(link: &Link, clock: &dyn Clock, answer: Answer) -> Result<Vec<u8>, ExchangeError> {
    let status = answer.status;
    if status == StatusCode::UNAUTHORIZED {
        return Err(ExchangeError::CredentialsRefused { endpoint: link.target.endpoint() });
    }
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ExchangeError::Throttled { after: retry_after(&answer.headers, clock.now()) });
    }
    if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) {
        return Err(link.unreachable(&format_args!("a gateway in between answers {status}")));
    }
    if status.is_redirection() {
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let to = location.map(|location| format!(" to {}", shortened(location))).unwrap_or_default();
        return Err(link.wrong_endpoint(format!("it redirects{to} ({status}); exconn follows no redirect")));
    }
    if !matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR) {
        return Err(link.wrong_endpoint(format!("it answers {status}")));
    }
    if !is_soap(&answer.headers) || answer.body.is_empty() {
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.map_or_else(|| "nothing".into(), shortened);
        let hint = if status == StatusCode::INTERNAL_SERVER_ERROR && answer.body.is_empty() {
            "; it may refuse messages that are not encrypted"
        } else {
            ""
        };
        let length = answer.body.len();
        return Err(link.wrong_endpoint(format!("it answers {status} with {length} bytes of {kind}{hint}")));
    }
    Ok(answer.body)
}

fn is_soap(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/soap+xml")
}

/// When the server sent an answer, by its own clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Duration {
    let text =
        headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let wait = match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => http_date(text).map(|moment| moment.since(now)),
    };
    bounded(wait)
}

/// The wait that a server asked for, if it said any, within bounds.
pub(super) fn bounded(wait: Option<Duration>) -> Duration {
    wait.unwrap_or(DEFAULT_WAIT).min(MAX_WAIT)
}

/// RFC 9110, section 5.6.7, in the form that is to be generated: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next()? != "GMT" {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_from_both_forms_and_bounded() {
        let now = Timestamp::parse("1994-11-06T08:49:30Z").unwrap();
        for (text, seconds) in [
            ("1", 1),
            (" 120 ", 120),
            ("999999", 3600),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 7),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("soon", 30),
            ("", 30),
            ("-5", 30),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), Duration::from_secs(30));
    }
}

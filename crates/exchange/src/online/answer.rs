use std::time::Duration;

use exconn_model::Timestamp;
use http::{HeaderMap, StatusCode, header};

use super::{
    client::{Answer, Client},
    failure::Reason,
    page::{self, Page},
};
use crate::{ExchangeError, retry_after::retry_after, rows::Mapper, shorten::shortened};

/// The wait that is assumed where the service asks to wait without saying how long and does not relent.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// The least wait that is passed on: a service that asks for none is still not to be asked without a pause.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The token is not accepted (401).
    Token,
    /// It may go better in a while: after this wait, if the service said one.
    ForNow {
        /// What the service asked for.
        wait: Option<Duration>,
        /// Whether there were too many requests.
        too_many: bool,
        /// What it comes to if it does not get better.
        error: ExchangeError,
    },
    /// A request that the service does not understand (400).
    Request {
        /// Whether it does not know the place in a listing any more.
        place_lost: bool,
        /// What it comes to.
        error: ExchangeError,
    },
    /// No object has the identity that was asked for.
    ObjectMissing(ExchangeError),
    /// It stays so.
    ForGood(ExchangeError),
}

impl Refusal {
    /// What it comes to for whoever cannot do anything about it.
    pub(super) fn into_error(self, client: &Client) -> ExchangeError {
        match self {
            Self::Token => ExchangeError::CredentialsRefused { endpoint: client.origin.endpoint() },
            Self::ForNow { error, .. }
            | Self::Request { error, .. }
            | Self::ObjectMissing(error)
            | Self::ForGood(error) => error,
        }
    }
}

/// The page that an answer to a cmdlet brings.
pub(super) fn page<M: Mapper>(
    client: &Client,
    cmdlet: &str,
    answer: Answer,
    now: Timestamp,
) -> Result<Page<M::Row>, Refusal> {
    let violated = |reason: String| Refusal::ForGood(ExchangeError::ProtocolViolated { reason });
    if !matches!(answer.status, StatusCode::OK | StatusCode::NO_CONTENT) {
        return Err(refusal(client, cmdlet, &answer, now));
    }
    let body = answer.body.map_err(|reason| violated(format!("the body cannot be read: {reason}")))?;
    if body.is_empty() {
        // A cmdlet that returns nothing may say nothing; a listing without a list is refused by whoever wants one.
        return Ok(Page::default());
    }
    if !is_json(&answer.headers) {
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.map_or_else(|| "nothing".into(), shortened);
        return Err(Refusal::ForGood(
            client.wrong_endpoint(format!("it answers with {kind} instead of JSON")),
        ));
    }
    let mut page = page::read::<M>(&body)
        .map_err(|error| violated(shortened(&format!("a page of {cmdlet}: {error}"))))?;
    if let Some(error) = page.errors.first() {
        let reason = format!("{cmdlet} failed: {error}");
        return Err(Refusal::ForGood(ExchangeError::EndedEarly { reason }));
    }
    let in_header = answer.headers.get_all("x-warnings").iter();
    page.warnings.extend(in_header.map(|value| shortened(&String::from_utf8_lossy(value.as_bytes()))));
    for warning in &page.warnings {
        if page::says_truncated(warning) {
            let reason = format!("{cmdlet} left something out: {warning}");
            return Err(Refusal::ForGood(ExchangeError::EndedEarly { reason }));
        }
        tracing::debug!(warning, cmdlet, "Exchange warns");
    }
    Ok(page)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn refusal(client: &Client, cmdlet: &str, answer: &Answer, now: Timestamp) -> Refusal {
    let status = answer.status;
    let said = answer.body.as_ref().ok().and_then(|body| Reason::read(body));
    let failed = |reason: &str| ExchangeError::EndedEarly { reason: format!("{cmdlet} failed: {reason}") };
    match (status.as_u16(), said) {
        (401, _) => Refusal::Token,
        (403, said) => {
            // A cmdlet that no role of the application holds is refused with 64 bytes of nothing.
            let reason = said.map_or_else(
                || "no role of the application holds it, or it does not exist".into(),
                |said| said.text,
            );
            Refusal::ForGood(ExchangeError::NotPermitted { cmdlet: cmdlet.into(), reason })
        }
        (404, Some(said)) if said.is_object_missing() => Refusal::ObjectMissing(failed(&said.text)),
        (400, Some(said)) if said.is_object_missing() => Refusal::ObjectMissing(failed(&said.text)),
        (400, Some(said)) if said.is_parameter_unknown() => {
            let error = ExchangeError::NotPermitted { cmdlet: cmdlet.into(), reason: said.text };
            Refusal::Request { place_lost: false, error }
        }
        (400, said) => {
            let reason = said.unwrap_or_default();
            let text = if reason.text.is_empty() { "it answers 400 without a reason" } else { &reason.text };
            Refusal::Request { place_lost: reason.is_page_expired(), error: failed(text) }
        }
        (429, _) => {
            let wait = retry_after(&answer.headers, now);
            let error = ExchangeError::Throttled { after: wait.unwrap_or(DEFAULT_WAIT).max(MIN_WAIT) };
            Refusal::ForNow { wait, too_many: true, error }
        }
        (500..=599, said) => {
            let wait = retry_after(&answer.headers, now);
            let error = match (wait, said) {
                (Some(wait), _) => ExchangeError::Throttled { after: wait.max(MIN_WAIT) },
                (None, Some(said)) => failed(&said.text),
                (None, None) => client.unreachable(&format_args!("it answers {status}")),
            };
            Refusal::ForNow { wait, too_many: false, error }
        }
        (300..=399, _) => {
            let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            let to = location.map(|location| format!(" to {}", shortened(location))).unwrap_or_default();
            let reason = format!("it redirects{to} ({status}); exconn follows no redirect");
            Refusal::ForGood(client.wrong_endpoint(reason))
        }
        (_, Some(said)) if !matches!(status.as_u16(), 404 | 405) => Refusal::ForGood(failed(&said.text)),
        _ => Refusal::ForGood(client.wrong_endpoint(format!("it answers {status}"))),
    }
}

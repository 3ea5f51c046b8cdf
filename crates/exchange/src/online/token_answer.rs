use std::time::Duration;

use exconn_model::Timestamp;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::client::{Answer, Client};
use crate::{ExchangeError, retry_after::retry_after, shorten::shortened};

/// Largest answer of a token endpoint, in bytes.
pub(super) const MAX_TOKEN_ANSWER: usize = 128 * 1024;
/// The lifetime of a token whose answer does not say it.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// The longest lifetime that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The wait that is assumed where the service asks to wait without saying how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// A token, and how long it lives.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) authorization: HeaderValue,
    pub(super) lifetime: Duration,
    /// Permissions that the token names, if it can be read: its form is the service's own affair.
    pub(super) roles: Option<Vec<String>>,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SignInRefusal {
    /// The secret is wrong.
    Secret,
    /// The secret or the certificate has expired.
    Expired,
    /// The assertion is from another time.
    Clock(String),
    /// Something else about the application, its tenant or the request.
    Application(String),
    /// Too many requests.
    Throttled(Duration),
    /// The service is not well.
    Unavailable(String),
    /// No token endpoint answers so.
    NoTokenEndpoint(String),
}

impl SignInRefusal {
    pub(super) fn into_error(self, client: &Client) -> ExchangeError {
        let endpoint = client.origin.endpoint();
        match self {
            Self::Secret => ExchangeError::CredentialsRefused { endpoint },
            Self::Expired => ExchangeError::PasswordExpired { endpoint },
            Self::Clock(reason) => ExchangeError::ClockSkew { endpoint, reason },
            Self::Application(reason) => ExchangeError::ApplicationRefused { endpoint, reason },
            Self::Throttled(after) => ExchangeError::Throttled { after },
            Self::Unavailable(reason) => ExchangeError::Unreachable { endpoint, reason },
            Self::NoTokenEndpoint(reason) => client.wrong_endpoint(reason),
        }
    }
}

/// Reads the answer of a token endpoint (RFC 6749, sections 5.1 and 5.2; the numbers are Entra's).
pub(super) fn read(answer: &Answer, now: Timestamp) -> Result<Granted, SignInRefusal> {
    let status = answer.status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(SignInRefusal::Throttled(wait(&answer.headers, now)));
    }
    if status.is_server_error() {
        return match retry_after(&answer.headers, now) {
            Some(wait) => Err(SignInRefusal::Throttled(wait)),
            None => Err(SignInRefusal::Unavailable(format!("it answers {status}"))),
        };
    }
    let body = answer.body.as_deref().unwrap_or_default();
    let json: Option<Value> = serde_json::from_slice(body).ok();
    match json {
        Some(json) if status == StatusCode::OK => {
            granted(&json).ok_or_else(|| SignInRefusal::NoTokenEndpoint("it grants no bearer token".into()))
        }
        Some(json) if json.get("error").is_some_and(Value::is_string) => {
            Err(refused(&json, wait(&answer.headers, now)))
        }
        _ => Err(SignInRefusal::NoTokenEndpoint(format!("as a token endpoint it answers {status}"))),
    }
}

fn wait(headers: &HeaderMap, now: Timestamp) -> Duration {
    retry_after(headers, now).unwrap_or(DEFAULT_WAIT)
}

fn granted(json: &Value) -> Option<Granted> {
    if !json.get("token_type")?.as_str()?.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    let token = json.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    authorization.set_sensitive(true);
    let seconds = json.get("expires_in").and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    let lifetime = seconds.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(MAX_LIFETIME);
    Some(Granted { authorization, lifetime, roles: roles(token) })
}

/// `roles` of a JSON Web Token, which nobody checks here: only the service decides what a token is worth.
fn roles(token: &str) -> Option<Vec<String>> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let roles = match claims.as_object()?.get("roles") {
        None => Vec::new(),
        Some(roles) => roles.as_array()?.iter().filter_map(Value::as_str).map(shortened).collect(),
    };
    Some(roles)
}

fn refused(json: &Value, wait: Duration) -> SignInRefusal {
    let error = json.get("error").and_then(Value::as_str).unwrap_or_default();
    let description = json.get("error_description").and_then(Value::as_str).unwrap_or_default();
    // Behind the first sentences stand ids and the time, which help nobody who reads a log.
    let said = description.split("Trace ID:").next().unwrap_or_default();
    let reason = shortened(if said.is_empty() { error } else { said });
    match number(json, description) {
        Some(7_000_215) => SignInRefusal::Secret,
        Some(7_000_222) => SignInRefusal::Expired,
        Some(700_027) if description.contains("is expired") => SignInRefusal::Expired,
        Some(700_024) => SignInRefusal::Clock(reason),
        Some(50_196 | 90_055) => SignInRefusal::Throttled(wait),
        Some(_) => SignInRefusal::Application(reason),
        None if error == "temporarily_unavailable" || error == "server_error" => {
            SignInRefusal::Unavailable(reason)
        }
        None if error == "invalid_client" => SignInRefusal::Secret,
        None => SignInRefusal::Application(reason),
    }
}

/// The number of the error: `error_codes`, or the one behind `AADSTS` in the description.
fn number(json: &Value, description: &str) -> Option<u64> {
    let listed = json.get("error_codes").and_then(|codes| codes.get(0)?.as_u64());
    listed.or_else(|| {
        let (_, behind) = description.split_once("AADSTS")?;
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        behind.get(..end)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Ok(body.as_bytes().to_vec()),
        }
    }

    fn refusal(status: u16, body: &str) -> SignInRefusal {
        read(&answer(status, body), Timestamp::UNSET).unwrap_err()
    }

    #[test]
    fn a_token_its_lifetime_and_its_roles() {
        // {"roles":["Exchange.ManageAsApp"]} and {}
        for (token, roles) in [
            (
                "e30.eyJyb2xlcyI6WyJFeGNoYW5nZS5NYW5hZ2VBc0FwcCJdfQ.x",
                Some(vec!["Exchange.ManageAsApp".to_owned()]),
            ),
            ("e30.e30.x", Some(vec![])),
            ("opaque", None),
            ("a.b.c", None),
        ] {
            for (expires, seconds) in
                [(json!(3599), 3599), (json!("60"), 60), (json!(null), 300), (json!(u64::MAX), 86_400)]
            {
                let body = json!({"token_type": "bearer", "expires_in": expires, "access_token": token});
                let granted = read(&answer(200, &body.to_string()), Timestamp::UNSET).unwrap();
                assert_eq!(granted.lifetime, Duration::from_secs(seconds));
                assert_eq!(granted.roles, roles);
                assert_eq!(granted.authorization, format!("Bearer {token}"));
                assert!(!format!("{granted:?}").contains(token), "a token is not shown");
            }
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        use SignInRefusal::{Application, Clock, Expired, Secret};
        let said = |error: &str, description: &str| {
            let body = json!({"error": error, "error_description": description});
            refusal(if error == "invalid_client" { 401 } else { 400 }, &body.to_string())
        };
        assert_eq!(said("invalid_client", "AADSTS7000215: Invalid client secret provided."), Secret);
        assert_eq!(
            said("invalid_client", "AADSTS7000222: The provided client secret keys are expired."),
            Expired
        );
        let registered = "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered \
                          on application. Trace ID: 1 Correlation ID: 2";
        let shown =
            registered.split(" Trace").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(said("invalid_client", registered), Application(shown));
        let old =
            "AADSTS700027: Client assertion failed signature validation. [Reason - The key used is expired.]";
        assert_eq!(said("invalid_client", old), Expired);
        let clock = "AADSTS700024: Client assertion is not within its valid time range.";
        assert_eq!(said("invalid_client", clock), Clock(clock.into()));
        let unknown = "AADSTS700016: Application with identifier 'x' was not found in the directory 'y'.";
        assert_eq!(said("unauthorized_client", unknown), Application(unknown.into()));
        assert_eq!(said("invalid_client", ""), Secret);
        assert_eq!(said("invalid_scope", ""), Application("invalid_scope".into()));
        let by_number =
            json!({"error": "invalid_client", "error_description": "Nein.", "error_codes": [7_000_222]});
        assert_eq!(refusal(401, &by_number.to_string()), Expired);
    }

    #[test]
    fn what_is_no_token_endpoint_is_named() {
        for (status, body) in [
            (200, "<html>"),
            (200, "{}"),
            (200, r#"{"token_type":"mac","access_token":"x"}"#),
            (200, r#"{"token_type":"Bearer","access_token":"x\ny"}"#),
            (200, r#"{"token_type":"Bearer","access_token":""}"#),
            (404, ""),
            (302, ""),
            (400, r#"{"error":{"code":"x"}}"#),
        ] {
            let refusal = refusal(status, body);
            assert!(matches!(refusal, SignInRefusal::NoTokenEndpoint(_)), "{status} {body}: {refusal:?}");
        }
        assert_eq!(refusal(429, ""), SignInRefusal::Throttled(DEFAULT_WAIT));
        assert!(matches!(refusal(503, ""), SignInRefusal::Unavailable(_)));
        let mut busy = answer(503, "");
        busy.headers.insert("retry-after", "7".parse().unwrap());
        let refused = read(&busy, Timestamp::UNSET).unwrap_err();
        assert_eq!(refused, SignInRefusal::Throttled(Duration::from_secs(7)));
    }
}

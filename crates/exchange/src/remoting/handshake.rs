//! Signing in on a connection (RFC 4559, MS-NTHT): tokens in headers, before the first message.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    answer,
    authentication::Scheme,
    connection::{Answer, Connection, Identification, Wire},
    link::Link,
};
use crate::{
    ExchangeError,
    security::{ALLOWED_SKEW, Intent, SecurityContext, refusal_in, skew},
};

/// Most requests of a sign-in. NTLM has two, SPNEGO may need another.
const MAX_ROUNDS: usize = 6;

/// Signs in. The connection is the one that the context belongs to from then on.
pub(super) async fn sign_in(
    link: &Link,
    wire: Wire,
    scheme: Scheme,
    intent: Intent,
) -> Result<Connection, ExchangeError> {
    let context = intent.context().map_err(|error| error.at(link.target.endpoint()))?;
    let mut handshake = Handshake { link, wire, context, names: scheme.names };
    handshake.run().await?;
    let Handshake { wire, context, .. } = handshake;
    tracing::debug!(endpoint = %link.target.endpoint(), protocol = context.protocol(), "signed in");
    let identification = if link.target.tls {
        Identification::SignedIn
    } else {
        Identification::Sealed { context, protocol: scheme.sealing }
    };
    Ok(Connection::new(wire, identification))
}

struct Handshake<'a> {
    link: &'a Link,
    wire: Wire,
    context: Box<dyn SecurityContext>,
    /// HTTP schemes that are still to be tried; the first is the one in use.
    names: &'static [&'static str],
}

impl Handshake<'_> {
    async fn run(&mut self) -> Result<(), ExchangeError> {
        let mut token = self.step(Vec::new()).await?;
        for round in 0..MAX_ROUNDS {
            let Some(name) = self.names.first() else { break };
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, self.authorization(name, token.as_deref())?);
            let answer = self.wire.send(self.link, headers, Bytes::new()).await?;
            let challenges = Challenges::of(&answer.headers);
            let reply = challenges.token(name);
            if answer.status != StatusCode::UNAUTHORIZED {
                return self.finish(answer, reply).await;
            }
            match reply {
                Some(reply) if !self.context.is_established() => token = self.step(reply).await?,
                reply if challenges.offers(name) => return Err(self.refused(round, reply, &answer)),
                // The token of the first round says nothing of the scheme that carries it.
                _ if round == 0 && self.names.iter().any(|name| challenges.offers(name)) => {
                    self.names = self.names.get(1..).unwrap_or_default();
                }
                _ => return Err(self.not_offered(&challenges)),
            }
        }
        Err(self.link.wrong_endpoint("the sign-in has no end"))
    }

    async fn step(&mut self, token: Vec<u8>) -> Result<Option<Vec<u8>>, ExchangeError> {
        self.context.step(token).await.map_err(|error| error.at(self.link.target.endpoint()))
    }

    fn authorization(&self, name: &str, token: Option<&[u8]>) -> Result<HeaderValue, ExchangeError> {
        let text = format!("{name} {}", BASE64_STANDARD.encode(token.unwrap_or_default()));
        let mut value =
            HeaderValue::from_str(&text).map_err(|error| self.link.wrong_endpoint(error.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The server lets the client in; now it must have proved who it is itself.
    async fn finish(&mut self, answer: Answer, reply: Option<Vec<u8>>) -> Result<(), ExchangeError> {
        // Exchange may find fault with a message that is none, but only after the sign-in.
        let lets_in = matches!(
            answer.status,
            StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR
        );
        if !lets_in {
            answer::envelope(self.link, self.link.clock.as_ref(), answer)?;
            return Err(self.link.wrong_endpoint("it answers a sign-in with a message"));
        }
        if let Some(reply) = reply
            && !self.context.is_established()
        {
            self.step(reply).await?;
        }
        if self.context.is_established() {
            return Ok(());
        }
        Err(self.link.wrong_endpoint(format!(
            "it answers {} to a sign-in without having proved who it is",
            answer.status
        )))
    }

    fn refused(&self, round: usize, reply: Option<Vec<u8>>, answer: &Answer) -> ExchangeError {
        let endpoint = self.link.target.endpoint();
        let now = self.link.clock.now();
        if let Some(error) = reply.and_then(|token| refusal_in(&token, &endpoint, self.link.service(), now)) {
            return error.at(endpoint);
        }
        if self.context.protocol() == "Kerberos" {
            // The KDC gave a ticket, so it is not the password.
            let theirs = answer::date(&answer.headers);
            if let Some(theirs) =
                theirs.filter(|theirs| theirs.since(now).max(now.since(*theirs)) > ALLOWED_SKEW)
            {
                return ExchangeError::ClockSkew { endpoint, reason: skew(theirs, now) };
            }
            return ExchangeError::TicketRefused { endpoint, reason: self.ticket_hints() };
        }
        if let Some(reason) = self.context.only_second_choice() {
            let reason = format!("it refuses NTLM, and Kerberos cannot be used: {reason}");
            return ExchangeError::TicketRefused { endpoint, reason };
        }
        if round == 0 {
            // The password has not been shown yet.
            let reason = "it refuses NTLM before the user is known".to_owned();
            return ExchangeError::TicketRefused { endpoint, reason };
        }
        ExchangeError::CredentialsRefused { endpoint }
    }

    fn ticket_hints(&self) -> String {
        let service = self.link.service();
        let binding = if self.link.target.tls {
            ", or it demands a channel binding (Extended Protection), which a build without the feature `gssapi` cannot give \
             with Kerberos: use http, NTLM, or such a build"
        } else {
            ""
        };
        format!(
            "it does not accept the ticket for {service}: the account may not use it, or {service} is registered for \
             another account than the one that runs the service{binding}"
        )
    }

    fn not_offered(&self, challenges: &Challenges) -> ExchangeError {
        let offers =
            if challenges.0.is_empty() { "nothing".to_owned() } else { challenges.names().join(", ") };
        let wanted = self.names.join(" or ");
        self.link.wrong_endpoint(format!("it does not offer to sign in by {wanted}, but by {offers}"))
    }
}

/// What a server offers to sign in by: names of schemes and their tokens.
#[derive(Debug)]
struct Challenges(Vec<(String, Option<Vec<u8>>)>);

impl Challenges {
    /// Most offers that are looked at.
    const MOST: usize = 16;

    fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let offers = values.flat_map(unquoted_parts).filter_map(|offer| {
            let mut words = offer.split_ascii_whitespace();
            let name = words.next().filter(|name| {
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && name.len() <= 32
            })?;
            let token = words.next().and_then(|token| BASE64_STANDARD.decode(token).ok());
            Some((name.to_owned(), token))
        });
        Self(offers.take(Self::MOST).collect())
    }

    fn offers(&self, scheme: &str) -> bool {
        self.0.iter().any(|(name, _)| name.eq_ignore_ascii_case(scheme))
    }

    fn token(&self, scheme: &str) -> Option<Vec<u8>> {
        let mut of_scheme = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(scheme));
        of_scheme.find_map(|(_, token)| token.clone())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// What stands between commas, but not between those inside of quotes.
fn unquoted_parts(value: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    value.split(move |c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_from_one_header_and_from_several() {
        let mut headers = HeaderMap::new();
        for value in ["Negotiate, NTLM", "Kerberos AQID", "Basic realm=\"a, b c\"", "Digest qop=\"auth\""] {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        let challenges = Challenges::of(&headers);
        assert_eq!(challenges.names(), ["Negotiate", "NTLM", "Kerberos", "Basic", "Digest"]);
        assert_eq!(challenges.token("kerberos"), Some(vec![1, 2, 3]));
        assert_eq!(challenges.token("Negotiate"), None);
        assert!(challenges.offers("ntlm") && !challenges.offers("CredSSP"));
        assert!(Challenges::of(&HeaderMap::new()).0.is_empty());
    }
}

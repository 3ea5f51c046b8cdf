//! `POST /{version}/$batch`: several requests in one.

use std::{str::FromStr, sync::Arc};

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use exconn_odata::{
    batch::{self, BatchAnswer, BatchBody, BatchRequest},
    options::{self, Purpose},
};
use futures_util::future::join_all;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
        TRANSFER_ENCODING,
    },
    request::Parts,
};

use super::Version;
use crate::{
    answer::{Call, Target},
    app::Service,
    audit::Asked,
    auth::Caller,
    failure::Failure,
    reply::Reply,
    wire::{Connection, Identity, RequestBody, read_json},
};

/// What belongs to the connection and not to a request within a batch.
const OF_THE_CONNECTION: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING];

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The batch that came over the connection.
struct Envelope<'a> {
    service: &'a Service,
    caller: &'a Arc<Caller>,
    head: &'a Parts,
    connection: &'a Connection,
    identity: &'a Identity,
    version: Version,
}

/// What became of one request.
struct Item {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    is_json: bool,
}

pub(super) async fn answer(
    service: &Service,
    caller: &Arc<Caller>,
    target: &Target<'_>,
    call: Call<'_>,
) -> Result<Reply, Failure> {
    if call.caller.is_some() {
        return Err(Failure::bad("A batch cannot contain a batch."));
    }
    let Call { head, mut body, connection, identity, .. } = call;
    options::parse(head.uri.query(), Purpose::Nothing, &exconn_model::CONNECTOR)?;
    let config = &service.config;
    let body = read_json(&head.headers, &mut body, config.body_limit, config.body_timeout).await?;
    let requests = batch::parse(&body)?;
    let version = target.version.unwrap_or(Version::V1);
    let envelope = Envelope { service, caller, head, connection, identity, version };
    let items = envelope.carry_out(&requests).await;
    let headers: Vec<Vec<(&str, &str)>> = items
        .iter()
        .map(|item| item.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
        .collect();
    let encoded: Vec<Option<String>> = items.iter().map(Item::encoded).collect();
    let answers: Vec<BatchAnswer<'_>> = requests
        .iter()
        .zip(&items)
        .zip(headers.iter().zip(&encoded))
        .map(|((request, item), (headers, encoded))| BatchAnswer {
            id: &request.id,
            status: item.status,
            headers,
            body: match encoded {
                Some(text) => BatchBody::Text(text),
                None if item.body.is_empty() => BatchBody::Empty,
                None => BatchBody::Json(&item.body),
            },
        })
        .collect();
    Ok(Reply::typed(HeaderValue::from_static("application/json"), batch::render(&answers)))
}

impl Envelope<'_> {
    /// Carries out the requests: those that wait for none first and side by side, then those that waited for them, and
    /// so on.
    async fn carry_out(&self, requests: &[BatchRequest<'_>]) -> Vec<Item> {
        let mut levels: Vec<usize> = Vec::with_capacity(requests.len());
        for request in requests {
            let waits_for = request.depends_on.iter().filter_map(|at| levels.get(*at));
            levels.push(waits_for.max().map_or(0, |level| level + 1));
        }
        let mut items: Vec<Option<Item>> = requests.iter().map(|_| None).collect();
        for level in 0..=levels.iter().copied().max().unwrap_or(0) {
            let now = requests.iter().zip(&levels).enumerate().filter(|(_, (_, of))| **of == level);
            let answers = now.map(|(at, (request, _))| {
                let failed = request.depends_on.iter().find(|on| {
                    let item = items.get(**on).and_then(Option::as_ref);
                    item.is_none_or(|item| !(200..300).contains(&item.status))
                });
                let failed = failed.and_then(|on| requests.get(*on)).map(|on| on.id.clone());
                Box::pin(async move { (at, self.item(request, failed).await) })
            });
            for (at, item) in join_all(answers.collect::<Vec<_>>()).await {
                if let Some(slot) = items.get_mut(at) {
                    *slot = Some(item);
                }
            }
        }
        items.into_iter().flatten().collect()
    }

    /// Answers one request; `failed` is the id of one that it depends on and that failed.
    async fn item(&self, request: &BatchRequest<'_>, failed: Option<String>) -> Item {
        let refuse = |failure: Failure| {
            let identity = self.identity.within(&HeaderMap::new(), &*self.service.entropy);
            let asked = Asked { head: self.head, connection: self.connection, identity: &identity };
            let (method, url) = (&*request.method, &*request.url);
            self.service.record_refused_item(asked, self.caller, &failure, method, url);
            Item::new(self.service.refuse(&failure, &identity), &identity)
        };
        if let Some(id) = failed {
            return refuse(Failure::FailedDependency(id));
        }
        let head = match self.head(request) {
            Ok(head) => head,
            Err(failure) => return refuse(failure),
        };
        let identity = self.identity.within(&head.headers, &*self.service.entropy);
        let call = Call {
            body: RequestBody::Right(content(&head.headers, request).into()),
            head: &head,
            connection: self.connection,
            identity: &identity,
            caller: Some(self.caller.clone()),
        };
        let mut item = Item::new(self.service.answer(call).await, &identity);
        if head.method == Method::HEAD {
            item.body = Bytes::new();
        }
        item
    }

    fn head(&self, request: &BatchRequest<'_>) -> Result<Parts, Failure> {
        if request.is_in_atomicity_group {
            return Err(Failure::bad(
                "atomicityGroup is not supported: each request of a batch stands for itself. Leave it out.",
            ));
        }
        let method = Method::from_str(&request.method.to_ascii_uppercase())
            .map_err(|_| Failure::bad("method must be a method of HTTP such as GET or POST."))?;
        let mut built = Request::new(());
        *built.method_mut() = method;
        *built.uri_mut() = self.address(&request.url)?;
        for (name, value) in &request.headers {
            let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value)) else {
                return Err(Failure::bad(
                    "A header's name or value holds characters that no header may have.",
                ));
            };
            if name == AUTHORIZATION && self.head.headers.get(AUTHORIZATION) != Some(&value) {
                return Err(Failure::bad(
                    "All requests of a batch have the batch's own Authorization. Leave it out of the request.",
                ));
            }
            if name != AUTHORIZATION && !OF_THE_CONNECTION.contains(&name) {
                built.headers_mut().insert(name, value);
            }
        }
        Ok(built.into_parts().0)
    }

    /// The path of a request's address. It may be relative to the version's root, with or without a slash in front, or
    /// begin with the version, or with an address of this service.
    fn address(&self, url: &str) -> Result<Uri, Failure> {
        let path = match url.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                if !self.is_ours(authority) {
                    return Err(Failure::bad(
                        "url belongs to another service. Write it relative, for instance \
                         /deviceManagement/exchangeConnectors.",
                    ));
                }
                rest.get(authority.len()..).unwrap_or_default()
            }
            _ => url,
        };
        let path = path.trim_start_matches('/');
        let first = path.split(['/', '?']).next().unwrap_or_default();
        let path = match Version::from_name(first) {
            Some(version) if version == self.version => format!("/{path}"),
            Some(version) => {
                let (own, other) = (self.version.name(), version.name());
                return Err(Failure::bad(format!(
                    "url names the version {other}, but the batch was sent to {own}. Send it to /{other}/$batch."
                )));
            }
            None => format!("/{}/{path}", self.version.name()),
        };
        Uri::from_str(&escaped(&path)).map_err(|_| {
            Failure::bad("url is not an address: it holds characters that must be percent-encoded.")
        })
    }

    /// Whether an absolute address names this service: nothing is ever fetched, only the path counts.
    fn is_ours(&self, authority: &str) -> bool {
        let sent_to = self.head.uri.authority().map(|authority| authority.as_str());
        let host = self.head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let base = self.connection.origin.authority();
        [sent_to, host, Some(base)].into_iter().flatten().any(|own| own.eq_ignore_ascii_case(authority))
    }
}

/// What clients leave bare in a JSON text, but no address may hold.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            ' ' => escaped.push_str("%20"),
            '"' => escaped.push_str("%22"),
            '<' => escaped.push_str("%3C"),
            '>' => escaped.push_str("%3E"),
            c if c.is_ascii() => escaped.push(c),
            c => escaped.extend(percent_encoding::utf8_percent_encode(
                c.encode_utf8(&mut [0; 4]),
                percent_encoding::NON_ALPHANUMERIC,
            )),
        }
    }
    escaped
}

/// The bytes of a body: JSON as it stands; what is not JSON, or is compressed, stands in a text as Base64 (OData JSON 4.01,
/// 19.1).
fn content(headers: &HeaderMap, request: &BatchRequest<'_>) -> Bytes {
    let Some(body) = request.body else { return Bytes::new() };
    let json = body.get();
    let is_json = headers.get(CONTENT_TYPE).is_none_or(is_json);
    if is_json && !headers.contains_key(CONTENT_ENCODING) {
        return Bytes::copy_from_slice(json.as_bytes());
    }
    match serde_json::from_str::<String>(json) {
        Ok(text) => [STANDARD, URL_SAFE]
            .iter()
            .find_map(|alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(&text).ok())
            .map_or_else(|| text.into(), Bytes::from),
        Err(_) => Bytes::copy_from_slice(json.as_bytes()),
    }
}

fn is_json(content_type: &HeaderValue) -> bool {
    let kind = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// A header's name as the Graph spells it. In a batch it is a JSON member, and clients compare it as such: the vendor's
/// library for JavaScript reads a body as JSON only if there is a `Content-Type`.
fn spelled(name: &HeaderName) -> String {
    match name.as_str() {
        "etag" => "ETag".to_owned(),
        "odata-version" => "OData-Version".to_owned(),
        "www-authenticate" => "WWW-Authenticate".to_owned(),
        name @ ("client-request-id" | "request-id") => name.to_owned(),
        name => {
            let mut begins = true;
            let spell = |letter: char| {
                let spelled = if begins { letter.to_ascii_uppercase() } else { letter };
                begins = letter == '-';
                spelled
            };
            name.chars().map(spell).collect()
        }
    }
}

impl Item {
    fn new(reply: Reply, identity: &Identity) -> Self {
        let Reply { status, mut headers, body, .. } = reply;
        identity.write(&mut headers);
        let is_json = headers.get(CONTENT_TYPE).is_some_and(is_json);
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = headers.iter().map(|(name, value)| (spelled(name), text(value))).collect();
        Self { status: status.as_u16(), headers, body, is_json }
    }

    /// A body that is not JSON as a text of JSON: text as it is, everything else as Base64.
    fn encoded(&self) -> Option<String> {
        if self.is_json || self.body.is_empty() {
            return None;
        }
        let text = std::str::from_utf8(&self.body).map(str::to_owned);
        Some(text.unwrap_or_else(|_| URL_SAFE_NO_PAD.encode(&self.body)))
    }
}

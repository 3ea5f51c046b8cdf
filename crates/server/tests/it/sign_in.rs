//! The token endpoint and the documents by which clients find it.

use std::time::Duration;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http_body_util::Full;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use ring::digest;
use serde_json::{Value, json};

use crate::harness::{Answer, CONNECTORS, START, Server};

const READ: &str = "DeviceManagementServiceConfig.Read.All";
const SCOPE: &str = "https://graph.microsoft.com/.default";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn encoded(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let parts: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    parts.join("&")
}

async fn post_to(server: &Server, path: &str, basic: Option<&str>, body: String) -> Answer {
    let mut request = http::Request::post(path)
        .header("host", server.address.to_string())
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(basic)));
    }
    server.send(request.body(Full::from(body)).unwrap()).await
}

async fn post(server: &Server, parameters: &[(&str, &str)]) -> Answer {
    let path = format!("/{}/oauth2/v2.0/token", server.keyring.tenant());
    post_to(server, &path, None, encoded(parameters)).await
}

fn parts(app: &Value) -> (&str, &str) {
    (app["id"].as_str().unwrap(), app["secretText"].as_str().unwrap())
}

/// Asks for a token with the secret that the creation or rotation has shown.
pub(crate) async fn with_secret(server: &Server, app: &Value) -> Answer {
    let (id, secret) = parts(app);
    let grant = ("grant_type", "client_credentials");
    post(server, &[grant, ("client_id", id), ("client_secret", secret), ("scope", SCOPE)]).await
}

pub(crate) async fn get_token(server: &Server, app: &Value) -> String {
    let answer = with_secret(server, app).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn registered(server: &Server, more: Value) -> Value {
    let mut body = json!({"displayName": "script", "permissions": [READ]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = server.write("POST", "/exconn/v1/apps", body.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// A certificate for a key on P-256, and the key.
pub(crate) fn certificate() -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["script".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key)
}

#[tokio::test]
async fn a_secret_gets_a_token_that_works() {
    let server = Server::start().await;
    let app = registered(&server, json!({})).await;
    let answer = with_secret(&server, &app).await;
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&"Bearer".into(), &3599.into()));
    assert_eq!(body["ext_expires_in"], 3599);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(server.get_as(token, CONNECTORS).await.status, 200);
    server.clock.advance(Duration::from_secs(3600 + 30));
    server.get_as(token, CONNECTORS).await.error(401);
    server.end().await;
}

#[tokio::test]
async fn anyone_can_check_a_token_with_the_published_documents() {
    let server = Server::start().await;
    let app = registered(&server, json!({})).await;
    let token = get_token(&server, &app).await;
    let tenant = server.keyring.tenant().to_string();
    let base = format!("http://{}", server.address);
    let open = |path: String| {
        let request = http::Request::get(path).header("host", "x").body(Full::default()).unwrap();
        server.send(request)
    };
    let document = open(format!("/{tenant}/v2.0/.well-known/openid-configuration")).await.json();
    for name in ["issuer", "token_endpoint", "authorization_endpoint", "jwks_uri"] {
        assert!(document[name].as_str().unwrap().starts_with(&format!("{base}/{tenant}/")), "{document}");
    }
    let keys = document["jwks_uri"].as_str().unwrap().strip_prefix(&base).unwrap().to_owned();
    let keys = open(keys).await.json();
    let key = &keys["keys"][0];
    assert_eq!((&key["alg"], &key["use"]), (&"ES256".into(), &"sig".into()));
    assert_eq!(key["kid"].as_str(), jsonwebtoken::decode_header(&token).unwrap().kid.as_deref());
    let decoding =
        DecodingKey::from_ec_components(key["x"].as_str().unwrap(), key["y"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.set_issuer(&[document["issuer"].as_str().unwrap()]);
    validation.set_audience(&[server.keyring.audience()]);
    let claims = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap().claims;
    let id = &app["id"];
    for (name, value) in [
        ("appid", id),
        ("azp", id),
        ("oid", id),
        ("sub", id),
        ("tid", &tenant.clone().into()),
        ("roles", &json!([READ])),
        ("ver", &"2.0".into()),
        ("exp", &(START + 3600).into()),
    ] {
        assert_eq!(&claims[name], value, "{name}");
    }
    for path in ["/common/v2.0/.well-known/openid-configuration", "/organizations/discovery/v2.0/keys"] {
        open(path.to_owned()).await.error(404);
    }
    server.end().await;
}

#[tokio::test]
async fn basic_authorization_and_the_first_version_will_do_too() {
    let server = Server::start().await;
    let app = registered(&server, json!({})).await;
    let (id, secret) = parts(&app);
    let tenant = server.keyring.tenant().to_string();
    let body = encoded(&[("grant_type", "client_credentials"), ("scope", SCOPE)]);
    let basic = format!("{id}:{secret}");
    let path = format!("/{}/oauth2/v2.0/token", tenant.to_uppercase());
    assert_eq!(post_to(&server, &path, Some(&basic), body.clone()).await.status, 200);
    let wrong = post_to(&server, &path, Some(&format!("{id}:x")), body).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").unwrap().starts_with("Basic"));

    let first = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
        ("resource", "https://graph.microsoft.com/"),
    ];
    let answer = post_to(&server, &format!("/{tenant}/oauth2/token"), None, encoded(&first)).await.json();
    assert_eq!(
        (&answer["expires_in"], &answer["resource"]),
        (&"3599".into(), &"https://graph.microsoft.com/".into())
    );
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(server.get_as(token, CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn refusals_have_the_form_that_libraries_read() {
    let server = Server::start().await;
    let app = registered(&server, json!({})).await;
    let (id, secret) = parts(&app);
    let credentials = app["credentials"][0]["id"].as_str().unwrap();
    let nobody = uuid::Uuid::from_u128(5).to_string();
    let base = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
        ("scope", SCOPE),
    ];
    let with = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        base.iter().map(|(n, v)| (*n, if *n == name { value } else { *v })).collect()
    };
    let without =
        |name: &str| -> Vec<(&str, &str)> { base.iter().filter(|(n, _)| *n != name).copied().collect() };
    let and = |more: &[(&'static str, &'static str)]| [&base, more].concat();
    let secret_is = |value| -> Vec<(&str, &str)> {
        [&without("client_secret")[..], &[("client_secret", value)]].concat()
    };
    let client_is =
        |value| -> Vec<(&str, &str)> { [&without("client_id")[..], &[("client_id", value)]].concat() };
    for (parameters, status, error, code) in [
        (with("grant_type", "password"), 400, "unsupported_grant_type", 70003),
        (without("grant_type"), 400, "invalid_request", 900_144),
        (without("client_id"), 400, "invalid_request", 900_144),
        (without("scope"), 400, "invalid_request", 900_144),
        (without("client_secret"), 401, "invalid_client", 7_000_216),
        (with("client_secret", "wrong"), 401, "invalid_client", 7_000_215),
        (secret_is(credentials), 401, "invalid_client", 7_000_215),
        (client_is(&nobody), 400, "unauthorized_client", 700_016),
        (with("client_id", "not a guid"), 400, "unauthorized_client", 700_016),
        (with("scope", "https://other.example/.default"), 400, "invalid_scope", 70011),
        (with("scope", "User.Read"), 400, "invalid_scope", 70011),
        (and(&[("client_secret", "again")]), 400, "invalid_request", 900_144),
        (and(&[("client_assertion", "a.b.c")]), 400, "invalid_request", 900_144),
    ] {
        let answer = post(&server, &parameters).await;
        let body = answer.json();
        assert_eq!(
            (answer.status.as_u16(), body["error"].as_str().unwrap()),
            (status, error),
            "{parameters:?}: {body}"
        );
        assert_eq!(body["error_codes"], json!([code]), "{parameters:?}: {body}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert!(!description.contains(secret) && !description.contains("not a guid"), "{description}");
        assert_eq!(body["trace_id"].as_str(), answer.header("request-id"));
        assert_eq!(body["timestamp"], "2026-01-31 08:00:00Z");
    }
    let good = encoded(&base);
    for tenant in ["common", "organizations", "x", &nobody] {
        let body = post_to(&server, &format!("/{tenant}/oauth2/v2.0/token"), None, good.clone()).await;
        assert_eq!((body.status.as_u16(), &body.json()["error_codes"]), (400, &json!([90002])));
    }
    let path = format!("/{}/oauth2/v2.0/token", server.keyring.tenant());
    let json = server.write("POST", &path, "{}").await;
    assert_eq!((json.status.as_u16(), &json.json()["error"]), (400, &"invalid_request".into()));
    server.get(&path).await.error(405);
    for body in ["%ff=1".to_owned(), "a&".repeat(50), format!("x={}", "y".repeat(70_000)), "&=&".into()] {
        let status = post_to(&server, &path, None, body).await.status.as_u16();
        assert!([400, 413].contains(&status), "{status}");
    }
    server.end().await;
}

struct Assertion {
    header: Header,
    claims: Value,
}

impl Assertion {
    fn of(server: &Server, id: &str, pem: &str) -> Self {
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(der).unwrap();
        let sha256 = digest::digest(&digest::SHA256, &der);
        let audience = format!("http://{}/{}/oauth2/v2.0/token", server.address, server.keyring.tenant());
        Self {
            // Padded, as the vendor's Python library writes it.
            header: Header {
                x5t_s256: Some(base64::engine::general_purpose::URL_SAFE.encode(sha256)),
                ..Header::new(Algorithm::ES256)
            },
            claims: json!({
                "iss": id, "sub": id, "aud": audience, "jti": "1",
                "nbf": START, "exp": START as f64 + 600.25,
            }),
        }
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    fn sign(&self, key: &KeyPair) -> String {
        jsonwebtoken::encode(&self.header, &self.claims, &EncodingKey::from_ec_der(&key.serialize_der()))
            .unwrap()
    }
}

async fn with_assertion(server: &Server, id: Option<&str>, assertion: &str) -> Answer {
    let mut parameters = vec![
        ("grant_type", "client_credentials"),
        ("scope", SCOPE),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    parameters.extend(id.map(|id| ("client_id", id)));
    post(server, &parameters).await
}

#[tokio::test]
async fn a_certificate_gets_a_token_too() {
    let server = Server::start().await;
    let (pem, key) = certificate();
    let app = registered(&server, json!({"certificate": pem})).await;
    let id = app["id"].as_str().unwrap();
    let of = || Assertion::of(&server, id, &pem);
    let good = of().sign(&key);
    let answer = with_assertion(&server, Some(id), &good).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    assert_eq!(with_assertion(&server, None, &good).await.status, 200, "libraries use an assertion again");

    let (other_pem, other_key) = certificate();
    let symmetric = {
        let header = Header { alg: Algorithm::HS256, ..of().header };
        jsonwebtoken::encode(&header, &of().claims, &EncodingKey::from_secret(pem.as_bytes())).unwrap()
    };
    let without_thumbprint = Assertion { header: Header::new(Algorithm::ES256), ..of() };
    let wrong_sha1 = {
        let header = Header { x5t: Some(URL_SAFE_NO_PAD.encode([0; 20])), ..of().header };
        Assertion { header, ..of() }
    };
    for (what, assertion, code) in [
        ("not a token", "x".to_owned(), 50027),
        ("HMAC with the certificate", symmetric, 50027),
        ("no thumbprint", without_thumbprint.sign(&key), 50027),
        ("another thumbprint beside the right one", wrong_sha1.sign(&key), 700_027),
        ("another certificate", Assertion::of(&server, id, &other_pem).sign(&other_key), 700_027),
        ("another key", of().sign(&other_key), 700_027),
        ("another issuer", of().with("iss", "x".into()).sign(&key), 50027),
        ("another subject", of().with("sub", "x".into()).sign(&key), 50027),
        (
            "another audience",
            of().with("aud", "https://login.microsoftonline.com".into()).sign(&key),
            700_023,
        ),
        ("expired", of().with("exp", (START - 31).into()).sign(&key), 700_024),
        ("too early", of().with("nbf", (START + 31).into()).sign(&key), 700_024),
        ("too long", of().with("exp", (START + 4000).into()).sign(&key), 700_024),
        ("for ever", of().with("exp", i64::MAX.into()).sign(&key), 700_024),
    ] {
        let answer = with_assertion(&server, Some(id), &assertion).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error_codes"]),
            (401, &json!([code])),
            "{what}: {answer:?}"
        );
    }
    server.end().await;
}

#[tokio::test]
async fn an_assertion_cannot_be_carried_to_another_address() {
    let server = Server::start().await;
    let (pem, key) = certificate();
    let app = registered(&server, json!({"certificate": pem})).await;
    let id = app["id"].as_str().unwrap();
    let assertion = Assertion::of(&server, id, &pem).sign(&key);
    let body = encoded(&[
        ("grant_type", "client_credentials"),
        ("scope", SCOPE),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &assertion),
    ]);
    let path = format!("/{}/oauth2/v2.0/token", server.keyring.tenant());
    assert_eq!(post_to(&server, &path, None, body.clone()).await.status, 200);
    let request = http::Request::post(&path)
        .header("host", "x")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body))
        .unwrap();
    let answer = crate::harness::send_from([127, 0, 0, 2].into(), server.address, request).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error_codes"]), (401, &json!([700_025])));
    server.end().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_locks_nobody_out() {
    let server = Server::start().await;
    let app = registered(&server, json!({})).await;
    let mut guess = app.clone();
    guess["secretText"] = "guess".into();
    let mut seen = Vec::new();
    for _ in 0..30 {
        seen.push(with_secret(&server, &guess).await.status.as_u16());
    }
    assert_eq!((seen[0], seen[29]), (401, 429));
    let late = with_secret(&server, &guess).await;
    assert_eq!(late.header("retry-after"), Some("60"));
    assert_eq!(with_secret(&server, &app).await.status, 200, "the right secret still opens");
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(with_secret(&server, &guess).await.status, 401);
    server.end().await;
}

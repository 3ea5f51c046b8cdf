//! Tokens of other OpenID Connect issuers: good ones, forged ones, and issuers that fail.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_server::auth::{Authentication, IssuerError, Keyring, TrustedIssuer};
use exconn_testkit::{Behaviour, Issuer, SeededEntropy, SigningKey, wait_until};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{BOUND, CONNECTORS, START, Server};

const AUDIENCE: &str = "api://exconn";
const TID: &str = "7b3ab1c5-0c5e-4c0e-8c5e-111111111111";

fn trusted(issuer: &Issuer) -> TrustedIssuer {
    TrustedIssuer {
        issuer: issuer.name(),
        audiences: vec!["other".into(), AUDIENCE.into()],
        tid: Some(TID.into()),
        tenant: None,
        ca_file: None,
    }
}

fn claims(issuer: &Issuer) -> Value {
    json!({
        "iss": issuer.name(), "aud": AUDIENCE, "tid": TID, "sub": "pairwise", "oid": "ann's oid",
        "preferred_username": "ann@contoso.com", "azp": "the console",
        "scp": "openid DeviceManagementServiceConfig.ReadWrite.All",
        "iat": START, "nbf": START, "exp": START + 3600,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn world(keys: &[(&str, SigningKey)]) -> (Issuer, Server) {
    let issuer = Issuer::start(keys).await;
    let server = Server::start_trusting(vec![trusted(&issuer)], |_| {}).await;
    (issuer, server)
}

#[tokio::test]
async fn every_asymmetric_algorithm_is_taken_and_the_keys_are_fetched_once() {
    use SigningKey::{Ed25519, P256, P384, Rsa1};
    let keys = [("r", Rsa1), ("p256", P256), ("p384", P384), ("ed", Ed25519)];
    let (issuer, server) = world(&keys).await;
    assert_eq!(issuer.fetches(), (0, 0), "nothing is fetched before it is needed");
    for (id, key, algorithm) in [
        ("r", Rsa1, Algorithm::RS256),
        ("r", Rsa1, Algorithm::RS384),
        ("r", Rsa1, Algorithm::RS512),
        ("r", Rsa1, Algorithm::PS256),
        ("r", Rsa1, Algorithm::PS384),
        ("r", Rsa1, Algorithm::PS512),
        ("p256", P256, Algorithm::ES256),
        ("p384", P384, Algorithm::ES384),
        ("ed", Ed25519, Algorithm::EdDSA),
    ] {
        let token = key.token(id, algorithm, &claims(&issuer));
        let answer = server.get_as(&token, CONNECTORS).await;
        assert_eq!(answer.status, 200, "{algorithm:?}: {answer:?}");
    }
    assert_eq!(issuer.fetches(), (1, 1));
    // A token without the key's id will do where only one key fits.
    let token = P256.sign(&Header::new(Algorithm::ES256), &claims(&issuer));
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn scopes_and_roles_open_what_they_name() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let base = with(claims(&issuer), "scp", Value::Null);
    let write = "DeviceManagementServiceConfig.ReadWrite.All";
    for (claims, opens) in [
        (base.clone(), false),
        (with(base.clone(), "roles", json!([write])), true),
        (with(base.clone(), "roles", json!(["Other.All"])), false),
        (with(base.clone(), "scp", format!("a {write} b").into()), true),
        (with(base.clone(), "scp", json!(["a", write])), true),
        (with(base.clone(), "scope", write.into()), true),
        (with(base.clone(), "scp", write.to_lowercase().into()), false),
        (with(base.clone(), "scp", format!("{write}x").into()), false),
        (with(base, "aud", json!(["x", AUDIENCE])), false),
    ] {
        let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &claims);
        let status = server.get_as(&token, CONNECTORS).await.status.as_u16();
        assert_eq!(status, if opens { 200 } else { 403 }, "{claims}");
    }
    server.end().await;
}

#[tokio::test]
async fn id_tokens_open_nothing() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let good = claims(&issuer);
    let mut app = with(good.clone(), "roles", json!(["DeviceManagementServiceConfig.Read.All"]));
    app.as_object_mut().unwrap().remove("scp");
    let mut nameless = app.clone();
    nameless.as_object_mut().unwrap().remove("azp");
    let named = |name: &str| with(nameless.clone(), name, "the script".into());
    let jwt = Some("JWT");
    for (what, kind, claims, status) in [
        ("a person's", jwt, good.clone(), 200),
        ("an application's", jwt, app.clone(), 200),
        ("an application's with its appid", jwt, named("appid"), 200),
        ("an application's with its client_id", jwt, named("client_id"), 200),
        ("no type", None, app.clone(), 200),
        ("RFC 9068", Some("at+jwt"), app.clone(), 200),
        ("RFC 9068 in full", Some("application/AT+JWT"), app.clone(), 200),
        ("Keycloak's", jwt, with(with(good.clone(), "typ", "Bearer".into()), "nonce", "n".into()), 200),
        ("nonce", jwt, with(app.clone(), "nonce", "n".into()), 401),
        ("nonce of a person", jwt, with(good.clone(), "nonce", "n".into()), 401),
        ("at_hash", jwt, with(app.clone(), "at_hash", "h".into()), 401),
        ("c_hash", jwt, with(app.clone(), "c_hash", "h".into()), 401),
        ("Keycloak's ID token", jwt, with(app.clone(), "typ", "ID".into()), 401),
        ("for nobody", jwt, nameless.clone(), 401),
        ("a logout token", Some("logout+jwt"), app.clone(), 401),
    ] {
        let head =
            Header { typ: kind.map(str::to_owned), kid: Some("1".into()), ..Header::new(Algorithm::RS256) };
        let answer = server.get_as(&SigningKey::Rsa1.sign(&head, &claims), CONNECTORS).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        if status == 401 {
            let (_, said) = answer.error(401);
            assert!(said.contains("ID token"), "{what}: {said}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1), ("2", SigningKey::P256)]).await;
    issuer.add_to_key_set(&[
        json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode("secret")}),
        {
            let mut key = SigningKey::Rsa2.jwk("encryption");
            key["use"] = "enc".into();
            key
        },
        with(SigningKey::Rsa2.jwk("pinned"), "alg", "PS256".into()),
    ]);
    let good = claims(&issuer);
    let head = |algorithm, id: &str| Header { kid: Some(id.into()), ..Header::new(algorithm) };
    let rsa = |claims: &Value| SigningKey::Rsa1.token("1", Algorithm::RS256, claims);
    let symmetric = |key: &[u8], id: &str| {
        jsonwebtoken::encode(&head(Algorithm::HS256, id), &good, &EncodingKey::from_secret(key)).unwrap()
    };
    let public = SigningKey::Rsa1.jwk("1");
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    let raw = |head: &Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(head), part(&good))
    };
    let embedded = Header {
        jwk: Some(serde_json::from_value(SigningKey::Rsa2.jwk("own")).unwrap()),
        jku: Some(format!("{}/keys", issuer.name())),
        x5u: Some("http://127.0.0.1:1/".into()),
        ..head(Algorithm::RS256, "1")
    };
    for (what, token, says) in [
        ("none", raw(&json!({"alg": "none"}), ""), "parsing failed"),
        ("NONE", raw(&json!({"alg": "NONE", "kid": "1"}), ""), "parsing failed"),
        ("no algorithm", raw(&json!({"kid": "1"}), "AAAA"), "parsing failed"),
        ("HMAC with the modulus", symmetric(&modulus, "1"), "parsing failed"),
        ("HMAC with the JWK", symmetric(public.to_string().as_bytes(), "1"), "parsing failed"),
        ("HMAC with the published secret", symmetric(b"secret", "secret"), "parsing failed"),
        ("another key", SigningKey::Rsa2.token("1", Algorithm::RS256, &good), "signature"),
        ("a key that it brings along", SigningKey::Rsa2.sign(&embedded, &good), "signature"),
        ("an encryption key", SigningKey::Rsa2.token("encryption", Algorithm::RS256, &good), "signature"),
        (
            "another algorithm than its key's",
            SigningKey::Rsa2.token("pinned", Algorithm::RS256, &good),
            "signature",
        ),
        ("another kind of key", SigningKey::P256.token("1", Algorithm::ES256, &good), "signature"),
        ("an unknown key", SigningKey::Rsa1.token("3", Algorithm::RS256, &good), "signature"),
        ("critical extension", raw(&json!({"alg": "RS256", "kid": "1", "crit": ["exp"]}), "AAAA"), "parsing"),
        ("audience", rsa(&with(good.clone(), "aud", "api://exconn2".into())), "audience"),
        ("audiences", rsa(&with(good.clone(), "aud", json!([]))), "audience"),
        ("no audience", rsa(&with(good.clone(), "aud", Value::Null)), "parsing failed"),
        ("tenant", rsa(&with(good.clone(), "tid", Uuid::nil().to_string().into())), "issuer"),
        ("no tenant", rsa(&with(good.clone(), "tid", Value::Null)), "issuer"),
        ("issuer", rsa(&with(good.clone(), "iss", "https://evil.example".into())), "issuer"),
        ("no issuer", rsa(&with(good.clone(), "iss", Value::Null)), "issuer"),
        ("expired", rsa(&with(good.clone(), "exp", (START - 31).into())), "expired"),
        ("no end", rsa(&with(good.clone(), "exp", Value::Null)), "parsing failed"),
        ("too early", rsa(&with(good.clone(), "nbf", (START + 31).into())), "not yet valid"),
        ("huge", rsa(&with(good.clone(), "sub", "x".repeat(20_000).into())), "parsing failed"),
        ("built-in issuer's name", rsa(&with(good.clone(), "iss", server.keyring.issuer().into())), "issuer"),
        (
            "built-in issuer's name, and its algorithm",
            SigningKey::P256.token(
                "2",
                Algorithm::ES256,
                &with(good.clone(), "iss", server.keyring.issuer().into()),
            ),
            "signature",
        ),
    ] {
        let (_, said) = server.get_as(&token, CONNECTORS).await.error(401);
        assert!(said.contains(says), "{what}: {said}");
    }
    for (what, claims) in [
        ("skew", with(good.clone(), "exp", (START - 29).into())),
        ("early", with(good.clone(), "nbf", (START + 29).into())),
        ("fractions", with(good.clone(), "exp", json!(START as f64 + 60.5))),
    ] {
        assert_eq!(server.get_as(&rsa(&claims), CONNECTORS).await.status, 200, "{what}");
    }
    server.end().await;
}

#[tokio::test]
async fn the_caller_sees_the_tenant_that_its_issuer_is_for() {
    let issuer = Issuer::start(&[("1", SigningKey::Rsa1)]).await;
    let other = Uuid::from_u128(0x1111_2222_3333_4444_8555_6666_7777_8888);
    let own = trusted(&issuer);
    let foreign = TrustedIssuer {
        tid: Some("theirs".into()),
        tenant: Some(exconn_model::TenantId(other)),
        ..trusted(&issuer)
    };
    let server = Server::start_trusting(vec![own, foreign], |_| {}).await;
    server.create("{}").await;
    let count = |tid: &str| {
        let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &with(claims(&issuer), "tid", tid.into()));
        let server = &server;
        async move { server.get_as(&token, CONNECTORS).await.ids().len() }
    };
    assert_eq!((count(TID).await, count("theirs").await), (1, 0));
    assert_eq!(issuer.fetches(), (1, 1), "one issuer, one set of keys");
    server.end().await;
}

#[tokio::test]
async fn without_a_tid_only_the_installations_own_tenant_will_do() {
    let issuer = Issuer::start(&[("1", SigningKey::Rsa1)]).await;
    let server = Server::start_trusting(vec![TrustedIssuer { tid: None, ..trusted(&issuer) }], |_| {}).await;
    let own = server.keyring.tenant().to_string();
    for (tid, status) in [(Value::Null, 200), (own.into(), 200), (TID.into(), 401)] {
        let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &with(claims(&issuer), "tid", tid.clone()));
        assert_eq!(server.get_as(&token, CONNECTORS).await.status, status, "{tid}");
    }
    server.end().await;
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_go() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let first =
        SigningKey::Rsa1.token("1", Algorithm::RS256, &with(claims(&issuer), "exp", (START + 9000).into()));
    assert_eq!(server.get_as(&first, CONNECTORS).await.status, 200);
    issuer.set_keys(&[("2", SigningKey::Rsa2)]);
    server.clock.advance(Duration::from_secs(31));
    let second = SigningKey::Rsa2.token("2", Algorithm::RS256, &claims(&issuer));
    assert_eq!(server.get_as(&second, CONNECTORS).await.status, 200, "an unknown key is looked for at once");
    assert_eq!(issuer.fetches(), (2, 2));
    server.clock.advance(Duration::from_secs(300));
    server.get_as(&first, CONNECTORS).await.error(401);
    server.end().await;
}

#[tokio::test]
async fn callers_cannot_make_exconn_hammer_the_issuer() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let forged = |number: usize| {
        let id = format!("forged {number}");
        SigningKey::Rsa2.token(&id, Algorithm::RS256, &claims(&issuer))
    };
    let flood = |from: usize| {
        let tokens: Vec<_> = (from..from + 40).map(forged).collect();
        let server = &server;
        async move {
            let requests = tokens.iter().map(|token| server.get_as(token, CONNECTORS));
            for answer in futures_util::future::join_all(requests).await {
                answer.error(401);
            }
        }
    };
    flood(0).await;
    flood(100).await;
    assert_eq!(issuer.fetches(), (1, 1));
    server.clock.advance(Duration::from_secs(30));
    flood(200).await;
    assert_eq!(issuer.fetches(), (2, 2));
    server.end().await;
}

#[tokio::test]
async fn keys_that_were_fetched_serve_while_the_issuer_is_down_but_not_for_ever() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let claims = with(claims(&issuer), "exp", (START + 1_000_000).into());
    let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &claims);
    let unknown = SigningKey::Rsa2.token("2", Algorithm::RS256, &claims);
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    issuer.behave(Behaviour::Down);
    server.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    // Whether the key is unknown or only new, nobody can tell now.
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(server.get_as(&unknown, CONNECTORS).await.status, 503);
    server.clock.advance(Duration::from_secs(3600));
    let answer = server.get_as(&token, CONNECTORS).await;
    let (code, said) = answer.error(503);
    assert_eq!(code, "ServiceUnavailable");
    assert!(said.contains("issuer"), "{said}");
    assert_eq!(answer.header("retry-after"), Some("5"));

    issuer.behave(Behaviour::Right);
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn old_keys_are_renewed_behind_the_callers_backs() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let claims = with(claims(&issuer), "exp", (START + 1_000_000).into());
    let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &claims);
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    wait_until(BOUND, || async { issuer.fetches() == (2, 2) }).await;
    server.end().await;
}

#[tokio::test]
async fn an_issuer_that_misbehaves_is_unreachable() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &claims(&issuer));
    for behaviour in [
        Behaviour::Down,
        Behaviour::Status(404),
        Behaviour::Status(500),
        Behaviour::Redirect,
        Behaviour::Endless,
        Behaviour::Garbage,
        Behaviour::Named("https://evil.example".into()),
        Behaviour::Named(format!("{}/", issuer.name())),
        Behaviour::KeysAt("http://issuer.example/keys".into()),
        Behaviour::KeysAt("file:///etc/passwd".into()),
        Behaviour::KeysAt("no address".into()),
    ] {
        issuer.behave(behaviour.clone());
        server.clock.advance(Duration::from_secs(5));
        let answer = server.get_as(&token, CONNECTORS).await;
        assert_eq!(answer.status, 503, "{behaviour:?}: {answer:?}");
        assert_eq!(server.get(CONNECTORS).await.status, 200, "the built-in issuer's tokens do not care");
    }
    issuer.behave(Behaviour::Right);
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    issuer.set_keys(&[]);
    server.clock.advance(Duration::from_secs(30));
    let unknown = SigningKey::Rsa2.token("2", Algorithm::RS256, &claims(&issuer));
    assert_eq!(
        server.get_as(&unknown, CONNECTORS).await.status,
        503,
        "no keys at all is a mistake of the issuer"
    );
    server.end().await;
}

#[tokio::test]
async fn a_silent_issuer_holds_up_nobody_else() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    issuer.behave(Behaviour::Silent);
    let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &claims(&issuer));
    let waiting = server.get_as(&token, CONNECTORS);
    let others = async {
        for _ in 0..20 {
            assert_eq!(server.get(CONNECTORS).await.status, 200);
        }
    };
    let (answer, ()) = tokio::join!(waiting, others);
    assert_eq!(answer.status, 503);
    server.end().await;
}

#[tokio::test]
async fn callers_that_hang_up_do_not_keep_the_keys_from_coming() {
    let (issuer, server) = world(&[("1", SigningKey::Rsa1)]).await;
    issuer.behave(Behaviour::Held);
    let forged = SigningKey::Rsa2.token("forged", Algorithm::RS256, &claims(&issuer));
    tokio::select! {
        answer = server.get_as(&forged, CONNECTORS) => panic!("{answer:?}"),
        () = wait_until(BOUND, || async { issuer.fetches().0 == 1 }) => {}
    }
    // So that the service notices that the caller is gone.
    for _ in 0..20 {
        assert_eq!(server.get(CONNECTORS).await.status, 200);
    }
    issuer.behave(Behaviour::Right);
    let token = SigningKey::Rsa1.token("1", Algorithm::RS256, &claims(&issuer));
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    assert_eq!(issuer.fetches(), (1, 1), "the fetch that was under way goes on");
    server.end().await;
}

#[test]
fn senseless_issuers_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::open_or_create(folder.path(), &SeededEntropy::new(9)).unwrap();
    let good = TrustedIssuer {
        issuer: "https://login.example.com/tenant/v2.0".into(),
        audiences: vec![AUDIENCE.into()],
        tid: None,
        tenant: None,
        ca_file: None,
    };
    let refused = |issuers: Vec<TrustedIssuer>| Authentication::trusting(&keyring, issuers).unwrap_err();
    for issuer in
        ["http://login.example.com", "login.example.com", "ftp://x", "https://a@b", "https://a?b", ""]
    {
        let error = refused(vec![TrustedIssuer { issuer: issuer.into(), ..good.clone() }]);
        assert!(matches!(error, IssuerError::Address(_)), "{issuer}: {error}");
    }
    let error = refused(vec![TrustedIssuer { audiences: vec![String::new()], ..good.clone() }]);
    assert!(matches!(error, IssuerError::NoAudience(_)), "{error}");
    assert!(matches!(refused(vec![good.clone(), good.clone()]), IssuerError::Twice(_)));
    let missing = folder.path().join("none.pem");
    let other = TrustedIssuer { tid: Some(TID.into()), ca_file: Some(missing.clone()), ..good.clone() };
    let error = refused(vec![good.clone(), other]);
    assert!(matches!(error, IssuerError::DifferentRoots(_)), "{error}");
    let error = refused(vec![TrustedIssuer { ca_file: Some(missing), ..good.clone() }]);
    assert!(matches!(error, IssuerError::Roots { .. }), "{error}");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let error = refused(vec![TrustedIssuer { ca_file: Some(empty), ..good.clone() }]);
    assert!(error.to_string().contains("no certificate"), "{error}");
    Authentication::trusting(&keyring, vec![good]).unwrap();
}

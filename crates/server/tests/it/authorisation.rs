//! Every route of the table against every kind of caller.

use std::time::Duration;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use exconn_model::Timestamp;
use exconn_server::{
    auth::{Keyring, Need, Permission, TokenKind, TokenRequest, issue_token},
    routes::{Access, ROUTES, Route},
};
use exconn_testkit::SeededEntropy;
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, START, Server, token_of};

/// The id of nothing.
fn id() -> Uuid {
    Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef)
}

/// The table's paths as a client writes them.
fn paths(route: &Route) -> Vec<String> {
    let id = id().to_string();
    let path = route.path.replace("{id}", &id).replace("{tenant}", &id);
    if path.contains("{version}") {
        ["v1.0", "beta"].map(|version| path.replace("{version}", version)).into()
    } else {
        vec![path]
    }
}

async fn call(server: &Server, route: &Route, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = http::Request::builder()
        .method(route.method.clone())
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    server.send(request.body(Full::from("{}")).unwrap()).await
}

fn sealed(keyring: &Keyring, now: i64) -> String {
    let request = TokenRequest {
        permissions: &Permission::ALL,
        kind: TokenKind::Delegated,
        subject: "ann@contoso.com",
        lifetime: Duration::from_secs(60),
        now: Timestamp::from_unix_seconds(now),
        id: Uuid::from_u128(1),
    };
    issue_token(keyring, &request).unwrap()
}

fn with_part(token: &str, part: usize, text: &str) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[part] = URL_SAFE_NO_PAD.encode(text);
    parts.join(".")
}

#[tokio::test]
async fn nobody_passes_without_a_valid_token() {
    let server = Server::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Keyring::open_or_create(elsewhere.path(), &SeededEntropy::new(9)).unwrap();
    let good = &server.token;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let altered =
        format!("{signed}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let bad = [
        (None, "Access token is empty."),
        (Some("Bearer".to_owned()), "Access token is empty."),
        (Some("Bearer ".to_owned()), "Access token is empty."),
        (Some("Basic YWJjOmRlZg==".to_owned()), "Access token is empty."),
        (Some("Bearer rubbish".to_owned()), "CompactToken parsing failed"),
        (Some(format!("Bearer {}", "a.b.c")), "CompactToken parsing failed"),
        (Some(format!("Bearer {}", "a".repeat(9000))), "CompactToken parsing failed"),
        (Some(format!("Bearer {}", token_of(&foreign, &Permission::ALL, TokenKind::Delegated))), "signature"),
        (Some(format!("Bearer {}", altered)), "signature"),
        (
            Some(format!("Bearer {}", with_part(good, 0, r#"{"alg":"none","typ":"JWT"}"#))),
            "CompactToken parsing failed",
        ),
        (
            Some(format!("Bearer {}", with_part(good, 0, r#"{"alg":"HS256","typ":"JWT"}"#))),
            "CompactToken parsing failed",
        ),
        (Some(format!("Bearer {}", with_part(good, 1, r#"{"sub":"root","exp":9999999999}"#))), "signature"),
        (Some(format!("Bearer {}", sealed(&server.keyring, START - 3600))), "expired"),
        (Some(format!("Bearer {}", sealed(&server.keyring, START + 3600))), "not yet valid"),
    ];
    for route in ROUTES.iter().filter(|route| route.access != Access::Open) {
        for path in paths(route) {
            for (authorization, message) in &bad {
                let answer = call(&server, route, &path, authorization.as_deref()).await;
                let (code, said) = answer.error(401);
                assert_eq!(code, "InvalidAuthenticationToken", "{path}");
                assert!(said.contains(message), "{path}: {authorization:?}: {said}");
                let challenge = answer.header("www-authenticate").unwrap();
                assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            }
        }
    }
    server.end().await;
}

/// Signs claims with the service's own key.
fn signed(server: &Server, claims: &Value) -> String {
    let file = std::fs::read(server.folder().join("keyring.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let key = STANDARD.decode(file["privateKey"].as_str().unwrap()).unwrap();
    let header = Header::new(Algorithm::ES256);
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&key)).unwrap()
}

#[tokio::test]
async fn tokens_for_others_are_refused() {
    let server = Server::start().await;
    let claims = json!({
        "iss": server.keyring.issuer(),
        "aud": server.keyring.audience(),
        "sub": "ann@contoso.com",
        "exp": START + 60,
        "scp": Permission::ALL.map(Permission::name).join(" "),
    });
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        format!("Bearer {}", signed(&server, &claims))
    };
    let good = changed("sub", "bob@contoso.com".into());
    let bad = [
        (changed("aud", "api://other".into()), "audience"),
        (changed("aud", json!(["api://other", "x"])), "audience"),
        (changed("aud", Value::Null), "parsing failed"),
        (changed("iss", "https://evil.example".into()), "issuer"),
        (changed("iss", Value::Null), "parsing failed"),
        (changed("tid", Uuid::from_u128(42).to_string().into()), "issuer"),
        (changed("exp", Value::Null), "parsing failed"),
        (changed("exp", "never".into()), "parsing failed"),
        (changed("exp", (START - 31).into()), "expired"),
        (changed("nbf", (START + 31).into()), "not yet valid"),
    ];
    for route in ROUTES.iter().filter(|route| route.access != Access::Open) {
        for path in paths(route) {
            for (token, says) in &bad {
                let (_, said) = call(&server, route, &path, Some(token)).await.error(401);
                assert!(said.contains(says), "{path}: {says}: {said}");
            }
            assert_ne!(call(&server, route, &path, Some(&good)).await.status, 401, "{path}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn each_permission_opens_its_routes_and_no_others() {
    let server = Server::start().await;
    let opens = |permission: Permission, need: Need| match need {
        Need::ReadConnectors => permission.name().contains("Config"),
        Need::ChangeConnectors => {
            permission.name().contains("Config") && permission.name().contains("ReadWrite")
        }
        Need::ReadDevices => permission.name().contains("ManagedDevices"),
        Need::ChangeDevices => permission.name().contains("ManagedDevices.ReadWrite"),
        Need::ReadApplications => permission.name().starts_with("Application."),
        Need::ChangeApplications => permission.name() == "Application.ReadWrite.All",
        Need::ReadAudit => permission.name() == "AuditLog.Read.All",
    };
    for permission in Permission::ALL {
        for kind in [TokenKind::Delegated, TokenKind::Application] {
            let token = format!("Bearer {}", token_of(&server.keyring, &[permission], kind));
            for route in &ROUTES {
                for path in paths(route) {
                    let answer = call(&server, route, &path, Some(&token)).await;
                    let open = match route.access {
                        Access::Open | Access::Token => true,
                        Access::Needs(need) => opens(permission, need),
                    };
                    if open {
                        assert!(![401, 403].contains(&answer.status.as_u16()), "{permission} {path}");
                        continue;
                    }
                    let (code, said) = answer.error(403);
                    assert_eq!(code, "Forbidden");
                    let who = if kind == TokenKind::Delegated { "User" } else { "Application" };
                    assert!(said.starts_with(&format!("{who} is not authorized to perform this operation")));
                    assert!(said.contains(".All"), "{said}");
                }
            }
        }
    }
    server.end().await;
}

#[tokio::test]
async fn other_names_open_nothing() {
    let server = Server::start().await;
    let names = [
        // Its name in 2017.
        "DeviceManagementServiceConfiguration.ReadWrite.All",
        "devicemanagementserviceconfig.readwrite.all",
        "DeviceManagementServiceConfig.ReadWrite",
        "DeviceManagementServiceConfig.Read.All,DeviceManagementServiceConfig.ReadWrite.All",
        // The id of the role whose name would do.
        "5ac13192-7ace-4fcf-b828-1a26f28068ee",
        "Directory.ReadWrite.All",
        "*",
    ];
    let claims = json!({
        "iss": server.keyring.issuer(),
        "aud": server.keyring.audience(),
        "sub": "ann@contoso.com",
        "exp": START + 60,
    });
    for (claim, value) in [("scp", json!(names.join(" "))), ("roles", json!(names))] {
        let mut claims = claims.clone();
        claims[claim] = value;
        let token = format!("Bearer {}", signed(&server, &claims));
        for route in &ROUTES {
            for path in paths(route) {
                let answer = call(&server, route, &path, Some(&token)).await;
                match route.access {
                    Access::Needs(_) => drop(answer.error(403)),
                    _ => assert_ne!(answer.status, 403, "{path}"),
                }
            }
        }
    }
    server.end().await;
}

#[tokio::test]
async fn open_routes_need_nothing() {
    let server = Server::start().await;
    let tenant = server.keyring.tenant().to_string();
    for route in ROUTES.iter().filter(|route| route.access == Access::Open) {
        for path in paths(route) {
            let answer = call(&server, route, &path.replace(&id().to_string(), &tenant), None).await;
            if route.method == http::Method::GET {
                assert_eq!(answer.status, 200, "{path}");
            } else {
                // The token endpoint reads the request, and finds that this one is no form.
                assert_eq!(
                    (answer.status.as_u16(), &answer.json()["error"]),
                    (400, &"invalid_request".into())
                );
            }
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_remembered_token_expires_all_the_same() {
    let server = Server::start().await;
    assert_eq!(server.get(crate::harness::CONNECTORS).await.status, 200);
    server.clock.advance(Duration::from_secs(3600 + 29));
    assert_eq!(server.get(crate::harness::CONNECTORS).await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    let (_, said) = server.get(crate::harness::CONNECTORS).await.error(401);
    assert!(said.contains("expired"), "{said}");
    server.end().await;
}

#[tokio::test]
async fn the_scheme_is_not_case_sensitive() {
    let server = Server::start().await;
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let request = http::Request::get(crate::harness::CONNECTORS)
            .header("host", "localhost")
            .header("authorization", format!("{scheme} {}", server.token));
        assert_eq!(server.send(request.body(Full::default()).unwrap()).await.status, 200);
    }
    server.end().await;
}

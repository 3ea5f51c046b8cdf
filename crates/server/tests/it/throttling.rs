//! Callers that ask for too much.

use std::time::Duration;

use exconn_model::Timestamp;
use exconn_server::{
    ThrottleLimits,
    auth::{Permission, TokenKind, TokenRequest, issue_token},
};
use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, START, Server};

fn limits() -> ThrottleLimits {
    ThrottleLimits {
        window: Duration::from_secs(20),
        app_requests: 5,
        app_changes: 2,
        tenant_requests: 8,
        tenant_changes: 3,
    }
}

async fn get_as(server: &Server, subject: &str) -> Answer {
    let request = TokenRequest {
        permissions: &Permission::ALL,
        kind: TokenKind::Application,
        subject,
        lifetime: Duration::from_secs(3600),
        now: Timestamp::from_unix_seconds(START),
        id: uuid::Uuid::nil(),
    };
    let token = issue_token(&server.keyring, &request).unwrap();
    let request = http::Request::get(CONNECTORS)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"));
    server.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_request_too_many_is_told_when_to_come_back() {
    let server = Server::start_with(|config| config.throttle = Some(limits())).await;
    for _ in 0..2 {
        server.create("{}").await;
    }
    let refused = server.write("POST", CONNECTORS, "{}").await;
    let (code, message) = refused.error(429);
    assert_eq!(code, "TooManyRequests");
    assert!(message.contains("2 changes in 20 s"), "{message}");
    assert!(message.ends_with("Please retry after 10 s."), "{message}");
    assert_eq!(refused.header("retry-after"), Some("10"));
    // Reading has its own allowance, and what was refused took nothing of it.
    for _ in 0..3 {
        assert_eq!(server.get(CONNECTORS).await.status, 200);
    }
    let refused = server.get(CONNECTORS).await;
    assert_eq!(refused.error(429).0, "TooManyRequests");
    assert_eq!(refused.header("retry-after"), Some("4"));
    server.clock.advance(Duration::from_secs(4));
    assert_eq!(server.get(CONNECTORS).await.status, 200);
    server.get(CONNECTORS).await.error(429);
    server.clock.advance(Duration::from_secs(10));
    server.create("{}").await;
    server.end().await;
}

#[tokio::test]
async fn one_caller_leaves_the_others_their_share_until_the_tenants_is_used_up() {
    let server = Server::start_with(|config| config.throttle = Some(limits())).await;
    for _ in 0..5 {
        assert_eq!(get_as(&server, "ann").await.status, 200);
    }
    get_as(&server, "ann").await.error(429);
    for _ in 0..3 {
        assert_eq!(get_as(&server, "bob").await.status, 200);
    }
    let (_, message) = get_as(&server, "bob").await.error(429);
    assert!(message.starts_with("A tenant may send 8 requests in 20 s"), "{message}");
    server.end().await;
}

#[tokio::test]
async fn the_published_limits_are_the_default() {
    let published = ThrottleLimits {
        window: Duration::from_secs(20),
        app_requests: 1000,
        app_changes: 100,
        tenant_requests: 2000,
        tenant_changes: 200,
    };
    assert_eq!(ThrottleLimits::default(), published);
    let server = Server::start_with(|config| config.throttle = Some(ThrottleLimits::default())).await;
    for _ in 0..100 {
        server.create("{}").await;
    }
    let refused = server.write("POST", CONNECTORS, "{}").await;
    refused.error(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    server.end().await;
}

#[tokio::test]
async fn health_is_never_throttled() {
    let server = Server::start_with(|config| config.throttle = Some(limits())).await;
    for _ in 0..50 {
        assert_eq!(server.get("/healthz").await.status, 200);
    }
    server.end().await;
}

#[tokio::test]
async fn requests_for_what_is_not_there_count_too() {
    let server = Server::start_with(|config| config.throttle = Some(limits())).await;
    for path in ["/v1.0/nothing", "/v3.0/deviceManagement", "/exconn/v1/nothing", CONNECTORS, "/v1.0/x"] {
        assert_ne!(server.get(path).await.status, 429, "{path}");
    }
    server.get("/v1.0/nothing").await.error(429);
    server.end().await;
}

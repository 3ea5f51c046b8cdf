//! How the application signs in, and what it hears if it may not.

use std::{fs, time::Duration};

use exconn_exchange::{
    Exchange, ExchangeError, SecretFile,
    online::{ClientCredential, ConfigError},
};
use exconn_model::{Clock, FailureKind, Timestamp};
use exconn_testkit::OnlinePeer;
use serde_json::json;

use super::{
    listing::expected,
    scripted::{Reply, Request, Scripted, devices},
    setup::{Client, SECRET, distinct, peer},
};
use crate::equality::assert_same;

#[tokio::test]
async fn a_token_is_kept_and_renewed_before_its_end() {
    let peer = peer(&["--count", "20", "--token-seconds", "1000"]);
    let client = Client::new(peer.url());
    for _ in 0..3 {
        client.all().await.unwrap();
    }
    assert_eq!(peer.stats()["tokens"], 1);
    client.clock.advance(Duration::from_secs(749));
    client.all().await.unwrap();
    assert_eq!(peer.stats()["tokens"], 1);
    client.clock.advance(Duration::from_secs(2));
    client.all().await.unwrap();
    assert_eq!(peer.stats()["tokens"], 2);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_listing_is_renewed() {
    // The client's clock stands still, so it learns of each end by a refusal.
    let peer = peer(&["--count", "400", "--token-seconds", "1"]);
    let client = Client::with(peer.url(), |config| config.page_size = 60);
    let mut listing = client.exchange.devices(exconn_exchange::DeviceScope::All).await.unwrap();
    let mut devices = Vec::new();
    while let Some(batch) = listing.next().await.unwrap() {
        devices.extend(batch.into_iter().map(|change| match change {
            exconn_model::DeviceChange::Present(device) => device,
            exconn_model::DeviceChange::Removed(_) => panic!("a removal"),
        }));
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_same(&distinct(devices), &distinct(expected(&peer)));
    assert!(peer.stats()["tokens"].as_u64().unwrap() >= 2);
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_an_hour_unless_it_changes() {
    let peer = peer(&["--count", "3"]);
    let client = Client::new(peer.url());
    fs::write(client.secret_file(), "hunter2-wrong").unwrap();
    let requests = || peer.stats()["requests"].as_u64().unwrap();
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    assert_eq!(requests(), 1);
    let until = client.clock.now().after(Duration::from_secs(3600));
    for _ in 0..3 {
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsHeld { until: at, .. } if at == until), "{error}");
    }
    assert_eq!(requests(), 1, "the secret was left alone");
    client.clock.advance(Duration::from_secs(3600));
    assert!(matches!(client.failure().await, ExchangeError::CredentialsRefused { .. }));
    assert_eq!(requests(), 2);
    fs::write(client.secret_file(), format!("{SECRET}\r\n")).unwrap();
    assert_eq!(client.all().await.unwrap().len(), 3);
    assert!(client.exchange.secrets_changed_since(Timestamp::from_unix_seconds(1_000_000_000)));
    assert!(!client.exchange.secrets_changed_since(Timestamp::MAX));
    fs::remove_file(client.secret_file()).unwrap();
    client.clock.advance(Duration::from_secs(7200));
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::PasswordUnavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_unknown_tenant_and_an_unknown_application_are_named() {
    let other = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let peer = peer(&["--count", "1"]);
    let tenant = Client::with(peer.url(), |config| config.tenant_id = other);
    let application = Client::with(peer.url(), |config| config.client_id = other);
    for (client, number) in [(tenant, "AADSTS90002"), (application, "AADSTS700016")] {
        let error = client.failure().await;
        assert!(
            matches!(&error, ExchangeError::ApplicationRefused { reason, .. } if reason.contains(number)),
            "{error}"
        );
        assert_eq!(error.kind(), FailureKind::SignInRefused);
        // What is registered may change, so the next try is made.
        assert!(matches!(client.failure().await, ExchangeError::ApplicationRefused { .. }));
    }
}

#[tokio::test]
async fn roles_decide_what_a_token_is_worth() {
    for (role, failure) in
        [("none", FailureKind::CredentialsRefused), ("application-only", FailureKind::NotPermitted)]
    {
        let peer = peer(&["--count", "1", "--role", role]);
        let error = Client::new(peer.url()).failure().await;
        assert_eq!(error.kind(), failure, "{role}: {error}");
    }
    let peer = peer(&["--count", "1", "--deny", "Get-MobileDevice"]);
    let client = Client::new(peer.url());
    let error = client.failure().await;
    assert!(
        matches!(&error, ExchangeError::NotPermitted { cmdlet, .. } if cmdlet == "Get-MobileDevice"),
        "{error}"
    );
    client.exchange.observe().await.unwrap();
}

/// A server with this answer at its token endpoint, and a listing's error there.
async fn refused(reply: fn() -> Reply) -> ExchangeError {
    let server = Scripted::start_with(None, move |_| reply());
    let client = Client::new(&server.url);
    let error = client.failure().await;
    assert!(server.cmdlets().is_empty());
    error
}

fn aadsts(number: u64, text: &str) -> Reply {
    let description = format!("AADSTS{number}: {text} Trace ID: 1");
    Reply::json(
        401,
        &json!({"error": "invalid_client", "error_description": description, "error_codes": [number]}),
    )
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_told_apart() {
    let kind = async |reply| refused(reply).await.kind();
    assert_eq!(
        kind(|| aadsts(7_000_222, "The provided client secret keys are expired.")).await,
        FailureKind::PasswordExpired
    );
    assert_eq!(kind(|| aadsts(7_000_215, "Invalid client secret.")).await, FailureKind::CredentialsRefused);
    assert_eq!(kind(|| aadsts(700_024, "not within its valid time range")).await, FailureKind::ClockSkew);
    assert_eq!(kind(|| aadsts(7_000_112, "Application is disabled.")).await, FailureKind::SignInRefused);
    assert_eq!(kind(|| Reply::raw(429, "").header("Retry-After", "600")).await, FailureKind::Throttled);
    assert_eq!(kind(|| Reply::raw(503, "")).await, FailureKind::Unreachable);
    assert_eq!(kind(|| Reply::raw(200, "<html>")).await, FailureKind::WrongEndpoint);
    assert_eq!(
        kind(|| Reply::raw(302, "").header("Location", "http://127.0.0.1:1/")).await,
        FailureKind::WrongEndpoint
    );
    // A server that repeats what it was sent makes no secret public.
    let error = refused(|| aadsts(500_011, &format!("You sent {SECRET}."))).await;
    assert!(error.to_string().contains("You sent"), "{error}");
}

#[tokio::test]
async fn a_token_without_the_permission_says_so() {
    // {"roles":["Other"]}
    for (token, kind) in [
        ("e30.eyJyb2xlcyI6WyJPdGhlciJdfQ.x", FailureKind::NotPermitted),
        ("opaque", FailureKind::CredentialsRefused),
    ] {
        let server = Scripted::start_with(None, move |request| {
            if request.is_for_token() { Reply::token(token) } else { Reply::raw(401, "") }
        });
        let error = Client::new(&server.url).failure().await;
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!((server.tokens().len(), server.cmdlets().len()), (2, 2));
    }
}

#[tokio::test]
async fn the_request_for_a_token_is_a_form() {
    let server = Scripted::start(|_| Reply::page(&devices(0..2)));
    Client::new(&server.url).all().await.unwrap();
    let [request]: [Request; 1] = server.tokens().try_into().unwrap();
    assert_eq!(request.path, format!("/{}/oauth2/v2.0/token", OnlinePeer::TENANT));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let scope = server.url.replace("://", "%3A%2F%2F").replace(':', "%3A").replace('.', "%2E");
    for part in [
        "grant_type=client%5Fcredentials",
        &format!("scope={scope}%2F%2Edefault"),
        "client_secret=hunter2%7Eof%2Fthe%2Btests",
    ] {
        assert!(request.body.contains(part), "{} has no {part}", request.body);
    }
    assert!(!server.cmdlets()[0].body.contains("hunter2"));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let peer = "https://exchange.example";
    let missing = Client::try_with(peer, |config| {
        config.credential = ClientCredential::Secret(SecretFile::new("/nowhere/secret"));
    });
    assert!(matches!(missing.err(), Some(ConfigError::Secret { .. })));
    type Change = fn(&mut exconn_exchange::online::OnlineConfig);
    let changes: [(Change, &str); 8] = [
        (|config| config.base_url = Some("http://outlook.office365.com".into()), "clear text"),
        (|config| config.authority = Some("http://login.example".into()), "clear text"),
        (|config| config.base_url = Some("https://outlook.office365.com/x".into()), "without a path"),
        (|config| config.api_path = "adminapi/../x".into(), "path"),
        (|config| config.api_path = "/adminapi/beta".into(), "path"),
        (|config| config.page_size = 1001, "2 to 1000"),
        (|config| config.statistics_concurrency = 3, "one or two"),
        (|config| config.request_timeout = Duration::ZERO, "more than zero"),
    ];
    for (change, text) in changes {
        let error = Client::try_with(peer, change).err().unwrap().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn clouds_have_their_addresses() {
    use exconn_exchange::online::Cloud;
    for (cloud, base, authority) in [
        (Cloud::Worldwide, "https://outlook.office365.com", "https://login.microsoftonline.com"),
        (Cloud::UsGovernment, "https://outlook.office365.us", "https://login.microsoftonline.us"),
        (Cloud::UsGovernmentDod, "https://outlook-dod.office365.us", "https://login.microsoftonline.us"),
        (Cloud::China, "https://outlook.office365.cn", "https://login.chinacloudapi.cn"),
    ] {
        assert_eq!((cloud.base_url(), cloud.authority()), (base, authority));
        assert_eq!(Cloud::from_name(cloud.name()), Some(cloud));
        Client::with("https://unused.example", |config| {
            config.cloud = cloud;
            (config.base_url, config.authority) = (None, None);
        });
    }
}

#[test]
fn the_script_of_roles_fits_the_configuration() {
    use exconn_exchange::online::{Cloud, OnlineConfig, role_script};
    let credential = ClientCredential::Secret(SecretFile::new("/nowhere/secret"));
    let (tenant, client) = (OnlinePeer::TENANT.parse().unwrap(), OnlinePeer::CLIENT.parse().unwrap());
    let mut config = OnlineConfig::new(tenant, client, credential);
    let reading = role_script(&config, true);
    assert!(reading.contains(&format!("-TenantId {}", OnlinePeer::TENANT)), "{reading}");
    assert!(reading.contains(&format!("New-ServicePrincipal -AppId {}", OnlinePeer::CLIENT)), "{reading}");
    assert!(reading.contains("-Roles 'View-Only Recipients', 'View-Only Configuration'\n"), "{reading}");
    config.cloud = Cloud::UsGovernment;
    let deciding = role_script(&config, false);
    assert!(deciding.contains("'View-Only Configuration', 'Organization Client Access'\n"), "{deciding}");
    assert!(
        deciding.contains("-Environment USGov -Scopes") && deciding.contains(" O365USGovGCCHigh\n"),
        "{deciding}"
    );
}

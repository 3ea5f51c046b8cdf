//! Peers that want what a real Exchange wants: Kerberos, sealed messages, and nothing else; and what can go wrong on the way.

use std::{process::Command, time::Duration};

use exconn_exchange::{
    Account, Exchange, ExchangeError, Finding, Step,
    remoting::{Authentication, ConfigError, RemotingConfig},
};
use exconn_testkit::{Kdc, Peer};
use serde_json::{Value, json};

use crate::{
    equality::{assert_same, expected},
    setup::{Client, PASSWORD, no_shell_is_left},
};

const SERVICE: &str = "HTTP/127.0.0.1";
pub(crate) const USER: &str = "svc-exconn";
/// Such as Exchange's own directory.
pub(crate) const LIKE_EXCHANGE: [&str; 7] = [
    "--auth",
    "negotiate",
    "--schemes",
    "Kerberos",
    "--require-sealing",
    "--exchange-boundary",
    "--strict-uri",
];

/// A realm with a user.
pub(crate) fn realm() -> Kdc {
    let kdc = Kdc::start();
    kdc.add_user(USER, PASSWORD, "");
    kdc
}

/// A peer in the realm.
pub(crate) fn peer(kdc: &Kdc, options: &[&str]) -> Peer {
    Peer::start_with(options, &kdc.add_service(SERVICE))
}

fn like_exchange(kdc: &Kdc) -> Peer {
    peer(kdc, &LIKE_EXCHANGE)
}

/// A client that signs in as the realm's user.
pub(crate) fn client(kdc: &Kdc, peer: &Peer, method: fn(Account) -> Authentication) -> Client {
    client_with(kdc, peer.url(), method, PASSWORD, |_| {})
}

pub(crate) fn client_with(
    kdc: &Kdc,
    url: &str,
    method: fn(Account) -> Authentication,
    password: &str,
    change: impl FnOnce(&mut RemotingConfig),
) -> Client {
    Client::try_with(url, password, |config| {
        let mut account = config.authentication.account().clone();
        account.username = format!(r"{}\{USER}", Kdc::REALM);
        config.authentication = method(account);
        config.kerberos.kdcs = vec![kdc.address()];
        change(config);
    })
    .unwrap()
}

fn signed_in(scheme: &str, protocol: &str) -> String {
    format!("{scheme}/{protocol} as {USER}@{}", Kdc::REALM)
}

#[tokio::test]
async fn a_server_like_exchange_is_listed_and_observed() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client(&kdc, &peer, Authentication::Kerberos);
    assert_same(&client.all().await.unwrap(), &expected(&peer));
    client.exchange.observe().await.unwrap();
    no_shell_is_left(&peer).await;
    let stats = peer.stats();
    assert_eq!(stats["auth_fail"], Value::Null);
    assert_eq!(stats["protocol_errors"], json!([]));
    assert!(stats["auth"][signed_in("Kerberos", "kerberos")].as_u64() > Some(0), "{stats}");
    // All but the sign-ins, of which each connection has one, is sealed.
    let sign_ins: u64 = stats["auth"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(stats["sealed"].as_u64().unwrap() + sign_ins, stats["requests"].as_u64().unwrap());
}

#[tokio::test]
async fn spnego_carries_kerberos_and_both_boundaries_are_read() {
    let kdc = realm();
    let service = kdc.add_service(SERVICE);
    for boundary in [&["--exchange-boundary"][..], &[]] {
        let options =
            [&["--auth", "negotiate", "--schemes", "Negotiate,NTLM", "--require-sealing"], boundary].concat();
        let peer = Peer::start_with(&options, &service);
        let client = client(&kdc, &peer, Authentication::Negotiate);
        assert_same(&client.all().await.unwrap(), &expected(&peer));
        no_shell_is_left(&peer).await;
        let stats = peer.stats();
        assert!(stats["auth"][signed_in("Negotiate", "kerberos")].as_u64() > Some(0), "{stats}");
    }
}

#[tokio::test]
async fn over_tls_messages_are_not_sealed_a_second_time() {
    let kdc = realm();
    let authority = crate::tls::Authority::new("Contoso");
    let certificate = authority.certificate("127.0.0.1", false);
    let peer =
        peer(&kdc, &["--auth", "negotiate", "--schemes", "Kerberos", "--tls", certificate.to_str().unwrap()]);
    let client = client_with(&kdc, peer.url(), Authentication::Kerberos, PASSWORD, |config| {
        config.roots = authority.roots();
    });
    assert_same(&client.all().await.unwrap(), &expected(&peer));
    assert_eq!(peer.stats()["sealed"], Value::Null);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_an_hour_until_it_changes() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client_with(&kdc, peer.url(), Authentication::Kerberos, "hunter2-but-wrong", |_| {});
    let error = client.failure().await;
    assert!(
        matches!(&error, ExchangeError::CredentialsRefused { endpoint } if *endpoint == kdc.address()),
        "{error}"
    );
    let asked = kdc.requests();
    client.clock.advance(Duration::from_secs(3599));
    for _ in 0..3 {
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsHeld { .. }), "{error}");
    }
    assert_eq!((kdc.requests(), &peer.stats()["requests"]), (asked, &json!(0)), "nobody is asked");
    client.clock.advance(Duration::from_secs(1));
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    assert_eq!(kdc.requests(), 2 * asked);
    client.set_password(PASSWORD);
    client.all().await.unwrap();
}

#[tokio::test]
async fn however_many_ask_at_once_a_wrong_password_is_tried_once() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client_with(&kdc, peer.url(), Authentication::Kerberos, "hunter2-but-wrong", |_| {});
    let (one, another, third) = tokio::join!(client.failure(), client.exchange.observe(), client.failure());
    for error in [one, another.unwrap_err(), third] {
        assert_eq!(error.kind(), exconn_model::FailureKind::CredentialsRefused, "{error}");
    }
    // One that asks whether the password must be proved, and one that tries.
    assert_eq!(kdc.requests(), 2);
}

#[tokio::test]
async fn each_step_of_an_examination_passes() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client(&kdc, &peer, Authentication::Kerberos);
    let mut steps: Vec<Step> = Vec::new();
    client.exchange.examine(&mut steps).await;
    let failed: Vec<_> = steps.iter().filter(|step| matches!(step.finding, Finding::Failed { .. })).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(steps.iter().any(|step| step.name == "Organisation"), "{steps:?}");
}

#[tokio::test]
async fn an_examination_tells_what_is_wrong_with_the_sign_in() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let gone = Kdc::start().address();
    let client = client_with(&kdc, peer.url(), Authentication::Kerberos, PASSWORD, |config| {
        config.kerberos.kdcs = vec![gone.clone()];
    });
    let mut steps: Vec<Step> = Vec::new();
    client.exchange.examine(&mut steps).await;
    let step = steps.iter().find(|step| matches!(step.finding, Finding::Failed { .. })).unwrap();
    let Finding::Failed { seen, cure } = &step.finding else { panic!() };
    assert_eq!(step.name, "Authentication");
    assert!(seen.contains(&gone) && cure.contains(&gone), "{seen}: {cure}");
}

#[tokio::test]
async fn spnego_does_not_try_a_refused_password_by_ntlm() {
    let kdc = realm();
    let peer = peer(&kdc, &["--auth", "negotiate", "--schemes", "Negotiate,NTLM", "--require-sealing"]);
    let client = client_with(&kdc, peer.url(), Authentication::Negotiate, "hunter2-but-wrong", |_| {});
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    assert_eq!(peer.stats()["requests"], 0);
}

#[tokio::test]
async fn a_user_that_the_realm_does_not_know_is_refused() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client_with(&kdc, peer.url(), Authentication::Kerberos, PASSWORD, |config| {
        config.authentication.account_mut().username = format!("nobody@{}", Kdc::REALM);
    });
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
}

#[tokio::test]
async fn a_password_that_expired_or_must_be_changed_is_told_apart() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client(&kdc, &peer, Authentication::Kerberos);
    for change in ["-pwexpire 01/01/2020", "-pwexpire never +needchange"] {
        kdc.administer(&[&format!("modprinc {change} {USER}")]);
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::PasswordExpired { .. }), "{change}: {error}");
    }
    // The same password once it is good again: it was not refused, so it does not rest.
    kdc.administer(&[&format!("modprinc -needchange {USER}")]);
    client.all().await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_locked_disabled_or_expired_is_told_apart() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = client(&kdc, &peer, Authentication::Kerberos);
    for (change, back) in [("-allow_tix", "+allow_tix"), ("-expire 01/01/2020", "-expire never")] {
        kdc.administer(&[&format!("modprinc {change} {USER}")]);
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::AccountLocked { .. }), "{change}: {error}");
        kdc.administer(&[&format!("modprinc {back} {USER}")]);
        client.all().await.unwrap();
    }
}

#[tokio::test]
async fn an_account_that_wrong_passwords_locked_is_told_apart() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    kdc.administer(&[
        "addpol -maxfailure 1 -lockoutduration 1h strict",
        &format!("modprinc -policy strict {USER}"),
    ]);
    let wrong = client_with(&kdc, peer.url(), Authentication::Kerberos, "hunter2-but-wrong", |_| {});
    assert!(matches!(wrong.failure().await, ExchangeError::CredentialsRefused { .. }));
    let client = client(&kdc, &peer, Authentication::Kerberos);
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::AccountLocked { .. }), "{error}");
    kdc.administer(&[&format!("modprinc -unlock {USER}")]);
    client.all().await.unwrap();
}

#[tokio::test]
async fn a_service_that_the_realm_does_not_know_is_named_and_can_be_named_otherwise() {
    let kdc = realm();
    let peer = Peer::start_with(&LIKE_EXCHANGE, &kdc.add_service("HTTP/ex01.exconn.test"));
    let error = client(&kdc, &peer, Authentication::Kerberos).failure().await;
    assert!(matches!(&error, ExchangeError::ServiceUnknown { principal } if principal == SERVICE), "{error}");
    let client = client_with(&kdc, peer.url(), Authentication::Kerberos, PASSWORD, |config| {
        config.service_principal = Some("HTTP/ex01.exconn.test".into());
    });
    client.all().await.unwrap();
}

#[tokio::test]
async fn a_service_that_runs_under_another_account_than_its_name_is_told() {
    let kdc = realm();
    kdc.add_service(SERVICE);
    let peer = Peer::start_with(&LIKE_EXCHANGE, &kdc.add_service("HTTP/ex01.exconn.test"));
    let client = client(&kdc, &peer, Authentication::Kerberos);
    for _ in 0..2 {
        // The password is good, so it is never held.
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::TicketRefused { .. }), "{error}");
        assert!(error.to_string().contains(SERVICE), "{error}");
    }
}

#[tokio::test]
async fn a_kdc_whose_clock_is_wrong_is_told_with_the_difference() {
    let kdc = Kdc::start_ahead(600);
    kdc.add_user(USER, PASSWORD, "");
    let peer = like_exchange(&kdc);
    let error = client(&kdc, &peer, Authentication::Kerberos).failure().await;
    let ExchangeError::ClockSkew { endpoint, reason } = &error else { panic!("{error}") };
    assert_eq!(*endpoint, kdc.address());
    assert!((598..=602).any(|seconds| reason.contains(&format!("{seconds} s ahead"))), "{reason}");
    assert_eq!(peer.stats()["requests"], 0);
}

#[tokio::test]
async fn a_server_whose_clock_is_wrong_is_told_with_the_difference() {
    let kdc = realm();
    let library = Command::new("faketime").args(["-f", "-600", "printenv", "LD_PRELOAD"]).output().unwrap();
    let mut environment = kdc.add_service(SERVICE);
    environment.push(("LD_PRELOAD".into(), String::from_utf8(library.stdout).unwrap().trim().into()));
    environment.push(("FAKETIME".into(), "-600".into()));
    let peer = Peer::start_with(&LIKE_EXCHANGE, &environment);
    let error = client(&kdc, &peer, Authentication::Kerberos).failure().await;
    let ExchangeError::ClockSkew { endpoint, reason } = &error else { panic!("{error}") };
    assert!(peer.url().contains(endpoint.as_str()), "{endpoint}");
    assert!((598..=602).any(|seconds| reason.contains(&format!("{seconds} s behind"))), "{reason}");
}

#[tokio::test]
async fn kdcs_are_tried_in_turn_and_named_if_none_answers() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let gone = Kdc::start().address();
    let with = |kdcs: &[&str]| {
        let kdcs: Vec<String> = kdcs.iter().map(ToString::to_string).collect();
        client_with(&kdc, peer.url(), Authentication::Kerberos, PASSWORD, |config| {
            config.kerberos.kdcs = kdcs
        })
    };
    let error = with(&[&gone]).failure().await;
    assert!(matches!(&error, ExchangeError::Unreachable { endpoint, .. } if *endpoint == gone), "{error}");
    with(&[&gone, &kdc.address()]).all().await.unwrap();
}

#[tokio::test]
async fn without_a_ticket_spnego_is_left_with_ntlm() {
    let kdc = realm();
    let folder = tempfile::tempdir().unwrap();
    let users = crate::ntlm::users(&folder);
    let peer = Peer::start_with(
        &["--auth", "negotiate", "--schemes", "Negotiate,NTLM", "--require-sealing", "--exchange-boundary"],
        &[("NTLM_USER_FILE".into(), users.into())],
    );
    // The service has no key in the realm.
    let client = client_with(&kdc, peer.url(), Authentication::Negotiate, PASSWORD, |config| {
        config.authentication.account_mut().username = format!(r"{}\{USER}", Kdc::REALM);
    });
    assert_same(&client.all().await.unwrap(), &expected(&peer));
    assert!(peer.stats()["auth"].to_string().contains("ntlm"), "{}", peer.stats());
}

#[tokio::test]
async fn a_server_that_does_not_offer_kerberos_is_told_with_what_it_offers() {
    let kdc = realm();
    let peer = peer(&kdc, &["--auth", "negotiate", "--schemes", "Negotiate,NTLM"]);
    let error = client(&kdc, &peer, Authentication::Kerberos).failure().await;
    assert!(matches!(error, ExchangeError::WrongEndpoint { .. }), "{error}");
    assert!(error.to_string().contains("Kerberos, but by Negotiate, NTLM"), "{error}");
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let refused = |change: fn(&mut RemotingConfig)| {
        let refused = Client::try_with("http://ex01.contoso.com/PowerShell/", PASSWORD, |config| {
            config.authentication = Authentication::Kerberos(config.authentication.account().clone());
            config.authentication.account_mut().username = r"CONTOSO\svc".into();
            change(config);
        });
        refused.err()
    };
    assert!(refused(|_| {}).is_none(), "sealed messages may go over plain http");
    let user = |config: &mut RemotingConfig| config.authentication.account_mut().username = "svc".into();
    assert!(matches!(refused(user), Some(ConfigError::Realm { .. })));
    assert!(
        refused(|config| {
            config.authentication.account_mut().username = "svc".into();
            config.kerberos.realm = Some("CONTOSO.COM".into());
        })
        .is_none()
    );
    assert!(matches!(
        refused(|config| config.kerberos.realm = Some("A B".into())),
        Some(ConfigError::RealmName)
    ));
    let kdc = refused(|config| config.kerberos.kdcs = vec!["dc1".into(), "dc2:x".into()]);
    assert!(matches!(kdc, Some(ConfigError::Kdc { kdc }) if kdc == "dc2:x"));
    for name in ["ex01", "HTTP/", "/ex01", "HTTP/ex01/x", "HTTP/ex01@CONTOSO.COM"] {
        let error = Client::try_with("http://ex01/PowerShell/", PASSWORD, |config| {
            config.authentication = Authentication::Ntlm(config.authentication.account().clone());
            config.service_principal = Some(name.into());
        });
        assert!(matches!(error.err(), Some(ConfigError::ServicePrincipal)), "{name}");
    }
    let without = refused(|config| config.authentication.account_mut().password_file = None);
    assert_eq!(without.is_none(), cfg!(feature = "gssapi"));
}

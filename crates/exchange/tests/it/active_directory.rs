//! Remote PowerShell in a domain of Active Directory: tickets, names and refusals as its controllers give them.

use std::ffi::OsString;

use exconn_exchange::{ExchangeError, remoting::Authentication};
use exconn_testkit::{Domain, Peer};

use crate::{
    equality::{assert_same, expected},
    kerberos::LIKE_EXCHANGE,
    setup::{Client, PASSWORD, no_shell_is_left},
};

/// A domain, and a peer that runs under an account of it.
fn scene() -> (Domain, Peer) {
    let domain = Domain::start();
    domain.add_user("exchange", "Service-of-the-tests-1");
    domain.add_service("HTTP/127.0.0.1", "exchange");
    let environment: [(OsString, OsString); 3] = [
        ("KRB5_KTNAME".into(), domain.export_keytab("HTTP/127.0.0.1").into()),
        ("KRB5_CONFIG".into(), domain.krb5_conf().into()),
        ("KRB5RCACHENAME".into(), "none:".into()),
    ];
    let peer = Peer::start_with(&LIKE_EXCHANGE, &environment);
    (domain, peer)
}

fn client(domain: &Domain, peer: &Peer, user: &str, password: &str) -> Client {
    Client::try_with(peer.url(), password, |config| {
        config.authentication = Authentication::Kerberos(config.authentication.account().clone());
        config.authentication.account_mut().username = user.into();
        config.kerberos.kdcs = vec![domain.address().to_string()];
    })
    .unwrap()
}

#[tokio::test]
async fn every_form_of_a_name_signs_in() {
    assert_eq!(PASSWORD, Domain::PASSWORD);
    let (domain, peer) = scene();
    for user in [r"CONTOSO\svc-exconn", r"contoso.test\svc-exconn", "svc-exconn@contoso.test"] {
        let client = client(&domain, &peer, user, PASSWORD);
        assert_same(&client.all().await.unwrap(), &expected(&peer));
        no_shell_is_left(&peer).await;
    }
    // The realm is said apart from a bare name.
    let client = Client::try_with(peer.url(), PASSWORD, |config| {
        config.authentication = Authentication::Kerberos(config.authentication.account().clone());
        config.authentication.account_mut().username = Domain::USER.into();
        config.kerberos.realm = Some(domain.realm().into());
        config.kerberos.kdcs = vec![domain.address().to_string()];
    });
    assert_same(&client.unwrap().all().await.unwrap(), &expected(&peer));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (domain, peer) = scene();
    for user in ["disabled", "expired", "must-change", "locked"] {
        domain.add_user(user, PASSWORD);
    }
    domain.disable_account("disabled");
    domain.expire_account("expired");
    domain.demand_new_password("must-change");
    domain.lock_accounts_after(2);
    let failure = async |user: &str, password: &str| {
        client(&domain, &peer, &format!("{user}@contoso.test"), password).failure().await
    };
    for _ in 0..2 {
        let error = failure("locked", "hunter2-but-wrong").await;
        assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    }
    let error = failure("no-such-user", PASSWORD).await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    let error = failure("must-change", PASSWORD).await;
    assert!(matches!(error, ExchangeError::PasswordExpired { .. }), "{error}");
    for user in ["disabled", "expired", "locked"] {
        let error = failure(user, PASSWORD).await;
        assert!(matches!(error, ExchangeError::AccountLocked { .. }), "{user}: {error}");
    }
}

#[tokio::test]
async fn a_password_is_shown_to_the_domain_once() {
    let (domain, peer) = scene();
    // It counts only where the count can lead to something.
    domain.lock_accounts_after(9);
    let client = client(&domain, &peer, "svc-exconn@contoso.test", "hunter2-but-wrong");
    for _ in 0..4 {
        client.failure().await;
    }
    let found = domain.search("(sAMAccountName=svc-exconn)", &["badPwdCount"]);
    assert_eq!(found[0].text("badPwdCount").as_deref(), Some("1"));
    client.set_password(PASSWORD);
    client.all().await.unwrap();
}

#[tokio::test]
async fn a_service_that_the_domain_does_not_know_is_named() {
    let domain = Domain::start();
    let peer = Peer::start(&LIKE_EXCHANGE);
    let error = client(&domain, &peer, "svc-exconn@contoso.test", PASSWORD).failure().await;
    assert!(
        matches!(&error, ExchangeError::ServiceUnknown { principal } if principal == "HTTP/127.0.0.1"),
        "{error}"
    );
    assert_eq!(peer.stats()["requests"], 0);
}

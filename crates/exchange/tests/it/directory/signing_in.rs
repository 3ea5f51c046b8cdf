//! Passwords that are wrong, expired or of a locked account are told apart, and not tried again.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_testkit::{Domain, DomainOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::setup::{Reader, domain};

fn reader(domain: &Domain, user: &str, password: &str) -> Reader {
    let reader = Reader::at(&[&domain.url()], user, password, |_| {});
    reader.unwrap()
}

#[tokio::test]
async fn every_form_of_a_name_signs_in() {
    let domain = domain(1, 1);
    for user in [domain.user_dn(Domain::USER), "svc-exconn@contoso.test".into(), "CONTOSO\\svc-exconn".into()]
    {
        let (devices, _) = reader(&domain, &user, Domain::PASSWORD).all().await.unwrap();
        assert_eq!(devices.len(), 1, "{user}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let mut domain = domain(1, 1);
    for user in ["disabled", "expired", "must-change", "locked"] {
        domain.add_user(user, Domain::PASSWORD);
    }
    domain.disable_account("disabled");
    domain.expire_account("expired");
    domain.demand_new_password("must-change");
    domain.lock_accounts_after(2);
    for _ in 0..2 {
        let error = reader(&domain, &domain.user_dn("locked"), "hunter2-wrong").failure().await;
        assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    }
    let failure = async |user: &str| reader(&domain, &domain.user_dn(user), Domain::PASSWORD).failure().await;
    let error = failure("no-such-user").await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    let error = failure("must-change").await;
    assert!(matches!(error, ExchangeError::PasswordExpired { .. }), "{error}");
    for (user, why) in [("disabled", "disabled"), ("expired", "expired"), ("locked", "locked")] {
        let error = failure(user).await;
        assert!(
            matches!(&error, ExchangeError::AccountLocked { reason, .. } if reason.contains(why)),
            "{user}: {error}"
        );
    }
    domain.stop();
    domain.expire_password(Domain::USER);
    domain.run();
    let error = reader(&domain, &domain.user_dn(Domain::USER), Domain::PASSWORD).failure().await;
    assert!(matches!(error, ExchangeError::PasswordExpired { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_password_is_tried_once_an_hour_until_it_changes() {
    let domain = domain(1, 1);
    domain.lock_accounts_after(10);
    let tries = |domain: &Domain| {
        let found = domain.search("(sAMAccountName=svc-exconn)", &["badPwdCount"]);
        found[0].text("badPwdCount").unwrap()
    };
    let reader = reader(&domain, &domain.user_dn(Domain::USER), "hunter2-wrong");
    assert!(matches!(reader.failure().await, ExchangeError::CredentialsRefused { .. }));
    for _ in 0..3 {
        assert!(matches!(reader.failure().await, ExchangeError::CredentialsHeld { .. }));
    }
    assert_eq!(tries(&domain), "1");
    reader.clock.advance(Duration::from_secs(3601));
    assert!(matches!(reader.failure().await, ExchangeError::CredentialsRefused { .. }));
    assert_eq!(tries(&domain), "2");
    reader.change_password(Domain::PASSWORD);
    assert_eq!(reader.all().await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_remembered_though_nobody_waited_for_it() {
    let controller = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", controller.local_addr().unwrap());
    let reader = Reader::at(&[&url], "svc", "hunter2-wrong", |_| {}).unwrap();
    let mut question = Box::pin(reader.directory.devices(DeviceScope::All));
    let asked = async {
        let (mut stream, _) = controller.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream
    };
    let mut stream = tokio::select! {
        _ = &mut question => panic!("nobody answered"),
        stream = asked => stream,
    };
    drop(question);
    // The first answer, to the bind: invalidCredentials.
    stream.write_all(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00").await.unwrap();
    let error = reader.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsHeld { .. }), "{error}");
}

#[tokio::test]
async fn a_controller_that_takes_no_password_in_plain_text_says_so() {
    let mut domain =
        Domain::prepare(DomainOptions { strong_authentication: true, ..DomainOptions::default() });
    domain.run();
    let error = reader(&domain, &domain.user_dn(Domain::USER), Domain::PASSWORD).failure().await;
    assert!(
        matches!(&error, ExchangeError::WrongEndpoint { reason, .. } if reason.contains("ldaps")),
        "{error}"
    );
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_asked() {
    use exconn_exchange::directory::DirectoryConfigError as Error;
    let refused = |urls: &[&str], user, password, page_size| {
        Reader::at(urls, user, password, |config| config.page_size = page_size).err().expect("it cannot work")
    };
    assert!(matches!(refused(&[], "u", "p", 1), Error::NoUrl));
    assert!(matches!(refused(&["http://dc"], "u", "p", 1), Error::Url(_)));
    assert!(matches!(refused(&["ldap://127.0.0.1"], "", "p", 1), Error::Username));
    assert!(matches!(refused(&["ldap://127.0.0.1"], "u", "", 1), Error::Password { .. }));
    assert!(matches!(refused(&["ldap://127.0.0.1"], "u", "p", 0), Error::PageSize));
    assert!(matches!(refused(&["ldap://127.0.0.1"], "u", "p", 1001), Error::PageSize));
    let error = refused(&["ldaps://dc01", "ldap://dc02.contoso.com"], "u", "p", 1);
    assert!(matches!(&error, Error::PlainText { url } if url == "ldap://dc02.contoso.com:389"), "{error}");
}

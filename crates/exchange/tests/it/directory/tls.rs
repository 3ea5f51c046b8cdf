//! LDAP over TLS, from the first byte or started: only with a certificate that the configured authorities vouch for.

use exconn_exchange::{ExchangeError, Roots};
use exconn_testkit::{Domain, DomainOptions, ServerCertificate};

use super::setup::{Reader, domain};

/// A reader by `ldaps`, and one that starts TLS.
fn both(domain: &Domain, authority: &Domain) -> [Reader; 2] {
    [(domain.secure_url(), false), (domain.url(), true)].map(|(url, start_tls)| {
        let reader = Reader::at(&[&url], &domain.user_dn(Domain::USER), Domain::PASSWORD, |config| {
            config.start_tls = start_tls;
            config.roots = Roots { system: false, file: Some(authority.authority_file()) };
        });
        reader.unwrap()
    })
}

fn with(certificate: ServerCertificate) -> Domain {
    let mut domain = Domain::prepare(DomainOptions {
        certificate,
        strong_authentication: true,
        population: (1, 1),
        ..DomainOptions::default()
    });
    domain.run();
    domain
}

#[tokio::test]
async fn a_trusted_certificate_carries_a_password() {
    let domain = with(ServerCertificate::Right);
    for reader in both(&domain, &domain) {
        assert_eq!(reader.all().await.unwrap().0.len(), 1);
    }
}

#[tokio::test]
async fn an_unknown_issuer_another_name_and_an_expired_certificate_are_refused() {
    let stranger = Domain::prepare(DomainOptions::default());
    let right = with(ServerCertificate::Right);
    let other = with(ServerCertificate::OtherName);
    let expired = with(ServerCertificate::Expired);
    for (domain, authority, because) in
        [(&right, &stranger, "issuer"), (&other, &other, "not valid for"), (&expired, &expired, "expired")]
    {
        for reader in both(domain, authority) {
            let error = reader.failure().await;
            assert!(matches!(error, ExchangeError::Tls { .. }), "{error}");
            assert!(error.to_string().to_lowercase().contains(because), "{error}");
        }
    }
}

#[tokio::test]
async fn tls_and_plain_ldap_do_not_meet() {
    let domain = domain(1, 1);
    let roots = Roots { system: false, file: Some(domain.authority_file()) };
    let secure_at_plain = format!("ldaps://{}:389", domain.address());
    let user = domain.user_dn(Domain::USER);
    let reader = Reader::at(&[&secure_at_plain], &user, Domain::PASSWORD, |config| {
        config.roots = roots.clone();
        config.connect_timeout = std::time::Duration::from_secs(5);
    });
    let error = reader.unwrap().failure().await;
    assert!(matches!(error, ExchangeError::Tls { .. } | ExchangeError::Unreachable { .. }), "{error}");
    let plain_at_secure = format!("ldap://{}:636", domain.address());
    let reader = Reader::at(&[&plain_at_secure], &user, Domain::PASSWORD, |config| {
        config.connect_timeout = std::time::Duration::from_secs(5);
    });
    let error = reader.unwrap().failure().await;
    assert!(
        matches!(error, ExchangeError::WrongEndpoint { .. } | ExchangeError::Unreachable { .. }),
        "{error}"
    );
}

//! Kerberos, SPNEGO and NTLM, sealed over plain LDAP and unsealed over TLS, against a controller that takes no password in
//! plain text.

use exconn_exchange::{
    Account, ExchangeError, KerberosConfig, Roots,
    directory::{DirectoryAuthentication, DirectoryConfig},
};
use exconn_testkit::{Domain, DomainOptions};

use super::setup::Reader;

type Way = fn(Account) -> DirectoryAuthentication;

const WAYS: [(&str, Way); 3] = [
    ("Kerberos", DirectoryAuthentication::Kerberos),
    ("Negotiate", DirectoryAuthentication::Negotiate),
    ("NTLM", DirectoryAuthentication::Ntlm),
];

fn domain(strong_authentication: bool) -> Domain {
    let mut domain = Domain::prepare(DomainOptions {
        strong_authentication,
        population: (40, 2),
        ..DomainOptions::default()
    });
    domain.permit_deleted_objects(Domain::USER);
    domain.run();
    domain
}

fn reader(domain: &Domain, way: Way, password: &str, change: impl FnOnce(&mut DirectoryConfig)) -> Reader {
    let user = format!("{}@{}", Domain::USER, domain.name());
    let reader = Reader::at(&[&domain.url()], &user, password, |config| {
        config.authentication = way(config.authentication.account().clone());
        config.kerberos = KerberosConfig {
            realm: Some(domain.realm().to_owned()),
            kdcs: vec![format!("{}:88", domain.address())],
        };
        config.service_principal = Some(format!("ldap/{}", domain.host_name()));
        config.roots = Roots { system: false, file: Some(domain.authority_file()) };
        change(config);
    });
    reader.unwrap()
}

#[tokio::test]
async fn each_mechanism_reads_the_same_devices_sealed_and_over_tls() {
    let domain = domain(true);
    // Samba wants messages sealed over TLS too when it is strict, which Active Directory refuses.
    let lenient = self::domain(false);
    let (expected, _) = Reader::of(&domain).all().await.unwrap();
    assert_eq!(expected.len(), 80);
    for (name, way) in WAYS {
        let sealed = reader(&domain, way, Domain::PASSWORD, |config| config.page_size = 7);
        let (devices, cookie) = sealed.all().await.unwrap_or_else(|error| panic!("{name}, sealed: {error}"));
        assert_eq!(devices, expected, "{name}, sealed");
        let mut devices = devices;
        let (_, changes) = sealed.update(&mut devices, &cookie.unwrap()).await.unwrap();
        assert_eq!(changes, 0, "{name}, sealed");
        let secure =
            reader(&lenient, way, Domain::PASSWORD, |config| config.urls = vec![lenient.secure_url()]);
        let (devices, _) = secure.all().await.unwrap_or_else(|error| panic!("{name}, TLS: {error}"));
        assert_eq!(devices.len(), 80, "{name}, TLS");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_service_are_told() {
    let domain = domain(true);
    for (name, way) in WAYS {
        let wrong = reader(&domain, way, "hunter2-wrong", |_| {});
        let error = wrong.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{name}: {error}");
        let error = wrong.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsHeld { .. }), "{name}: {error}");
    }
    let unknown = reader(&domain, DirectoryAuthentication::Kerberos, Domain::PASSWORD, |config| {
        config.service_principal = Some("ldap/dc99.contoso.test".into());
    });
    let error = unknown.failure().await;
    assert!(
        matches!(&error, ExchangeError::ServiceUnknown { principal } if principal.contains("dc99")),
        "{error}"
    );
}

#[tokio::test]
async fn a_ticket_that_the_controller_refuses_says_nothing_of_the_password() {
    let domain = domain(true);
    domain.add_user("other", "hunter2-Other");
    domain.add_service("ldap/other.contoso.test", "other");
    for (name, way) in &WAYS[..2] {
        let reader = reader(&domain, *way, Domain::PASSWORD, |config| {
            config.service_principal = Some("ldap/other.contoso.test".into());
        });
        for _ in 0..2 {
            let error = reader.failure().await;
            assert!(
                matches!(&error, ExchangeError::TicketRefused { reason, .. } if reason.contains("ldap/other")),
                "{name}: {error:?}"
            );
        }
    }
}

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

use super::Domain;

/// What a controller shows to those who want TLS. Its authority is its own in each domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCertificate {
    /// For its address and its name.
    Right,
    /// For `elsewhere.test` alone.
    OtherName,
    /// For the right names until 2020.
    Expired,
}

pub(super) fn write(domain: &Domain) {
    let names = match domain.options.certificate {
        ServerCertificate::OtherName => vec!["elsewhere.test".to_owned()],
        _ => vec![domain.address().to_string(), domain.host_name()],
    };
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, format!("Authority of {}", domain.address()));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(authority, key).expect("an authority");
    let mut server = CertificateParams::new(names).expect("names of a certificate");
    if domain.options.certificate == ServerCertificate::Expired {
        server.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = server.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in [
        ("authority.pem", issuer.pem()),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let file = domain.folder().join(name);
        fs::write(&file, text).expect("a certificate's file is written");
        // Samba refuses a key that others may read.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, mode).expect("its permissions are set");
    }
}

//! An authority that nobody knows, and a service with a certificate of it.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

use crate::service::{Home, Service};

/// Serves over TLS at 127.0.0.1. The other value is the file with the certificate that clients must trust.
pub(crate) fn serve(home: &Home) -> (Service, PathBuf) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "An authority of Contoso");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    // OpenSSL's strict mode, which Python 3.13 and later use, refuses a certificate that does not name its authority's key.
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority).unwrap();
    let file = |name: &str, pem: String| {
        let path = home.path(name);
        fs::write(&path, pem).unwrap();
        path
    };
    let trusted = file("authority.pem", authority.pem());
    let certificate = file("certificate.pem", certificate.pem());
    let key = file("key.pem", key.serialize_pem());
    let service =
        home.serve_with(&["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    (service, trusted)
}

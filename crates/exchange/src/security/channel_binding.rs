use ring::digest;

/// A binding to a TLS connection by the server's certificate (RFC 5929, section 4, `tls-server-end-point`): a server that
/// demands it knows that nobody in between ended the TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelBinding(Vec<u8>);

impl ChannelBinding {
    /// The binding to a server with this certificate (DER). `None` if the certificate cannot be read, or is signed in a way
    /// for which the RFC says no hash.
    pub(crate) fn to_server(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let algorithm = hash_of_signature(&parsed.signature_algorithm)?;
        let mut data = b"tls-server-end-point:".to_vec();
        data.extend_from_slice(digest::digest(algorithm, certificate).as_ref());
        Some(Self(data))
    }

    /// The application data of the binding: its type, a colon, and the hash.
    pub(crate) fn data(&self) -> &[u8] {
        &self.0
    }
}

/// The hash of the certificate's signature, but SHA-256 in place of MD5 and SHA-1.
fn hash_of_signature(
    signature: &x509_parser::x509::AlgorithmIdentifier<'_>,
) -> Option<&'static digest::Algorithm> {
    use x509_parser::signature_algorithm::SignatureAlgorithm;

    let name = match SignatureAlgorithm::try_from(signature).ok()? {
        SignatureAlgorithm::RSASSA_PSS(parameters) => parameters.hash_algorithm_oid().to_id_string(),
        _ => signature.algorithm.to_id_string(),
    };
    match name.as_str() {
        // md5WithRSA, sha1WithRSA, sha256WithRSA, ecdsa-with-SHA1, ecdsa-with-SHA256, SHA-1, SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2"
        | "1.3.14.3.2.26"
        | "2.16.840.1.101.3.4.2.1" => Some(&digest::SHA256),
        // sha384WithRSA, ecdsa-with-SHA384, SHA-384.
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => Some(&digest::SHA384),
        // sha512WithRSA, ecdsa-with-SHA512, SHA-512.
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => Some(&digest::SHA512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    #[test]
    fn the_hash_follows_the_signature() {
        for (algorithm, length) in
            [(&PKCS_ECDSA_P256_SHA256, Some(32)), (&PKCS_ECDSA_P384_SHA384, Some(48)), (&PKCS_ED25519, None)]
        {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let certificate = CertificateParams::new(vec!["ex01".into()]).unwrap().self_signed(&key).unwrap();
            let binding = ChannelBinding::to_server(certificate.der());
            let prefix = "tls-server-end-point:".len();
            assert_eq!(binding.map(|binding| binding.data().len() - prefix), length);
        }
        assert_eq!(ChannelBinding::to_server(b"no certificate"), None);
    }
}

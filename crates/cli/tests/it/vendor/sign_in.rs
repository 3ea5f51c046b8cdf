//! `azure-identity` and `msal`, which get their tokens from the built-in issuer, over HTTPS only.

use std::{fs, process::Command};

use exconn_testkit::{Peer, python, repository_root};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

use super::{tell, tls};
use crate::service::{Home, exconn};

const CHAPTERS: [&str; 8] = [
    "azure_secret",
    "azure_certificate",
    "msal_secret",
    "msal_certificate",
    "msal_assertion_again",
    "msal_oidc_authority",
    "graph",
    "refused",
];

#[test]
fn the_vendors_sign_in_libraries_work_unmodified() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let (service, authority) = tls::serve(&home);
    let apps = |arguments: &[&str]| -> Value {
        let permission = "DeviceManagementServiceConfig.Read.All";
        let data = home.path("data");
        let mut all = vec!["--url", &service.url, "--ca-file", authority.to_str().unwrap(), "apps", "create"];
        all.extend(["--permission", permission, "--data", data.to_str().unwrap(), "--output", "json"]);
        all.extend(arguments);
        serde_json::from_str(&exconn(&all)).unwrap()
    };
    let text = |app: &Value, name: &str| app[name].as_str().unwrap().to_owned();
    let with_secret = apps(&["script"]);

    // The file that the vendor's tools want: private key and certificate together. The key is RSA, as theirs always are.
    let key = include_str!("../../../../testkit/keys/rsa-1.pem");
    let pair = KeyPair::from_pem(key).unwrap();
    let mut params = CertificateParams::new(vec!["script".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let certificate = params.self_signed(&pair).unwrap().pem();
    let file = home.path("script.pem");
    fs::write(&file, format!("{key}{certificate}")).unwrap();
    let with_certificate = apps(&["script", "--certificate", file.to_str().unwrap()]);

    let tenant: Value =
        serde_json::from_slice(&fs::read(home.path("data").join("keyring.json")).unwrap()).unwrap();
    tell(
        Command::new(python())
            .arg(repository_root().join("crates/cli/tests/vendor/python/sign_in.py"))
            .env("STORY_URL", &service.url)
            .env("STORY_TENANT", text(&tenant, "tenant"))
            .env("STORY_SECRET_ID", text(&with_secret, "id"))
            .env("STORY_SECRET", text(&with_secret, "secretText"))
            .env("STORY_CERTIFICATE_ID", text(&with_certificate, "id"))
            .env("STORY_CERTIFICATE", file)
            .env("REQUESTS_CA_BUNDLE", &authority)
            .env("SSL_CERT_FILE", &authority),
        &CHAPTERS,
    );
}

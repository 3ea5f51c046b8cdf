//! `azure-identity`, `msal` and `@azure/msal-node`, which get their tokens from the built-in issuer, over HTTPS only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use exconn_testkit::{Peer, node, python, repository_root};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

use super::{tell, tls};
use crate::service::{Home, Service, exconn};

/// Private key and certificate in one file, as the vendor's tools want it. The key is RSA, as theirs always are.
fn credential(home: &Home) -> PathBuf {
    let key = include_str!("../../../../testkit/keys/rsa-1.pem");
    let pair = KeyPair::from_pem(key).unwrap();
    let mut params = CertificateParams::new(vec!["script".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let file = home.path("script.pem");
    fs::write(&file, format!("{key}{}", params.self_signed(&pair).unwrap().pem())).unwrap();
    file
}

/// Registers an application that may read connectors.
fn register(home: &Home, service: &Service, authority: &Path, arguments: &[&str]) -> Value {
    let data = home.path("data");
    let mut all = vec!["--url", &service.url, "--ca-file", authority.to_str().unwrap(), "apps", "create"];
    all.extend(["--permission", "DeviceManagementServiceConfig.Read.All", "--data", data.to_str().unwrap()]);
    all.extend(["--output", "json", "script"]);
    all.extend(arguments);
    serde_json::from_str(&exconn(&all)).unwrap()
}

fn tenant(home: &Home) -> String {
    let keyring = fs::read(home.path("data").join("keyring.json")).unwrap();
    let keyring: Value = serde_json::from_slice(&keyring).unwrap();
    text(&keyring, "tenant").to_owned()
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap()
}

#[test]
fn the_vendors_sign_in_libraries_work_unmodified() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let (service, authority) = tls::serve(&home);
    let file = credential(&home);
    let with_secret = register(&home, &service, &authority, &[]);
    let with_certificate = register(&home, &service, &authority, &["--certificate", file.to_str().unwrap()]);
    tell(
        Command::new(python())
            .arg(repository_root().join("crates/cli/tests/vendor/python/sign_in.py"))
            .env("STORY_URL", &service.url)
            .env("STORY_TENANT", tenant(&home))
            .env("STORY_SECRET_ID", text(&with_secret, "id"))
            .env("STORY_SECRET", text(&with_secret, "secretText"))
            .env("STORY_CERTIFICATE_ID", text(&with_certificate, "id"))
            .env("STORY_CERTIFICATE", file)
            .env("REQUESTS_CA_BUNDLE", &authority)
            .env("SSL_CERT_FILE", &authority),
        &[
            "azure_secret",
            "azure_certificate",
            "msal_secret",
            "msal_certificate",
            "msal_assertion_again",
            "msal_oidc_authority",
            "graph",
            "refused",
        ],
    );
}

#[test]
fn the_vendors_javascript_sign_in_library_works_unmodified() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let (service, authority) = tls::serve(&home);
    let file = credential(&home);
    let sign_in = |application: &Value, name: &str, value: &str, chapter: &str| {
        let mut story = node();
        story
            .arg(repository_root().join("crates/cli/tests/vendor/javascript/story.js"))
            .args([&service.url, "no token yet"])
            .env("NODE_EXTRA_CA_CERTS", &authority)
            .env("AZURE_TENANT_ID", tenant(&home))
            .env("AZURE_CLIENT_ID", text(application, "id"))
            .env(name, value);
        tell(&mut story, &[chapter]);
    };
    let application = register(&home, &service, &authority, &[]);
    sign_in(&application, "AZURE_CLIENT_SECRET", text(&application, "secretText"), "signInWithSecret");
    let file = file.to_str().unwrap();
    let application = register(&home, &service, &authority, &["--certificate", file]);
    sign_in(&application, "AZURE_CLIENT_CERTIFICATE_PATH", file, "signInWithCertificate");
}

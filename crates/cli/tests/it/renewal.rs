//! A certificate that is renewed while the service runs.

use std::{fs, path::Path, process::Command};

use crate::service::{Home, Service, until};

fn make() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

fn hang_up(service: &Service) {
    let asked = Command::new("kill").args(["-HUP", &service.pid().to_string()]).status().unwrap();
    assert!(asked.success());
}

/// Whether a client that trusts this certificate alone is served.
fn is_served(service: &Service, trusted: &Path) -> bool {
    let command = Command::new(env!("CARGO_BIN_EXE_exconn"))
        .args(["--url", &service.url, "--token", &service.token, "--ca-file"])
        .arg(trusted)
        .args(["connectors", "list"])
        .output();
    command.unwrap().status.success()
}

#[test]
fn a_hangup_reads_the_certificate_again() {
    let home = Home::new("http://127.0.0.1:9/PowerShell/", "");
    let (old, new) = (make(), make());
    let file = |name: &str, pem: String| {
        let path = home.path(name);
        fs::write(&path, pem).unwrap();
        path
    };
    let certificate = file("certificate.pem", old.cert.pem());
    let key = file("key.pem", old.signing_key.serialize_pem());
    let (trust_old, trust_new) = (file("old.pem", old.cert.pem()), file("new.pem", new.cert.pem()));
    let service =
        home.serve_with(&["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    assert!(service.url.starts_with("https://"), "{}", service.url);
    assert!(is_served(&service, &trust_old) && !is_served(&service, &trust_new));

    fs::write(&certificate, new.cert.pem()).unwrap();
    hang_up(&service);
    until("the refusal is logged", || service.log().contains("the old one stays in use").then_some(()));
    assert!(is_served(&service, &trust_old), "half a pair was taken");

    fs::write(&key, new.signing_key.serialize_pem()).unwrap();
    hang_up(&service);
    until("the new certificate is served", || is_served(&service, &trust_new).then_some(()));
    assert!(!is_served(&service, &trust_old));
    let (ended_well, log) = service.terminate();
    assert!(ended_well, "{log}");
}

#[test]
fn a_hangup_without_a_certificate_changes_nothing() {
    let home = Home::new("http://127.0.0.1:9/PowerShell/", "");
    let service = home.serve();
    hang_up(&service);
    until("the hangup is noticed", || service.log().contains("no certificate to read again").then_some(()));
    assert!(service.terminate().0);
}

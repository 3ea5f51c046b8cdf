//! The way to a server, and what an account may do there.

use std::process::Command;

use exconn_testkit::Peer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use super::{Setup, closed};
use crate::service::Service;

/// An organisation that takes Basic at this address.
fn entry(setup: &Setup, url: &str, more: &str) -> String {
    let password = setup.file("contoso.password", "pw");
    format!(
        "[[exchange]]\nname = \"contoso\"\n[exchange.remoting]\nurl = {url:?}\nauthentication = \"basic\"\n\
         username = 'CONTOSO\\svc-exconn'\npassword_file = {password:?}\n{more}"
    )
}

#[test]
fn the_way_to_the_server() {
    let mut setup = Setup::new();
    let url = "https://ex01.contoso.invalid/PowerShell/";
    setup.alias("contoso.invalid", "contoso.com");
    setup.examine(&entry(&setup, url, "")).fails("A server name that does not resolve", "Name resolution",
        "Correct the server's name in the address, or make ex01.contoso.com known to this machine's name service.");

    let mut setup = Setup::new();
    let at = closed();
    setup.alias("127.0.0.1 is 127.0.0.1", "ex01.contoso.com is 192.0.2.10");
    setup.alias(at.clone(), "ex01.contoso.com:443");
    setup.alias(at.split_once(':').unwrap().1, "443");
    setup.examine(&entry(&setup, &format!("https://{at}/PowerShell/"), "")).fails("A server that does not listen", "TCP",
        "See that the server runs and IIS listens at port 443, and that no firewall keeps this machine from it.");
}

/// A certificate authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Contoso CA");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key for a name.
    fn issue(&self, name: &str, is_expired: bool) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if is_expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().pem() + &key.serialize_pem()
    }
}

#[test]
fn certificates() {
    let authority = Authority::new();
    for (heading, name, is_expired, is_known, cure) in [
        (
            "A certificate of an unknown issuer",
            "127.0.0.1",
            false,
            false,
            "Write the certificate of the authority that issued the certificate of ex01.contoso.com into a file, in PEM, and name the file in ca_file. If it is a public authority, let ex01.contoso.com send the certificates in between.",
        ),
        (
            "A certificate that has expired",
            "127.0.0.1",
            true,
            true,
            "Enable-ExchangeCertificate -Thumbprint THUMBPRINT -Services IIS",
        ),
        (
            "A certificate for another name",
            "mail.contoso.com",
            false,
            true,
            "Use a name that stands in the certificate in the address, or give the server one for ex01.contoso.com.",
        ),
    ] {
        let mut setup = Setup::new();
        let pem = setup.file("server.pem", &authority.issue(name, is_expired));
        let peer = Peer::start(&["--auth", "basic", "--tls", &pem, "--count", "3"]);
        let known = format!("ca_file = {:?}\n", setup.file("authority.pem", &authority.pem));
        let at = peer.url().trim_start_matches("https://").split('/').next().unwrap();
        setup.alias("127.0.0.1 is 127.0.0.1", "ex01.contoso.com is 192.0.2.10");
        setup.alias(at, "ex01.contoso.com:443");
        setup.alias("127.0.0.1", "ex01.contoso.com");
        let entry = entry(&setup, peer.url(), if is_known { &known } else { "" });
        setup.examine(&entry).fails(heading, "TLS", cure);
    }
}

#[test]
fn a_limited_account() {
    let mut setup = Setup::new();
    let peer = Peer::start(&["--count", "3", "--deny", "Get-MobileDeviceStatistics"]);
    setup.alias("127.0.0.1 is 127.0.0.1", "ex01.contoso.com is 192.0.2.10");
    setup.alias(peer.url().trim_start_matches("http://").split('/').next().unwrap(), "ex01.contoso.com:80");
    let entry = entry(&setup, peer.url(), "").replace(r"CONTOSO\svc-exconn", "svc");
    setup.alias("'svc'", r"'CONTOSO\svc-exconn'");
    let examined = setup.examine(&entry);
    examined.fails(
        "An account that lacks a cmdlet",
        "Get-MobileDeviceStatistics",
        "Get-ManagementRole -Cmdlet Get-MobileDeviceStatistics -CmdletParameters Mailbox",
    );

    // The service tells the same of it.
    let service = Service::start(&setup.path("exconn.toml"), &setup.path("data"), &[]);
    service.next_end(&[]);
    let id = service.connector()["id"].as_str().unwrap().to_owned();
    let mut exconn = Command::new(env!("CARGO_BIN_EXE_exconn"));
    exconn.args(["--url", &service.url, "--token", &service.token, "connectors", "test", &id]);
    let tested = exconn.output().unwrap();
    assert_eq!(tested.status.code(), Some(1), "{tested:?}");
    let said = setup.as_on_page(&String::from_utf8(tested.stdout).unwrap());
    let (_, steps) = examined.text.split_once('\n').unwrap();
    assert_eq!(said, steps.rsplit_once("\n\n").unwrap().0.to_owned() + "\n");
}

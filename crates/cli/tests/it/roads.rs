//! Every type of connector in one service, each over its own road to an Exchange that others wrote.

use std::{ffi::OsString, fs};

use exconn_testkit::{Domain, DomainOptions, OnlinePeer, Peer};
use serde_json::Value;

use crate::service::{Home, Service, exconn, until};

/// What Exchange offers by itself: Kerberos alone, every message sealed.
const LIKE_EXCHANGE: [&str; 7] = [
    "--auth",
    "negotiate",
    "--schemes",
    "Kerberos",
    "--require-sealing",
    "--exchange-boundary",
    "--strict-uri",
];
const SERVICE: &str = "HTTP/ex01.contoso.test";
const MAILBOXES: u32 = 10;

/// A forest whose directory holds the partnerships, and an Exchange of it that takes its tickets.
pub(crate) struct OnPremises {
    pub(crate) domain: Domain,
    pub(crate) exchange: Peer,
}

impl OnPremises {
    pub(crate) fn start() -> Self {
        let mut domain =
            Domain::prepare(DomainOptions { population: (MAILBOXES, 2), ..DomainOptions::default() });
        domain.run();
        domain.add_service(SERVICE, Domain::USER);
        let environment: [(OsString, OsString); 2] = [
            ("KRB5_KTNAME".into(), domain.export_keytab(SERVICE).into()),
            ("KRB5_CONFIG".into(), domain.krb5_conf().into()),
        ];
        let exchange = Peer::start_with(&[&LIKE_EXCHANGE[..], &["--count", "0"]].concat(), &environment);
        Self { domain, exchange }
    }

    /// Its `[[exchange]]` entry; the password stands in `password_file`.
    pub(crate) fn entry(&self, name: &str, password_file: &str, delta_interval: &str) -> String {
        let Self { domain, exchange } = self;
        format!(
            "[[exchange]]\nname = \"{name}\"\ntype = \"onPremises\"\ndelta_interval = \"{delta_interval}\"\n\
             [exchange.remoting]\nurl = {:?}\nusername = \"{}@{}\"\npassword_file = {password_file:?}\n\
             kdcs = [\"{}\"]\nservice_principal = \"{SERVICE}\"\n\
             [exchange.directory]\nurl = {:?}\nauthentication = \"kerberos\"\nservice_principal = \"ldap/{}\"\n",
            exchange.url(),
            Domain::USER,
            domain.realm(),
            domain.address(),
            domain.url(),
            domain.host_name(),
        )
    }
}

fn connectors(service: &Service) -> Vec<Value> {
    service.all("/v1.0/deviceManagement/exchangeConnectors")
}

/// What the devices of a connector call themselves. The Graph has no link from a device to its connector: the detail has.
fn device_ids(service: &Service, connector: &Value) -> Vec<String> {
    let devices = service.devices().into_iter().filter(|device| {
        let path = format!("/exconn/v1/devices/{}", device["id"].as_str().unwrap());
        service.get(&path)["connectorId"] == connector["id"]
    });
    let mut ids: Vec<_> = devices.map(|device| device["easDeviceId"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn of_peer(devices: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> =
        devices.iter().map(|device| device["DeviceId"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn all_four_types_connect_side_by_side() {
    let premises = OnPremises::start();
    let home = Home::new("http://127.0.0.1:1/", "");
    let file = |name: &str, content: &str| {
        fs::write(home.path(name), content).unwrap();
        home.path(name).to_str().unwrap().to_owned()
    };
    let own = file("password", Domain::PASSWORD);
    let peers = file("peers-password", "pw");
    let users = file("users", "HOSTER:svc:pw\n");
    let hosted = Peer::start_with(
        &["--auth", "negotiate", "--schemes", "Negotiate,NTLM", "--require-sealing", "--count", "7"],
        &[("NTLM_USER_FILE".into(), users.into())],
    );
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let authority = file("authority.pem", &certified.cert.pem());
    let both = file("server.pem", &(certified.cert.pem() + &certified.signing_key.serialize_pem()));
    let dedicated = Peer::start(&["--auth", "basic", "--tls", &both, "--count", "6"]);
    let online = OnlinePeer::start(&["--count", "5"]);
    let secret = file("secret", "not-a-secret");
    let config = format!(
        "data = {:?}\n[throttle]\nmode = \"off\"\n{}\
         [[exchange]]\nname = \"hoster\"\ntype = \"hosted\"\n[exchange.remoting]\nurl = {:?}\nauthentication = \"ntlm\"\n\
         username = 'HOSTER\\svc'\npassword_file = {peers:?}\n\
         [[exchange]]\nname = \"dedicated\"\ntype = \"dedicated\"\n[exchange.remoting]\nurl = {:?}\n\
         authentication = \"basic\"\nusername = \"svc\"\npassword_file = {peers:?}\nca_file = {authority:?}\n\
         [[exchange]]\nname = \"online\"\ntype = \"serviceToService\"\n[exchange.online]\n\
         tenant_id = \"8e0a9b4e-4f0c-4d0e-9b7e-0c5c4a3b2a19\"\nclient_id = \"3d3c9a52-2f8e-4f57-9d6c-6f3f5a1f8f10\"\n\
         client_secret_file = {secret:?}\nbase_url = {:?}\nauthority = {:?}\n\
         primary_smtp_address = \"admin@contoso.com\"\n",
        home.path("data"),
        premises.entry("contoso", &own, "5s"),
        hosted.url(),
        dedicated.url(),
        online.url(),
        online.url(),
    );
    fs::write(home.path("exconn.toml"), config).unwrap();
    let service = home.serve();
    until("each had its first sync", || {
        let connectors = connectors(&service);
        let ended = |one: &&Value| one["status"] != "connectionPending";
        (connectors.iter().filter(ended).count() == 4).then_some(())
    });
    for connector in connectors(&service) {
        let runs = service.get(&format!("/exconn/v1/connectors/{}/runs", connector["id"].as_str().unwrap()));
        assert_eq!(connector["status"], "connected", "{connector} {runs}");
    }
    let found = |alias: &str| {
        connectors(&service).into_iter().find(|connector| connector["exchangeAlias"] == alias).unwrap()
    };
    let in_directory: Vec<Value> = premises
        .domain
        .search("(objectClass=msExchActiveSyncDevice)", &["msExchDeviceID"])
        .iter()
        .map(|entry| serde_json::json!({"DeviceId": entry.text("msExchDeviceID")}))
        .collect();
    assert_eq!(in_directory.len(), 2 * MAILBOXES as usize);
    for (alias, kind, devices) in [
        ("contoso", "onPremises", in_directory),
        ("hoster", "hosted", hosted.devices()),
        ("dedicated", "dedicated", dedicated.devices()),
        ("online", "serviceToService", online.devices()),
    ] {
        let connector = found(alias);
        assert_eq!(connector["exchangeConnectorType"], kind, "{connector}");
        assert!(connector["exchangeOrganization"].is_string(), "{connector}");
        assert_eq!(device_ids(&service, &connector), of_peer(&devices), "{alias}");
    }
    assert_eq!(found("online")["primarySmtpAddress"], "admin@contoso.com");
    let device = &service.devices()[0];
    assert!(device["exchangeAccessState"].is_string());

    // When devices last synced is asked of their mailboxes, one after the other.
    until("some device of each Exchange has told when it last synced", || {
        let known = |id: &Value| {
            let path = format!("/exconn/v1/devices/{}", id.as_str().unwrap());
            let device = service.get(&path);
            (!device["statistics"]["learnedDateTime"].is_null()).then(|| device["connectorId"].clone())
        };
        let devices = service.devices();
        let told: Vec<_> = devices.iter().filter_map(|device| known(&device["id"])).collect();
        ["hoster", "dedicated", "online"].iter().all(|alias| told.contains(&found(alias)["id"])).then_some(())
    });

    // The feed: a phone that appears in the directory appears in the API, and Exchange is not asked for it.
    let user = premises.domain.user_dn("user000001");
    premises.domain.modify(&format!(
        "dn: CN=iPhone§NEW,CN=ExchangeActiveSyncDevices,{user}\nobjectClass: msExchActiveSyncDevice\n\
         msExchDeviceID: NEW\nmsExchDeviceType: iPhone\nmsExchDeviceAccessState: 3\nmsExchDeviceAccessStateReason: 1\n"
    ));
    let new = until("the new phone is seen", || {
        service.devices().into_iter().find(|device| device["easDeviceId"] == "NEW")
    });
    assert_eq!(new["exchangeAccessState"], "quarantined");
    assert_eq!(new["userPrincipalName"], "user000001@contoso.test");
    assert_eq!(new["emailAddress"], "user000001@contoso.test");
    assert!(!premises.exchange.log().iter().any(|call| call["cmdlet"] == "Get-MobileDevice"));

    for alias in ["contoso", "hoster", "dedicated", "online"] {
        let id = found(alias)["id"].as_str().unwrap().to_owned();
        let examined = service.exconn(&["connectors", "test", &id]);
        assert!(examined.lines().count() > 4 && !examined.contains("FAIL"), "{alias}: {examined}");
    }
    let config = home.path("exconn.toml");
    service.terminate();
    let examined = exconn(&["doctor", "--config", config.to_str().unwrap()]);
    assert!(examined.contains("Everything works.") && !examined.contains("FAIL"), "{examined}");
}

//! Exchange as it is by itself, Kerberos alone and every message sealed, with the domain that it belongs to.

use std::process::Command;

use exconn_testkit::Domain;
use serde_json::Value;

use super::{Setup, closed};
use crate::roads::OnPremises;

/// A set-up around the organisation, and the names that the page gives to its servers.
fn setup(premises: &OnPremises, password: &str) -> (Setup, String) {
    let mut setup = Setup::new();
    let exchange = premises.exchange.url().trim_start_matches("http://").split('/').next().unwrap();
    let controller = premises.domain.address();
    setup.alias("127.0.0.1 is 127.0.0.1", "ex01.contoso.com is 192.0.2.10");
    setup.alias(format!("http://{exchange}/"), "http://ex01.contoso.com/");
    setup.alias(exchange, "ex01.contoso.com:80");
    setup.alias(format!("{controller} is {controller}"), "dc1.contoso.com is 192.0.2.20");
    setup.alias(controller.to_string(), "dc1.contoso.com");
    setup.alias("contoso.test", "contoso.com");
    setup.alias("CONTOSO.TEST", "CONTOSO.COM");
    setup.alias("DC=test", "DC=com");
    let password_file = setup.file("contoso.password", password);
    let entry = premises.entry("contoso", &password_file, "1m");
    (setup, entry)
}

/// The entry without its directory, for what is about Exchange alone.
fn without_directory(entry: &str) -> String {
    entry.split("[exchange.directory]").next().unwrap().to_owned()
}

/// How many wrong passwords the domain counted for the account.
fn wrong_passwords(domain: &Domain, user: &str) -> u32 {
    let found = domain.search(&format!("(sAMAccountName={user})"), &["badPwdCount"]);
    found[0].text("badPwdCount").map_or(0, |count| count.parse().unwrap())
}

#[test]
fn on_premises() {
    let premises = OnPremises::start();
    let domain = &premises.domain;
    domain.permit_replication(Domain::USER);
    domain.permit_deleted_objects(Domain::USER);
    let (mut setup, entry) = setup(&premises, Domain::PASSWORD);
    let replaced = |from: &str, to: &str| {
        assert!(entry.contains(from), "{from}: {entry}");
        entry.replace(from, to)
    };

    let healthy = setup.examine(&entry);
    healthy.passes("A healthy Exchange server with its directory");
    assert!(healthy.steps("WARN").is_empty());
    same_as_json(&setup, &entry, &healthy.text);

    setup.examine(&replaced("HTTP/ex01.contoso.test", "HTTP/mail.contoso.test")).fails(
        "A name that Kerberos does not know",
        "Authentication",
        "setspn -S HTTP/mail.contoso.com COMPUTER",
    );

    let mut late = Command::new("faketime");
    late.args(["-f", "+600", env!("CARGO_BIN_EXE_exconn")]).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    setup.examine_by(late, &without_directory(&entry)).fails(
        "A clock that is wrong",
        "Clock",
        "systemctl restart chrony",
    );

    let basic = without_directory(&entry) + "authentication = \"basic\"\n";
    setup.examine(&basic).fails(
        "A scheme that Exchange does not offer",
        "Authentication",
        "Get-PowerShellVirtualDirectory | Set-PowerShellVirtualDirectory -BasicAuthentication $true",
    );

    let wrong_path = without_directory(&entry).replace("/PowerShell/", "/owa/");
    setup.examine(&wrong_path).fails("An address that is not Exchange's", "Endpoint",
        "Put the address of Exchange's PowerShell directory into the configuration, which usually is http://ex01.contoso.com/PowerShell/.");

    let closed = closed();
    setup.alias(closed.clone(), "dc1.contoso.com:88");
    let no_tickets = replaced(&format!("kdcs = [\"{}\"]", domain.address()), &format!("kdcs = [{closed:?}]"));
    setup.examine(&without_directory(&no_tickets)).fails(
        "A domain controller that gives no tickets",
        "Authentication",
        "Let this machine reach dc1.contoso.com:88 by TCP, or name domain controllers that it can reach in kdcs.",
    );

    let exchange = premises.exchange.url().replace("http", "ldap").replace("/PowerShell/", "");
    setup.examine(&replaced(&domain.url(), &exchange)).fails("A directory that is none", "Directory sign-in",
        "Name a domain controller of Exchange's forest. Its ports are 389 (ldap) and 636 (ldaps), unless yours are others.");

    let simple = format!(
        "{}[exchange.directory]\nurl = {:?}\nusername = '{}'\npassword_file = {:?}\nca_file = {:?}\n",
        without_directory(&entry),
        domain.secure_url(),
        domain.user_dn(Domain::USER),
        setup.file("directory.password", "wrong-secret"),
        domain.authority_file(),
    );
    setup.examine(&simple).fails("A directory that refuses the password", "Directory sign-in",
        "Correct the user name CN=svc-exconn,CN=Users,DC=contoso,DC=com in the configuration, or write the right password into /etc/exconn/directory.password.");

    domain.add_user("svc-plain", Domain::PASSWORD);
    let (user, plain) = (format!("{}@", Domain::USER), "svc-plain@");
    let unprivileged = setup.examine(&replaced(&user, plain));
    unprivileged.passes("An account without rights in the directory").advises(
        "dsacls \"DC=contoso,DC=com\" /G \"svc-plain@CONTOSO.COM:CA;Replicating Directory Changes\"",
    );
    let warned = ["Devices of contoso.com", "Deleted objects of contoso.com", "Changes of contoso.com"];
    assert_eq!(unprivileged.steps("WARN"), warned);

    let as_user = |name: &str| without_directory(&replaced(&user, &format!("{name}@")));

    domain.add_user("svc-expired", Domain::PASSWORD);
    domain.demand_new_password("svc-expired");
    setup.examine(&as_user("svc-expired")).fails(
        "A password that has expired",
        "Authentication",
        "Set-ADAccountPassword -Identity 'svc-expired' -Reset",
    );

    domain.add_user("svc-disabled", Domain::PASSWORD);
    domain.disable_account("svc-disabled");
    setup.examine(&as_user("svc-disabled")).fails(
        "An account that is disabled",
        "Authentication",
        "Enable-ADAccount -Identity 'svc-disabled'",
    );

    domain.lock_accounts_after(9);
    let before = wrong_passwords(domain, Domain::USER);
    setup.file("contoso.password", "wrong-secret");
    setup.examine(&entry).fails("A wrong password", "Authentication",
        "Correct the user name svc-exconn@CONTOSO.COM in the configuration, or write the right password into /etc/exconn/contoso.password.");
    assert_eq!(
        wrong_passwords(domain, Domain::USER),
        before + 1,
        "it is tried once, for Exchange and the directory"
    );
    setup.file("contoso.password", Domain::PASSWORD);
}

/// The document for programs says what the text says.
fn same_as_json(setup: &Setup, entry: &str, text: &str) {
    let mut exconn = Command::new(env!("CARGO_BIN_EXE_exconn"));
    exconn.args([
        "doctor",
        "--output",
        "json",
        "--config",
        &setup.configured(entry),
        "--connection",
        "contoso",
    ]);
    let examined = setup.run(exconn);
    let document: Value = serde_json::from_str(&examined.text).unwrap();
    assert_eq!((examined.code, &document["passed"]), (0, &true.into()));
    assert_eq!(document["examined"].as_array().unwrap().len(), 1);
    assert_eq!(document["examined"][0]["name"], "contoso (onPremises)");
    let steps = document["examined"][0]["steps"].as_array().unwrap();
    let shown = text.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!(steps.len(), shown);
    for step in steps {
        assert!(["passed", "skipped"].contains(&step["finding"].as_str().unwrap()) && step["cure"].is_null());
        assert!(text.contains(step["seen"].as_str().unwrap()), "{step}");
    }
}

//! The steps of an examination, of connections that work and of ones that are broken in different places.

use std::{net::TcpListener, time::Duration};

use exconn_exchange::{Exchange, Finding, Roots, Step};
use exconn_model::Timestamp;
use exconn_testkit::{Peer, wait_until};

use crate::{
    setup::{BOUND, Client, PASSWORD, assert_no_secret, no_shell_is_left, now, peer},
    tls::Authority,
};

async fn examined(client: &Client) -> Vec<Step> {
    client.clock.set(now());
    let mut steps = Vec::new();
    client.exchange.examine(&mut steps).await;
    assert_no_secret(&format!("{steps:?}"));
    steps
}

fn finding<'a>(steps: &'a [Step], name: &str) -> &'a Finding {
    &steps
        .iter()
        .find(|step| step.name == name)
        .unwrap_or_else(|| panic!("no step {name} in {steps:#?}"))
        .finding
}

/// What stands for a step that failed; everything before it is fine, and nothing after it was tried.
fn failure<'a>(steps: &'a [Step], name: &str) -> (&'a str, &'a str) {
    let at =
        steps.iter().position(|step| step.name == name).unwrap_or_else(|| panic!("no {name} in {steps:#?}"));
    for step in &steps[..at] {
        assert!(!matches!(step.finding, Finding::Failed { .. }), "{steps:#?}");
    }
    for step in &steps[at + 1..] {
        assert_eq!(step.finding, Finding::Skipped(format!("not tried, because of: {name}")), "{steps:#?}");
    }
    let Finding::Failed { seen, cure } = &steps[at].finding else {
        panic!("{name} did not fail: {steps:#?}")
    };
    assert!(!seen.is_empty() && !cure.is_empty());
    (seen, cure)
}

#[tokio::test]
async fn a_healthy_connection_passes_every_step() {
    let peer = peer(&["--count", "5"]);
    let client = Client::new(peer.url());
    let steps = examined(&client).await;
    let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Name resolution",
            "TCP",
            "TLS",
            "Clock",
            "Authentication",
            "Endpoint",
            "Runspace",
            "Set-ADServerSettings",
            "Get-OrganizationConfig",
            "Get-ExchangeServer",
            "Get-MobileDevice",
            "Get-MobileDeviceStatistics",
            "Set-CASMailbox",
            "Organisation",
        ]
    );
    for step in &steps {
        let skipped = step.name == "TLS";
        assert_eq!(matches!(step.finding, Finding::Passed(_)), !skipped, "{step:?}");
    }
    let Finding::Passed(seen) = finding(&steps, "Organisation") else { panic!() };
    assert!(seen.contains("Contoso") && seen.contains("2 servers"), "{seen}");
    for call in peer.log() {
        let name = call["cmdlet"].as_str().unwrap();
        assert!(name.starts_with("Get-") || name == "Set-ADServerSettings", "{name} was sent");
    }
    no_shell_is_left(&peer).await;

    let reader = Client::with(peer.url(), |config| config.read_only = true);
    assert!(examined(&reader).await.iter().all(|step| step.name != "Set-CASMailbox"));
}

#[tokio::test]
async fn what_is_broken_before_the_password_is_told() {
    let steps = examined(&Client::with("https://no-such-host.invalid/PowerShell/", |_| {})).await;
    let (_, cure) = failure(&steps, "Name resolution");
    assert!(cure.contains("no-such-host.invalid"), "{cure}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let steps = examined(&Client::new(&format!("http://{closed}/PowerShell/"))).await;
    let (_, cure) = failure(&steps, "TCP");
    assert!(cure.contains(&closed.port().to_string()), "{cure}");

    let negotiate =
        Peer::start(&["--count", "1", "--auth", "negotiate", "--schemes", "Kerberos", "--require-sealing"]);
    let steps = examined(&Client::new(negotiate.url())).await;
    let (seen, cure) = failure(&steps, "Authentication");
    assert!(
        seen.contains("offers Kerberos") && cure.contains("Set-PowerShellVirtualDirectory"),
        "{seen} {cure}"
    );
    assert!(negotiate.stats()["auth_fail"].is_null(), "the password was not sent");
}

#[tokio::test]
async fn certificates_are_told_with_their_names_and_days() {
    let authority = Authority::new("Contoso");
    let trusting = |peer: &Peer, authority: &Authority| {
        let file = Some(authority.file());
        Client::with(peer.url(), |config| config.roots = Roots { system: false, file })
    };
    let good = authority.peer_until("127.0.0.1", 2050);
    let client = trusting(&good, &authority);
    let steps = examined(&client).await;
    let Finding::Passed(seen) = finding(&steps, "TLS") else { panic!("{steps:#?}") };
    assert!(seen.contains("CN=Contoso") && seen.contains("more days"), "{seen}");

    client.clock.set(Timestamp::parse("2049-12-20T00:00:00Z").unwrap());
    let mut steps = Vec::new();
    client.exchange.examine(&mut steps).await;
    let Finding::Warned { seen, cure } = finding(&steps, "TLS") else { panic!("{steps:#?}") };
    assert!(seen.contains("12 more days") && cure.contains("2050-01-01"), "{seen} {cure}");

    let (seen, cure) = ("issuer", "ca_file");
    for (steps, seen, cure) in [
        (examined(&trusting(&good, &Authority::new("Fabrikam"))).await, seen, cure),
        (
            examined(&trusting(&authority.peer("ex01.contoso.com", false), &authority)).await,
            "ex01.contoso.com",
            "127.0.0.1",
        ),
        (
            examined(&trusting(&authority.peer("127.0.0.1", true), &authority)).await,
            "expired on 2020",
            "Enable-ExchangeCertificate",
        ),
    ] {
        let found = failure(&steps, "TLS");
        assert!(found.0.contains(seen) && found.1.contains(cure), "{found:?}");
    }
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    let peer = peer(&["--count", "1"]);
    let client = Client::new(peer.url());
    for (apart, is_told) in [(0, false), (30, false), (90, true), (100_000, true)] {
        client.clock.set(now().before(Duration::from_secs(apart)));
        let mut steps = Vec::new();
        client.exchange.examine(&mut steps).await;
        let found = finding(&steps, "Clock");
        // Basic bears any difference: it is a warning.
        assert_eq!(matches!(found, Finding::Warned { .. }), is_told, "{apart}: {found:?}");
        assert_eq!(matches!(found, Finding::Passed(_)), !is_told, "{apart}: {found:?}");
    }
}

#[tokio::test]
async fn refusals_are_told_at_the_step_that_they_belong_to() {
    let healthy = peer(&["--count", "1"]);
    let wrong = Client::try_with(healthy.url(), "hunter2-but-wrong", |_| {}).unwrap();
    let steps = examined(&wrong).await;
    let (_, cure) = failure(&steps, "Authentication");
    assert!(cure.starts_with("Correct the user name"), "{cure}");
    // One without a password and one with it; the peer counts an answer after it was sent.
    wait_until(BOUND, || async { healthy.stats()["requests"] == 2 }).await;

    let steps = examined(&Client::new(&healthy.url().replace("/PowerShell/", "/wsman"))).await;
    let at = steps.iter().position(|step| step.name == "Endpoint").unwrap();
    assert!(matches!(&steps[at].finding, Finding::Failed { seen, .. } if seen.contains("404")), "{steps:#?}");

    let full = peer(&["--count", "1", "--max-shells", "0"]);
    let steps = examined(&Client::new(full.url())).await;
    let (seen, cure) = failure(&steps, "Runspace");
    assert!(seen.contains("(0)") && cure.contains("Restart-WebAppPool"), "{seen} {cure}");

    let hidden = Client::try_with(healthy.url(), PASSWORD, |config| {
        config.fallback_urls = vec![full.url().to_owned()];
    });
    let steps = examined(&hidden.unwrap()).await;
    let port = full.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    assert!(matches!(finding(&steps, &format!("127.0.0.1:{port}: Runspace")), Finding::Failed { .. }));
    let works = steps.iter().filter(|step| step.name.ends_with(": Organisation")).count();
    assert_eq!(works, 1, "the rights are examined at one server: {steps:#?}");
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_what_gives_it() {
    for cmdlet in [
        "Get-OrganizationConfig",
        "Get-ExchangeServer",
        "Get-MobileDevice",
        "Get-MobileDeviceStatistics",
        "Set-CASMailbox",
    ] {
        for hidden in [false, true] {
            let deny: &[&str] = if hidden { &["--deny", "Get-Command"] } else { &[] };
            let peer = peer(&[&["--count", "3", "--deny", cmdlet], deny].concat());
            let steps = examined(&Client::new(peer.url())).await;
            let cure = match (finding(&steps, cmdlet), hidden && cmdlet == "Set-CASMailbox") {
                (Finding::Failed { cure, .. }, false) => cure,
                // What writes is not tried.
                (Finding::Warned { cure, .. }, true) => cure,
                (other, _) => panic!("{cmdlet}: {other:?}"),
            };
            assert!(cure.contains(&format!("Get-ManagementRole -Cmdlet {cmdlet}")), "{cure}");
            let others = steps
                .iter()
                .filter(|step| step.name != cmdlet && matches!(step.finding, Finding::Failed { .. }));
            assert_eq!(others.count(), 0, "{steps:#?}");
            no_shell_is_left(&peer).await;
        }
    }
    let peer = peer(&["--count", "3", "--deny", "Set-ADServerSettings"]);
    let steps = examined(&Client::new(peer.url())).await;
    assert!(matches!(finding(&steps, "Set-ADServerSettings"), Finding::Warned { .. }));
    assert!(matches!(finding(&steps, "Organisation"), Finding::Passed(_)));
}

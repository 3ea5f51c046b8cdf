//! What `examine` reports, and what it says to do.

use exconn_exchange::{Exchange, Finding, Step};
use serde_json::json;

use super::{
    scripted::{Reply, Scripted},
    setup::{Client, peer},
};

async fn examine(client: &Client) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    client.exchange.examine(&mut steps).await;
    let text = format!("{steps:?}");
    assert!(!text.contains("hunter2"), "{text}");
    steps
}

fn names(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.name.as_str()).collect()
}

fn failed(steps: &[Step]) -> (&str, &str, &str) {
    let at = steps.iter().position(|step| matches!(step.finding, Finding::Failed { .. }));
    let Some(Step { name, finding: Finding::Failed { seen, cure } }) = at.map(|at| &steps[at]) else {
        panic!("nothing failed: {steps:?}")
    };
    for later in &steps[at.unwrap() + 1..] {
        assert!(matches!(&later.finding, Finding::Skipped(why) if why.ends_with(name.as_str())), "{later:?}");
    }
    (name, seen, cure)
}

#[tokio::test]
async fn everything_works() {
    let peer = peer(&["--count", "5"]);
    let before = peer.devices();
    let steps = examine(&Client::new(peer.url())).await;
    assert_eq!(
        names(&steps),
        [
            "Credential",
            "Sign-in name",
            "Sign-in TCP",
            "Sign-in TLS",
            "Token",
            "Permission",
            "Exchange Online name",
            "Exchange Online TCP",
            "Exchange Online TLS",
            "Get-OrganizationConfig",
            "Get-MobileDevice",
            "Get-MobileDeviceStatistics",
            "Get-CASMailbox",
            "Set-CASMailbox",
        ]
    );
    for step in &steps {
        match &step.finding {
            Finding::Passed(seen) => assert!(!seen.is_empty()),
            // The peer's tokens have a form of their own, and it speaks plain HTTP.
            Finding::Skipped(_) => assert!(step.name == "Permission" || step.name.ends_with("TLS")),
            other => panic!("{}: {other:?}", step.name),
        }
    }
    let Finding::Passed(organization) = &steps[9].finding else { panic!("{:?}", steps[9]) };
    assert_eq!(json!(organization), peer.org()["name"]);
    assert_eq!(peer.devices(), before);
}

#[tokio::test]
async fn it_ends_at_the_first_step_that_the_others_build_on() {
    let peer = peer(&["--count", "1", "--role", "application-only"]);
    let steps = examine(&Client::new(peer.url())).await;
    let (name, _, cure) = failed(&steps);
    assert_eq!(name, "Get-OrganizationConfig");
    assert!(cure.contains("View-Only Configuration"), "{cure}");

    let client = Client::new(peer.url());
    std::fs::write(client.secret_file(), "wrong").unwrap();
    let steps = examine(&client).await;
    let (name, _, cure) = failed(&steps);
    assert_eq!(name, "Token");
    assert!(cure.contains("value, not its id"), "{cure}");

    std::fs::remove_file(client.secret_file()).unwrap();
    assert_eq!(failed(&examine(&client).await).0, "Credential");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let steps = examine(&Client::new(&url)).await;
    assert!(failed(&steps).0 == "Sign-in TCP");
    assert!(failed(&steps).2.contains("no proxy"));
}

#[tokio::test]
async fn each_cmdlet_that_may_not_be_run_names_its_role() {
    let peer = peer(&[
        "--count",
        "1",
        "--deny",
        "Get-MobileDevice",
        "--deny",
        "Get-MobileDeviceStatistics",
        "--deny",
        "Get-CASMailbox",
        "--deny",
        "Set-CASMailbox",
    ]);
    let steps = examine(&Client::new(peer.url())).await;
    let cure = |name: &str| {
        let step = steps.iter().find(|step| step.name == name).unwrap();
        match &step.finding {
            Finding::Failed { cure, .. } => (true, cure.clone()),
            Finding::Warned { cure, .. } => (false, cure.clone()),
            other => panic!("{name}: {other:?}"),
        }
    };
    for (name, fatal, role) in [
        ("Get-MobileDevice", true, "View-Only Recipients"),
        ("Get-MobileDeviceStatistics", false, "View-Only Recipients"),
        ("Get-CASMailbox", false, "View-Only Recipients"),
        ("Set-CASMailbox", false, "Organization Client Access"),
    ] {
        let (failed, cure) = cure(name);
        assert_eq!(failed, fatal, "{name}");
        assert!(cure.contains(role) && cure.ends_with(&format!("-Cmdlet {name}")), "{cure}");
    }
}

#[tokio::test]
async fn a_token_without_the_permission_is_found_before_it_is_used() {
    // {"roles":["Other"]}
    let server = Scripted::start_with(None, |request| {
        if request.is_for_token() {
            Reply::token("e30.eyJyb2xlcyI6WyJPdGhlciJdfQ.x")
        } else {
            Reply::raw(401, "")
        }
    });
    let steps = examine(&Client::new(&server.url)).await;
    let permission = steps.iter().find(|step| step.name == "Permission").unwrap();
    let Finding::Failed { seen, cure } = &permission.finding else { panic!("{permission:?}") };
    assert!(seen.contains("[Other]") && cure.contains("Exchange.ManageAsApp"), "{seen} {cure}");
    // {"roles":["Exchange.ManageAsAppV2"]}
    let server = Scripted::start_with(None, |request| {
        if request.is_for_token() {
            Reply::token("e30.eyJyb2xlcyI6WyJFeGNoYW5nZS5NYW5hZ2VBc0FwcFYyIl19.x")
        } else {
            Reply::page(&json!([{"Name": "Contoso"}]))
        }
    });
    let steps = examine(&Client::new(&server.url)).await;
    assert!(
        steps.iter().all(|step| matches!(step.finding, Finding::Passed(_)) || step.name.ends_with("TLS")),
        "{steps:?}"
    );
    let sets: Vec<_> = server.cmdlets().into_iter().filter(|one| one.cmdlet() == "Set-CASMailbox").collect();
    assert_eq!(sets.len(), 1);
    let parameters = sets[0].parameters();
    assert_eq!(parameters["WhatIf"], true, "nothing is changed");
    for list in ["ActiveSyncAllowedDeviceIDs", "ActiveSyncBlockedDeviceIDs"] {
        assert_eq!(parameters[list]["Remove"], json!([parameters["Identity"]]), "and nobody is meant");
    }
}

//! An examination says of each step how it went, and of each that fails what to change.

use exconn_exchange::{Exchange, Finding, Roots, Step};
use exconn_model::Timestamp;
use exconn_testkit::{Domain, DomainOptions, ServerCertificate};

use super::setup::{Reader, domain};

async fn examine(reader: &Reader) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    reader.directory.examine(&mut steps).await;
    for step in &steps {
        assert!(!format!("{step:?}").contains("hunter2"), "a secret leaked into {step:?}");
    }
    steps
}

fn finding<'a>(steps: &'a [Step], name: &str) -> &'a Finding {
    let step = steps.iter().find(|step| step.name.starts_with(name));
    &step.unwrap_or_else(|| panic!("no step {name} among {steps:?}")).finding
}

fn failed<'a>(steps: &'a [Step], name: &str) -> (&'a str, &'a str) {
    match finding(steps, name) {
        Finding::Failed { seen, cure } => (seen, cure),
        other => panic!("{name} is {other:?}"),
    }
}

fn failures(steps: &[Step]) -> usize {
    steps.iter().filter(|step| matches!(step.finding, Finding::Failed { .. })).count()
}

fn set_clock(reader: &Reader, domain: &Domain) {
    let found = domain.search_at_root(&["currentTime"]);
    let text = found.text("currentTime").unwrap();
    let at = |from, to| text[from..to].to_owned();
    let now = format!("{}-{}-{}T{}:{}:{}Z", at(0, 4), at(4, 6), at(6, 8), at(8, 10), at(10, 12), at(12, 14));
    reader.clock.set(now.parse().unwrap());
}

#[tokio::test]
async fn all_is_well() {
    let domain = domain(3, 2);
    domain.permit_replication(Domain::USER);
    let reader = Reader::of(&domain);
    set_clock(&reader, &domain);
    let steps = examine(&reader).await;
    assert!(steps.iter().all(|step| matches!(step.finding, Finding::Passed(_))), "{steps:?}");
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Directory name",
            "Directory TCP",
            "Directory TLS",
            "Directory sign-in",
            "Domain controller",
            "Directory clock",
            "Directory schema",
            "Domains of the forest",
            "Devices of contoso.test",
            "Deleted objects of contoso.test",
            "Changes of contoso.test",
        ]
    );
    assert_eq!(finding(&steps, "Devices of contoso.test"), &Finding::Passed("6 can be read".into()));
}

#[tokio::test]
async fn missing_rights_and_a_wrong_clock_are_warnings_with_the_exact_cure() {
    let mut domain = Domain::prepare(DomainOptions::default());
    domain.run();
    let reader = Reader::of(&domain);
    reader.clock.set(Timestamp::from_unix_seconds(1_000_000_000));
    let steps = examine(&reader).await;
    for (name, cure) in [
        ("Directory clock", "chrony"),
        ("Devices", "dsacls \"DC=contoso,DC=test\" /I:S /G"),
        ("Deleted objects", "dsacls \"CN=Deleted Objects,DC=contoso,DC=test\""),
        ("Changes", "Replicating Directory Changes"),
    ] {
        let found = finding(&steps, name);
        assert!(
            matches!(found, Finding::Warned { cure: says, .. } if says.contains(cure)),
            "{name}: {found:?}"
        );
    }
}

#[tokio::test]
async fn it_ends_at_the_step_that_the_others_build_on() {
    let user = "CN=svc-exconn,CN=Users,DC=contoso,DC=test";
    let nowhere = Reader::at(&["ldap://127.0.0.1:9"], user, Domain::PASSWORD, |_| {}).unwrap();
    let steps = examine(&nowhere).await;
    assert_eq!(failures(&steps), 1, "{steps:?}");
    assert!(failed(&steps, "Directory TCP").1.contains("port 9"));
    let nobody = Reader::at(&["ldaps://no-such-host.invalid"], user, Domain::PASSWORD, |_| {}).unwrap();
    assert!(failed(&examine(&nobody).await, "Directory name").1.contains("no-such-host.invalid"));

    let domain = domain(1, 1);
    let wrong = Reader::at(&[&domain.url()], user, "hunter2-wrong", |_| {}).unwrap();
    let steps = examine(&wrong).await;
    assert_eq!(
        (failures(&steps), failed(&steps, "Directory sign-in").0.contains("refused")),
        (1, true),
        "{steps:?}"
    );
    let again = examine(&wrong).await;
    assert!(
        matches!(finding(&again, "Directory sign-in"), Finding::Skipped(why) if why.contains("locking")),
        "{again:?}"
    );

    let mut expired = Domain::prepare(DomainOptions {
        certificate: ServerCertificate::Expired,
        ..DomainOptions::default()
    });
    expired.run();
    assert!(
        failed(&examine(&Reader::of(&expired)).await, "Directory TLS").1.contains("Renew the certificate")
    );
    let stranger = Reader::with(&domain, |config| {
        config.roots = Roots { system: false, file: Some(expired.authority_file()) };
    });
    assert!(failed(&examine(&stranger).await, "Directory TLS").1.contains("ca_file"));
}

//! What the binary answers is what its OpenAPI documents say, whatever it is asked: schemathesis asks.

use std::{fs, process::Command};

use exconn_testkit::{Peer, python};

use crate::{
    program::output_of,
    service::{Home, Service},
};

/// Asks what a document describes, with every check in every phase. `settings` are schemathesis' own.
///
/// A warning is a failure, for it says that something was hardly asked: without ids that exist, for instance, all that is
/// seen of a route is 404.
fn hold_to(service: &Service, home: &Home, document: &str, settings: &str) {
    let file = home.path("schemathesis.toml");
    fs::write(&file, format!("[warnings]\nfail-on = true\n\n{settings}")).unwrap();
    output_of(
        Command::new(python().with_file_name("schemathesis"))
            .args(["--no-color", "--config-file"])
            .arg(file)
            .args(["run", &format!("{}{document}", service.url)])
            .args(["--header", &format!("Authorization: Bearer {}", service.token)])
            .args(["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"])
            .args(["--max-examples", "30", "--seed", "1", "--generation-database", "none"])
            .current_dir(home.path("")),
    );
}

#[test]
fn exconns_own_routes_are_as_described() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    let run = service.next_end(&[]);
    let settings = format!(
        "[[operations]]\ninclude-operation-id = \"listRuns\"\nparameters = {{ \"path.id\" = {} }}\n\n\
         [[operations]]\ninclude-operation-id = \"getRun\"\nparameters = {{ \"path.id\" = {} }}\n",
        run["connectorId"], run["id"]
    );
    hold_to(&service, &home, "/exconn/v1/openapi.json", &settings);
}

//! `@microsoft/microsoft-graph-client`, which sends its token over HTTPS only.

use std::{path::Path, process::Command};

use exconn_testkit::{Peer, node, repository_root};

use super::{tell, throttle, tls};
use crate::service::{Home, Service};

fn story(service: &Service, authority: &Path) -> Command {
    let mut command = node();
    command
        .arg(repository_root().join("crates/cli/tests/vendor/javascript/story.js"))
        .args([&service.url, &service.token])
        .env("NODE_EXTRA_CA_CERTS", authority);
    command
}

#[test]
fn the_vendors_javascript_library_works_unmodified() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let (service, authority) = tls::serve(&home);
    tell(
        &mut story(&service, &authority),
        &["list", "change", "sync", "devices", "beta", "paging", "errors", "batch"],
    );
}

#[test]
fn the_vendors_javascript_library_waits_when_it_is_throttled() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    throttle(&home);
    let (service, authority) = tls::serve(&home);
    tell(&mut story(&service, &authority), &["retry"]);
}

//! `msgraph-sdk`, which sends its token over plain HTTP too, to loopback addresses.

use std::process::Command;

use exconn_testkit::{Peer, python, repository_root};

use super::{tell, throttle, tls};
use crate::service::{Home, Service};

const CHAPTERS: [&str; 7] = ["list", "change", "sync", "devices", "paging", "errors", "batch"];

fn story(service: &Service) -> Command {
    let mut command = Command::new(python());
    command
        .arg(repository_root().join("crates/cli/tests/vendor/python/story.py"))
        .args([&service.url, &service.token]);
    command
}

#[test]
fn the_vendors_python_library_works_unmodified() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    tell(&mut story(&home.serve()), &CHAPTERS);
}

#[test]
fn the_vendors_python_library_works_over_http_2() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let (service, authority) = tls::serve(&home);
    let chapters = [&["http2"], &CHAPTERS[..]].concat();
    tell(story(&service).env("SSL_CERT_FILE", authority), &chapters);
}

#[test]
fn the_vendors_python_library_waits_when_it_is_throttled() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    throttle(&home);
    tell(&mut story(&home.serve()), &["retry"]);
}

//! `graph-rs-sdk`, which takes another address than the vendor's own only with a feature for tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use exconn_testkit::{Peer, repository_root};

use super::{tell, throttle};
use crate::{
    program::output_within,
    service::{Home, Service},
};

/// The library is large: two idle cores build it in a minute and a half, but those of a test are not idle.
const BUILD: Duration = Duration::from_secs(900);

/// The story, built apart from the workspace and its lock file.
fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("graph-rs");
    output_within(
        BUILD,
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(repository_root().join("crates/cli/tests/vendor/rust/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target),
    );
    target.join("debug/exconn-graph-rs-story")
}

fn story(service: &Service) -> Command {
    let mut command = Command::new(program());
    command.args([&service.url, &service.token]);
    command
}

#[test]
fn graph_rs_sdk_works_unmodified() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    tell(&mut story(&home.serve()), &["list", "change", "sync", "devices", "paging", "errors", "batch"]);
}

#[test]
fn graph_rs_sdk_waits_when_it_is_throttled() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    throttle(&home);
    tell(&mut story(&home.serve()), &["retry"]);
}

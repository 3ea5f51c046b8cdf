//! `msgraph-sdk`.

use std::process::Command;

use exconn_testkit::{Peer, python, repository_root};
use serde_json::{Value, json};

use crate::service::Home;

#[test]
fn the_vendors_python_library_works_unmodified() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let output = Command::new(python())
        .arg(repository_root().join("crates/cli/tests/vendor/python/story.py"))
        .args([&service.url, &service.token])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<String> = (0..5).rev().map(|number| format!("server {number}'s")).collect();
    assert_eq!(
        seen,
        json!({
            "before": 1,
            "created": ["server 0's", "connectionPending", "hosted", "2017-01-01T08:02:49.320597+00:00"],
            "got": "server 0's",
            "updated": ["alias", "disconnected", "server 0's"],
            "synced": true,
            "count": 6,
            "filtered": [[true, null], 1],
            "paged": names,
            "deleted": [404, "ResourceNotFound", true],
            "after": 1,
        })
    );
}

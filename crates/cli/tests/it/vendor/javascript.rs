//! `@microsoft/microsoft-graph-client`, which sends its token over HTTPS only.

use exconn_testkit::{Peer, node, repository_root};

use super::{tell, tls};
use crate::service::Home;

#[test]
fn the_vendors_javascript_library_works_unmodified() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let (service, authority) = tls::serve(&home);
    tell(
        node()
            .arg(repository_root().join("crates/cli/tests/vendor/javascript/story.js"))
            .args([&service.url, &service.token])
            .env("NODE_EXTRA_CA_CERTS", authority),
        &["list", "change", "sync", "devices", "beta", "paging", "errors"],
    );
}

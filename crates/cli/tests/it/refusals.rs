//! What `serve` refuses to start on.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use exconn_testkit::Peer;
use tempfile::TempDir;

use crate::service::Home;

/// Starts `serve`, which must end by itself, and returns what it said.
fn refused(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_exconn"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let peer = Peer::start(&["--count", "3", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let said = refused(&["--data", home.path("data").to_str().unwrap()]);
    assert!(said.contains("another process uses the data directory"), "{said}");
    assert_eq!(service.devices().len(), 3, "the first one goes on");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("exconn.db");
    let content =
        "these are not the bytes of a database, and there are more than a hundred of them, ".repeat(40);
    fs::File::create(&database).unwrap().write_all(content.as_bytes()).unwrap();
    let said = refused(&["--data", folder.path().to_str().unwrap()]);
    assert!(said.contains("damaged or not a database"), "{said}");
    assert_eq!(fs::read_to_string(&database).unwrap(), content);

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = refused(&["--data", file.to_str().unwrap()]);
    assert!(
        said.contains("cannot use the data directory") || said.contains("cannot open the database"),
        "{said}"
    );
}

#[test]
fn without_authentication_only_loopback_is_served() {
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_exconn"))
        .args(["serve", "--auth", "none", "--listen", "0.0.0.0:0", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("loopback"), "{said}");
}

#[test]
fn a_certificate_that_is_none_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cert.pem");
    fs::write(&file, "nothing").unwrap();
    let path = file.to_str().unwrap();
    let said = refused(&["--data", folder.path().to_str().unwrap(), "--tls-cert", path, "--tls-key", path]);
    assert!(said.contains("cert.pem") && said.contains("certificate"), "{said}");
}

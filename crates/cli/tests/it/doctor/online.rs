//! Exchange Online.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use exconn_testkit::OnlinePeer;

use super::Setup;

const NEW_SECRET: &str = "Add-MgApplicationPassword -ApplicationId (Get-MgApplication -Filter \"appId eq '3d3c9a52-2f8e-4f57-9d6c-6f3f5a1f8f10'\").Id";

fn setup(url: &str) -> (Setup, String) {
    let mut setup = Setup::new();
    let at = url.trim_start_matches("http://");
    let secret = setup.file("contoso.secret", "not-a-secret");
    setup.alias(at, "outlook.office365.com:443");
    setup.alias("127.0.0.1 is 127.0.0.1", "outlook.office365.com is 192.0.2.30");
    setup.alias("127.0.0.1", "outlook.office365.com");
    let entry = format!(
        "[[exchange]]\nname = \"contoso\"\ntype = \"serviceToService\"\n[exchange.online]\ntenant_id = {:?}\n\
         client_id = {:?}\nclient_secret_file = {secret:?}\nbase_url = {url:?}\nauthority = {url:?}\n",
        OnlinePeer::TENANT,
        OnlinePeer::CLIENT,
    );
    (setup, entry)
}

#[test]
fn exchange_online() {
    for (options, heading, step, cure) in [
        (&[][..], "A healthy Exchange Online", None, ""),
        (
            &["--role", "none"],
            "An application without a role",
            Some("Get-OrganizationConfig"),
            "Grant the application the permission Exchange.ManageAsApp, and give its service principal the role \"View-Only Configuration\" in Exchange Online. The commands that give it are printed by exconn doctor with --rights. A change takes up to an hour.",
        ),
        (
            &["--role", "application-only"],
            "An application with the permission alone",
            Some("Get-OrganizationConfig"),
            "Get-ManagementRole -Cmdlet Get-OrganizationConfig",
        ),
        (&["--client-secret", "another"], "A wrong secret", Some("Token"), NEW_SECRET),
    ] {
        let peer = OnlinePeer::start(&[options, &["--count", "3"]].concat());
        let (setup, entry) = setup(peer.url());
        let examined = setup.examine(&entry);
        match step {
            None => examined.passes(heading),
            Some(step) => examined.fails(heading, step, cure),
        };
    }
}

#[test]
fn an_expired_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut asked) = (stream.unwrap(), [0; 8192]);
            if stream.read(&mut asked).is_ok_and(|read| read > 0) {
                let body = r#"{"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys for app are expired.", "error_codes": [7000222]}"#;
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                     Connection: close\r\n\r\n{body}"
                );
            }
        }
    });
    let (setup, entry) = setup(&url);
    setup.examine(&entry).fails("A secret that has expired", "Token", NEW_SECRET);
}

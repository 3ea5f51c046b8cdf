//! A peer that wants what a real Exchange wants: Kerberos, sealed messages, and nothing else.

use exconn_exchange::{Account, Exchange, ExchangeError, remoting::Authentication};
use exconn_model::FailureKind;
use exconn_testkit::{Kdc, Peer};

use crate::{
    equality::{assert_same, expected},
    setup::{Client, PASSWORD, no_shell_is_left},
};

const LIKE_EXCHANGE: [&str; 8] = [
    "--auth",
    "negotiate",
    "--schemes",
    "Kerberos",
    "--require-sealing",
    "--exchange-boundary",
    "--strict-uri",
    "--count",
];
pub(crate) const USER: &str = "svc-exconn";

/// A realm with a user.
pub(crate) fn realm() -> Kdc {
    let kdc = Kdc::start();
    kdc.add_user(USER, PASSWORD, "");
    kdc
}

/// A peer in the realm.
pub(crate) fn peer(kdc: &Kdc, options: &[&str]) -> Peer {
    Peer::start_with(options, &kdc.add_service("HTTP/127.0.0.1"))
}

/// A client that signs in as the realm's user.
pub(crate) fn client(kdc: &Kdc, peer: &Peer, method: fn(Account) -> Authentication) -> Client {
    client_as(kdc, peer.url(), method, PASSWORD)
}

pub(crate) fn client_as(
    kdc: &Kdc,
    url: &str,
    method: fn(Account) -> Authentication,
    password: &str,
) -> Client {
    Client::try_with(url, password, |config| {
        let mut account = config.authentication.account().clone();
        account.username = format!(r"{}\{USER}", Kdc::REALM);
        config.authentication = method(account);
        config.kerberos.kdcs = vec![kdc.address()];
    })
    .unwrap()
}

fn like_exchange(kdc: &Kdc, count: &str) -> Peer {
    peer(kdc, &[&LIKE_EXCHANGE[..], &[count]].concat())
}

#[tokio::test]
async fn a_server_like_exchange_is_listed_and_observed() {
    let kdc = realm();
    let peer = like_exchange(&kdc, "300");
    let client = client(&kdc, &peer, Authentication::Kerberos);
    let devices = client.all().await.unwrap();
    assert_same(&devices, &expected(&peer));
    client.exchange.observe().await.unwrap();
    no_shell_is_left(&peer).await;
    let stats = peer.stats();
    assert_eq!(stats["auth_fail"], serde_json::Value::Null);
    assert!(stats["sealed"].as_u64() > Some(3));
    let signed_in = format!("Kerberos/kerberos as {USER}@{}", Kdc::REALM);
    assert!(stats["auth"][signed_in].as_u64() > Some(0), "{stats}");
}

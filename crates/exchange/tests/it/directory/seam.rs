//! What the directory does not know goes to Exchange, and no more often than it must.

use std::{sync::atomic::Ordering, time::Duration};

use exconn_exchange::{DeviceAddress, Exchange, ExchangeError};
use exconn_model::AccessDecision;
use exconn_testkit::Domain;

use super::setup::Reader;

fn reader() -> Reader {
    Reader::at(&["ldap://127.0.0.1:9"], "svc", Domain::PASSWORD, |_| {}).unwrap()
}

#[tokio::test]
async fn exchange_is_asked_about_itself_every_five_minutes_at_most() {
    let reader = reader();
    let asked = || reader.remoting.observed.load(Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(reader.directory.observe().await.unwrap().name, "Contoso");
        reader.clock.advance(Duration::from_secs(29));
    }
    assert_eq!(asked(), 1);
    reader.clock.advance(Duration::from_secs(10));
    reader.remoting.fails.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert!(matches!(reader.directory.observe().await, Err(ExchangeError::EndedEarly { .. })));
    }
    assert_eq!(asked(), 4, "a failure is not remembered");
    reader.remoting.fails.store(false, Ordering::SeqCst);
    assert_eq!(reader.directory.observe().await.unwrap().name, "Contoso");
}

#[tokio::test]
async fn statistics_and_decisions_are_exchanges() {
    let directory = &reader().directory;
    assert_eq!(directory.statistics("user000001").await.unwrap().len(), 1);
    assert_eq!(directory.statistics_concurrency(), 3);
    let device = DeviceAddress { mailbox: "a".into(), device_id: "b".into() };
    let decided = directory.set_access(&device, AccessDecision::Allow).await;
    assert!(matches!(decided, Err(ExchangeError::ReadOnly)));
}

#[tokio::test]
async fn a_changed_password_file_is_noticed() {
    let reader = reader();
    assert!(!reader.directory.secrets_changed_since(exconn_model::Timestamp::MAX));
    assert!(reader.directory.secrets_changed_since(exconn_model::Timestamp::UNSET));
}

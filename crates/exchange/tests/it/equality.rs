//! What exconn reads is what the peer says of itself.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_model::{ObservedDevice, SyncCookie, Timestamp};
use exconn_testkit::Peer;
use serde_json::{Value, json};

use crate::setup::{Client, cmdlets, no_shell_is_left, peer};

/// The peer's devices, in its order, by its own account.
pub(crate) fn expected(peer: &Peer) -> Vec<ObservedDevice> {
    peer.devices().iter().map(device).collect()
}

pub(crate) fn device(json: &Value) -> ObservedDevice {
    let text = |name: &str| json[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let moment = |name: &str| json[name].as_str().map(|text| Timestamp::parse(text).unwrap());
    let identity = text("Identity");
    let owner = identity.as_deref().and_then(|path| path.split("/ExchangeActiveSyncDevices/").next());
    ObservedDevice {
        partnership: json["Guid"].as_str().unwrap().parse().unwrap(),
        device_id: text("DeviceId").unwrap(),
        device_type: text("DeviceType"),
        model: text("DeviceModel"),
        operating_system: text("DeviceOS"),
        friendly_name: text("FriendlyName"),
        imei: text("DeviceImei"),
        mobile_operator: text("DeviceMobileOperator"),
        telephone_number: text("DeviceTelephoneNumber"),
        user_agent: text("DeviceUserAgent"),
        user_display_name: owner.map(str::to_owned),
        access_state: text("DeviceAccessState"),
        access_state_reason: text("DeviceAccessStateReason"),
        access_rule: text("DeviceAccessControlRule"),
        client_type: text("ClientType"),
        client_version: text("ClientVersion"),
        first_sync: moment("FirstSyncTime"),
        created: moment("WhenCreatedUTC"),
        changed: moment("WhenChangedUTC"),
        identity,
        ..ObservedDevice::default()
    }
}

pub(crate) fn assert_same(found: &[ObservedDevice], expected: &[ObservedDevice]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn every_value_of_every_device_is_the_peers_own_also_after_changes() {
    let peer = peer(&["--count", "2500"]);
    let client = Client::new(peer.url());
    let before = expected(&peer);
    assert_same(&client.all().await.unwrap(), &before);

    let guid = |at: usize| before[at].partnership.to_string();
    peer.change_devices(&json!({
        "addSynthetic": 7,
        "change": {
            guid(0): {"FriendlyName": "Ann's <new> & \"odd\" phone ]]> \u{1F4F1} _x0041_ \t\n\u{1} §"},
            guid(1): {"DeviceOS": "", "DeviceModel": "  spaces  ", "DeviceImei": null},
            guid(2): {"DeviceAccessState": "DeviceDiscovery", "DeviceAccessStateReason": "Upgrade"},
            guid(3): {"FirstSyncTime": null, "WhenChangedUTC": "2024-02-29T23:59:59.123456Z"},
            guid(4): {"DeviceId": "µ-ids are §odd§", "DeviceTelephoneNumber": "+49 30"},
            guid(5): {"WhenChanged": "not a date", "deviceid2": "other", "Unheard": ["of", "lists"]},
        },
        "remove": [guid(20), guid(2000)],
    }));
    let after = expected(&peer);
    assert_ne!(before, after);
    assert_same(&client.all().await.unwrap(), &after);

    no_shell_is_left(&peer).await;
    let stats = peer.stats();
    assert_eq!(stats["protocol_errors"], json!([]));
    assert_eq!(stats["resource_uris"], json!(["http://schemas.microsoft.com/powershell/Microsoft.Exchange"]));
    let log = cmdlets(&peer);
    assert_eq!(log.len(), 2);
    for call in log {
        assert_eq!(
            call,
            json!({"cmdlet": "Get-MobileDevice", "script": false, "parameters": {"resultsize": "Unlimited"}})
        );
    }
}

#[tokio::test]
async fn only_devices_that_first_synced_since_a_moment_are_asked_for() {
    let peer = peer(&["--count", "200"]);
    let client = Client::new(peer.url());
    let all = expected(&peer);
    let moment = all[150].first_sync.unwrap();
    // The listing asks for an hour more, because clocks differ.
    let since = |moment: Timestamp| {
        let cookie = format!("first-sync:{}", moment.after(Duration::from_secs(3600)));
        DeviceScope::ChangedSince(SyncCookie::from_text(cookie))
    };
    let expected: Vec<_> = all.iter().filter(|one| one.first_sync >= Some(moment)).cloned().collect();
    assert_eq!(expected.len(), 50);
    assert_same(&client.list(since(moment)).await.unwrap(), &expected);
    assert_same(&client.list(since(Timestamp::UNSET)).await.unwrap(), &all);

    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    while listing.next().await.unwrap().is_some() {}
    // A device that first synced long before the listing began is no change since.
    let cookie = listing.cookie().unwrap();
    assert_same(&client.list(DeviceScope::ChangedSince(cookie)).await.unwrap(), &[]);

    let foreign = DeviceScope::ChangedSince(SyncCookie::from_text("dirsync:1".into()));
    let refused = client.list(foreign).await.unwrap_err();
    assert!(matches!(refused, ExchangeError::CookieRefused { .. }), "{refused}");
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn an_organisation_without_devices_is_a_complete_listing() {
    let peer = peer(&["--count", "0"]);
    assert_same(&Client::new(peer.url()).all().await.unwrap(), &[]);
}

#[tokio::test]
async fn small_fragments_and_envelopes_change_nothing() {
    let peer = peer(&["--count", "60", "--fragment", "500", "--max-envelope", "20000"]);
    assert_same(&Client::new(peer.url()).all().await.unwrap(), &expected(&peer));
}

#[tokio::test]
async fn the_organisation_is_observed() {
    let peer = peer(&["--count", "1"]);
    let organization = Client::new(peer.url()).exchange.observe().await.unwrap();
    let org = peer.org();
    assert_eq!(Value::from(organization.name), org["name"]);
    assert_eq!(organization.servers, ["ex01.contoso.com", "ex02.contoso.com"]);
    assert_eq!(organization.server_version.map(Value::from), Some(org["servers"][0]["version"].clone()));
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn servers_of_different_builds_have_no_common_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("org.json");
    let org = json!({"name": "Fabrikam & Söhne", "domain": "fabrikam.com", "servers": [
        {"name": "A", "version": "Version 15.1 (Build 2507.6)"},
        {"name": "B", "version": "Version 15.2 (Build 1748.10)"},
    ]});
    std::fs::write(&file, org.to_string()).unwrap();
    let peer = peer(&["--org", file.to_str().unwrap()]);
    let organization = Client::new(peer.url()).exchange.observe().await.unwrap();
    assert_eq!(organization.name, "Fabrikam & Söhne");
    assert_eq!(organization.servers, ["a.fabrikam.com", "b.fabrikam.com"]);
    assert_eq!(organization.server_version, None);
}

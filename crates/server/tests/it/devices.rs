//! Devices as a sync left them.

use std::{collections::HashSet, time::Duration};

use exconn_model::{
    Clock, ConnectorChange, ConnectorId, DeviceId, DeviceStatistics, ObservedDevice, Timestamp,
};
use exconn_store::{DeviceRow, MailboxAnswer, StageEnd, StagedChange};
use serde_json::json;
use uuid::Uuid;

use crate::harness::Server;

pub(crate) const DEVICES: &str = "/v1.0/deviceManagement/managedDevices";

fn observed(number: u128) -> ObservedDevice {
    let state = match number % 5 {
        0 => Some("Allowed"),
        1 => Some("Blocked"),
        2 => Some("Quarantined"),
        3 => Some("DeviceDiscovery"),
        _ => None,
    };
    ObservedDevice {
        partnership: Uuid::from_u128(number + 1),
        device_id: format!("DEV{number:04}"),
        model: Some(format!("Model {}", number % 3)),
        operating_system: Some("iOS 17.4 21E219".to_owned()),
        friendly_name: Some(format!("Phone {number:04}")),
        imei: Some(format!("35000000000{number:04}")),
        user_display_name: Some(format!("contoso.com/Staff/User {number}")),
        access_state: state.map(str::to_owned),
        access_state_reason: Some("Global".to_owned()),
        identity: Some(format!("contoso.com/Staff/User {number}/ExchangeActiveSyncDevices/iPhone§{number}")),
        first_sync: Some(Timestamp::from_unix_seconds(1_700_000_000)),
        user_principal_name: (number % 2 == 1).then(|| format!("user{number}@contoso.com")),
        email_address: (number % 2 == 1).then(|| format!("User.{number}@contoso.com")),
        ..ObservedDevice::default()
    }
}

/// Puts devices into the store as an agent's full sync does.
pub(crate) async fn sync_devices(server: &Server, count: u128) -> ConnectorId {
    let id: ConnectorId = server.create("{}").await.parse().unwrap();
    let (tenant, now) = (server.keyring.tenant(), server.clock.now());
    let until = now.after(Duration::from_secs(60));
    let lease = server.store.lease_run(tenant, id, "test", now, until, 3).await.unwrap().unwrap();
    server.store.begin_stage(&lease).await.unwrap();
    let rows = (0..count)
        .map(|number| DeviceRow {
            id: DeviceId(Uuid::from_u128(0x4000_8000_0000_0000_0000 + number)),
            observed: observed(number),
        })
        .map(StagedChange::Present)
        .collect();
    server.store.stage(&lease, rows).await.unwrap();
    let end = StageEnd { remove_absent: true, cookie: None, observed: ConnectorChange::default(), now };
    server.store.apply_stage(&lease, end).await.unwrap();
    id
}

#[tokio::test]
async fn devices_are_listed_counted_and_read() {
    let server = Server::start().await;
    sync_devices(&server, 25).await;
    let mut path = format!("{DEVICES}?$top=10&$count=true&$orderby=deviceName%20desc");
    let mut names = Vec::new();
    loop {
        let json = server.get(&path).await.json();
        let page = json["value"].as_array().unwrap().clone();
        names.extend(page.iter().map(|device| device["deviceName"].as_str().unwrap().to_owned()));
        assert_eq!(json["@odata.count"], 25);
        let Some(next) = json["@odata.nextLink"].as_str() else { break };
        path = next.strip_prefix(&format!("http://{}", server.address)).unwrap().to_owned();
    }
    let expected: Vec<_> = (0..25).rev().map(|number| format!("Phone {number:04}")).collect();
    assert_eq!(names, expected);

    assert_eq!(server.get(&format!("{DEVICES}/$count")).await.body, "25");
    for (filter, count) in [
        ("exchangeAccessState eq 'blocked'", "5"),
        ("exchangeAccessState in ('blocked','quarantined')", "10"),
        ("exchangeAccessState eq microsoft.graph.deviceManagementExchangeAccessState'none'", "5"),
        ("easActivated eq true and endswith(easDeviceId,'7')", "2"),
        ("easActivated", "25"),
        ("not (model eq 'Model 1')", "17"),
        ("managementAgent eq 'eas'", "25"),
        ("userPrincipalName eq null", "13"),
        ("userPrincipalName eq 'user1@contoso.com'", "1"),
        ("endswith(emailAddress,'@contoso.com') and userPrincipalName ne emailAddress", "12"),
        ("exchangeLastSuccessfulSyncDateTime gt 2020-01-01T00:00:00Z", "0"),
        ("easActivationDateTime gt 2023-11-14T23:13:19%2B01:00", "25"),
    ] {
        let answer = server.get(&format!("{DEVICES}/$count?$filter={}", filter.replace(' ', "%20"))).await;
        assert_eq!(answer.body, count, "{filter}: {answer:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn one_device_shows_what_exchange_said() {
    let server = Server::start().await;
    sync_devices(&server, 2).await;
    let list = server.get(&format!("{DEVICES}?$filter=easDeviceId%20eq%20'DEV0001'")).await.json();
    let id = list["value"][0]["id"].as_str().unwrap().to_owned();
    for path in [format!("{DEVICES}/{id}"), format!("/beta/deviceManagement/managedDevices('{id}')")] {
        let mut device = server.get(&path).await.json();
        let context = device.as_object_mut().unwrap().shift_remove("@odata.context").unwrap();
        assert!(context.as_str().unwrap().ends_with("#deviceManagement/managedDevices/$entity"));
        let expected = json!({
            "id": id,
            "deviceName": "Phone 0001",
            "managementAgent": "eas",
            "operatingSystem": "iOS",
            "osVersion": "17.4 21E219",
            "easActivated": true,
            "easDeviceId": "DEV0001",
            "easActivationDateTime": "2023-11-14T22:13:20Z",
            "model": "Model 1",
            "imei": "350000000000001",
            "phoneNumber": null,
            "subscriberCarrier": null,
            "userDisplayName": "User 1",
            "userPrincipalName": "user1@contoso.com",
            "emailAddress": "User.1@contoso.com",
            "exchangeAccessState": "blocked",
            "exchangeAccessStateReason": "exchangeGlobalRule",
            "exchangeLastSuccessfulSyncDateTime": "0001-01-01T00:00:00Z",
        });
        assert_eq!(device, expected);
    }
    server.get(&format!("{DEVICES}/11111111-2222-4333-8444-555555555555")).await.error(404);
    server.get(&format!("{DEVICES}/abc")).await.error(404);
    server.end().await;
}

#[tokio::test]
async fn what_mailboxes_say_is_shown_when_it_is_learned() {
    let server = Server::start().await;
    let connector = sync_devices(&server, 3).await;
    let by_last_sync = format!("{DEVICES}?$orderby=exchangeLastSuccessfulSyncDateTime%20desc");
    let id = server.get(&format!("{DEVICES}?$filter=easDeviceId%20eq%20'DEV0001'")).await.ids().remove(0);
    let own = format!("/exconn/v1/devices/{id}");
    let access = json!({
        "state": "blocked",
        "reason": "exchangeGlobalRule",
        "listedState": "Blocked",
        "listedReason": "Global",
        "rule": null,
    });
    let expected = json!({
        "id": id,
        "connectorId": connector.to_string(),
        "partnershipId": "00000000-0000-0000-0000-000000000002",
        "deviceId": "DEV0001",
        "deviceType": null,
        "deviceModel": "Model 1",
        "deviceOs": "iOS 17.4 21E219",
        "friendlyName": "Phone 0001",
        "deviceImei": "350000000000001",
        "deviceMobileOperator": null,
        "deviceTelephoneNumber": null,
        "deviceUserAgent": null,
        "clientType": null,
        "clientVersion": null,
        "identity": "contoso.com/Staff/User 1/ExchangeActiveSyncDevices/iPhone§1",
        "mailbox": "contoso.com/Staff/User 1",
        "userDisplayName": "contoso.com/Staff/User 1",
        "userPrincipalName": "user1@contoso.com",
        "emailAddress": "User.1@contoso.com",
        "access": access,
        "firstSyncDateTime": "2023-11-14T22:13:20Z",
        "createdDateTime": null,
        "changedDateTime": null,
        "statistics": null,
    });
    assert_eq!(server.get(&own).await.json(), expected);

    let moment = |seconds: i64| Some(Timestamp::from_unix_seconds(1_760_000_000 + seconds));
    let partnership = Uuid::from_u128(2);
    let statistics = DeviceStatistics {
        partnership,
        last_success: moment(0),
        last_attempt: moment(1),
        wipe_requested: moment(2),
        wipe_sent: moment(3),
        wipe_acknowledged: None,
        status: Some("DeviceWipePending".into()),
        access_state: Some("Allowed".into()),
        access_state_reason: Some("Individual".into()),
    };
    let now = server.clock.now();
    let answer =
        MailboxAnswer { asked: vec![partnership], statistics: vec![statistics], learned: now, next: now };
    server.store.record_statistics(server.keyring.tenant(), connector, answer).await.unwrap();

    let device = server.get(&format!("{DEVICES}/{id}")).await.json();
    assert_eq!(device["exchangeLastSuccessfulSyncDateTime"], "2025-10-09T08:53:20Z");
    assert_eq!(device["exchangeAccessState"], "allowed");
    assert_eq!(device["exchangeAccessStateReason"], "exchangeIndividualRule");
    let listed = server.get(&by_last_sync).await.json();
    assert_eq!(listed["value"][0]["id"], id.as_str());
    assert_eq!(listed["value"][1]["exchangeLastSuccessfulSyncDateTime"], "0001-01-01T00:00:00Z");
    let device = server.get(&own).await.json();
    assert_eq!(
        device["access"],
        json!({
            "state": "allowed",
            "reason": "exchangeIndividualRule",
            "listedState": "Blocked",
            "listedReason": "Global",
            "rule": null,
        })
    );
    assert_eq!(
        device["statistics"],
        json!({
            "learnedDateTime": "2026-01-31T08:00:00Z",
            "lastSuccessDateTime": "2025-10-09T08:53:20Z",
            "lastAttemptDateTime": "2025-10-09T08:53:21Z",
            "wipeRequestedDateTime": "2025-10-09T08:53:22Z",
            "wipeSentDateTime": "2025-10-09T08:53:23Z",
            "wipeAcknowledgedDateTime": null,
            "status": "DeviceWipePending",
            "accessState": "Allowed",
            "accessStateReason": "Individual",
        })
    );
    server.get("/exconn/v1/devices/abc").await.error(404);
    server.get("/exconn/v1/devices/11111111-2222-4333-8444-555555555555").await.error(404);
    server.get(&format!("{own}?$select=id")).await.error(400);
    server.end().await;
}

#[tokio::test]
async fn the_overview_counts_by_state() {
    let server = Server::start().await;
    let connector = sync_devices(&server, 24).await;
    let path = "/v1.0/deviceManagement/managedDeviceOverview";
    let overview = server.get(path).await.json();
    assert_eq!(overview["enrolledDeviceCount"], 24);
    assert_eq!(
        overview["deviceExchangeAccessStateSummary"],
        json!({
            "allowedDeviceCount": 5,
            "blockedDeviceCount": 5,
            "quarantinedDeviceCount": 5,
            "unknownDeviceCount": 5,
            "unavailableDeviceCount": 4,
        })
    );
    let context = overview["@odata.context"].as_str().unwrap();
    assert!(context.ends_with("/v1.0/$metadata#deviceManagement/managedDeviceOverview/$entity"), "{context}");
    let selected = server.get(&format!("{path}?$select=enrolledDeviceCount&$format=json")).await.json();
    assert_eq!(selected["enrolledDeviceCount"], 24);
    assert_eq!(selected.as_object().unwrap().len(), 2, "{selected}");
    server.get(&format!("{path}?$select=allowedDeviceCount")).await.error(400);
    server.get(&format!("{path}?$filter=enrolledDeviceCount%20eq%201")).await.error(400);
    server.delete(&format!("{}/{connector}", crate::harness::CONNECTORS)).await;
    assert_eq!(server.get(path).await.json()["enrolledDeviceCount"], 0);
    server.end().await;
}

#[tokio::test]
async fn pages_of_devices_hold_each_device_once() {
    let server = Server::start().await;
    sync_devices(&server, 257).await;
    let mut path = format!("{DEVICES}?$top=50&$orderby=model,exchangeAccessState%20desc&$select=id");
    let mut seen = Vec::new();
    loop {
        let answer = server.get(&path).await;
        seen.extend(answer.ids());
        let json = answer.json();
        let Some(next) = json["@odata.nextLink"].as_str() else { break };
        path = next.strip_prefix(&format!("http://{}", server.address)).unwrap().to_owned();
    }
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (257, 257));
    server.end().await;
}

//! The simulated organisation seen from outside, by a client that others wrote.
#![expect(clippy::unwrap_used, reason = "in a test a failed expectation is the result")]

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use exconn_exchange_sim::{Organisation, SimError, SimOptions, SimServer};
use exconn_model::ObservedDevice;
use exconn_testkit::{SeededEntropy, python, repository_root};
use serde_json::{Value, json};
use tokio::process::Command;

/// More than a listing without a `ResultSize` shows.
const DEVICES: u64 = 1200;

async fn start(organisation: Arc<Organisation>) -> SimServer {
    SimServer::start(organisation, SimOptions::new("svc", "s3cret"), Arc::new(SeededEntropy::new(1)))
        .await
        .unwrap()
}

/// Every property that is a text, by Exchange's name.
fn texts(device: &ObservedDevice) -> Vec<(&'static str, Option<&str>)> {
    vec![
        ("DeviceId", Some(device.device_id.as_str())),
        ("DeviceType", device.device_type.as_deref()),
        ("DeviceModel", device.model.as_deref()),
        ("DeviceOS", device.operating_system.as_deref()),
        ("FriendlyName", device.friendly_name.as_deref()),
        ("DeviceImei", device.imei.as_deref()),
        ("DeviceMobileOperator", device.mobile_operator.as_deref()),
        ("DeviceTelephoneNumber", device.telephone_number.as_deref()),
        ("DeviceUserAgent", device.user_agent.as_deref()),
        ("UserDisplayName", device.user_display_name.as_deref()),
        ("Identity", device.identity.as_deref()),
        ("DeviceAccessState", device.access_state.as_deref()),
        ("DeviceAccessStateReason", device.access_state_reason.as_deref()),
        ("DeviceAccessControlRule", device.access_rule.as_deref()),
        ("ClientType", device.client_type.as_deref()),
        ("ClientVersion", device.client_version.as_deref()),
    ]
}

#[tokio::test]
async fn pypsrp_reads_the_same_devices() {
    let organisation = Arc::new(Organisation::new(11, DEVICES, "Contoso", "contoso.example"));
    organisation.remove(5).unwrap();
    organisation
        .change(6, |device| device.friendly_name = Some("<b> & 'x' _x0041_ \u{1f600}\u{1}".into()))
        .unwrap();
    let server = start(organisation.clone()).await;
    let address: SocketAddr = server.url()["http://".len()..].split('/').next().unwrap().parse().unwrap();
    let output = Command::new(python())
        .arg(repository_root().join("crates/exchange-sim/tests/it/pypsrp_reads.py"))
        .args([&address.port().to_string(), "svc", "s3cret"])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();

    let rows = seen["all"]["rows"].as_array().unwrap();
    let mut found: HashMap<&str, &Value> =
        rows.iter().map(|row| (row["Guid"].as_str().unwrap(), row)).collect();
    let mut phones = 0;
    for device in (0..DEVICES).filter_map(|number| organisation.device(number)) {
        let row = found.remove(device.partnership.to_string().as_str()).unwrap();
        for (name, value) in texts(&device) {
            assert_eq!(row[name].as_str().filter(|text| !text.is_empty()), value, "{name} of {row}");
        }
        let day: String = device.first_sync.unwrap().to_string().chars().take(10).collect();
        assert!(row["FirstSyncTime"].as_str().unwrap().starts_with(&day), "{row}");
        phones += u64::from(device.device_type.as_deref() == Some("iPhone"));
    }
    assert!(found.is_empty());
    assert_eq!(seen["phones"], phones);
    assert_eq!(seen["default"], 1000);
    assert!(seen["warnings"][0].as_str().unwrap().contains("more results"));
    assert_eq!(seen["organization"]["rows"][0]["Name"], "Contoso");
    assert_eq!(seen["servers"]["rows"][0]["Fqdn"], "ex01.contoso.example");
    assert_eq!(seen["forest"], json!([]));
    assert_eq!(seen["commands"], 7);
    let command = seen["command"][0].as_str().unwrap();
    for part in ["<S N=\"Name\">Get-MobileDevice</S>", "<S N=\"Key\">ResultSize</S>"] {
        assert!(command.contains(part), "{command}");
    }
    assert!(seen["no command"][0].as_str().unwrap().contains("Format-Disk"));
    assert!(seen["nobody"][0].as_str().unwrap().contains("couldn't be found"));
    let exempt = |state: &str, syncs: bool| json!([state, "Individual", syncs]);
    assert_eq!(
        seen["access"],
        json!([
            exempt("Blocked", false),
            exempt("Allowed", true),
            exempt("Blocked", false),
            ["Allowed", "Global", true],
        ])
    );
    assert!(seen["unknown"][0].as_str().unwrap().contains("is not recognized"));
    assert!(seen["parameter"][0].as_str().unwrap().contains("parameter name 'Colour'"));
    assert!(seen["script"][0].as_str().unwrap().contains("no-language"));
    assert_eq!(seen["stopped"], true);
    assert_eq!(seen["refused"], "AuthenticationError");
    assert_eq!(server.open_shells(), 0);
    server.stop().await;
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let organisation = Arc::new(Organisation::new(1, 1, "Contoso", "contoso.example"));
    let mut options = SimOptions::new("svc", "s3cret");
    options.listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = SimServer::start(organisation, options, Arc::new(SeededEntropy::new(1))).await;
    assert!(matches!(refused, Err(SimError::NotLoopback(_))));
}

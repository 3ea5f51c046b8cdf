//! The keyring's file.

use std::{fs, path::Path, time::Duration};

use exconn_model::Timestamp;
use exconn_server::auth::{
    IssueError, Keyring, KeyringError, Permission, TokenKind, TokenRequest, issue_token,
};
use exconn_testkit::SeededEntropy;
use uuid::Uuid;

fn open_or_create(folder: &Path) -> Result<Keyring, KeyringError> {
    Keyring::open_or_create(folder, &SeededEntropy::new(9))
}

#[test]
fn a_keyring_is_made_once_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let made = open_or_create(folder.path()).unwrap();
    let opened = open_or_create(folder.path()).unwrap();
    assert_eq!(made.tenant(), opened.tenant());
    assert_eq!(made.paging_secret(), opened.paging_secret());
    assert_eq!(made.tenant().0.get_version_num(), 4);
    assert_eq!(made.issuer(), format!("urn:exconn:{}", made.tenant()));
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["keyring.json"]);
}

#[test]
fn many_at_once_agree_on_one_keyring() {
    let folder = tempfile::tempdir().unwrap();
    let entropy = SeededEntropy::new(9);
    let tenants: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Keyring::open_or_create(folder.path(), &entropy).unwrap().tenant()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(tenants.iter().all(|tenant| *tenant == tenants[0]), "{tenants:?}");
}

#[test]
fn nothing_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = open_or_create(folder.path()).unwrap();
    let file: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("keyring.json")).unwrap()).unwrap();
    let shown = format!("{keyring:?}");
    for name in ["privateKey", "pagingSecret"] {
        assert!(!shown.contains(file[name].as_str().unwrap()), "{shown}");
    }
}

#[cfg(unix)]
#[test]
fn a_keyring_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    open_or_create(folder.path()).unwrap();
    let path = folder.path().join("keyring.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open_or_create(folder.path()), Err(KeyringError::Exposed { .. })));
}

#[test]
fn damage_is_reported_and_never_repaired_by_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    open_or_create(folder.path()).unwrap();
    let path = folder.path().join("keyring.json");
    let whole = fs::read_to_string(&path).unwrap();
    for damaged in ["", "{}", &whole[..whole.len() / 2], &whole.replace("\"format\": 1", "\"format\": 2")] {
        fs::write(&path, damaged).unwrap();
        let error = open_or_create(folder.path()).unwrap_err();
        assert!(matches!(error, KeyringError::Malformed { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
}

#[test]
fn a_missing_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_or_create(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error, KeyringError::Io { .. }), "{error}");
}

#[test]
fn senseless_tokens_are_not_issued() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = open_or_create(folder.path()).unwrap();
    let good = TokenRequest {
        permissions: &[Permission::ServiceConfigRead],
        kind: TokenKind::Application,
        subject: "script",
        lifetime: Duration::from_secs(60),
        now: Timestamp::from_unix_seconds(0),
        id: Uuid::nil(),
    };
    assert_eq!(issue_token(&keyring, &good).unwrap().split('.').count(), 3);
    let refused = |request: TokenRequest<'_>| issue_token(&keyring, &request).unwrap_err();
    assert!(matches!(refused(TokenRequest { permissions: &[], ..good }), IssueError::NoPermission));
    assert!(matches!(refused(TokenRequest { subject: "", ..good }), IssueError::Subject));
    for lifetime in [Duration::ZERO, Duration::from_secs(366 * 24 * 3600)] {
        assert!(matches!(refused(TokenRequest { lifetime, ..good }), IssueError::Lifetime));
    }
    let error = "DeviceManagementServiceConfig.Read".parse::<Permission>().unwrap_err();
    assert!(error.to_string().contains("DeviceManagementServiceConfig.Read.All"), "{error}");
}

use std::{sync::Arc, time::Duration};

use exconn_model::{
    Application, ApplicationChange, ApplicationId, Credential, CredentialId, CredentialKey, MAX_CREDENTIALS,
    SecretDigest,
};

use super::world::{STRANGER, TENANT, World};
use crate::{Store, StoreError};

fn secret(world: &mut World, lives: u64) -> Credential {
    let id = world.id();
    let digest = SecretDigest { salt: [7; 16], hash: [id.as_bytes()[15]; 32] };
    Credential {
        id: CredentialId(id),
        created: world.now(),
        expires: world.now().after(Duration::from_secs(lives)),
        key: CredentialKey::Secret { digest, hint: "abc".into() },
    }
}

async fn registered(world: &mut World, name: &str) -> Application {
    let credential = secret(world, 1000);
    let application = Application {
        id: ApplicationId(world.id()),
        tenant: TENANT,
        display_name: name.to_owned(),
        permissions: vec!["A.Read.All".into(), "B.ReadWrite.All".into()],
        created: world.now(),
        credentials: vec![credential],
    };
    let entry = world.entry("createApplication");
    world.store.create_application(application.clone(), entry).await.unwrap();
    application
}

pub(super) async fn are_registered_changed_and_removed(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let second = registered(&mut world, "second").await;
    let first = registered(&mut world, "first").await;
    assert_eq!(store.application(TENANT, first.id).await.unwrap(), first);
    assert_eq!(store.applications(TENANT).await.unwrap(), [first.clone(), second.clone()]);

    let change = ApplicationChange { permissions: Some(Vec::new()), ..ApplicationChange::default() };
    let entry = world.entry("updateApplication");
    let changed = store.update_application(TENANT, first.id, change, entry).await.unwrap();
    assert_eq!(changed, Application { permissions: Vec::new(), ..first.clone() });
    let change = ApplicationChange { display_name: Some("third".into()), ..ApplicationChange::default() };
    let entry = world.entry("updateApplication");
    let changed = store.update_application(TENANT, first.id, change, entry).await.unwrap();
    assert_eq!((changed.display_name.as_str(), changed.permissions.len()), ("third", 0));

    let entry = world.entry("deleteApplication");
    store.delete_application(TENANT, first.id, entry.clone()).await.unwrap();
    assert!(matches!(store.application(TENANT, first.id).await, Err(StoreError::NotFound)));
    let again = store.delete_application(TENANT, first.id, entry).await;
    assert!(matches!(again, Err(StoreError::NotFound)));
    assert_eq!(store.applications(TENANT).await.unwrap(), [second]);
}

pub(super) async fn belong_to_one_tenant(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = registered(&mut world, "a").await.id;
    assert!(store.applications(STRANGER).await.unwrap().is_empty());
    assert!(matches!(store.application(STRANGER, id).await, Err(StoreError::NotFound)));
    let entry = world.entry("x");
    let changed = store.update_application(STRANGER, id, ApplicationChange::default(), entry.clone()).await;
    assert!(matches!(changed, Err(StoreError::NotFound)));
    let credential = secret(&mut world, 10);
    let added = store.add_credential(STRANGER, id, credential, None, world.now(), entry.clone()).await;
    assert!(matches!(added, Err(StoreError::NotFound)));
    assert!(matches!(store.delete_application(STRANGER, id, entry).await, Err(StoreError::NotFound)));
}

pub(super) async fn hand_over_from_credential_to_credential(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let application = registered(&mut world, "a").await;
    let old = application.credentials[0].clone();
    let new = secret(&mut world, 5000);
    let overlap = world.now().after(Duration::from_secs(60));
    let (now, entry) = (world.now(), world.entry("rotateApplication"));
    let both =
        store.add_credential(TENANT, application.id, new.clone(), Some(overlap), now, entry).await.unwrap();
    assert_eq!(both.credentials, [Credential { expires: overlap, ..old }, new.clone()]);

    let certificate = Credential {
        id: CredentialId(world.id()),
        key: CredentialKey::Certificate(vec![0x30, 0, 1, 2]),
        ..new.clone()
    };
    let (now, entry) = (world.later(60), world.entry("rotateApplication"));
    let later =
        store.add_credential(TENANT, application.id, certificate.clone(), None, now, entry).await.unwrap();
    assert_eq!(later.credentials, [new, certificate], "what has ended goes, the rest stays");

    for number in later.credentials.len()..=MAX_CREDENTIALS {
        let (one, entry) = (secret(&mut world, 10), world.entry("rotateApplication"));
        let added = store.add_credential(TENANT, application.id, one, None, now, entry).await;
        assert_eq!(added.is_ok(), number < MAX_CREDENTIALS, "{added:?}");
        assert!(added.is_ok() || matches!(added, Err(StoreError::TooMany(_))));
    }
    let kept = store.application(TENANT, application.id).await.unwrap().credentials;
    assert_eq!(kept.len(), MAX_CREDENTIALS);
    let (last, entry) = (secret(&mut world, 10), world.entry("rotateApplication"));
    let only =
        store.add_credential(TENANT, application.id, last.clone(), Some(now), now, entry).await.unwrap();
    assert_eq!(only.credentials, [last]);
}

use std::sync::Arc;

use exconn_model::{
    AUDIT_ENTRY, AuditActor, AuditEntry, AuditOutcome, ConnectorChange, ConnectorDraft, ConnectorId,
    ConnectorType, GraphEnum, RunId, SyncType,
    schema::{Entity, Value},
};
use exconn_odata::query::{After, Comparison, Expression, OrderBy, Query};
use uuid::Uuid;

use super::world::{STRANGER, TENANT, World};
use crate::{ConnectionIdentity, Store, SyncRequest};

/// All actions, the oldest first.
async fn actions(store: &dyn Store) -> Vec<String> {
    let query =
        Query { order: vec![OrderBy { property: 1, descending: false }], limit: 100, ..Query::default() };
    let page = store.audit(TENANT, &query).await.unwrap();
    page.items.into_iter().filter_map(|entry| entry.action).collect()
}

pub(super) async fn tells_every_change_and_no_failed_one(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let made = world.create(ConnectorDraft::default()).await;
    world.later(1);
    let change = ConnectorChange { version: Some(None), ..ConnectorChange::default() };
    let entry = world.entry("late");
    let late = store.update_connector(TENANT, made.id, change.clone(), Some(made.revision + 1), entry).await;
    assert!(late.is_err());
    let entry = world.entry("update");
    store.update_connector(TENANT, made.id, change, None, entry).await.unwrap();
    world.later(1);
    world.request(made.id, SyncType::Full).await;
    world.later(1);
    let scheduled = RunId(world.id());
    let scheduled = SyncRequest { kind: SyncType::Delta, run: scheduled, expected: None, now: world.now() };
    store.request_sync(TENANT, made.id, scheduled, None).await.unwrap();
    let nobodys = ConnectorId(world.id());
    for (id, action) in [(nobodys, "of nothing"), (made.id, "delete")] {
        let entry = world.entry(action);
        let deleted = store.delete_connector(TENANT, id, None, world.now(), entry).await;
        assert_eq!(deleted.is_ok(), id == made.id);
    }
    world.later(1);
    let connection = ConnectionIdentity {
        name: "contoso".into(),
        server: None,
        connector_type: ConnectorType::OnPremises,
        primary_smtp_address: None,
        fingerprint: "1".into(),
    };
    for action in ["bind", "bind again"] {
        let (id, run, entry) = (ConnectorId(world.id()), RunId(world.id()), world.entry(action));
        store.bind(TENANT, &connection, id, run, world.now(), entry).await.unwrap();
    }
    let wanted = ["createConnector", "update", "syncConnector", "delete", "bind"];
    assert_eq!(actions(&*store).await, wanted);
}

pub(super) async fn is_listed_filtered_and_counted(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let full = AuditEntry {
        actor: AuditActor::User,
        subject: Some("s".into()),
        subject_name: Some("ann@contoso.com".into()),
        application: Some("a".into()),
        method: Some("DELETE".into()),
        resource: Some("/v1.0".into()),
        created: Some(Uuid::from_u128(5)),
        outcome: AuditOutcome::Refused,
        status: Some(403),
        detail: Some("Forbidden".into()),
        address: Some("127.0.0.1".into()),
        request_id: Some(Uuid::from_u128(6)),
        client_request_id: Some("c".into()),
        ..world.entry("deleteConnector")
    };
    let mut written = vec![full.clone()];
    for number in 0..24 {
        if number % 3 == 0 {
            world.later(1);
        }
        written.push(world.entry("signIn"));
    }
    store.record(written.clone()).await.unwrap();
    store.record(Vec::new()).await.unwrap();

    let outcome = AUDIT_ENTRY.position("outcome").unwrap();
    let status = AUDIT_ENTRY.position("status").unwrap();
    let refused = Value::Enum(AuditOutcome::TYPE, AuditOutcome::Refused.number());
    for (property, value) in [(outcome, refused), (status, Value::Int32(403))] {
        let filter = Expression::compare(Expression::Property(property), Comparison::Equal, value.into());
        let query = Query { filter: Some(filter.clone()), limit: 10, ..Query::default() };
        assert_eq!(store.audit(TENANT, &query).await.unwrap().items, std::slice::from_ref(&full));
        assert_eq!(store.count_audit(TENANT, Some(&filter)).await.unwrap(), 1);
    }
    assert_eq!(store.count_audit(TENANT, None).await.unwrap(), 25);
    assert_eq!(store.count_audit(STRANGER, None).await.unwrap(), 0);

    written.sort_by(|a, b| b.at.cmp(&a.at).then(b.id.cmp(&a.id)));
    let order = vec![OrderBy { property: 1, descending: true }];
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let query = Query { order: order.clone(), limit: 4, after, ..Query::default() };
        let page = store.audit(TENANT, &query).await.unwrap();
        let last = page.items.last().unwrap();
        after = Some(After { keys: vec![last.value(1).into_owned()], id: last.id.to_string() });
        paged.extend(page.items.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, written);
}

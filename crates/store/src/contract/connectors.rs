use std::{collections::BTreeSet, sync::Arc};

use exconn_model::{
    CONNECTOR, ConnectorChange, ConnectorDraft, ConnectorId, ConnectorStatus, ConnectorType, RunId, RunState,
    SyncType, Timestamp,
    schema::{Entity, Value},
};
use exconn_odata::query::{After, Comparison, Expression, OrderBy, Query};
use uuid::Uuid;

use super::world::{STRANGER, TENANT, World};
use crate::{Binding, ConnectionIdentity, Store, StoreError, SyncRequest};

fn named(name: &str) -> ConnectorDraft {
    ConnectorDraft { server_name: Some(name.to_owned()), ..ConnectorDraft::default() }
}

pub(super) async fn live_and_die(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let last_sync = Timestamp::parse("2017-01-01T00:02:49.3205976-08:00").unwrap();
    let draft = ConnectorDraft {
        last_sync,
        connector_type: ConnectorType::Dedicated,
        status: ConnectorStatus::Disconnected,
        ..named("a")
    };
    let made = world.create(draft.clone()).await;
    assert_eq!(ConnectorDraft::from(made.clone()), draft);
    assert_eq!(store.connector(TENANT, made.id).await.unwrap(), made);
    let runs = store.runs(TENANT, made.id, 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].state), (1, RunState::Queued), "its first sync is queued with it");

    let change = ConnectorChange {
        server_name: Some(None),
        version: Some(Some("7".into())),
        status: Some(ConnectorStatus::Connected),
        ..ConnectorChange::default()
    };
    let changed = store
        .update_connector(
            TENANT,
            made.id,
            change.clone(),
            Some(made.revision),
            world.entry("updateConnector"),
        )
        .await
        .unwrap();
    assert_eq!((changed.server_name.as_deref(), changed.version.as_deref()), (None, Some("7")));
    assert_eq!((changed.last_sync, changed.connector_type), (last_sync, ConnectorType::Dedicated));
    assert_ne!(changed.revision, made.revision);
    let late = store
        .update_connector(TENANT, made.id, change, Some(made.revision), world.entry("updateConnector"))
        .await;
    assert!(matches!(late, Err(StoreError::RevisionMismatch)));
    let late = store
        .delete_connector(TENANT, made.id, Some(made.revision), world.now(), world.entry("deleteConnector"))
        .await;
    assert!(matches!(late, Err(StoreError::RevisionMismatch)));
    let mut request = SyncRequest {
        kind: SyncType::Delta,
        run: RunId(world.id()),
        expected: Some(made.revision),
        now: world.now(),
    };
    let late = store.request_sync(TENANT, made.id, request, Some(world.entry("syncConnector"))).await;
    assert!(matches!(late, Err(StoreError::RevisionMismatch)));
    assert_eq!(store.runs(TENANT, made.id, 10).await.unwrap(), runs);
    request.expected = Some(changed.revision);
    store.request_sync(TENANT, made.id, request, Some(world.entry("syncConnector"))).await.unwrap();
    store
        .delete_connector(
            TENANT,
            made.id,
            Some(changed.revision),
            world.now(),
            world.entry("deleteConnector"),
        )
        .await
        .unwrap();
    assert!(matches!(store.connector(TENANT, made.id).await, Err(StoreError::NotFound)));
    let again =
        store.delete_connector(TENANT, made.id, None, world.now(), world.entry("deleteConnector")).await;
    assert!(matches!(again, Err(StoreError::NotFound)));
}

pub(super) async fn are_listed_filtered_and_counted(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    for number in 0..25 {
        let name = (number % 4 != 0).then(|| format!("s{}", number % 5));
        world.create(ConnectorDraft { server_name: name, ..ConnectorDraft::default() }).await;
    }
    let server = CONNECTOR.position("serverName").unwrap();
    let is_s1 =
        Expression::compare(Expression::Property(server), Comparison::Equal, Value::Text("s1".into()).into());
    let query = Query { filter: Some(is_s1.clone()), limit: 100, ..Query::default() };
    let found = store.connectors(TENANT, &query).await.unwrap();
    assert!(!found.more && found.items.iter().all(|c| c.server_name.as_deref() == Some("s1")));
    assert_eq!(store.count_connectors(TENANT, Some(&is_s1)).await.unwrap(), found.items.len() as u64);
    assert_eq!(store.count_connectors(TENANT, None).await.unwrap(), 25);

    for descending in [false, true] {
        let order = vec![OrderBy { property: server, descending }];
        let query = Query { order: order.clone(), limit: 100, ..Query::default() };
        let all = store.connectors(TENANT, &query).await.unwrap().items;
        let key = |c: &exconn_model::Connector| c.server_name.clone();
        let in_order = all.windows(2).all(|pair| {
            let (a, b) = (key(&pair[0]), key(&pair[1]));
            let (first, second) = ((a, pair[0].id), (b, pair[1].id));
            if descending { first > second } else { first < second }
        });
        assert!(in_order, "null is least, and ids break ties in the order's direction");
        let skipped = Query { order: order.clone(), skip: 20, limit: 3, ..Query::default() };
        let page = store.connectors(TENANT, &skipped).await.unwrap();
        assert!(page.more && page.items == all[20..23]);
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let query = Query { order: order.clone(), limit: 4, after, ..Query::default() };
            let page = store.connectors(TENANT, &query).await.unwrap();
            let last = page.items.last().unwrap();
            let id = last.id.to_string();
            after = Some(After { keys: vec![last.value(server).into_owned()], id });
            paged.extend(page.items.clone());
            if !page.more {
                break;
            }
        }
        assert_eq!(paged, all, "pages are the whole list");
    }
    let nothing = Query { limit: 0, ..Query::default() };
    let page = store.connectors(TENANT, &nothing).await.unwrap();
    assert!(page.items.is_empty() && page.more);
}

pub(super) async fn belong_to_one_tenant(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.create(named("a")).await.id;
    let run = store.runs(TENANT, id, 1).await.unwrap()[0].id;
    let query = Query { limit: 10, ..Query::default() };
    let now = world.now();
    assert!(matches!(store.connector(STRANGER, id).await, Err(StoreError::NotFound)));
    assert!(store.connectors(STRANGER, &query).await.unwrap().items.is_empty());
    assert_eq!(store.count_connectors(STRANGER, None).await.unwrap(), 0);
    let change = ConnectorChange { version: Some(None), ..ConnectorChange::default() };
    assert!(matches!(
        store.update_connector(STRANGER, id, change, None, world.entry("updateConnector")).await,
        Err(StoreError::NotFound)
    ));
    assert!(matches!(
        store.delete_connector(STRANGER, id, None, now, world.entry("deleteConnector")).await,
        Err(StoreError::NotFound)
    ));
    let new = RunId(world.id());
    let request = SyncRequest { kind: SyncType::Full, run: new, expected: None, now };
    let asked = store.request_sync(STRANGER, id, request, None).await;
    assert!(matches!(asked, Err(StoreError::NotFound)));
    assert!(matches!(store.runs(STRANGER, id, 1).await, Err(StoreError::NotFound)));
    assert!(matches!(store.run(STRANGER, run).await, Err(StoreError::NotFound)));
    assert!(matches!(store.sync_history(STRANGER, id).await, Err(StoreError::NotFound)));
    assert_eq!(store.lease_run(STRANGER, id, "x", now, now, 1).await.unwrap(), None);
    assert_eq!(store.count_devices(STRANGER, None).await.unwrap(), 0);
    assert_eq!(store.device_overview(STRANGER).await.unwrap().total(), 0);
}

pub(super) async fn are_bound_released_and_bound_again(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let identity = |fingerprint: &str| ConnectionIdentity {
        name: "contoso".into(),
        server: Some("ex01".into()),
        connector_type: ConnectorType::Hosted,
        primary_smtp_address: Some("admin@contoso.com".into()),
        fingerprint: fingerprint.into(),
    };
    async fn bind(world: &mut World, identity: &ConnectionIdentity) -> Binding {
        let (id, run, now) = (ConnectorId(world.id()), RunId(world.id()), world.now());
        let entry = world.entry("bound");
        world.store.bind(TENANT, identity, id, run, now, entry).await.unwrap()
    }
    let Binding::Created(first) = bind(&mut world, &identity("1")).await else { panic!("nothing was there") };
    let connector = store.connector(TENANT, first).await.unwrap();
    assert_eq!(connector.exchange_alias.as_deref(), Some("contoso"));
    assert_eq!(connector.primary_smtp_address.as_deref(), Some("admin@contoso.com"));
    assert_eq!(
        (connector.server_name.as_deref(), connector.connector_type),
        (Some("ex01"), ConnectorType::Hosted)
    );
    assert_eq!(bind(&mut world, &identity("1")).await, Binding::Bound(first));
    assert_eq!(bind(&mut world, &identity("2")).await, Binding::Bound(first));
    let (smallest, run, now) = (ConnectorId(Uuid::nil()), RunId(world.id()), world.now());
    let namesake = ConnectorDraft { exchange_alias: Some("contoso".into()), ..ConnectorDraft::default() };
    let entry = world.entry("createConnector");
    store.create_connector(TENANT, smallest, namesake, run, now, entry).await.unwrap();
    for fingerprint in ["2", "1", "2"] {
        let stays = bind(&mut world, &identity(fingerprint)).await;
        assert_eq!(stays, Binding::Bound(first), "a namesake takes nothing over");
    }
    store.delete_connector(TENANT, smallest, None, now, world.entry("deleteConnector")).await.unwrap();
    store.delete_connector(TENANT, first, None, world.now(), world.entry("deleteConnector")).await.unwrap();
    assert_eq!(bind(&mut world, &identity("2")).await, Binding::Released);
    let by_server = world.create(named("ex01")).await.id;
    assert_eq!(bind(&mut world, &identity("2")).await, Binding::Bound(by_server));
    let alias = ConnectorDraft { exchange_alias: Some("contoso".into()), ..ConnectorDraft::default() };
    let by_alias = world.create(alias).await.id;
    assert_eq!(bind(&mut world, &identity("2")).await, Binding::Bound(by_alias), "the alias counts first");
    for id in [by_server, by_alias] {
        store.delete_connector(TENANT, id, None, world.now(), world.entry("deleteConnector")).await.unwrap();
    }
    assert_eq!(bind(&mut world, &identity("2")).await, Binding::Released);
    assert!(
        matches!(bind(&mut world, &identity("3")).await, Binding::Created(_)),
        "a changed configuration asks anew"
    );
}

pub(super) async fn pages_are_complete_while_rows_come_and_go(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let mut stays = BTreeSet::new();
    let mut goes = Vec::new();
    for number in 0..40 {
        let id = world.create(named(&format!("n{}", number % 7))).await.id;
        if number % 3 == 0 {
            goes.push(id);
        } else {
            stays.insert(id);
        }
    }
    let server = CONNECTOR.position("serverName").unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let order = vec![OrderBy { property: server, descending: true }];
        let query = Query { order, limit: 5, after, ..Query::default() };
        let page = store.connectors(TENANT, &query).await.unwrap();
        let Some(last) = page.items.last() else { break };
        after = Some(After { keys: vec![last.value(server).into_owned()], id: last.id.to_string() });
        seen.extend(page.items.iter().map(|connector| connector.id));
        world.create(named(&format!("n{}", seen.len() % 9))).await;
        if let Some(id) = goes.pop() {
            store
                .delete_connector(TENANT, id, None, world.now(), world.entry("deleteConnector"))
                .await
                .unwrap();
        }
        if !page.more || seen.len() > 500 {
            break;
        }
    }
    let once: BTreeSet<ConnectorId> = seen.iter().copied().collect();
    assert_eq!(once.len(), seen.len(), "none comes twice");
    assert!(stays.is_subset(&once), "none that stayed is missing");
}

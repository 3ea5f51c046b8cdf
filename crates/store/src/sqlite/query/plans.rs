//! The promised shapes of queries are found by an index, whatever stands in the way.

use std::path::Path;

use exconn_model::{MANAGED_DEVICE, TenantId, Timestamp, schema::Value};
use exconn_odata::{
    filter::{self, Context},
    options::{self, Purpose},
    query::{After, Query},
};
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::{order, page};
use crate::sqlite::{SqliteOptions, bulk, devices, in_transaction, open, statistics};

const CONTEXT: Context = Context { now: Timestamp::UNSET, unknown_members: false };

fn database(folder: &Path) -> Connection {
    let options = SqliteOptions::default();
    let mut writer = open::writer(folder, &options).unwrap();
    // As the first sync does.
    in_transaction(&mut writer, |tx| {
        let aside = bulk::put_indexes_aside(tx)?;
        bulk::put_indexes_back(tx, aside)
    })
    .unwrap();
    drop(writer);
    open::reader(folder, &options).unwrap()
}

fn query(filter: Option<&str>, order: &str, after: Option<Value<'static>>) -> Query {
    let given = format!("$orderby={order}");
    let options = options::parse(Some(&given), Purpose::List(CONTEXT), &MANAGED_DEVICE).unwrap();
    let filter = filter.map(|text| filter::parse(text, &MANAGED_DEVICE, CONTEXT, &[]).unwrap().filter);
    let keys = options.order.iter().filter_map(|_| after.clone()).collect();
    let after = after.is_some().then(|| After { keys, id: "id".to_owned() });
    Query { filter, order: options.order, limit: 20, after, skip: 0 }
}

/// SQLite's plans for the statements of a query.
fn plans(connection: &Connection, query: &Query) -> Vec<String> {
    let sql = devices::listing(TenantId(Uuid::nil()));
    let stretches = order::stretches(&sql, query);
    let plan = |stretch| {
        let statement = order::statement(&sql, query, stretch, 21);
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text)).unwrap();
        let rows = explained.query_map(params_from_iter(&statement.parameters), |row| row.get(3)).unwrap();
        rows.collect::<Result<Vec<String>, _>>().unwrap().join("; ")
    };
    stretches.iter().map(plan).collect()
}

#[test]
fn promised_queries_are_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path());
    let text = || Some(Value::Text("a".into()));
    let moment = || Some(Value::Timestamp(Timestamp::UNSET));
    let first = |index: &str| vec![format!("{index} (tenant_id=?)")];
    for (filter, order, after, plans_wanted) in [
        (None, "id", None, first("device_by_id")),
        (None, "id", text(), vec!["device_by_id (tenant_id=? AND id>?)".to_owned()]),
        (None, "id desc", text(), vec!["device_by_id (tenant_id=? AND id<?)".to_owned()]),
        (None, "deviceName", None, first("device_by_name")),
        (
            None,
            "deviceName",
            text(),
            vec!["device_by_name (tenant_id=? AND (graph_name,id)>(?,?))".to_owned()],
        ),
        (
            None,
            "deviceName desc",
            text(),
            vec![
                "device_by_name (tenant_id=? AND (graph_name,id)<(?,?))".to_owned(),
                "device_by_name (tenant_id=? AND graph_name=?)".to_owned(),
            ],
        ),
        (
            None,
            "deviceName",
            Some(Value::Null),
            vec![
                "device_by_name (tenant_id=? AND graph_name=? AND id>?)".to_owned(),
                "device_by_name (tenant_id=? AND graph_name>?)".to_owned(),
            ],
        ),
        (
            None,
            "easActivationDateTime desc",
            moment(),
            vec!["device_by_activation (tenant_id=? AND (graph_activation,id)<(?,?))".to_owned()],
        ),
        (
            Some("easActivationDateTime gt 2026-01-01T00:00:00Z"),
            "easActivationDateTime",
            None,
            vec!["device_by_activation (tenant_id=? AND graph_activation>?)".to_owned()],
        ),
        (
            Some("easDeviceId eq 'x'"),
            "id",
            None,
            vec!["device_by_device_id (tenant_id=? AND device_id=?)".to_owned()],
        ),
        (
            Some("easDeviceId eq 'x'"),
            "deviceName",
            None,
            vec![
                "device_by_device_id (tenant_id=? AND device_id=?); USE TEMP B-TREE FOR ORDER BY".to_owned(),
            ],
        ),
        (
            Some("userPrincipalName eq 'ann@contoso.com'"),
            "id",
            None,
            vec!["device_by_principal (user_principal_name=?); USE TEMP B-TREE FOR ORDER BY".to_owned()],
        ),
        (
            Some("emailAddress eq 'ann@contoso.com' and exchangeAccessState eq 'blocked'"),
            "deviceName",
            None,
            vec!["device_by_address (email_address=?); USE TEMP B-TREE FOR ORDER BY".to_owned()],
        ),
        (
            Some("startswith(userDisplayName,'Lee')"),
            "userDisplayName",
            None,
            vec!["device_by_user (tenant_id=? AND graph_user>? AND graph_user<?)".to_owned()],
        ),
        (
            Some("exchangeAccessState eq 'blocked'"),
            "id",
            text(),
            vec!["device_by_access_state (tenant_id=? AND graph_access_state=? AND id>?)".to_owned()],
        ),
        (
            Some("exchangeAccessState eq 'blocked' and contains(model,'x')"),
            "deviceName",
            None,
            vec!["device_by_access_state_and_name (tenant_id=? AND graph_access_state=?)".to_owned()],
        ),
        (
            Some("exchangeAccessState eq 'blocked' and deviceName ge 'b'"),
            "deviceName",
            None,
            vec![
                "device_by_access_state_and_name (tenant_id=? AND graph_access_state=? AND graph_name>?)"
                    .to_owned(),
            ],
        ),
        // A property that is the same for all devices decides no order.
        (None, "managementAgent desc,easActivated", None, first("device_by_id")),
    ] {
        let wanted: Vec<String> =
            plans_wanted.into_iter().map(|plan| format!("SEARCH device USING INDEX {plan}")).collect();
        assert_eq!(plans(&connection, &query(filter, order, after)), wanted, "{filter:?} by {order}");
    }
}

#[test]
fn due_statistics_are_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path());
    let plan: Vec<String> = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {}", statistics::DUE))
        .and_then(|mut explained| explained.query_map(("id", 5, 64), |row| row.get(3))?.collect())
        .unwrap();
    assert_eq!(plan, ["SEARCH device USING INDEX device_by_statistics_due (<expr>=? AND statistics_due<?)"]);
}

#[test]
fn every_property_can_be_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path());
    for property in MANAGED_DEVICE.properties {
        for direction in ["asc", "desc"] {
            for after in [None, Some(Value::Null)] {
                let query = query(None, &format!("{} {direction}", property.name), after);
                let sql = devices::listing(TenantId(Uuid::nil()));
                assert!(page(&connection, &sql, &query, |_| Ok(())).is_ok(), "{}", property.name);
            }
        }
    }
}

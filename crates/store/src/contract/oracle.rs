//! What filters and orders mean, told a second time without SQL.

use std::{cmp::Ordering, sync::Arc};

use exconn_model::{
    Connector, ConnectorDraft, ConnectorStatus,
    schema::{Entity, Value},
};
use exconn_odata::query::{After, Comparison, Filter, Operand, OrderBy, Query, TextTest};

use super::world::{TENANT, World};
use crate::Store;

/// Connectors by server name, alias and status, a filter over them, and an order.
#[derive(Clone, Debug)]
pub struct OracleCase {
    /// `serverName`, `exchangeAlias` and the number of the status of each connector.
    pub rows: Vec<(Option<String>, Option<String>, ConnectorStatus)>,
    /// What they are asked for.
    pub filter: Filter,
    /// In which order.
    pub order: Vec<OrderBy>,
}

/// The store and the evaluator find the same connectors in the same order, page by page.
pub async fn filters_agree_with_their_meaning(store: Arc<dyn Store>, case: OracleCase) {
    let mut world = World::on(store.clone());
    let mut all = Vec::new();
    for (server_name, exchange_alias, status) in &case.rows {
        let draft = ConnectorDraft {
            server_name: server_name.clone(),
            exchange_alias: exchange_alias.clone(),
            status: *status,
            ..ConnectorDraft::default()
        };
        all.push(world.create(draft).await);
    }
    let mut wanted: Vec<Connector> =
        all.into_iter().filter(|row| holds(&case.filter, row) == Some(true)).collect();
    wanted.sort_by(|a, b| in_order(&case.order, a, b));
    let count = store.count_connectors(TENANT, Some(&case.filter)).await.unwrap();
    assert_eq!(count, wanted.len() as u64, "{case:?}");
    let mut found: Vec<Connector> = Vec::new();
    let mut after = None;
    loop {
        let query = Query {
            filter: Some(case.filter.clone()),
            order: case.order.clone(),
            limit: 3,
            after,
            ..Query::default()
        };
        let page = store.connectors(TENANT, &query).await.unwrap();
        let Some(last) = page.items.last() else { break };
        let keys = case.order.iter().map(|by| last.value(by.property).into_owned()).collect();
        after = Some(After { keys, id: last.id.to_string() });
        found.extend(page.items);
        if !page.more {
            break;
        }
    }
    assert_eq!(found, wanted, "{case:?}");
}

fn in_order(order: &[OrderBy], a: &Connector, b: &Connector) -> Ordering {
    for by in order {
        let ordering = compare(&a.value(by.property), &b.value(by.property));
        let ordering = if by.descending { ordering.reverse() } else { ordering };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    a.id.cmp(&b.id)
}

/// Null is less than every value.
fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Enum(_, a), Value::Enum(_, b)) | (Value::Int32(a), Value::Int32(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        _ => panic!("values of two types are compared"),
    }
}

/// Three-valued: `None` is neither true nor false.
fn holds(filter: &Filter, row: &Connector) -> Option<bool> {
    let of = |operand: &Operand| match operand {
        Operand::Property(position) => row.value(*position).into_owned(),
        Operand::Literal(value) => value.clone(),
    };
    match filter {
        Filter::And(a, b) => match (holds(a, row), holds(b, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Filter::Or(a, b) => match (holds(a, row), holds(b, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Filter::Not(inner) => holds(inner, row).map(|value| !value),
        Filter::Compare(a, comparison, b) => {
            let (a, b) = (of(a), of(b));
            let both = !matches!(a, Value::Null) && !matches!(b, Value::Null);
            let ordering = compare(&a, &b);
            let equal = ordering == Ordering::Equal;
            Some(match comparison {
                Comparison::Equal => equal,
                Comparison::NotEqual => !equal,
                Comparison::Less => both && ordering == Ordering::Less,
                Comparison::Greater => both && ordering == Ordering::Greater,
                Comparison::LessOrEqual => equal || both && ordering == Ordering::Less,
                Comparison::GreaterOrEqual => equal || both && ordering == Ordering::Greater,
            })
        }
        Filter::In(operand, values) => {
            let value = of(operand);
            Some(values.iter().any(|one| compare(one, &value) == Ordering::Equal))
        }
        Filter::Text(test, text, sought) => match (of(text), of(sought)) {
            (Value::Text(text), Value::Text(sought)) => Some(match test {
                TextTest::Contains => text.contains(&*sought),
                TextTest::StartsWith => text.starts_with(&*sought),
                TextTest::EndsWith => text.ends_with(&*sought),
            }),
            _ => None,
        },
        Filter::Truth(operand) => match of(operand) {
            Value::Boolean(value) => Some(value),
            _ => None,
        },
    }
}

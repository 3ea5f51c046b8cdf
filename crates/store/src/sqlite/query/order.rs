//! Orders, and the rows behind a place in one.
//!
//! Rows behind a place are a few stretches of the order, each with an equality or a bound of its own: the index leads
//! straight to its beginning, wherever that is. One condition that joins them with `OR` would be read from the start of
//! the index each time.

use exconn_odata::query::{OrderBy, Query, Scalar};
use rusqlite::types::Value as SqlValue;

use super::{Column, Sql};

/// A condition on the keys of an order; rows of earlier stretches come before those of later ones.
#[derive(Clone, Debug)]
pub(super) struct Stretch(Vec<Bound>);

#[derive(Clone, Debug)]
enum Bound {
    /// Equal to the key; null equals null.
    At(Column, Scalar),
    /// Behind the key, which is not null; null is not behind.
    Behind(Column, bool, Scalar),
    /// Behind the key, or at it with an id behind this one; the key is not null.
    BehindBoth { column: Column, id: Column, descending: bool, keys: (Scalar, Scalar) },
    /// Not null.
    Known(Column),
    /// Behind all keys in an order that no index gives.
    Anywhere(Vec<(Column, bool, Scalar)>),
}

/// The stretches that hold what a query wants, in its order. There is at least one.
pub(super) fn stretches(sql: &Sql, query: &Query) -> Vec<Stretch> {
    let Some(after) = &query.after else { return vec![Stretch(Vec::new())] };
    let values = after.keys.iter().map(|key| Scalar::from(key.clone()));
    let values = values.take(query.order.len()).chain([Scalar::text(after.id.clone())]);
    let keys: Vec<(Column, bool, Scalar)> = query
        .whole_order()
        .into_iter()
        .zip(values)
        .map(|(OrderBy { property, descending }, value)| (sql.column(property), descending, value))
        .filter(|(column, ..)| !column.constant)
        .collect();
    match keys.as_slice() {
        [(id, descending, key)] => vec![Stretch(vec![Bound::Behind(*id, *descending, key.clone())])],
        [(column, descending, Scalar::Null), (id, id_descending, last)]
            if column.indexed && id_descending == descending =>
        {
            let null = Bound::At(*column, Scalar::Null);
            let mut stretches = vec![Stretch(vec![null, Bound::Behind(*id, *descending, last.clone())])];
            stretches.extend((!descending).then(|| Stretch(vec![Bound::Known(*column)])));
            stretches
        }
        [(column, descending, key), (id, id_descending, last)]
            if column.indexed && id_descending == descending =>
        {
            let keys = (key.clone(), last.clone());
            let behind = Bound::BehindBoth { column: *column, id: *id, descending: *descending, keys };
            let nulls = *descending && column.nullable;
            let nulls = nulls.then(|| Stretch(vec![Bound::At(*column, Scalar::Null)]));
            [Stretch(vec![behind])].into_iter().chain(nulls).collect()
        }
        _ => vec![Stretch(vec![Bound::Anywhere(keys)])],
    }
}

/// What comes behind all rows with this key. Null is less than every value.
fn behind(column: Column, descending: bool, key: &Scalar) -> Vec<Bound> {
    let nulls = || Bound::At(column, Scalar::Null);
    match (key, descending) {
        (Scalar::Null, false) => vec![Bound::Known(column)],
        (Scalar::Null, true) => Vec::new(),
        (key, true) if column.nullable => vec![Bound::Behind(column, true, key.clone()), nulls()],
        (key, descending) => vec![Bound::Behind(column, descending, key.clone())],
    }
}

/// The statement that reads at most `limit` rows of a stretch.
pub(super) fn statement(sql: &Sql, query: &Query, stretch: &Stretch, limit: usize) -> Sql {
    let mut sql = sql.clone();
    if let Some(filter) = &query.filter {
        sql.push(" AND ");
        sql.condition(filter);
    }
    for bound in &stretch.0 {
        sql.push(" AND ");
        sql.bound(bound);
    }
    sql.push(" ORDER BY ");
    let order = query.whole_order();
    let order = order.iter().map(|by| (sql.column(by.property), by.descending));
    // What is the same in the whole stretch decides nothing in it.
    let is_fixed = |column: Column| {
        let at = |bound: &Bound| matches!(bound, Bound::At(fixed, _) if fixed.sql == column.sql);
        column.constant || stretch.0.iter().any(at)
    };
    let order: Vec<(Column, bool)> = order.filter(|(column, _)| !is_fixed(*column)).collect();
    for (number, (column, descending)) in order.into_iter().enumerate() {
        sql.push(if number == 0 { "" } else { ", " });
        sql.push(column.sql);
        sql.push(if descending { " DESC" } else { "" });
    }
    sql.push(" LIMIT ");
    sql.bind_sql(SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    if query.after.is_none() && query.skip > 0 {
        sql.push(" OFFSET ");
        sql.bind_sql(SqlValue::Integer(i64::try_from(query.skip).unwrap_or(i64::MAX)));
    }
    sql
}

impl Sql {
    fn bound(&mut self, bound: &Bound) {
        match bound {
            Bound::At(column, key) => self.at(*column, key),
            Bound::Behind(column, descending, key) => self.behind(*column, *descending, key),
            Bound::BehindBoth { column, id, descending, keys } => {
                let operator = if *descending { "<" } else { ">" };
                self.push(&format!("({}, {}) {operator} (", column.sql, id.sql));
                self.bind(&keys.0);
                self.push(", ");
                self.bind(&keys.1);
                self.push(")");
            }
            Bound::Known(column) => self.push(&format!("{} IS NOT NULL", column.sql)),
            Bound::Anywhere(keys) => self.anywhere(keys),
        }
    }

    fn at(&mut self, column: Column, key: &Scalar) {
        self.push(column.sql);
        match key {
            Scalar::Null => self.push(" IS NULL"),
            key => {
                self.push(" = ");
                self.bind(key);
            }
        }
    }

    fn behind(&mut self, column: Column, descending: bool, key: &Scalar) {
        self.push(column.sql);
        self.push(if descending { " < " } else { " > " });
        self.bind(key);
    }

    /// Greater in the first key, or equal there and greater in the next, and so on.
    fn anywhere(&mut self, keys: &[(Column, bool, Scalar)]) {
        self.push("(0");
        for (number, (column, descending, key)) in keys.iter().enumerate() {
            for bound in behind(*column, *descending, key) {
                self.push(" OR (");
                for (column, _, key) in keys.iter().take(number) {
                    self.at(*column, key);
                    self.push(" AND ");
                }
                self.bound(&bound);
                self.push(")");
            }
        }
        self.push(")");
    }
}

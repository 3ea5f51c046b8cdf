//! Checked queries as SQL. Only names from the tables of columns and numbers of parameters become text; every value is
//! bound.

mod condition;
mod functions;
mod order;
#[cfg(test)]
mod plans;

use exconn_model::TenantId;
use exconn_odata::query::{Filter, Query, Scalar};
use rusqlite::{Connection, Row, params_from_iter, types::Value as SqlValue};

use super::failure::failed;
use crate::{Page, StoreError};

pub(super) use functions::register;

/// The SQL expression of a property.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    sql: &'static str,
    nullable: bool,
    indexed: bool,
    constant: bool,
}

impl Column {
    /// An expression that may be null.
    pub(super) const fn nullable(sql: &'static str) -> Self {
        Self { sql, nullable: true, indexed: false, constant: false }
    }

    /// An expression that is never null.
    pub(super) const fn required(sql: &'static str) -> Self {
        Self { sql, nullable: false, indexed: false, constant: false }
    }

    /// A value that is the same in all rows, and so decides no order.
    pub(super) const fn constant(sql: &'static str) -> Self {
        Self { sql, nullable: true, indexed: false, constant: true }
    }

    /// With an index over the tenant, this expression and the id, in this order: pages in its order are found at once.
    pub(super) const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }
}

/// A statement's text and what is bound to its numbered parameters.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    text: String,
    parameters: Vec<SqlValue>,
    columns: &'static [Column],
}

impl Sql {
    /// A statement over an entity with these columns, in the order of its description. Its first parameter is the tenant.
    pub(super) fn over(columns: &'static [Column], text: &str, tenant: TenantId) -> Self {
        Self { text: text.to_owned(), parameters: vec![SqlValue::Text(tenant.to_string())], columns }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a value and writes its parameter.
    fn bind(&mut self, value: &Scalar) {
        self.bind_sql(bound(value));
    }

    fn bind_sql(&mut self, value: SqlValue) {
        self.parameters.push(value);
        let number = self.parameters.len();
        self.push(&format!("?{number}"));
    }

    /// The column of a property. The checker knows only properties of the description, and each has a column.
    fn column(&self, position: usize) -> Column {
        self.columns.get(position).copied().unwrap_or(Column::nullable("NULL"))
    }
}

/// Runs a listing statement with the query's conditions, and cuts off the row that only tells whether more follow.
pub(super) fn page<T>(
    connection: &Connection,
    sql: &Sql,
    query: &Query,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Page<T>, StoreError> {
    let stretches = order::stretches(sql, query);
    // Between two statements a row could move from one stretch into the other.
    let _snapshot = match stretches.len() {
        1 => None,
        _ => Some(connection.unchecked_transaction().map_err(failed)?),
    };
    let wanted = query.limit as usize + 1;
    let mut items = Vec::new();
    for stretch in stretches {
        let statement = order::statement(sql, query, &stretch, wanted - items.len());
        let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
        let rows = prepared.query_map(params_from_iter(&statement.parameters), read).map_err(failed)?;
        for row in rows {
            items.push(row.map_err(failed)?);
        }
        if items.len() >= wanted {
            break;
        }
    }
    let more = items.len() == wanted;
    items.truncate(query.limit as usize);
    Ok(Page { items, more })
}

/// Runs a counting statement with the condition.
pub(super) fn count(
    connection: &Connection,
    mut sql: Sql,
    filter: Option<&Filter>,
) -> Result<u64, StoreError> {
    if let Some(filter) = filter {
        sql.push(" AND ");
        sql.condition(filter);
    }
    let mut statement = connection.prepare_cached(&sql.text).map_err(failed)?;
    statement.query_row(params_from_iter(&sql.parameters), |row| row.get(0)).map_err(failed)
}

fn bound(value: &Scalar) -> SqlValue {
    match value {
        Scalar::Null => SqlValue::Null,
        Scalar::Text(text) => SqlValue::Text(text.clone().into_owned()),
        Scalar::Number(number) => SqlValue::Real(*number),
        other => other.as_integer().map_or(SqlValue::Null, SqlValue::Integer),
    }
}

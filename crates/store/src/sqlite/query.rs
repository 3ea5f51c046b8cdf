//! Checked queries as SQL. Only names from the tables of columns and numbers of parameters become text; every value is
//! bound.

use std::fmt::Write;

use exconn_model::{TenantId, schema::Value};
use exconn_odata::query::{Comparison, Filter, Operand, OrderBy, Query, TextTest};
use rusqlite::{Connection, Row, params_from_iter, types::Value as SqlValue};

use super::failure::failed;
use crate::{Page, StoreError};

/// A statement's text and what is bound to its numbered parameters.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) parameters: Vec<SqlValue>,
    columns: &'static [&'static str],
}

impl Sql {
    /// A statement over an entity whose properties are these SQL expressions, in the order of its description.
    pub(super) fn over(columns: &'static [&'static str], text: &str) -> Self {
        Self { text: text.to_owned(), parameters: Vec::new(), columns }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a value and writes its parameter.
    pub(super) fn bind(&mut self, value: SqlValue) {
        let parameter = self.parameter(value);
        self.push(&parameter);
    }

    fn parameter(&mut self, value: SqlValue) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    /// Appends conditions, order and bounds. Fetches one row beyond the limit, which tells whether more follow.
    pub(super) fn select(&mut self, query: &Query) {
        if let Some(filter) = &query.filter {
            self.push(" AND ");
            self.filter(filter);
        }
        if let Some(after) = &query.after {
            self.push(" AND ");
            self.after(&query.order, &after.keys, &after.id);
        }
        self.push(" ORDER BY ");
        for OrderBy { property, descending } in &query.order {
            let direction = if *descending { "DESC" } else { "ASC" };
            let column = self.column(*property);
            self.write(format_args!("{column} {direction}, "));
        }
        let id = self.column(0);
        self.write(format_args!("{id} LIMIT "));
        self.bind(SqlValue::Integer(i64::from(query.limit) + 1));
        if query.after.is_none() && query.skip > 0 {
            self.push(" OFFSET ");
            self.bind(SqlValue::Integer(i64::try_from(query.skip).unwrap_or(i64::MAX)));
        }
    }

    pub(super) fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::And(left, right) => self.junction(left, " AND ", right),
            Filter::Or(left, right) => self.junction(left, " OR ", right),
            Filter::Not(inner) => {
                self.push("(NOT ");
                self.filter(inner);
                self.push(")");
            }
            Filter::Compare(left, comparison, right) => {
                let (left, right) = (self.operand(left), self.operand(right));
                self.compare(&left, *comparison, &right);
            }
            Filter::In(operand, values) => self.is_in(operand, values),
            Filter::Text(test, text, sought) => {
                let (text, sought) = (self.operand(text), self.operand(sought));
                self.text_test(*test, &text, &sought);
            }
            Filter::Truth(operand) => {
                let operand = self.operand(operand);
                self.push(&operand);
            }
        }
    }

    fn junction(&mut self, left: &Filter, word: &str, right: &Filter) {
        self.push("(");
        self.filter(left);
        self.push(word);
        self.filter(right);
        self.push(")");
    }

    fn compare(&mut self, left: &str, comparison: Comparison, right: &str) {
        let both_null = format!("({left} IS NULL AND {right} IS NULL)");
        let sql = match comparison {
            Comparison::Equal => format!("({left} IS {right})"),
            Comparison::NotEqual => format!("({left} IS NOT {right})"),
            Comparison::Less => format!("coalesce({left} < {right}, 0)"),
            Comparison::Greater => format!("coalesce({left} > {right}, 0)"),
            Comparison::LessOrEqual => format!("coalesce({left} <= {right}, {both_null})"),
            Comparison::GreaterOrEqual => format!("coalesce({left} >= {right}, {both_null})"),
        };
        self.push(&sql);
    }

    fn is_in(&mut self, operand: &Operand, values: &[Value<'static>]) {
        let operand = self.operand(operand);
        self.push("(0");
        for value in values {
            let value = self.parameter(bound(value));
            self.write(format_args!(" OR {operand} IS {value}"));
        }
        self.push(")");
    }

    fn text_test(&mut self, test: TextTest, text: &str, sought: &str) {
        let sql = match test {
            TextTest::Contains => format!("(instr({text}, {sought}) > 0)"),
            TextTest::StartsWith => format!("(substr({text}, 1, length({sought})) = {sought})"),
            // With nothing sought, `substr(text, -0)` would be the whole text.
            TextTest::EndsWith => format!(
                "(CASE WHEN length({sought}) = 0 THEN {text} IS NOT NULL OR NULL \
                 ELSE substr({text}, -length({sought})) = {sought} END)"
            ),
        };
        self.push(&sql);
    }

    /// Rows behind the one with these keys: greater in the first key, or equal there and greater in the next, and so on.
    fn after(&mut self, order: &[OrderBy], keys: &[Value<'static>], id: &str) {
        let mut equal = String::new();
        self.push("(");
        for (OrderBy { property, descending }, key) in order.iter().zip(keys) {
            let column = self.column(*property);
            let is_null = matches!(key, Value::Null);
            let key = self.parameter(bound(key));
            let beyond = match (descending, is_null) {
                (false, true) => format!("{column} IS NOT NULL"),
                (false, false) => format!("{column} > {key}"),
                (true, true) => "0".to_owned(),
                (true, false) => format!("({column} < {key} OR {column} IS NULL)"),
            };
            self.write(format_args!("({equal}{beyond}) OR "));
            equal.push_str(&format!("{column} IS {key} AND "));
        }
        let (id_column, id) = (self.column(0), self.parameter(SqlValue::Text(id.to_owned())));
        self.write(format_args!("({equal}{id_column} > {id}))"));
    }

    fn operand(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Property(position) => self.column(*position).to_owned(),
            Operand::Literal(value) => self.parameter(bound(value)),
        }
    }

    /// The expression of a property. The checker knows only properties of the description, and each has a column.
    fn column(&self, position: usize) -> &'static str {
        self.columns.get(position).copied().unwrap_or("NULL")
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.text.write_fmt(arguments);
    }
}

/// Runs a statement whose first parameter is the tenant, with the query's conditions, and cuts off the row that only
/// tells whether more follow.
pub(super) fn page<T>(
    connection: &Connection,
    mut sql: Sql,
    tenant: TenantId,
    query: &Query,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Page<T>, StoreError> {
    sql.parameters.push(SqlValue::Text(tenant.to_string()));
    sql.select(query);
    let mut statement = connection.prepare_cached(&sql.text).map_err(failed)?;
    let rows = statement.query_map(params_from_iter(&sql.parameters), read).map_err(failed)?;
    let mut items = rows.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let more = items.len() > query.limit as usize;
    items.truncate(query.limit as usize);
    Ok(Page { items, more })
}

/// Runs a counting statement whose first parameter is the tenant, with the condition.
pub(super) fn count(
    connection: &Connection,
    mut sql: Sql,
    tenant: TenantId,
    filter: Option<&Filter>,
) -> Result<u64, StoreError> {
    sql.parameters.push(SqlValue::Text(tenant.to_string()));
    if let Some(filter) = filter {
        sql.push(" AND ");
        sql.filter(filter);
    }
    let mut statement = connection.prepare_cached(&sql.text).map_err(failed)?;
    statement.query_row(params_from_iter(&sql.parameters), |row| row.get(0)).map_err(failed)
}

fn bound(value: &Value<'_>) -> SqlValue {
    match value {
        // The query engine compares no structures.
        Value::Null | Value::Complex(..) => SqlValue::Null,
        Value::Boolean(value) => SqlValue::Integer(i64::from(*value)),
        Value::Text(text) => SqlValue::Text(text.clone().into_owned()),
        Value::Timestamp(moment) => SqlValue::Integer(moment.ticks()),
        Value::Int32(number) | Value::Enum(_, number) => SqlValue::Integer(i64::from(*number)),
    }
}

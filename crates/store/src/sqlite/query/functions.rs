//! OData's functions inside SQLite, where SQLite's own are missing or mean something else.

use std::cmp::Ordering;

use exconn_odata::query::{Function, Scalar};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};

use super::bound;

/// `le` and `ge` of what may be null on both sides.
pub(super) const LESS_OR_EQUAL: &str = "odata_le";
pub(super) const GREATER_OR_EQUAL: &str = "odata_ge";

/// How a function is written.
pub(super) enum Form {
    /// In SQLite's own words: what stands before, between and behind the arguments.
    Native(&'static str, &'static str, &'static str),
    /// A function that [`register`] makes known.
    Registered(&'static str),
}

pub(super) fn form(function: Function) -> Form {
    match function {
        Function::Contains => Form::Native("(instr(", ", ", ") > 0)"),
        Function::StartsWith => Form::Native("(instr(", ", ", ") = 1)"),
        Function::Length => Form::Native("length(", ", ", ")"),
        Function::IndexOf => Form::Native("(instr(", ", ", ") - 1)"),
        Function::Concat => Form::Native("(", " || ", ")"),
        Function::EndsWith => Form::Registered("odata_endswith"),
        Function::Substring => Form::Registered("odata_substring"),
        Function::ToLower => Form::Registered("odata_tolower"),
        Function::ToUpper => Form::Registered("odata_toupper"),
        Function::Trim => Form::Registered("odata_trim"),
        Function::Year => Form::Registered("odata_year"),
        Function::Month => Form::Registered("odata_month"),
        Function::Day => Form::Registered("odata_day"),
        Function::Hour => Form::Registered("odata_hour"),
        Function::Minute => Form::Registered("odata_minute"),
        Function::Second => Form::Registered("odata_second"),
        Function::FractionalSeconds => Form::Registered("odata_fractionalseconds"),
        Function::Date => Form::Registered("odata_date"),
        Function::Time => Form::Registered("odata_time"),
        Function::TotalSeconds => Form::Registered("odata_totalseconds"),
        Function::Round => Form::Registered("odata_round"),
        Function::Floor => Form::Registered("odata_floor"),
        Function::Ceiling => Form::Registered("odata_ceiling"),
        Function::Negate => Form::Registered("odata_negate"),
        Function::Add => Form::Registered("odata_add"),
        Function::Subtract => Form::Registered("odata_sub"),
        Function::Multiply => Form::Registered("odata_mul"),
        Function::Divide => Form::Registered("odata_div"),
        Function::DivideExactly => Form::Registered("odata_divby"),
        Function::Modulo => Form::Registered("odata_mod"),
        Function::Scale => Form::Registered("odata_scale"),
        Function::Shrink => Form::Registered("odata_shrink"),
        Function::Later => Form::Registered("odata_later"),
    }
}

/// Makes the functions known to a connection.
pub(in crate::sqlite) fn register(connection: &Connection) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for function in Function::ALL {
        if let Form::Registered(name) = form(function) {
            connection.create_scalar_function(name, -1, flags, move |context| {
                let arguments = (0..context.len()).map(|at| scalar(context, at));
                Ok(bound(&function.apply(&arguments.collect::<Result<Vec<_>>>()?)))
            })?;
        }
    }
    for (name, beyond) in [(LESS_OR_EQUAL, Ordering::Less), (GREATER_OR_EQUAL, Ordering::Greater)] {
        connection.create_scalar_function(name, 2, flags, move |context| {
            let order = compare(context.get_raw(0), context.get_raw(1));
            Ok(order.is_some_and(|order| order == beyond || order == Ordering::Equal))
        })?;
    }
    Ok(())
}

fn scalar(context: &Context<'_>, at: usize) -> Result<Scalar> {
    Ok(match context.get_raw(at) {
        ValueRef::Integer(number) => Scalar::Integer(number),
        ValueRef::Real(number) => Scalar::Number(number),
        ValueRef::Text(_) => Scalar::text(context.get::<String>(at)?),
        ValueRef::Null | ValueRef::Blob(_) => Scalar::Null,
    })
}

/// Two nulls are equal; one null, or two types, have no order.
fn compare(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Ordering> {
    match (left, right) {
        (ValueRef::Null, ValueRef::Null) => Some(Ordering::Equal),
        (ValueRef::Text(left), ValueRef::Text(right)) => Some(left.cmp(right)),
        (ValueRef::Integer(left), ValueRef::Integer(right)) => Some(left.cmp(&right)),
        (ValueRef::Real(left), ValueRef::Real(right)) => left.partial_cmp(&right),
        (ValueRef::Integer(left), ValueRef::Real(right)) => compare_exactly(left, right),
        (ValueRef::Real(left), ValueRef::Integer(right)) => {
            compare_exactly(right, left).map(Ordering::reverse)
        }
        _ => None,
    }
}

/// Without the digits that a large whole number loses as a float.
fn compare_exactly(left: i64, right: f64) -> Option<Ordering> {
    match (left as f64).partial_cmp(&right)? {
        Ordering::Equal => Some(i128::from(left).cmp(&(right as i128))),
        unequal => Some(unequal),
    }
}

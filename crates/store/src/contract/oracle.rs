//! What filters and orders mean, told a second time without SQL.

use std::{cmp::Ordering, sync::Arc};

use exconn_model::{Connector, ConnectorDraft, ConnectorStatus, Timestamp, schema::Entity};
use exconn_odata::query::{After, Comparison, Expression, Filter, Function, OrderBy, Query, Scalar};

use super::world::{TENANT, World};
use crate::Store;

/// What is told of a connector.
#[derive(Clone, Debug)]
pub struct OracleRow {
    /// `serverName`.
    pub server_name: Option<String>,
    /// `exchangeAlias`.
    pub exchange_alias: Option<String>,
    /// `status`.
    pub status: ConnectorStatus,
    /// `lastSyncDateTime`.
    pub last_sync: Timestamp,
}

/// Connectors, filters over them, and an order.
#[derive(Clone, Debug)]
pub struct OracleCase {
    /// The connectors.
    pub rows: Vec<OracleRow>,
    /// What they are asked for.
    pub filters: Vec<Filter>,
    /// In which order.
    pub order: Vec<OrderBy>,
}

/// The store and the evaluator find the same connectors in the same order, page by page.
pub async fn filters_agree_with_their_meaning(store: Arc<dyn Store>, case: OracleCase) {
    let mut world = World::on(store.clone());
    let mut all = Vec::new();
    for row in &case.rows {
        let draft = ConnectorDraft {
            server_name: row.server_name.clone(),
            exchange_alias: row.exchange_alias.clone(),
            status: row.status,
            last_sync: row.last_sync,
            ..ConnectorDraft::default()
        };
        all.push(world.create(draft).await);
    }
    all.sort_by(|a, b| in_order(&case.order, a, b));
    for filter in &case.filters {
        let wanted: Vec<Connector> =
            all.iter().filter(|row| truth(filter, row) == Some(true)).cloned().collect();
        let count = store.count_connectors(TENANT, Some(filter)).await.unwrap();
        assert_eq!(count, wanted.len() as u64, "{filter:?} over {:?}", case.rows);
        let found = pages(&*store, filter, &case.order).await;
        assert_eq!(found, wanted, "{filter:?} by {:?}", case.order);
    }
}

/// All connectors that satisfy a filter, in pages of three.
async fn pages(store: &dyn Store, filter: &Filter, order: &[OrderBy]) -> Vec<Connector> {
    let mut found: Vec<Connector> = Vec::new();
    let mut after = None;
    loop {
        let (filter, order) = (Some(filter.clone()), order.to_vec());
        let query = Query { filter, order, limit: 3, after, ..Query::default() };
        let page = store.connectors(TENANT, &query).await.unwrap();
        let Some(last) = page.items.last() else { return found };
        let keys = query.order.iter().map(|by| last.value(by.property).into_owned()).collect();
        after = Some(After { keys, id: last.id.to_string() });
        found.extend(page.items);
        if !page.more {
            return found;
        }
    }
}

/// By the criteria, then by id in the direction of the last criterion.
pub(super) fn in_order<E: Entity>(order: &[OrderBy], a: &E, b: &E) -> Ordering {
    let directed = |ordering: Ordering, descending| if descending { ordering.reverse() } else { ordering };
    for by in order {
        let ordering = compare(&a.value(by.property).into(), &b.value(by.property).into());
        if ordering != Ordering::Equal {
            return directed(ordering, by.descending);
        }
    }
    directed(compare(&a.value(0).into(), &b.value(0).into()), order.last().is_some_and(|by| by.descending))
}

/// Null is less than every value.
fn compare(a: &Scalar, b: &Scalar) -> Ordering {
    match (a, b) {
        (Scalar::Null, Scalar::Null) => Ordering::Equal,
        (Scalar::Null, _) => Ordering::Less,
        (_, Scalar::Null) => Ordering::Greater,
        (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b),
        (Scalar::Enum(_, a), Scalar::Enum(_, b)) => a.cmp(b),
        (Scalar::Moment(a), Scalar::Moment(b)) | (Scalar::Date(a), Scalar::Date(b)) => a.cmp(b),
        (Scalar::Boolean(a), Scalar::Boolean(b)) => a.cmp(b),
        (Scalar::Integer(a), Scalar::Integer(b))
        | (Scalar::TimeOfDay(a), Scalar::TimeOfDay(b))
        | (Scalar::Duration(a), Scalar::Duration(b)) => a.cmp(b),
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b).unwrap(),
        (Scalar::Integer(a), Scalar::Number(b)) => compare_whole(*a, *b),
        (Scalar::Number(a), Scalar::Integer(b)) => compare_whole(*b, *a).reverse(),
        (a, b) => panic!("values of two types are compared: {a:?} and {b:?}"),
    }
}

fn compare_whole(a: i64, b: f64) -> Ordering {
    i128::from(a).cmp(&(b.floor() as i128)).then(if b.fract() == 0.0 {
        Ordering::Equal
    } else {
        Ordering::Less
    })
}

/// Three-valued: `None` is neither true nor false.
fn truth(condition: &Expression, row: &Connector) -> Option<bool> {
    match value(condition, row) {
        Scalar::Boolean(value) => Some(value),
        Scalar::Null => None,
        other => panic!("{other:?} is no condition"),
    }
}

fn value(expression: &Expression, row: &Connector) -> Scalar {
    let of_truth = |truth: Option<bool>| truth.map_or(Scalar::Null, Scalar::Boolean);
    match expression {
        Expression::Property(position) => row.value(*position).into(),
        Expression::Literal(scalar) => scalar.clone(),
        Expression::And(a, b) => of_truth(match (truth(a, row), truth(b, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }),
        Expression::Or(a, b) => of_truth(match (truth(a, row), truth(b, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }),
        Expression::Not(inner) => of_truth(truth(inner, row).map(|value| !value)),
        Expression::Compare(a, comparison, b) => {
            let (a, b) = (value(a, row), value(b, row));
            let both = a != Scalar::Null && b != Scalar::Null;
            let ordering = compare(&a, &b);
            let equal = ordering == Ordering::Equal;
            Scalar::Boolean(match comparison {
                Comparison::Equal => equal,
                Comparison::NotEqual => !equal,
                Comparison::Less => both && ordering == Ordering::Less,
                Comparison::Greater => both && ordering == Ordering::Greater,
                Comparison::LessOrEqual => equal || both && ordering == Ordering::Less,
                Comparison::GreaterOrEqual => equal || both && ordering == Ordering::Greater,
            })
        }
        Expression::In(operand, values) => {
            let value = value(operand, row);
            Scalar::Boolean(values.iter().any(|one| compare(one, &value) == Ordering::Equal))
        }
        Expression::Call(function, arguments) => {
            let arguments: Vec<Scalar> = arguments.iter().map(|argument| value(argument, row)).collect();
            if arguments.contains(&Scalar::Null) {
                return Scalar::Null;
            }
            call(*function, &arguments).unwrap_or(Scalar::Null)
        }
    }
}

/// The result for arguments that are not null; none where there is none.
fn call(function: Function, arguments: &[Scalar]) -> Option<Scalar> {
    match arguments {
        [Scalar::Text(text)] => Some(of_text(function, text)),
        [Scalar::Text(text), Scalar::Text(other)] => Some(of_texts(function, text, other)),
        [Scalar::Text(text), Scalar::Integer(start)] => Some(Scalar::text(part(text, *start, i64::MAX))),
        [Scalar::Text(text), Scalar::Integer(start), Scalar::Integer(length)] => {
            Some(Scalar::text(part(text, *start, *length)))
        }
        [Scalar::Moment(moment) | Scalar::Date(moment)] => Some(of_moment(function, *moment)),
        [Scalar::TimeOfDay(ticks)] => Some(of_moment(function, Timestamp::from_ticks(*ticks))),
        [Scalar::Duration(ticks)] if function == Function::Negate => {
            ticks.checked_neg().map(Scalar::Duration)
        }
        [Scalar::Duration(ticks)] => Some(Scalar::Number(*ticks as f64 / 1e7)),
        [Scalar::Integer(number)] if function == Function::Negate => {
            number.checked_neg().map(Scalar::Integer)
        }
        [number] => finite(match function {
            Function::Negate => -as_float(number),
            Function::Round => as_float(number).round(),
            Function::Floor => as_float(number).floor(),
            Function::Ceiling => as_float(number).ceil(),
            other => panic!("{other:?} of {number:?}"),
        }),
        [a, b] => of_two(function, a, b),
        other => panic!("{function:?} of {other:?}"),
    }
}

fn of_text(function: Function, text: &str) -> Scalar {
    let white = |c: &char| c.is_whitespace();
    match function {
        Function::Length => Scalar::Integer(text.chars().count() as i64),
        Function::ToLower => Scalar::text(text.to_lowercase()),
        Function::ToUpper => Scalar::text(text.to_uppercase()),
        Function::Trim => {
            let mut kept: Vec<char> = text.chars().skip_while(white).collect();
            while kept.last().is_some_and(white) {
                kept.pop();
            }
            Scalar::text(kept.into_iter().collect::<String>())
        }
        other => panic!("{other:?} of a text"),
    }
}

fn of_texts(function: Function, text: &str, other: &str) -> Scalar {
    let (text, sought): (Vec<char>, Vec<char>) = (text.chars().collect(), other.chars().collect());
    let first = (0..=text.len()).find(|at| text[*at..].starts_with(&sought));
    match function {
        Function::Contains => Scalar::Boolean(first.is_some()),
        Function::StartsWith => Scalar::Boolean(first == Some(0)),
        Function::EndsWith => Scalar::Boolean(text.ends_with(&sought)),
        Function::IndexOf => Scalar::Integer(first.map_or(-1, |at| at as i64)),
        Function::Concat => Scalar::text(text.iter().chain(&sought).collect::<String>()),
        other => panic!("{other:?} of two texts"),
    }
}

/// The characters whose numbers, from 0, are neither before the start nor `length` behind it.
fn part(text: &str, start: i64, length: i64) -> String {
    let start = start.max(0);
    let inside = |number: i64| number >= start && number - start < length;
    (0..).zip(text.chars()).filter(|(number, _)| inside(*number)).map(|(_, c)| c).collect()
}

/// Read off the moment as it is written.
fn of_moment(function: Function, moment: Timestamp) -> Scalar {
    let text = moment.to_string();
    let digits = |at: usize, length: usize| Scalar::Integer(text[at..at + length].parse().unwrap());
    match function {
        Function::Year => digits(0, 4),
        Function::Month => digits(5, 2),
        Function::Day => digits(8, 2),
        Function::Hour => digits(11, 2),
        Function::Minute => digits(14, 2),
        Function::Second => digits(17, 2),
        Function::FractionalSeconds => {
            let fraction = text[19..].trim_end_matches('Z');
            Scalar::Number(if fraction.is_empty() { 0.0 } else { format!("0{fraction}").parse().unwrap() })
        }
        Function::Date => Scalar::Date(Timestamp::parse(&format!("{}T00:00:00Z", &text[..10])).unwrap()),
        Function::Time => {
            let on_the_first_day = Timestamp::parse(&format!("1970-01-01{}", &text[10..])).unwrap();
            Scalar::TimeOfDay(on_the_first_day.ticks())
        }
        other => panic!("{other:?} of a moment"),
    }
}

fn of_two(function: Function, a: &Scalar, b: &Scalar) -> Option<Scalar> {
    match (function, a, b) {
        (Function::Later, Scalar::Moment(moment) | Scalar::Date(moment), Scalar::Duration(duration)) => {
            let ticks = i128::from(moment.ticks()) + i128::from(*duration);
            let range = i128::from(Timestamp::UNSET.ticks())..=i128::from(Timestamp::MAX.ticks());
            let moment = range.contains(&ticks).then(|| Timestamp::from_ticks(ticks as i64))?;
            Some(Scalar::Moment(moment))
        }
        (Function::Subtract, Scalar::Moment(a) | Scalar::Date(a), Scalar::Moment(b) | Scalar::Date(b)) => {
            Some(Scalar::Duration(a.ticks() - b.ticks()))
        }
        (_, Scalar::Duration(a), Scalar::Duration(b)) => whole(function, *a, *b).map(Scalar::Duration),
        (Function::Scale, Scalar::Duration(a), b) => ticks(*a as f64 * as_float(b)),
        (Function::Shrink, Scalar::Duration(a), b) => ticks(*a as f64 / as_float(b)),
        (_, Scalar::Duration(a), Scalar::Integer(b)) | (_, Scalar::Integer(a), Scalar::Duration(b)) => {
            whole(function, *a, *b).map(Scalar::Duration)
        }
        (Function::DivideExactly, a, b) => finite(as_float(a) / as_float(b)),
        (_, Scalar::Integer(a), Scalar::Integer(b)) => whole(function, *a, *b).map(Scalar::Integer),
        (_, a, b) => finite(match function {
            Function::Add => as_float(a) + as_float(b),
            Function::Subtract => as_float(a) - as_float(b),
            Function::Multiply => as_float(a) * as_float(b),
            Function::Divide => as_float(a) / as_float(b),
            Function::Modulo => as_float(a) % as_float(b),
            other => panic!("{other:?} of {a:?} and {b:?}"),
        }),
    }
}

/// In twice as many bits; what does not fit into 64 is no result.
fn whole(function: Function, a: i64, b: i64) -> Option<i64> {
    let (a, b) = (i128::from(a), i128::from(b));
    let result = match function {
        Function::Add => a + b,
        Function::Subtract => a - b,
        Function::Multiply => a * b,
        Function::Divide | Function::Modulo if b == 0 => return None,
        Function::Divide => a / b,
        Function::Modulo => a % b,
        other => panic!("{other:?} of {a} and {b}"),
    };
    i64::try_from(result).ok()
}

fn finite(number: f64) -> Option<Scalar> {
    number.is_finite().then_some(Scalar::Number(number))
}

fn ticks(ticks: f64) -> Option<Scalar> {
    let fits = ticks.is_finite() && i64::try_from(ticks as i128).is_ok();
    fits.then_some(Scalar::Duration(ticks.round() as i64))
}

fn as_float(number: &Scalar) -> f64 {
    match number {
        Scalar::Integer(number) => *number as f64,
        Scalar::Number(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_fractions_have_one_order() {
        assert_eq!(compare_whole(1, 1.5), Ordering::Less);
        assert_eq!(compare_whole(2, 1.5), Ordering::Greater);
        assert_eq!(compare_whole(-1, -1.5), Ordering::Greater);
        assert_eq!(compare_whole(2, 2.0), Ordering::Equal);
        assert_eq!(compare_whole(i64::MAX, 9.3e18), Ordering::Less);
    }
}

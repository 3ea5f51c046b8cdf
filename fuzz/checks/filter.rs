//! Filters that anyone may have written: nothing panics, an error names a place in the text, and known values are values
//! that SQL can hold.

use exconn_model::{CONNECTOR, MANAGED_DEVICE, Timestamp};
use exconn_odata::{
    filter::{self, Context},
    query::{Expression, Scalar},
};

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What stands behind a line's end is the value of an alias.
    let (text, value) = text.split_once('\n').unwrap_or((text, "'a'"));
    let aliases = [("@a".to_owned(), value.to_owned()), ("@b".to_owned(), "@a".to_owned())];
    for entity in [&CONNECTOR, &MANAGED_DEVICE] {
        for unknown_members in [false, true] {
            let context = Context { now: Timestamp::from_unix_seconds(1_800_000_000), unknown_members };
            match filter::parse(text, entity, context, &aliases) {
                Ok(parsed) => look_at(&parsed.filter),
                Err(error) => assert!(error.position <= text.len().max(value.len())),
            }
        }
    }
}

fn look_at(expression: &Expression) {
    match expression {
        Expression::Literal(Scalar::Number(number)) => assert!(number.is_finite()),
        Expression::Literal(_) | Expression::Property(_) => {}
        Expression::And(left, right) | Expression::Or(left, right) | Expression::Compare(left, _, right) => {
            look_at(left);
            look_at(right);
        }
        Expression::Not(inner) | Expression::In(inner, _) => look_at(inner),
        Expression::Call(_, arguments) => {
            assert!(arguments.iter().any(|argument| !matches!(argument, Expression::Literal(_))));
            arguments.iter().for_each(look_at);
        }
    }
}

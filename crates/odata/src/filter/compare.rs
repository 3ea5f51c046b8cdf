//! Operators and the types that they join.

use exconn_model::schema::EnumType;

use super::{
    FilterError, Problem,
    functions::apply,
    kind::Kind,
    literal::sentinel,
    parse::{Node, Operand, Parser},
};
use crate::query::{Comparison, Expression, Function, Scalar};

/// An expression that needs no other side to have a type. Null is taken for a text: it equals null of every type.
pub(super) fn resolve<'a>(parser: &Parser<'a>, node: Node<'a>) -> Result<(Expression, Kind), FilterError> {
    let at = node.at;
    match node.operand {
        Operand::Typed(expression, kind) => Ok((expression, kind)),
        Operand::Null => Ok((Expression::Literal(Scalar::Null), Kind::String)),
        Operand::Text(text) => Ok((Expression::Literal(Scalar::text(text.into_owned())), Kind::String)),
        Operand::Word(word) => Err(parser.unknown_property(word, at)),
        Operand::Qualified(..) => {
            let problem = Problem::Unexpected {
                expected: "a property of this enumeration on one side",
                found: parser.describe(&node),
            };
            Err(parser.error_at(at, problem))
        }
    }
}

/// A value of the same type as what stands before it.
pub(super) fn value_of<'a>(
    parser: &Parser<'a>,
    node: Node<'a>,
    kind: Kind,
) -> Result<Expression, FilterError> {
    let right = parser.describe(&node);
    parser.coerce(node, kind, || Problem::Types { left: kind.name(), right })
}

/// `left comparison right`
pub(super) fn compare<'a>(
    parser: &Parser<'a>,
    left: Node<'a>,
    comparison: Comparison,
    right: Node<'a>,
) -> Result<Expression, FilterError> {
    let words = (parser.describe(&left), parser.describe(&right));
    let types = || Problem::Types { left: words.0, right: words.1 };
    let (left, right) = match (left.kind(), right.kind()) {
        (Some(kind), _) => {
            let right = parser.coerce(right, kind, types)?;
            (resolve(parser, left)?.0, right)
        }
        (None, Some(kind)) => {
            let left = parser.coerce(left, kind, types)?;
            (left, resolve(parser, right)?.0)
        }
        (None, None) => (resolve(parser, left)?.0, resolve(parser, right)?.0),
    };
    match (&left, &right) {
        (_, Expression::Literal(Scalar::Enum(kind, number))) if is_masking(parser, kind, *number) => {
            Ok(compare_with_masked(left, comparison, kind, *number))
        }
        (Expression::Literal(Scalar::Enum(kind, number)), _) if is_masking(parser, kind, *number) => {
            Ok(compare_with_masked(right, comparison.turned(), kind, *number))
        }
        _ => Ok(Expression::compare(left, comparison, right)),
    }
}

/// `left in (values)`
pub(super) fn is_in(parser: &Parser<'_>, left: Expression, values: Vec<Scalar>) -> Expression {
    let masking = values.iter().find_map(|value| match value {
        Scalar::Enum(kind, number) if is_masking(parser, kind, *number) => Some((*kind, *number)),
        _ => None,
    });
    match masking {
        Some((kind, number)) => {
            let masked = compare_with_masked(left.clone(), Comparison::Equal, kind, number);
            Expression::In(Box::new(left), values).or(masked)
        }
        None => Expression::In(Box::new(left), values),
    }
}

/// Whether this number is `unknownFutureValue` and stands for all members above it, as it does for those who have not
/// asked for such members.
fn is_masking(parser: &Parser<'_>, kind: &'static EnumType, number: i32) -> bool {
    !parser.context().unknown_members && sentinel(kind) == Some(number)
}

/// A comparison with `unknownFutureValue` where members above it look like it: `eq` finds those, `gt` finds them too,
/// and `lt` finds the known ones.
fn compare_with_masked(
    left: Expression,
    comparison: Comparison,
    kind: &'static EnumType,
    number: i32,
) -> Expression {
    let (comparison, number) = match comparison {
        Comparison::Equal | Comparison::Greater | Comparison::GreaterOrEqual => (Comparison::Greater, number),
        Comparison::Less => (Comparison::Less, number),
        // Known ones, or those that look equal.
        Comparison::LessOrEqual => (Comparison::LessOrEqual, i32::MAX),
        // What is not above: null too, which differs from every value.
        Comparison::NotEqual => {
            let above = Expression::Literal(Scalar::Enum(kind, number));
            let is_above = Expression::compare(left, Comparison::Greater, above);
            return Expression::Not(Box::new(is_above));
        }
    };
    Expression::compare(left, comparison, Expression::Literal(Scalar::Enum(kind, number)))
}

/// Unary minus.
pub(super) fn negate<'a>(parser: &Parser<'a>, node: Node<'a>) -> Result<Operand<'a>, FilterError> {
    let at = node.at;
    match node.operand {
        Operand::Typed(expression, kind) if kind.is_number() || kind == Kind::Duration => {
            Ok(apply(Function::Negate, vec![expression], kind))
        }
        Operand::Null => Ok(Operand::Typed(Expression::Literal(Scalar::Null), Kind::Integer)),
        Operand::Word(word) => Err(parser.unknown_property(word, at)),
        _ => {
            let found = parser.describe(&node);
            let expected = "a number or a duration behind '-'";
            Err(parser.error_at(at, Problem::Unexpected { expected, found }))
        }
    }
}

/// `left operator right` (OData URL Conventions 4.01, 5.1.1.2).
pub(super) fn arithmetic<'a>(
    parser: &Parser<'a>,
    left: Node<'a>,
    (operator, function): (&'static str, Function),
    right: Node<'a>,
) -> Result<Operand<'a>, FilterError> {
    let words = (parser.describe(&left), parser.describe(&right));
    let at = right.at;
    let (left, right) = (typed(parser, left, &right)?, right);
    let right = match right.operand {
        Operand::Null | Operand::Text(_) => typed_by(parser, right, left.1)?,
        _ => resolve(parser, right)?,
    };
    let ((left, left_kind), (right, right_kind)) = (left, right);
    let both = |left, right| vec![left, right];
    let result = match (function, left_kind, right_kind) {
        (_, left_kind, right_kind) if left_kind.is_number() && right_kind.is_number() => {
            let whole = left_kind == Kind::Integer
                && right_kind == Kind::Integer
                && function != Function::DivideExactly;
            apply(function, both(left, right), if whole { Kind::Integer } else { Kind::Number })
        }
        (Function::Add | Function::Subtract, Kind::Duration, Kind::Duration)
        | (Function::Subtract, Kind::DateTimeOffset, Kind::DateTimeOffset)
        | (Function::Subtract, Kind::Date, Kind::Date) => apply(function, both(left, right), Kind::Duration),
        (Function::Add | Function::Subtract, Kind::DateTimeOffset | Kind::Date, Kind::Duration) => {
            let right = match function {
                Function::Add => right,
                _ => expression(apply(Function::Negate, vec![right], Kind::Duration)),
            };
            let later = apply(Function::Later, both(left, right), Kind::DateTimeOffset);
            match left_kind {
                Kind::Date => apply(Function::Date, vec![expression(later)], Kind::Date),
                _ => later,
            }
        }
        (Function::Multiply, Kind::Duration, Kind::Integer)
        | (Function::Multiply, Kind::Integer, Kind::Duration)
        | (Function::Divide, Kind::Duration, Kind::Integer) => {
            apply(function, both(left, right), Kind::Duration)
        }
        (Function::Multiply, Kind::Duration, Kind::Number) => {
            apply(Function::Scale, both(left, right), Kind::Duration)
        }
        (Function::Multiply, Kind::Number, Kind::Duration) => {
            apply(Function::Scale, both(right, left), Kind::Duration)
        }
        (Function::Divide, Kind::Duration, Kind::Number)
        | (Function::DivideExactly, Kind::Duration, Kind::Integer | Kind::Number) => {
            apply(Function::Shrink, both(left, right), Kind::Duration)
        }
        _ => {
            let takes = match function {
                Function::Add => "numbers, durations, or a date (and time) and a duration",
                Function::Subtract => {
                    "numbers, durations, dates, dates and times, or a date (and time) and a duration"
                }
                Function::Multiply => "numbers, or a duration and a number",
                Function::Modulo => "numbers",
                _ => "numbers, or a duration and a number behind it",
            };
            let problem = Problem::Arithmetic { operator, left: words.0, right: words.1, takes };
            return Err(parser.error_at(at, problem));
        }
    };
    Ok(result)
}

/// The left side, whose literal may get its type from the right one.
fn typed<'a>(
    parser: &Parser<'a>,
    left: Node<'a>,
    right: &Node<'a>,
) -> Result<(Expression, Kind), FilterError> {
    match (&left.operand, right.kind()) {
        (Operand::Null, Some(kind)) => Ok((Expression::Literal(Scalar::Null), kind)),
        (Operand::Null, None) => Ok((Expression::Literal(Scalar::Null), Kind::Integer)),
        _ => resolve(parser, left),
    }
}

/// The right side, a text or null, by the type of the left one: a text beside a moment or duration is a duration.
fn typed_by<'a>(parser: &Parser<'a>, right: Node<'a>, left: Kind) -> Result<(Expression, Kind), FilterError> {
    let kind = match left {
        Kind::DateTimeOffset | Kind::Date | Kind::Duration => Kind::Duration,
        other => other,
    };
    match &right.operand {
        Operand::Text(_) if kind == Kind::Duration => {
            let expression = parser.coerce(right, kind, || Problem::Condition(String::new()))?;
            Ok((expression, kind))
        }
        Operand::Null => Ok((Expression::Literal(Scalar::Null), kind)),
        _ => resolve(parser, right),
    }
}

fn expression(operand: Operand<'_>) -> Expression {
    match operand {
        Operand::Typed(expression, _) => expression,
        _ => Expression::Literal(Scalar::Null),
    }
}

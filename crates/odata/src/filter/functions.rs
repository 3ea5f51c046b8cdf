//! What functions take and give.

use exconn_model::Timestamp;

use super::{
    FilterError, Problem,
    kind::Kind,
    parse::{Node, Operand, Parser},
};
use crate::{
    excerpt::excerpt,
    query::{Expression, Function, Scalar},
};

/// A function by its name, with what its arguments may be and what it gives.
struct Signature {
    name: &'static str,
    form: Form,
}

enum Form {
    /// One function of arguments of these types; all that are given beyond `required` may be missing.
    Plain {
        function: Function,
        takes: &'static [Kind],
        required: usize,
        gives: Kind,
    },
    /// A part of a date and time, or of the half that has it.
    Part {
        function: Function,
        half: Kind,
        gives: Kind,
    },
    /// A number to a number.
    Rounding(Function),
    Now,
    Constant(Timestamp),
}

const fn plain(name: &'static str, function: Function, takes: &'static [Kind], gives: Kind) -> Signature {
    Signature { name, form: Form::Plain { function, takes, required: takes.len(), gives } }
}

const fn part(name: &'static str, function: Function, half: Kind, gives: Kind) -> Signature {
    Signature { name, form: Form::Part { function, half, gives } }
}

const TEXT: &[Kind] = &[Kind::String];
const TEXTS: &[Kind] = &[Kind::String, Kind::String];

const SIGNATURES: [Signature; 26] = [
    plain("contains", Function::Contains, TEXTS, Kind::Boolean),
    plain("startswith", Function::StartsWith, TEXTS, Kind::Boolean),
    plain("endswith", Function::EndsWith, TEXTS, Kind::Boolean),
    plain("length", Function::Length, TEXT, Kind::Integer),
    plain("indexof", Function::IndexOf, TEXTS, Kind::Integer),
    Signature {
        name: "substring",
        form: Form::Plain {
            function: Function::Substring,
            takes: &[Kind::String, Kind::Integer, Kind::Integer],
            required: 2,
            gives: Kind::String,
        },
    },
    plain("tolower", Function::ToLower, TEXT, Kind::String),
    plain("toupper", Function::ToUpper, TEXT, Kind::String),
    plain("trim", Function::Trim, TEXT, Kind::String),
    plain("concat", Function::Concat, TEXTS, Kind::String),
    part("year", Function::Year, Kind::Date, Kind::Integer),
    part("month", Function::Month, Kind::Date, Kind::Integer),
    part("day", Function::Day, Kind::Date, Kind::Integer),
    part("hour", Function::Hour, Kind::TimeOfDay, Kind::Integer),
    part("minute", Function::Minute, Kind::TimeOfDay, Kind::Integer),
    part("second", Function::Second, Kind::TimeOfDay, Kind::Integer),
    part("fractionalseconds", Function::FractionalSeconds, Kind::TimeOfDay, Kind::Number),
    plain("date", Function::Date, &[Kind::DateTimeOffset], Kind::Date),
    plain("time", Function::Time, &[Kind::DateTimeOffset], Kind::TimeOfDay),
    Signature { name: "now", form: Form::Now },
    Signature { name: "mindatetime", form: Form::Constant(Timestamp::UNSET) },
    Signature { name: "maxdatetime", form: Form::Constant(Timestamp::MAX) },
    plain("totalseconds", Function::TotalSeconds, &[Kind::Duration], Kind::Number),
    Signature { name: "round", form: Form::Rounding(Function::Round) },
    Signature { name: "floor", form: Form::Rounding(Function::Floor) },
    Signature { name: "ceiling", form: Form::Rounding(Function::Ceiling) },
];

/// The names of all functions.
pub(super) fn names() -> Vec<&'static str> {
    SIGNATURES.iter().map(|signature| signature.name).collect()
}

/// The call of a function.
pub(super) fn call<'a>(
    parser: &mut Parser<'a>,
    name: &str,
    at: usize,
    arguments: Vec<Node<'a>>,
) -> Result<Operand<'a>, FilterError> {
    let found = SIGNATURES.iter().find(|signature| signature.name.eq_ignore_ascii_case(name));
    let signature = found.ok_or_else(|| parser.error_at(at, Problem::Function(excerpt(name))))?;
    let (least, most) = match &signature.form {
        Form::Plain { takes, required, .. } => (*required, takes.len()),
        Form::Part { .. } | Form::Rounding(_) => (1, 1),
        Form::Now | Form::Constant(_) => (0, 0),
    };
    if !(least..=most).contains(&arguments.len()) {
        let takes = match (least, most) {
            (0, _) => "no arguments",
            (1, _) => "one argument",
            (2, 2) => "two arguments",
            _ => "two or three arguments",
        };
        return Err(parser.error_at(at, Problem::Arguments { function: signature.name, takes }));
    }
    match &signature.form {
        Form::Plain { function, takes, gives, .. } => {
            let checked = arguments.into_iter().zip(takes.iter());
            let checked = checked.map(|(node, kind)| argument(parser, node, *kind, kind.plain_name()));
            Ok(apply(*function, checked.collect::<Result<_, _>>()?, *gives))
        }
        Form::Part { function, half, gives } => {
            let mut checked = Vec::with_capacity(1);
            for node in arguments {
                let expected = match half {
                    Kind::Date => "a date, or a date and time",
                    _ => "a time of day, or a date and time",
                };
                let kind = if node.kind() == Some(*half) { *half } else { Kind::DateTimeOffset };
                checked.push(argument(parser, node, kind, expected)?);
            }
            Ok(apply(*function, checked, *gives))
        }
        Form::Rounding(function) => {
            let mut checked = Vec::with_capacity(1);
            for node in arguments {
                checked.push(argument(parser, node, Kind::Number, Kind::Number.plain_name())?);
            }
            Ok(apply(*function, checked, Kind::Number))
        }
        Form::Now => {
            let now = parser.now();
            Ok(Operand::Typed(Expression::Literal(Scalar::Moment(now)), Kind::DateTimeOffset))
        }
        Form::Constant(moment) => {
            Ok(Operand::Typed(Expression::Literal(Scalar::Moment(*moment)), Kind::DateTimeOffset))
        }
    }
}

/// A call whose arguments are checked. Where all of them are known already, so is the result.
pub(super) fn apply<'a>(function: Function, arguments: Vec<Expression>, gives: Kind) -> Operand<'a> {
    let known: Option<Vec<Scalar>> = arguments
        .iter()
        .map(|argument| match argument {
            Expression::Literal(scalar) => Some(scalar.clone()),
            _ => None,
        })
        .collect();
    let expression = match known {
        Some(known) => Expression::Literal(gives.dress(function.apply(&known))),
        None => Expression::Call(function, arguments),
    };
    Operand::Typed(expression, gives)
}

fn argument<'a>(
    parser: &Parser<'a>,
    node: Node<'a>,
    kind: Kind,
    expected: &'static str,
) -> Result<Expression, FilterError> {
    let at = node.at;
    match node.operand {
        Operand::Typed(expression, found) if found == kind || kind == Kind::Number && found.is_number() => {
            Ok(expression)
        }
        Operand::Null => Ok(Expression::Literal(Scalar::Null)),
        Operand::Text(text) if kind == Kind::String => {
            Ok(Expression::Literal(Scalar::text(text.into_owned())))
        }
        Operand::Text(_) if matches!(kind, Kind::DateTimeOffset | Kind::Duration) => {
            parser.coerce(node, kind, || Problem::Unexpected { expected, found: String::new() })
        }
        Operand::Word(word) => Err(parser.unknown_property(word, at)),
        _ => {
            let found = node.shown().to_string();
            Err(parser.error_at(at, Problem::Unexpected { expected, found }))
        }
    }
}

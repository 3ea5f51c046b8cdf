//! Filters as text: the inverse of the parser, and random filters to feed it.

use exconn_model::{
    MANAGED_DEVICE, Timestamp,
    schema::{EnumType, PropertyType},
};
use exconn_odata::query::{Comparison, Expression, Function, Scalar};
use proptest::{collection::vec, prelude::*, sample::select};

const DAY: i64 = 864_000_000_000;

pub(crate) fn print(expression: &Expression) -> String {
    match expression {
        Expression::Property(position) => MANAGED_DEVICE.properties[*position].name.to_owned(),
        Expression::Literal(scalar) => literal(scalar),
        Expression::And(left, right) => format!("({}) and ({})", print(left), print(right)),
        Expression::Or(left, right) => format!("({}) or ({})", print(left), print(right)),
        Expression::Not(inner) => format!("not ({})", print(inner)),
        Expression::Compare(left, comparison, right) => {
            let operator = match comparison {
                Comparison::Equal => "eq",
                Comparison::NotEqual => "ne",
                Comparison::Less => "lt",
                Comparison::LessOrEqual => "le",
                Comparison::Greater => "gt",
                Comparison::GreaterOrEqual => "ge",
            };
            format!("({}) {operator} ({})", print(left), print(right))
        }
        Expression::In(operand, values) => {
            let values: Vec<_> = values.iter().map(literal).collect();
            format!("({}) in ({})", print(operand), values.join(","))
        }
        Expression::Call(function, arguments) => call(*function, arguments),
    }
}

fn call(function: Function, arguments: &[Expression]) -> String {
    let operator = match function {
        Function::Add | Function::Later => Some("add"),
        Function::Subtract => Some("sub"),
        Function::Multiply | Function::Scale => Some("mul"),
        Function::Divide => Some("div"),
        Function::DivideExactly | Function::Shrink => Some("divby"),
        Function::Modulo => Some("mod"),
        _ => None,
    };
    let arguments: Vec<_> = arguments.iter().map(print).collect();
    match (operator, arguments.as_slice()) {
        (Some(operator), [left, right]) => format!("({left}) {operator} ({right})"),
        _ if function == Function::Negate => format!("-({})", arguments.concat()),
        // Its name in OData is its name here without capitals.
        _ => format!("{}({})", format!("{function:?}").to_lowercase(), arguments.join(",")),
    }
}

fn literal(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Null => "null".to_owned(),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Number(number) => format!("{number:?}"),
        Scalar::Moment(moment) => moment.to_string(),
        Scalar::Date(moment) => moment.to_string()[..10].to_owned(),
        Scalar::TimeOfDay(ticks) => {
            Timestamp::from_ticks(*ticks).to_string()[11..].trim_end_matches('Z').to_owned()
        }
        Scalar::Duration(ticks) => {
            let (sign, ticks) = (if *ticks < 0 { "-" } else { "" }, ticks.unsigned_abs());
            format!("duration'{sign}PT{}.{:07}S'", ticks / 10_000_000, ticks % 10_000_000)
        }
        Scalar::Enum(kind, number) => {
            format!("microsoft.graph.{}'{}'", kind.name, kind.name_of(*number).unwrap())
        }
    }
}

type Expressed = BoxedStrategy<Expression>;

fn value(scalars: impl Strategy<Value = Scalar> + 'static) -> Expressed {
    scalars.prop_map(Expression::Literal).boxed()
}

fn property_of(kind: PropertyType) -> Expressed {
    let properties = MANAGED_DEVICE.properties;
    let alike = (0..properties.len()).filter(|position| properties[*position].kind == kind);
    select(alike.collect::<Vec<_>>()).prop_map(Expression::Property).boxed()
}

fn one_of(functions: &[Function], arguments: &[&Expressed]) -> Expressed {
    let arguments: Vec<Expressed> = arguments.iter().map(|argument| (*argument).clone()).collect();
    (select(functions.to_vec()), arguments)
        .prop_map(|(function, arguments)| Expression::Call(function, arguments))
        // The checker computes what it knows already; such calls are not in its answers.
        .prop_filter("all arguments are known", |call| match call {
            Expression::Call(_, arguments) => {
                arguments.iter().any(|argument| !matches!(argument, Expression::Literal(_)))
            }
            _ => true,
        })
        .boxed()
}

fn moments() -> impl Strategy<Value = Scalar> {
    (Timestamp::UNSET.ticks()..=Timestamp::MAX.ticks())
        .prop_map(|ticks| Scalar::Moment(Timestamp::from_ticks(ticks)))
}

fn texts() -> impl Strategy<Value = Scalar> {
    "[^\\x00]{0,8}".prop_map(Scalar::text)
}

fn members(kind: &'static EnumType) -> impl Strategy<Value = Scalar> {
    select(kind.members).prop_map(move |member| Scalar::Enum(kind, member.number))
}

/// Comparable expressions of one type, with values of that type.
fn groups() -> Vec<(Expressed, BoxedStrategy<Scalar>)> {
    use Function::*;
    let text = prop_oneof![property_of(PropertyType::String), value(texts())].boxed();
    let moment = prop_oneof![property_of(PropertyType::DateTimeOffset), value(moments())].boxed();
    let integers = any::<i64>().prop_map(Scalar::Integer).boxed();
    let numbers = (-1e9..1e9_f64).prop_map(Scalar::Number).boxed();
    let durations = (-400 * DAY..400 * DAY).prop_map(Scalar::Duration).boxed();
    let dates =
        (-700_000..2_900_000_i64).prop_map(|day| Scalar::Date(Timestamp::from_ticks(day * DAY))).boxed();
    let times = (0..DAY).prop_map(Scalar::TimeOfDay).boxed();
    let text = prop_oneof![
        text.clone(),
        one_of(&[ToLower, ToUpper, Trim], &[&text]),
        one_of(&[Concat], &[&text, &text]),
        one_of(&[Substring], &[&text, &value(integers.clone())]),
        one_of(&[Substring], &[&text, &value(integers.clone()), &value(integers.clone())]),
    ]
    .boxed();
    let integer = prop_oneof![
        one_of(&[Length], &[&text]),
        one_of(&[IndexOf], &[&text, &text]),
        one_of(&[Year, Month, Day, Hour, Minute, Second], &[&moment]),
    ]
    .boxed();
    let integer = prop_oneof![
        value(integers.clone()),
        integer.clone(),
        one_of(&[Add, Subtract, Multiply, Divide, Modulo], &[&integer, &value(integers.clone())]),
        one_of(&[Negate], &[&integer]),
    ]
    .boxed();
    let later = one_of(&[Later], &[&moment, &value(durations.clone())]);
    let moment = prop_oneof![moment.clone(), later].boxed();
    let duration = prop_oneof![value(durations.clone()), one_of(&[Subtract], &[&moment, &moment])].boxed();
    let duration = prop_oneof![
        duration.clone(),
        one_of(&[Add], &[&duration, &duration]),
        one_of(&[Multiply], &[&duration, &integer]),
        one_of(&[Shrink], &[&duration, &integer]),
    ]
    .boxed();
    let number = prop_oneof![
        value(numbers.clone()),
        one_of(&[FractionalSeconds], &[&moment]),
        one_of(&[TotalSeconds], &[&duration]),
        one_of(&[DivideExactly], &[&integer, &integer]),
        one_of(&[Round, Floor, Ceiling], &[&integer]),
    ]
    .boxed();
    let date = prop_oneof![value(dates.clone()), one_of(&[Date], &[&moment])].boxed();
    let time = prop_oneof![value(times.clone()), one_of(&[Time], &[&moment])].boxed();
    let tests = one_of(&[Contains, StartsWith, EndsWith], &[&text, &text]);
    let truth = prop_oneof![property_of(PropertyType::Boolean), tests].boxed();
    let mut groups = vec![
        (text, texts().boxed()),
        (integer, integers),
        (number, numbers),
        (moment, moments().boxed()),
        (date, dates),
        (time, times),
        (duration, durations),
        (truth, any::<bool>().prop_map(Scalar::Boolean).boxed()),
    ];
    for property in MANAGED_DEVICE.properties {
        if let PropertyType::Enum(kind) = property.kind {
            groups.push((property_of(property.kind), members(kind).boxed()));
        }
    }
    groups
}

fn condition() -> Expressed {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let null = || Just(Expression::Literal(Scalar::Null));
    let mut conditions = Vec::new();
    for (side, values) in groups() {
        let comparison = select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
        let other = prop_oneof![5 => side.clone(), 4 => value(values.clone()), 1 => null()];
        let compare = (side.clone(), comparison, other)
            .prop_map(|(left, comparison, right)| Expression::compare(left, comparison, right));
        let values = prop_oneof![9 => values, 1 => Just(Scalar::Null)];
        let list =
            (side, vec(values, 0..5)).prop_map(|(operand, values)| Expression::In(Box::new(operand), values));
        conditions.push(prop_oneof![3 => compare, 1 => list].boxed());
    }
    let truth =
        prop_oneof![property_of(PropertyType::Boolean), value(any::<bool>().prop_map(Scalar::Boolean)),];
    conditions.push(truth.boxed());
    proptest::strategy::Union::new(conditions).boxed()
}

/// Filters over `MANAGED_DEVICE` that the checker can produce.
pub(crate) fn filters() -> impl Strategy<Value = Expression> {
    condition().prop_recursive(6, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.or(right)),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

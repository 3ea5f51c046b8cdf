//! Filters as text: the inverse of the parser, and random filters to feed it.

use exconn_model::{
    MANAGED_DEVICE, Timestamp,
    schema::{PropertyType, Value},
};
use exconn_odata::query::{Comparison, Filter, Operand, TextTest};
use proptest::{collection::vec, prelude::*, sample::select};

pub(crate) fn print(filter: &Filter) -> String {
    match filter {
        Filter::And(left, right) => format!("({}) and ({})", print(left), print(right)),
        Filter::Or(left, right) => format!("({}) or ({})", print(left), print(right)),
        Filter::Not(inner) => format!("not ({})", print(inner)),
        Filter::Compare(left, comparison, right) => {
            let operator = match comparison {
                Comparison::Equal => "eq",
                Comparison::NotEqual => "ne",
                Comparison::Less => "lt",
                Comparison::LessOrEqual => "le",
                Comparison::Greater => "gt",
                Comparison::GreaterOrEqual => "ge",
            };
            format!("{} {operator} {}", operand(left), operand(right))
        }
        Filter::In(left, values) => {
            let values: Vec<_> = values.iter().map(literal).collect();
            format!("{} in ({})", operand(left), values.join(","))
        }
        Filter::Text(test, text, sought) => {
            let name = match test {
                TextTest::Contains => "contains",
                TextTest::StartsWith => "startswith",
                TextTest::EndsWith => "endswith",
            };
            format!("{name}({},{})", operand(text), operand(sought))
        }
        Filter::Truth(alone) => operand(alone),
    }
}

fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Property(position) => MANAGED_DEVICE.properties[*position].name.to_owned(),
        Operand::Literal(value) => literal(value),
    }
}

fn literal(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Int32(number) => number.to_string(),
        Value::Timestamp(moment) => moment.to_string(),
        Value::Complex(..) => unreachable!("nothing compares a structure"),
        Value::Enum(kind, number) => {
            format!("microsoft.graph.{}'{}'", kind.name, kind.name_of(*number).unwrap())
        }
    }
}

fn value_of(kind: PropertyType) -> BoxedStrategy<Value<'static>> {
    let value = match kind {
        PropertyType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        PropertyType::String => "[^\\x00]{0,8}".prop_map(|text| Value::Text(text.into())).boxed(),
        PropertyType::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        PropertyType::Complex(_) => Just(Value::Null).boxed(),
        PropertyType::DateTimeOffset => (Timestamp::UNSET.ticks()..=Timestamp::MAX.ticks())
            .prop_map(|ticks| Value::Timestamp(Timestamp::from_ticks(ticks)))
            .boxed(),
        PropertyType::Enum(kind) => {
            select(kind.members).prop_map(move |member| Value::Enum(kind, member.number)).boxed()
        }
    };
    prop_oneof![9 => value, 1 => Just(Value::Null)].boxed()
}

/// A property of `MANAGED_DEVICE` and something to compare it with, in either order.
fn pair() -> impl Strategy<Value = (Operand, Operand)> {
    let properties = MANAGED_DEVICE.properties;
    let alike = |kind: PropertyType| -> Vec<usize> {
        (0..properties.len()).filter(|position| properties[*position].kind == kind).collect()
    };
    (0..properties.len(), any::<bool>()).prop_flat_map(move |(position, turned)| {
        let kind = properties[position].kind;
        let other = prop_oneof![
            3 => value_of(kind).prop_map(Operand::Literal),
            1 => select(alike(kind)).prop_map(Operand::Property),
        ];
        other.prop_map(move |other| {
            let property = Operand::Property(position);
            if turned { (other, property) } else { (property, other) }
        })
    })
}

fn leaf() -> impl Strategy<Value = Filter> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let comparison = select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
    let compare =
        (pair(), comparison).prop_map(|((left, right), comparison)| Filter::Compare(left, comparison, right));
    let list = (0..MANAGED_DEVICE.properties.len()).prop_flat_map(|position| {
        let values = vec(value_of(MANAGED_DEVICE.properties[position].kind), 1..5);
        values.prop_map(move |values| Filter::In(Operand::Property(position), values))
    });
    let texts = || {
        prop_oneof![
            Just(Operand::Property(MANAGED_DEVICE.position("deviceName").unwrap())),
            value_of(PropertyType::String).prop_map(Operand::Literal),
        ]
    };
    let test = select(vec![TextTest::Contains, TextTest::StartsWith, TextTest::EndsWith]);
    let text = (test, texts(), texts()).prop_map(|(test, text, sought)| Filter::Text(test, text, sought));
    let truth = prop_oneof![
        Just(Operand::Property(MANAGED_DEVICE.position("easActivated").unwrap())),
        any::<bool>().prop_map(|value| Operand::Literal(Value::Boolean(value))),
    ];
    prop_oneof![4 => compare, 1 => list, 2 => text, 1 => truth.prop_map(Filter::Truth)]
}

/// Filters over `MANAGED_DEVICE` that the checker can produce.
pub(crate) fn filters() -> impl Strategy<Value = Filter> {
    leaf().prop_recursive(6, 24, 2, |inner| {
        let boxed = |filter: Filter| Box::new(filter);
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(move |(l, r)| Filter::And(boxed(l), boxed(r))),
            (inner.clone(), inner.clone()).prop_map(move |(l, r)| Filter::Or(boxed(l), boxed(r))),
            inner.prop_map(move |inner| Filter::Not(boxed(inner))),
        ]
    })
}

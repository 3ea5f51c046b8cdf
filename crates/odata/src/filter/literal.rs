//! What a literal means depends on the type that it meets.

use exconn_model::{
    Timestamp, TimestampError,
    schema::{EntityType, EnumType, PropertyType, Value},
};

use super::{FilterError, Problem};
use crate::excerpt::excerpt;

/// An operand whose literal has not met the type of the other side yet.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Property(usize, PropertyType),
    Null,
    Boolean(bool),
    Text(String),
    /// A word that is neither property nor keyword: a date, a number, a GUID or a bare member.
    Word(String),
    Qualified(String, String),
}

/// A literal as a value of this type.
pub(super) fn literal(
    raw: Raw,
    kind: PropertyType,
    at: usize,
    entity: &'static EntityType,
) -> Result<Value<'static>, FilterError> {
    let failed = |problem| FilterError { position: at, problem };
    match (kind, raw) {
        (_, Raw::Null) => Ok(Value::Null),
        (_, raw @ Raw::Property(..)) => {
            Err(failed(Problem::Unexpected { expected: "a literal", found: describe(&raw) }))
        }
        (PropertyType::Boolean, Raw::Boolean(value)) => Ok(Value::Boolean(value)),
        (PropertyType::String, Raw::Text(text)) => Ok(Value::Text(text.into())),
        // Ids are texts, and many clients write them like OData's GUIDs, without quotes.
        (PropertyType::String, Raw::Word(word)) if is_guid(&word) => Ok(Value::Text(word.into())),
        (PropertyType::Enum(kind), Raw::Word(name)) if kind.number_of(&name).is_some() => {
            member(kind, &name).map_err(failed)
        }
        (PropertyType::Int32, Raw::Word(word)) if word.parse::<i32>().is_ok() => {
            Ok(Value::Int32(word.parse().unwrap_or_default()))
        }
        (_, Raw::Word(word)) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
            Err(unknown(&word, at, entity))
        }
        (PropertyType::DateTimeOffset, Raw::Word(text) | Raw::Text(text)) => {
            moment(&text).map(Value::Timestamp).map_err(failed)
        }
        (PropertyType::Enum(kind), Raw::Text(name) | Raw::Word(name)) => member(kind, &name).map_err(failed),
        (PropertyType::Enum(kind), Raw::Qualified(prefix, name)) => {
            let named = prefix.strip_prefix("microsoft.graph.").or(prefix.strip_prefix("graph."));
            if named.unwrap_or(&prefix) != kind.name {
                let left = format!("a microsoft.graph.{}", kind.name);
                return Err(failed(Problem::Types { left, right: format!("a {}", excerpt(&prefix)) }));
            }
            member(kind, &name).map_err(failed)
        }
        (kind, raw) => Err(failed(Problem::Types { left: type_name(kind), right: describe(&raw) })),
    }
}

/// A name that the entity does not have.
pub(super) fn unknown(name: &str, at: usize, entity: &'static EntityType) -> FilterError {
    let problem = Problem::UnknownProperty { name: excerpt(name), entity: entity.name };
    FilterError { position: at, problem }
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).map_err(|reason| {
        let hint = match reason {
            TimestampError::Zone => "; in a URL, + is written %2B",
            _ => "",
        };
        Problem::Moment { text: excerpt(text), reason: format!("{reason}{hint}") }
    })
}

fn member(kind: &'static EnumType, name: &str) -> Result<Value<'static>, Problem> {
    match kind.number_of(name) {
        Some(number) => Ok(Value::Enum(kind, number)),
        None => {
            let members: Vec<&str> = kind.members.iter().map(|member| member.name).collect();
            Err(Problem::Member { member: excerpt(name), kind: kind.name, members: members.join(", ") })
        }
    }
}

fn is_guid(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn type_name(kind: PropertyType) -> String {
    match kind {
        PropertyType::Boolean => "a Boolean".to_owned(),
        PropertyType::String => "a text".to_owned(),
        PropertyType::DateTimeOffset => "a date and time".to_owned(),
        PropertyType::Int32 => "a whole number".to_owned(),
        PropertyType::Enum(kind) => format!("a microsoft.graph.{}", kind.name),
        PropertyType::Complex(kind) => format!("a microsoft.graph.{}", kind.name),
    }
}

pub(super) fn describe(raw: &Raw) -> String {
    match raw {
        Raw::Property(_, kind) => format!("a property that is {}", type_name(*kind)),
        Raw::Null => "null".to_owned(),
        Raw::Boolean(value) => value.to_string(),
        Raw::Text(text) => format!("the text '{}'", excerpt(text)),
        Raw::Word(word) => format!("'{}'", excerpt(word)),
        Raw::Qualified(kind, member) => format!("{}'{}'", excerpt(kind), excerpt(member)),
    }
}

//! What an entity looks like to the outside: the one description that queries, bodies, answers and metadata use.

use std::borrow::Cow;

use crate::Timestamp;

/// An enumeration of the `microsoft.graph` namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Name without the namespace, for instance `deviceManagementExchangeConnectorStatus`.
    pub name: &'static str,
    /// Member names and numbers in ascending order of number.
    pub members: &'static [(&'static str, i32)],
    /// Whether the last member is `unknownFutureValue`, a placeholder that is never stored.
    pub has_sentinel: bool,
}

impl EnumType {
    /// The name of the member with this number.
    pub fn name_of(&self, number: i32) -> Option<&'static str> {
        self.members.iter().find(|(_, n)| *n == number).map(|(name, _)| *name)
    }

    /// The number of the member with exactly this name.
    pub fn number_of(&self, name: &str) -> Option<i32> {
        self.members.iter().find(|(n, _)| *n == name).map(|(_, number)| *number)
    }
}

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyType {
    /// `Edm.Boolean`.
    Boolean,
    /// `Edm.String`.
    String,
    /// `Edm.DateTimeOffset`.
    DateTimeOffset,
    /// An enumeration, written as its member's name and compared by number.
    Enum(&'static EnumType),
}

/// One property of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Name in exact case.
    pub name: &'static str,
    /// Type of its values.
    pub kind: PropertyType,
    /// Whether `null` is a value of this property.
    pub nullable: bool,
}

/// The description of an entity. Properties stand in the order in which they are written; the key, `id`, is first.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityType {
    /// Name without the namespace, for instance `deviceManagementExchangeConnector`.
    pub name: &'static str,
    /// All properties; `id` is at position 0.
    pub properties: &'static [Property],
}

impl EntityType {
    /// Position of the property of this name, in any case (query options are not case-sensitive).
    pub fn position(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Position of the property of exactly this name (bodies are case-sensitive).
    pub fn position_exact(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|p| p.name == name)
    }
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// Text.
    Text(Cow<'a, str>),
    /// A moment in UTC.
    Timestamp(Timestamp),
    /// The number of an enumeration's member.
    Enum(&'static EnumType, i32),
}

impl<'a> Value<'a> {
    /// Text, or null where there is none.
    pub fn text(value: Option<&'a str>) -> Self {
        value.map_or(Value::Null, |text| Value::Text(Cow::Borrowed(text)))
    }

    /// The same value without a borrow.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(value) => Value::Boolean(value),
            Value::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Value::Timestamp(value) => Value::Timestamp(value),
            Value::Enum(kind, number) => Value::Enum(kind, number),
        }
    }
}

/// Something that an [`EntityType`] describes.
pub trait Entity {
    /// Its description.
    const TYPE: &'static EntityType;

    /// The value of the property at `position` of [`EntityType::properties`]; null beyond the end.
    fn value(&self, position: usize) -> Value<'_>;
}

pub(crate) const fn text(name: &'static str) -> Property {
    Property { name, kind: PropertyType::String, nullable: true }
}

pub(crate) const fn moment(name: &'static str) -> Property {
    Property { name, kind: PropertyType::DateTimeOffset, nullable: false }
}

pub(crate) const fn enumeration(name: &'static str, kind: &'static EnumType) -> Property {
    Property { name, kind: PropertyType::Enum(kind), nullable: false }
}

pub(crate) const fn key() -> Property {
    Property { name: "id", kind: PropertyType::String, nullable: false }
}

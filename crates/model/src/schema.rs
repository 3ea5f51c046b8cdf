//! What an entity looks like to the outside: the one description that queries, bodies, answers, `$metadata` and OpenAPI
//! use.

use std::borrow::Cow;

use crate::Timestamp;

/// A member of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumMember {
    /// Name in exact case.
    pub name: &'static str,
    /// The number by which members are compared.
    pub number: i32,
    /// What it means, in one or two sentences for users of the API.
    pub documentation: &'static str,
}

/// An enumeration of the `microsoft.graph` namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Name without the namespace, for instance `deviceManagementExchangeConnectorStatus`.
    pub name: &'static str,
    /// What it tells, in one or two sentences for users of the API.
    pub documentation: &'static str,
    /// Members in ascending order of number.
    pub members: &'static [EnumMember],
    /// Whether there is a member [`SENTINEL`], a placeholder that is never stored.
    pub has_sentinel: bool,
}

/// The member that stands for those with greater numbers, which only clients that ask for them are shown.
pub const SENTINEL: &str = "unknownFutureValue";

impl EnumType {
    /// The name of the member with this number.
    pub fn name_of(&self, number: i32) -> Option<&'static str> {
        self.members.iter().find(|member| member.number == number).map(|member| member.name)
    }

    /// The number of the member with exactly this name.
    pub fn number_of(&self, name: &str) -> Option<i32> {
        self.members.iter().find(|member| member.name == name).map(|member| member.number)
    }

    /// What a client is shown for this number: the member's name, or [`SENTINEL`] for a member above it that the client
    /// has not asked for and for a number without a name.
    pub fn shown(&self, number: i32, include_unknown: bool) -> &'static str {
        let is_hidden = self.has_sentinel
            && !include_unknown
            && self.number_of(SENTINEL).is_some_and(|sentinel| number > sentinel);
        if is_hidden { SENTINEL } else { self.name_of(number).unwrap_or(SENTINEL) }
    }
}

/// A structure without a key, the type of a property.
#[derive(Debug, PartialEq, Eq)]
pub struct ComplexType {
    /// Name without the namespace, for instance `deviceExchangeAccessStateSummary`.
    pub name: &'static str,
    /// What it tells, in one or two sentences for users of the API.
    pub documentation: &'static str,
    /// All properties, in the order in which they are written.
    pub properties: &'static [Property],
}

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyType {
    /// `Edm.Boolean`.
    Boolean,
    /// `Edm.String`.
    String,
    /// `Edm.Int32`.
    Int32,
    /// `Edm.DateTimeOffset`.
    DateTimeOffset,
    /// An enumeration, written as its member's name and compared by number.
    Enum(&'static EnumType),
    /// A structure.
    Complex(&'static ComplexType),
}

impl PropertyType {
    /// Whether values have an inside: they can be read, and neither compared nor ordered by.
    pub fn is_structure(self) -> bool {
        matches!(self, Self::Complex(_))
    }
}

/// One property of an entity or a complex type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Name in exact case.
    pub name: &'static str,
    /// Type of its values.
    pub kind: PropertyType,
    /// Whether `null` is a value of this property.
    pub nullable: bool,
    /// Whether only the service sets it, also in entities that clients change.
    pub computed: bool,
    /// What it tells, in one or two sentences for users of the API.
    pub documentation: &'static str,
}

/// An action that is bound to a single entity and returns nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Action {
    /// Name without the namespace, for instance `sync`.
    pub name: &'static str,
    /// What it does, in one or two sentences for users of the API.
    pub documentation: &'static str,
    /// Its parameters beside the entity.
    pub parameters: &'static [Property],
}

/// A way from an entity to others, which have no other address.
#[derive(Debug, PartialEq, Eq)]
pub struct NavigationProperty {
    /// Name in exact case: a segment of addresses.
    pub name: &'static str,
    /// What it leads to, in one or two sentences for users of the API.
    pub documentation: &'static str,
    /// The type of what it leads to.
    pub target: &'static EntityType,
    /// Whether it leads to a collection; else to exactly one entity.
    pub is_collection: bool,
}

/// The description of an entity. Properties stand in the order in which they are written; the key, `id`, is first.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityType {
    /// Name without the namespace, for instance `deviceManagementExchangeConnector`.
    pub name: &'static str,
    /// What it is, in one or two sentences for users of the API.
    pub documentation: &'static str,
    /// All properties; `id` is at position 0.
    pub properties: &'static [Property],
    /// Whether clients create, change and remove such entities; else they only read them.
    pub is_changeable: bool,
    /// What can be asked of such an entity.
    pub actions: &'static [Action],
    /// What such an entity contains.
    pub navigation: &'static [NavigationProperty],
}

impl EntityType {
    /// An entity that clients only read.
    pub const fn read_only(
        name: &'static str,
        documentation: &'static str,
        properties: &'static [Property],
    ) -> Self {
        Self { name, documentation, properties, is_changeable: false, actions: &[], navigation: &[] }
    }

    /// An entity that clients create, change and remove.
    pub const fn changeable(
        name: &'static str,
        documentation: &'static str,
        properties: &'static [Property],
    ) -> Self {
        Self { is_changeable: true, ..Self::read_only(name, documentation, properties) }
    }

    /// The same entity with these actions.
    pub const fn with_actions(self, actions: &'static [Action]) -> Self {
        Self { actions, ..self }
    }

    /// The same entity with this contents.
    pub const fn with_navigation(self, navigation: &'static [NavigationProperty]) -> Self {
        Self { navigation, ..self }
    }

    /// Position of the property of this name, in any case (query options are not case-sensitive).
    pub fn position(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Position of the property of exactly this name (bodies are case-sensitive).
    pub fn position_exact(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|p| p.name == name)
    }

    /// Whether clients can only read this property.
    pub fn is_read_only(&self, property: &Property) -> bool {
        property.computed || !self.is_changeable
    }
}

/// An entity that has an address of its own below the service's root.
#[derive(Debug, PartialEq, Eq)]
pub struct Singleton {
    /// Its name: the first segment of addresses.
    pub name: &'static str,
    /// What it is.
    pub kind: &'static EntityType,
}

/// All that a service offers: where every address begins.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityContainer {
    /// Name without the namespace.
    pub name: &'static str,
    /// Where addresses begin.
    pub singletons: &'static [Singleton],
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
    /// A whole number.
    Int32(i32),
    /// A moment in UTC.
    Timestamp(Timestamp),
    /// The number of an enumeration's member.
    Enum(&'static EnumType, i32),
    /// The values of a structure's properties, in the order of its description.
    Complex(&'static ComplexType, Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Text, or null where there is none.
    pub fn text(value: Option<&'a str>) -> Self {
        value.map_or(Value::Null, |text| Value::Text(Cow::Borrowed(text)))
    }

    /// A number of things, at most the largest that `Edm.Int32` holds.
    pub fn count(value: u64) -> Self {
        Value::Int32(i32::try_from(value).unwrap_or(i32::MAX))
    }

    /// The same value without a borrow.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(value) => Value::Boolean(value),
            Value::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Value::Int32(value) => Value::Int32(value),
            Value::Timestamp(value) => Value::Timestamp(value),
            Value::Enum(kind, number) => Value::Enum(kind, number),
            Value::Complex(kind, values) => {
                Value::Complex(kind, values.into_iter().map(Value::into_owned).collect())
            }
        }
    }
}

/// Something that an [`EntityType`] describes.
pub trait Entity {
    /// Its description.
    const TYPE: &'static EntityType;

    /// The value of the property at `position` of [`EntityType::properties`]; null beyond the end.
    fn value(&self, position: usize) -> Value<'_>;

    /// Counts the changes of this entity, where they are counted; entity tags are made of it.
    fn revision(&self) -> Option<i64> {
        None
    }
}

const fn property(
    name: &'static str,
    kind: PropertyType,
    nullable: bool,
    documentation: &'static str,
) -> Property {
    Property { name, kind, nullable, computed: false, documentation }
}

/// A text, or null.
pub const fn text(name: &'static str, documentation: &'static str) -> Property {
    property(name, PropertyType::String, true, documentation)
}

/// True or false.
pub const fn boolean(name: &'static str, documentation: &'static str) -> Property {
    property(name, PropertyType::Boolean, false, documentation)
}

/// A whole number.
pub const fn number(name: &'static str, documentation: &'static str) -> Property {
    property(name, PropertyType::Int32, false, documentation)
}

/// A moment; [`Timestamp::UNSET`] stands for none.
pub const fn moment(name: &'static str, documentation: &'static str) -> Property {
    property(name, PropertyType::DateTimeOffset, false, documentation)
}

/// A member of an enumeration.
pub const fn enumeration(
    name: &'static str,
    kind: &'static EnumType,
    documentation: &'static str,
) -> Property {
    property(name, PropertyType::Enum(kind), false, documentation)
}

/// A structure, or null.
pub const fn complex(
    name: &'static str,
    kind: &'static ComplexType,
    documentation: &'static str,
) -> Property {
    property(name, PropertyType::Complex(kind), true, documentation)
}

/// The key of every entity.
pub const fn key() -> Property {
    Property {
        computed: true,
        ..property("id", PropertyType::String, false, "Identity, given by the service: a lower-case GUID.")
    }
}

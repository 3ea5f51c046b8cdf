use exconn_model::{
    Timestamp,
    schema::{EnumType, PropertyType},
};

use crate::query::Scalar;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    String,
    Integer,
    Number,
    Date,
    TimeOfDay,
    DateTimeOffset,
    Duration,
    Enum(&'static EnumType),
}

impl Kind {
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Number)
    }

    pub(super) fn is_comparable_with(self, other: Self) -> bool {
        self == other || self.is_number() && other.is_number()
    }

    /// What this type is called in an error.
    pub(super) fn name(self) -> String {
        match self {
            Self::Enum(kind) => format!("a microsoft.graph.{}", kind.name),
            plain => plain.plain_name().to_owned(),
        }
    }

    pub(super) fn plain_name(self) -> &'static str {
        match self {
            Self::Boolean => "a Boolean",
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Date => "a date",
            Self::TimeOfDay => "a time of day",
            Self::DateTimeOffset => "a date and time",
            Self::Duration => "a duration",
            Self::Enum(_) => "a member of an enumeration",
        }
    }

    /// The value of this type that a function's plain result stands for.
    pub(super) fn dress(self, plain: Scalar) -> Scalar {
        match (self, plain) {
            (Self::Date, Scalar::Integer(ticks)) => Scalar::Date(Timestamp::from_ticks(ticks)),
            (Self::TimeOfDay, Scalar::Integer(ticks)) => Scalar::TimeOfDay(ticks),
            (Self::DateTimeOffset, Scalar::Integer(ticks)) => Scalar::Moment(Timestamp::from_ticks(ticks)),
            (Self::Duration, Scalar::Integer(ticks)) => Scalar::Duration(ticks),
            (_, plain) => plain,
        }
    }
}

impl Kind {
    /// The type of a property's values; none for structures, which cannot be compared.
    pub(super) fn of_property(kind: PropertyType) -> Option<Self> {
        match kind {
            PropertyType::Boolean => Some(Self::Boolean),
            PropertyType::String => Some(Self::String),
            PropertyType::Int32 => Some(Self::Integer),
            PropertyType::DateTimeOffset => Some(Self::DateTimeOffset),
            PropertyType::Enum(kind) => Some(Self::Enum(kind)),
            PropertyType::Complex(_) => None,
        }
    }
}

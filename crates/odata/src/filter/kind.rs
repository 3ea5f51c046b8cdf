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

impl From<PropertyType> for Kind {
    fn from(kind: PropertyType) -> Self {
        match kind {
            PropertyType::Boolean => Self::Boolean,
            PropertyType::String => Self::String,
            PropertyType::DateTimeOffset => Self::DateTimeOffset,
            PropertyType::Enum(kind) => Self::Enum(kind),
        }
    }
}

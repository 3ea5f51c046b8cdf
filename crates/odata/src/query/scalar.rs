use std::borrow::Cow;

use exconn_model::{
    Timestamp,
    schema::{EnumType, Value},
};

/// A single value of an expression.
///
/// Moments, dates, times and durations count ticks of 100 ns, so that one number stands for each: a date is its first
/// moment, a time of day the ticks since midnight.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// No value.
    Null,
    /// `Edm.Boolean`.
    Boolean(bool),
    /// `Edm.String`.
    Text(Cow<'static, str>),
    /// `Edm.Int64`.
    Integer(i64),
    /// `Edm.Double`, always finite.
    Number(f64),
    /// `Edm.Date`: its first moment in UTC.
    Date(Timestamp),
    /// `Edm.TimeOfDay`: ticks since midnight, less than a day's.
    TimeOfDay(i64),
    /// `Edm.DateTimeOffset`.
    Moment(Timestamp),
    /// `Edm.Duration`: ticks.
    Duration(i64),
    /// The number of an enumeration's member.
    Enum(&'static EnumType, i32),
}

impl Scalar {
    /// A text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }

    /// The whole number that stands for this value: ticks, a member's number, 0 and 1 for false and true.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Boolean(value) => Some(i64::from(*value)),
            Self::Integer(number) | Self::TimeOfDay(number) | Self::Duration(number) => Some(*number),
            Self::Date(moment) | Self::Moment(moment) => Some(moment.ticks()),
            Self::Enum(_, number) => Some(i64::from(*number)),
            Self::Null | Self::Text(_) | Self::Number(_) => None,
        }
    }

    /// This value's text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Value<'_>> for Scalar {
    fn from(value: Value<'_>) -> Self {
        match value {
            // Structures are not compared.
            Value::Null | Value::Complex(..) => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Text(text) => Self::Text(Cow::Owned(text.into_owned())),
            Value::Int32(number) => Self::Integer(number.into()),
            Value::Timestamp(moment) => Self::Moment(moment),
            Value::Enum(kind, number) => Self::Enum(kind, number),
        }
    }
}

//! What the objects of Exchange's cmdlets mean. Remote PowerShell and Exchange Online deliver the same texts under the same
//! names.

mod device;
mod organization;
mod statistics;

pub(crate) use device::DeviceMapper;
pub(crate) use organization::{Named, organization};
pub(crate) use statistics::StatisticsMapper;

use exconn_model::{Timestamp, TimestampError};

/// Takes the properties of one object after the other and makes something of each.
pub(crate) trait Mapper: Default {
    /// What becomes of an object.
    type Row;

    /// A property that has a value, as text.
    fn property(&mut self, name: &str, text: &str);

    /// One of the texts of a property that is a list.
    fn item(&mut self, _name: &str, _text: &str) {}

    /// The row, or what is wrong with the object.
    fn finish(self) -> Result<Self::Row, String>;
}

/// A time without a zone is in UTC, like all times that are kept. .NET writes `DateTime.MinValue` for "never", which with
/// an offset lies before the range.
pub(crate) fn moment(text: &str) -> Result<Option<Timestamp>, TimestampError> {
    match Timestamp::parse(text) {
        Err(TimestampError::Zone) => Timestamp::parse(&format!("{text}Z")).map(Some),
        Err(TimestampError::Range) if text.starts_with("0001-01-01T") => Ok(None),
        parsed => parsed.map(Some),
    }
}

/// An object of which nothing is wanted.
#[derive(Debug, Default)]
pub(crate) struct Ignored;

impl Mapper for Ignored {
    type Row = ();

    fn property(&mut self, _: &str, _: &str) {}

    fn finish(self) -> Result<(), String> {
        Ok(())
    }
}

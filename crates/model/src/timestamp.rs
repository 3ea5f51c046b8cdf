use std::{fmt, str::FromStr, time::Duration};

const TICKS_PER_SECOND: i64 = 10_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A moment in UTC between the years 1 and 9999, in steps of 100 nanoseconds: the range and resolution of
/// `Edm.DateTimeOffset` as the Graph and Exchange use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not of the form `2026-01-31T08:00:00.1234567Z`.
    #[error("a date and time looks like 2026-01-31T08:00:00Z or 2026-01-31T08:00:00.5+01:00")]
    Form,
    /// No `Z` and no offset at the end.
    #[error("a date and time ends in Z or in an offset such as +01:00")]
    Zone,
    /// A month, day, hour, minute, second or offset that does not exist, or a year outside 1 to 9999.
    #[error("there is no such date and time between the years 1 and 9999")]
    Range,
}

impl Timestamp {
    /// `0001-01-01T00:00:00Z`: what the Graph shows where a date that cannot be null has never been set.
    pub const UNSET: Self = Self(-62_135_596_800 * TICKS_PER_SECOND);
    /// `9999-12-31T23:59:59.9999999Z`.
    pub const MAX: Self = Self(253_402_300_800 * TICKS_PER_SECOND - 1);

    /// The moment `ticks` steps of 100 ns after 1970 began; the nearest end of the range beyond it.
    pub const fn from_ticks(ticks: i64) -> Self {
        if ticks < Self::UNSET.0 {
            Self::UNSET
        } else if ticks > Self::MAX.0 {
            Self::MAX
        } else {
            Self(ticks)
        }
    }

    /// Steps of 100 ns since 1970 began; negative before.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// The moment `seconds` after 1970 began.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_ticks(seconds.saturating_mul(TICKS_PER_SECOND))
    }

    /// Whole seconds since 1970 began, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(TICKS_PER_SECOND)
    }

    /// Whether a date was ever set.
    pub fn is_set(self) -> bool {
        self != Self::UNSET
    }

    /// This moment and `duration` later, at most [`Self::MAX`].
    pub fn after(self, duration: Duration) -> Self {
        Self::from_ticks(self.0.saturating_add(ticks_of(duration)))
    }

    /// This moment and `duration` earlier, at least [`Self::UNSET`].
    pub fn before(self, duration: Duration) -> Self {
        Self::from_ticks(self.0.saturating_sub(ticks_of(duration)))
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let ticks = u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0);
        Duration::from_nanos(ticks.saturating_mul(100))
    }

    /// Year, month and day in UTC.
    pub fn civil(self) -> (i64, i64, i64) {
        civil_from_days(self.0.div_euclid(TICKS_PER_SECOND * SECONDS_PER_DAY))
    }

    /// Reads ISO 8601 date and time with a zone (`Z` or an offset). The fraction may have up to 12 digits; those after
    /// the seventh are cut off. Seconds may be missing, as in OData literals.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        Scanner { rest: text.as_bytes() }.moment()
    }
}

fn ticks_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX)
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Timestamp {
    /// UTC with `Z`, up to seven fractional digits, no trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.unix_seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let clock = seconds.rem_euclid(SECONDS_PER_DAY);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            clock / 3600,
            clock / 60 % 60,
            clock % 60
        )?;
        let (mut fraction, mut digits) = (self.0.rem_euclid(TICKS_PER_SECOND), 7);
        if fraction > 0 {
            while fraction % 10 == 0 {
                (fraction, digits) = (fraction / 10, digits - 1);
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_str("Z")
    }
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn moment(mut self) -> Result<Timestamp, TimestampError> {
        let year = self.number(4)?;
        self.expect(b'-')?;
        let month = self.number(2)?;
        self.expect(b'-')?;
        let day = self.number(2)?;
        if !(self.take(b'T') || self.take(b't')) {
            return Err(TimestampError::Form);
        }
        let hour = self.number(2)?;
        self.expect(b':')?;
        let minute = self.number(2)?;
        let (mut second, mut fraction) = (0, 0);
        if self.take(b':') {
            second = self.number(2)?;
            if self.take(b'.') {
                fraction = self.fraction()?;
            }
        }
        let offset = self.offset()?;
        if year < 1 || hour > 23 || minute > 59 || second > 59 {
            return Err(TimestampError::Range);
        }
        let days = days_from_civil(year, month, day).ok_or(TimestampError::Range)?;
        let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset * 60;
        let ticks = seconds * TICKS_PER_SECOND + fraction;
        if !(Timestamp::UNSET.0..=Timestamp::MAX.0).contains(&ticks) {
            return Err(TimestampError::Range);
        }
        Ok(Timestamp(ticks))
    }

    fn number(&mut self, digits: usize) -> Result<i64, TimestampError> {
        let (head, rest) = self.rest.split_at_checked(digits).ok_or(TimestampError::Form)?;
        self.rest = rest;
        head.iter().try_fold(0, |value, byte| {
            if byte.is_ascii_digit() {
                Ok(value * 10 + i64::from(byte - b'0'))
            } else {
                Err(TimestampError::Form)
            }
        })
    }

    fn fraction(&mut self) -> Result<i64, TimestampError> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 12 {
            return Err(TimestampError::Form);
        }
        let (head, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let padded = head.iter().copied().chain(std::iter::repeat(b'0'));
        Ok(padded.take(7).fold(0, |value, byte| value * 10 + i64::from(byte - b'0')))
    }

    /// Minutes east of UTC.
    fn offset(&mut self) -> Result<i64, TimestampError> {
        let minutes = match self.rest.first() {
            Some(b'Z' | b'z') => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                0
            }
            Some(sign @ (b'+' | b'-')) => {
                let sign = if *sign == b'-' { -1 } else { 1 };
                self.rest = self.rest.get(1..).unwrap_or_default();
                let hours = self.number(2)?;
                self.expect(b':')?;
                let minutes = self.number(2)?;
                if hours > 14 || minutes > 59 {
                    return Err(TimestampError::Range);
                }
                sign * (hours * 60 + minutes)
            }
            None => return Err(TimestampError::Zone),
            Some(_) => return Err(TimestampError::Form),
        };
        if self.rest.is_empty() { Ok(minutes) } else { Err(TimestampError::Form) }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), TimestampError> {
        if self.take(byte) { Ok(()) } else { Err(TimestampError::Form) }
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; `None` for a date that does not exist.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_and_writes_the_forms_of_the_graph() {
        for (given, written) in [
            ("2017-01-01T00:02:49.3205976-08:00", "2017-01-01T08:02:49.3205976Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
            ("2024-02-29T23:59:59.123456789012+14:00", "2024-02-29T09:59:59.1234567Z"),
            ("2024-03-01T00:00Z", "2024-03-01T00:00:00Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
            ("2000-01-01t00:00:00.000z", "2000-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::parse(given).map(|t| t.to_string()).as_deref(), Ok(written), "{given}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_moment() {
        use TimestampError::{Form, Range, Zone};
        for (given, error) in [
            ("", Form),
            ("2024-01-01", Form),
            ("2024-01-01T00:00:00", Zone),
            ("2024-01-01T00:00:00.Z", Form),
            ("2024-01-01T00:00:00.1234567890123Z", Form),
            ("2024-01-01T00:00:00+1:00", Form),
            ("2024-01-01T00:00:00Zx", Form),
            ("2023-02-29T00:00:00Z", Range),
            ("2024-13-01T00:00:00Z", Range),
            ("2024-01-01T24:00:00Z", Range),
            ("2024-01-01T00:00:00+15:00", Range),
            ("0000-01-01T00:00:00Z", Range),
            ("0001-01-01T00:00:00+00:01", Range),
            ("９999-01-01T00:00:00Z", Form),
        ] {
            assert_eq!(Timestamp::parse(given), Err(error), "{given}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ticks in Timestamp::UNSET.0..=Timestamp::MAX.0) {
            let moment = Timestamp::from_ticks(ticks);
            prop_assert_eq!(Timestamp::parse(&moment.to_string()), Ok(moment));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }
}

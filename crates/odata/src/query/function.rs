use exconn_model::Timestamp;

use super::Scalar;

const SECOND: i64 = 10_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A function or an arithmetic operator. One that is given null, or that has no result, yields null.
///
/// Characters are Unicode's code points. Moments are looked at in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `contains(text, sought)`; every text contains the empty one.
    Contains,
    /// `startswith(text, sought)`.
    StartsWith,
    /// `endswith(text, sought)`.
    EndsWith,
    /// `length(text)`: its characters.
    Length,
    /// `indexof(text, sought)`: characters before its first occurrence, or -1.
    IndexOf,
    /// `substring(text, start)` or `substring(text, start, length)`, in characters from 0. What lies outside of the text is
    /// left out: a start below 0 is 0, one behind the end gives the empty text, and so does a length below 0.
    Substring,
    /// `tolower(text)` by Unicode's full mapping, the same in every language.
    ToLower,
    /// `toupper(text)` by Unicode's full mapping, the same in every language.
    ToUpper,
    /// `trim(text)`: without Unicode's white space at both ends.
    Trim,
    /// `concat(text, text)`.
    Concat,
    /// `year` of a moment or date.
    Year,
    /// `month` of a moment or date, 1 to 12.
    Month,
    /// `day` of a moment or date, 1 to 31.
    Day,
    /// `hour` of a moment or time, 0 to 23.
    Hour,
    /// `minute` of a moment or time, 0 to 59.
    Minute,
    /// `second` of a moment or time, 0 to 59, without its fraction.
    Second,
    /// `fractionalseconds` of a moment or time, from 0 to below 1.
    FractionalSeconds,
    /// `date(moment)`.
    Date,
    /// `time(moment)`.
    Time,
    /// `totalseconds(duration)`, with its fraction.
    TotalSeconds,
    /// `round(number)`: to the nearest whole number, halves away from zero.
    Round,
    /// `floor(number)`.
    Floor,
    /// `ceiling(number)`.
    Ceiling,
    /// Unary minus.
    Negate,
    /// `add` of numbers or durations. Beyond 64 bits there is no result.
    Add,
    /// `sub` of numbers, durations, or two moments or dates, which gives a duration.
    Subtract,
    /// `mul` of numbers, or of a duration and a number.
    Multiply,
    /// `div`: of whole numbers the quotient without its fraction. By zero there is no result.
    Divide,
    /// `divby`: the quotient with its fraction. By zero there is no result.
    DivideExactly,
    /// `mod`: the remainder of `div`, with the sign of the first number.
    Modulo,
    /// A duration times a number with a fraction, to the nearest tick.
    Scale,
    /// A duration divided by a number, to the nearest tick.
    Shrink,
    /// A moment and a duration later; outside of the years 1 to 9999 there is no result.
    Later,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 33] = [
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Length,
        Self::IndexOf,
        Self::Substring,
        Self::ToLower,
        Self::ToUpper,
        Self::Trim,
        Self::Concat,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
        Self::FractionalSeconds,
        Self::Date,
        Self::Time,
        Self::TotalSeconds,
        Self::Round,
        Self::Floor,
        Self::Ceiling,
        Self::Negate,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::DivideExactly,
        Self::Modulo,
        Self::Scale,
        Self::Shrink,
        Self::Later,
    ];

    /// The result for these arguments, as the plain number or text that stands for it: a moment's or duration's ticks as
    /// [`Scalar::Integer`]. The wrong number or type of arguments yields null.
    pub fn apply(self, arguments: &[Scalar]) -> Scalar {
        let result = match arguments {
            [one] => self.of_one(one),
            [one, two] => self.of_two(one, two),
            [text, start, length] if self == Self::Substring => substring(text, start, Some(length)),
            _ => None,
        };
        match result {
            Some(Scalar::Number(number)) if !number.is_finite() => Scalar::Null,
            Some(scalar) => scalar,
            None => Scalar::Null,
        }
    }

    fn of_one(self, one: &Scalar) -> Option<Scalar> {
        match self {
            Self::Length => Some(Scalar::Integer(one.as_text()?.chars().count() as i64)),
            Self::ToLower => Some(Scalar::text(one.as_text()?.to_lowercase())),
            Self::ToUpper => Some(Scalar::text(one.as_text()?.to_uppercase())),
            Self::Trim => Some(Scalar::text(one.as_text()?.trim().to_owned())),
            Self::Negate => match one {
                Scalar::Number(number) => Some(Scalar::Number(-number)),
                one => one.as_integer()?.checked_neg().map(Scalar::Integer),
            },
            Self::Round => Some(Scalar::Number(number(one)?.round())),
            Self::Floor => Some(Scalar::Number(number(one)?.floor())),
            Self::Ceiling => Some(Scalar::Number(number(one)?.ceil())),
            Self::TotalSeconds => Some(Scalar::Number(one.as_integer()? as f64 / SECOND as f64)),
            Self::FractionalSeconds => {
                Some(Scalar::Number(one.as_integer()?.rem_euclid(SECOND) as f64 / SECOND as f64))
            }
            _ => self.of_ticks(one.as_integer()?).map(Scalar::Integer),
        }
    }

    fn of_ticks(self, ticks: i64) -> Option<i64> {
        let (year, month, day) = Timestamp::from_ticks(ticks).civil();
        Some(match self {
            Self::Year => year,
            Self::Month => month,
            Self::Day => day,
            Self::Hour => ticks.rem_euclid(DAY) / HOUR,
            Self::Minute => ticks.rem_euclid(HOUR) / MINUTE,
            Self::Second => ticks.rem_euclid(MINUTE) / SECOND,
            Self::Date => ticks - ticks.rem_euclid(DAY),
            Self::Time => ticks.rem_euclid(DAY),
            _ => return None,
        })
    }

    fn of_two(self, one: &Scalar, two: &Scalar) -> Option<Scalar> {
        match self {
            Self::Contains => Some(Scalar::Boolean(one.as_text()?.contains(two.as_text()?))),
            Self::StartsWith => Some(Scalar::Boolean(one.as_text()?.starts_with(two.as_text()?))),
            Self::EndsWith => Some(Scalar::Boolean(one.as_text()?.ends_with(two.as_text()?))),
            Self::IndexOf => Some(Scalar::Integer(index_of(one.as_text()?, two.as_text()?))),
            Self::Concat => Some(Scalar::text([one.as_text()?, two.as_text()?].concat())),
            Self::Substring => substring(one, two, None),
            Self::DivideExactly => Some(Scalar::Number(number(one)? / number(two)?)),
            Self::Scale => to_ticks(one.as_integer()? as f64 * number(two)?),
            Self::Shrink => to_ticks(one.as_integer()? as f64 / number(two)?),
            Self::Later => {
                let ticks = one.as_integer()?.checked_add(two.as_integer()?)?;
                let in_range = Timestamp::from_ticks(ticks).ticks() == ticks;
                in_range.then_some(Scalar::Integer(ticks))
            }
            _ => match (one, two) {
                (Scalar::Number(_), _) | (_, Scalar::Number(_)) => {
                    self.of_numbers(number(one)?, number(two)?).map(Scalar::Number)
                }
                _ => self.of_integers(one.as_integer()?, two.as_integer()?).map(Scalar::Integer),
            },
        }
    }

    fn of_integers(self, one: i64, two: i64) -> Option<i64> {
        match self {
            Self::Add => one.checked_add(two),
            Self::Subtract => one.checked_sub(two),
            Self::Multiply => one.checked_mul(two),
            Self::Divide => one.checked_div(two),
            Self::Modulo if two == 0 => None,
            Self::Modulo => Some(one.wrapping_rem(two)),
            _ => None,
        }
    }

    fn of_numbers(self, one: f64, two: f64) -> Option<f64> {
        Some(match self {
            Self::Add => one + two,
            Self::Subtract => one - two,
            Self::Multiply => one * two,
            Self::Divide => one / two,
            Self::Modulo => one % two,
            _ => return None,
        })
    }
}

fn number(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Number(number) => Some(*number),
        scalar => scalar.as_integer().map(|number| number as f64),
    }
}

fn to_ticks(ticks: f64) -> Option<Scalar> {
    // 2^63 is a float, the greatest i64 is none.
    let fits = ticks >= i64::MIN as f64 && ticks < -(i64::MIN as f64);
    fits.then_some(Scalar::Integer(ticks.round() as i64))
}

fn index_of(text: &str, sought: &str) -> i64 {
    let before = text.find(sought).and_then(|at| text.get(..at));
    before.map_or(-1, |before| before.chars().count() as i64)
}

fn substring(text: &Scalar, start: &Scalar, length: Option<&Scalar>) -> Option<Scalar> {
    let start = usize::try_from(start.as_integer()?.max(0)).ok()?;
    let length = match length {
        Some(length) => usize::try_from(length.as_integer()?.max(0)).ok()?,
        None => usize::MAX,
    };
    Some(Scalar::text(text.as_text()?.chars().skip(start).take(length).collect::<String>()))
}

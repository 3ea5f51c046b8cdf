//! Literals: what a word says by its form, and what a text means where a type is known.

use exconn_model::{
    Timestamp, TimestampError,
    schema::{EnumType, SENTINEL},
};

use super::{Problem, kind::Kind};
use crate::{excerpt::excerpt, query::Scalar};

const SECOND: i64 = 10_000_000;

/// A word that begins like a number, date or GUID, as what its form says.
pub(super) fn of_word(word: &str) -> Result<(Scalar, Kind), Problem> {
    if is_guid(word) {
        // Ids are texts, and many clients write them like OData's GUIDs, without quotes.
        return Ok((Scalar::text(word.to_owned()), Kind::String));
    }
    let bytes = word.as_bytes();
    match (bytes.get(4), bytes.get(2)) {
        (Some(b'-'), _) if word.len() > 10 => moment(word).map(|m| (Scalar::Moment(m), Kind::DateTimeOffset)),
        (Some(b'-'), _) => date(word).map(|date| (date, Kind::Date)),
        (_, Some(b':')) => time_of_day(word).map(|time| (time, Kind::TimeOfDay)),
        _ => number(word),
    }
}

/// Whether a word is a literal by its form, and no name.
pub(super) fn is_literal(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) || is_guid(word)
}

/// A quoted text as a value of this type, which is not a text's.
pub(super) fn of_text(text: &str, kind: Kind, unknown_members: bool) -> Option<Result<Scalar, Problem>> {
    match kind {
        Kind::DateTimeOffset => Some(moment(text).map(Scalar::Moment)),
        Kind::Date => Some(date(text)),
        Kind::TimeOfDay => Some(time_of_day(text)),
        Kind::Duration => Some(duration(text)),
        Kind::Enum(kind) => Some(member(kind, text, unknown_members)),
        Kind::Boolean | Kind::String | Kind::Integer | Kind::Number => None,
    }
}

/// A member of an enumeration by its name or number. One above the placeholder for future members is known only to those
/// who ask for such members.
pub(super) fn member(kind: &'static EnumType, text: &str, unknown_members: bool) -> Result<Scalar, Problem> {
    let by_number = || text.parse().ok().filter(|number| kind.name_of(*number).is_some());
    let number = kind.number_of(text).or_else(by_number);
    let masked = |number: i32| !unknown_members && sentinel(kind).is_some_and(|sentinel| number > sentinel);
    match number {
        Some(number) if masked(number) => {
            Err(Problem::MaskedMember { member: excerpt(text), kind: kind.name })
        }
        Some(number) => Ok(Scalar::Enum(kind, number)),
        None => {
            let members = kind.members.iter().filter(|member| !masked(member.number));
            let members: Vec<&str> = members.map(|member| member.name).collect();
            Err(Problem::Member { member: excerpt(text), kind: kind.name, members: members.join(", ") })
        }
    }
}

/// The number of the placeholder for future members, `unknownFutureValue`.
pub(super) fn sentinel(kind: &'static EnumType) -> Option<i32> {
    kind.number_of(SENTINEL).filter(|_| kind.has_sentinel)
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text).map_err(|reason| {
        let hint = match reason {
            TimestampError::Zone => "; in a URL, + is written %2B",
            _ => "",
        };
        Problem::Literal {
            text: excerpt(text),
            kind: Kind::DateTimeOffset.plain_name(),
            reason: format!("{reason}{hint}"),
        }
    })
}

fn date(text: &str) -> Result<Scalar, Problem> {
    let is_date = text.len() == 10;
    let midnight = Timestamp::parse(&format!("{text}T00:00Z")).ok().filter(|_| is_date);
    midnight.map(Scalar::Date).ok_or_else(|| Problem::Literal {
        text: excerpt(text),
        kind: Kind::Date.plain_name(),
        reason: "a date looks like 2026-01-31".to_owned(),
    })
}

fn time_of_day(text: &str) -> Result<Scalar, Problem> {
    let moment = Timestamp::parse(&format!("1970-01-01T{text}Z")).ok();
    moment.map(|moment| Scalar::TimeOfDay(moment.ticks())).ok_or_else(|| Problem::Literal {
        text: excerpt(text),
        kind: Kind::TimeOfDay.plain_name(),
        reason: "a time of day looks like 08:00:00 or 08:00:00.5".to_owned(),
    })
}

fn number(text: &str) -> Result<(Scalar, Kind), Problem> {
    let wrong = |reason: &str| Problem::Literal {
        text: excerpt(text),
        kind: Kind::Number.plain_name(),
        reason: reason.to_owned(),
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse().map_err(|_| wrong("whole numbers have at most 64 bits"))?;
        return Ok((Scalar::Integer(number), Kind::Integer));
    }
    let is_plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'));
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| is_plain && number.is_finite());
    let number = number.ok_or_else(|| {
        wrong("literals are numbers such as 5 or -1.5, dates such as 2026-01-31, GUIDs, and texts in single quotes")
    })?;
    Ok((Scalar::Number(number), Kind::Number))
}

/// `P1DT2H3M4.5S` with a sign, in ticks (XML Schema's `dayTimeDuration`).
pub(super) fn duration(text: &str) -> Result<Scalar, Problem> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let ticks = rest.strip_prefix('P').and_then(duration_ticks);
    let ticks = ticks.and_then(|ticks| if negative { ticks.checked_neg() } else { Some(ticks) });
    ticks.map(Scalar::Duration).ok_or_else(|| Problem::Literal {
        text: excerpt(text),
        kind: Kind::Duration.plain_name(),
        reason: "a duration looks like P1D, PT8H30M or -P1DT0.5S".to_owned(),
    })
}

fn duration_ticks(text: &str) -> Option<i64> {
    let (days, time) = match text.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut ticks: i64 = 0;
    if !days.is_empty() {
        ticks = whole(days.strip_suffix('D')?)?.checked_mul(86_400 * SECOND)?;
    }
    let mut rest = time;
    for (unit, seconds) in [('H', 3600), ('M', 60)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            ticks = ticks.checked_add(whole(number)?.checked_mul(seconds * SECOND)?)?;
            rest = behind;
        }
    }
    if rest.is_empty() {
        return Some(ticks);
    }
    let (seconds, fraction) = match rest.strip_suffix('S')?.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (rest.strip_suffix('S')?, "0"),
    };
    let is_fraction =
        (1..=12).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // Ticks have seven digits; further ones are cut off, as those of moments are.
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(7).collect();
    let fraction = whole(&fraction).filter(|_| is_fraction)?;
    ticks.checked_add(whole(seconds)?.checked_mul(SECOND)?)?.checked_add(fraction)
}

fn whole(digits: &str) -> Option<i64> {
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_digits)
}

fn is_guid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

//! The query options of a request.

use std::{borrow::Cow, fmt::Write};

use exconn_model::schema::EntityType;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use exconn_odata::query::{Filter, OrderBy};

use super::filter::{self, FilterError};

/// The largest page.
pub(crate) const MAX_PAGE: u32 = 1000;
/// The most that `$skip` leaves out.
pub(crate) const MAX_SKIP: u64 = 1_000_000_000;
/// Criteria that an order may have.
const MAX_ORDER: usize = 10;
/// Bytes that one option may have, decoded.
const MAX_OPTION: usize = 8 * 1024;

/// What stays as it is in the options of a link.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

/// Why options are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionsError {
    /// Not UTF-8 after percent-decoding.
    #[error("The query string is not UTF-8.")]
    Encoding,
    /// Longer than anything sensible.
    #[error("The query option '{0}' is too long.")]
    TooLong(&'static str),
    /// An option that does not exist or is not supported here.
    #[error("The query option '{0}' is not supported here.")]
    Unsupported(String),
    /// The same option twice.
    #[error("The query option '{0}' is given twice.")]
    Duplicate(&'static str),
    /// A value that the option cannot have.
    #[error("The query option '{name}' must be {expected}.")]
    Value {
        /// The option.
        name: &'static str,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A property in `$select` that does not exist.
    #[error(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
         'microsoft.graph.{kind}'."
    )]
    Select {
        /// What was given.
        name: String,
        /// The type's name.
        kind: &'static str,
    },
    /// A property in `$orderby` that does not exist.
    #[error(
        "The query option '$orderby': Could not find a property named '{name}' on type 'microsoft.graph.{kind}'."
    )]
    OrderBy {
        /// What was given.
        name: String,
        /// The type's name.
        kind: &'static str,
    },
    /// A criterion that is not `property`, `property asc` or `property desc`.
    #[error("The query option '$orderby' cannot be read: '{0}' is not a property followed by asc or desc.")]
    Direction(String),
    /// A broken filter.
    #[error("The query option '$filter' cannot be read: {0}.")]
    Filter(#[from] FilterError),
    /// A format that there is not.
    #[error("The query option '$format' must be json or application/json.")]
    Format,
}

/// What is asked for, and so which options make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A collection: all options.
    List,
    /// One entity: `$select`, `$format`.
    Entity,
    /// A number: `$filter`.
    Count,
    /// Anything else: none.
    Nothing,
}

/// The options, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Positions of the properties to show, without repetition; all if absent.
    pub(crate) select: Option<Vec<usize>>,
    /// The condition.
    pub(crate) filter: Option<Filter>,
    /// The order.
    pub(crate) order: Vec<OrderBy>,
    /// The size of a page.
    pub(crate) top: Option<u32>,
    /// Entities to leave out.
    pub(crate) skip: u64,
    /// Whether the number of all is wanted.
    pub(crate) count: bool,
    /// Where the previous page ended.
    pub(crate) skip_token: Option<String>,
    /// Whether `$format` asked for JSON.
    pub(crate) format_json: bool,
    filter_text: Option<String>,
    order_text: Option<String>,
    select_text: Option<String>,
}

/// Reads a query string. Names may lack their `$` and are not case-sensitive; `+` is a space.
pub(crate) fn parse(
    query: Option<&str>,
    purpose: Purpose,
    entity: &'static EntityType,
) -> Result<Options, OptionsError> {
    let mut options = Options::default();
    let mut seen: Vec<&'static str> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let known = known(&name).filter(|name| purpose.allows(name));
        let Some(known) = known else { return Err(OptionsError::Unsupported(shown(&name))) };
        if seen.contains(&known) {
            return Err(OptionsError::Duplicate(known));
        }
        if value.len() > MAX_OPTION {
            return Err(OptionsError::TooLong(known));
        }
        seen.push(known);
        options.set(known, value.trim(), entity)?;
    }
    Ok(options)
}

fn known(name: &str) -> Option<&'static str> {
    let name = name.trim();
    let bare = name.strip_prefix('$').unwrap_or(name);
    ["$filter", "$select", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format"]
        .into_iter()
        .find(|known| known.strip_prefix('$').is_some_and(|known| known.eq_ignore_ascii_case(bare)))
}

impl Purpose {
    fn allows(self, name: &str) -> bool {
        match self {
            Self::List => true,
            Self::Entity => matches!(name, "$select" | "$format"),
            Self::Count => name == "$filter",
            Self::Nothing => false,
        }
    }
}

impl Options {
    fn set(
        &mut self,
        name: &'static str,
        value: &str,
        entity: &'static EntityType,
    ) -> Result<(), OptionsError> {
        let refused = |expected| OptionsError::Value { name, expected };
        match name {
            "$filter" => {
                self.filter = Some(filter::parse(value, entity)?);
                self.filter_text = Some(value.to_owned());
            }
            "$select" => {
                self.select = select(value, entity)?;
                self.select_text = Some(value.to_owned());
            }
            "$orderby" => {
                self.order = order(value, entity)?;
                self.order_text = Some(value.to_owned());
            }
            "$top" => {
                let top =
                    number(value).and_then(|top| u32::try_from(top).ok()).filter(|top| *top <= MAX_PAGE);
                self.top = Some(top.ok_or_else(|| refused("a number from 0 to 1000"))?);
            }
            "$skip" => {
                let skip = number(value).filter(|skip| *skip <= MAX_SKIP);
                self.skip = skip.ok_or_else(|| refused("a number from 0 to 1000000000"))?;
            }
            "$count" => {
                self.count = match value {
                    _ if value.eq_ignore_ascii_case("true") => true,
                    _ if value.eq_ignore_ascii_case("false") => false,
                    _ => return Err(refused("true or false")),
                }
            }
            "$skiptoken" => self.skip_token = Some(value.to_owned()),
            _ => {
                let kind = value.split(';').next().unwrap_or_default().trim();
                if !kind.eq_ignore_ascii_case("json") && !kind.eq_ignore_ascii_case("application/json") {
                    return Err(OptionsError::Format);
                }
                self.format_json = true;
            }
        }
        Ok(())
    }

    /// What a paging token belongs to: it is worth nothing with another filter or order.
    pub(crate) fn scope(&self, set: &str) -> String {
        let text = |option: &Option<String>| option.clone().unwrap_or_default();
        format!("{set}\u{0}{}\u{0}{}", text(&self.filter_text), text(&self.order_text))
    }

    /// The options of the next page's link: those of this one, and the token.
    pub(crate) fn next(&self, token: &str) -> String {
        let mut query = String::new();
        let mut push = |name: &str, value: &str| {
            let separator = if query.is_empty() { "" } else { "&" };
            // Writing to a String cannot fail.
            let _ = write!(query, "{separator}{name}={}", utf8_percent_encode(value, KEPT));
        };
        for (name, value) in
            [("$select", &self.select_text), ("$filter", &self.filter_text), ("$orderby", &self.order_text)]
        {
            if let Some(value) = value {
                push(name, value);
            }
        }
        if let Some(top) = self.top {
            push("$top", &top.to_string());
        }
        if self.count {
            push("$count", "true");
        }
        push("$skiptoken", token);
        query
    }
}

fn select(value: &str, entity: &'static EntityType) -> Result<Option<Vec<usize>>, OptionsError> {
    let mut positions = Vec::new();
    for name in value.split(',').map(str::trim) {
        if name == "*" {
            return Ok(None);
        }
        let position = entity
            .position(name)
            .ok_or_else(|| OptionsError::Select { name: shown(name), kind: entity.name })?;
        if !positions.contains(&position) {
            positions.push(position);
        }
    }
    Ok(Some(positions))
}

fn order(value: &str, entity: &'static EntityType) -> Result<Vec<OrderBy>, OptionsError> {
    let mut order: Vec<OrderBy> = Vec::new();
    for criterion in value.split(',') {
        let mut words = criterion.split_whitespace();
        let name = words.next().unwrap_or_default();
        let property = entity
            .position(name)
            .ok_or_else(|| OptionsError::OrderBy { name: shown(name), kind: entity.name })?;
        let descending = match words.next() {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(OptionsError::Direction(shown(criterion))),
        };
        if words.next().is_some() || order.len() == MAX_ORDER {
            return Err(OptionsError::Direction(shown(criterion)));
        }
        if !order.iter().any(|known| known.property == property) {
            order.push(OrderBy { property, descending });
        }
    }
    Ok(order)
}

fn number(value: &str) -> Option<u64> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) { value.parse().ok() } else { None }
}

fn decode(text: &str) -> Result<Cow<'_, str>, OptionsError> {
    let spaced: Cow<'_, [u8]> = if text.contains('+') {
        Cow::Owned(text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect())
    } else {
        Cow::Borrowed(text.as_bytes())
    };
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| OptionsError::Encoding)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

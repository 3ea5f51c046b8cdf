//! Query options of a request.

use std::borrow::Cow;

use exconn_model::{TenantId, schema::EntityType};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    excerpt::excerpt,
    filter::{self, Alias, Context, FilterError},
    names,
    query::{Filter, OrderBy},
};

/// Largest `$top`.
pub const MAX_TOP: u32 = 1000;
/// Longest query, in bytes before decoding.
pub const MAX_QUERY: usize = 60 * 1024;
/// Most criteria of an order.
pub const MAX_ORDER: usize = 10;
/// Most parameter aliases.
pub const MAX_ALIASES: usize = 32;
/// Ten texts of the longest kind in the order, in Base64: a next link must be readable by its own service.
const MAX_TOKEN: usize = 56 * 1024;

/// The system query options of OData 4.01, with those of its aggregation extension. All others are unknown.
const KNOWN: [&str; 17] = [
    "$filter",
    "$orderby",
    "$select",
    "$top",
    "$skip",
    "$count",
    "$skiptoken",
    "$format",
    "$search",
    "$expand",
    "$apply",
    "$compute",
    "$levels",
    "$deltatoken",
    "$index",
    "$id",
    "$schemaversion",
];
/// What stays as it is in a link.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b',')
    .remove(b'@');

/// What the options are for; each purpose allows others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A page of a collection.
    List(Context),
    /// The number of entities of a collection.
    Count(Context),
    /// One entity.
    Entity,
    /// A document that is no entity.
    Document,
    /// A change: no options.
    Nothing,
}

impl Purpose {
    pub(crate) fn allows(self, option: &str) -> bool {
        self.offers().contains(&option)
    }

    fn offers(self) -> &'static [&'static str] {
        match self {
            Self::List(_) => {
                &["$filter", "$orderby", "$select", "$top", "$skip", "$count", "$skiptoken", "$format"]
            }
            Self::Count(_) => &["$filter", "$format"],
            Self::Entity => &["$select", "$format"],
            Self::Document => &["$format"],
            Self::Nothing => &[],
        }
    }

    fn supported(self) -> String {
        match self.offers() {
            [] => "this request takes none".to_owned(),
            options => format!("supported are {}", names::listed(options.iter().copied())),
        }
    }

    /// What filters mean here; none where there are no filters.
    fn context(self) -> Option<Context> {
        match self {
            Self::List(context) | Self::Count(context) => Some(context),
            Self::Entity | Self::Document | Self::Nothing => None,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `$filter`.
    pub filter: Option<Filter>,
    /// Whether the filter depends on the time.
    pub uses_now: bool,
    /// `$orderby`.
    pub order: Vec<OrderBy>,
    /// `$select`: positions of properties in the order of the description.
    pub select: Option<Vec<usize>>,
    /// `$top`: the page size that the client wants.
    pub top: Option<u32>,
    /// `$skip`.
    pub skip: u64,
    /// `$count=true`.
    pub count: bool,
    /// `$skiptoken`, still sealed.
    pub skip_token: Option<String>,
    /// `$format`: `json`, or `application/json` with parameters that are not checked here.
    pub format: Option<String>,
    /// The options as they were given, decoded, with their `$`.
    given: Vec<(&'static str, String)>,
    /// `@name=value`, as they were given, decoded.
    aliases: Vec<Alias>,
}

/// Why options are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The query is too long.
    #[error("The query is longer than {MAX_QUERY} bytes.")]
    TooLong,
    /// Not UTF-8 after decoding.
    #[error("The query is not UTF-8 after percent-decoding.")]
    NotUtf8,
    /// An option that exists nowhere.
    #[error("The query option '{name}' is not known; {supported}.")]
    Unknown {
        /// The option.
        name: String,
        /// What would be accepted.
        supported: String,
    },
    /// An option that is not offered here.
    #[error("The query option '{option}' is not supported here; {supported}.")]
    Unsupported {
        /// The option.
        option: &'static str,
        /// What would be accepted.
        supported: String,
    },
    /// An option that is given twice.
    #[error("The query option '{0}' is given more than once.")]
    Repeated(&'static str),
    /// A parameter alias whose name is none.
    #[error("'{0}' is not a name of a parameter alias: write letters, digits and _ behind the @.")]
    AliasName(String),
    /// A parameter alias that is given twice.
    #[error("The parameter alias '{0}' is given more than once.")]
    RepeatedAlias(String),
    /// A parameter alias that `$filter` does not use.
    #[error("The parameter alias '{0}' is given but '$filter' does not use it.")]
    UnusedAlias(String),
    /// Too many parameter aliases.
    #[error("A query takes at most {MAX_ALIASES} parameter aliases.")]
    TooManyAliases,
    /// A number that is none, or out of its range.
    #[error("The query option '{option}' must be a whole number from 0 to {max}, not '{given}'.")]
    Number {
        /// The option.
        option: &'static str,
        /// Its largest value.
        max: u64,
        /// What was given.
        given: String,
    },
    /// `$count` that is neither true nor false.
    #[error("The query option '$count' must be true or false, not '{0}'.")]
    Count(String),
    /// An unknown property in `$select`.
    #[error(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
         'microsoft.graph.{entity}'. It has {known}."
    )]
    Select {
        /// The name.
        name: String,
        /// The entity.
        entity: &'static str,
        /// The properties that there are.
        known: String,
    },
    /// An unknown property in `$orderby`.
    #[error(
        "Could not find a property named '{name}' on type 'microsoft.graph.{entity}' in '$orderby', which takes only \
         properties: {known}."
    )]
    OrderProperty {
        /// The name.
        name: String,
        /// The entity.
        entity: &'static str,
        /// The properties that there are.
        known: String,
    },
    /// A structure in `$orderby`.
    #[error("'{0}' is a structure; '$orderby' takes properties with a single value.")]
    OrderStructure(String),
    /// A direction that is neither `asc` nor `desc`.
    #[error("'{0}' is not a direction in '$orderby': write asc or desc, and separate properties by commas.")]
    Direction(String),
    /// Too many criteria.
    #[error("'$orderby' takes at most {MAX_ORDER} properties.")]
    OrderTooLong,
    /// `$filter` is wrong.
    #[error("{0}")]
    Filter(#[from] FilterError),
    /// A format that is not offered.
    #[error("The query option '$format' takes only json, or application/json with parameters.")]
    Format,
    /// A format of the metadata that is not offered.
    #[error("The query option '$format' takes xml or json here, not '{0}'.")]
    MetadataFormat(String),
    /// `$skiptoken` that is too long to be one.
    #[error("The $skiptoken is not one that this service gave.")]
    SkipToken,
}

/// Reads and checks the query of a request. Names of options and properties are not case-sensitive; the `$` may be
/// missing. Names with an `@` in front are parameter aliases for `$filter` (OData Protocol 4.01, 11.2.6.1.3).
///
/// The fuzz target `options` feeds this function.
///
/// # Errors
/// The first option that is unknown, not offered for this purpose, or wrong.
pub fn parse(
    query: Option<&str>,
    purpose: Purpose,
    entity: &'static EntityType,
) -> Result<Options, OptionsError> {
    let mut options = Options::default();
    for (name, value) in pairs(query)? {
        if name.starts_with('@') && purpose.allows("$filter") {
            options.add_alias(name.trim(), value)?;
            continue;
        }
        let option = offered(name.trim(), purpose)?;
        if options.given.iter().any(|(given, _)| *given == option) {
            return Err(OptionsError::Repeated(option));
        }
        options.read(option, &value, entity)?;
        options.given.push((option, value));
    }
    if let Some(context) = purpose.context() {
        options.read_filter(entity, context)?;
    }
    Ok(options)
}

/// Names and values of a query, decoded, in the order given.
pub(crate) fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, OptionsError> {
    let query = query.unwrap_or_default();
    if query.len() > MAX_QUERY {
        return Err(OptionsError::TooLong);
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(name)?, decoded(value)?))
    });
    pairs.collect()
}

/// Percent-decoded, with `+` for a space as forms write it.
fn decoded(text: &str) -> Result<String, OptionsError> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| OptionsError::NotUtf8)?;
    Ok(decoded.into_owned())
}

/// The option of this name, in any case and with or without its `$`, where it is offered.
pub(crate) fn offered(name: &str, purpose: Purpose) -> Result<&'static str, OptionsError> {
    let supported = || purpose.supported();
    let bare = name.strip_prefix('$').unwrap_or(name);
    let found = KNOWN.into_iter().find(|known| known.trim_start_matches('$').eq_ignore_ascii_case(bare));
    match found {
        Some(option) if purpose.allows(option) => Ok(option),
        Some(option) => Err(OptionsError::Unsupported { option, supported: supported() }),
        None => Err(OptionsError::Unknown { name: excerpt(name), supported: supported() }),
    }
}

impl Options {
    fn read(
        &mut self,
        option: &'static str,
        value: &str,
        entity: &'static EntityType,
    ) -> Result<(), OptionsError> {
        let value = value.trim();
        match option {
            "$orderby" => self.order = order(value, entity)?,
            "$select" => self.select = select(value, entity)?,
            "$top" => self.top = Some(number(option, value, u64::from(MAX_TOP))? as u32),
            "$skip" => self.skip = number(option, value, i64::MAX as u64)?,
            "$count" => {
                self.count = match value.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(OptionsError::Count(excerpt(value))),
                }
            }
            "$skiptoken" if value.is_empty() || value.len() > MAX_TOKEN => {
                return Err(OptionsError::SkipToken);
            }
            "$skiptoken" => self.skip_token = Some(value.to_owned()),
            "$format" => {
                let kind = value.split(';').next().unwrap_or_default().trim();
                if !value.eq_ignore_ascii_case("json") && !kind.eq_ignore_ascii_case("application/json") {
                    return Err(OptionsError::Format);
                }
                self.format = Some(value.to_owned());
            }
            // `$filter`, which is read when all aliases are known.
            _ => {}
        }
        Ok(())
    }

    fn add_alias(&mut self, name: &str, value: String) -> Result<(), OptionsError> {
        let bare = name.strip_prefix('@').unwrap_or_default();
        let is_name = bare.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && bare.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_name {
            return Err(OptionsError::AliasName(excerpt(name)));
        }
        if self.aliases.iter().any(|(given, _)| given == name) {
            return Err(OptionsError::RepeatedAlias(excerpt(name)));
        }
        if self.aliases.len() == MAX_ALIASES {
            return Err(OptionsError::TooManyAliases);
        }
        self.aliases.push((name.to_owned(), value));
        Ok(())
    }

    fn read_filter(&mut self, entity: &'static EntityType, context: Context) -> Result<(), OptionsError> {
        let mut used = vec![false; self.aliases.len()];
        // Positions in a filter are those of the text as it was given.
        if let Some((_, text)) = self.given.iter().find(|(name, _)| *name == "$filter") {
            let parsed = filter::parse(text, entity, context, &self.aliases)?;
            (self.filter, self.uses_now) = (Some(parsed.filter), parsed.uses_now);
            used = parsed.used_aliases;
        }
        match self.aliases.iter().zip(used).find(|(_, used)| !used) {
            Some(((name, _), _)) => Err(OptionsError::UnusedAlias(excerpt(name))),
            None => Ok(()),
        }
    }

    /// What a paging token is bound to: the tenant, the collection at `set`, the condition with its aliases, the order.
    pub fn scope(&self, tenant: TenantId, set: &str) -> String {
        let tenant = tenant.to_string();
        let given =
            |option: &str| self.given.iter().find(|(name, _)| *name == option).map_or("", |(_, value)| value);
        let parts = [&*tenant, set, given("$filter"), given("$orderby")];
        let mut aliases: Vec<&Alias> = self.aliases.iter().collect();
        aliases.sort_unstable();
        let aliases = aliases.into_iter().flat_map(|(name, value)| [name.as_str(), value]);
        let mut scope = String::new();
        for part in parts.into_iter().chain(aliases) {
            // With its length in front, no part can run into the next.
            scope.push_str(&format!("{}:{part}", part.len()));
        }
        scope
    }

    /// The query of the next page's link: all options as they were given, but where to begin.
    pub fn next(&self, token: &str) -> String {
        let kept = self.given.iter().filter(|(name, _)| !matches!(*name, "$skip" | "$skiptoken"));
        let aliases = self.aliases.iter().map(|(name, value)| (name.as_str(), value));
        let kept = kept.map(|(name, value)| (*name, value)).chain(aliases);
        let encoded = |text| utf8_percent_encode(text, KEPT);
        let mut query: Vec<String> =
            kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        query.push(format!("$skiptoken={token}"));
        query.join("&")
    }
}

fn number(option: &'static str, value: &str, max: u64) -> Result<u64, OptionsError> {
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| is_digits && *number <= max);
    number.ok_or_else(|| OptionsError::Number { option, max, given: excerpt(value) })
}

/// Positions of the selected properties; `None` if `*` selects all.
fn select(value: &str, entity: &'static EntityType) -> Result<Option<Vec<usize>>, OptionsError> {
    let mut positions = Vec::new();
    let mut all = false;
    for name in value.split(',').map(str::trim) {
        if name == "*" {
            all = true;
            continue;
        }
        let unknown = || OptionsError::Select {
            name: excerpt(name),
            entity: entity.name,
            known: names::properties(entity),
        };
        positions.push(entity.position(name).ok_or_else(unknown)?);
    }
    positions.sort_unstable();
    positions.dedup();
    Ok((!all).then_some(positions))
}

fn order(value: &str, entity: &'static EntityType) -> Result<Vec<OrderBy>, OptionsError> {
    let mut order: Vec<OrderBy> = Vec::new();
    for criterion in value.split(',') {
        let mut words = criterion.split_whitespace();
        let name = words.next().unwrap_or_default();
        let unknown = || OptionsError::OrderProperty {
            name: excerpt(name),
            entity: entity.name,
            known: names::properties(entity),
        };
        let property = entity.position(name).ok_or_else(unknown)?;
        if entity.properties.get(property).is_some_and(|property| property.kind.is_structure()) {
            return Err(OptionsError::OrderStructure(excerpt(name)));
        }
        let descending = match words.next() {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(word) => return Err(OptionsError::Direction(excerpt(word))),
        };
        if let Some(word) = words.next() {
            return Err(OptionsError::Direction(excerpt(word)));
        }
        // A property that has decided already decides nothing a second time, and behind the id nothing does.
        if order.iter().all(|by| by.property != property && by.property != 0) {
            order.push(OrderBy { property, descending });
        }
        if order.len() > MAX_ORDER {
            return Err(OptionsError::OrderTooLong);
        }
    }
    Ok(order)
}

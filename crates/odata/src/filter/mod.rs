//! `$filter`: from text to a checked expression.

mod compare;
mod functions;
mod kind;
mod literal;
mod parse;
mod token;

use std::fmt;

use exconn_model::{Timestamp, schema::EntityType};

use crate::{excerpt::excerpt, query::Filter};

/// Longest filter, and longest value of a parameter alias, in bytes after decoding.
pub const MAX_LENGTH: usize = 8 * 1024;
/// Most bytes of a filter and of the values of its aliases, counted wherever they are used.
pub const MAX_EXPANDED: usize = 4 * MAX_LENGTH;
/// Deepest nesting of parentheses, functions, signs, aliases and `not`.
pub const MAX_DEPTH: usize = 64;
/// Most properties, literals, functions and operators.
pub const MAX_NODES: usize = 512;
/// Most literals of one `in`.
pub const MAX_LIST: usize = 200;

/// Why a text is not a filter of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where, in characters from the start, the first being 0.
    pub position: usize,
    /// The parameter alias whose value the position counts in, with its `@`; the filter itself where absent.
    pub alias: Option<String>,
    /// What is wrong there.
    pub problem: Problem,
}

impl std::error::Error for FilterError {}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invalid filter clause at position {}", self.position)?;
        if let Some(alias) = &self.alias {
            write!(f, " of '{alias}'")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A character that no filter has outside of quotes.
    #[error(
        "the character '{}' is not understood here; texts stand in single quotes, and comparisons are written eq, ne, \
         gt, ge, lt and le",
        excerpt(&.0.to_string())
    )]
    Character(char),
    /// U+0000 in a text: no stored text has it, and databases treat it as an end.
    #[error("a text cannot contain the character U+0000")]
    Zero,
    /// A quote without its end.
    #[error("the text that begins here has no closing quote")]
    OpenQuote,
    /// Another word was due.
    #[error("{expected} was expected, not {found}")]
    Unexpected {
        /// What would be accepted.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The entity has no such property.
    #[error("Could not find a property named '{name}' on type 'microsoft.graph.{entity}'. It has {known}.")]
    UnknownProperty {
        /// The name.
        name: String,
        /// The entity.
        entity: &'static str,
        /// The properties that there are.
        known: String,
    },
    /// A function that is not offered.
    #[error("the function '{0}' is not supported; supported are {names}", names = functions::names().join(", "))]
    Function(String),
    /// A function with too few or too many arguments.
    #[error("the function '{function}' takes {takes}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// How many it takes.
        takes: &'static str,
    },
    /// `has` where no enumeration is a set of flags.
    #[error("the operator 'has' is for enumerations of flags, and this one has none; write eq or in")]
    Has,
    /// `not` before a comparison without parentheses.
    #[error("'not' binds closer than a comparison: write not (…)")]
    Not,
    /// Something that is neither true nor false where a condition is due.
    #[error(
        "a condition was expected, not {0}; compare it by an operator such as eq, ne, gt, ge, lt, le or in"
    )]
    Condition(String),
    /// Operands whose types cannot be compared.
    #[error("{left} cannot be compared with {right}")]
    Types {
        /// What stands on the left.
        left: String,
        /// What stands on the right.
        right: String,
    },
    /// Operands that an arithmetic operator does not take.
    #[error("'{operator}' does not take {left} and {right}; it takes {takes}")]
    Arithmetic {
        /// The operator.
        operator: &'static str,
        /// What stands on the left.
        left: String,
        /// What stands on the right.
        right: String,
        /// What it takes.
        takes: &'static str,
    },
    /// A literal that the property's enumeration does not know.
    #[error("'{member}' is not a member of microsoft.graph.{kind}; its members are {members}")]
    Member {
        /// The literal.
        member: String,
        /// The enumeration.
        kind: &'static str,
        /// All members.
        members: String,
    },
    /// A member above `unknownFutureValue` without the preference that shows such members.
    #[error(
        "'{member}' of microsoft.graph.{kind} is known only with the header Prefer: include-unknown-enum-members"
    )]
    MaskedMember {
        /// The literal.
        member: String,
        /// The enumeration.
        kind: &'static str,
    },
    /// A literal that is not of the type that its form or its place demands.
    #[error("'{text}' is not {kind}: {reason}")]
    Literal {
        /// The literal.
        text: String,
        /// The type, with its article.
        kind: &'static str,
        /// Why.
        reason: String,
    },
    /// An alias whose value needs the alias itself.
    #[error("the value of '{0}' needs '{0}' itself")]
    AliasCircle(String),
    /// Beyond a bound.
    #[error("the filter is too {0}")]
    TooMuch(&'static str),
}

/// What a filter means depends on more than its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// What `now()` is.
    pub now: Timestamp,
    /// Whether members of enumerations above `unknownFutureValue` are shown (`Prefer: include-unknown-enum-members`).
    pub unknown_members: bool,
}

/// A value of a parameter alias: its name with the `@`, and its text.
pub type Alias = (String, String);

/// A checked filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The condition.
    pub filter: Filter,
    /// Whether the condition depends on [`Context::now`].
    pub uses_now: bool,
    /// For each alias that was given, whether the filter uses it.
    pub used_aliases: Vec<bool>,
}

/// The names of the functions that a filter may call.
pub fn function_names() -> Vec<&'static str> {
    functions::names()
}

/// Reads and checks a filter over an entity (OData URL Conventions 4.01, 5.1.1). Names of properties, functions and
/// operators are not case-sensitive; members of enumerations and aliases are. An alias without a value is null (OData
/// Protocol 4.01, 11.2.6.1.3).
///
/// The fuzz target `filter` feeds this function.
///
/// # Errors
/// The first thing that is wrong, with its position.
pub fn parse(
    text: &str,
    entity: &'static EntityType,
    context: Context,
    aliases: &[Alias],
) -> Result<Parsed, FilterError> {
    parse::Parser::new(entity, context, aliases).whole(text)
}

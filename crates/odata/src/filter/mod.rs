//! `$filter`: from text to a checked tree.

mod literal;
mod parse;
mod token;

use exconn_model::schema::EntityType;

use crate::{excerpt::excerpt, query::Filter};

/// Longest filter, in bytes after decoding.
pub const MAX_LENGTH: usize = 8 * 1024;
/// Deepest nesting of parentheses and `not`.
pub const MAX_DEPTH: usize = 64;
/// Most comparisons, tests and their connections.
pub const MAX_NODES: usize = 256;
/// Most literals of one `in`.
pub const MAX_LIST: usize = 200;

/// The functions that a filter may call.
pub const FUNCTIONS: [&str; 3] = ["contains", "startswith", "endswith"];

/// Why a text is not a filter of an entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter clause at position {position}: {problem}")]
pub struct FilterError {
    /// Where, in characters from the start, the first being 0.
    pub position: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A character that no filter has outside of quotes.
    #[error("the character '{}' is not understood here; texts stand in single quotes", excerpt(&.0.to_string()))]
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
    #[error("Could not find a property named '{name}' on type 'microsoft.graph.{entity}'.")]
    UnknownProperty {
        /// The name.
        name: String,
        /// The entity.
        entity: &'static str,
    },
    /// A function that is not offered.
    #[error("the function '{0}' is not supported; supported are contains, startswith and endswith")]
    Function(String),
    /// An operator that is not offered.
    #[error("the operator '{0}' is not supported; supported are eq, ne, gt, ge, lt, le, in, and, or and not")]
    Operator(String),
    /// `not` before a comparison without parentheses.
    #[error("'not' binds closer than a comparison: write not (…)")]
    Not,
    /// Operands whose types cannot be compared.
    #[error("{left} cannot be compared with {right}")]
    Types {
        /// What stands on the left.
        left: String,
        /// What stands on the right.
        right: String,
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
    /// A literal that is not a moment.
    #[error("'{text}' is not a date and time: {reason}")]
    Moment {
        /// The literal.
        text: String,
        /// Why.
        reason: String,
    },
    /// Beyond a bound.
    #[error("the filter is too {0}")]
    TooMuch(&'static str),
}

/// Reads and checks a filter over an entity. Names are not case-sensitive; members of enumerations are.
///
/// The fuzz target `filter` feeds this function.
pub fn parse(text: &str, entity: &'static EntityType) -> Result<Filter, FilterError> {
    if text.len() > MAX_LENGTH {
        return Err(FilterError {
            position: MAX_LENGTH,
            problem: Problem::TooMuch("long: at most 8192 bytes"),
        });
    }
    parse::Parser::new(token::tokens(text)?, entity).whole()
}

//! `$filter` to a checked tree.

use exconn_model::{
    Timestamp,
    schema::{EntityType, EnumType, PropertyType, Value},
};

use exconn_odata::query::{Comparison, Filter, Operand, TextTest};

use super::lexer::{Token, TokenKind, tokens};

/// Parentheses and `not` that may be open at once.
const MAX_DEPTH: usize = 50;
/// Values in one `in (…)`.
const MAX_LIST: usize = 100;

/// Why a filter is refused. Positions count characters from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    /// A character that has no place in a filter.
    #[error("unexpected character '{found}' at position {at}")]
    Character {
        /// The character.
        found: char,
        /// Where.
        at: usize,
    },
    /// A text without its closing quote.
    #[error("the text that begins at position {at} has no closing quote")]
    Unterminated {
        /// Where.
        at: usize,
    },
    /// Something else was expected.
    #[error("expected {expected} at position {at}")]
    Expected {
        /// What.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// No such property.
    #[error("Could not find a property named '{name}' on type 'microsoft.graph.{kind}' (position {at})")]
    UnknownProperty {
        /// What was given.
        name: String,
        /// The type's name.
        kind: &'static str,
        /// Where.
        at: usize,
    },
    /// An operator or function that is not supported.
    #[error("'{name}' at position {at} is not supported")]
    Unsupported {
        /// What was given.
        name: String,
        /// Where.
        at: usize,
    },
    /// A comparison of things that cannot be compared.
    #[error("the comparison at position {at} needs {expected}")]
    Types {
        /// What is needed.
        expected: String,
        /// Where.
        at: usize,
    },
    /// Too deep.
    #[error("more than {MAX_DEPTH} levels of parentheses at position {at}")]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// Too long.
    #[error("the filter is too long")]
    TooLong,
}

/// Reads a filter on entities of this type.
pub(crate) fn parse(text: &str, entity: &'static EntityType) -> Result<Filter, FilterError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, entity };
    let filter = parser.either()?;
    match parser.peek().kind {
        TokenKind::End => Ok(filter),
        _ => Err(parser.expected("'and', 'or' or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    entity: &'static EntityType,
}

/// An operand before its type is settled.
#[derive(Clone, Debug)]
enum Raw {
    Property(usize, PropertyType),
    Null,
    Boolean(bool),
    Text(String),
    Moment(Timestamp),
    Member(String, String),
}

static END: Token = Token { kind: TokenKind::End, at: 0 };

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).or(self.tokens.last()).unwrap_or(&END)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        FilterError::Expected { expected, at: self.peek().at }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(&self.peek().kind, TokenKind::Word(text) if text.eq_ignore_ascii_case(word));
        if found {
            self.next += 1;
        }
        found
    }

    fn require(&mut self, kind: &TokenKind, expected: &'static str) -> Result<(), FilterError> {
        if self.peek().kind == *kind {
            self.next += 1;
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    fn either(&mut self) -> Result<Filter, FilterError> {
        let mut left = self.both()?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, FilterError> {
        let mut left = self.unary()?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Filter, FilterError> {
        if self.depth == MAX_DEPTH {
            return Err(FilterError::TooDeep { at: self.peek().at });
        }
        self.depth += 1;
        let filter = if self.take_word("not") {
            Filter::Not(Box::new(self.unary()?))
        } else if self.peek().kind == TokenKind::Open {
            self.next += 1;
            let inner = self.either()?;
            self.require(&TokenKind::Close, "')'")?;
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn condition(&mut self) -> Result<Filter, FilterError> {
        let at = self.peek().at;
        if let Some(test) = self.function()? {
            return self.text_test(test);
        }
        let left = self.operand()?;
        if self.take_word("in") {
            return self.list(left, at);
        }
        let Some(comparison) = self.comparison()? else {
            return match left {
                Raw::Property(position, PropertyType::Boolean) => {
                    Ok(Filter::Truth(Operand::Property(position)))
                }
                Raw::Boolean(value) => Ok(Filter::Truth(Operand::Literal(Value::Boolean(value)))),
                _ => Err(self.expected("a comparison such as eq")),
            };
        };
        let right = self.operand()?;
        let (left, right) = settle(left, right, comparison, at)?;
        Ok(Filter::Compare(left, comparison, right))
    }

    /// A function's name, if one begins here and is known.
    fn function(&mut self) -> Result<Option<TextTest>, FilterError> {
        let followed = self.tokens.get(self.next + 1).is_some_and(|token| token.kind == TokenKind::Open);
        let Token { kind: TokenKind::Word(name), at } = self.peek() else { return Ok(None) };
        if !followed {
            return Ok(None);
        }
        let test = match name.to_ascii_lowercase().as_str() {
            "contains" => TextTest::Contains,
            "startswith" => TextTest::StartsWith,
            "endswith" => TextTest::EndsWith,
            _ => return Err(FilterError::Unsupported { name: shown(name), at: *at }),
        };
        self.next += 2;
        Ok(Some(test))
    }

    fn text_test(&mut self, test: TextTest) -> Result<Filter, FilterError> {
        let first = self.text_operand()?;
        self.require(&TokenKind::Comma, "','")?;
        let second = self.text_operand()?;
        self.require(&TokenKind::Close, "')'")?;
        let filter = Filter::Text(test, first, second);
        let at = self.peek().at;
        let wanted = match self.comparison()? {
            None => return Ok(filter),
            Some(Comparison::Equal) => true,
            Some(Comparison::NotEqual) => false,
            Some(_) => return Err(FilterError::Types { expected: "eq or ne".to_owned(), at }),
        };
        match self.operand()? {
            Raw::Boolean(value) if value == wanted => Ok(filter),
            Raw::Boolean(_) => Ok(Filter::Not(Box::new(filter))),
            _ => Err(FilterError::Types { expected: "true or false".to_owned(), at }),
        }
    }

    fn text_operand(&mut self) -> Result<Operand, FilterError> {
        let at = self.peek().at;
        match self.operand()? {
            Raw::Property(position, PropertyType::String) => Ok(Operand::Property(position)),
            Raw::Text(text) => Ok(Operand::Literal(Value::Text(text.into()))),
            _ => Err(FilterError::Types { expected: "a text".to_owned(), at }),
        }
    }

    fn comparison(&mut self) -> Result<Option<Comparison>, FilterError> {
        let Token { kind: TokenKind::Word(word), at } = self.peek() else { return Ok(None) };
        let comparison = match word.to_ascii_lowercase().as_str() {
            "eq" => Comparison::Equal,
            "ne" => Comparison::NotEqual,
            "lt" => Comparison::Less,
            "le" => Comparison::LessOrEqual,
            "gt" => Comparison::Greater,
            "ge" => Comparison::GreaterOrEqual,
            "and" | "or" => return Ok(None),
            "has" | "add" | "sub" | "mul" | "div" | "mod" => {
                return Err(FilterError::Unsupported { name: word.clone(), at: *at });
            }
            _ => return Err(self.expected("a comparison such as eq")),
        };
        self.next += 1;
        Ok(Some(comparison))
    }

    fn list(&mut self, left: Raw, at: usize) -> Result<Filter, FilterError> {
        self.require(&TokenKind::Open, "'('")?;
        let mut values = Vec::new();
        loop {
            let item = self.operand()?;
            if matches!(item, Raw::Property(..)) {
                return Err(FilterError::Types { expected: "values in the list".to_owned(), at });
            }
            let (operand, value) = settle(left.clone(), item, Comparison::Equal, at)?;
            if let Operand::Literal(value) = value {
                values.push(value);
            }
            if values.len() > MAX_LIST {
                return Err(FilterError::TooLong);
            }
            match self.take().kind {
                TokenKind::Comma => {}
                TokenKind::Close => return Ok(Filter::In(operand, values)),
                _ => {
                    self.next -= 1;
                    return Err(self.expected("',' or ')'"));
                }
            }
        }
    }

    fn operand(&mut self) -> Result<Raw, FilterError> {
        let Token { kind, at } = self.take();
        match kind {
            TokenKind::Text(text) => Ok(Raw::Text(text)),
            TokenKind::Qualified(kind, member) => Ok(Raw::Member(kind, member)),
            TokenKind::Word(word) => self.word(&word, at),
            _ => Err(FilterError::Expected { expected: "a property or a value", at }),
        }
    }

    fn word(&self, word: &str, at: usize) -> Result<Raw, FilterError> {
        match word {
            "null" => return Ok(Raw::Null),
            "true" => return Ok(Raw::Boolean(true)),
            "false" => return Ok(Raw::Boolean(false)),
            _ => {}
        }
        if let Some(position) = self.entity.position(word)
            && let Some(property) = self.entity.properties.get(position)
        {
            return Ok(Raw::Property(position, property.kind));
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return Timestamp::parse(word).map(Raw::Moment).map_err(|error| FilterError::Types {
                expected: format!("a date, and '{}' is none: {error}", shown(word)),
                at,
            });
        }
        Err(FilterError::UnknownProperty { name: shown(word), kind: self.entity.name, at })
    }
}

/// Gives both sides one type.
fn settle(
    left: Raw,
    right: Raw,
    comparison: Comparison,
    at: usize,
) -> Result<(Operand, Operand), FilterError> {
    let kind = match (&left, &right) {
        (Raw::Property(_, kind), Raw::Property(_, other)) if kind == other => Some(*kind),
        (Raw::Property(..), Raw::Property(..)) => {
            return Err(FilterError::Types { expected: "properties of one type".to_owned(), at });
        }
        (Raw::Property(_, kind), _) | (_, Raw::Property(_, kind)) => Some(*kind),
        _ => None,
    };
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if kind == Some(PropertyType::Boolean) && !equality {
        return Err(FilterError::Types { expected: "eq or ne for true and false".to_owned(), at });
    }
    let Some(kind) = kind else {
        return Err(FilterError::Types { expected: "a property on one side".to_owned(), at });
    };
    Ok((typed(left, kind, at)?, typed(right, kind, at)?))
}

fn typed(raw: Raw, kind: PropertyType, at: usize) -> Result<Operand, FilterError> {
    let value = match (raw, kind) {
        (Raw::Property(position, _), _) => return Ok(Operand::Property(position)),
        (Raw::Null, _) => Value::Null,
        (Raw::Boolean(value), PropertyType::Boolean) => Value::Boolean(value),
        (Raw::Text(text), PropertyType::String) => Value::Text(text.into()),
        (Raw::Moment(moment), PropertyType::DateTimeOffset) => Value::Timestamp(moment),
        (Raw::Text(member), PropertyType::Enum(kind)) => enum_value(kind, &member, at)?,
        (Raw::Member(name, member), PropertyType::Enum(kind))
            if name.strip_prefix("microsoft.graph.") == Some(kind.name) =>
        {
            enum_value(kind, &member, at)?
        }
        (_, kind) => return Err(FilterError::Types { expected: literal_of(kind), at }),
    };
    Ok(Operand::Literal(value))
}

fn enum_value(kind: &'static EnumType, member: &str, at: usize) -> Result<Value<'static>, FilterError> {
    match kind.number_of(member) {
        Some(number) => Ok(Value::Enum(kind, number)),
        None => Err(FilterError::Types {
            expected: format!("{}, and '{}' is none", literal_of(PropertyType::Enum(kind)), shown(member)),
            at,
        }),
    }
}

fn literal_of(kind: PropertyType) -> String {
    match kind {
        PropertyType::Boolean => "true or false".to_owned(),
        PropertyType::String => "a text in quotes".to_owned(),
        PropertyType::DateTimeOffset => "a date such as 2026-01-31T08:00:00Z without quotes".to_owned(),
        PropertyType::Enum(kind) => {
            let names: Vec<_> = kind.members.iter().map(|(name, _)| format!("'{name}'")).collect();
            format!("one of {}", names.join(", "))
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

//! The grammar of a filter: operators by their precedence (OData URL Conventions 4.01, 5.1.1.17).

use std::{borrow::Cow, fmt};

use exconn_model::{
    Timestamp,
    schema::{EntityType, EnumType},
};

use super::{
    Alias, Context, FilterError, MAX_DEPTH, MAX_EXPANDED, MAX_LENGTH, MAX_LIST, MAX_NODES, Parsed, Problem,
    compare, functions,
    kind::Kind,
    literal,
    token::{self, Placed, Token},
};
use crate::{
    excerpt::excerpt,
    names,
    query::{Comparison, Expression, Function, Scalar},
};

const OPERAND: &str = "a property, a value or a function";
const OPERATOR: &str = "an operator such as eq, in or and, or the end";

/// What binds how closely; a greater number binds closer.
mod precedence {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const EQUALITY: u8 = 3;
    pub(super) const RELATIONAL: u8 = 4;
    pub(super) const ADDITIVE: u8 = 5;
    pub(super) const MULTIPLICATIVE: u8 = 6;
    pub(super) const PRIMARY: u8 = 8;
}

/// A part of a filter whose type may depend on what it meets.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Typed(Expression, Kind),
    Null,
    /// A text, or a literal in quotes of any other type.
    Text(Cow<'a, str>),
    /// A member of an enumeration without quotes, or a name that nobody knows.
    Word(&'a str),
    /// `type'member'`
    Qualified(&'a str, Cow<'a, str>),
}

/// An operand and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) operand: Operand<'a>,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// How it is written.
    pub(super) text: &'a str,
}

/// What an error says of an operand; words are made of it only then.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    Typed(&'a str, Kind),
    Null,
    Text(&'a str),
    Word(&'a str),
    Qualified(&'a str),
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(text, kind) => write!(f, "'{}' ({})", excerpt(text), kind.name()),
            Self::Null => f.write_str("null"),
            Self::Text(text) => write!(f, "the text {}", excerpt(text)),
            Self::Word(text) => write!(f, "'{}'", excerpt(text)),
            Self::Qualified(prefix) => write!(f, "a {}", excerpt(prefix)),
        }
    }
}

impl<'a> Node<'a> {
    pub(super) fn shown(&self) -> Shown<'a> {
        match &self.operand {
            Operand::Typed(_, kind) => Shown::Typed(self.text, *kind),
            Operand::Null => Shown::Null,
            Operand::Text(_) => Shown::Text(self.text),
            Operand::Word(_) => Shown::Word(self.text),
            Operand::Qualified(prefix, _) => Shown::Qualified(prefix),
        }
    }
}

impl Node<'_> {
    pub(super) fn kind(&self) -> Option<Kind> {
        match &self.operand {
            Operand::Typed(_, kind) => Some(*kind),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Compare(Comparison),
    Arithmetic(&'static str, Function),
    In,
    Has,
}

impl Operator {
    fn read(word: &str) -> Option<Self> {
        let mut lower = [0; 5];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"or" => Self::Or,
            b"and" => Self::And,
            b"eq" => Self::Compare(Comparison::Equal),
            b"ne" => Self::Compare(Comparison::NotEqual),
            b"lt" => Self::Compare(Comparison::Less),
            b"le" => Self::Compare(Comparison::LessOrEqual),
            b"gt" => Self::Compare(Comparison::Greater),
            b"ge" => Self::Compare(Comparison::GreaterOrEqual),
            b"add" => Self::Arithmetic("add", Function::Add),
            b"sub" => Self::Arithmetic("sub", Function::Subtract),
            b"mul" => Self::Arithmetic("mul", Function::Multiply),
            b"div" => Self::Arithmetic("div", Function::Divide),
            b"divby" => Self::Arithmetic("divby", Function::DivideExactly),
            b"mod" => Self::Arithmetic("mod", Function::Modulo),
            b"in" => Self::In,
            b"has" => Self::Has,
            _ => return None,
        })
    }

    fn precedence(self) -> u8 {
        match self {
            Self::Or => precedence::OR,
            Self::And => precedence::AND,
            Self::Compare(Comparison::Equal | Comparison::NotEqual) => precedence::EQUALITY,
            Self::Compare(_) => precedence::RELATIONAL,
            Self::Arithmetic(_, Function::Add | Function::Subtract) => precedence::ADDITIVE,
            Self::Arithmetic(..) => precedence::MULTIPLICATIVE,
            Self::In | Self::Has => precedence::PRIMARY,
        }
    }
}

/// A text being read: the filter or the value of an alias.
struct Source<'a> {
    text: &'a str,
    alias: Option<&'a str>,
    tokens: Vec<Placed<'a>>,
    next: usize,
}

pub(super) struct Parser<'a> {
    source: Source<'a>,
    aliases: &'a [Alias],
    used_aliases: Vec<bool>,
    /// Aliases whose values are being read, the outermost first.
    open_aliases: Vec<usize>,
    entity: &'static EntityType,
    context: Context,
    uses_now: bool,
    depth: usize,
    nodes: usize,
    expanded: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(entity: &'static EntityType, context: Context, aliases: &'a [Alias]) -> Self {
        Self {
            source: Source { text: "", alias: None, tokens: Vec::new(), next: 0 },
            aliases,
            used_aliases: vec![false; aliases.len()],
            open_aliases: Vec::new(),
            entity,
            context,
            uses_now: false,
            depth: 0,
            nodes: 0,
            expanded: 0,
        }
    }

    pub(super) fn whole(mut self, text: &'a str) -> Result<Parsed, FilterError> {
        self.open(text, None)?;
        let node = self.whole_text()?;
        let filter = self.condition(node)?;
        Ok(Parsed { filter, uses_now: self.uses_now, used_aliases: self.used_aliases })
    }

    /// Begins to read a text; gives the one that was read before.
    fn open(&mut self, text: &'a str, alias: Option<&'a str>) -> Result<Source<'a>, FilterError> {
        let opened = Source { text, alias, tokens: Vec::new(), next: 0 };
        let before = std::mem::replace(&mut self.source, opened);
        self.expanded += text.len();
        if text.len() > MAX_LENGTH || self.expanded > MAX_EXPANDED {
            let problem =
                Problem::TooMuch("long: at most 8192 bytes, and 32768 with the values of its aliases");
            return Err(self.error_at(text.len(), problem));
        }
        self.source.tokens = token::tokens(text).map_err(|(at, problem)| self.error_at(at, problem))?;
        Ok(before)
    }

    fn whole_text(&mut self) -> Result<Node<'a>, FilterError> {
        let node = self.expression(precedence::OR)?;
        match self.peek() {
            Token::End => Ok(node),
            _ => Err(self.unexpected(OPERATOR)),
        }
    }

    /// An operand and all operators behind it that bind at least so closely.
    fn expression(&mut self, least: u8) -> Result<Node<'a>, FilterError> {
        let mut left = self.operand()?;
        loop {
            let Token::Word(word) = self.peek() else { return Ok(left) };
            let operator = Operator::read(word).filter(|operator| operator.precedence() >= least);
            let Some(operator) = operator else { return Ok(left) };
            let at = self.position();
            self.source.next += 1;
            self.count()?;
            let start = left.at;
            let operand = match operator {
                Operator::In => self.list(left)?,
                Operator::Has => return Err(self.error_at(at, Problem::Has)),
                other => {
                    let right = self.expression(other.precedence() + 1)?;
                    self.combine(left, other, right)?
                }
            };
            left = self.node(operand, start);
        }
    }

    fn combine(
        &mut self,
        left: Node<'a>,
        operator: Operator,
        right: Node<'a>,
    ) -> Result<Operand<'a>, FilterError> {
        match operator {
            Operator::And => Ok(boolean(self.condition(left)?.and(self.condition(right)?))),
            Operator::Or => Ok(boolean(self.condition(left)?.or(self.condition(right)?))),
            Operator::Compare(comparison) => compare::compare(self, left, comparison, right).map(boolean),
            Operator::Arithmetic(name, function) => compare::arithmetic(self, left, (name, function), right),
            Operator::In | Operator::Has => Err(self.unexpected(OPERATOR)),
        }
    }

    fn operand(&mut self) -> Result<Node<'a>, FilterError> {
        self.count()?;
        let start = self.position();
        let followed = matches!(self.peek_second(), Some(Token::Open));
        let operand = match self.peek().clone() {
            Token::Open => {
                self.source.next += 1;
                let inner = self.nested(|parser| parser.expression(precedence::OR))?;
                self.expect(&Token::Close, "an operator or ')'")?;
                inner.operand
            }
            Token::Minus => {
                self.source.next += 1;
                let inner = self.nested(|parser| parser.expression(precedence::PRIMARY))?;
                compare::negate(self, inner)?
            }
            Token::Word(word) if word.eq_ignore_ascii_case("not") => return self.negation(start),
            Token::Word(name) if followed => {
                self.source.next += 2;
                let arguments = self.nested(Self::arguments)?;
                functions::call(self, name, start, arguments)?
            }
            Token::Word(word) => {
                let operand = self.word(word)?;
                self.source.next += 1;
                operand
            }
            Token::Text(text) => {
                self.source.next += 1;
                Operand::Text(text)
            }
            Token::Qualified(kind, member) => {
                let operand = self.qualified(kind, member)?;
                self.source.next += 1;
                operand
            }
            Token::Alias(name) => {
                let operand = self.alias(name)?;
                self.source.next += 1;
                operand
            }
            Token::Close | Token::Comma | Token::End => return Err(self.unexpected(OPERAND)),
        };
        Ok(self.node(operand, start))
    }

    fn negation(&mut self, start: usize) -> Result<Node<'a>, FilterError> {
        self.source.next += 1;
        let is_grouped = matches!(self.peek(), Token::Open);
        let inner = self.nested(|parser| parser.expression(precedence::PRIMARY))?;
        // `not` binds closer than a comparison: `not a eq b` would compare the opposite of `a`.
        let compares = matches!(self.peek(), Token::Word(word)
            if matches!(Operator::read(word), Some(Operator::Compare(_) | Operator::Arithmetic(..))));
        if compares && !is_grouped && inner.kind() != Some(Kind::Boolean) {
            return Err(self.error_at(start, Problem::Not));
        }
        let negated = boolean(Expression::Not(Box::new(self.condition(inner)?)));
        Ok(self.node(negated, start))
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(Problem::TooMuch("deeply nested: at most 64 levels")));
        }
        let result = inner(self)?;
        self.depth -= 1;
        Ok(result)
    }

    /// What stands between a function's parentheses, with the closing one.
    fn arguments(&mut self) -> Result<Vec<Node<'a>>, FilterError> {
        let mut arguments = Vec::new();
        if matches!(self.peek(), Token::Close) {
            self.source.next += 1;
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(precedence::OR)?);
            if !matches!(self.peek(), Token::Comma) {
                self.expect(&Token::Close, "',' or ')'")?;
                return Ok(arguments);
            }
            self.source.next += 1;
        }
    }

    fn word(&mut self, word: &'a str) -> Result<Operand<'a>, FilterError> {
        if let Some(position) = self.entity.position(word) {
            let kind = self.entity.properties.get(position).and_then(|p| Kind::of_property(p.kind));
            let kind = kind.ok_or_else(|| self.unexpected("a property with a single value"))?;
            return Ok(Operand::Typed(Expression::Property(position), kind));
        }
        if literal::is_literal(word) {
            let (scalar, kind) = literal::of_word(word).map_err(|problem| self.error(problem))?;
            return Ok(Operand::Typed(Expression::Literal(scalar), kind));
        }
        let truth = |value| boolean(Expression::Literal(Scalar::Boolean(value)));
        Ok(match () {
            () if word.eq_ignore_ascii_case("null") => Operand::Null,
            () if word.eq_ignore_ascii_case("true") => truth(true),
            () if word.eq_ignore_ascii_case("false") => truth(false),
            () => Operand::Word(word),
        })
    }

    fn qualified(&self, prefix: &'a str, member: Cow<'a, str>) -> Result<Operand<'a>, FilterError> {
        if prefix.eq_ignore_ascii_case("duration") {
            let duration = literal::duration(&member).map_err(|problem| self.error(problem))?;
            return Ok(Operand::Typed(Expression::Literal(duration), Kind::Duration));
        }
        Ok(Operand::Qualified(prefix, member))
    }

    /// The value of an alias, as if it stood here in parentheses.
    fn alias(&mut self, name: &'a str) -> Result<Operand<'a>, FilterError> {
        let aliases = self.aliases;
        let Some(at) = aliases.iter().position(|(given, _)| given == name) else { return Ok(Operand::Null) };
        if self.open_aliases.contains(&at) {
            return Err(self.error(Problem::AliasCircle(excerpt(name))));
        }
        let Some((name, text)) = aliases.get(at) else { return Ok(Operand::Null) };
        if let Some(used) = self.used_aliases.get_mut(at) {
            *used = true;
        }
        self.open_aliases.push(at);
        let before = self.open(text, Some(name))?;
        let node = self.nested(Self::whole_text)?;
        self.source = before;
        self.open_aliases.pop();
        Ok(node.operand)
    }

    /// What stands behind `in`.
    fn list(&mut self, left: Node<'a>) -> Result<Operand<'a>, FilterError> {
        let (left, kind) = compare::resolve(self, left)?;
        self.expect(&Token::Open, "'('")?;
        let mut values = Vec::new();
        if matches!(self.peek(), Token::Close) {
            self.source.next += 1;
            return Ok(boolean(Expression::In(Box::new(left), values)));
        }
        loop {
            let at = self.position();
            let node = self.nested(|parser| parser.expression(precedence::ADDITIVE))?;
            let found = node.shown();
            match compare::value_of(self, node, kind)? {
                Expression::Literal(scalar) => values.push(scalar),
                _ => {
                    return Err(self.error_at(
                        at,
                        Problem::Unexpected { expected: "a literal", found: found.to_string() },
                    ));
                }
            }
            if values.len() > MAX_LIST {
                return Err(self.error(Problem::TooMuch("long: at most 200 values in a list")));
            }
            // A long list is one node to those who evaluate it.
            self.nodes -= 1;
            if !matches!(self.peek(), Token::Comma) {
                break;
            }
            self.source.next += 1;
        }
        self.expect(&Token::Close, "',' or ')'")?;
        Ok(boolean(compare::is_in(self, left, values)))
    }

    /// An expression that is true, false or null.
    fn condition(&self, node: Node<'a>) -> Result<Expression, FilterError> {
        match node.operand {
            Operand::Typed(expression, Kind::Boolean) => Ok(expression),
            Operand::Null => Ok(Expression::Literal(Scalar::Null)),
            Operand::Word(word) => Err(self.unknown_property(word, node.at)),
            _ => Err(self.error_at(node.at, Problem::Condition(node.shown().to_string()))),
        }
    }

    /// A literal as a value of this type, or `otherwise`.
    pub(super) fn coerce(
        &self,
        node: Node<'a>,
        kind: Kind,
        otherwise: impl FnOnce() -> Problem,
    ) -> Result<Expression, FilterError> {
        let at = node.at;
        let problem = match (node.operand, kind) {
            (Operand::Typed(expression, found), _) if found.is_comparable_with(kind) => {
                return Ok(expression);
            }
            (Operand::Null, _) => return Ok(Expression::Literal(Scalar::Null)),
            (Operand::Text(text), Kind::String) => {
                return Ok(Expression::Literal(Scalar::text(text.into_owned())));
            }
            (Operand::Text(text), kind) => {
                match literal::of_text(&text, kind, self.context.unknown_members) {
                    Some(Ok(scalar)) => return Ok(Expression::Literal(scalar)),
                    Some(Err(problem)) => problem,
                    None => otherwise(),
                }
            }
            (Operand::Word(word), Kind::Enum(kind)) if kind.number_of(word).is_some() => {
                return self.member(kind, word, at);
            }
            (Operand::Word(word), _) => return Err(self.unknown_property(word, at)),
            (Operand::Qualified(prefix, member), Kind::Enum(kind)) if names(prefix, kind) => {
                return self.member(kind, &member, at);
            }
            _ => otherwise(),
        };
        Err(self.error_at(at, problem))
    }

    fn member(&self, kind: &'static EnumType, text: &str, at: usize) -> Result<Expression, FilterError> {
        let member = literal::member(kind, text, self.context.unknown_members);
        member.map(Expression::Literal).map_err(|problem| self.error_at(at, problem))
    }

    pub(super) fn context(&self) -> Context {
        self.context
    }

    /// What `now()` is; notes that the filter depends on it.
    pub(super) fn now(&mut self) -> Timestamp {
        self.uses_now = true;
        self.context.now
    }

    pub(super) fn unknown_property(&self, name: &str, at: usize) -> FilterError {
        let (name, known) = (excerpt(name), names::properties(self.entity));
        let problem = Problem::UnknownProperty { name, entity: self.entity.name, known };
        self.error_at(at, problem)
    }

    fn node(&self, operand: Operand<'a>, start: usize) -> Node<'a> {
        let last = self.source.next.checked_sub(1).and_then(|last| self.source.tokens.get(last));
        let end = last.map_or(start, |placed| placed.end);
        let text = self.source.text.get(start..end).unwrap_or_default();
        Node { operand, at: start, text }
    }

    fn count(&mut self) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let problem = Problem::TooMuch("long: at most 512 properties, values, functions and operators");
            return Err(self.error(problem));
        }
        Ok(())
    }

    fn peek(&self) -> &Token<'a> {
        self.source.tokens.get(self.source.next).map_or(&Token::End, |placed| &placed.token)
    }

    fn peek_second(&self) -> Option<&Token<'a>> {
        self.source.tokens.get(self.source.next + 1).map(|placed| &placed.token)
    }

    fn expect(&mut self, token: &Token<'_>, expected: &'static str) -> Result<(), FilterError> {
        if self.peek() != token {
            return Err(self.unexpected(expected));
        }
        self.source.next += 1;
        Ok(())
    }

    /// Where the next token begins, in bytes.
    fn position(&self) -> usize {
        let placed = self.source.tokens.get(self.source.next).or(self.source.tokens.last());
        placed.map_or(0, |placed| placed.start)
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        self.error(Problem::Unexpected { expected, found: self.peek().to_string() })
    }

    fn error(&self, problem: Problem) -> FilterError {
        self.error_at(self.position(), problem)
    }

    /// An error at a byte of the text being read.
    pub(super) fn error_at(&self, at: usize, problem: Problem) -> FilterError {
        let position = self.source.text.char_indices().take_while(|(byte, _)| *byte < at).count();
        FilterError { position, alias: self.source.alias.map(excerpt), problem }
    }
}

/// Whether a qualified literal's prefix names this enumeration.
fn names(prefix: &str, kind: &EnumType) -> bool {
    let bare = prefix.strip_prefix("microsoft.graph.").or(prefix.strip_prefix("graph."));
    bare.unwrap_or(prefix) == kind.name
}

fn boolean<'a>(expression: Expression) -> Operand<'a> {
    Operand::Typed(expression, Kind::Boolean)
}

//! The grammar of a filter (OData URL Conventions 4.01, 5.1.1).

use exconn_model::schema::{EntityType, PropertyType, Value};

use super::{
    FilterError, MAX_DEPTH, MAX_LIST, MAX_NODES, Problem,
    literal::{Raw, describe, literal, unknown},
    token::Token,
};
use crate::{
    excerpt::excerpt,
    query::{Comparison, Filter, Operand, TextTest},
};

const OPERAND: &str = "a property, a value or a function";
const OPERATOR: &str = "an operator such as eq, ne, gt, ge, lt, le or in";

pub(super) struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    nodes: usize,
    entity: &'static EntityType,
}

impl Parser {
    pub(super) fn new(tokens: Vec<(usize, Token)>, entity: &'static EntityType) -> Self {
        Self { tokens, next: 0, depth: 0, nodes: 0, entity }
    }

    pub(super) fn whole(mut self) -> Result<Filter, FilterError> {
        let filter = self.any()?;
        match self.peek() {
            Token::End => Ok(filter),
            _ => Err(self.unexpected("'and', 'or' or the end")),
        }
    }

    /// `a or b or …`
    fn any(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.all()?;
        while self.take_word("or") {
            self.count()?;
            filter = Filter::Or(Box::new(filter), Box::new(self.all()?));
        }
        Ok(filter)
    }

    /// `a and b and …`, which binds closer than `or`.
    fn all(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.one()?;
        while self.take_word("and") {
            self.count()?;
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter, FilterError> {
        self.count()?;
        let at = self.position();
        if self.take_word("not") {
            let grouped = matches!(self.peek(), Token::Open);
            let inner = self.nested(Self::one)?;
            // `not` binds closer than a comparison: `not a eq b` would compare the opposite of `a`.
            if !grouped && matches!(inner, Filter::Compare(..) | Filter::In(..)) {
                return Err(FilterError { position: at, problem: Problem::Not });
            }
            return Ok(Filter::Not(Box::new(inner)));
        }
        if !matches!(self.peek(), Token::Open) {
            return self.test();
        }
        self.next += 1;
        let inner = self.nested(Self::any)?;
        self.expect(&Token::Close, "')'")?;
        Ok(inner)
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(Problem::TooMuch("deeply nested: at most 64 levels")));
        }
        let filter = inner(self)?;
        self.depth -= 1;
        Ok(filter)
    }

    /// A comparison, a function or a Boolean property.
    fn test(&mut self) -> Result<Filter, FilterError> {
        if let (Token::Word(name), Some(Token::Open)) = (self.peek().clone(), self.peek_second()) {
            return self.function(&name);
        }
        let at = self.position();
        let left = self.operand()?;
        let Token::Word(operator) = self.peek().clone() else { return self.truth(left) };
        let comparison = match operator.to_ascii_lowercase().as_str() {
            "eq" => Comparison::Equal,
            "ne" => Comparison::NotEqual,
            "lt" => Comparison::Less,
            "le" => Comparison::LessOrEqual,
            "gt" => Comparison::Greater,
            "ge" => Comparison::GreaterOrEqual,
            "in" => {
                self.next += 1;
                return self.list(left, at);
            }
            "and" | "or" => return self.truth(left),
            "has" | "add" | "sub" | "mul" | "div" | "divby" | "mod" => {
                return Err(self.error(Problem::Operator(excerpt(&operator))));
            }
            _ => return Err(self.unexpected(OPERATOR)),
        };
        self.next += 1;
        let right_at = self.position();
        let right = self.operand()?;
        let (left, right) = self.same_type(left, at, right, right_at)?;
        Ok(Filter::Compare(left, comparison, right))
    }

    fn truth(&self, operand: Raw) -> Result<Filter, FilterError> {
        match operand {
            Raw::Property(position, PropertyType::Boolean) => Ok(Filter::Truth(Operand::Property(position))),
            Raw::Boolean(value) => Ok(Filter::Truth(Operand::Literal(Value::Boolean(value)))),
            _ => Err(self.unexpected(OPERATOR)),
        }
    }

    fn list(&mut self, operand: Raw, at: usize) -> Result<Filter, FilterError> {
        let Raw::Property(position, kind) = operand else {
            let found = describe(&operand);
            return Err(FilterError {
                position: at,
                problem: Problem::Unexpected { expected: "a property before 'in'", found },
            });
        };
        self.expect(&Token::Open, "'('")?;
        let mut values = Vec::new();
        loop {
            let at = self.position();
            let raw = self.operand()?;
            values.push(literal(raw, kind, at, self.entity)?);
            if values.len() > MAX_LIST {
                return Err(self.error(Problem::TooMuch("long: at most 200 values in a list")));
            }
            if !matches!(self.peek(), Token::Comma) {
                break;
            }
            self.next += 1;
        }
        self.expect(&Token::Close, "',' or ')'")?;
        Ok(Filter::In(Operand::Property(position), values))
    }

    fn function(&mut self, name: &str) -> Result<Filter, FilterError> {
        let Some(test) = text_test(name) else {
            return Err(self.error(Problem::Function(excerpt(name))));
        };
        self.next += 2;
        let text = self.text_operand()?;
        self.expect(&Token::Comma, "','")?;
        let sought = self.text_operand()?;
        self.expect(&Token::Close, "')'")?;
        if !self.take_word("eq") {
            return Ok(Filter::Text(test, text, sought));
        }
        // `contains(a,'b') eq true` is how some tools write it. Where a text is null this is false, not null.
        let known = [known(&text), known(&sought)];
        let filter = Filter::Text(test, text, sought);
        let filter = match () {
            () if self.take_word("true") => filter,
            () if self.take_word("false") => Filter::Not(Box::new(filter)),
            () => return Err(self.unexpected("true or false")),
        };
        let both = known.into_iter().flatten().chain([filter]);
        let both = both.reduce(|left, right| Filter::And(Box::new(left), Box::new(right)));
        both.ok_or_else(|| self.unexpected(OPERAND))
    }

    fn text_operand(&mut self) -> Result<Operand, FilterError> {
        let at = self.position();
        match self.operand()? {
            Raw::Property(position, PropertyType::String) => Ok(Operand::Property(position)),
            Raw::Text(text) => Ok(Operand::Literal(Value::Text(text.into()))),
            Raw::Null => Ok(Operand::Literal(Value::Null)),
            Raw::Word(word) if word.starts_with(char::is_alphabetic) => Err(unknown(&word, at, self.entity)),
            other => Err(FilterError {
                position: at,
                problem: Problem::Unexpected { expected: "a text", found: describe(&other) },
            }),
        }
    }

    fn operand(&mut self) -> Result<Raw, FilterError> {
        let raw = match self.peek().clone() {
            Token::Word(word) if matches!(self.peek_second(), Some(Token::Open)) => {
                return Err(match text_test(&word) {
                    Some(_) => self.unexpected("a property or a value"),
                    None => self.error(Problem::Function(excerpt(&word))),
                });
            }
            Token::Word(word) => match self.entity.position(&word) {
                Some(position) => {
                    let kind = self.entity.properties.get(position).map_or(PropertyType::String, |p| p.kind);
                    if kind.is_structure() {
                        return Err(self.unexpected("a property with a single value"));
                    }
                    Raw::Property(position, kind)
                }
                None => match word.to_ascii_lowercase().as_str() {
                    "null" => Raw::Null,
                    "true" => Raw::Boolean(true),
                    "false" => Raw::Boolean(false),
                    _ => Raw::Word(word),
                },
            },
            Token::Text(text) => Raw::Text(text),
            Token::Qualified(kind, member) => Raw::Qualified(kind, member),
            Token::Open | Token::Close | Token::Comma | Token::End => return Err(self.unexpected(OPERAND)),
        };
        self.next += 1;
        Ok(raw)
    }

    /// Both operands, literals read as the type of the property on the other side.
    fn same_type(
        &self,
        left: Raw,
        left_at: usize,
        right: Raw,
        right_at: usize,
    ) -> Result<(Operand, Operand), FilterError> {
        match (left, right) {
            (Raw::Property(left, left_kind), Raw::Property(right, right_kind)) => {
                if left_kind != right_kind {
                    let name = |position| format!("'{}'", self.name(position));
                    let problem = Problem::Types { left: name(left), right: name(right) };
                    return Err(FilterError { position: right_at, problem });
                }
                Ok((Operand::Property(left), Operand::Property(right)))
            }
            (Raw::Property(left, kind), right) => {
                Ok((Operand::Property(left), Operand::Literal(literal(right, kind, right_at, self.entity)?)))
            }
            (left, Raw::Property(right, kind)) => {
                Ok((Operand::Literal(literal(left, kind, left_at, self.entity)?), Operand::Property(right)))
            }
            (Raw::Word(word), _) => Err(unknown(&word, left_at, self.entity)),
            (_, Raw::Word(word)) => Err(unknown(&word, right_at, self.entity)),
            (left, _) => Err(FilterError {
                position: left_at,
                problem: Problem::Unexpected { expected: "a property on one side", found: describe(&left) },
            }),
        }
    }

    fn name(&self, position: usize) -> &'static str {
        self.entity.properties.get(position).map_or("", |property| property.name)
    }

    fn count(&mut self) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(
                self.error(Problem::TooMuch("long: at most 256 conditions, connections and parentheses"))
            );
        }
        Ok(())
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.next + 1).map(|(_, token)| token)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word));
        self.next += usize::from(taken);
        taken
    }

    fn expect(&mut self, token: &Token, expected: &'static str) -> Result<(), FilterError> {
        if self.peek() != token {
            return Err(self.unexpected(expected));
        }
        self.next += 1;
        Ok(())
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(at, _)| *at)
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        self.error(Problem::Unexpected { expected, found: self.peek().to_string() })
    }

    fn error(&self, problem: Problem) -> FilterError {
        FilterError { position: self.position(), problem }
    }
}

fn text_test(name: &str) -> Option<TextTest> {
    let tests = [
        ("contains", TextTest::Contains),
        ("startswith", TextTest::StartsWith),
        ("endswith", TextTest::EndsWith),
    ];
    tests.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, test)| test)
}

/// That a text is not null, where that is not plain already.
fn known(text: &Operand) -> Option<Filter> {
    let null = || Operand::Literal(Value::Null);
    match text {
        Operand::Property(_) => Some(Filter::Compare(text.clone(), Comparison::NotEqual, null())),
        Operand::Literal(Value::Null) => Some(Filter::Truth(Operand::Literal(Value::Boolean(false)))),
        Operand::Literal(_) => None,
    }
}

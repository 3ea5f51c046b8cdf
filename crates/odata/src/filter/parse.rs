use exconn_model::{
    Timestamp,
    schema::{EntityType, EnumType, PropertyType, Value},
};

use super::{FilterError, MAX_DEPTH, MAX_LIST, MAX_NODES, Problem, token::Token};
use crate::query::{Comparison, Filter, Operand, TextTest};

const OPERAND: &str = "a property, a value or a function";

/// An operand whose literal has not met the type of the other side yet.
#[derive(Clone, Debug)]
enum Raw {
    Property(usize, PropertyType),
    Null,
    Boolean(bool),
    Text(String),
    /// A word that is neither property nor keyword: a date, a number, a GUID or a bare member.
    Word(String),
    Qualified(String, String),
}

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
        if self.take_word("not") {
            return self.nested(Self::one).map(|inner| Filter::Not(Box::new(inner)));
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
        let Token::Word(operator) = self.peek().clone() else { return self.truth(left, at) };
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
            "and" | "or" => return self.truth(left, at),
            "has" | "add" | "sub" | "mul" | "div" | "divby" | "mod" => {
                return Err(self.error(Problem::Operator(operator)));
            }
            _ => return Err(self.unexpected("an operator such as eq, ne, gt, ge, lt, le or in")),
        };
        self.next += 1;
        let right_at = self.position();
        let right = self.operand()?;
        let (left, right) = self.same_type(left, at, right, right_at)?;
        Ok(Filter::Compare(left, comparison, right))
    }

    fn truth(&self, operand: Raw, at: usize) -> Result<Filter, FilterError> {
        match operand {
            Raw::Property(position, PropertyType::Boolean) => Ok(Filter::Truth(Operand::Property(position))),
            Raw::Boolean(value) => Ok(Filter::Truth(Operand::Literal(Value::Boolean(value)))),
            _ if matches!(self.peek(), Token::End | Token::Close) => {
                Err(self.unexpected("an operator such as eq, ne, gt, ge, lt, le or in"))
            }
            other => Err(FilterError {
                position: at,
                problem: Problem::Unexpected { expected: "a condition", found: describe(&other) },
            }),
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
            values.push(self.literal(raw, kind, at)?);
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
        let test = match name.to_ascii_lowercase().as_str() {
            "contains" => TextTest::Contains,
            "startswith" => TextTest::StartsWith,
            "endswith" => TextTest::EndsWith,
            _ => return Err(self.error(Problem::Function(name.to_owned()))),
        };
        self.next += 2;
        let text = self.text_operand()?;
        self.expect(&Token::Comma, "','")?;
        let sought = self.text_operand()?;
        self.expect(&Token::Close, "')'")?;
        if self.take_word("eq") {
            // `contains(a,'b') eq true` is how some tools write it.
            let filter = Filter::Text(test, text, sought);
            if self.take_word("true") {
                return Ok(filter);
            }
            if self.take_word("false") {
                return Ok(Filter::Not(Box::new(filter)));
            }
            return Err(self.unexpected("true or false"));
        }
        Ok(Filter::Text(test, text, sought))
    }

    fn text_operand(&mut self) -> Result<Operand, FilterError> {
        let at = self.position();
        match self.operand()? {
            Raw::Property(position, PropertyType::String) => Ok(Operand::Property(position)),
            Raw::Text(text) => Ok(Operand::Literal(Value::Text(text.into()))),
            Raw::Null => Ok(Operand::Literal(Value::Null)),
            other => Err(FilterError {
                position: at,
                problem: Problem::Unexpected { expected: "a text", found: describe(&other) },
            }),
        }
    }

    fn operand(&mut self) -> Result<Raw, FilterError> {
        let raw = match self.peek().clone() {
            Token::Word(word) => match self.entity.position(&word) {
                Some(position) => {
                    let kind = self.entity.properties.get(position).map_or(PropertyType::String, |p| p.kind);
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
                Ok((Operand::Property(left), Operand::Literal(self.literal(right, kind, right_at)?)))
            }
            (left, Raw::Property(right, kind)) => {
                Ok((Operand::Literal(self.literal(left, kind, left_at)?), Operand::Property(right)))
            }
            (Raw::Word(word), _) => Err(self.unknown(word, left_at)),
            (_, Raw::Word(word)) => Err(self.unknown(word, right_at)),
            (left, _) => Err(FilterError {
                position: left_at,
                problem: Problem::Unexpected { expected: "a property on one side", found: describe(&left) },
            }),
        }
    }

    /// A literal as a value of this type.
    fn literal(&self, raw: Raw, kind: PropertyType, at: usize) -> Result<Value<'static>, FilterError> {
        let failed = |problem| FilterError { position: at, problem };
        match (kind, raw) {
            (_, Raw::Null) => Ok(Value::Null),
            (PropertyType::Boolean, Raw::Boolean(value)) => Ok(Value::Boolean(value)),
            (PropertyType::String, Raw::Text(text)) => Ok(Value::Text(text.into())),
            // Ids are texts, and many clients write them like OData's GUIDs, without quotes.
            (PropertyType::String, Raw::Word(word)) if is_guid(&word) => Ok(Value::Text(word.into())),
            (PropertyType::DateTimeOffset, Raw::Word(text) | Raw::Text(text)) => {
                match Timestamp::parse(&text) {
                    Ok(moment) => Ok(Value::Timestamp(moment)),
                    Err(_)
                        if !text.starts_with(|c: char| c.is_ascii_digit())
                            && self.entity.position(&text).is_none() =>
                    {
                        Err(self.unknown(text, at))
                    }
                    Err(reason) => Err(failed(Problem::Moment { text, reason: reason.to_string() })),
                }
            }
            (PropertyType::Enum(kind), Raw::Text(name)) => member(kind, &name).map_err(failed),
            (PropertyType::Enum(kind), Raw::Qualified(prefix, name)) => {
                let wanted = ["microsoft.graph.", "graph.", "#microsoft.graph."];
                let named =
                    wanted.iter().find_map(|namespace| prefix.strip_prefix(namespace)).unwrap_or(&prefix);
                if named != kind.name {
                    let left = format!("a microsoft.graph.{}", kind.name);
                    return Err(failed(Problem::Types { left, right: format!("a {prefix}") }));
                }
                member(kind, &name).map_err(failed)
            }
            (PropertyType::Enum(kind), Raw::Word(name)) if kind.number_of(&name).is_some() => {
                member(kind, &name).map_err(failed)
            }
            (_, Raw::Word(word)) if word.starts_with(char::is_alphabetic) => Err(self.unknown(word, at)),
            (kind, raw) => Err(failed(Problem::Types { left: type_name(kind), right: describe(&raw) })),
        }
    }

    fn unknown(&self, name: String, at: usize) -> FilterError {
        FilterError { position: at, problem: Problem::UnknownProperty { name, entity: self.entity.name } }
    }

    fn name(&self, position: usize) -> &'static str {
        self.entity.properties.get(position).map_or("", |property| property.name)
    }

    fn count(&mut self) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.error(Problem::TooMuch("long: at most 256 conditions")));
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

fn member(kind: &'static EnumType, name: &str) -> Result<Value<'static>, Problem> {
    match kind.number_of(name) {
        Some(number) => Ok(Value::Enum(kind, number)),
        None => {
            let members: Vec<&str> = kind.members.iter().map(|(name, _)| *name).collect();
            Err(Problem::Member { member: name.to_owned(), kind: kind.name, members: members.join(", ") })
        }
    }
}

fn is_guid(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn type_name(kind: PropertyType) -> String {
    match kind {
        PropertyType::Boolean => "a Boolean".to_owned(),
        PropertyType::String => "a text".to_owned(),
        PropertyType::DateTimeOffset => "a date and time".to_owned(),
        PropertyType::Enum(kind) => format!("a microsoft.graph.{}", kind.name),
    }
}

fn describe(raw: &Raw) -> String {
    match raw {
        Raw::Property(_, kind) => format!("a property that is {}", type_name(*kind)),
        Raw::Null => "null".to_owned(),
        Raw::Boolean(value) => value.to_string(),
        Raw::Text(text) => format!("the text '{text}'"),
        Raw::Word(word) => format!("'{word}'"),
        Raw::Qualified(kind, member) => format!("{kind}'{member}'"),
    }
}

use std::{borrow::Cow, fmt};

use super::Problem;
use crate::excerpt::excerpt;

/// A word of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    Comma,
    /// A minus that begins no number.
    Minus,
    /// A name, keyword, number, date or GUID: letters, digits and `_ . : + - $ /`.
    Word(&'a str),
    /// `@name`
    Alias(&'a str),
    /// A quoted text, its quotes undoubled.
    Text(Cow<'a, str>),
    /// `type'member'`
    Qualified(&'a str, Cow<'a, str>),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("'('"),
            Self::Close => f.write_str("')'"),
            Self::Comma => f.write_str("','"),
            Self::Minus => f.write_str("'-'"),
            Self::Word(word) | Self::Alias(word) => write!(f, "'{}'", excerpt(word)),
            Self::Text(text) => write!(f, "the text '{}'", excerpt(text)),
            Self::Qualified(kind, member) => write!(f, "{}'{}'", excerpt(kind), excerpt(member)),
            Self::End => f.write_str("the end"),
        }
    }
}

/// A token with the bytes of the text that it takes.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) token: Token<'a>,
}

/// The words of a filter. Ends with [`Token::End`]; an error comes with its place in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, (usize, Problem)> {
    let mut scanner = Scanner { text, at: 0 };
    let mut tokens = Vec::with_capacity(text.len() / 6 + 4);
    loop {
        scanner.skip_while(|c| matches!(c, ' ' | '\t'));
        let start = scanner.at;
        let token = scanner.token()?;
        let is_end = token == Token::End;
        tokens.push(Placed { start, end: scanner.at, token });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn token(&mut self) -> Result<Token<'a>, (usize, Problem)> {
        let start = self.at;
        let Some(first) = self.take() else { return Ok(Token::End) };
        Ok(match first {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '\'' => Token::Text(self.quoted(start)?),
            '-' if !self.rest().starts_with(|c: char| c.is_ascii_digit()) => Token::Minus,
            c if is_word(c) || c == '@' => {
                self.skip_while(|c| is_word(c) || c == '@');
                let word = self.text.get(start..self.at).unwrap_or_default();
                let quote = self.at;
                if c == '@' {
                    Token::Alias(word)
                } else if self.rest().starts_with('\'') {
                    self.at += 1;
                    Token::Qualified(word, self.quoted(quote)?)
                } else {
                    Token::Word(word)
                }
            }
            other => return Err((start, Problem::Character(other))),
        })
    }

    /// What stands up to the closing quote; the opening one is behind.
    fn quoted(&mut self, opened: usize) -> Result<Cow<'a, str>, (usize, Problem)> {
        let start = self.at;
        let mut doubled = false;
        loop {
            match self.take() {
                None => return Err((opened, Problem::OpenQuote)),
                Some('\0') => return Err((self.at - 1, Problem::Zero)),
                Some('\'') if self.rest().starts_with('\'') => {
                    self.at += 1;
                    doubled = true;
                }
                Some('\'') => break,
                Some(_) => {}
            }
        }
        let text = self.text.get(start..self.at - 1).unwrap_or_default();
        Ok(if doubled { text.replace("''", "'").into() } else { text.into() })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_while(&mut self, mut wanted: impl FnMut(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '+' | '-' | '$' | '/')
}

use std::fmt;

use super::{FilterError, Problem};
use crate::excerpt::excerpt;

/// A word of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Comma,
    /// A name, keyword, number, date or GUID: letters, digits and `_ . : + - $ @`.
    Word(String),
    /// A quoted text, its quotes undoubled.
    Text(String),
    /// `type'member'`
    Qualified(String, String),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("'('"),
            Self::Close => f.write_str("')'"),
            Self::Comma => f.write_str("','"),
            Self::Word(word) => write!(f, "'{}'", excerpt(word)),
            Self::Text(text) => write!(f, "the text '{}'", excerpt(text)),
            Self::Qualified(kind, member) => write!(f, "{}'{}'", excerpt(kind), excerpt(member)),
            Self::End => f.write_str("the end"),
        }
    }
}

/// The words of a filter with their positions in characters, the first being 0. Ends with [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        let token = match character {
            ' ' | '\t' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '\'' => Token::Text(quoted(&mut characters, at)?),
            c if is_word(c) => {
                let mut word = c.to_string();
                while let Some((_, next)) = characters.next_if(|(_, next)| is_word(*next)) {
                    word.push(next);
                }
                match characters.next_if(|(_, next)| *next == '\'') {
                    Some((quote, _)) => Token::Qualified(word, quoted(&mut characters, quote)?),
                    None => Token::Word(word),
                }
            }
            other => return Err(FilterError { position: at, problem: Problem::Character(other) }),
        };
        tokens.push((at, token));
    }
    tokens.push((text.chars().count(), Token::End));
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '+' | '-' | '$' | '@' | '/')
}

fn quoted(
    characters: &mut std::iter::Peekable<impl Iterator<Item = (usize, char)>>,
    opened: usize,
) -> Result<String, FilterError> {
    let mut text = String::new();
    while let Some((at, character)) = characters.next() {
        if character == '\0' {
            return Err(FilterError { position: at, problem: Problem::Zero });
        }
        if character != '\'' {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Ok(text);
        }
    }
    Err(FilterError { position: opened, problem: Problem::OpenQuote })
}

use super::filter::FilterError;

/// A word of a filter, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Characters before it.
    pub(crate) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Open,
    Close,
    Comma,
    /// Letters, digits and what numbers, dates and qualified names are made of.
    Word(String),
    /// Text in quotes.
    Text(String),
    /// `microsoft.graph.type'member'`.
    Qualified(String, String),
    End,
}

/// Tokens that a filter may have.
const MAX_TOKENS: usize = 1000;

pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some(&(at, c)) = chars.peek() {
        if tokens.len() == MAX_TOKENS {
            return Err(FilterError::TooLong);
        }
        let kind = match c {
            c if c.is_whitespace() => {
                chars.next();
                continue;
            }
            '(' => single(&mut chars, TokenKind::Open),
            ')' => single(&mut chars, TokenKind::Close),
            ',' => single(&mut chars, TokenKind::Comma),
            '\'' => TokenKind::Text(quoted(&mut chars, at)?),
            c if is_word(c) => {
                let mut word = String::new();
                while let Some((_, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                    word.push(c);
                }
                match chars.peek() {
                    Some((_, '\'')) => TokenKind::Qualified(word, quoted(&mut chars, at)?),
                    _ => TokenKind::Word(word),
                }
            }
            c => return Err(FilterError::Character { found: c, at }),
        };
        tokens.push(Token { kind, at });
    }
    tokens.push(Token { kind: TokenKind::End, at: text.chars().count() });
    Ok(tokens)
}

type Chars<'a> = std::iter::Peekable<std::iter::Enumerate<std::str::Chars<'a>>>;

fn single(chars: &mut Chars<'_>, kind: TokenKind) -> TokenKind {
    chars.next();
    kind
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-' | '+' | '$' | '@' | '/')
}

/// The text between quotes; a doubled quote is one.
fn quoted(chars: &mut Chars<'_>, at: usize) -> Result<String, FilterError> {
    chars.next();
    let mut text = String::new();
    loop {
        match chars.next() {
            None => return Err(FilterError::Unterminated { at }),
            Some((_, '\'')) => match chars.next_if(|(_, c)| *c == '\'') {
                Some(_) => text.push('\''),
                None => return Ok(text),
            },
            Some((_, c)) => text.push(c),
        }
    }
}
